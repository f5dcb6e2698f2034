"""A rise is told once, at the smallest thing that explains it, and noise is not told at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagekeeper.analyzers.overspend import Settings, find
from sagekeeper.core.types import Finding

LAST = date(2026, 11, 19)  # AS_OF is 20 November, 08:00: final up to 17 November


def days(
    rows: SimpleNamespace, name: str | None, cost: Callable[[date], float], length: int = 70, **more: Any
) -> list[dict[str, Any]]:
    """Daily costs up to yesterday; a zero is no row."""
    calendar = [LAST - timedelta(days=length - 1 - n) for n in range(length)]
    nameless = {} if name else {"resource_kind": None, "resource_arn": None, "attribution": "unattributed"}
    return [rows.daily(name, day, cost(day), **(nameless | more)) for day in calendar if cost(day)]


def told(rows: SimpleNamespace, *costs: dict[str, Any]) -> list[Finding]:
    """The findings."""
    return find(rows.facts(daily_costs=list(costs)), Settings())


def steady(level: float) -> Callable[[date], float]:
    """The same every day, with a small wobble."""
    return lambda day: level * (1 + 0.02 * ((day.toordinal() * 7919) % 11 - 5) / 5)


def test_a_step_nine_days_ago_is_found_with_its_day_and_its_excess(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = days(rows, "grown", lambda day: 218.0 if day >= step else 73.0, owner="risk")
    (finding,) = told(rows, *costs, *days(rows, "other", steady(500)))
    assert (finding.subject.kind, finding.subject.name, finding.owner) == ("endpoint", "grown", "risk")
    assert finding.first_seen.date() == step
    figures = {figure.label: figure.value for figure in finding.evidence.figures}
    assert figures["Usual cost a day"] == 73.0
    assert figures["Too much so far"] == pytest.approx(9 * 145.0)  # 11 to 19 November
    assert float(finding.impact_per_month or 0) == pytest.approx(145.0 * 730 / 24, rel=1e-4)


def test_an_even_spend_a_weekend_rhythm_and_noise_are_not_told(rows: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    noise = {LAST - timedelta(days=n): float(rng.normal(100, 8)) for n in range(80)}
    costs = [
        *days(rows, "even", lambda day: 50.0),
        *days(rows, "weekly", lambda day: 20.0 if day.weekday() >= 5 else 200.0),
        *days(rows, "noisy", noise.__getitem__),
    ]
    assert told(rows, *costs) == []


def test_days_younger_than_48_hours_are_never_the_only_ground(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if day >= date(2026, 11, 18) else 50.0)) == []


def test_one_high_day_is_not_yet_a_rise(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if day == date(2026, 11, 17) else 50.0)) == []


def test_a_rise_that_is_over_is_not_told(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 500.0 if 8 <= day.day <= 14 and day.month == 11 else 50.0)) == []


def test_what_has_been_as_high_lately_is_nothing_new(rows: SimpleNamespace) -> None:
    def cost(day: date) -> float:
        return 200.0 if day >= date(2026, 11, 12) or day in (date(2026, 10, 20), date(2026, 10, 21)) else 50.0

    assert told(rows, *days(rows, "e", cost)) == []


def test_a_small_amount_is_not_told_however_steep(rows: SimpleNamespace) -> None:
    assert told(rows, *days(rows, "e", lambda day: 1.0 if day >= date(2026, 11, 11) else 0.1)) == []


def test_a_family_of_weekly_jobs_is_compared_with_its_own_runs(rows: SimpleNamespace) -> None:
    def jobs(prefix: str, cost: Callable[[date], float]) -> list[dict[str, Any]]:
        kind = {"resource_kind": "training_job", "usage_family": "training"}
        return [
            rows.daily(f"{prefix}-{day:%Y-%m-%d}", day, cost(day), **kind)
            for day in (date(2026, 11, 17) - timedelta(days=7 * n) for n in range(9))
        ]

    calm = jobs("calm", lambda day: 40.0 + day.day % 3)
    grown = jobs("grown", lambda day: 200.0 if day >= date(2026, 11, 10) else 40.0)
    (finding,) = told(rows, *calm, *grown, *days(rows, "hosting", steady(300)))
    assert (finding.subject.kind, finding.subject.name) == ("training_family", "grown")
    # Two runs of 160 too much in 14 days.
    assert float(finding.impact_per_month or 0) == pytest.approx(320 / 14 * 730 / 24, rel=1e-4)


def occasional(rows: SimpleNamespace, *costs: float) -> list[dict[str, Any]]:
    """One family of jobs, a run every seven days, the last on 17 November."""
    kind = {"resource_kind": "training_job", "usage_family": "training"}
    start = date(2026, 11, 17) - timedelta(days=7 * (len(costs) - 1))
    calendar = [start + timedelta(days=7 * n) for n in range(len(costs))]
    return [rows.daily(f"adhoc-{day:%Y-%m-%d}", day, cost, **kind) for day, cost in zip(calendar, costs, strict=True)]


def test_occasional_jobs_that_had_a_long_run_before_are_not_told_for_two_of_that_size(rows: SimpleNamespace) -> None:
    # 66 and 68 are three times the usual run and a tenth above the longest one.
    costs = occasional(rows, 20, 21, 60, 22, 21, 20, 66, 68)
    assert told(rows, *costs, *days(rows, "hosting", steady(300))) == []


def test_after_three_runs_nobody_can_say_what_a_run_usually_costs(rows: SimpleNamespace) -> None:
    assert told(rows, *occasional(rows, 40, 41, 40, 200, 210), *days(rows, "hosting", steady(300))) == []
    (finding,) = told(rows, *occasional(rows, 40, 41, 40, 41, 200, 210), *days(rows, "hosting", steady(300)))
    assert finding.subject.name == "adhoc"


def test_a_nameless_rise_is_told_at_its_usage_family_once(rows: SimpleNamespace) -> None:
    costs = days(rows, None, lambda day: 90.0 if day >= date(2026, 11, 10) else 20.0, usage_family="studio")
    (finding,) = told(rows, *costs, *days(rows, "e", steady(40)))
    assert (finding.subject.kind, finding.subject.name) == ("usage_family", "Amazon SageMaker, studio")


def test_a_new_endpoint_is_not_an_overspend_of_its_own(rows: SimpleNamespace) -> None:
    new = days(rows, "canary", lambda day: 9.8, length=5)
    assert told(rows, *new, *days(rows, "old", steady(300))) == []


def test_a_resource_that_the_bill_only_names_since_two_weeks_is_not_dearer_for_that(rows: SimpleNamespace) -> None:
    named_from = date(2026, 11, 6)
    notebook = {"usage_family": "notebook", "resource_kind": "notebook_instance"}
    costs = [
        *days(rows, "lab", lambda day: 30.0 if day >= named_from else 0.0, **notebook),
        *days(rows, "lab", lambda day: 0.0 if day >= named_from else 1.0, **(notebook | {"attribution": "derived"})),
        *days(rows, None, lambda day: 0.0 if day >= named_from else 29.0, usage_family="notebook"),
    ]
    assert told(rows, *costs) == []


def test_what_comes_every_month_on_this_day_is_no_surprise(rows: SimpleNamespace) -> None:
    def cost(day: date) -> float:
        return 400.0 if day.day in (16, 17) else 50.0

    assert told(rows, *days(rows, "e", cost)) == []


def test_the_same_rise_has_the_same_fingerprint_a_day_later(rows: SimpleNamespace) -> None:
    costs = days(rows, "grown", lambda day: 218.0 if day >= date(2026, 11, 11) else 73.0)
    later = find(rows.facts(as_of=rows.as_of + timedelta(days=1), daily_costs=costs), Settings())
    assert [item.fingerprint for item in later] == [item.fingerprint for item in told(rows, *costs)]
