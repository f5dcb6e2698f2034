"""Texts in other words and vectors that have moved are drift when days differ by more than days do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagekeeper.analyzers.drift import find
from sagekeeper.analyzers.drift_harm import Importances, harm
from sagekeeper.analyzers.drift_judge import Settings, Verdict, judge
from sagekeeper.core.feature_profile import Profile, columns

TODAY = date(2026, 11, 20)


def day(rows: SimpleNamespace, profile: Profile, ago: int, role: str, feature: str) -> dict[str, Any]:
    """One day of the endpoint reviews."""
    start = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=ago)
    place = {"account": rows.account, "region": rows.region, "endpoint": "reviews", "variant": "AllTraffic"}
    around = {"feature": feature, "role": role, "window_start": start, "day": start.date()}
    return place | around | {"window_end": start + timedelta(days=1)} | columns(profile)


def judged(rows: SimpleNamespace, given: list[dict[str, Any]], name: str) -> Verdict:
    """The verdict on ``name``."""
    (verdict,) = [one for one in judge(rows.facts(feature_profiles=given), Settings()) if one.feature == name]
    return verdict


def texts(rows: SimpleNamespace, new: Callable[[int], int], days: int = 40) -> list[dict[str, Any]]:
    """A thousand words a day, of which ``new`` (by days ago) are in use on that day only; and one plain feature beside them."""
    found = []
    for ago in range(days, 0, -1):
        words = {"good": 600, "bad": 400 - new(ago), f"name{ago}": new(ago)}
        found.append(day(rows, Profile("categorical", 1000, frequent=words), ago, "words_of_capture", "review"))
        found.append(day(rows, Profile("categorical", 200, frequent={"yes": 200}), ago, "capture", "bought"))
    return found


def vectors(
    rows: SimpleNamespace, place: Callable[[int], float], wander: float = 0.0, width: int = 8
) -> list[dict[str, Any]]:
    """500 vectors a day of unit spread in each of ``width`` dimensions; the first is at ``place`` by days ago."""
    rng = np.random.default_rng(3)
    found = []
    for ago in range(40, 0, -1):
        values = rng.normal(size=(500, width)) + wander * rng.normal(size=width)
        values[:, 0] += place(ago)
        squares = float(((values - values.mean(axis=0)) ** 2).sum())
        profile = Profile("vector", 500, squares=squares, vector_sum=values.sum(axis=0))
        found.append(day(rows, profile, ago, "capture", "embedding"))
    return found


def test_texts_in_other_words_are_drift_and_the_finding_says_new_words(rows: SimpleNamespace) -> None:
    # A new name has 2 or 3 percent of the words of any day; for four days it has 20.
    facts = rows.facts(feature_profiles=texts(rows, lambda ago: 200 if ago <= 4 else 20 + 10 * (ago % 2)))
    (finding,) = find(facts, Settings())
    (figure,) = finding.evidence.figures
    assert (figure.label, figure.unit) == ("words of review", "share of new words")
    assert figure.value == pytest.approx(0.2 - 0.025, abs=0.002)
    assert figure.basis.startswith("new words: 20.0% of the words are outside the vocabulary, usually 2.5%")
    assert finding.first_seen == datetime(2026, 11, 16, tzinfo=UTC)
    assert "against its own traffic before 8 Nov 2026" in figure.period


def test_new_words_that_every_day_has_are_no_drift(rows: SimpleNamespace) -> None:
    assert judged(rows, texts(rows, lambda ago: 200 + 10 * (ago % 2)), "words of review").status == "stable"


def test_days_that_differ_much_by_themselves_need_more_to_be_a_drift(rows: SimpleNamespace) -> None:
    swinging = texts(rows, lambda ago: 150 if ago <= 4 else 20 + 120 * (ago % 2))
    assert judged(rows, swinging, "words of review").status == "stable"


def test_a_certain_but_small_share_of_new_words_does_not_matter(rows: SimpleNamespace) -> None:
    verdict = judged(rows, texts(rows, lambda ago: 60 if ago <= 4 else 20), "words of review")
    assert verdict.status == "stable" and verdict.shift is not None
    assert verdict.shift.p_value < 1e-3


def test_a_text_without_two_weeks_before_the_last_days_is_unknown(rows: SimpleNamespace) -> None:
    verdict = judged(rows, texts(rows, lambda _: 20, days=12), "words of review")
    assert verdict.status == "unknown"
    assert verdict.why == "only 12 days of it: 14 are needed before the last ones"


def test_vectors_whose_mean_has_moved_are_drift(rows: SimpleNamespace) -> None:
    verdict = judged(rows, vectors(rows, lambda ago: 2.0 if ago <= 4 else 0.0), "vectors of embedding")
    assert (verdict.status, verdict.since) == ("drift", TODAY - timedelta(days=4))
    assert verdict.shift is not None and verdict.shift.unit == "distance in spreads"
    # Two of a spread of the square root of eight.
    assert verdict.shift.effect == pytest.approx(2 / np.sqrt(8), abs=0.05)
    assert verdict.what.startswith("vectors moved: their mean is 0.7")


@pytest.mark.parametrize("wander", [0.0, 0.3])
def test_vectors_that_only_wander_from_day_to_day_are_no_drift(rows: SimpleNamespace, wander: float) -> None:
    assert judged(rows, vectors(rows, lambda _: 0.0, wander), "vectors of embedding").status == "stable"


def test_vectors_of_another_length_are_unknown_and_said(rows: SimpleNamespace) -> None:
    given = vectors(rows, lambda _: 0.0)
    given[-3:] = vectors(rows, lambda _: 0.0, width=4)[-3:]
    verdict = judged(rows, given, "vectors of embedding")
    assert verdict.status == "unknown" and "length" in verdict.why


def test_a_text_that_drifts_twice_weighs_once() -> None:
    goes_by = Importances({"review": 0.5, "stars": 0.5}, datetime(2026, 11, 18, tzinfo=UTC))
    found = harm({"words of review": 0.2, "review.length": 0.4}, TODAY, goes_by, [])
    assert found.exposure == pytest.approx(0.5 * 0.4)
