"""Data quality and model quality of files, as the documents that Model Monitor writes.

In: records (a frame of text, or predictions with labels), the baseline's documents. Out: `Documents`: what is written, how much
is violated, and the points for CloudWatch. Nothing is written here but by `Documents.write`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sagekeeper.analyzers import data_quality, data_quality_baseline, data_quality_checks, model_quality_file
from sagekeeper.analyzers.quality import problem_of
from sagekeeper.analyzers.quality import quality as quality_of
from sagekeeper.analyzers.quality_decisions import decided
from sagekeeper.collector.monitor_json import parsed
from sagekeeper.core.errors import BadInput
from sagekeeper.lifecycle import publish_monitor_metrics as metrics

STATISTICS, CONSTRAINTS, VIOLATIONS = "statistics.json", "constraints.json", "constraint_violations.json"


@dataclass(frozen=True)
class Documents:
    """``files`` by name. ``what``: data or model, as CloudWatch's namespaces say it."""

    files: dict[str, dict[str, Any]]
    violations: int
    what: str
    points: list[metrics.Point]

    def write(self, folder: Path) -> list[Path]:
        """Write every file whole, or not at all. Returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, document in self.files.items():
            path, part = folder / name, folder / f".{name}.part"
            part.write_text(json.dumps(document, indent=2, allow_nan=False), encoding="utf-8")
            part.replace(path)
            written.append(path)
        return written


def of_records(
    records: pl.DataFrame, allowed: dict[str, Any] | None = None, usual: dict[str, Any] | None = None
) -> Documents:
    """Data quality. Without ``allowed`` and ``usual`` it is a baseline, and nothing is violated."""
    columns = data_quality.columns(records)
    statistics = data_quality.statistics(columns)
    files = {STATISTICS: statistics, CONSTRAINTS: data_quality_baseline.constraints(columns)}
    judged = data_quality_checks.judged(columns, allowed, usual)
    if allowed is not None or usual is not None:
        files[VIOLATIONS] = {"violations": judged.violations}
    return Documents(files, len(judged.violations), "data", metrics.of_data_quality(columns, judged.distances))


def of_answers(
    rows: pl.DataFrame,
    problem: str | None,
    positive: str,
    allowed: dict[str, Any] | None = None,
    threshold: float = 0.5,
) -> Documents:
    """Model quality of predictions with labels. Raises BadInput where too few have one."""
    kind = problem or problem_of(rows)
    rows = decided(rows, kind, positive, threshold)
    found = quality_of(rows, kind, positive)  # type: ignore[arg-type]
    known = found.filter(pl.col("value").is_not_null())
    if known.is_empty():
        raise BadInput(f"Model quality cannot be said: {found['why'][0]}.")
    statistics = model_quality_file.statistics(found, rows, positive)
    files = {STATISTICS: statistics, CONSTRAINTS: allowed or model_quality_file.constraints(found)}
    broken = model_quality_file.violations(statistics, allowed) if allowed else []
    if allowed is not None:
        files[VIOLATIONS] = {"violations": broken}
    return Documents(files, len(broken), "model", metrics.of_model_quality(statistics))


def document(path: Path) -> dict[str, Any]:
    """A document of a baseline. Raises BadInput with one sentence."""
    if not path.is_file():
        raise BadInput(f"{path} is not there.")
    found = parsed(path.read_bytes(), str(path)).value
    if not isinstance(found, dict):
        raise BadInput(f"{path} is no document of Model Monitor: it is no JSON object.")
    return found
