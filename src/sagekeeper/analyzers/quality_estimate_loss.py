"""How wrong are numbers whose true values have not come yet? Direct loss estimation.

In: a reference with features, predictions and true values, and later features and predictions. Out: the expected MAE, MSE and
RMSE of the later ones, each with the range in which it will lie with 95 % confidence. A second model learns from the reference
how large the error is for which inputs (out of fold, so that it does not judge what it has seen); its mean over the later
inputs is the estimate. The range holds the noise of single errors and what another reference would have taught (grouped
jackknife over the folds).

It sees errors that come with the inputs, not a truth that has moved behind them (concept drift), and nothing of inputs that the
reference does not have: their share is told. scikit-learn is an extra, imported when it is needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sagekeeper.analyzers.quality_estimate import Expected
from sagekeeper.analyzers.quality_intervals import SEED, Z
from sagekeeper.core.errors import BadInput

FOLDS, LEAST_ROWS = 5, 200
EDGES = (0.005, 0.995)
"""Quantiles of a reference feature between which it is known."""


class Loss(NamedTuple):
    """``expected``: mae, mse, rmse. ``outside``: share of the later rows with a feature outside the reference's range."""

    expected: list[Expected]
    outside: float
    outside_by: str


class Taught(NamedTuple):
    """A loss, learned: a model a fold. ``scale`` makes the reference's own mean come out, ``spread`` is that of single errors."""

    models: list[Any]
    sizes: np.ndarray
    scale: float
    spread: float
    noise: float


class Learned(NamedTuple):
    """What the reference has taught, to be asked of any later rows."""

    known: pl.DataFrame
    features: list[str]
    mae: Taught
    mse: Taught


def learn(known: pl.DataFrame, features: list[str]) -> Learned:
    """``known`` has label, prediction and ``features``. Raises ValueError with one sentence where it is too little."""
    known = known.filter(pl.all_horizontal(pl.col("label", "prediction").cast(pl.Float64, strict=False).is_finite()))
    if known.height < LEAST_ROWS:
        raise ValueError(f"the reference has {known.height} labelled rows, {LEAST_ROWS} are needed")
    if not features:
        raise ValueError("there is no feature to tell errors by")
    matrix, _ = encoded(known, known.head(1), [*features, "prediction"])
    label, told = (known[name].cast(pl.Float64).to_numpy() for name in ("label", "prediction"))
    wrong = np.abs(told - label)
    return Learned(known, features, _taught(matrix, wrong), _taught(matrix, wrong**2))


def loss(learned: Learned, later: pl.DataFrame) -> Loss:
    """Of ``later``, which has at least one row, the features and the predictions, and no labels."""
    _, now = encoded(learned.known, later, [*learned.features, "prediction"])
    mae, mse = _mean_loss(learned.mae, now), _mean_loss(learned.mse, now)
    ends = (float(np.sqrt(max(mse.low, 0.0))), float(np.sqrt(max(mse.high, 0.0))))
    found = [
        Expected("mae", mae.value, max(0.0, mae.low), mae.high),
        Expected("mse", mse.value, max(0.0, mse.low), mse.high),
        Expected("rmse", float(np.sqrt(mse.value)), *ends),
    ]
    strange = _outside(learned.known, later, learned.features)
    by = max(strange, key=lambda name: strange[name], default="")
    return Loss(found, max(strange.values(), default=0.0), by)


def encoded(known: pl.DataFrame, later: pl.DataFrame, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Both as matrices: numbers as they are, texts by their code in ``known``; what is missing or new there is NaN."""
    parts = []
    for name in columns:
        numbers = [frame[name].cast(pl.Float64, strict=False) for frame in (known, later)]
        if numbers[0].null_count() == known[name].null_count():
            parts.append([column.to_numpy().astype(float) for column in numbers])
            continue
        codes = {
            value: float(code) for code, value in enumerate(sorted(known[name].cast(pl.String).drop_nulls().unique()))
        }
        parts.append(
            [
                frame[name]
                .cast(pl.String)
                .replace_strict(codes, default=None, return_dtype=pl.Float64)
                .to_numpy()
                .astype(float)
                for frame in (known, later)
            ]
        )
    return np.column_stack([part[0] for part in parts]), np.column_stack([part[1] for part in parts])


class _Mean(NamedTuple):
    value: float
    low: float
    high: float


def _taught(matrix: np.ndarray, losses: np.ndarray) -> Taught:
    """A model of the loss for each fold, learned on the others."""
    fold = np.random.default_rng(SEED).permutation(len(losses)) % FOLDS
    out_of_fold, models = np.empty(len(losses)), []
    for number in range(FOLDS):
        inside = fold == number
        models.append(_learned(matrix[~inside], losses[~inside]))
        out_of_fold[inside] = _told(models[-1], matrix[inside])
    scale = float(losses.mean() / out_of_fold.mean()) if out_of_fold.mean() > 0 else 1.0
    left = losses - out_of_fold * scale
    # Errors scatter more where they are larger: their spread goes with what is expected.
    spread = float((left**2).mean() / (out_of_fold**2).mean()) if out_of_fold.any() else 0.0
    return Taught(models, np.bincount(fold, minlength=FOLDS), scale, spread, float(left.var() / len(losses)))


def _mean_loss(taught: Taught, now: np.ndarray) -> _Mean:
    """The mean of a loss over ``now``."""
    told = [_told(model, now) for model in taught.models]
    means, squares = (np.array([(one**power).mean() for one in told]) for power in (1, 2))
    value = float(means.mean() * taught.scale)
    noise = taught.spread * squares.mean() / len(now) + taught.noise
    apart = (means - np.average(means, weights=taught.sizes)) ** 2
    half = Z * float(np.sqrt(noise + (FOLDS - 1) / FOLDS * apart.sum() * taught.scale**2))
    return _Mean(value, value - half, value + half)


def _learned(matrix: np.ndarray, losses: np.ndarray) -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise BadInput(
            "The error of numbers is estimated by scikit-learn, which is not installed: pip install 'sagekeeper[estimate]'."
        ) from error
    model = HistGradientBoostingRegressor(
        max_iter=120,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        l2_regularization=1.0,
        random_state=SEED,
    )
    # On a busy machine its threads wait for each other: 10.8 s against 0.2 s for 1,600 rows.
    with threadpool_limits(1):
        return model.fit(matrix, losses)


def _told(model: Any, matrix: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(np.maximum(model.predict(matrix), 0.0))


def _outside(known: pl.DataFrame, later: pl.DataFrame, features: list[str]) -> dict[str, float]:
    """By feature: the share of later values that the reference hardly has."""
    found = {}
    for name in features:
        before = known[name].cast(pl.Float64, strict=False)
        if before.null_count() == known[name].null_count() and before.len() > before.null_count():
            low, high = (before.quantile(edge, "linear") for edge in EDGES)
            beyond = (pl.col("now") < low) | (pl.col("now") > high)
            now = later[name].cast(pl.Float64, strict=False)
        else:
            seen = known[name].cast(pl.String).drop_nulls().unique()
            beyond = ~pl.col("now").is_in(seen.to_list())
            now = later[name].cast(pl.String)
        share = now.alias("now").to_frame().select(beyond.fill_null(value=False).mean()).item()
        found[name] = 0.0 if share is None else float(share)
    return found
