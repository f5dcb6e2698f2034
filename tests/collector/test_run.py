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
from sagekeeper.core.ledger.runs import add_api_use, last_source_runs, set_watermark
from sagekeeper.core.settings import Account, Aws, Settings

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
        # The price list is free, and was read today: it needs no network.
        set_watermark(session, "price_list", "123456789012", "us-east-1", AS_OF, AS_OF)
    outcomes = collect(
        lake, sqlite_ledger, settings, AwsSessions(NOWHERE), AS_OF, clock, only=["price_list", "cost_explorer"]
    )
    by_source = {item.source: item for item in outcomes}
    assert by_source["price_list"].status == "ok"
    assert by_source["cost_explorer"].status == "failed"
    assert "have cost 5.00 USD today, and the limit is 5" in by_source["cost_explorer"].message
    with sqlite_ledger.reading() as session:
        assert {run.source: run.status for run in last_source_runs(session)} == {
            "price_list": "ok",
            "cost_explorer": "failed",
        }


def test_without_any_account_there_is_a_sentence_and_no_run(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(BadInput, match="No AWS account is named"):
        collect(lake, sqlite_ledger, settings, AwsSessions(settings.aws), AS_OF, clock, only=["price_list"])


def test_every_source_says_what_it_reads_and_what_it_may_do() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    reads = (
        "Get",
        "List",
        "Describe",
        "Search",
        "View",
        "Lookup",
    )  # budgets:ViewBudget is the action of DescribeBudgets
    for source in SOURCES:
        assert source.description
        assert all(action.split(":")[1].startswith(reads) for action in source.permissions)
