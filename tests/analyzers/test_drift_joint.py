"""Rows whose features each look alike, and together do not."""

from __future__ import annotations

import numpy as np
import polars as pl

from sagekeeper.analyzers.drift_joint import Joint, joint


def rows(seed: int, correlation: float = 0.0, place: float = 0.0, n: int = 3000) -> dict[str, pl.Series]:
    """Two numbers with heavy tails, a third that goes with nothing, and a category."""
    chance = np.random.default_rng(seed)
    one, other = chance.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n).T
    return {
        "one": pl.Series(np.exp(2 * one)),
        "other": pl.Series(other + place),
        "third": pl.Series(chance.normal(0, 1, n)),
        "kind": pl.Series(chance.choice(["a", "b"], n)),
    }


def found(before: dict[str, pl.Series], now: dict[str, pl.Series]) -> Joint:
    result = joint(before, now, 0.01, 0.05)
    assert result is not None
    return result


def test_rows_of_one_population_are_not_told_apart() -> None:
    p_values = [found(rows(seed), rows(seed + 100)).p_value for seed in range(40)]
    assert sum(p <= 0.05 for p in p_values) < 8
    assert found(rows(1), rows(2)).correlations == []


def test_a_correlation_that_appears_is_told_though_no_feature_moved() -> None:
    result = found(rows(1), rows(2, correlation=0.5))
    assert result.auc_low > 0.55 and result.p_value < 1e-6
    (change,) = result.correlations
    assert change.features == ("one", "other")
    assert abs(change.before) < 0.1 and abs(change.now - 0.5) < 0.1


def test_the_feature_that_moved_comes_first() -> None:
    result = found(rows(1), rows(2, place=0.5))
    assert next(iter(result.moved)) == "other"
    # A shift of half a deviation: Phi(0.5 / sqrt(2)) = 0.638.
    assert result.auc_low < 0.638 < result.auc_high


def test_one_absurd_value_changes_nothing() -> None:
    now = rows(2)
    spoiled = now | {"third": now["third"].clone().scatter(0, 1e12)}
    assert abs(found(rows(1), spoiled).auc - found(rows(1), now).auc) < 0.01


def test_few_rows_are_not_judged() -> None:
    assert joint(rows(1, n=50), rows(2, n=50), 0.01, 0.05) is None
