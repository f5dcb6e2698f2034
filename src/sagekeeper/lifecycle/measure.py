"""What an applied change really saved, as the bill shows it, beside what was promised.

In: `daily_costs` of the bill (Cost Explorer's, never an ingested file), the ledger's applied actions, ``as_of``. Out: one
measurement per action and day of measuring. Saved per month = (mean daily cost before - mean daily cost after) x 730 / 24.
Only full days count: up to 14 before the change, all after it until an undo, and only those that AWS has finished restating
(older than 48 h). A deleted endpoint has no rows: that is zero only on a day of which the account's bill is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import polars as pl
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger.connection import Ledger
from sagekeeper.core.ledger.models import ActionRow, MeasurementRow
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.core.types import HOURS_PER_MONTH, CostBasis, Money, Recommendation

DATASET = "cost-explorer"
BASELINE_DAYS = 14
FINAL_AFTER = timedelta(hours=48)
FEWEST_DAYS = 3
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
MEASURED_STATES = ("watching", "applied", "undo_requested", "undoing", "undone")

Verdict = Literal["within range", "below range", "above range", "too early"]


@dataclass(frozen=True)
class Case:
    """One applied change: which resource, when, until when, and in which cost to count."""

    account: str
    region: str
    resource_name: str
    created_on: date | None
    """The day the endpoint was made: not a full day, and before it there was no cost to compare with."""
    changed_on: date
    undone_on: date | None
    basis: CostBasis
    currency: str


@dataclass(frozen=True)
class Realised:
    """What the bill shows. Floats of the bill's currency; ``estimated_days``: how many AWS still calls estimated."""

    first_day: date
    last_day: date
    days: int
    baseline_days: int
    baseline_per_day: float
    actual_per_day: float
    saved_to_date: float
    estimated_days: int
    days_without_bill: int

    @property
    def saved_per_month(self) -> float:
        """Per month of 730 hours, the convention of prices and promises."""
        return (self.baseline_per_day - self.actual_per_day) * DAYS_PER_MONTH


def measure(ledger: Ledger, lake: Lake, as_of: datetime) -> list[MeasurementRow]:
    """Measure every applied action whose bill has come in, and write it down, once per action and day."""
    with ledger.reading() as session:
        wanted = select(ActionRow).where(
            ActionRow.state.in_(MEASURED_STATES),
            ActionRow.applied_at.is_not(None),
            ActionRow.change_kind.in_(("delete_endpoint", "update_endpoint")),
        )
        actions = list(session.scalars(wanted.order_by(ActionRow.id)))
    rows = []
    for action in actions:
        wish = Recommendation.model_validate(action.document)
        case = case_of(action, wish)
        realised = realised_saving(_bill(lake, case), case, as_of)
        if realised is not None:
            rows.append(_measurement(action, wish, realised, as_of))
    _record(ledger, rows)
    return rows


def case_of(action: ActionRow, wish: Recommendation) -> Case:
    """The question that an action puts to the bill."""
    assert action.applied_at is not None
    created = ((action.plan or {}).get("snapshot", {}).get("endpoint") or {}).get("CreationTime")
    return Case(
        account=action.account,
        region=action.region,
        resource_name=action.resource_name,
        created_on=datetime.fromisoformat(created).date() if created else None,
        changed_on=action.applied_at.date(),
        undone_on=action.undo_requested_at.date() if action.undo_requested_at else None,
        basis=wish.saving.basis,
        currency=wish.saving.currency,
    )


def realised_saving(costs: pl.DataFrame, case: Case, as_of: datetime) -> Realised | None:
    """The saving that ``costs`` (`DAILY_COSTS`) shows, or None where there is no day to compare before or after."""
    days = _days(costs, case)
    day = pl.col("day")
    first_possible = case.changed_on - timedelta(days=BASELINE_DAYS)
    before = days.filter(day.is_between(first_possible, case.changed_on, closed="left") & pl.col("cost").is_not_null())
    if case.created_on is not None:
        before = before.filter(day > case.created_on)
    final = pl.lit((as_of - FINAL_AFTER).date())
    after = days.filter((day > case.changed_on) & (day < final))
    if case.undone_on is not None:
        after = after.filter(day < case.undone_on)
    if before.is_empty() or after.is_empty():
        return None
    baseline = float(before["cost"].mean())  # type: ignore[arg-type]
    # Where the bill of the day is there and the resource is not in it, it cost nothing that day.
    spent = after.with_columns(pl.col("cost").fill_null(0.0))
    first, last = spent["day"].min(), spent["day"].max()
    assert isinstance(first, date) and isinstance(last, date)
    actual = float(spent["cost"].mean())  # type: ignore[arg-type]
    return Realised(
        first_day=first,
        last_day=last,
        days=spent.height,
        baseline_days=before.height,
        baseline_per_day=baseline,
        actual_per_day=actual,
        saved_to_date=(baseline - actual) * spent.height,
        estimated_days=int(spent["estimated"].sum()),
        days_without_bill=(last - case.changed_on).days - spent.height,
    )


def _days(costs: pl.DataFrame, case: Case) -> pl.DataFrame:
    """One row per day of which the account's bill is there: the resource's cost, null where it is not in the bill.

    Credits and taxes are not the resource's doing: only usage counts. Cost Explorer knows no list price, so a promise at list
    price is compared with what was billed.
    """
    amount = pl.col("effective_cost" if case.basis == "effective" else "billed_cost")
    bill = costs.filter(
        (pl.col("dataset") == DATASET) & (pl.col("account") == case.account) & (pl.col("currency") == case.currency)
    )
    own = bill.filter(
        (pl.col("region") == case.region)
        & (pl.col("resource_kind") == "endpoint")
        & (pl.col("resource_name") == case.resource_name)
        & (pl.col("charge_category") == "Usage")
    )
    billed_days = bill.group_by("day").agg(pl.col("estimated").any())
    return billed_days.join(own.group_by("day").agg(cost=amount.sum()), on="day", how="left").sort("day")


def verdict(realised: Realised, low: Decimal, high: Decimal) -> Verdict:
    """Promise against bill, to the cent."""
    if realised.days < FEWEST_DAYS:
        return "too early"
    saved = Money.of(realised.saved_per_month).amount.quantize(Decimal("0.01"))
    if saved < low.quantize(Decimal("0.01")):
        return "below range"
    return "above range" if saved > high.quantize(Decimal("0.01")) else "within range"


def _bill(lake: Lake, case: Case) -> pl.DataFrame:
    first = case.changed_on - timedelta(days=BASELINE_DAYS)
    wanted = (pl.col("dataset") == DATASET) & (pl.col("account") == case.account) & (pl.col("day") >= first)
    return lake.scan(DAILY_COSTS).filter(wanted).collect()


def _measurement(action: ActionRow, wish: Recommendation, realised: Realised, as_of: datetime) -> MeasurementRow:
    said = verdict(realised, wish.saving.low, wish.saving.high)
    detail: dict[str, Any] = {
        "basis": "effective" if wish.saving.basis == "effective" else "billed",
        "promised_basis": wish.saving.basis,
        "baseline_days": realised.baseline_days,
        "estimated_days": realised.estimated_days,
        "days_without_bill": realised.days_without_bill,
        "until": "undone" if action.undo_requested_at else "now",
    }
    return MeasurementRow(
        action_id=action.id,
        as_of=as_of.date(),
        first_day=realised.first_day,
        last_day=realised.last_day,
        days=realised.days,
        baseline_per_day=Money.of(realised.baseline_per_day).amount,
        actual_per_day=Money.of(realised.actual_per_day).amount,
        saved_to_date=Money.of(realised.saved_to_date).amount,
        saved_per_month=Money.of(realised.saved_per_month).amount,
        promised_low=wish.saving.low,
        promised_expected=wish.saving.expected,
        promised_high=wish.saving.high,
        currency=wish.saving.currency,
        provisional=said == "too early",
        verdict=said,
        detail=detail,
        measured_at=day_start(as_of.date()),
    )


def _record(ledger: Ledger, rows: list[MeasurementRow]) -> None:
    """Write each measurement in the place of the same day's earlier one; another process may be doing the same."""
    for row in rows:
        values = {column.name: getattr(row, column.name) for column in MeasurementRow.__table__.columns}
        try:
            with ledger.session() as session:
                session.merge(MeasurementRow(**values))
        except IntegrityError:
            with ledger.session() as session:
                session.merge(MeasurementRow(**values))
