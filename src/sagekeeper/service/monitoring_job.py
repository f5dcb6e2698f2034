"""Our monitor as a SageMaker Processing job: reads captures and a baseline, writes Model Monitor's documents.

In: the layout and the environment that Model Monitor gives its containers (Developer Guide, "Container Contract Inputs"), which a
plain Processing job can give as well: data below ``dataset_source``, the baseline's two files, the window. Out: statistics,
constraints and violations in ``output_path``, and the exit message that SageMaker shows. A run without data fails, and says
where it has looked; lines that cannot be read are counted in the message.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_payloads import records
from sagekeeper.collector.labelled_records import LINES, TABLES, labelled, table
from sagekeeper.collector.monitor_statistics import feature_names
from sagekeeper.core.errors import BadInput
from sagekeeper.service.monitoring_files import CONSTRAINTS, STATISTICS, Documents, document, of_answers, of_records

PROCESSING = "opt/ml/processing"
DATA = "endpointdata"
MODEL_QUALITY = "MODEL_QUALITY"
NAMELESS = "sagekeeper"
NAMES = {"identity": "inference_id", "prediction": "prediction", "score": "score", "label": "label"}


@dataclass(frozen=True)
class Contract:
    """What a run was told. Paths are absolute; a baseline that is None was not given."""

    data: Path
    truth: Path
    output: Path
    message: Path
    constraints: Path | None
    statistics: Path | None
    analysis: str
    problem: str | None
    positive: str
    threshold: float
    endpoint: str | None
    schedule: str


def contract(told: Mapping[str, str], root: Path) -> Contract:
    """From the environment; what is not told is where Model Monitor puts it. ``root``: of the file system, / in a container."""

    def at(name: str, usual: str) -> Path:
        return root / (told.get(name) or f"/{PROCESSING}/{usual}").lstrip("/")

    def given(name: str, usual: str) -> Path | None:
        path = at(name, usual)
        return path if name in told or path.is_file() else None

    problem = {
        "Regression": "regression",
        "BinaryClassification": "binary_classification",
        "MulticlassClassification": "multiclass_classification",
    }
    return Contract(
        data=at("dataset_source", DATA),
        truth=at("ground_truth_source", "groundtruth"),
        output=at("output_path", "resultdata"),
        message=root / "opt/ml/output/message",
        constraints=given("baseline_constraints", f"baseline/constraints/{CONSTRAINTS}"),
        statistics=given("baseline_statistics", f"baseline/stats/{STATISTICS}"),
        analysis=told.get("analysis_type", "DATA_QUALITY").upper(),
        problem=problem.get(told.get("problem_type", "")),
        positive=told.get("positive_class", "1"),
        threshold=_number(told.get("probability_threshold_attribute")),
        endpoint=told.get("sagemaker_endpoint_name") or None,
        schedule=told.get("sagemaker_monitoring_schedule_name") or NAMELESS,
    )


def run(job: Contract) -> tuple[Documents, str]:
    """Do it: the documents, written, and the exit message, written. Raises BadInput, which is the exit message then."""
    try:
        made, unread = _model_quality(job) if job.analysis == MODEL_QUALITY else _data_quality(job)
    except BadInput as error:
        _tell(job, f"Failed: {error}")
        raise
    made.write(job.output)
    told = (
        f"CompletedWithViolations: Job completed successfully with {made.violations} violations."
        if made.violations
        else "Completed: Job completed successfully with no violations."
    )
    if unread:
        told += f" {unread} captured lines or records could not be read and were left out."
    _tell(job, told)
    return made, told


def _data_quality(job: Contract) -> tuple[Documents, int]:
    allowed = document(job.constraints) if job.constraints else None
    usual = document(job.statistics) if job.statistics else None
    names = feature_names(allowed or usual or {})
    frame, unread = _captured(job.data, names)
    return of_records(frame, allowed, usual), unread


def _captured(folder: Path, names: list[str]) -> tuple[pl.DataFrame, int]:
    """All records below the folder, by feature, and how much could not be read."""
    files = _files(folder)
    tables = [path for path in files if path.suffix in TABLES]
    if tables:
        return pl.concat([read_table(path) for path in tables], how="diagonal_relaxed"), 0
    lines = read_lines([(str(path), path.read_bytes()) for path in files])
    asked, answered = records(lines, "input", []), records(lines, "output", [])
    width = asked.values.width
    # Model Monitor puts the answer before what was asked; a baseline of the features alone has no answer.
    both = len(names) == width + answered.values.width and width > 0
    if names and not both and set(asked.values.columns).isdisjoint(names):
        asked = records(lines, "input", names[:width] if width <= len(names) else [])
    frame, unread = asked.values, asked.odd + asked.poison
    if both and answered.values.height == frame.height:
        frame = pl.concat([answered.values.rename(lambda name: f"answer_{name}"), frame], how="horizontal")
        frame.columns = names
    if frame.is_empty():
        raise BadInput(f"{len(files)} files below {folder} hold no record that can be read.")
    return frame, unread


def read_table(path: Path) -> pl.DataFrame:
    """A parquet file, or a csv with its numbers as they are written: 1.0 is no whole number. Raises BadInput."""
    if path.suffix != ".csv" or not path.is_file():
        return table(path)
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _model_quality(job: Contract) -> tuple[Documents, int]:
    allowed = document(job.constraints) if job.constraints else None
    with tempfile.TemporaryDirectory() as folder:
        told = _joined(_files(job.data), Path(folder) / "captures.jsonl")
        truth = _joined(_files(job.truth), Path(folder) / "truth.jsonl") if job.truth.is_dir() else None
        read = labelled(told, truth, NAMES)
    return of_answers(read.rows, job.problem, job.positive, allowed, job.threshold), read.poison


def _number(text: str | None) -> float:
    try:
        return float(text) if text else 0.5
    except ValueError as error:
        raise BadInput(f"probability_threshold_attribute is {text}: it must be a number.") from error


def _joined(files: list[Path], target: Path) -> Path:
    with target.open("w", encoding="utf-8") as whole:
        for path in files:
            whole.write(path.read_text(encoding="utf-8").rstrip("\n") + "\n")
    return target


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (*LINES, *TABLES))
    if not found:
        raise BadInput(f"There is no data: no {', '.join((*LINES, *TABLES))} file below {folder}.")
    return found


def _tell(job: Contract, message: str) -> None:
    job.message.parent.mkdir(parents=True, exist_ok=True)
    job.message.write_text(message[:1024], encoding="utf-8")  # SageMaker's longest ExitMessage
