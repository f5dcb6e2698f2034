"""What usage costs by the list and on the bill: prices."""

from __future__ import annotations

from typing import Annotated

import typer

from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import open_house


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(prices)


def prices(
    machine: Annotated[str | None, typer.Option("--type", help="one instance type, in every way it can run")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what usage costs: by AWS's list or the bundled book, as of when, and the effective rate on the bill."""
    from sagekeeper.collector.history import price_book
    from sagekeeper.reports.views.prices import price_lines

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        lines = price_lines(house.lake, price_book(house.lake, now.date()), now, house.settings.aws.regions, machine)
    rows = [
        (
            line["region"],
            line["usage_type"],
            _amount(line["list_rate"]),
            line["list_basis"] or line["why"],
            line["account"],
            _amount(line["rate"]),
            "" if line["month"] is None else f"{line['quantity']:,.1f} in {line['month']:%b %Y}",
            "partly a commitment" if line["committed"] else "",
        )
        for line in lines.iter_rows(named=True)
    ]
    columns = ("region", "usage type", "list, USD>", "from", "account", "on the bill, USD>", "rests on", "")
    out.table("Price of a unit: an hour, a GB-month, a second", columns, rows)
    out.give({"as_of": now, "prices": lines.to_dicts()})
    if not rows:
        out.say("No usage is on the bill and no type was asked for. Name one with --type, or run: sagekeeper collect")


def _amount(usd: float | None) -> str:
    return "" if usd is None else f"{usd:,.6f}".rstrip("0").rstrip(".")
