"""The lake: what is written is what was declared, a scope is replaced whole or not at all, and nothing new means no commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.core.errors import BadInput, SchemaMismatch
from sagekeeper.core.lake import Lake, Scope, days_between
from sagekeeper.core.tables import COSTS, METRICS, PRICES, TABLES, Table

DAY = date(2026, 11, 1)


def prices(unit_price: float, *days: date, sku: str = "ml.m5.xlarge/Hosting") -> pl.DataFrame:
    rows = [[sku, "us-east-1", day, unit_price, "Hrs", "USD", "list", "test"] for day in days or (DAY,)]
    return pl.DataFrame(rows, schema=PRICES.columns, orient="row")


def test_a_table_never_written_has_no_rows_and_all_columns(lake: Lake) -> None:
    assert lake.scan(PRICES).collect().schema == PRICES.empty().schema
    assert lake.version(PRICES) is None


def test_replacing_a_day_leaves_other_days_alone(lake: Lake) -> None:
    other = date(2026, 11, 2)
    lake.replace(PRICES, prices(1.0, DAY, other), Scope(day_column="effective_on", first=DAY, last=other))
    lake.replace(PRICES, prices(2.0), Scope({"effective_on": DAY}))
    assert lake.scan(PRICES).sort("effective_on").collect()["unit_price"].to_list() == [2.0, 1.0]


def test_writing_the_same_rows_again_makes_no_new_version(lake: Lake) -> None:
    scope = Scope({"effective_on": DAY})
    assert lake.replace(PRICES, prices(1.0), scope) is True
    before = lake.version(PRICES)
    assert lake.replace(PRICES, prices(1.0), scope) is False
    assert lake.version(PRICES) == before


def test_a_later_observation_of_the_same_facts_is_not_a_change(lake: Lake) -> None:
    row = dict.fromkeys(METRICS.columns) | {
        "account": "123456789012",
        "metric": "Invocations",
        "start": datetime(2026, 11, 1, tzinfo=UTC),
        "day": DAY,
        "value": 4.0,
    }
    first = pl.DataFrame([row | {"observed_at": datetime(2026, 11, 2, tzinfo=UTC)}], schema=METRICS.columns)
    later = pl.DataFrame([row | {"observed_at": datetime(2026, 11, 3, tzinfo=UTC)}], schema=METRICS.columns)
    lake.replace(METRICS, first, Scope({"day": DAY}))
    assert lake.replace(METRICS, later, Scope({"day": DAY})) is False


def test_replacing_with_no_rows_empties_the_scope(lake: Lake) -> None:
    lake.replace(PRICES, prices(1.0), Scope({"effective_on": DAY}))
    assert lake.replace(PRICES, PRICES.empty(), Scope({"effective_on": DAY})) is True
    assert lake.scan(PRICES).collect().is_empty()


def test_a_lake_from_before_a_column_was_declared_is_read_with_unknowns_and_grows_with_the_next_write(
    lake: Lake,
) -> None:
    before = Table("prices", {k: v for k, v in PRICES.columns.items() if k != "quality"}, PRICES.keys, PRICES.partition)
    other = date(2026, 11, 2)
    lake.replace(before, prices(1.0, DAY, other).drop("quality"), Scope())
    assert lake.scan(PRICES).collect().select("unit_price", "quality").rows() == [(1.0, None), (1.0, None)]
    lake.replace(PRICES, prices(2.0), Scope({"effective_on": DAY}))
    grown = lake.scan(PRICES).sort("effective_on").collect()
    assert grown.select("effective_on", "unit_price", "quality").rows() == [(DAY, 2.0, "list"), (other, 1.0, None)]
    # One who still runs the older version reads on.
    assert lake.scan(before).collect().height == 2


def test_a_row_outside_the_scope_is_refused_and_nothing_is_written(lake: Lake) -> None:
    with pytest.raises(SchemaMismatch, match="1 rows lie outside the scope"):
        lake.replace(PRICES, prices(1.0, DAY, date(2026, 11, 2)), Scope({"effective_on": DAY}))
    assert lake.version(PRICES) is None


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (prices(1.0).drop("unit"), r"columns missing \['unit'\]"),
        (prices(1.0).with_columns(pl.lit(1).alias("extra")), r"not declared \['extra'\]"),
        (prices(1.0).with_columns(pl.lit("x").alias("unit_price")), "unit_price is String, declared Float64"),
        (pl.concat([prices(1.0), prices(2.0)]), "more than one row for the key"),
    ],
)
def test_rows_that_break_the_declaration_are_refused(lake: Lake, frame: pl.DataFrame, why: str) -> None:
    with pytest.raises(SchemaMismatch, match=why):
        lake.replace(PRICES, frame, Scope({"effective_on": DAY}))


def test_a_quote_in_a_partition_value_selects_only_itself(lake: Lake) -> None:
    rows = pl.concat([prices(1.0, sku="it's"), prices(1.0, sku="its")])
    lake.replace(PRICES, rows, Scope({"effective_on": DAY}))
    lake.replace(PRICES, prices(9.0, sku="it's"), Scope({"effective_on": DAY, "sku": "it's"}))
    assert lake.scan(PRICES).sort("sku").collect()["unit_price"].to_list() == [9.0, 1.0]


def test_the_newest_of_a_column_is_told_for_each_partition_whatever_its_name(lake: Lake) -> None:
    read = {("file:März 100%/ours (1)'*.csv", 1): [5, 7], ("cost-explorer", 1): [6], ("cost-explorer", 2): [None, 3]}
    for (dataset, on), moments in read.items():
        day = DAY.replace(day=on)
        rows = [
            dict.fromkeys(COSTS.columns)
            | {"x_Dataset": dataset, "x_ChargeDate": day, "x_ObservedAt": at and datetime(2026, 12, at, tzinfo=UTC)}
            for at in moments
        ]
        lake.replace(
            COSTS, pl.DataFrame(rows, schema=COSTS.columns), Scope({"x_Dataset": dataset, "x_ChargeDate": day})
        )
    newest = lake.newest(COSTS, "x_ObservedAt")
    assert {(name, day.day): at.day for name, day, at in newest.rows()} == {
        key: max(filter(None, read[key])) for key in read
    }


def test_the_newest_of_a_column_that_older_files_do_not_have_is_unknown(lake: Lake) -> None:
    before = {name: kind for name, kind in PRICES.columns.items() if name != "source"}
    earlier = Table("prices", before, PRICES.keys, PRICES.partition)
    lake.replace(earlier, prices(1.0).select(*before), Scope())
    assert lake.newest(PRICES, "source")["newest"].to_list() == [None]
    assert lake.newest(METRICS, "value").is_empty()


def test_vacuum_keeps_every_row(lake: Lake) -> None:
    for value in (1.0, 2.0, 3.0):
        lake.replace(PRICES, prices(value), Scope({"effective_on": DAY}))
    lake.vacuum()
    assert lake.scan(PRICES).collect()["unit_price"].to_list() == [3.0]


def test_every_table_declares_its_keys_and_partitions_among_its_columns() -> None:
    for table in TABLES:
        assert set(table.keys) | set(table.partition) <= set(table.columns), table.name


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e6)), max_size=8))
def test_after_any_replacements_each_day_holds_what_was_written_last(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, float]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected: dict[date, float] = {}
    days = days_between(DAY, date(2026, 11, 5))
    for offset, value in writes:
        lake.replace(PRICES, prices(value, days[offset]), Scope({"effective_on": days[offset]}))
        expected[days[offset]] = value
    found = lake.scan(PRICES).collect()
    assert dict(zip(found["effective_on"], found["unit_price"], strict=True)) == expected


WRITER = """
import sys
from datetime import date
sys.path.insert(0, sys.argv[2])
from test_lake import DAY, prices
from sagekeeper.core.lake import Lake, Scope
import polars as pl
lake, value = Lake(sys.argv[1]), 1.0
print("ready", flush=True)
while True:
    value += 1.0
    rows = pl.concat([prices(value, sku=f"sku-{n}") for n in range(50)])
    lake.replace(__import__("sagekeeper.core.tables", fromlist=["PRICES"]).PRICES, rows, Scope({"effective_on": DAY}))
"""


@pytest.mark.integration
def test_a_reader_never_sees_half_a_write_even_when_the_writer_is_killed(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.replace(PRICES, pl.concat([prices(1.0, sku=f"sku-{n}") for n in range(50)]), Scope({"effective_on": DAY}))
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "lake"), str(Path(__file__).parent)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            seen = lake.scan(PRICES).collect()
            assert seen.height == 50
            assert seen["unit_price"].n_unique() == 1
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        seen = lake.scan(PRICES).collect()
        assert (seen.height, seen["unit_price"].n_unique()) == (50, 1)


def test_a_day_of_the_bill_lies_in_the_order_of_its_resources(lake: Lake) -> None:
    hours = [("b", "Host"), ("a", "Train"), (None, "Tax"), ("b", "Host"), ("a", "Host")]
    same = {"x_Dataset": "ours (1).csv", "x_ChargeDate": DAY}
    lines = [{"ResourceId": name, "x_UsageType": usage} | same for name, usage in hours]
    bill = pl.DataFrame([{name: line.get(name) for name in COSTS.columns} for line in lines], schema=COSTS.columns)
    lake.replace(COSTS, bill, Scope({"x_Dataset": "ours (1).csv"}))
    held = lake.files(COSTS)
    assert held.select("x_Dataset", "x_ChargeDate", "rows").rows() == [("ours (1).csv", DAY, 5)]
    stored = pl.read_parquet(held["file"].item(), columns=["ResourceId", "x_UsageType"])
    assert stored.rows() == [(None, "Tax"), ("a", "Host"), ("a", "Train"), ("b", "Host"), ("b", "Host")]


@pytest.mark.parametrize("name", ["my projects", "wi[th", "größe", "100%"])
def test_folder_whose_rows_would_not_be_found_again_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="Set data_dir"):
        Lake(tmp_path / name)
