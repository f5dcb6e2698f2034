"""Measurements as they are written down: from the bill in the lake, once per action and day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, MeasurementRow
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.core.types import DeleteEndpoint, Recommendation, ResourceRef, Saving
from sagekeeper.lifecycle.measure import measure

from .test_measure import BEFORE, OTHERS, bill, row

APPLIED = datetime(2026, 11, 10, 9, tzinfo=UTC)
AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)


def applied_action(ledger: Ledger, **changes: Any) -> int:
    ref = ResourceRef(account="123456789012", region="us-east-1", kind="endpoint", name="fraud")
    wish = Recommendation(
        fingerprint="f",
        version="v",
        lever="idle_endpoint",
        subjects=[ref],
        title="Delete fraud",
        explanation="Idle.",
        current=[],
        proposed=[],
        cost_per_month=Decimal(730),
        saving=Saving(low=Decimal(700), expected=Decimal(730), high=Decimal(730), basis="billed", certainty="measured"),
        gates=[],
        confidence=0.95,
        reversible=True,
        change=DeleteEndpoint(endpoint=ref),
        as_of=APPLIED,
    )
    given = {
        "recommendation": "f",
        "version": "v",
        "lever": "idle_endpoint",
        "change_kind": "delete_endpoint",
        "account": ref.account,
        "region": ref.region,
        "resource_name": ref.name,
        "state": "applied",
        "requested_by": "ada",
        "requested_at": APPLIED,
        "applied_at": APPLIED,
        "document": wish.model_dump(mode="json"),
        "updated_at": APPLIED,
    }
    with ledger.session() as session:
        action = ActionRow(**(given | changes))
        session.add(action)
        session.flush()
        return action.id


def put(lake: Lake, costs: pl.DataFrame) -> None:
    lake.replace(DAILY_COSTS, costs, Scope({"dataset": "cost-explorer"}))


def stored(ledger: Ledger) -> list[MeasurementRow]:
    with ledger.reading() as session:
        return list(session.query(MeasurementRow).order_by(MeasurementRow.as_of))


def test_the_measurement_is_kept_beside_the_promise_and_a_repeat_changes_no_row(ledger: Ledger, lake: Lake):
    action = applied_action(ledger)
    put(lake, bill(*BEFORE, *OTHERS))
    measure(ledger, lake, AS_OF)
    measure(ledger, lake, AS_OF + timedelta(hours=3))
    [found] = stored(ledger)
    assert (found.action_id, found.as_of, found.days) == (action, date(2026, 11, 20), 7)
    assert found.saved_per_month == Decimal("730.0000")
    assert (found.promised_low, found.promised_expected) == (Decimal(700), Decimal(730))
    assert (found.verdict, found.provisional) == ("within range", False)


def test_each_day_adds_its_own_measurement_and_the_first_are_too_early(sqlite_ledger: Ledger, lake: Lake):
    applied_action(sqlite_ledger)
    put(lake, bill(*BEFORE, *OTHERS))
    for day in range(12, 18):
        measure(sqlite_ledger, lake, datetime(2026, 11, day, 8, tzinfo=UTC))
    assert [(row.as_of.day, row.days, row.verdict) for row in stored(sqlite_ledger)] == [
        (14, 1, "too early"),
        (15, 2, "too early"),
        (16, 3, "within range"),
        (17, 4, "within range"),
    ]


def test_a_restated_bill_moves_the_same_days_measurement(sqlite_ledger: Ledger, lake: Lake):
    applied_action(sqlite_ledger)
    put(lake, bill(*BEFORE, *OTHERS))
    measure(sqlite_ledger, lake, AS_OF)
    late = [row(date(2026, 11, 11) + timedelta(days=offset), 12.0) for offset in range(7)]
    put(lake, bill(*BEFORE, *OTHERS, *late))
    measure(sqlite_ledger, lake, AS_OF)
    [found] = stored(sqlite_ledger)
    assert found.saved_per_month == Decimal("365.0000")
    assert found.verdict == "below range"


@pytest.mark.parametrize("state", ["requested", "planned", "applying", "refused", "rolled_back", "failed"])
def test_what_was_never_applied_or_was_rolled_back_is_not_measured(sqlite_ledger: Ledger, lake: Lake, state: str):
    applied_action(sqlite_ledger, state=state)
    put(lake, bill(*BEFORE, *OTHERS))
    assert measure(sqlite_ledger, lake, AS_OF) == []


def test_an_undone_action_keeps_the_saving_it_made_until_then(sqlite_ledger: Ledger, lake: Lake):
    applied_action(sqlite_ledger, state="undone", undo_requested_at=datetime(2026, 11, 14, 12, tzinfo=UTC))
    again = [row(date(2026, 11, 14) + timedelta(days=offset), 24.0) for offset in range(7)]
    put(lake, bill(*BEFORE, *OTHERS, *again))
    [found] = measure(sqlite_ledger, lake, AS_OF)
    assert (found.last_day, found.saved_to_date) == (date(2026, 11, 13), Decimal("72.0000"))
    assert found.detail["until"] == "undone"
