"""Drift is called when it is real, matters and stays; too few records is unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import datasketches
import numpy as np
import polars as pl
import pytest

from sagekeeper.analyzers.drift import find
from sagekeeper.analyzers.drift_judge import Settings, judge
from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.tables import ATTRIBUTIONS

TODAY = date(2026, 11, 20)


def profile(rows: SimpleNamespace, feature: str, values: Any, day: date | None, missing: int = 0) -> dict[str, Any]:
    """A baseline (``day`` None) or one captured day."""
    numeric = isinstance(values, np.ndarray)
    start = datetime(2026, 9, 1, tzinfo=UTC) if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
    sketch = datasketches.kll_doubles_sketch(200)
    if numeric:
        sketch.update(values)
    present = len(values) if numeric else sum(values.values())
    return {
        "account": rows.account,
        "region": rows.region,
        "endpoint": "house",
        "variant": "" if day is None else "AllTraffic",
        "feature": feature,
        "role": "baseline" if day is None else "capture",
        "window_start": start,
        "window_end": start + timedelta(hours=24),
        "day": start.date(),
        "type": "numeric" if numeric else "categorical",
        "records": present + missing,
        "missing": missing,
        "sketch": sketch.serialize() if numeric else None,
        "categories": None if numeric else json.dumps(values),
    }


def world(rows: SimpleNamespace, income: Callable[[date], np.ndarray], days: int = 10, **more: Any) -> Facts:
    """Ten captured days of an endpoint with the features income, age and place; age and place never change."""
    rng = np.random.default_rng(8)
    place = {"INLAND": 300, "COAST": 500}
    profiles = [
        profile(rows, "income", rng.normal(4, 2, 5000), None),
        profile(rows, "age", rng.normal(30, 12, 5000), None),
        profile(rows, "place", {"INLAND": 1900, "COAST": 3100}, None),
    ]
    for n in range(days, 0, -1):
        day = TODAY - timedelta(days=n)
        values = income(day)
        profiles += [
            profile(rows, "income", values, day, **more),
            profile(rows, "age", rng.normal(30, 12, len(values)), day),
            profile(rows, "place", place, day),
        ]
    return rows.facts(feature_profiles=profiles, inventory=[rows.endpoint("house", tags={"owner": "deniz"})])


def draw(mean: float, count: int = 800, seed: int = 0) -> np.ndarray:
    """Incomes around ``mean``."""
    return np.random.default_rng(seed).normal(mean, 2, count)


def statuses(facts: Facts) -> dict[str, str]:
    """Status by feature."""
    return {one.feature: one.status for one in judge(facts, Settings())}


def test_a_lasting_shift_is_found_with_its_feature_and_its_first_day(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(5.6 if day >= date(2026, 11, 15) else 4.0, seed=day.day))
    (finding,) = find(facts, Settings())
    assert statuses(facts) == {"income": "drift", "age": "stable", "place": "stable"}
    assert (finding.subject.name, finding.owner, finding.severity) == ("house", "deniz", "medium")
    assert finding.first_seen == datetime(2026, 11, 15, tzinfo=UTC)
    assert [figure.label for figure in finding.evidence.figures] == ["income"]
    # A shift of 0.8 standard deviations: 2 x Phi(0.4) - 1 = 0.31.
    assert finding.evidence.figures[0].value == pytest.approx(0.31, abs=0.03)
    assert len(finding.evidence.series[0].points) == 10
    assert "income" in finding.explanation


def test_nothing_changed_gives_no_finding(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(4.0, seed=day.day))
    assert find(facts, Settings()) == []
    assert set(statuses(facts).values()) == {"stable"}


def test_a_certain_but_small_shift_does_not_matter(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(4.3, count=20_000, seed=day.day))
    assert statuses(facts)["income"] == "stable"


def test_one_odd_day_is_not_drift(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(7.0 if day == date(2026, 11, 18) else 4.0, seed=day.day))
    assert statuses(facts)["income"] == "stable"
    assert find(facts, Settings()) == []


def test_too_few_records_is_unknown_and_not_no_drift(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(9.0, count=40, seed=day.day))
    assert statuses(facts)["income"] == "unknown"
    assert find(facts, Settings()) == []


def test_a_feature_without_baseline_or_without_captures_is_unknown(rows: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    facts = rows.facts(
        feature_profiles=[
            profile(rows, "gone", rng.normal(0, 1, 1000), None),
            profile(rows, "new", rng.normal(0, 1, 1000), TODAY - timedelta(days=1)),
        ]
    )
    assert statuses(facts) == {"gone": "unknown", "new": "unknown"}
    assert {one.why for one in judge(facts, Settings())} == {
        "it was not captured in the last days",
        "there is no baseline of it, and only 1 days of traffic: 15 are needed",
    }


def test_values_that_go_missing_are_drift_of_their_own(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(4.0, seed=day.day), missing=200)
    (finding,) = find(facts, Settings())
    assert finding.evidence.figures[0].unit == "share missing"
    assert finding.evidence.figures[0].value == pytest.approx(0.2, abs=0.01)


def test_numbers_that_turn_into_text_count_as_missing(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(4.0, seed=day.day), missing=200)
    captured = pl.col("role") == "capture"
    wrong = facts.feature_profiles.with_columns(
        missing=pl.when(captured).then(0).otherwise("missing").cast(pl.Int64),
        invalid=pl.when(captured).then("missing").otherwise(0).cast(pl.Int64),
    )
    (finding,) = find(replace(facts, feature_profiles=wrong), Settings())
    assert finding.evidence.figures[0].unit == "share missing"


def test_numbers_where_categories_were_is_unknown_and_said(rows: SimpleNamespace) -> None:
    day = TODAY - timedelta(days=1)
    facts = rows.facts(
        feature_profiles=[profile(rows, "f", {"a": 900}, None), profile(rows, "f", np.arange(900.0), day)]
    )
    (verdict,) = judge(facts, Settings())
    assert verdict.status == "unknown" and "numbers" in verdict.why


def test_captures_after_as_of_are_not_read(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(5.6 if day >= date(2026, 11, 15) else 4.0, seed=day.day))
    earlier = rows.facts(as_of=datetime(2026, 11, 14, 8, tzinfo=UTC))
    assert find(Facts(**{**facts.__dict__, "as_of": earlier.as_of}), Settings()) == []


def test_no_drift_is_called_among_thirty_features_that_did_not_change(rows: SimpleNamespace) -> None:
    rng = np.random.default_rng(30)
    profiles = []
    for n in range(30):
        profiles.append(profile(rows, f"f{n}", rng.lognormal(0, 2, 1000), None))
        profiles += [
            profile(rows, f"f{n}", rng.lognormal(0, 2, 150), TODAY - timedelta(days=back)) for back in (1, 2, 3)
        ]
    assert find(rows.facts(feature_profiles=profiles), Settings()) == []


def hourly(rows: SimpleNamespace, shift: float, swing: float) -> list[dict[str, Any]]:
    """A baseline and three days by the hour, each with a place of its own."""
    rng = np.random.default_rng(4)
    found = [profile(rows, "income", rng.normal(4, 2, 5000), None)]
    for hour in range(72):
        start = datetime(2026, 11, 17, tzinfo=UTC) + timedelta(hours=hour)
        values = rng.normal(4 + shift + swing * rng.normal(), 2, 60)
        one = profile(rows, "income", values, start.date())
        found.append(one | {"window_start": start, "window_end": start + timedelta(hours=1)})
    return found


def test_hours_that_differ_from_each_other_make_their_records_worth_less(rows: SimpleNamespace) -> None:
    def interval(swing: float) -> float:
        facts = rows.facts(feature_profiles=hourly(rows, 1.0, swing))
        (verdict,) = judge(facts, Settings())
        assert verdict.shift is not None
        return verdict.shift.high - verdict.shift.low

    # About twice; sketches toss coins of their own (1.9 to 2.3 times in 8 runs).
    assert interval(4.0) > 1.5 * interval(0.0)


def test_a_finding_says_what_happened_to_the_feature(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(4.0, seed=day.day) * 100)
    (finding,) = find(facts, Settings())
    assert "unit change: x100" in finding.evidence.figures[0].basis


def answers(rows: SimpleNamespace, place: Callable[[int], float], days: int = 40) -> list[dict[str, Any]]:
    """What a model answered, by the hour; higher in the afternoon. ``place`` of the answers by days ago."""
    rng = np.random.default_rng(9)
    found = []
    for hour in range(days * 24):
        start = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(hours=days * 24 - hour)
        middle = place(days - hour // 24) + np.sin(2 * np.pi * start.hour / 24)
        one = profile(rows, "score", rng.normal(middle, 1, 40), start.date())
        found.append(one | {"role": "prediction", "window_start": start, "window_end": start + timedelta(hours=1)})
    return found


def test_answers_that_move_are_drift_against_their_own_first_weeks(rows: SimpleNamespace) -> None:
    (moved,) = judge(rows.facts(feature_profiles=answers(rows, lambda ago: 0.8 if ago <= 5 else 0.0)), Settings())
    assert (moved.feature, moved.status, moved.since) == ("prediction: score", "drift", TODAY - timedelta(days=5))
    assert "against its own traffic before 8 Nov 2026" in moved.why


def test_answers_with_a_daily_season_are_no_drift(rows: SimpleNamespace) -> None:
    (still,) = judge(rows.facts(feature_profiles=answers(rows, lambda _: 0.0)), Settings())
    assert still.status == "stable"


def test_weekends_that_always_differ_from_the_baseline_are_a_season_and_a_drift_on_top_of_them_is_found(
    rows: SimpleNamespace,
) -> None:
    def facts(since: date) -> Facts:
        def income(day: date) -> np.ndarray:
            return draw(4.0 - 2.0 * (day.weekday() >= 5) + 4.0 * (day >= since), seed=day.toordinal())

        return replace(world(rows, income, days=45), as_of=datetime(2026, 11, 16, 6, tzinfo=UTC))  # a Monday

    assert statuses(facts(date(2027, 1, 1)))["income"] == "stable"
    (drifted,) = [one for one in judge(facts(date(2026, 11, 12)), Settings()) if one.status == "drift"]
    assert (drifted.feature, drifted.since) == ("income", date(2026, 11, 12))


def test_categories_of_which_only_some_are_kept_by_name_are_no_drift_until_a_frequent_one_is_new(
    rows: SimpleNamespace,
) -> None:
    rng = np.random.default_rng(3)

    def kept(size: int, new: int = 0) -> dict[str, Any]:
        names, counts = np.unique(rng.integers(0, 5000, size - new), return_counts=True)
        order = np.argsort(-counts)[:500]
        most = {f"m{name}": int(count) for name, count in zip(names[order], counts[order], strict=True)}
        named = most | ({"walk-in": new} if new else {})
        return profile(rows, "merchant", named, TODAY) | {"records": size}

    def facts(new: int) -> Facts:
        before = datetime(2026, 11, 1, tzinfo=UTC)
        home = kept(8000) | {"role": "baseline", "variant": "", "window_start": before, "window_end": before}
        days = [TODAY - timedelta(days=n) for n in (1, 2, 3)]
        starts = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
        asked = [
            kept(2000, new) | {"day": start.date(), "window_start": start, "window_end": start + timedelta(hours=24)}
            for start in starts
        ]
        return rows.facts(feature_profiles=[home, *asked])

    assert statuses(facts(0)) == {"merchant": "stable"}
    (drifted,) = judge(facts(500), Settings())
    assert (drifted.status, drifted.what) == ("drift", "new categories: walk-in 25.0% of records")


def test_a_change_is_named_by_the_days_since_and_columns_that_changed_places_by_each_other(
    rows: SimpleNamespace,
) -> None:
    rng = np.random.default_rng(4)

    def day(ago: int, ill: bool) -> list[dict[str, Any]]:
        at = TODAY - timedelta(days=ago)
        rooms, people, price = (rng.normal(middle, 1, 1500) for middle in (10, 14, 50))
        if ill:
            rooms, people, price = people, rooms, price * 10_000
        named = {"rooms": rooms, "people": people, "price": price}
        wrong = {"invalid": 600, "records": 1500} if ill else {}
        age = profile(rows, "age", rng.normal(40, 9, 900 if ill else 1500), at) | wrong
        return [*(profile(rows, name, values, at) for name, values in named.items()), age]

    home = [one | {"role": "baseline", "variant": ""} for _ in range(4) for one in day(60, False)]
    facts = rows.facts(feature_profiles=home + [one for ago in range(10, 0, -1) for one in day(ago, ago <= 2)])
    assert {one.feature: one.what for one in judge(facts, Settings())} == {
        "rooms": "swapped columns: it holds what people held",
        "people": "swapped columns: it holds what rooms held",
        "price": "unit change: x10,000",
        "age": "type change: of another type 0.0% before, 40.0% now",
    }


def test_values_that_were_never_missing_are_told_without_a_baseline(rows: SimpleNamespace) -> None:
    rng = np.random.default_rng(5)

    def facts(since: int) -> Facts:
        days = [
            profile(rows, "income", rng.normal(4, 2, 900), TODAY - timedelta(days=ago), 300 if ago <= since else 0)
            for ago in range(44, 0, -1)
        ]
        return rows.facts(feature_profiles=days)

    assert statuses(facts(0)) == {"income": "stable"}
    (found,) = judge(facts(4), Settings())
    assert (found.status, found.what) == ("drift", "missing 0.0% before, 25.0% now")


def test_a_weekend_that_is_always_different_is_no_drift_on_a_monday(rows: SimpleNamespace) -> None:
    def weekend(ago: int) -> float:
        return 1.5 if (TODAY - timedelta(days=ago)).weekday() >= 5 else 0.0

    facts = rows.facts(feature_profiles=answers(rows, weekend, days=45))
    monday = replace(facts, as_of=datetime(2026, 11, 16, 1, tzinfo=UTC))
    (still,) = judge(monday, Settings())
    assert still.status == "stable"


def test_the_finding_carries_its_severity_and_says_why(rows: SimpleNamespace) -> None:
    facts = world(rows, lambda day: draw(5.6 if day >= date(2026, 11, 15) else 4.0, seed=day.day))

    def severity(*shares: float) -> str:
        run = {
            "account": rows.account,
            "region": rows.region,
            "endpoint": "house",
            "schedule": "why",
            "label": "label0",
        }
        run |= {"method": "kernel_shap", "execution_time": datetime(2026, 11, 18, 9, tzinfo=UTC)}
        given = [run | {"feature": name, "value": share} for name, share in zip(("income", "age"), shares, strict=True)]
        (finding,) = find(replace(facts, attributions=rows.frame(ATTRIBUTIONS, given)), Settings())
        assert "what the model goes by (Clarify, 18 Nov 2026)" in finding.explanation
        assert finding.evidence.figures[-1].label == "Drift weighted by what the model goes by"
        return finding.severity

    (unknown,) = find(facts, Settings())
    assert unknown.severity == "medium" and "What the model goes by is not known" in unknown.explanation
    assert any("explainability" in one for one in unknown.unknowns)
    assert (severity(9.0, 1.0), severity(0.1, 9.9)) == ("high", "low")
