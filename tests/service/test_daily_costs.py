"""Attribution is kept true: done again for what may have changed, written only where it has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.collector.history import inventory_states, latest_inventory
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS, INVENTORY, Table
from sagekeeper.service.daily_costs import refresh_daily_costs
from sagekeeper.service.facts import inventory_ever, load_facts

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
OLD, RECENT = date(2026, 3, 2), date(2026, 11, 18)


def bill(day: date, cost: float, observed: datetime, dataset: str = "cost-explorer") -> pl.DataFrame:
    row = {
        "BillingAccountId": "123456789012",
        "SubAccountId": "123456789012",
        "RegionId": "us-east-1",
        "ServiceName": "Amazon Simple Storage Service",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": day_start(day),
        "ChargePeriodEnd": day_start(day) + timedelta(days=1),
        "BilledCost": cost,
        "EffectiveCost": cost,
        "BillingCurrency": "USD",
        "x_UsageType": "TimedStorage-ByteHrs",
        "x_Source": "cost_explorer",
        "x_Dataset": dataset,
        "x_ChargeDate": day,
        "x_Estimated": False,
        "x_ObservedAt": observed,
    }
    return pl.DataFrame([{name: row.get(name) for name in COSTS.columns}], schema=COSTS.columns)


@pytest.fixture
def put(lake: Lake) -> Callable[..., None]:
    def write(day: date, cost: float, observed: datetime, dataset: str = "cost-explorer") -> None:
        scope = Scope(equals={"x_Dataset": dataset, "x_ChargeDate": day})
        lake.replace(COSTS, bill(day, cost, observed, dataset), scope)

    return write


def kept(lake: Lake) -> dict[tuple[str, date], float]:
    found = lake.scan(DAILY_COSTS).group_by("dataset", "day").agg(pl.col("billed_cost").sum()).collect()
    return {(dataset, day): cost for dataset, day, cost in found.iter_rows()}


def test_every_day_of_every_bill_is_attributed_once_and_a_repeated_run_writes_nothing(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    put(OLD, 10.0, NOW)
    put(RECENT, 20.0, NOW)
    put(OLD, 7.0, NOW, "file:ours.csv")
    assert refresh_daily_costs(lake, sqlite_ledger, settings, NOW) == 3
    assert kept(lake) == {("cost-explorer", OLD): 10.0, ("cost-explorer", RECENT): 20.0, ("file:ours.csv", OLD): 7.0}
    version = lake.version(DAILY_COSTS)
    assert refresh_daily_costs(lake, sqlite_ledger, settings, NOW + timedelta(hours=1)) == 0
    assert lake.version(DAILY_COSTS) == version


def test_a_day_that_aws_restates_long_after_is_attributed_again(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    put(OLD, 10.0, NOW)
    refresh_daily_costs(lake, sqlite_ledger, settings, NOW)
    put(OLD, 11.5, NOW + timedelta(days=1))
    assert refresh_daily_costs(lake, sqlite_ledger, settings, NOW + timedelta(days=1)) == 1
    assert kept(lake) == {("cost-explorer", OLD): 11.5}


def test_days_attributed_by_other_rules_are_attributed_again_once(
    lake: Lake, sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    line = {"ResourceId": pl.lit("arn:aws:s3:::data"), "Tags": pl.lit('{"squad": "risk"}')}
    lake.replace(COSTS, bill(OLD, 10.0, NOW).with_columns(**line), Scope())
    refresh_daily_costs(lake, sqlite_ledger, Settings(data_dir=tmp_path), NOW)
    assert lake.scan(DAILY_COSTS).collect()["owner"].to_list() == [None]
    by_squad = Settings(data_dir=tmp_path, owner_tags=["squad"])
    assert refresh_daily_costs(lake, sqlite_ledger, by_squad, NOW) == 1
    assert lake.scan(DAILY_COSTS).collect()["owner"].to_list() == ["risk"]
    assert refresh_daily_costs(lake, sqlite_ledger, by_squad, NOW) == 0


def test_an_older_file_ingested_later_is_attributed_though_its_clock_is_behind(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    put(RECENT, 20.0, NOW)
    refresh_daily_costs(lake, sqlite_ledger, settings, NOW)
    put(OLD, 7.0, NOW - timedelta(days=1), "file:ours.csv")
    assert refresh_daily_costs(lake, sqlite_ledger, settings, NOW) == 1
    assert kept(lake)["file:ours.csv", OLD] == 7.0


def test_a_day_that_is_no_longer_on_the_bill_goes(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    put(OLD, 10.0, NOW)
    put(RECENT, 20.0, NOW)
    refresh_daily_costs(lake, sqlite_ledger, settings, NOW)
    lake.replace(COSTS, COSTS.empty(), Scope(equals={"x_Dataset": "cost-explorer", "x_ChargeDate": OLD}))
    refresh_daily_costs(lake, sqlite_ledger, settings, NOW)
    assert kept(lake) == {("cost-explorer", RECENT): 20.0}


def seen(lake: Lake, on: date, *endpoints: tuple[str, datetime]) -> None:
    rows = [
        {
            "account": "123456789012",
            "region": "us-east-1",
            "kind": "endpoint",
            "name": name,
            "created_at": created,
            "observed_on": on,
            "observed_at": day_start(on),
        }
        for name, created in endpoints
    ]
    frame = pl.DataFrame([{key: row.get(key) for key in INVENTORY.columns} for row in rows], schema=INVENTORY.columns)
    scope = Scope(equals={"observed_on": on, "account": "123456789012", "region": "us-east-1"})
    lake.replace(INVENTORY, frame, scope)


def test_what_the_newest_look_did_not_find_is_gone_but_stays_known_for_old_bills(lake: Lake) -> None:
    first, again = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)
    seen(lake, date(2026, 11, 17), ("fraud", first), ("churn", first))
    seen(lake, date(2026, 11, 18), ("churn", first))
    seen(lake, date(2026, 11, 19), ("churn", first), ("fraud", again))
    assert latest_inventory(lake, date(2026, 11, 18))["name"].to_list() == ["churn"]
    lives = inventory_ever(lake, date(2026, 11, 20)).sort("name", "created_at")
    assert list(zip(lives["name"], lives["created_at"], lives["observed_on"], strict=True)) == [
        ("churn", first, date(2026, 11, 19)),
        ("fraud", first, date(2026, 11, 17)),
        ("fraud", again, date(2026, 11, 19)),
    ]


@pytest.mark.parametrize("at_once", [0, 100])
def test_of_a_long_history_only_the_looks_are_read_that_saw_something_new(lake: Lake, at_once: int) -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    for on, tags in ((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a"), (6, "a")):
        day = date(2026, 11, on)
        seen(lake, day, ("fraud", made))
        rows = lake.scan(INVENTORY).filter(pl.col("observed_on") == day).collect().with_columns(tags=pl.lit(tags))
        lake.replace(INVENTORY, rows, Scope(equals={"observed_on": day}))
    found = inventory_states(lake, date(2026, 11, 20), at_once=at_once).select("observed_on", "tags").rows()
    assert [(day.day, tags) for day, tags in found] == [(1, "a"), (3, "b"), (5, "a"), (6, "a")]


def test_each_day_is_its_owners_of_that_day_and_an_inventory_that_comes_late_moves_only_its_days(
    lake: Lake, sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    made, days = datetime(2026, 1, 1, tzinfo=UTC), [date(2026, 11, day) for day in (15, 16, 17, 18)]
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud"

    def look(on: date, owner: str) -> None:
        seen(lake, on, ("fraud", made))
        rows = lake.scan(INVENTORY).filter(pl.col("observed_on") == on).collect()
        tagged = rows.with_columns(arn=pl.lit(arn), tags=pl.lit(f'{{"owner": "{owner}"}}'))
        lake.replace(INVENTORY, tagged, Scope(equals={"observed_on": on}))

    def owners() -> list[str]:
        return lake.scan(DAILY_COSTS).sort("day").collect()["owner"].to_list()

    for day in days:
        line = bill(day, 10.0, NOW).with_columns(ResourceId=pl.lit(arn), ServiceName=pl.lit("Amazon SageMaker"))
        lake.replace(COSTS, line, Scope(equals={"x_Dataset": "cost-explorer", "x_ChargeDate": day}))
    look(days[0], "ana")
    look(days[3], "ben")
    assert refresh_daily_costs(lake, sqlite_ledger, Settings(data_dir=tmp_path), NOW) == 4
    assert owners() == ["ana", "ana", "ana", "ben"]
    look(days[2], "ben")
    assert refresh_daily_costs(lake, sqlite_ledger, Settings(data_dir=tmp_path), NOW) == 1
    assert owners() == ["ana", "ana", "ben", "ben"]


def test_the_lines_of_an_ingested_file_are_no_facts_though_its_daily_costs_are(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    put(RECENT, 20.0, NOW)
    put(RECENT, 7.0, NOW, "file:ours.csv")
    refresh_daily_costs(lake, sqlite_ledger, Settings(data_dir=tmp_path), NOW)
    facts = load_facts(lake, Settings(data_dir=tmp_path), NOW)
    assert facts.costs.select("x_Dataset", "BilledCost").rows() == [("cost-explorer", 20.0)]
    assert sorted(facts.daily_costs["dataset"]) == ["cost-explorer", "file:ours.csv"]


def test_a_lake_of_an_earlier_version_is_attributed_again_and_keeps_its_sums(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path
) -> None:
    # The first version had neither list and contracted cost nor owners' teams, rules, parents and splits.
    before = dict(list(DAILY_COSTS.columns.items())[:16])
    earlier = Table("daily_costs", before, DAILY_COSTS.keys[:13], DAILY_COSTS.partition)
    put(OLD, 10.0, NOW)
    row = {"day": OLD, "dataset": "cost-explorer", "account": "123456789012", "billed_cost": 10.0, "currency": "USD"}
    lake.replace(earlier, pl.DataFrame([{name: row.get(name) for name in before}], schema=before), Scope())
    assert lake.scan(DAILY_COSTS).select("billed_cost", "owner_basis").collect().rows() == [(10.0, None)]
    assert refresh_daily_costs(lake, sqlite_ledger, Settings(data_dir=tmp_path), NOW) == 1
    assert lake.scan(DAILY_COSTS).select("usage_family", "billed_cost").collect().rows() == [("s3", 10.0)]


@pytest.mark.parametrize(("moved", "days"), [(1e-12, 0), (1e-6, 1)])
def test_a_day_is_written_again_only_when_an_amount_moves_by_more_than_a_billionth(
    lake: Lake, sqlite_ledger: Ledger, put: Callable[..., None], tmp_path: Path, moved: float, days: int
) -> None:
    settings = Settings(data_dir=tmp_path)
    put(RECENT, 20.0, NOW)
    refresh_daily_costs(lake, sqlite_ledger, settings, NOW)
    put(RECENT, 20.0 * (1 + moved), NOW + timedelta(hours=1))
    assert refresh_daily_costs(lake, sqlite_ledger, settings, NOW + timedelta(hours=1)) == days
