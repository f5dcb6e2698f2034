"""Features that moved together, though each may look as it did: can a classifier tell current rows from those of the reference?

In: the same rows of all features, a sample of each data set. Out: a `Joint`: how well the two are told apart on rows that the
classifier was not made with (AUC, one half chance), with interval and p-value; which features it goes by; and pairs of
features whose correlation changed. The classifier is a ridge logistic regression on normal scores of the ranks (one absurd
value is one row), their squares and products, missing marks and frequent categories: a change of place, spread, mix or
correlation is what it can see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import optimize, special

from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_tests import adjusted
from sagekeeper.analyzers.quality_intervals import Z as Z95

FEWEST_ROWS = 200
MOST_CATEGORIES = 10
MOST_WITH_PRODUCTS = 12
RIDGE = 1.0
SHOWN = 10


@dataclass(frozen=True)
class CorrelationChange:
    """Of two features' normal scores; ``low`` is the lower end (95 %) of the absolute change."""

    features: tuple[str, str]
    before: float
    now: float
    low: float
    adjusted_p_value: float


@dataclass(frozen=True)
class Joint:
    """``moved``: feature -> how much of the AUC is lost when its values are shuffled, the largest first."""

    auc: float
    auc_low: float
    auc_high: float
    p_value: float
    moved: dict[str, float]
    correlations: list[CorrelationChange]
    rows: tuple[int, int]


def joint(
    before: Mapping[str, pl.Series], now: Mapping[str, pl.Series], level: float, least_change: float
) -> Joint | None:
    """Of sampled rows of the same features. None where there are too few rows or no feature that can be used."""
    names = [name for name in before if name in now]
    if not names or min(len(before[names[0]]), len(now[names[0]])) < FEWEST_ROWS:
        return None
    n, m = len(before[names[0]]), len(now[names[0]])
    scored = {name: _scores(before[name], now[name]) for name in names}
    numeric = {name: score for name, (score, number) in scored.items() if number and score.shape[1]}
    design, owners = _design({name: score for name, (score, _) in scored.items()}, list(numeric))
    if not design.shape[1]:
        return None
    is_now = np.repeat([False, True], [n, m])
    # Every other row of either side: neighbours that are alike are in both halves, and no half is a later time.
    half = np.concatenate([np.arange(n) % 2 == 0, np.arange(m) % 2 == 0])
    aucs, drops = [], dict.fromkeys(names, 0.0)
    for made, asked in ((half, ~half), (~half, half)):
        weights = _fit(design[made], is_now[made])
        rows = design[asked]
        scores = _times(rows, weights)
        aucs.append(_auc(scores, is_now[asked]))
        order = np.random.default_rng(0).permutation(len(rows))
        for name in names:
            own = owners == name
            part = _times(rows[:, own], weights[own])
            drops[name] += (aucs[-1] - _auc(scores - part + part[order], is_now[asked])) / 2
    auc = float(np.mean(aucs))
    chance = np.sqrt((n + m + 1) / (12 * n * m))
    spread = np.sqrt(max(auc * (1 - auc), 0.01) / min(n, m))
    return Joint(
        auc=auc,
        auc_low=max(float(auc - Z95 * spread), 0.0),
        auc_high=min(float(auc + Z95 * spread), 1.0),
        p_value=float(special.ndtr(-(auc - 0.5) / chance)),
        moved=dict(
            sorted(((name, drop) for name, drop in drops.items() if drop > 0.001), key=lambda item: -item[1])[:SHOWN]
        ),
        correlations=_correlations(numeric, n, level, least_change),
        rows=(n, m),
    )


def _scores(before: pl.Series, now: pl.Series) -> tuple[Array, bool]:
    """Normal scores and a missing mark, or marks of the frequent categories; and whether it is numbers."""
    both = pl.concat([_plain(before), _plain(now)])
    numbers = both.cast(pl.Float64, strict=False)
    there = len(both) - both.null_count()
    if not there:
        return np.zeros((len(both), 0)), False
    if numbers.null_count() - both.null_count() <= 0.05 * there:
        finite = numbers.set(numbers.is_finite().not_().fill_null(False), None)
        ranks = (finite.rank("average") / (finite.len() - finite.null_count() + 1)).to_numpy()
        scores = np.where(np.isnan(ranks), 0.0, special.ndtri(np.where(np.isnan(ranks), 0.5, ranks)))
        absent = np.isnan(ranks).astype(np.float64)
        varies = [column for column in (scores, absent) if column.std() > 0]
        return np.stack(varies, axis=1) if varies else np.zeros((len(both), 0)), bool(scores.std() > 0)
    counted = both.value_counts(sort=True).head(MOST_CATEGORIES)
    marks = [(both == name).fill_null(False).to_numpy() for name in counted.to_series(0) if name is not None]
    return np.stack([*marks, both.is_null().to_numpy()], axis=1).astype(np.float64), False


def _plain(series: pl.Series) -> pl.Series:
    return series.cast(pl.String, strict=False)


def _design(scores: Mapping[str, Array], numeric: list[str]) -> tuple[Array, NDArray[np.str_]]:
    """All terms, standardised, and whose each is. A product counts as that of its first feature."""
    columns = [(name, column) for name, score in scores.items() for column in score.T]
    columns += [(name, scores[name][:, 0] ** 2) for name in numeric]
    if len(numeric) <= MOST_WITH_PRODUCTS:
        columns += [(one, scores[one][:, 0] * scores[other][:, 0]) for one, other in combinations(numeric, 2)]
    kept = [(name, (column - column.mean()) / column.std()) for name, column in columns if column.std() > 0]
    if not kept:
        return np.zeros((0, 0)), np.array([], dtype=np.str_)
    return np.stack([column for _, column in kept], axis=1), np.array([name for name, _ in kept])


def _fit(design: Array, is_now: NDArray[np.bool_]) -> Array:
    """Weights of a ridge logistic regression, sides weighing the same.

    By sums of its own rather than a linear algebra library: its threads, on a busy machine, took 30 times as long.
    """
    side = np.where(is_now, 0.5 / is_now.mean(), 0.5 / (1 - is_now.mean()))

    def loss(weights: Array) -> tuple[float, Array]:
        line = _times(design, weights[:-1]) + weights[-1]
        wrong = side * (special.expit(line) - is_now)
        value = float((side * (np.logaddexp(0.0, line) - is_now * line)).sum() + RIDGE / 2 * (weights[:-1] ** 2).sum())
        return value, np.append(np.einsum("ij,i->j", design, wrong) + RIDGE * weights[:-1], wrong.sum())

    found = optimize.minimize(loss, np.zeros(design.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x[:-1])


def _times(design: Array, weights: Array) -> Array:
    return np.asarray(np.einsum("ij,j->i", design, weights))


def _auc(scores: Array, is_now: NDArray[np.bool_]) -> float:
    ranks = pl.Series(scores).rank("average").to_numpy()
    m = int(is_now.sum())
    n = len(is_now) - m
    return float((ranks[is_now].sum() - m * (m + 1) / 2) / (n * m))


def _correlations(numeric: Mapping[str, Array], n: int, level: float, least: float) -> list[CorrelationChange]:
    names = list(numeric)
    if len(names) < 2:
        return []
    every = np.stack([numeric[name][:, 0] for name in names], axis=1)
    (before, error), (now, error_now) = _correlation(every[:n]), _correlation(every[n:])
    rows, columns = np.triu_indices(len(names), 1)
    change = (now - before)[rows, columns]
    spread = np.sqrt(error + error_now)[rows, columns]
    p = 2 * special.ndtr(-np.abs(change) / np.maximum(spread, 1e-12))
    after = adjusted(p.tolist())
    low = np.abs(change) - Z95 * spread
    found = [
        CorrelationChange(
            features=(names[rows[place]], names[columns[place]]),
            before=float(before[rows[place], columns[place]]),
            now=float(now[rows[place], columns[place]]),
            low=float(low[place]),
            adjusted_p_value=after[place],
        )
        for place in np.argsort(-low)
        if after[place] <= level and low[place] > least
    ]
    return found[:SHOWN]


def _correlation(scores: Array) -> tuple[Array, Array]:
    """Correlations and their variances, whatever the distribution (delta method on the product moments)."""
    x = scores - scores.mean(axis=0)
    x = x / np.maximum(x.std(axis=0), 1e-12)
    count = len(x)
    square = x * x

    def mean(one: Array, other: Array) -> Array:
        return np.asarray(np.einsum("ij,ik->jk", one, other)) / count

    r, second, third = mean(x, x), mean(square, square), mean(square * x, x)
    fourth = np.diag(second)
    variance = second - r * (third + third.T) + r**2 / 4 * (fourth[:, None] + 2 * second + fourth[None, :])
    return r, np.maximum(variance, 1e-12) / count
