"""Labels came: have the inputs moved, or the relation between them and the truth? Of files, for people.

In: labelled answers of before and later ones, and what to compare within. Out: `Relation`: what `concept_drift` says of all later
labelled answers together and of each stretch of them, and a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sagekeeper.analyzers.concept_drift import concept_drift, loss_of
from sagekeeper.analyzers.quality import Problem, classes
from sagekeeper.analyzers.quality_decisions import decided
from sagekeeper.core.errors import BadInput

LEAST_A_STRETCH = 250


@dataclass(frozen=True)
class Relation:
    """``whole`` (a row) and ``stretches``: `concept_drift.SCHEMA`. ``within``: what was compared within."""

    within: str
    whole: pl.DataFrame
    stretches: pl.DataFrame
    said: str


def relation(
    known: pl.DataFrame,
    later: pl.DataFrame,
    how: tuple[Problem, str, float, int],
    within: str | None,
) -> Relation:
    """``how``: problem, positive, threshold, most stretches. Raises BadInput where there is nothing to compare within."""
    kind, positive, threshold, most = how
    before, now = (decided(_given(frame), kind, positive, threshold) for frame in (known, later))
    named = within or (
        "score" if kind != "regression" and _has(before, "score") and _has(now, "score") else "prediction"
    )
    for frame, which in ((before, "reference"), (now, "later answers")):
        if named not in frame.columns:
            raise BadInput(f"--within {named}: the {which} have no such column.")
    before, now = _losses(before, kind, named), _losses(now, kind, named)
    before, now = _alike(before, now)
    parts = max(min(most, now.height // LEAST_A_STRETCH), 1)
    whole = concept_drift(before, now)
    stretches = concept_drift(before, now, parts) if parts > 1 else whole.clear()
    return Relation(named, whole, stretches, _said(whole.row(0, named=True), stretches, kind, named))


def _given(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if "label" in frame.columns else frame.with_columns(label=pl.lit(None, pl.String))


def _has(frame: pl.DataFrame, name: str) -> bool:
    return name in frame.columns and frame[name].cast(pl.Float64, strict=False).null_count() < frame.height


def _losses(frame: pl.DataFrame, kind: Problem, within: str) -> pl.DataFrame:
    """[loss, within] of the labelled rows, as they come."""
    told = frame if kind == "regression" else frame.with_columns(classes("label"), classes("prediction"))
    found = told.select(loss=loss_of(regression=kind == "regression"), within=pl.col(within))
    return found.filter(pl.col("loss").is_finite())


def _alike(before: pl.DataFrame, now: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As numbers where both are, whatever a file's reader took them for; as names otherwise."""
    numbers = pl.col("within").cast(pl.Float64, strict=False)
    if all(frame.select(numbers.is_null() == pl.col("within").is_null()).to_series().all() for frame in (before, now)):
        return before.with_columns(within=numbers), now.with_columns(within=numbers)
    return before.with_columns(pl.col("within").cast(pl.String)), now.with_columns(pl.col("within").cast(pl.String))


def _said(whole: dict[str, object], stretches: pl.DataFrame, kind: Problem, within: str) -> str:
    if whole["verdict"] is None:
        return f"Whether the inputs moved or the relation to the truth is unknown: {whole['why']}."
    share = kind != "regression"
    what = "wrong answers" if share else "mean absolute error"

    def shown(value: object) -> str:
        assert isinstance(value, float)
        # No minus before what is shown as nothing.
        return f"{round(value, 3) + 0.0:.1%}" if share else f"{value:.4g}"

    def part(name: str) -> str:
        return f"{shown(whole[name])} ({shown(whole[name + '_low'])} to {shown(whole[name + '_high'])})"

    verdict = str(whole["verdict"])
    text = (
        f"{verdict.capitalize()}: {what} {shown(whole['before'])} before, {shown(whole['now'])} now. Of the difference, moved "
        f"inputs make {part('inputs')}, other errors given the same {within} {part('relation')}"
    )
    if whole["not_compared"]:
        text += f", and {shown(whole['elsewhere'])} is where there was hardly anything before"
        text += f" ({whole['not_compared']:.1%} of the rows)"
    text += f"; given the same {within}, errors differ by {part('changed')} on average"
    told = [str(one).removesuffix(" moved") if one else "unknown" for one in stretches["verdict"]]
    return text + "." + (f" By stretch: {', '.join(told)}." if told else "")
