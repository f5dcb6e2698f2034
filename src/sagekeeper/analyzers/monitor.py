"""What Model Monitor and Clarify have complained about, one finding per schedule whose last word is a violation.

In: violations and runs of the last weeks, model quality of the same. Out: one finding per schedule. Its last word is that of the
newest run that ended: a later run without violations settles it, a failed one does not. It holds for ``last_word_days``, and for
``fresh_hours`` where the schedule is gone or its runs are not known. A run that ended with violations that nobody can read is a
finding too.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, Series, fingerprint

KEY = ["account", "region", "endpoint", "schedule"]
DISTANCE = "feature_baseline_drift_"
"""Of Model Monitor's metrics: how far a feature is from its baseline."""
SHOWN_DAYS = 60
WITH, WITHOUT = "CompletedWithViolations", "Completed"
WHO = {
    "DataQuality": "Model Monitor reports {} violation{}",
    "ModelQuality": "Model Monitor reports {} model quality violation{}",
    "ModelBias": "Clarify reports {} bias violation{}",
    "ModelExplainability": "Clarify reports {} attribution violation{}",
}


class Settings(AnalyzerSettings):
    """What is news."""

    fresh_hours: int = Field(
        49, ge=2, le=800, description="how old a violation may be where the schedule is gone or its runs are not known"
    )
    last_word_days: int = Field(
        31, ge=1, le=45, description="how old the last run may be whose violations no later run has settled"
    )


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per schedule."""
    known = _known(facts)
    newest = known.group_by(KEY).agg(
        newest=pl.col("execution_time").max(), monitor=pl.col("monitor").sort_by("execution_time").last()
    )
    word = pl.col("status").is_in([WITH, WITHOUT]) | (pl.col("status").is_null() & pl.col("violations").is_not_null())
    ended = (
        facts.monitor_runs.filter(word & (pl.col("scheduled_at") <= facts.as_of))
        .group_by(KEY)
        .agg(last_run=pl.col("execution_time").max())
    )
    stands = facts.inventory.filter(pl.col("kind") == "monitoring_schedule").select(
        "account", "region", schedule="name", stands=pl.lit(True)
    )
    patient = pl.lit(facts.as_of - timedelta(days=settings.last_word_days))
    fresh = pl.lit(facts.as_of - timedelta(hours=settings.fresh_hours))
    standing = (
        newest.join(ended, on=KEY, how="left")
        .join(stands, on=["account", "region", "schedule"], how="left")
        .filter(pl.col("last_run").is_null() | (pl.col("last_run") <= pl.col("newest")))
        .filter(
            pl.col("newest")
            >= pl.when(pl.col("stands") & pl.col("last_run").is_not_null()).then(patient).otherwise(fresh)
        )
        .sort(KEY)
    )
    endpoints = facts.inventory.filter(pl.col("kind") == "endpoint").select(
        "account", "region", endpoint="name", arn="arn", owner=owner("tags", facts.owner_tags)
    )
    told = standing.join(endpoints, on=["account", "region", "endpoint"], how="left", maintain_order="left")
    return [_finding(facts, row, known) for row in told.iter_rows(named=True)]


def _known(facts: Facts) -> pl.DataFrame:
    """All violations until now, and a line for each run that ended with some that cannot be read."""
    known = facts.violations.filter(pl.col("execution_time") <= facts.as_of)
    silent = (
        facts.monitor_runs.filter((pl.col("status") == WITH) & (pl.col("scheduled_at") <= facts.as_of))
        .join(known, on=[*KEY, "execution_time"], how="anti")
        .select(
            *KEY,
            "execution_time",
            "monitor",
            "report_uri",
            "unread",
            feature=pl.lit("(not readable)"),
            check=pl.lit(WITH),
        )
        .unique([*KEY, "execution_time"], keep="last", maintain_order=True)
    )
    said = silent.with_columns(
        description=pl.col("unread")
        .str.json_decode(pl.List(pl.String))
        .list.join(" ")
        .replace("", None)
        .fill_null("The run says that it found violations; its report is not there.")
    ).drop("unread")
    return pl.concat([known, said], how="diagonal")


def _finding(facts: Facts, row: dict[str, Any], known: pl.DataFrame) -> Finding:
    here = [pl.col(name).eq_missing(pl.lit(row[name])) for name in KEY]
    own = known.filter(*here)
    last = own.filter(pl.col("execution_time") == row["newest"]).sort("feature", "check", nulls_last=True)
    features = sorted({str(name) for name in last["feature"].drop_nulls()})
    named = ", ".join(features[:3]) + (f" and {len(features) - 3} more" if len(features) > 3 else "")
    since: datetime = own["execution_time"].min()  # type: ignore[assignment]
    runs = own.group_by("execution_time").agg(count=pl.len())
    clean = facts.monitor_runs.filter(*here, pl.col("status") == WITHOUT)
    points = pl.concat([runs, clean.select("execution_time", count=pl.lit(0, pl.UInt32))]).sort("execution_time")
    run = facts.monitor_runs.filter(*here, pl.col("execution_time") == row["newest"]).tail(1)
    subject, title = _named(row, last.height)
    return Finding(
        fingerprint=fingerprint("monitor_violation", *(str(row[name]) for name in KEY)),
        kind="monitor_violation",
        subject=subject,
        severity="high" if runs.height >= 3 else "medium",
        title=title,
        explanation=(
            f"The schedule {row['schedule']} found {named or 'the data set'} outside its constraints on "
            f"{row['newest']:%-d %B %Y}, and in {runs.height} run{'s' if runs.height != 1 else ''} since {since:%-d %B}."
        ),
        certainty="measured",
        first_seen=since,
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[_figure(item, row["newest"]) for item in last.iter_rows(named=True)] + _of_run(run, row["newest"]),
            series=[
                Series(name="Violations a run", unit="count", points=list(points.tail(SHOWN_DAYS).rows())),
                *_metrics(facts, here, features),
                *_distances(facts, here, features),
            ],
        ),
        unknowns=_unread(run),
        owner=row["owner"],
    )


def _named(row: dict[str, Any], count: int) -> tuple[ResourceRef, str]:
    """The endpoint, or the schedule itself where batch transform is watched."""
    what = WHO.get(row["monitor"] or "", WHO["DataQuality"]).format(count, "s" if count != 1 else "")
    place = {"account": row["account"], "region": row["region"]}
    if row["endpoint"]:
        subject = ResourceRef(**place, kind="endpoint", name=row["endpoint"], arn=row["arn"] or "")
        return subject, f"{what} for {row['endpoint']}"
    subject = ResourceRef(**place, kind="monitoring_schedule", name=row["schedule"], arn="")
    return subject, f"{what} in the batches of {row['schedule']}"


def _figure(item: dict[str, Any], at: datetime) -> Figure:
    return Figure(
        label=item["feature"] or "data set",
        value=item["description"] or item["check"],
        period=f"run of {at:%-d %b %Y %H:%M} UTC",
        basis=f"Model Monitor, {item['check']}",
    )


def _of_run(run: pl.DataFrame, at: datetime) -> list[Figure]:
    period = f"run of {at:%-d %b %Y %H:%M} UTC"
    found = run.row(0, named=True) if run.height else {}
    figures = []
    if found.get("records") is not None:
        figures.append(Figure(label="Records looked at", value=found["records"], unit="records", period=period))
    if found.get("report_uri"):
        figures.append(Figure(label="Report", value=found["report_uri"], period=period, basis="Amazon S3"))
    return figures


def _metrics(facts: Facts, here: list[pl.Expr], violated: list[str]) -> list[Series]:
    """How the violated metrics of a model quality monitor have gone."""
    own = facts.model_quality.filter(
        *here, pl.col("metric").is_in(violated) & (pl.col("execution_time") <= facts.as_of)
    )
    return [
        Series(
            name=f"{metric} a run",
            unit="",
            points=list(rows.sort("execution_time").tail(SHOWN_DAYS).select("execution_time", "value").rows()),
        )
        for (metric,), rows in own.group_by("metric", maintain_order=True)
    ]


def _distances(facts: Facts, here: list[pl.Expr], violated: list[str]) -> list[Series]:
    """How far the violated features have been from their baseline, as Model Monitor published it."""
    names = {f"{DISTANCE}{name}": name for name in violated}
    own = facts.monitor_metrics.filter(*here, pl.col("metric").is_in(list(names)) & (pl.col("start") <= facts.as_of))
    return [
        Series(
            name=f"Distance of {names[str(metric)]} from its baseline",
            unit="",
            points=list(rows.sort("start").tail(SHOWN_DAYS).select("start", "maximum").rows()),
        )
        for (metric,), rows in own.group_by("metric", maintain_order=True)
    ]


def _unread(run: pl.DataFrame) -> list[str]:
    said = run["unread"].drop_nulls().to_list()
    return [str(sentence) for document in said for sentence in json.loads(document)]


ANALYZER = Analyzer(
    name="monitor_violation",
    kinds=("monitor_violation",),
    description="Violations that SageMaker Model Monitor and Clarify have reported",
    settings=Settings,
    find=find,
)
