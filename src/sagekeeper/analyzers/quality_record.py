"""How good have estimates of quality without labels been, where the labels came later?

In: later answers in the order of time, some with labels, and how to estimate. Out: a row per stretch and metric: what was
expected, with its range, what came true, and whether it lay within. A range of 95 % holds the truth in 95 of 100 stretches;
where it holds it in far fewer, what a score or a feature says of the truth has changed, and estimates are not to be trusted:
`verdict`.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from scipy.stats import binom

from sagekeeper.analyzers.quality_estimate import Expected

SCHEMA = {
    "stretch": pl.Int64(),  # from 1, in the order of time
    "metric": pl.String(),
    "expected": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "realised": pl.Float64(),
    "records": pl.Int64(),
    "within": pl.Boolean(),
}
PROMISED = 0.95
DOUBTFUL = 0.01
"""So improbable a number of misses, were the ranges right, that they are not."""


def record(
    labelled: pl.DataFrame,
    stretches: int,
    estimate: Callable[[pl.DataFrame], list[Expected]],
    measure: Callable[[pl.DataFrame], dict[str, float]],
) -> pl.DataFrame:
    """``labelled`` in ``stretches`` of equal length, each estimated without its labels and measured with them."""
    rows = []
    size = labelled.height // max(stretches, 1)
    for number in range(stretches if size else 0):
        part = labelled.slice(number * size, size if number + 1 < stretches else None)
        true = measure(part)
        for one in estimate(part.drop("label")):
            realised = true.get(one.metric)
            if realised is None or not (one.low == one.low and realised == realised):
                continue
            rows.append(
                {
                    "stretch": number + 1,
                    "metric": one.metric,
                    "expected": one.value,
                    "low": one.low,
                    "high": one.high,
                    "realised": realised,
                    "records": part.height,
                    "within": one.low <= realised <= one.high,
                }
            )
    return pl.DataFrame(rows, schema=SCHEMA)


def verdict(found: pl.DataFrame) -> pl.DataFrame:
    """[metric, stretches, within, mean_error, trusted] of a record. ``trusted`` null: fewer than three stretches."""
    told = found.group_by("metric", maintain_order=True).agg(
        stretches=pl.len(),
        within=pl.col("within").sum(),
        mean_error=(pl.col("expected") - pl.col("realised")).abs().mean(),
    )
    chance = [float(binom.cdf(within, of, PROMISED)) for within, of in told.select("within", "stretches").iter_rows()]
    return told.with_columns(
        trusted=pl.when(pl.col("stretches") >= 3).then(pl.Series(chance, dtype=pl.Float64) >= DOUBTFUL)
    )
