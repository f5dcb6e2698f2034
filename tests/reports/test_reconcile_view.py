"""A month as it was seen then, what has moved since, and whom its usage was given to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from tests.collector.bills import deliver

from sagekeeper.collector.bill_exports import ingest_export
from sagekeeper.collector.bill_places import Folder
from sagekeeper.core.clock import closed_on, day_start
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.settings import Settings
from sagekeeper.reports.views.reconcile import Reconciliation, reconcile, seen_on
from sagekeeper.service.bill_history import remember_versions
from sagekeeper.service.daily_costs import refresh_daily_costs

MARCH = date(2026, 3, 1)
BILL = "export:bills"
ENDPOINT = "arn:aws:sagemaker:us-east-1:210987654321:endpoint/fraud"
USED = {"lineItem/ResourceId": ENDPOINT}
PLAN = {"savingsPlan/SavingsPlanARN": "arn:plan"}


class Books:
    """A lake that reads a report's March again and again."""

    def __init__(self, folder: Path, lake: Lake, ledger: Ledger) -> None:
        self.folder, self.lake, self.ledger = folder, lake, ledger

    def read(self, now: datetime, *lines: dict[str, str]) -> None:
        deliver(self.folder, MARCH, *lines, assembly=f"{now:%d%H}")
        (outcome,) = ingest_export(Folder(self.folder), self.lake, self.ledger, now)
        assert outcome.problem is None
        remember_versions(self.lake, self.ledger, now)
        refresh_daily_costs(self.lake, self.ledger, Settings(), now)

    def look(self, since: datetime | None) -> Reconciliation:
        return reconcile(self.lake, BILL, MARCH, datetime(2026, 5, 1, tzinfo=UTC), None, since)


@pytest.fixture
def books(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> Books:
    return Books(tmp_path / "export", lake, sqlite_ledger)


def cost(amount: str, **more: str) -> dict[str, str]:
    return USED | {"lineItem/UnblendedCost": amount} | more


def test_march_as_seen_on_april_3_and_what_moved_after_its_close(books: Books) -> None:
    books.read(datetime(2026, 4, 2, 9, tzinfo=UTC), cost("10"), cost("1", **{"lineItem/UsageType": "Studio"}))
    books.read(datetime(2026, 4, 3, 15, tzinfo=UTC), cost("12"), cost("1", **{"lineItem/UsageType": "Studio"}))
    books.read(datetime(2026, 4, 9, 9, tzinfo=UTC), cost("12.5"))
    books.read(datetime(2026, 4, 20, 9, tzinfo=UTC), cost("12.25"))

    def sums(since: datetime) -> tuple[float, ...]:
        return books.look(since).lines.select(pl.col("then", "source", "moved").sum()).row(0)

    assert sums(seen_on(date(2026, 4, 2))) == (11.0, 12.25, 1.25)
    assert sums(seen_on(date(2026, 4, 3))) == (13.0, 12.25, -0.75)
    assert sums(day_start(closed_on(MARCH))) == (12.5, 12.25, -0.25)
    assert sums(seen_on(date(2026, 4, 20))) == (12.25, 12.25, 0.0)


def test_what_a_month_said_before_it_was_first_read_is_unknown(books: Books) -> None:
    books.read(datetime(2026, 4, 3, 15, tzinfo=UTC), cost("12"))
    lines = books.look(seen_on(date(2026, 4, 2))).lines
    assert lines.select("then", "moved").rows() == [(None, None)]


def test_an_account_that_left_the_bill_is_still_told(books: Books) -> None:
    books.read(datetime(2026, 4, 3, tzinfo=UTC), cost("12"), cost("3", **{"lineItem/UsageAccountId": "1"}))
    books.read(datetime(2026, 4, 5, tzinfo=UTC), cost("12"))
    lines = books.look(seen_on(date(2026, 4, 3))).lines
    assert lines.select("account", "source", "then", "moved").rows() == [
        ("210987654321", 12.0, 12.0, 0.0),
        ("1", 0.0, 3.0, -3.0),
    ]


def test_usage_under_a_plan_is_given_once_and_its_negation_takes_nothing_from_anybody(books: Books) -> None:
    fee = {"savingsPlan/TotalCommitmentToDate": "5", "savingsPlan/UsedCommitment": "4"}
    covered = {"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost": "4"}
    books.read(
        datetime(2026, 4, 3, tzinfo=UTC),
        cost("6", **PLAN, **covered),
        PLAN | {"lineItem/LineItemType": "SavingsPlanNegation", "lineItem/UnblendedCost": "-6"},
        PLAN | fee | {"lineItem/LineItemType": "SavingsPlanRecurringFee", "lineItem/UnblendedCost": "5"},
        cost("0.5", **{"lineItem/LineItemType": "Tax", "lineItem/ResourceId": ""}),
    )
    found = books.look(None)
    assert found.agrees
    assert found.lines.select("source", "usage", "attributed_percent", "unattributed").rows() == [
        (5.5, 4.0, 100.0, 0.0)
    ]
    assert found.reasons.select("cost", "reason").rows() == [
        (1.0, "commitments that nobody used, and fees"),
        (0.5, "tax: charged to the account, to no resource"),
    ]
    assert found.waterfall.amount("Unused commitment") == 1
    assert found.waterfall.amount("Billed cost") == Decimal("5.5")
