"""Monitoring schedules: created, started, stopped, updated and deleted, and the list of what they have run.

A schedule expression is hourly, daily, every so many hours, or NOW (aws-facts 1.11). The runs themselves are
`monitor_runs.py`'s; those of the world's own schedules, as long as nobody updates them, `captures.py`'s.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.job_lives import as_of
from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.monitor_definitions import definition_of, endpoint_of
from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.world import Standing

CRON = re.compile(r"cron\(0 (?:\*|([01]?\d|2[0-3])(?:/(0?[1-9]|1\d|2[0-4]))?) \? \* \* \*\)")
NOW = "NOW"
SETTLING = timedelta(seconds=30)
SORTS = {"Name": "MonitoringScheduleName", "Status": "MonitoringScheduleStatus"}
EXECUTION_SORTS = {"ScheduledTime": "ScheduledTime", "Status": "MonitoringExecutionStatus"}
SUMMARY = (
    "MonitoringScheduleName",
    "MonitoringScheduleArn",
    "CreationTime",
    "LastModifiedTime",
    "MonitoringScheduleStatus",
    "EndpointName",
    "MonitoringType",
)


def create_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["MonitoringScheduleName"], ask.params["MonitoringScheduleConfig"]
    if name in ask.here.schedules:
        raise Refused("ResourceInUse", f"Monitoring Schedule {name} already exists.")
    kind, endpoint = _checked(ask, config)
    arn = ask.here.arn("monitoring-schedule", name)
    made = {
        "MonitoringScheduleName": name,
        "MonitoringScheduleArn": arn,
        "MonitoringScheduleStatus": "Scheduled",
        "MonitoringType": kind,
        "CreationTime": ask.now,
        "LastModifiedTime": ask.now,
        "MonitoringScheduleConfig": config,
        "x_from": ask.now,
        "x_settled": ask.now + SETTLING,
    }
    ask.here.schedules[name] = made | ({"EndpointName": endpoint} if endpoint else {})
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in ask.params.get("Tags", [])}
    return {"MonitoringScheduleArn": arn}


def describe_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    schedule = _schedule(ask)
    shown = {key: value for key, value in schedule.items() if not key.startswith("x_")}
    rows = [
        row
        for row in executions(ask.here, ask.now)
        if row["MonitoringScheduleName"] == schedule["MonitoringScheduleName"]
    ]
    if rows:
        shown["LastMonitoringExecutionSummary"] = max(rows, key=lambda row: row["ScheduledTime"])
    return shown | {"MonitoringScheduleStatus": _status(schedule, ask.now)}


def list_monitoring_schedules(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = []
    for item in ask.here.schedules.values():
        named = item["MonitoringScheduleConfig"].get("MonitoringJobDefinitionName")
        row = picked(item, *SUMMARY) | {"MonitoringScheduleStatus": _status(item, ask.now)}
        row |= {"MonitoringJobDefinitionName": named} if named else {}
        if (
            params.get("EndpointName") in (None, row.get("EndpointName"))
            and params.get("StatusEquals") in (None, row["MonitoringScheduleStatus"])
            and params.get("MonitoringTypeEquals") in (None, row["MonitoringType"])
            and params.get("MonitoringJobDefinitionName") in (None, named)
        ):
            rows.append(row)
    part, more = chosen(ask, rows, "MonitoringScheduleName", SORTS)
    return {"MonitoringScheduleSummaries": part} | more


def update_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    schedule, config = _schedule(ask), ask.params["MonitoringScheduleConfig"]
    kind, endpoint = _checked(ask, config, schedule["MonitoringType"])
    schedule.pop("EndpointName", None)
    schedule |= {
        "MonitoringScheduleConfig": config,
        "MonitoringType": kind,
        "LastModifiedTime": ask.now,
        "x_from": ask.now,
        "x_settled": ask.now + SETTLING,
    } | ({"EndpointName": endpoint} if endpoint else {})
    return {"MonitoringScheduleArn": schedule["MonitoringScheduleArn"]}


def delete_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    del ask.here.schedules[_schedule(ask)["MonitoringScheduleName"]]
    return {}


def stop_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    schedule = _schedule(ask)
    schedule.update({"MonitoringScheduleStatus": "Stopped", "LastModifiedTime": ask.now})
    return {}


def start_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    schedule = _schedule(ask)
    schedule.update({"MonitoringScheduleStatus": "Scheduled", "LastModifiedTime": ask.now})
    if "x_from" in schedule:
        schedule["x_from"] = ask.now
    return {}


def list_monitoring_executions(ask: Ask) -> dict[str, Any]:
    params = ask.params
    filters = {
        "MonitoringScheduleName": "MonitoringScheduleName",
        "EndpointName": "EndpointName",
        "StatusEquals": "MonitoringExecutionStatus",
        "MonitoringJobDefinitionName": "MonitoringJobDefinitionName",
        "MonitoringTypeEquals": "MonitoringType",
    }
    rows = [
        row
        for row in executions(ask.here, ask.now)
        if all(params.get(asked) in (None, row.get(member)) for asked, member in filters.items())
        and all(_within(row, params, key) for key in ("ScheduledTime", "CreationTime", "LastModifiedTime"))
    ]
    by = EXECUTION_SORTS.get(params.get("SortBy", "ScheduledTime"), "CreationTime")
    rows.sort(key=lambda row: row[by], reverse=params.get("SortOrder", "Descending") == "Descending")
    part, more = page(rows, params)
    return {"MonitoringExecutionSummaries": part} | more


def executions(here: Standing, now: datetime) -> list[dict[str, Any]]:
    """What has been run, or is being run, for the schedules that stand."""
    rows = []
    for job in here.processing.values():
        name = str(job.get("MonitoringScheduleArn", "")).rpartition("/")[2]
        if name in here.schedules and job["CreationTime"] <= now and "x_scheduled" not in job:
            rows.append(_of_world(here.schedules[name], job, now))
    for name, found in here.work.executions.items():
        if name in here.schedules:
            rows += [_of_run(here, run, now) for run in found if run["ScheduledTime"] <= now]
    return rows


def period(expression: str) -> tuple[int | None, int]:
    """Of a cron expression: the hour it begins with (None: every hour) and every how many hours it runs."""
    found = CRON.fullmatch(expression)
    if found is None:
        raise Refused("ValidationException", f"ScheduleExpression {expression} is not valid.")
    if found[1] is None:
        return None, 1
    return int(found[1]), int(found[2] or 24)


def due(schedule: dict[str, Any], after: datetime, upto: datetime) -> list[datetime]:
    """When the runs of a schedule with a cron expression are due, after one moment and up to another."""
    first, every = period(schedule["MonitoringScheduleConfig"]["ScheduleConfig"]["ScheduleExpression"])
    hour, found = after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1), []
    while hour <= upto:
        if first is None or ((hour.hour - first) % 24 % every == 0 and (every < 24 or hour.hour == first)):
            found.append(hour)
        hour += timedelta(hours=1)
    return found


def _checked(ask: Ask, config: dict[str, Any], before: str = "DataQuality") -> tuple[str, str | None]:
    """The schedule's kind and endpoint, if the configuration is right."""
    kind = config.get("MonitoringType") or before
    if ("MonitoringJobDefinition" in config) == ("MonitoringJobDefinitionName" in config):
        wish = "Exactly one of MonitoringJobDefinition and MonitoringJobDefinitionName must be specified."
        raise Refused("ValidationException", wish)
    plan = config.get("ScheduleConfig", {"ScheduleExpression": NOW})
    if plan["ScheduleExpression"] == NOW:
        if "ScheduleConfig" in config and not {"DataAnalysisStartTime", "DataAnalysisEndTime"} <= set(plan):
            wish = "DataAnalysisStartTime and DataAnalysisEndTime must be specified when ScheduleExpression is NOW."
            raise Refused("ValidationException", wish)
    else:
        period(plan["ScheduleExpression"])
    definition = definition_of(ask.here, config, kind)
    if definition is None:
        raise Refused("ResourceNotFound", f"Job definition {config['MonitoringJobDefinitionName']} not found.")
    return kind, endpoint_of(definition, kind)


def _schedule(ask: Ask) -> dict[str, Any]:
    name = ask.params["MonitoringScheduleName"]
    if name not in ask.here.schedules:
        raise Refused("ResourceNotFound", f"Monitoring Schedule {name} not found.")
    return ask.here.schedules[name]


def _status(schedule: dict[str, Any], now: datetime) -> str:
    if schedule["MonitoringScheduleStatus"] == "Scheduled" and now < schedule.get("x_settled", now):
        return "Pending"
    return str(schedule["MonitoringScheduleStatus"])


def _of_world(schedule: dict[str, Any], job: dict[str, Any], now: datetime) -> dict[str, Any]:
    over = now >= job["ProcessingEndTime"]
    status = "CompletedWithViolations" if job.get("x_violations", 0) else "Completed"
    row = {
        "MonitoringScheduleName": schedule["MonitoringScheduleName"],
        "ScheduledTime": job["CreationTime"],
        "CreationTime": job["CreationTime"],
        "LastModifiedTime": job["ProcessingEndTime"] if over else job["CreationTime"],
        "MonitoringExecutionStatus": status if over else "InProgress",
        "ProcessingJobArn": job["ProcessingJobArn"],
        "MonitoringType": schedule["MonitoringType"],
    }
    return row | picked(schedule, "EndpointName")


def _of_run(here: Standing, run: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A run of ours: Pending until its job is made, then as the job is."""
    row = {key: value for key, value in run.items() if not key.startswith("x_")}
    if now < run["CreationTime"]:
        row |= {"MonitoringExecutionStatus": "Pending", "CreationTime": run["ScheduledTime"]}
        row["LastModifiedTime"] = run["ScheduledTime"]
        row.pop("ProcessingJobArn", None)
        row.pop("FailureReason", None)
        return row
    job = here.processing.get(run.get("x_job", ""))
    if job is not None and job["ProcessingJobStatus"] == "Stopped":
        row.pop("FailureReason", None)
        shown = as_of(job, "Processing", now)
        return row | {
            "MonitoringExecutionStatus": shown["ProcessingJobStatus"],
            "LastModifiedTime": shown["LastModifiedTime"],
        }
    if job is not None and now < job["ProcessingEndTime"]:
        row.pop("FailureReason", None)
        return row | {"MonitoringExecutionStatus": "InProgress", "LastModifiedTime": run["CreationTime"]}
    return row


def _within(row: dict[str, Any], params: dict[str, Any], key: str) -> bool:
    after, before = params.get(f"{key}After"), params.get(f"{key}Before")
    return (after is None or row[key] > after) and (before is None or row[key] < before)


HANDLERS: dict[str, Handler] = {
    "CreateMonitoringSchedule": create_monitoring_schedule,
    "DescribeMonitoringSchedule": describe_monitoring_schedule,
    "ListMonitoringSchedules": list_monitoring_schedules,
    "UpdateMonitoringSchedule": update_monitoring_schedule,
    "DeleteMonitoringSchedule": delete_monitoring_schedule,
    "StartMonitoringSchedule": start_monitoring_schedule,
    "StopMonitoringSchedule": stop_monitoring_schedule,
    "ListMonitoringExecutions": list_monitoring_executions,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete", "Start", "Stop"))}
