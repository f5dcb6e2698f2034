"""What was spent on what, and what a unit of it costs: costs, unit-costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import polars as pl
import typer

from sagekeeper.core.clock import month_start, next_month
from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

if TYPE_CHECKING:
    from sagekeeper.core.lake import Lake
    from sagekeeper.core.types import CostNotion
    from sagekeeper.reports.views.spend import Dimension
    from sagekeeper.reports.views.subjects import Subject
    from sagekeeper.reports.views.units import Silence


class Notion(StrEnum):
    """The four costs."""

    billed = "billed"
    effective = "effective"
    contracted = "contracted"
    list = "list"


class By(StrEnum):
    """What costs can be grouped by."""

    service = "service"
    usage_family = "use"
    owner = "owner"
    team = "team"
    project = "project"
    account = "account"
    region = "region"
    charge_category = "charge"
    model = "model"
    endpoint = "endpoint"
    job_family = "job-family"
    pipeline = "pipeline"


SUBJECTS = (By.model, By.endpoint, By.job_family, By.pipeline)
MonthOption = Annotated[str | None, typer.Option(help="for example 2026-10; default: the last one on the bill")]
DatasetOption = Annotated[str, typer.Option(help="which bill")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(costs)
    app.command()(unit_costs)


def costs(
    by: Annotated[By, typer.Option(help="what to group by")] = By.service,
    notion: Annotated[Notion, typer.Option(help="which of the four costs")] = Notion.billed,
    month: MonthOption = None,
    dataset: DatasetOption = "cost-explorer",
    as_json: JsonOption = False,
) -> None:
    """Show what a month cost, by service, owner, endpoint, job family, pipeline ...; it sums to the bill."""
    from sagekeeper.reports.views import spend, subjects

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        cube = spend.load_cube(house.lake, dataset, now)
        chosen = _month(month, cube["day"].max(), dataset)
        first, last = chosen, next_month(chosen) - timedelta(days=1)
        currency = spend.main_currency(cube)
        own = cube.filter(pl.col("currency") == currency)
        rows = spend.between(own, first, last)
        if rows.is_empty():
            raise BadInput(f"The bill {dataset} has no cost in {chosen:%Y-%m}.")
        last = cast(date, rows["day"].max())
        basis = _cost(notion)
        if by in SUBJECTS:
            name = cast("Subject", by.name)
            table = subjects.by_subject(house.lake, dataset, currency, basis, first, last, name, now)
        else:
            table = spend.by_group(own, cast("Dimension", by.name), basis, first, last)
    total, gap = spend.total(rows, basis), spend.unknown_part(rows, basis)
    out.table(
        f"{dataset}, {first} to {last}, {notion.value} cost in {currency}, by {by.value}",
        (by.value, "cost>", "share>", "before>", "change>"),
        [
            (
                row["group"],
                _amount(row["cost"]),
                _share(row["share"]),
                _amount(row["before"]),
                _amount(row["change"], "+"),
            )
            for row in table.iter_rows(named=True)
        ],
    )
    provisional = bool(rows["provisional"].any())
    out.give(
        {
            "dataset": dataset,
            "first": first,
            "last": last,
            "currency": currency,
            "notion": notion.value,
            "by": by.value,
            "total": total,
            "billed_without_this_cost": gap,
            "provisional": provisional,
            "rows": table.to_dicts(),
        }
    )
    out.say(f"{money(total, currency)} in all. {spend.NOTIONS[basis]}")
    if abs(gap) >= 0.005:
        out.say(f"{money(gap, currency)} billed has no {notion.value} cost on this bill: unknown, and left out.")
    if provisional:
        out.say("Part of it is provisional: AWS may still restate days that ended less than 48 h ago.")


def unit_costs(
    notion: Annotated[Notion, typer.Option(help="which of the four costs")] = Notion.effective,
    month: MonthOption = None,
    dataset: DatasetOption = "cost-explorer",
    as_json: JsonOption = False,
) -> None:
    """Show what 1,000 invocations, a run, an execution or a trial cost, and what was paid while nobody asked."""
    from sagekeeper.reports.views import units

    out = Output(as_json)
    with open_house() as house:
        there = units.months(house.lake, dataset)
        if not there:
            raise BadInput(
                f"There are no unit costs of the bill {dataset}: it is not analysed yet, or names no endpoint or job that is "
                "known. Run: sagekeeper analyze"
            )
        chosen = _month(month, there[0], dataset)
        if chosen not in there:
            raise BadInput(f"No unit costs of {dataset} in {chosen:%Y-%m}. Run: sagekeeper analyze")
        lines, silence = _unit_lines(house.lake, dataset, chosen, notion)
    currency = lines["currency"][0] if lines.height else "USD"
    out.table(
        f"{dataset}, {chosen:%B %Y}, {notion.value} cost per unit in {currency}",
        (
            "kind",
            "of",
            "where",
            "unit",
            "per unit>",
            "before>",
            "units>",
            "cost>",
            "by price>",
            "by volume>",
            "why not known",
        ),
        [
            (
                row["subject_kind"],
                " ".join(filter(None, (row["subject"], row["variant"]))),
                f"{row['account']} {row['region']}",
                row["unit"],
                _amount(row["unit_cost"], digits=4),
                _amount(row["unit_cost_before"], digits=4),
                _amount(row["quantity"]),
                _amount(row["cost"]),
                _amount(row["by_price"], "+"),
                _amount(row["by_volume"], "+"),
                row["unknown"],
            )
            for row in lines.iter_rows(named=True)
        ],
    )
    out.give(
        {
            "dataset": dataset,
            "month": f"{chosen:%Y-%m}",
            "notion": notion.value,
            "units": lines.to_dicts(),
            "paid_without_requests": silence.without,
            "paid_with_unknown_requests": silence.unclear,
            "paid_for_endpoints": silence.whole,
            "endpoints": silence.lines.to_dicts(),
        }
    )
    least = "at least " if silence.unclear else ""
    out.say(
        f"Hours without a request cost {least}{money(silence.without, currency)} of {money(silence.whole, currency)} for "
        f"endpoints; of {money(silence.unclear, currency)} it is not known whether anybody asked."
    )


def _unit_lines(lake: Lake, dataset: str, month: date, notion: Notion) -> tuple[pl.DataFrame, Silence]:
    from sagekeeper.reports.views import units

    basis = _cost(notion)
    currency = units.currency(lake, dataset, month)
    return units.unit_lines(lake, dataset, month, basis, currency), units.silence(lake, dataset, month, basis, currency)


def _cost(notion: Notion) -> CostNotion:
    return notion.value


def _month(text: str | None, last: object, dataset: str) -> date:
    if text is None:
        if not isinstance(last, date):
            raise BadInput(
                f"There is nothing of the bill {dataset} in the lake. Run: sagekeeper collect, sagekeeper analyze"
            )
        return month_start(last)
    try:
        return month_start(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date())
    except ValueError as error:
        raise BadInput(f"{text} is no month. Write it like 2026-10.") from error


def _amount(amount: float | None, sign: str = "", digits: int = 2) -> str:
    return "unknown" if amount is None else f"{amount:{sign},.{digits}f}"


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
