"""The store of what clients put: order, units, roll-up, and what is on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.simulator.metric_log import MetricLog
from sagekeeper.simulator.metric_put import retain
from sagekeeper.simulator.metric_read import points_of
from sagekeeper.simulator.metric_statistics import Samples, parsed, per_period
from sagekeeper.simulator.metric_store import Block, Key, MetricStore
from sagekeeper.simulator.world import PAYER, World

KEY = Key("shop", "orders", (("city", "Oslo"),))
NOW = 1_795_161_600
AT = datetime.fromtimestamp(NOW, UTC)


def block(at: list[int], value: list[float], *more: list[float], key: Key = KEY, unit: str = "None") -> Block:
    columns = (np.array(at, dtype=np.int64), *(np.array(column, dtype=float) for column in (value, *more)))
    return Block(key, unit, columns)


def test_samples_come_back_in_order_of_time_whatever_order_they_were_put_in() -> None:
    store = MetricStore()
    store.put(block([300, 100], [3, 1]), NOW)
    store.put(block([200], [2]), NOW)
    samples, sets = store.read(KEY, None)
    assert samples.at.tolist() == [100, 200, 300]
    assert samples.value.tolist() == [1, 2, 3]
    assert sets is None


def test_counts_appear_as_soon_as_one_chunk_has_them() -> None:
    store = MetricStore()
    store.put(block([100], [1]), NOW)
    store.put(block([200], [2], [5]), NOW)
    samples, _ = store.read(KEY, None)
    assert samples.times is not None
    assert samples.times.tolist() == [1, 5]


def test_units_are_kept_apart_and_read_together() -> None:
    store = MetricStore()
    store.put(block([100], [1], unit="Count"), NOW)
    store.put(block([50], [2], unit="Bytes"), NOW)
    assert store.read(KEY, "Count")[0].value.tolist() == [1]
    assert store.read(KEY, "Percent")[0].value.tolist() == []
    assert store.read(KEY, None)[0].value.tolist() == [2, 1]


def test_dimensions_name_another_metric_in_whatever_order_they_are_given() -> None:
    given = [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]
    assert Key.of("n", "m", given) == Key.of("n", "m", given[::-1])
    assert Key.of("n", "m", given) != Key.of("n", "m", given[:1])


def test_many_small_puts_are_read_whole() -> None:
    store = MetricStore()
    for number in range(1000):
        store.put(block([number], [float(number)]), NOW)
    assert store.read(KEY, None)[0].value.sum() == 499_500


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(NOW - 40 * 86_400, NOW), st.integers(0, 3), st.integers(1, 3)), min_size=1))
def test_roll_up_changes_no_statistic_of_the_periods_that_can_still_be_asked_for(rows: list) -> None:
    store = MetricStore()
    at, value, count = (list(column) for column in zip(*rows, strict=True))
    store.put(block(at, value, count), NOW)
    asked = {"first": NOW - 40 * 86_400, "period": 300, "count": 40 * 288}
    before = [per_period(*store.read(KEY, None), parsed(name), **asked) for name in ("Sum", "p90", "tm50")]  # type: ignore[arg-type]
    store.roll_up(NOW)
    after = [per_period(*store.read(KEY, None), parsed(name), **asked) for name in ("Sum", "p90", "tm50")]  # type: ignore[arg-type]
    np.testing.assert_allclose(before, after)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(NOW - 10 * 86_400, NOW), st.integers(0, 3)), min_size=1))
def test_a_roll_up_every_day_ends_as_one_at_the_end(rows: list) -> None:
    daily, once = MetricStore(), MetricStore()
    at, value = (list(column) for column in zip(*rows, strict=True))
    for store in (daily, once):
        store.put(block(at, value), NOW)
    for day in range(80):
        daily.roll_up(NOW + 86_400 * day)
    once.roll_up(NOW + 86_400 * 79)
    each, whole = daily.read(KEY, None)[0], once.read(KEY, None)[0]
    assert (np.diff(each.at) >= 0).all()
    assert written_out(each) == written_out(whole)


def written_out(samples: Samples) -> list[tuple[int, float]]:
    times = np.ones(len(samples.at)) if samples.times is None else samples.times
    rows = zip(samples.at.tolist(), samples.value.tolist(), times.astype(int).tolist(), strict=True)
    return sorted((at, value) for at, value, count in rows for _ in range(count))


def test_roll_up_merges_equal_values_coarsens_times_and_forgets_after_455_days() -> None:
    store = MetricStore()
    day = 86_400
    old, ancient = NOW - 20 * day, NOW - 456 * day
    store.put(block([ancient, old, old + 61, old + 122, NOW - 4 * 3600 + 7, NOW], [9, 5, 5, 6, 1, 2]), NOW)
    store.roll_up(NOW)
    samples, _ = store.read(KEY, None)
    assert samples.at.tolist() == [old, old, NOW - 4 * 3600, NOW]
    assert samples.value.tolist() == [5, 6, 1, 2]
    assert samples.times is not None
    assert samples.times.tolist() == [2, 1, 1, 1]
    store.roll_up(NOW + 456 * day)
    assert list(store.keys()) == []


@pytest.mark.parametrize(
    ("days", "periods"), [(0, {10, 60, 300, 3600}), (1, {60, 300, 3600}), (16, {300, 3600}), (64, {3600}), (456, set())]
)
def test_with_time_datapoints_answer_to_coarser_periods_and_stay_right(days: int, periods: set[int]) -> None:
    world = World()
    here = world.at(PAYER, "us-east-1")
    at = NOW + 120
    here.watch.store.put(block([at, at + 60], [1, 9], [3, 1]), NOW)
    for day in range(0, days + 1, 8):
        retain(world, AT + timedelta(days=day))
    now = AT + timedelta(days=days, minutes=5)
    found = {
        period: points_of(here, KEY, "TS(:100%)", period, AT, AT + timedelta(hours=1), now)
        for period in (10, 60, 300, 3600)
    }
    assert {period for period, points in found.items() if len(points.values)} == periods
    assert all(points.values.sum() == 12 for period, points in found.items() if period in periods)


def test_what_was_written_is_read_again_and_a_record_cut_by_a_crash_is_not(tmp_path: Path) -> None:
    file = tmp_path / "metrics.bin"
    log = MetricLog(file)
    assert list(log.records()) == []
    first = [block([1, 2], [1.5, 2.5]), block([3], [7.0], [2.0], [3.0], [4.0], key=Key("shop", "sets", ()))]
    log.write(AT, "123456789012", "us-east-1", first)
    log.write(AT, "123456789012", "us-east-1", [block([9], [9.0])])
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])

    again = MetricLog(file)
    records = list(again.records())
    assert [record.at for record in records] == [AT]
    assert [made.key for made in records[0].blocks] == [KEY, Key("shop", "sets", ())]
    assert [column.tolist() for made in records[0].blocks for column in made.columns] == [
        [1, 2],
        [1.5, 2.5],
        [3],
        [7.0],
        [2.0],
        [3.0],
        [4.0],
    ]
    again.write(AT, "123456789012", "us-east-1", [block([9], [9.0])])
    assert [len(record.blocks) for record in MetricLog(file).records()] == [2, 1]
