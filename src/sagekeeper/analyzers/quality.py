"""How good were a model's predictions, now that their labels are known? In all, and by segment.

In: a frame of predictions (a row each) with ``label``, ``prediction``, perhaps ``score`` and segments. Out: a row per segment and
metric with its interval, the rows it rests on, and the share of predictions that have a label at all. Metrics are named as Model
Monitor names them (monitoring-facts 2.4). Too few labels: the value is null and ``why`` says so; it is unknown, never zero.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from sagekeeper.analyzers import quality_binary
from sagekeeper.analyzers.quality_binary import Measured
from sagekeeper.analyzers.quality_intervals import of_mean, of_table, wilson

Problem = Literal["regression", "binary_classification", "multiclass_classification"]
FEWEST = 30
"""Labelled rows below which nothing is said."""
MOST_CLASSES = 50
SCHEMA = {
    "segment": pl.String(),  # "" is all rows
    "problem": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "records": pl.Int64(),  # with label and prediction
    "predictions": pl.Int64(),
    "coverage": pl.Float64(),
    "why": pl.String(),  # why the value is unknown
}


def quality(
    rows: pl.DataFrame,
    problem: Problem,
    positive: str = "1",
    segment: str | None = None,
    fewest: int = FEWEST,
) -> pl.DataFrame:
    """[segment, problem, metric, value, low, high, records, predictions, coverage, why] of ``rows``.

    ``positive``: the class that is yes, of binary classification. ``segment``: a column; its missing values are a segment too.
    """
    parts = [("", rows)]
    if segment is not None:
        named = pl.lit(f"{segment}=") + pl.col(segment).cast(pl.String).fill_null("(missing)")
        whole = rows.with_columns(named.alias("_segment"))
        parts += [
            (str(key[0]), part) for key, part in sorted(whole.group_by("_segment"), key=lambda item: str(item[0]))
        ]
    return pl.concat([_of_part(name, part, problem, positive, fewest) for name, part in parts])


def problem_of(rows: pl.DataFrame) -> Problem:
    """Told by the labels: numbers that are not whole, or more than `MOST_CLASSES` of them, are measured, the others classes."""
    labels = rows["label"].drop_nulls()
    numbers = labels.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0 and len(numbers):
        whole = bool((numbers == numbers.floor()).all())
        if not whole or numbers.n_unique() > MOST_CLASSES:
            return "regression"
    return "binary_classification" if labels.n_unique() <= 2 else "multiclass_classification"


def classes(column: str) -> pl.Expr:
    """Classes as text; 1, 1.0 and "1" are one class."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    whole = number.is_finite() & (number == number.floor()) & (number.abs() < 2**53)
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text).alias(column)


def is_class(frame: pl.DataFrame, column: str, name: str) -> np.ndarray:
    """Whether each row of ``column`` is of the class ``name``; a row without one is not."""
    wanted = pl.select(pl.lit(name).alias(column)).select(classes(column))[column][0]
    return frame.select((classes(column) == wanted).fill_null(value=False))[column].to_numpy()


def _of_part(name: str, rows: pl.DataFrame, problem: Problem, positive: str, fewest: int) -> pl.DataFrame:
    if problem == "regression":
        numbers = rows.select(pl.col("label", "prediction").cast(pl.Float64, strict=False).fill_nan(None))
        known = numbers.drop_nulls()
    else:
        known = rows.with_columns(classes("label"), classes("prediction")).filter(
            pl.all_horizontal(pl.col("label", "prediction").is_not_null())
        )
    why = None if known.height >= fewest else f"{known.height} labelled rows, {fewest} are needed"
    if problem == "regression":
        found = _regression(known["label"].to_numpy(), known["prediction"].to_numpy())
    elif problem == "binary_classification":
        found = _binary(known, positive)
    else:
        found = _multiclass(known)
    made = [
        {
            "metric": one.metric,
            "value": None if why or not np.isfinite(one.value) else one.value,
            "low": None if why or one.interval is None else one.interval[0],
            "high": None if why or one.interval is None else one.interval[1],
            "why": why or (None if np.isfinite(one.value) else "it does not exist for these rows"),
        }
        for one in found
    ]
    counts = pl.lit(rows.height, pl.Int64)
    return (
        pl.DataFrame(made, schema={key: SCHEMA[key] for key in ("metric", "value", "low", "high", "why")})
        .with_columns(
            segment=pl.lit(name),
            problem=pl.lit(problem),
            records=pl.lit(known.height, pl.Int64),
            predictions=counts,
            coverage=pl.lit(known.height / rows.height if rows.height else None, pl.Float64),
        )
        .select(*SCHEMA)
    )


def _regression(labels: np.ndarray, told: np.ndarray) -> list[Measured]:
    nothing = float("nan")
    if len(labels) < 2:
        return [Measured(name, nothing, None) for name in ("mae", "mse", "rmse", "r2")]
    wrong = np.abs(told - labels)
    squares = wrong**2
    mse, spread = float(squares.mean()), float(labels.var())
    sure = of_mean(squares)
    assert sure is not None
    root = (float(np.sqrt(max(sure[0], 0.0))), float(np.sqrt(sure[1])))
    found = [
        Measured("mae", float(wrong.mean()), of_mean(wrong)),
        Measured("mse", mse, (max(sure[0], 0.0), sure[1])),
        Measured("rmse", float(np.sqrt(mse)), root),
    ]
    if spread == 0:
        return [*found, Measured("r2", nothing, None)]
    # What one row does to 1 - mse / variance (influence function): its mean square gives the spread of R2.
    influence = -(squares - mse) / spread + mse / spread**2 * ((labels - labels.mean()) ** 2 - spread)
    around = of_mean(influence)
    r2 = 1 - mse / spread
    return [*found, Measured("r2", r2, None if around is None else (r2 + around[0], r2 + around[1]))]


def _binary(known: pl.DataFrame, positive: str) -> list[Measured]:
    yes = known.select(pl.lit(positive).alias("label")).select(classes("label")).head(1)
    wanted = yes["label"][0] if yes.height else positive
    scores = known["score"].cast(pl.Float64, strict=False) if "score" in known.columns else None
    usable = scores is not None and scores.null_count() == 0 and len(scores) > 0
    return quality_binary.measured(
        (known["label"] == wanted).to_numpy(),
        (known["prediction"] == wanted).to_numpy(),
        scores.to_numpy() if usable and scores is not None else None,
    )


def _multiclass(known: pl.DataFrame) -> list[Measured]:
    names = sorted(set(known["label"]) | set(known["prediction"]))
    place = {name: number for number, name in enumerate(names)}
    truth, told = (
        known[column].replace_strict(place, return_dtype=pl.Int64).to_numpy() for column in ("label", "prediction")
    )
    size = max(len(names), 1)
    cells = np.bincount(size * truth + told, minlength=size * size).reshape(size, size)
    hits = float(np.trace(cells))
    n = float(cells.sum())
    found = [Measured("accuracy", hits / n if n else float("nan"), wilson(hits, n))]
    for name in ("weighted_precision", "weighted_recall", "weighted_f0_5", "weighted_f1", "weighted_f2"):
        value = float(_weighted(cells[None], name)[0])
        found.append(Measured(name, value, of_table(cells, lambda drawn, name=name: _weighted(drawn, name))))  # type: ignore[misc]
    return found


def _weighted(cells: np.ndarray, metric: str) -> np.ndarray:
    """Per-class metrics weighed by how often the class is true, of tables along the first axis. A class that is never told has
    precision 0, as in Spark's MulticlassMetrics, which Model Monitor uses."""
    hits = np.diagonal(cells, axis1=1, axis2=2).astype(float)
    true, told = cells.sum(axis=2), cells.sum(axis=1)
    precision = np.divide(hits, told, out=np.zeros_like(hits), where=told > 0)
    recall = np.divide(hits, true, out=np.zeros_like(hits), where=true > 0)
    if metric == "weighted_precision":
        each = precision
    elif metric == "weighted_recall":
        each = recall
    else:
        beta2 = {"weighted_f0_5": 0.25, "weighted_f1": 1.0, "weighted_f2": 4.0}[metric]
        below = beta2 * precision + recall
        each = np.divide((1 + beta2) * precision * recall, below, out=np.zeros_like(hits), where=below > 0)
    whole = true.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((each * true).sum(axis=1) / whole)
