"""What is used and not billed yet: estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sagekeeper.core.clock import month_start
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.reports.views.estimates import Estimated


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(estimate)


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
