"""What did a model decide, where it answers with a probability?

In: predictions, a row each, with ``prediction``, ``score`` or both. Out: the same with both, as `quality.py` takes them.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.quality import classes


def decided(rows: pl.DataFrame, kind: str, positive: str, threshold: float) -> pl.DataFrame:
    """Where a binary model answers with a probability, make it the score and decide by the threshold."""
    if kind != "binary_classification":
        return rows.with_columns(prediction="score") if "prediction" not in rows.columns else rows
    if "prediction" in rows.columns:
        told = rows["prediction"].cast(pl.Float64, strict=False)
        fractions = (
            told.null_count() == rows["prediction"].null_count()
            and bool(told.is_between(0, 1).all())
            and bool(((told > 0) & (told < 1)).any())
        )
        if not fractions:
            return rows
        rows = rows.with_columns(score=told)
    number = pl.col("score").cast(pl.Float64, strict=False)
    (yes,) = pl.select(pl.lit(positive).alias("yes")).select(classes("yes"))["yes"]
    decided = pl.when(number >= threshold).then(pl.lit(yes)).when(number < threshold).then(pl.lit("(not)"))
    other = rows.select(classes("label")).drop_nulls().filter(pl.col("label") != yes)["label"].unique()
    return rows.with_columns(prediction=decided.replace("(not)", other[0]) if len(other) else decided)
