"""A source that fails, or would cost too much, is recorded with its reason, and never stops the others."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sagekeeper.collector import SOURCES
from sagekeeper.collector.run import collect
from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import add_api_use, last_source_runs
from sagekeeper.core.settings import Account, Aws, Settings
from sagekeeper.core.tables import PRICES

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
NOWHERE = Aws(endpoint_url="http://127.0.0.1:1", accounts=[Account(id="123456789012")], regions=["us-east-1"])


def clock() -> datetime:
    return AS_OF


def test_the_days_own_cost_limit_stops_what_costs_money_and_nothing_else(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    settings = Settings(data_dir=tmp_path, aws=NOWHERE)
    with sqlite_ledger.session() as session:
        add_api_use(session, AS_OF.date(), "123456789012", "ce", "GetCostAndUsage", 500, 500, Decimal("5.00"))
    outcomes = collect(
        lake, sqlite_ledger, settings, AwsSessions(NOWHERE), AS_OF, clock, only=["prices", "cost_explorer"]
    )
    by_source = {item.source: item for item in outcomes}
    assert by_source["prices"].status == "ok"
    assert by_source["cost_explorer"].status == "failed"
    assert "have cost 5.00 USD today, and the limit is 5" in by_source["cost_explorer"].message
    with sqlite_ledger.reading() as session:
        assert {run.source: run.status for run in last_source_runs(session)} == {
            "prices": "ok",
            "cost_explorer": "failed",
        }


def test_prices_carry_their_source_and_a_second_run_changes_nothing(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    settings = Settings(data_dir=tmp_path, aws=NOWHERE)
    for _ in range(2):
        collect(lake, sqlite_ledger, settings, AwsSessions(NOWHERE), AS_OF, clock, only=["prices"])
    prices = lake.scan(PRICES).collect()
    assert lake.version(PRICES) == 0
    assert prices["source"].null_count() == 0
    known = {row["sku"]: row["unit_price"] for row in prices.iter_rows(named=True)}
    assert known["ml.m5.xlarge/Hosting"] == 0.23


def test_without_any_account_there_is_a_sentence_and_no_run(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(BadInput, match="No AWS account is named"):
        collect(lake, sqlite_ledger, settings, AwsSessions(settings.aws), AS_OF, clock, only=["prices"])


def test_every_source_says_what_it_reads_and_what_it_may_do() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    reads = ("Get", "List", "Describe", "Search")
    for source in SOURCES:
        assert source.description
        assert all(action.split(":")[1].startswith(reads) for action in source.permissions)
