"""Estimates beside the bill: the error by day and family, what of the bill is estimated at all, and what the bill lacks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.estimate_error import accuracy, by_day, by_family, compared
from sagekeeper.analyzers.not_yet_billed import lacking
from sagekeeper.core.tables import ESTIMATES

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOST, TRAIN, STORE = "USE1-Host:ml.m5.xlarge", "USE1-Train:ml.m5.xlarge", "USE1-FeatureStore:WriteRequestUnits"


def guess(day: int, family: str, cost: float | None, made: datetime | None = None, **more: Any) -> dict[str, Any]:
    """What was estimated of a day in November."""
    midnight = datetime(2026, 11, day, tzinfo=UTC)
    return {
        "day": midnight.date(),
        "usage_family": family,
        "usage_type": family,
        "cost": cost,
        "currency": "USD",
        "upto": midnight + timedelta(days=1),
        "observed_at": made or midnight + timedelta(hours=32),
    } | more


def line(rows: SimpleNamespace, day: int, usage: str, cost: float, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = rows.bill_line(usage, cost, 1.0, x_ChargeDate=date(2026, 11, day), **more)
    return found


def guesses(rows: SimpleNamespace, *given: dict[str, Any]) -> pl.DataFrame:
    found: pl.DataFrame = rows.frame(ESTIMATES, list(given))
    return found


def test_the_error_is_estimate_less_bill_by_family_and_by_day(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, HOST, 100.0), line(rows, 10, TRAIN, 10.0), line(rows, 11, HOST, 100.0))
    made = guesses(
        rows,
        guess(10, "hosting", 99.0),
        guess(10, "training", 13.0),
        guess(11, "hosting", 97.0),
        guess(12, "hosting", 1.0),
    )
    found = compared(made, costs, AS_OF)
    assert found.select("day", "usage_family", "error").rows() == [
        (date(2026, 11, 10), "hosting", -1.0),
        (date(2026, 11, 10), "training", 3.0),
        (date(2026, 11, 11), "hosting", -3.0),
    ]
    assert by_day(found)["relative"].to_list() == [pytest.approx(2 / 110), pytest.approx(-0.03)]
    assert by_family(found)["relative"].to_list() == [pytest.approx(-0.02), pytest.approx(0.3)]


def test_what_an_estimate_should_have_seen_and_did_not_is_an_error(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, HOST, 100.0), line(rows, 10, TRAIN, 25.0))
    found = compared(guesses(rows, guess(10, "hosting", 100.0)), costs, AS_OF)
    assert by_day(found)["relative"].to_list() == [pytest.approx(-0.2)]


def test_what_nobody_can_estimate_is_no_error_and_lowers_the_covered_share(rows: SimpleNamespace) -> None:
    costs = rows.costs(
        line(rows, 10, HOST, 80.0),
        line(rows, 10, STORE, 10.0),
        line(rows, 10, "TimedStorage-ByteHrs", 10.0, ServiceName="Amazon Simple Storage Service"),
        line(rows, 10, "", 25.0, ChargeCategory="Tax"),
        line(rows, 10, "", -90.0, ChargeCategory="Credit"),
    )
    found = compared(guesses(rows, guess(10, "hosting", 82.0)), costs, AS_OF)
    said = accuracy(found, costs, AS_OF)
    assert said is not None
    assert (said.typical, said.worst, said.days) == (pytest.approx(0.025), pytest.approx(0.025), 1)
    assert (said.covered, said.covered_of_all) == (pytest.approx(0.8), pytest.approx(80 / 125))


def test_errors_of_days_do_not_cancel_in_what_is_typical(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, HOST, 100.0), line(rows, 11, HOST, 100.0))
    said = accuracy(
        compared(guesses(rows, guess(10, "hosting", 104.0), guess(11, "hosting", 98.0)), costs, AS_OF), costs, AS_OF
    )
    assert said is not None
    assert (said.typical, said.worst, said.bias) == (pytest.approx(0.03), pytest.approx(0.04), pytest.approx(0.01))


def test_a_day_that_aws_may_still_restate_is_not_compared(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 18, HOST, 50.0))
    assert compared(guesses(rows, guess(18, "hosting", 100.0)), costs, AS_OF).is_empty()
    assert accuracy(compared(ESTIMATES.empty(), costs, AS_OF), costs, AS_OF) is None


def test_a_day_that_was_estimated_afterwards_says_so_and_is_not_in_the_accuracy(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 10, HOST, 100.0), line(rows, 11, HOST, 100.0))
    made = guesses(rows, guess(10, "hosting", 100.0, made=AS_OF), guess(11, "hosting", 100.0))
    found = compared(made, costs, AS_OF)
    assert by_day(found)["afterwards"].to_list() == [True, False]
    said = accuracy(found, costs, AS_OF)
    assert said is not None
    assert (said.days, said.worst_day) == (1, date(2026, 11, 11))


def test_a_final_day_is_the_bills_alone_a_young_one_is_filled_up_and_a_missing_one_is_estimated_whole(
    rows: SimpleNamespace,
) -> None:
    costs = rows.costs(line(rows, 17, HOST, 90.0), line(rows, 18, HOST, 90.0), line(rows, 18, TRAIN, 12.0))
    made = guesses(
        rows,
        guess(17, "hosting", 100.0),
        guess(18, "hosting", 100.0),
        guess(18, "training", 10.0),
        guess(18, "processing", 5.0),
        guess(19, "hosting", 100.0),
        guess(20, "hosting", 33.0),
    )
    found = lacking(made, costs, AS_OF)
    assert found.select("day", "usage_family", "billed", "lacking").rows() == [
        (date(2026, 11, 18), "hosting", 90.0, 10.0),
        (date(2026, 11, 18), "processing", 0.0, 5.0),
        (date(2026, 11, 18), "training", 12.0, 0.0),
        (date(2026, 11, 19), "hosting", None, 100.0),
        (date(2026, 11, 20), "hosting", None, 33.0),
    ]


def test_what_has_no_price_is_counted_and_in_no_amount(rows: SimpleNamespace) -> None:
    found = lacking(guesses(rows, guess(20, "hosting", None), guess(20, "hosting", 5.0)), rows.costs(), AS_OF)
    assert found.select("lacking", "unknown").rows() == [(5.0, 1)]


def test_where_the_bill_has_stopped_coming_all_days_after_it_are_estimated(rows: SimpleNamespace) -> None:
    costs = rows.costs(line(rows, 14, HOST, 90.0))
    made = guesses(rows, *(guess(day, "hosting", 100.0) for day in (13, 14, 15, 16)))
    assert lacking(made, costs, AS_OF).select("day", "lacking").rows() == [
        (date(2026, 11, 15), 100.0),
        (date(2026, 11, 16), 100.0),
    ]
