"""What Model Monitor and Clarify found: every run of every monitoring schedule, and the baselines that they compare with.

In: the monitoring schedules of the inventory, their executions, and the documents in S3 (monitoring-facts 2.7). Out: rows of
`monitor_runs` (how it ended, why it failed, the job that did it), `monitor_violations`, `monitor_statistics`, `model_quality`,
`bias`, `attributions`, `monitor_constraints`, and baselines as `feature_profiles`. A file that cannot be read is recorded with
its run and told; the rest of the run counts. Model Monitor takes no new customers since 30 July 2026: where there is no
schedule there is nothing to read, and that is no failure.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.collector.capture_door import Door
from sagekeeper.collector.monitor_baselines import allowed, keep_constraints, keep_profiles
from sagekeeper.collector.monitor_executions import Execution, executions
from sagekeeper.collector.monitor_reports import Report, folders, report_of
from sagekeeper.collector.monitor_rows import TABLES_OF_A_RUN, Rows, rows_of
from sagekeeper.collector.monitor_schedules import Schedule, schedules
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.lake import Scope, days_between
from sagekeeper.core.tables import MONITOR_RUNS, MONITOR_STATISTICS, MONITOR_VIOLATIONS, Table

READ_AGAIN = timedelta(days=1)
"""A run may write its report hours after the hour in its path."""
MOST_SKETCHES, LEAST_SKETCHES = 4_000, 200
"""Kept of one look at an account and region, and of one schedule: a sketch has some 40 KB, a schedule of a hundred features a
hundred of them an hour. Of older runs the figures are kept, and the address of the file that holds the sketch."""
MOST_NOTES = 5
"""Of one schedule: a key that nobody reads stands in every report."""


def collect(task: Task) -> int:
    """Read the runs of days that are new, and baselines that have changed."""
    upto = task.read_upto()
    back = task.as_of - timedelta(days=task.settings.collect.metric_days) if upto is None else upto - READ_AGAIN
    back = back.replace(hour=0, minute=0, second=0, microsecond=0)  # rows are replaced by whole days
    with aws_errors(f"Model Monitor in {task.account.id} {task.region}"):
        found = schedules(task)
        ran = executions(task, back) if found else {}
        known = [(schedule, allowed(task, schedule)) for schedule in found]
        rows: Rows = {table.name: [] for table in (MONITOR_RUNS, *TABLES_OF_A_RUN)}
        sketches = max(LEAST_SKETCHES, MOST_SKETCHES // max(len(found), 1))
        for schedule, rules in known:
            allows = rules.document if rules else {}
            for name, made in _runs(task, schedule, ran.get(schedule.name, []), allows, back, sketches):
                rows[name].extend(made)
        count = sum(keep_profiles(task, schedule) for schedule in found)
        count += keep_constraints(task, [(schedule, rules) for schedule, rules in known if rules is not None])
    asked = [schedule.name for schedule in found]
    for table in (MONITOR_RUNS, *TABLES_OF_A_RUN):
        count += _keep(task, table, rows[table.name], asked, back)
    task.has_read_upto(task.as_of)
    return count


def without_old_sketches(rows: list[dict[str, Any]], left: int) -> int:
    """Drop the sketches of the rows of one run beyond the first ``left``. How many more may be kept of older runs."""
    for row in rows:
        if row["sketch"] is not None and left <= 0:
            row["sketch"] = None
        elif row["sketch"] is not None:
            left -= 1
    return left


def _runs(
    task: Task, schedule: Schedule, ran: list[Execution], baseline: dict[str, Any], back: datetime, sketches: int
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows by table of all runs of one schedule. A report without an execution that AWS still lists is a run as well."""
    refused: list[str] = []
    days = days_between(back.date(), task.as_of.date())
    named = [run.job.folder.rstrip("/") for run in ran if run.job and run.job.folder]
    client = task.client("s3")
    by_hour = {folder.at: folder for folder in folders(client, schedule, days, named, refused)}
    for sentence in refused:
        task.note(sentence)
    made: list[tuple[str, list[dict[str, Any]]]] = []
    pairs: list[tuple[datetime, Execution | None]] = [(run.hour, run) for run in ran]
    told = {run.hour for run in ran}
    pairs += [(at, None) for at in by_hour if at not in told and back.date() <= at.date()]
    pairs.sort(key=lambda pair: pair[0], reverse=True)  # the newest first: of them the sketches are kept
    read: set[datetime] = set()
    said: list[str] = []
    door = Door.of(task.settings.collect, schedule.endpoint or "")
    for at, run in pairs:
        folder = by_hour.get(at)
        report = report_of(client, folder) if folder else None
        place = {
            "account": task.account.id,
            "region": task.region,
            "endpoint": schedule.endpoint or "",
            "schedule": schedule.name,
            "execution_time": at,
            "day": at.date(),
            "observed_at": task.as_of,
        }
        rows = rows_of(report, schedule.kind, baseline, place) if report else {}
        if MONITOR_STATISTICS.name in rows:
            rows[MONITOR_STATISTICS.name] = door.passed_rows(rows[MONITOR_STATISTICS.name])
            sketches = without_old_sketches(rows[MONITOR_STATISTICS.name], sketches)
        if report is not None and report.at not in read:
            made.extend(rows.items())
            read.add(report.at)
            said += [f"Report {report.uri}: {sentence}" for sentence in report.unread]
        made.append((MONITOR_RUNS.name, [_run(schedule, place, run, report, rows)]))
    for sentence in said[:MOST_NOTES]:
        task.note(sentence)
    if len(said) > MOST_NOTES:
        task.note(f"{len(said) - MOST_NOTES} more of {schedule.name}: they are kept with its runs.")
    return made


def _run(
    schedule: Schedule, place: dict[str, Any], run: Execution | None, report: Report | None, rows: Rows
) -> dict[str, Any]:
    job = run.job if run else None
    documents = report.documents if report else {}
    dataset = (documents.get("statistics") or documents.get("model_quality_statistics") or {}).get("dataset")
    count = dataset.get("item_count") if isinstance(dataset, dict) else None
    has_violations = "violations" in documents
    return place | {
        "scheduled_at": run.scheduled_at if run else place["execution_time"],
        "monitor": schedule.kind,
        "input": schedule.input,
        "status": run.status if run else None,
        "failure_reason": run.failure_reason if run else None,
        "job_arn": run.job_arn if run else None,
        "instance_type": job.instance_type if job else None,
        "instance_count": job.instance_count if job else None,
        "volume_gb": job.volume_gb if job else None,
        "billable_seconds": job.seconds if job else None,
        "window_start": job.window_start if job else None,
        "window_end": job.window_end if job else None,
        "records": int(count) if isinstance(count, int | float) and count == count else None,
        "violations": len(rows.get(MONITOR_VIOLATIONS.name, [])) if has_violations else None,
        "files": json.dumps(report.files, sort_keys=True) if report else "{}",
        "unread": json.dumps(report.unread) if report else "[]",
        "report_uri": report.uri if report else (job.folder if job else None),
    }


def _keep(task: Task, table: Table, rows: list[dict[str, Any]], asked: list[str], back: datetime) -> int:
    """Put the rows in place of their likes; those of schedules that are gone stay as they were read."""
    first, last = back.date(), task.as_of.date()
    scope = Scope({"account": task.account.id, "region": task.region}, "day", first, last)
    new = pl.DataFrame(rows, schema=table.columns).filter(pl.col("day").is_between(first, last))
    unique = new.unique(table.keys, keep="last", maintain_order=True)
    if unique.height < new.height:
        task.note(f"{new.height - unique.height} rows of {table.name} were published twice; the last of each counts.")
    before = task.lake.scan(table).filter(scope.expression() & ~pl.col("schedule").is_in(asked)).collect()
    task.replace(table, pl.concat([before, unique]), scope)
    return unique.height


MODEL_MONITOR = Source(
    name="model_monitor",
    description="runs of Model Monitor and Clarify with what they found, and their baselines",
    per="account_region",
    permissions=(
        "sagemaker:DescribeDataQualityJobDefinition",
        "sagemaker:DescribeModelQualityJobDefinition",
        "sagemaker:DescribeModelBiasJobDefinition",
        "sagemaker:DescribeModelExplainabilityJobDefinition",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListMonitoringExecutions",
        "s3:ListBucket",
        "s3:GetObject",
    ),
    collect=collect,
)
