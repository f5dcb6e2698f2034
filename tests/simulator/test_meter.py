"""The ledger itself: its columns and rates, what arrives when, what is kept and what is made anew."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.simulator.bill_lines import LINES
from sagekeeper.simulator.meter import ARRIVAL_LAG, Meter, late_share
from sagekeeper.simulator.price_list import products, services
from sagekeeper.simulator.world import PAYER, PRODUCTS, PriceChange, World
from sagekeeper.simulator.worlds import WORLDS

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
FIRST, TODAY = date(2026, 9, 1), NOW.date()


def world() -> World:
    made = World()
    WORLDS["small"](made, NOW, 7)
    return made


@lru_cache(maxsize=1)
def meter() -> Meter:
    return Meter(world())


def usage(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("record_type") == "Usage")


def test_lines_have_the_bills_columns_and_a_name_each_that_stays() -> None:
    lines = meter().lines(FIRST, TODAY, NOW)
    assert dict(lines.schema) == LINES
    assert lines["line_id"].n_unique() == lines.height
    needed = [name for name in LINES if name not in ("instance_type", "resource_id", "rate") and "plan" not in name]
    assert lines.select(needed).null_count().sum_horizontal().item() == 0
    later = meter().lines(FIRST, TODAY, NOW + timedelta(days=5))
    again = lines.join(later, on="line_id", how="left", suffix="_later")
    assert again["cost_later"].null_count() == 0
    assert (again["usage_type"] == again["usage_type_later"]).all()


def test_a_rate_is_the_price_lists_and_the_cost_is_quantity_times_rate() -> None:
    lines = usage(meter().lines(FIRST, TODAY, NOW)).filter(pl.col("rate") > 0)
    listed = pl.DataFrame(
        [
            (item.service, item.region, item.usage_type, item.usd, item.unit)
            for name in services()
            for item in products(name)
        ],
        schema=["service_code", "region", "usage_type", "usd", "listed_unit"],
        orient="row",
    )
    found = lines.join(listed, on=["service_code", "region", "usage_type"])
    assert found.height > 0.9 * lines.height
    assert ((found["rate"] - found["usd"]).abs() < 1e-9).all()
    assert (found["unit"] == found["listed_unit"]).all()
    # Of an open day only a part of the quantity is known, and the same part of the cost.
    assert ((lines["quantity"] * lines["rate"] - lines["cost"]).abs() < 1e-8).all()
    assert (lines["cost"] == lines["list_cost"]).all()


def test_usage_of_the_last_hours_is_not_there_yet() -> None:
    hours = meter().lines(TODAY - timedelta(days=1), TODAY, NOW, "hour")
    assert hours["end"].max() == NOW - ARRIVAL_LAG
    later = meter().lines(TODAY - timedelta(days=1), TODAY, NOW + timedelta(hours=3, minutes=59), "hour")
    assert later["end"].max() == NOW - ARRIVAL_LAG + timedelta(hours=3)


def test_open_days_are_restated_line_by_line_up_and_down_until_they_are_final() -> None:
    day = TODAY - timedelta(days=1)
    seen = [usage(meter().lines(day, day, NOW + timedelta(hours=hours))) for hours in (0, 24, 48, 480)]
    first, second, third, final = (frame.sort("line_id")["cost"] for frame in seen)
    assert third.to_list() == final.to_list()
    share = first / final
    assert share.min() > 0.9
    assert 1 < share.max() < 1.03
    assert 0.02 < (share > 1).mean() < 0.35
    assert ((second - final).abs() <= (first - final).abs() + 1e-9).all()


@given(st.integers(0, 4000), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_what_has_arrived_of_a_day_only_grows(minutes: int, more: int) -> None:
    day = date(2026, 11, 10)
    at = datetime(2026, 11, 10, tzinfo=UTC) + timedelta(minutes=minutes)
    assert 0 < late_share(day, at) <= late_share(day, at + timedelta(minutes=more)) <= 1


def test_a_bill_kept_through_days_is_the_bill_made_at_once() -> None:
    walking = Meter(world())
    for hours in range(0, 24 * 16, 7):
        walking.lines(TODAY, TODAY + timedelta(days=30), NOW + timedelta(hours=hours))
    at = NOW + timedelta(days=16)
    told, fresh = (item.lines(FIRST, at.date(), at) for item in (walking, Meter(world())))
    assert told.equals(fresh)


def test_a_change_in_the_account_is_on_the_next_bill() -> None:
    there = world()
    kept = Meter(there)
    before = kept.lines(FIRST, TODAY, NOW)["cost"].sum()
    here = there.at(PAYER, "us-east-1")
    here.price_changes.append(PriceChange("Host:Data-Bytes-Out", FIRST, 3.0))
    here.version += 1
    dearer = usage(kept.lines(FIRST, TODAY, NOW)).filter((pl.col("rate") - 0.048).abs() < 1e-9)
    assert kept.lines(FIRST, TODAY, NOW)["cost"].sum() > before
    assert set(dearer["usage_type"]) == {"USE1-Host:Data-Bytes-Out"}
    assert set(dearer["account"]) == {PAYER}


def test_a_bill_can_be_asked_for_one_account() -> None:
    whole = meter().lines(FIRST, TODAY, NOW)
    assert meter().lines(FIRST, TODAY, NOW, accounts=[PRODUCTS]).equals(whole.filter(pl.col("account") == PRODUCTS))


def test_before_the_account_and_after_today_there_are_no_lines() -> None:
    assert meter().lines(date(2024, 1, 1), date(2024, 2, 1), NOW).is_empty()
    assert meter().lines(TODAY + timedelta(days=1), TODAY + timedelta(days=60), NOW).is_empty()
