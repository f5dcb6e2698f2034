"""What a budget's money is: the rows of its scope, its cost, its currency.

In: the cost cube, and of budgets about single resources or models what the lake has of them; rates between currencies where they
are given. Out: rows in the schema of the cube whose ``billed`` is the budget's cost in the budget's currency, or why there are
none. Two currencies are never compared in silence: without a rate the budget cannot be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from sagekeeper.analyzers import budget_scope
from sagekeeper.analyzers.budget_scope import Scoped
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.collector.aws_budgets import AWS
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger.models import BudgetRow
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports.views.spend import COST_EXPLORER, CUBE, load_cube
from sagekeeper.reports.views.subjects import subject_costs

MODEL_DAYS = 100
"""Of a model's costs, which are worked out anew for every day asked for: enough for a quarter."""
NOTHING = 0.005


@dataclass(frozen=True)
class Means:
    """What judging budgets needs besides the cube. ``fine``: rows of budgets about resources, by budget name.

    ``gone``: not to be learned from as it stands (`episodes.gone`).
    """

    rates: Mapping[str, Decimal] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    fine: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    gone: pl.DataFrame | None = None


def means_of(lake: Lake, settings: Settings, budgets: Iterable[BudgetRow], as_of: datetime) -> Means:
    """Everything that these budgets need."""
    rules = OwnerRules.of(settings)
    tags = {key: column for column in ("project", "team", "owner") for key in rules.keys(column)}
    tags |= dict.fromkeys(rules.keys("team"), "team")
    fine = {}
    for row in budgets:
        scoped = scope_of(row, tags)
        if not scoped.why_not and (scoped.fine or scoped.models):
            fine[row.name] = _fine(lake, scoped, as_of)
    return Means(settings.currency_rates, tags, fine)


def scope_of(row: BudgetRow, tags: Mapping[str, str]) -> Scoped:
    """The budget's scope; of a member account's budget in AWS only that account."""
    if row.source != AWS:
        return budget_scope.own(row.scope)
    told = row.document or {}
    scoped = budget_scope.of_aws(told.get("aws", {}), tags)
    if told.get("payer") or scoped.why_not:
        return scoped
    here = (pl.col("account") == told.get("account")).fill_null(value=False)
    return Scoped(scoped.where & here, scoped.notion, scoped.fine, scoped.models, scoped.notes, scoped.why_not)


def rows_of(cube: pl.DataFrame, row: BudgetRow, scoped: Scoped, means: Means) -> tuple[pl.DataFrame, str]:
    """(rows, why there are none): ``billed`` is the budget's cost in its currency."""
    if scoped.why_not:
        return cube.clear(), f"It cannot be judged here: {scoped.why_not}."
    if scoped.fine or scoped.models:
        rows = means.fine.get(row.name)
        if rows is None:
            return cube.clear(), "What its resources cost was not asked for here."
    else:
        rows = cube.filter(scoped.where)
    return _in_currency(rows.with_columns(billed=pl.col(notion_of(row, scoped))), row.currency, means.rates)


def notion_of(row: BudgetRow, scoped: Scoped) -> str:
    """Which of the four notions of cost the budget counts."""
    return scoped.notion if row.source == AWS else str((row.document or {}).get("notion", "billed"))


def gone_of(row: BudgetRow, scoped: Scoped, means: Means) -> pl.DataFrame | None:
    """[day, cost] of ``means.gone`` in the budget's scope, cost and currency. Of a model's share nothing is known."""
    if means.gone is None or scoped.why_not or scoped.models:
        return None
    rows = means.gone.filter(scoped.where).with_columns(billed=pl.col(notion_of(row, scoped)))
    # Of a price only the billed effect is known.
    known = rows.filter(pl.col("billed").is_not_null())
    return _in_currency(known, row.currency, means.rates)[0].select("day", cost="billed")


def covers(where: pl.Expr, things: list[dict[str, str | None]]) -> list[bool]:
    """Whether a budget's ``where`` holds for each of the things, given by columns of `DAILY_COSTS`."""
    blank: dict[str, str | None] = dict.fromkeys(DAILY_COSTS.columns)
    frame = pl.DataFrame([blank | thing for thing in things], schema=DAILY_COSTS.columns)
    return frame.with_columns(held=pl.lit(value=True) & where)["held"].to_list() if things else []


def rate_between(rates: Mapping[str, Decimal], one: str, other: str) -> Decimal | None:
    """How much of ``other`` one of ``one`` is; None: nobody has said.

    >>> rate_between({"EUR/USD": Decimal("1.25")}, "USD", "EUR")
    Decimal('0.8')
    """
    if one == other:
        return Decimal(1)
    if f"{one}/{other}" in rates:
        return rates[f"{one}/{other}"]
    back = rates.get(f"{other}/{one}")
    return None if back is None else 1 / back


def _in_currency(rows: pl.DataFrame, currency: str, rates: Mapping[str, Decimal]) -> tuple[pl.DataFrame, str]:
    sums = rows.group_by("currency").agg(pl.col("billed").abs().sum())
    found = {name: rate_between(rates, str(name), currency) for name, cost in sums.iter_rows() if cost > NOTHING}
    unknown = sorted(str(name) for name, rate in found.items() if rate is None)
    if unknown:
        why = (
            f"Unknown: other currency. The bill is in {', '.join(unknown)}, the budget in {currency}; "
            f"give a rate in currency_rates ('{currency}/{unknown[0]}')."
        )
        return rows.clear(), why
    known = {name: float(rate) for name, rate in found.items() if rate is not None}
    factor = pl.col("currency").replace_strict(known, default=1.0, return_dtype=pl.Float64)
    return rows.with_columns(billed=pl.col("billed") * factor, currency=pl.lit(currency)), ""


def _fine(lake: Lake, scoped: Scoped, as_of: datetime) -> pl.DataFrame:
    if not scoped.models:
        return load_cube(lake, COST_EXPLORER, as_of, scoped.where)
    today = as_of.date()
    currencies = lake.scan(DAILY_COSTS).filter(pl.col("dataset") == COST_EXPLORER).select(pl.col("currency").unique())
    parts = [
        subject_costs(lake, COST_EXPLORER, currency, today - timedelta(days=MODEL_DAYS), today, "model", as_of)
        .filter(pl.col("group").is_in(scoped.models))
        .with_columns(currency=pl.lit(currency))
        for currency in currencies.collect()["currency"].drop_nulls().sort()
    ]
    if not parts:
        return pl.DataFrame(schema=CUBE)
    found = pl.concat(parts)
    young = (as_of - FINAL_AFTER).date()
    named = found.select(
        "day",
        "currency",
        provisional=pl.col("day") >= young,
        billed="billed_cost",
        effective="effective_cost",
        contracted="contracted_cost",
        list="list_cost",
    )
    return named.select(
        (pl.col(name) if name in named.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in CUBE.items()
    )
