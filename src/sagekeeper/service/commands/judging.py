"""Are a model's answers right, and fair? quality and bias, of any files; nothing of the lake is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from sagekeeper.analyzers.bias import bias as bias_of
from sagekeeper.analyzers.bias import in_facet
from sagekeeper.analyzers.quality import FEWEST, is_class, problem_of
from sagekeeper.analyzers.quality import quality as quality_of
from sagekeeper.analyzers.quality_decisions import decided
from sagekeeper.collector.labelled_records import answers, labelled, table
from sagekeeper.core.errors import BadInput
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.quality_estimates import estimated, with_features
from sagekeeper.service.quality_relation import Relation, relation

PROBLEMS = ("regression", "binary_classification", "multiclass_classification")
LabelOption = Annotated[str, typer.Option(help="column of the labels")]
PredictionOption = Annotated[str, typer.Option(help="column of the predictions")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(quality)
    app.command()(bias)


def quality(
    predictions: Annotated[Path, typer.Option(help="captures (JSON Lines), parquet or csv", metavar="FILE")],
    labels: Annotated[
        Path | None, typer.Option(help="ground truth; none: the predictions' file holds it", metavar="FILE")
    ] = None,
    identity: Annotated[str, typer.Option("--id", help="column by which the two are joined")] = "inference_id",
    label: LabelOption = "label",
    prediction: PredictionOption = "prediction",
    score: Annotated[str, typer.Option(help="column of the probability of --positive")] = "score",
    positive: Annotated[str, typer.Option(help="the class that is yes")] = "1",
    threshold: Annotated[float, typer.Option(help="where there are only scores: yes from here on")] = 0.5,
    segment: Annotated[str | None, typer.Option(help="column: each of its values is judged, too")] = None,
    problem: Annotated[str | None, typer.Option(help=f"{', '.join(PROBLEMS)}; default: as the labels look")] = None,
    fewest: Annotated[int, typer.Option(min=2, help="labelled rows below which a metric is unknown")] = FEWEST,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="estimate what has no label yet, with --reference")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(help="labelled answers of before that the model was not trained on", metavar="FILE")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            help="with --reference: column that tells like inputs, such as the dearest feature; default: the score"
        ),
    ] = None,
    stretches: Annotated[int, typer.Option(min=3, max=100, help="parts of the labelled rows, for the record")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure predictions against their labels, with intervals at 95 % and the share that has a label; or estimate it without."""
    out = Output(as_json)
    names = {"identity": identity, "prediction": prediction, "score": score, "label": label}
    if estimate:
        _estimate(out, predictions, labels, reference, names, (problem, positive, threshold, stretches), within)
        return
    read = labelled(predictions, labels, names)
    if segment is not None and segment not in read.rows.columns:
        raise BadInput(f"{predictions} has no column {segment}.")
    kind = problem or problem_of(read.rows)
    if kind not in PROBLEMS:
        raise BadInput(f"--problem {kind}: it is one of {', '.join(PROBLEMS)}.")
    rows = decided(read.rows, kind, positive, threshold)
    found = quality_of(rows, kind, positive, segment, fewest)  # type: ignore[arg-type]
    whole = found.filter(pl.col("segment") == "").row(0, named=True)
    out.table(
        f"{kind.replace('_', ' ')}, {whole['records']:,} of {whole['predictions']:,} predictions have a label",
        ("segment", "metric", "value>", "from>", "to>", "labelled>", "unknown because"),
        [
            (
                row["segment"] or "(all)",
                row["metric"],
                *(_number(row[name]) for name in ("value", "low", "high")),
                f"{row['records']:,}",
                row["why"],
            )
            for row in found.iter_rows(named=True)
        ],
    )
    out.say(
        "From and to hold the true value in 95 of 100 samples like this one. "
        "Labels that come late may differ from those that came."
    )
    if read.poison:
        out.say(
            f"{read.poison} lines hold no capture and no ground truth that can be read; they were left out.",
            style="yellow",
        )
    more = {}
    if reference is not None:
        known, later = labelled(reference, None, names).rows, read.rows
        if within is not None:
            known, later = with_features(known, reference), with_features(later, predictions)
        more = _tell(out, relation(known, later, (kind, positive, threshold, stretches), within))  # type: ignore[arg-type]
    out.give(
        {"problem": kind, "coverage": whole["coverage"], "unread_lines": read.poison, "rows": found.to_dicts()} | more
    )


def _estimate(
    out: Output,
    predictions: Path,
    labels: Path | None,
    reference: Path | None,
    names: dict[str, str],
    how: tuple[str | None, str, float, int],
    within: str | None,
) -> None:
    problem, positive, threshold, stretches = how
    if reference is None:
        raise BadInput(
            "--estimate needs --reference: labelled answers of before, from which it learns what a score means."
        )
    known = labelled(reference, None, names).rows
    later = labelled(predictions, labels, names).rows if labels else answers(predictions, names).rows
    kind = problem or problem_of(known)
    if kind not in PROBLEMS:
        raise BadInput(f"--problem {kind}: it is one of {', '.join(PROBLEMS)}.")
    if kind == "regression" or within is not None:
        known, later = with_features(known, reference), with_features(later, predictions)
    found = estimated(known, later, kind, positive, threshold, stretches)  # type: ignore[arg-type]
    out.table(
        f"{kind.replace('_', ' ')}, {later.height:,} answers, estimated without labels",
        ("metric", "expected>", "from>", "to>"),
        [(one.metric, *(_number(value if value == value else None) for value in one[1:])) for one in found.expected],
    )
    out.say(
        "From and to hold the metric that labels will show, in 95 of 100 cases, as long as only the inputs have moved."
    )
    for note in found.notes:
        out.say(note)
    for row in found.verdict.iter_rows(named=True):
        out.say(
            f"Record of {row['metric']}: {row['within']} of {row['stretches']} labelled stretches came true within the range, "
            f"mean error {row['mean_error']:.4f}.",
            style="red" if row["trusted"] is False else "",
        )
    if not found.verdict.is_empty() and (found.verdict["trusted"] == False).any():  # noqa: E712
        out.say(
            "The estimate is not to be trusted: labels say that what is behind the answers has changed, not only the inputs.",
            style="red",
        )
    more = {}
    if "label" in later.columns and later["label"].drop_nulls().len():
        more = _tell(out, relation(known, later, (kind, positive, threshold, stretches), within))  # type: ignore[arg-type]
    expected = [
        {name: None if value != value else value for name, value in one._asdict().items()} for one in found.expected
    ]
    out.give(
        {
            "problem": kind,
            "answers": later.height,
            "expected": expected,
            "record": found.record.to_dicts(),
            "verdict": found.verdict.to_dicts(),
            "notes": found.notes,
        }
        | more
    )


def _tell(out: Output, found: Relation) -> dict[str, object]:
    out.say(found.said)
    return {
        "relation": {
            "within": found.within,
            "whole": found.whole.to_dicts()[0],
            "stretches": found.stretches.to_dicts(),
            "said": found.said,
        }
    }


def bias(
    data: Annotated[Path, typer.Option(help="parquet or csv, a row per person", metavar="FILE")],
    label: LabelOption,
    facet: Annotated[str, typer.Option(help="column of the group")],
    facet_value: Annotated[
        str, typer.Option(help="its value that is facet d; of a number with many values: those above")
    ],
    positive: Annotated[str, typer.Option(help="the outcome that people want")] = "1",
    prediction: Annotated[str | None, typer.Option(help="column of the predictions; none: only pre-training")] = None,
    group: Annotated[str | None, typer.Option(help="column to compare within: CDDL, CDDPL")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure bias as SageMaker Clarify does, with intervals at 95 %."""
    out = Output(as_json)
    frame = table(data)
    wanted = [name for name in (label, facet, prediction, group) if name is not None]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise BadInput(f"{data} has no column {', '.join(missing)}.")
    known = frame.drop_nulls([name for name in wanted if name != group])
    inside = in_facet(known[facet], facet_value)
    if not known.height or inside.all() or not inside.any():
        raise BadInput(
            f"{facet} = {facet_value} parts the rows of {data} into {int(inside.sum())} and {int((~inside).sum())}."
        )
    rest = known.drop([name for name in (label, facet, prediction) if name is not None])
    numeric = all(kind.is_numeric() or kind == pl.Boolean for kind in rest.dtypes) and rest.width
    complete = numeric and not any(rest.null_count().row(0))
    found = bias_of(
        is_class(known, label, positive),
        inside,
        None if prediction is None else is_class(known, prediction, positive),
        None if group is None else known[group].cast(pl.String).fill_null("").rank("dense").to_numpy() - 1,
        rest.cast(pl.Float64).to_numpy() if complete else None,
    )
    out.table(
        f"{facet} = {facet_value}: {int(inside.sum()):,} rows against {int((~inside).sum()):,}; {label} = {positive}",
        ("stage", "metric", "value>", "from>", "to>", "note"),
        [
            (row["stage"], row["metric"], *(_number(row[name]) for name in ("value", "low", "high")), row["why"])
            for row in found.iter_rows(named=True)
        ],
    )
    left = frame.height - known.height
    if left:
        out.say(f"{left:,} rows without label, facet or prediction were left out.", style="yellow")
    if prediction is not None and not complete:
        out.say("No flip test: it needs all other columns to be numbers without gaps.")
    out.give(
        {
            "facet": facet,
            "facet_value": facet_value,
            "label": label,
            "left_out": left,
            "rows": [_plain(row) for row in found.to_dicts()],
        }
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4f}"


def _plain(row: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity; Clarify writes the word."""
    return {
        key: str(value).replace("inf", "Infinity") if isinstance(value, float) and np.isinf(value) else value
        for key, value in row.items()
    }
