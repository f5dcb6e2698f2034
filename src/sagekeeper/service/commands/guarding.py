"""Before it is launched: guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.analyzers.launch import Range
    from sagekeeper.service.guard import Priced, Ruling

FITS, TOO_MUCH, UNKNOWN = 0, 1, 3
"""Exit codes; 2 is wrong input, as everywhere."""


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(guard)


def guard(
    file: Annotated[
        Path, typer.Option("--file", help="JSON or YAML: a request (CreateTrainingJob ...), a list, or a pipeline")
    ],
    budget: Annotated[str | None, typer.Option(help="this budget only; default: all whose scope fits")] = None,
    account: Annotated[str | None, typer.Option(help="where it is launched; default: the account of its role")] = None,
    region: Annotated[str | None, typer.Option(help="default: the first watched region")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", help="NAME=VALUE of a pipeline's run; may be repeated")
    ] = None,
    assume: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="expected share of MaxRuntimeInSeconds where no run is known")
    ] = 1.0,
    ceiling: Annotated[
        bool, typer.Option("--ceiling", help="the most it can cost must fit, not what it probably costs")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Price a job, endpoint or pipeline before it is launched, against what is left of its budget.

    Exit codes for CI: 0 it fits, 1 it does not fit, 2 the input is wrong, 3 it cannot be judged (a price, a budget or the
    bill is missing). Nothing is launched, and AWS is not asked.
    """
    from sagekeeper.analyzers.launch_jobs import Assumptions
    from sagekeeper.service import guard as guarding
    from sagekeeper.service.launch_file import read

    out = Output(as_json)
    given = _parameters(parameter or [])
    requests = read(file)
    with open_house() as house:
        now = house.clock()
        where = region or house.settings.aws.regions[0]
        seen = guarding.priced(house, requests, account, where, given, now, Assumptions(assume))
        found = guarding.rulings(house, seen, budget, now, ceiling)
    _show_working(out, seen)
    _show_rulings(out, found, seen)
    code = _code([ruling.verdict for ruling in found])
    out.give(_document(seen, found, code))
    out.say(_sentence(seen, found, code))
    if code != FITS:
        raise typer.Exit(code)


def _parameters(texts: list[str]) -> dict[str, Any]:
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise BadInput(f"--parameter {wrong[0]} is not NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts)


def _show_working(out: Output, seen: Priced) -> None:
    rows = []
    for document in seen.documents:
        for work in document.works:
            for line in work.lines:
                price = "unknown" if line.quote.price is None else _short(line.quote.price, 4)
                amount = "unknown" if line.amount is None else _short(line.amount)
                size = _short(line.use.size, 0)
                units = f"{_short(line.units)} {line.unit}"
                rows.append(
                    (
                        work.work.name,
                        f"{size} {line.use.usage_type}",
                        units,
                        price,
                        amount,
                        line.use.basis,
                        line.quote.basis,
                    )
                )
    columns = (
        "of",
        "what",
        "low to high>",
        f"{seen.currency} a unit>",
        f"{seen.currency}>",
        "how long, how many",
        "price from",
    )
    out.table(f"What it uses in {seen.account} {seen.region}: low / expected / high", columns, rows)
    told = [(item.work.name, note) for item in seen.works for note in item.work.notes]
    told += [(document.where, note) for document in seen.documents for note in document.notes]
    for name, note in dict.fromkeys(told):
        out.say(f"{name}: {note}")
    for document in seen.documents:
        for why in document.unknown:
            out.say(f"Not known, and in no amount: {why}", style="red")
        for why in document.open:
            out.say(f"Not known: {why}")


def _show_rulings(out: Output, found: list[Ruling], seen: Priced) -> None:
    rows = [
        (
            ruling.state.name,
            ruling.state.scope,
            money(ruling.state.amount, ruling.state.currency),
            money(ruling.state.spent, ruling.state.currency),
            money(ruling.unbilled, ruling.state.currency),
            money(ruling.left, ruling.state.currency),
            money(ruling.left_if_all_goes_on, ruling.state.currency),
            _short(ruling.cost),
            ruling.verdict,
        )
        for ruling in found
    ]
    columns = (
        "budget",
        "of",
        "limit>",
        "billed>",
        "used, not billed>",
        "left>",
        "left if all goes on>",
        f"this, {seen.currency}>",
        "",
    )
    if rows:
        out.table("Budgets that apply, this period", columns, rows)
    for ruling in found:
        if ruling.why:
            out.say(f"{ruling.state.name}: {ruling.why}", style="red")


def _code(verdicts: list[str]) -> int:
    if "does not fit" in verdicts:
        return TOO_MUCH
    return UNKNOWN if not verdicts or "cannot be judged" in verdicts else FITS


def _sentence(seen: Priced, found: list[Ruling], code: int) -> str:
    cost, currency = seen.cost, seen.currency
    if any(work.unknown for work in seen.works):
        what = f"At least {money(cost.low, currency)}, and something that is not known."
    else:
        what = f"It costs {money(cost.expected, currency)} ({cost.low:,.2f} to {cost.high:,.2f})"
        what += f" until {seen.upto:%-d %B}." if seen.month else "."
    if seen.month:
        what += f" What stands costs {money(seen.month.expected, currency)} per month of 730 hours."
    if code == FITS:
        crowded = [item.state.name for item in found if _crowded(item)]
        more = f" But {crowded[0]} is expected to be used up by what runs already." if crowded else ""
        return f"{what} It fits.{more}"
    if code == TOO_MUCH:
        tight = next(item for item in found if item.verdict == "does not fit")
        return f"{what} It does not fit: {money(tight.left, tight.state.currency)} is left of {tight.state.name}."
    if not found:
        return f"{what} It cannot be judged: no budget applies. Name one with --budget, or set one."
    return f"{what} It cannot be judged."


def _crowded(ruling: Ruling) -> bool:
    return ruling.left_if_all_goes_on is not None and ruling.left_if_all_goes_on < ruling.cost.expected


def _short(value: Range, digits: int = 2) -> str:
    """One number where all three are the same, else low / expected / high."""
    texts = [f"{number:,.{digits}f}" for number in (value.low, value.expected, value.high)]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _document(seen: Priced, found: list[Ruling], code: int) -> dict[str, Any]:
    return {
        "verdict": {FITS: "fits", TOO_MUCH: "does not fit"}.get(code, "cannot be judged"),
        "exit_code": code,
        "account": seen.account,
        "region": seen.region,
        "currency": seen.currency,
        "cost": seen.cost,
        "per_month": seen.month,
        "upto": seen.upto,
        "documents": [
            {
                "where": document.where,
                "cost": document.cost,
                "notes": document.notes,
                "unknown": document.unknown,
                "open": document.open,
                "works": document.works,
            }
            for document in seen.documents
        ],
        "budgets": [
            {
                "name": ruling.state.name,
                "scope": ruling.state.scope,
                "documents": ruling.documents,
                "limit": ruling.state.amount,
                "billed": ruling.state.spent,
                "used_not_billed": ruling.unbilled,
                "left": ruling.left,
                "left_if_all_goes_on": ruling.left_if_all_goes_on,
                "currency": ruling.state.currency,
                "cost": ruling.cost,
                "verdict": ruling.verdict,
                "why": ruling.why,
            }
            for ruling in found
        ],
    }
