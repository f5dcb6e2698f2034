"""The verdict on health, on literal readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sagekeeper.lifecycle.health import READINGS, Limits, judge, limits_from

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
LIMITS = [Limits("AllTraffic", 300, 100_000.0, 130_000.0, 0.01, 90.0)]
Point = tuple[float | None, float | None, float | None, float | None]


def readings(*points: Point) -> pl.DataFrame:
    """(requests, errors, p95 latency in us, p99 CPU in %) per five minutes."""
    return pl.DataFrame(
        [("AllTraffic", START + timedelta(minutes=5 * n), *point) for n, point in enumerate(points)],
        schema=READINGS,
        orient="row",
    )


FINE: Point = (500.0, 0.0, 110_000.0, 40.0)
NOTHING: Point = (None, None, None, None)


def test_normal_readings_are_healthy():
    assert judge(readings(FINE, FINE, FINE), LIMITS).state == "healthy"


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (
            (500.0, 0.0, 260_000.0, 40.0),
            "p95 latency of variant AllTraffic was 260.0 ms at 2026-11-20 08:10 UTC, limit 130.0",
        ),
        ((500.0, 50.0, 110_000.0, 40.0), "5XX rate of variant AllTraffic was 10.0%"),
        ((500.0, 0.0, 110_000.0, 97.0), "p99 CPU of variant AllTraffic was 97 %"),
    ],
)
def test_two_bad_periods_in_a_row_are_unhealthy_and_the_reason_says_how_far(bad: Point, named: str):
    verdict = judge(readings(FINE, bad, bad), LIMITS)
    assert verdict.state == "unhealthy"
    assert any(named in why for why in verdict.why)


def test_one_bad_period_is_named_but_decides_nothing():
    bad: Point = (500.0, 0.0, 260_000.0, 40.0)
    verdict = judge(readings(FINE, bad, FINE, bad, FINE), LIMITS)
    assert verdict.state == "healthy"
    assert any(why.startswith("Once: p95 latency") for why in verdict.why)


def test_periods_without_data_are_neither_healthy_nor_unhealthy():
    verdict = judge(readings(NOTHING, NOTHING, NOTHING), LIMITS)
    assert verdict.state == "unknown"
    assert (verdict.periods, verdict.periods_with_requests) == (3, 0)


def test_a_gap_between_two_bad_periods_does_not_hide_them():
    bad: Point = (500.0, 0.0, 260_000.0, None)
    assert judge(readings(FINE, bad, NOTHING, bad), LIMITS).state == "unhealthy"


def test_the_latency_of_a_handful_of_requests_is_not_judged():
    verdict = judge(readings(*[(5.0, 0.0, 900_000.0, 10.0)] * 4), LIMITS)
    assert verdict.state == "healthy"
    assert "p95 latency is not known" in verdict.why


def test_bad_periods_of_two_variants_are_not_added_up():
    two = [Limits(name, 300, 100_000.0, 130_000.0, 0.01, 90.0) for name in ("a", "b")]
    rows = [
        ("a", START, 500.0, 0.0, 260_000.0, 10.0),
        ("b", START + timedelta(minutes=5), 500.0, 0.0, 260_000.0, 10.0),
    ]
    assert judge(pl.DataFrame(rows, schema=READINGS, orient="row"), two).state == "healthy"


def test_limits_follow_from_the_variants_own_past():
    past = readings(*[(500.0, 5.0, 100_000.0, 30.0)] * 20)
    limits = limits_from(past, "AllTraffic", 300)
    assert limits.latency_limit_us == pytest.approx(1.2 * 100_000 + 10_000)
    assert limits.error_rate_limit == pytest.approx(0.01 + 0.01)


def test_a_past_without_requests_gives_no_latency_limit():
    limits = limits_from(readings(NOTHING, NOTHING), "AllTraffic", 3600)
    assert limits.latency_limit_us is None
    assert judge(readings(*[(500.0, 0.0, 900_000.0, None)] * 3), [limits]).why == [
        "p95 latency is not known",
        "p99 CPU is not known",
    ]
