"""What is used and not billed yet, and what is being spent now: estimate, run-rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sagekeeper.core.clock import month_start
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.reports.views.estimates import Estimated


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(estimate)
    app.command()(run_rate)


def estimate(as_json: JsonOption = False) -> None:
    """Show what has been used since the bill ends, about what it costs, and how near past estimates came to the bill."""
    from sagekeeper.reports.views.estimates import accuracy_said, estimated
    from sagekeeper.service.estimates import refresh_estimates

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        with out.progress("estimating"):
            refresh_estimates(house.lake, house.settings, now)
            seen = estimated(house.lake, now)
    if seen.amount is None:
        out.say("Nothing is known to estimate from. Run: sagekeeper collect")
    else:
        _show(out, seen)
        out.say(
            f"{money(seen.since(month_start(now.date())), seen.currency)} of this month are used and not billed yet, as of "
            f"{now:%Y-%m-%d %H:%M} UTC: {accuracy_said(seen.accuracy)}."
        )
    out.give(
        {
            "as_of": now,
            "upto": seen.upto,
            "currency": seen.currency,
            "not_yet_billed": seen.amount,
            "lacking": seen.lacking.to_dicts(),
            "accuracy": seen.accuracy,
            "compared": seen.compared.to_dicts(),
            "days": seen.days.to_dicts(),
            "families": seen.families.to_dicts(),
            "left_out": seen.left_out.to_dicts(),
            "bases": seen.bases.to_dicts(),
            "unpriced": seen.unpriced.to_dicts(),
        }
    )


def run_rate(as_json: JsonOption = False) -> None:
    """Show what is being spent by the hour now, what makes it up, and what is usual for this hour."""
    from sagekeeper.reports.views import running

    out = Output(as_json)
    with open_house() as house:
        seen = running.run_rate(house.lake, house.settings, house.clock())
    if seen.per_hour is None:
        out.say("Nothing was looked at in the last 26 hours, so what runs now is not known. Run: sagekeeper collect")
    else:
        rows = [
            (
                f"{row['resource_kind']} {row['resource_name']}",
                f"{row['account']} {row['region']}",
                row["owner"],
                "unknown" if row["per_hour"] is None else f"{row['per_hour']:,.2f}",
                "" if row["since"] is None else f"{row['since']:%Y-%m-%d %H:%M}",
                "since the last bill" if row["new"] else "",
                row["why"] or row["basis"],
            )
            for row in seen.things.iter_rows(named=True)
        ]
        columns = ("what", "where", "owner", "an hour>", "since (UTC)", "", "price from")
        out.table(f"Running now, estimated, {seen.currency} an hour", columns, rows)
        usual = "not known" if seen.usual.per_hour is None else money(seen.usual.per_hour, seen.currency)
        out.say(
            f"{money(seen.per_hour, seen.currency)} an hour as of {seen.looked or seen.as_of:%Y-%m-%d %H:%M} UTC, "
            f"usually {usual} ({seen.usual.basis}). What is paid by the request is not in it."
        )
        if seen.unpriced:
            out.say(f"{seen.unpriced} resources, or a part of them, have no known price and are in no amount.")
    if seen.unseen:
        out.say(
            f"Not looked at for 26 hours: {', '.join(' '.join(place) for place in seen.unseen)}. Run: sagekeeper collect"
        )
    out.give(
        {
            "as_of": seen.as_of,
            "currency": seen.currency,
            "per_hour": seen.per_hour,
            "usual": seen.usual,
            "unpriced": seen.unpriced,
            "at_the_bills_rate": seen.by_bill,
            "looked": seen.looked,
            "not_looked_at": seen.unseen,
            "bill_upto": seen.bill_upto,
            "kinds": seen.kinds.to_dicts(),
            "things": seen.things.to_dicts(),
        }
    )


def _show(out: Output, seen: Estimated) -> None:
    rows = [
        (f"{row['day']}", row["usage_family"], *_amounts(row, "estimated", "billed", "lacking"), row["unknown"] or "")
        for row in seen.lacking.iter_rows(named=True)
    ]
    columns = ("day", "use", "estimated>", "on the bill>", "not billed yet>", "without price>")
    out.table(f"Not billed yet, effective cost, {seen.currency}", columns, rows)
    for title, frame, name in (("day", seen.days, "day"), ("use", seen.families, "usage_family")):
        compared = [
            (
                f"{row[name]}{' (told afterwards)' if row['afterwards'] else ''}",
                *_amounts(row, "estimated", "billed", "error"),
                _percent(row["relative"]),
            )
            for row in frame.iter_rows(named=True)
        ]
        if compared:
            out.table(
                f"Estimate against bill by {title}, {seen.currency}",
                (title, "estimated>", "billed>", "error>", "error %>"),
                compared,
            )
    if seen.left_out.height:
        named = ", ".join(f"{what} {money(cost, seen.currency)}" for what, cost in seen.left_out.head(8).iter_rows())
        out.say(f"On the bill of the compared days and never estimated: {named}.")
    for usage, why in seen.unpriced.iter_rows():
        out.say(f"{usage}: {why}")


def _amounts(row: dict[str, float | None], *names: str) -> tuple[str, ...]:
    return tuple("" if row[name] is None else f"{row[name]:,.2f}" for name in names)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.2f}"
