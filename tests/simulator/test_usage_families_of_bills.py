"""What a month was spent on is the same whatever report told it: usage families of both reports and of both FOCUS exports."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sagekeeper.analyzers.attribution import attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.usage import UNKNOWN
from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS, INVENTORY, JOBS
from sagekeeper.simulator.bill_delivery import books_of
from sagekeeper.simulator.cur_export import report_files
from sagekeeper.simulator.data_export import export_files
from sagekeeper.simulator.world import PAYER

from .report_frames import LEGACY, order
from .test_reconcile_bills import OCTOBER, RESTATED, SEEDS, house, metered

DAILY = {"TIME_GRANULARITY": "DAILY"}
REPORTS = {
    "COST_AND_USAGE_REPORT": DAILY | {"INCLUDE_RESOURCES": "TRUE"},
    "FOCUS_1_0_AWS": {},
    "FOCUS_1_2_AWS": DAILY,
}


def ingested(report: str, seed: int, folder: Path, ledger: Ledger) -> pl.DataFrame:
    """October of the simulated account as the product reads it from ``report``."""
    lines, books = metered(seed, RESTATED, OCTOBER), books_of(house(seed), PAYER, RESTATED)
    if report == "legacy":
        text = LEGACY | {"Format": "textORcsv", "Compression": "GZIP"}
        data, *_ = report_files(text, lines, books, OCTOBER, "assembly")
    else:
        asked = order(report, REPORTS[report], parquet=False)
        data, *_ = export_files(asked, lines, books, OCTOBER, "run", RESTATED)
    (folder / report).write_bytes(data.data)
    lake = Lake(folder / f"{report}-lake")
    ingest_file(folder / report, lake, ledger, RESTATED)
    return lake.scan(COSTS).collect()


def families(costs: pl.DataFrame) -> dict[str, float]:
    """Usage family -> effective cost of the month's usage."""
    days = attribute(costs, INVENTORY.empty(), JOBS.empty(), OwnerRules()).filter(pl.col("charge_category") == "Usage")
    return dict(days.group_by("usage_family").agg(pl.col("effective_cost").sum()).iter_rows())


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_month_was_spent_on_the_same_usage_families_whatever_report_told_it(
    seed: int, tmp_path: Path, sqlite_ledger: Ledger
) -> None:
    told = {name: families(ingested(name, seed, tmp_path, sqlite_ledger)) for name in ("legacy", *REPORTS)}
    legacy = told.pop("legacy")
    assert {"hosting", "endpoint_data", "notebook", "training", "serverless", "ec2", "s3"} <= set(legacy)
    assert UNKNOWN not in legacy
    for found in told.values():
        assert found == pytest.approx(legacy)


def test_a_focus_bill_names_the_same_usage_types_with_and_without_a_column_for_them(
    tmp_path: Path, sqlite_ledger: Ledger
) -> None:
    older, newer = (
        ingested(name, SEEDS[0], tmp_path, sqlite_ledger).filter(pl.col("ChargeCategory") == "Usage")
        for name in ("FOCUS_1_0_AWS", "FOCUS_1_2_AWS")
    )
    assert older["SkuMeter"].null_count() == older.height
    assert newer["x_UsageType"].null_count() == 0
    same = ("SubAccountId", "x_ChargeDate", "ResourceId", "x_UsageType", "x_Operation", "EffectiveCost")
    assert sorted(map(repr, newer.select(same).rows())) == sorted(map(repr, older.select(same).rows()))
