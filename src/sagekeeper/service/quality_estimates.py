"""Quality without labels, of files: what is expected of later answers, and how such estimates have done where labels came.

In: a labelled reference and later answers, some of them perhaps with labels. Out: `Estimated`. Yes-or-no answers by confidence,
several classes by the confidence in the one that was told (accuracy only), numbers by direct loss estimation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sagekeeper.analyzers import quality_estimate, quality_estimate_loss, quality_record
from sagekeeper.analyzers.quality import Problem, classes, is_class
from sagekeeper.analyzers.quality import quality as quality_of
from sagekeeper.analyzers.quality_decisions import decided
from sagekeeper.analyzers.quality_estimate import Expected
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_payloads import records
from sagekeeper.collector.labelled_records import KEY, LINES
from sagekeeper.core.errors import BadInput

NO_FEATURES = ("identity", "record", "inferred_at", "prediction", "score", "label")
LEAST_A_STRETCH = 30
Estimate = Callable[[pl.DataFrame], list[Expected]]


@dataclass(frozen=True)
class Estimated:
    """``expected``: a row per metric. ``record``, ``verdict``: as `quality_record` says, empty without labels."""

    expected: list[Expected]
    record: pl.DataFrame
    verdict: pl.DataFrame
    notes: list[str]


def estimated(
    known: pl.DataFrame, later: pl.DataFrame, kind: Problem, positive: str, threshold: float, stretches: int
) -> Estimated:
    """Raises BadInput with one sentence where nothing can be estimated."""
    notes: list[str] = []
    if kind == "regression":
        estimate = _of_numbers(known, later, notes)
    else:
        known, later = (_ready(frame, kind, positive, threshold) for frame in (known, later))
        estimate = _of_classes(known, later, kind, positive, notes)
    expected = estimate(later.drop("label", strict=False))
    labelled = later.drop_nulls("label") if "label" in later.columns else later.clear()
    record = quality_record.record(
        labelled if "label" in labelled.columns else labelled.with_columns(label=pl.lit(None)),
        min(stretches, labelled.height // LEAST_A_STRETCH),
        estimate,
        lambda part: _realised(part, kind, positive),
    )
    return Estimated(expected, record, quality_record.verdict(record), notes)


def with_features(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Of captures: what was asked, beside what was answered. Tables hold their features already."""
    if path.suffix not in LINES or "identity" not in rows.columns:
        return rows
    asked = records(read_lines([(path.name, path.read_bytes())]), "input", [])
    keys = asked.keys.select(identity=pl.coalesce("inference", "event"), record=pl.col("record").cast(pl.Int64))
    plain = asked.values.select(pl.col(name) for name, kind in asked.values.schema.items() if not kind.is_nested())
    features = pl.concat([keys, plain.drop([name for name in plain.columns if name in rows.columns])], how="horizontal")
    return rows.join(features.unique(KEY, keep="last"), on=KEY, how="left", maintain_order="left")


def _ready(frame: pl.DataFrame, kind: Problem, positive: str, threshold: float) -> pl.DataFrame:
    given = frame if "label" in frame.columns else frame.with_columns(label=pl.lit(None, pl.String))
    made = decided(given, kind, positive, threshold)
    if "score" not in made.columns or made["score"].cast(pl.Float64, strict=False).null_count() == made.height:
        raise BadInput("Classes are estimated by their probability: name its column with --score.")
    return made.with_columns(pl.col("score").cast(pl.Float64, strict=False)).drop_nulls("score")


def _of_classes(known: pl.DataFrame, later: pl.DataFrame, kind: Problem, positive: str, notes: list[str]) -> Estimate:
    labelled = known.drop_nulls(["label", "prediction"])
    binary = kind == "binary_classification"
    true = is_class(labelled, "label", positive) if binary else _right(labelled)
    try:
        reference = quality_estimate.reference(labelled["score"].to_numpy(), true)
    except ValueError as error:
        raise BadInput(f"Nothing can be estimated: {error}.") from error
    if later.is_empty():
        raise BadInput("Nothing can be estimated: no answer has a probability.")
    outside = float(((later["score"] < reference.low) | (later["score"] > reference.high)).sum()) / max(later.height, 1)
    if outside > 0.01:
        notes.append(
            f"{outside:.0%} of the later scores lie outside those of the reference, where nothing is known of them."
        )
    notes.append(
        f"Scores were made probabilities by {reference.calibration.method}, on {labelled.height:,} labelled rows."
    )

    def estimate(rows: pl.DataFrame) -> list[Expected]:
        told = is_class(rows, "prediction", positive) if binary else np.ones(rows.height, dtype=bool)
        found = quality_estimate.expected(reference, rows["score"].to_numpy(), told)
        return found if binary else [one for one in found if one.metric == "accuracy"]

    return estimate


def _of_numbers(known: pl.DataFrame, later: pl.DataFrame, notes: list[str]) -> Estimate:
    features = [name for name in known.columns if name not in NO_FEATURES and name in later.columns]
    known = known.drop_nulls(["label", "prediction"])
    try:
        learned = quality_estimate_loss.learn(known, features)
    except ValueError as error:
        raise BadInput(f"Nothing can be estimated: {error}.") from error
    if later.is_empty():
        raise BadInput("Nothing can be estimated: there are no answers.")
    whole = quality_estimate_loss.loss(learned, later)
    if whole.outside > 0.05:
        notes.append(
            f"{whole.outside:.0%} of the later rows have a {whole.outside_by} that the reference hardly has: "
            "errors there may be larger than is expected."
        )
    notes.append(f"Errors were told by {len(features)} features, on {known.height:,} labelled rows.")
    return lambda rows: quality_estimate_loss.loss(learned, rows).expected


def _realised(part: pl.DataFrame, kind: Problem, positive: str) -> dict[str, float]:
    found = quality_of(part, kind, positive, fewest=LEAST_A_STRETCH).filter(pl.col("value").is_not_null())
    return dict(found.select("metric", "value").iter_rows())


def _right(frame: pl.DataFrame) -> np.ndarray:
    both = frame.select(classes("label"), classes("prediction"))
    return (both["label"] == both["prediction"]).fill_null(value=False).to_numpy()
