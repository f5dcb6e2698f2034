"""Does a model know its test already? leakage, of any files; nothing of the lake is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from sagekeeper.analyzers.leakage import Overlap, Tell, overlaps, row_hashes, tells
from sagekeeper.collector.labelled_records import table
from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command()(leakage)


def leakage(
    train: Annotated[Path, typer.Option(help="parquet or csv: what the model learns from", metavar="FILE")],
    test: Annotated[Path | None, typer.Option(help="what it is tested on", metavar="FILE")] = None,
    validation: Annotated[Path | None, typer.Option(help="what it is tuned on", metavar="FILE")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="what the monitor's baseline was made of", metavar="FILE")
    ] = None,
    serving: Annotated[Path | None, typer.Option(help="rows as the model is asked with", metavar="FILE")] = None,
    label: Annotated[str | None, typer.Option(help="column of the labels; features that give it away are told")] = None,
    as_json: JsonOption = False,
) -> None:
    """Rows that are in more than one data set, features that give the label away, and how serving differs from training."""
    out = Output(as_json)
    given = {"train": train, "validation": validation, "test": test, "baseline": baseline}
    frames = {name: table(path) for name, path in given.items() if path is not None}
    for name, frame in frames.items():
        if not frame.height:
            raise BadInput(f"{given[name]} has no rows.")
    asked = table(serving) if serving is not None else None
    if label is not None and label not in frames["train"].columns:
        raise BadInput(f"{train} has no column {label}.")
    shared = [name for name in frames["train"].columns if all(name in frame.columns for frame in frames.values())]
    features = [name for name in shared if name != label]
    if not features:
        raise BadInput("The files have no column in common.")
    # Without the label: a row that was labelled again is the same row.
    found = overlaps({name: row_hashes(frame.select(features)) for name, frame in frames.items()})
    told = tells(frames["train"], label) if label is not None else []
    differs = _skew(frames["train"], asked, label) if asked is not None else {}
    _tell(out, found, told, differs, len(features))
    leaks = any(one.inner in ("test", "validation") and one.outer == "train" for one in found) or bool(told)
    out.give({"leaks": leaks, "overlaps": found, "tells": told, "serving": differs, "compared_columns": features})


def _skew(train: pl.DataFrame, serving: pl.DataFrame, label: str | None) -> dict[str, list[str]]:
    learnt = [name for name in train.columns if name != label]
    both = [name for name in learnt if name in serving.columns]
    return {
        "absent": [name for name in learnt if name not in serving.columns],
        "unknown": [name for name in serving.columns if name not in train.columns],
        "other_type": [
            f"{name}: {train.schema[name]} learnt, {serving.schema[name]} served"
            for name in both
            if _family(train.schema[name]) != _family(serving.schema[name])
        ],
        "other_order": both if both != [name for name in serving.columns if name in learnt] else [],
        "label_served": [label] if label is not None and label in serving.columns else [],
    }


def _family(kind: pl.DataType) -> str:
    return "number" if kind.is_numeric() else "time" if kind.is_temporal() else str(kind)


def _tell(out: Output, found: list[Overlap], told: list[Tell], differs: dict[str, list[str]], columns: int) -> None:
    out.table(
        f"Rows that are in two sets (alike in {columns} columns)",
        ("of", "are in", "share>", "from>", "to>", "rows>"),
        [
            (one.inner, one.outer, *(f"{x:.2%}" for x in (one.share, one.low, one.high)), f"{one.rows:,.0f}")
            for one in found
        ],
    )
    if not found:
        out.say("No row is in two sets.")
    for one in found:
        if (one.inner, one.outer) == ("baseline", "test") and one.share > 0.5:
            out.say(
                "The baseline was made of test data: drift will be measured from what the model never learnt.", "yellow"
            )
    for tell in told:
        way = "whether it has a value" if tell.only_missing else "its value"
        out.say(f"{tell.feature} gives the label away: {way} alone tells it with an AUC of {tell.auc:.3f}.", "yellow")
    words = {
        "absent": "Learnt, but not served",
        "unknown": "Served, but never learnt",
        "other_type": "Of another type",
        "other_order": "Served in another order than learnt",
        "label_served": "The label is among what is served",
    }
    for kind, names in differs.items():
        if names:
            out.say(f"{words[kind]}: {', '.join(names)}.", "yellow")
