"""Budgets on the command line: add, list, remove."""

from __future__ import annotations

import getpass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from sqlalchemy import select

from sagekeeper.core.errors import BadInput, Conflict
from sagekeeper.core.ledger.models import BudgetRow
from sagekeeper.core.ledger.runs import audit
from sagekeeper.core.settings import Budget
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.reports.views.budgets import BudgetState

COMMAND = "command"
Several = Annotated[list[str] | None, typer.Option(help="may be repeated: one of them")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    group = typer.Typer(help="Budgets: how much of each is gone, and how likely it breaks.", no_args_is_help=True)
    group.command("list")(list_budgets)
    group.command()(add)
    group.command()(remove)
    app.add_typer(group, name="budget")


def list_budgets(as_json: JsonOption = False) -> None:
    """How much of each budget is gone, and how likely it breaks; the riskiest first."""
    from sagekeeper.reports.views.budgets import all_states
    from sagekeeper.reports.views.spend import COST_EXPLORER, load_cube

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        states = all_states(house.ledger, house.lake, house.settings, load_cube(house.lake, COST_EXPLORER, now), now)
    columns = ("budget", "of", "period", "limit>", "spent>", "left>", "expected>", "chance to break>", "breaks", "from")
    if states:
        out.table("Budgets, by risk", columns, [_row(state) for state in states])
    for state in states:
        for note in (state.why, *state.notes, state.aws_says):
            if note:
                out.say(f"{state.name}: {note}")
    out.give({"as_of": now, "budgets": [_document(state) for state in states]})
    if not states:
        out.say("No budget is set. Add one: sagekeeper budget add NAME --amount 500 [--owner risk] [--recipient a@b.c]")


def add(
    name: Annotated[str, typer.Argument(help="what it is called")],
    amount: Annotated[str, typer.Option(help="in a period")],
    currency: Annotated[str, typer.Option(help="that of the bill, or one with a rate in currency_rates")] = "USD",
    period: Annotated[str, typer.Option(help="DAILY, MONTHLY, QUARTERLY, ANNUALLY or CUSTOM")] = "MONTHLY",
    first: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="of a CUSTOM period")] = None,
    last: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="of a CUSTOM period, included")] = None,
    account: Several = None,
    owner: Several = None,
    team: Several = None,
    project: Several = None,
    region: Several = None,
    service: Several = None,
    endpoint: Several = None,
    model: Several = None,
    family: Several = None,
    actual: Annotated[list[int] | None, typer.Option(help="percent spent that is told; default 80 and 100")] = None,
    forecast: Annotated[list[int] | None, typer.Option(help="percent expected that is told; default 100")] = None,
    probability: Annotated[float, typer.Option(help="how likely a breach must be to be told")] = 0.5,
    effective: Annotated[bool, typer.Option("--effective", help="effective cost instead of billed")] = False,
    recipient: Annotated[list[str] | None, typer.Option(help="who is told by mail; may be repeated")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="another budget of this name goes")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a budget: of everything, or of an account, owner, team, endpoint, model, job family, service."""
    from sagekeeper.reports.views.budgets import row_of

    out = Output(as_json)
    given: dict[str, Any] = {
        "name": name,
        "amount": _decimal(amount),
        "currency": currency,
        "period": period.upper(),
        "first": None if first is None else first.date(),
        "last": None if last is None else last.date(),
        "notion": "effective" if effective else "billed",
        "forecast_probability": probability,
        "recipients": recipient or [],
    }
    scope = {
        "account": account, "owner": owner, "team": team, "project": project, "region": region, "service": service,
        "endpoint": endpoint, "model": model, "family": family,
    }  # fmt: skip
    given |= {key: value for key, value in scope.items() if value}
    given |= {"actual_percent": actual} if actual else {}
    given |= {"forecast_percent": forecast} if forecast else {}
    try:
        budget = Budget.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'budget'}: {item['msg']}" for item in error.errors())
        raise BadInput(f"The budget is wrong: {wrong}.") from error
    with open_house() as house:
        if name in {item.name for item in house.settings.budgets}:
            raise Conflict(f"The budget {name} is in the settings file: change it there.")
        now = house.clock()
        with house.ledger.session() as session:
            there = session.get(BudgetRow, name)
            if there is not None and (there.source != COMMAND or not replace):
                how = "It is AWS's: change it there." if there.source != COMMAND else "Replace it with --replace."
                raise Conflict(f"There is a budget {name} already. {how}")
            row = row_of(budget, COMMAND)
            row.updated_at = now
            session.merge(row)
            detail = {"amount": str(budget.amount), "currency": budget.currency, "scope": budget.scope}
            audit(session, now, getpass.getuser(), "budget added", name, detail)
    out.give({"added": budget})
    out.say(
        f"Added {name}: {money(budget.amount, budget.currency)} {budget.period.lower()}. Next: sagekeeper budget list"
    )


def remove(name: Annotated[str, typer.Argument(help="what it is called")], as_json: JsonOption = False) -> None:
    """Remove a budget that was added with this command."""
    out = Output(as_json)
    with open_house() as house:
        if name in {item.name for item in house.settings.budgets}:
            raise Conflict(f"The budget {name} is in the settings file: remove it there.")
        with house.ledger.session() as session:
            row = session.get(BudgetRow, name)
            if row is None:
                known = ", ".join(session.scalars(select(BudgetRow.name).where(BudgetRow.source == COMMAND))) or "none"
                raise BadInput(f"There is no budget {name}. Added by command: {known}.")
            if row.source != COMMAND:
                raise Conflict(f"The budget {name} is AWS's: delete it there, and it goes at the next collection.")
            session.delete(row)
            audit(session, house.clock(), getpass.getuser(), "budget removed", name, {"amount": str(row.amount)})
    out.give({"removed": name})
    out.say(f"Removed {name}.")


def _decimal(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise BadInput(f"--amount {text} is no number. Write it like 1500 or 99.50.") from error
    if not found.is_finite():
        raise BadInput(f"--amount {text} is no amount.")
    return found


def _row(state: BudgetState) -> tuple[object, ...]:
    expected = None if state.forecast is None else state.forecast.expected
    return (
        state.name,
        state.scope,
        state.period.words,
        money(state.amount, state.currency),
        money(state.spent, state.currency),
        money(state.left, state.currency),
        money(expected, state.currency),
        state.chance,
        "" if state.breaks_on is None else f"{state.breaks_on}",
        state.source.replace("_", " "),
    )


def _document(state: BudgetState) -> dict[str, Any]:
    return {
        "name": state.name,
        "scope": state.scope,
        "source": state.source,
        "period": state.period,
        "limit": state.amount,
        "currency": state.currency,
        "notion": state.notion,
        "spent": state.spent,
        "left": state.left,
        "upto": state.upto,
        "forecast": state.forecast,
        "p_breach": state.p_breach,
        "breaks_on": state.breaks_on,
        "thresholds": state.thresholds,
        "recipients": state.recipients,
        "why": state.why,
        "notes": state.notes,
        "aws_says": state.told,
    }
