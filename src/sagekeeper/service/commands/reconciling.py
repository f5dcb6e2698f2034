"""Comparing with the bill: reconcile."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import polars as pl
import typer

from sagekeeper.core.clock import closed_on, day_start, month_start
from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger.runs import set_watermark
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import House, open_house


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(reconcile)


def reconcile(
    month: Annotated[str | None, typer.Option(help="for example 2026-10; default: the month of yesterday")] = None,
    dataset: Annotated[str, typer.Option(help="which bill")] = "cost-explorer",
    since: Annotated[
        str | None,
        typer.Option(
            help="a day, as 2026-04-03: what the bill said at its end, and what has moved since; or close: since the month "
            "was closed; default: since the last look"
        ),
    ] = None,
    ask: Annotated[
        bool, typer.Option(help="ask Cost Explorer anew ($0.01 a page); else compare with the rows read")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Compare what is shown with the bill, by account and service, name what nobody could be given, and how list price
    becomes effective and billed cost."""
    from sagekeeper.reports.views.reconcile import last_look, months
    from sagekeeper.reports.views.reconcile import reconcile as compare

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        there = months(house.lake, dataset)
        chosen = _month(month, there)
        if chosen not in there:
            raise BadInput(
                f"The bill {dataset} has no cost in {chosen:%Y-%m}. It has: "
                f"{', '.join(f'{item:%Y-%m}' for item in there[:6]) or 'nothing. Run: sagekeeper collect'}."
            )
        looked = last_look(house.ledger, dataset, chosen) if since is None else _moment(since, chosen, now)
        with out.progress("comparing"):
            asked = _asked(house, chosen, now) if ask and dataset == "cost-explorer" else None
            result = compare(house.lake, dataset, chosen, now, asked, looked)
        _looked(house, dataset, chosen, now)
    money = result.currency
    out.table(
        f"{dataset}, {chosen:%B %Y}, billed cost in {money}; attributed and unattributed: effective (source: {result.source})",
        ("account", "service", "source>", "shown>", "difference>", "attributed>", "unattributed>", "then>", "moved>"),
        [
            (
                row["account"] or "-",
                row["service"] or "-",
                f"{row['source']:,.2f}",
                f"{row['shown']:,.2f}",
                f"{row['difference']:+,.2f}" if abs(row["difference"]) >= 0.005 else "0.00",
                "-" if row["attributed_percent"] is None else f"{row['attributed_percent']:.1f} %",
                f"{row['unattributed']:,.2f}",
                "unknown" if row["then"] is None else f"{row['then']:,.2f}",
                "unknown" if row["moved"] is None else f"{row['moved']:+,.2f}",
            )
            for row in result.lines.iter_rows(named=True)
        ],
    )
    out.table(
        f"What nobody could be given, and why, effective cost in {money}",
        ("account", "service", "cost>", "why"),
        [
            (account or "-", service or "-", f"{cost:,.2f}", why)
            for account, service, cost, why in result.reasons.rows()
        ],
    )
    out.table(
        f"From list price to the invoice, in {money}",
        ("step", "amount>", "what it is"),
        [
            (step.name, f"{step.amount:,.2f}", step.why)
            if step.total
            else (f"  {step.name}", f"{step.amount:+,.2f}", step.why)
            for step in result.waterfall.steps
        ],
    )
    if result.waterfall.unstated:
        out.say(
            f"The bill states no list price for {result.waterfall.unstated:,.2f} {money} of it: no discount is claimed there."
        )
    total = result.lines.select(pl.col("source", "shown", "difference").sum()).row(0, named=True)
    out.give(
        {
            "dataset": dataset,
            "month": f"{chosen:%Y-%m}",
            "currency": money,
            "agrees": result.agrees,
            "total": {name: round(amount, 2) for name, amount in total.items()},
            "since": None if looked is None else looked.isoformat(),
            "lines": result.lines.to_dicts(),
            "reasons": result.reasons.to_dicts(),
            "waterfall": [
                {"step": step.name, "amount": step.amount, "total": step.total, "why": step.why}
                for step in result.waterfall.steps
            ],
        }
    )
    if not result.agrees:
        out.say(
            f"Shown {total['shown']:,.2f} against {total['source']:,.2f} {money}: AWS has restated since the last collect, "
            "or a row was lost. Run: sagekeeper collect, then reconcile again.",
            style="red",
        )
        raise typer.Exit(1)
    out.say(f"Every account and service agrees to the cent: {total['shown']:,.2f} {money}.")


def _month(text: str | None, there: list[date]) -> date:
    if text is None:
        if not there:
            raise BadInput("There is no bill in the lake. Run: sagekeeper collect")
        return there[0]
    try:
        return month_start(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date())
    except ValueError as error:
        raise BadInput(f"{text} is no month. Write it like 2026-10.") from error


def _moment(text: str, month: date, now: datetime) -> datetime:
    """The end of the day, or the time at which the month was closed."""
    from sagekeeper.reports.views.reconcile import seen_on

    if text == "close":
        closed = closed_on(month)
        if closed > now.date():
            raise BadInput(f"{month:%B %Y} is not closed before {closed:%-d %B %Y}: nothing can have moved after it.")
        return day_start(closed)
    try:
        return seen_on(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date())
    except ValueError as error:
        raise BadInput(f"{text} is no day. Write it like 2026-11-03, or: close.") from error


def _asked(house: House, month: date, now: datetime) -> pl.DataFrame | None:
    """Cost Explorer's own totals; None where no account is named to ask in."""
    from sagekeeper.collector.cost_explorer_totals import month_totals
    from sagekeeper.collector.source import aws_errors

    payer = house.settings.payer
    if payer is None:
        return None
    with aws_errors("Cost Explorer"):
        return month_totals(house.sessions.client("ce", payer.id, house.settings.aws.regions[0]), month, now.date())


def _looked(house: House, dataset: str, month: date, now: datetime) -> None:
    from sagekeeper.reports.views.reconcile import look_of

    with house.ledger.session() as session:
        set_watermark(session, *look_of(dataset, month), now, now)
