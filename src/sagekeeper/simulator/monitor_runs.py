"""The runs of monitoring schedules: each is a processing job on the simulated clock that reads captures and writes reports.

A run is due by its schedule, starts up to 20 minutes later (aws-facts 1.11), is billed as the processing job it is, and
ends Completed, CompletedWithViolations or Failed: without captures there is no job, and a baseline that is named but not
there fails the job. Reports come to ``{output}/{endpoint}/{schedule}/yyyy/mm/dd/hh/`` when the job ends, metrics to the
namespaces of monitoring-facts 2.8. A data quality monitor of batch transform has no endpoint in either.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from moto.s3.models import s3_backends

from sagekeeper.simulator.keeping import picked
from sagekeeper.simulator.metric_store import Block, Key
from sagekeeper.simulator.monitor_definitions import definition_of, endpoint_of
from sagekeeper.simulator.monitor_job_request import reads_and_writes
from sagekeeper.simulator.monitor_records import NoData, batch_captured, captured, offset, read_json
from sagekeeper.simulator.monitor_reports import ANALYSES, Task
from sagekeeper.simulator.monitor_schedules import NOW, due, period
from sagekeeper.simulator.organisation_work import add_processing
from sagekeeper.simulator.world import Standing, World

SLIP_SECONDS, PREPARING, FAILING = 1200, timedelta(seconds=150), 60
BASE_SECONDS, SECONDS_A_ROW = 240.0, 0.002
NO_DATA = "Job inputs had no data"
NO_BASELINE = (
    'ClientError: Failed to download data. No S3 objects found under S3 URL "{uri}" given in input data source.'
)
NAMESPACES = {
    "DataQuality": "aws/sagemaker/Endpoints/data-metrics",
    "ModelQuality": "aws/sagemaker/Endpoints/model-metrics",
    "ModelBias": "aws/sagemaker/Endpoints/bias-metrics",
    "ModelExplainability": "aws/sagemaker/Endpoints/explainability-metrics",
}


def bring_up_to(world: World, now: datetime) -> None:
    """Start what has become due, hand out the reports of what has ended."""
    for here in world.standing.values():
        for schedule in list(here.schedules.values()):
            if "x_from" in schedule and schedule["MonitoringScheduleStatus"] == "Scheduled":
                for moment in _moments(schedule, now):
                    _run(here, schedule, moment)
        for runs in here.work.executions.values():
            for run in runs:
                if "x_report" in run and run["LastModifiedTime"] <= now:
                    _hand_out(here, run)


def _moments(schedule: dict[str, Any], now: datetime) -> list[datetime]:
    expression = schedule["MonitoringScheduleConfig"].get("ScheduleConfig", {}).get("ScheduleExpression", NOW)
    seen, begin = schedule.get("x_seen"), schedule["x_from"]
    schedule["x_seen"] = now
    if expression == NOW:
        return [begin] if seen is None or seen < begin else []
    return due(schedule, max(begin, seen or begin), now)


def _run(here: Standing, schedule: dict[str, Any], moment: datetime) -> None:
    name, kind, config = (
        schedule["MonitoringScheduleName"],
        schedule["MonitoringType"],
        schedule["MonitoringScheduleConfig"],
    )
    mark = zlib.crc32(f"{here.account}/{name}/{moment.isoformat()}".encode())
    plan = config.get("ScheduleConfig", {"ScheduleExpression": NOW})
    created = moment + timedelta(seconds=0 if plan["ScheduleExpression"] == NOW else mark % SLIP_SECONDS)
    run: dict[str, Any] = {
        "MonitoringScheduleName": name,
        "ScheduledTime": moment,
        "CreationTime": created,
        "LastModifiedTime": created,
        "MonitoringType": kind,
        **picked(config, "MonitoringJobDefinitionName"),
        **picked(schedule, "EndpointName"),
    }
    here.work.executions.setdefault(name, []).append(run)
    definition = definition_of(here, config, kind)
    endpoint = endpoint_of(definition, kind) if definition else None
    batch = (definition or {}).get(f"{kind}JobInput", {}).get("BatchTransformInput") if kind == "DataQuality" else None
    if definition is None or (endpoint is None and batch is None):
        reason = (
            f"Job definition {config.get('MonitoringJobDefinitionName')} not found." if definition is None else NO_DATA
        )
        run |= {"MonitoringExecutionStatus": "Failed", "FailureReason": reason}
        return
    task = Task(here, kind, definition, endpoint or "", _window(plan, definition.get(f"{kind}JobInput", {}), moment))
    missing = _missing_baseline(task)
    try:
        if batch is not None:
            rows = batch_captured(here, batch, task.window)
        else:
            rows = captured(here, task.endpoint, task.part("JobInput")["EndpointInput"], task.window)
        if not rows:
            raise NoData
        report = None if missing else ANALYSES[kind](task, rows)
    except NoData:
        run |= {"MonitoringExecutionStatus": "Failed", "FailureReason": NO_DATA}
        return
    seconds = FAILING if missing else min(BASE_SECONDS + SECONDS_A_ROW * len(rows), _longest(definition))
    job = _job(task, schedule, created, mark, int(seconds))
    run |= {
        "ProcessingJobArn": job["ProcessingJobArn"],
        "LastModifiedTime": job["ProcessingEndTime"],
        "x_job": job["ProcessingJobName"],
    }
    job["x_scheduled"] = moment
    folder = "/".join(part for part in (endpoint, name, f"{moment:%Y/%m/%d/%H}") if part)
    source = _captures(here, endpoint) if endpoint else (batch or {})["DataCapturedDestinationS3Uri"]
    job |= reads_and_writes(source, f"{_output(task)}/{folder}")
    job["Environment"] = _told(task, name)
    if report is None:
        reason = NO_BASELINE.format(uri=missing)
        job |= {"ProcessingJobStatus": "Failed", "FailureReason": reason}
        run |= {"MonitoringExecutionStatus": "Failed", "FailureReason": reason}
        return
    run["MonitoringExecutionStatus"] = "CompletedWithViolations" if report.violations else "Completed"
    told = {
        "CompletedWithViolations": f"CompletedWithViolations: Job completed successfully with {report.violations} violations."
    }
    job["ExitMessage"] = told.get(
        run["MonitoringExecutionStatus"], "Completed: Job completed successfully with no violations."
    )
    run["x_report"] = (report, _output(task), folder)


def _hand_out(here: Standing, run: dict[str, Any]) -> None:
    """Files and metrics of a run that has ended; one that was stopped has none."""
    report, output, folder = run.pop("x_report")
    if here.processing[run["x_job"]]["ProcessingJobStatus"] in ("Stopping", "Stopped"):
        return
    bucket, _, prefix = output.removeprefix("s3://").partition("/")
    backend = s3_backends[here.account]["aws"]
    if bucket in backend.buckets:
        for name, document in report.files.items():
            place = name if name.startswith("merge/") else f"{folder}/{name}"
            text = document if isinstance(document, str) else json.dumps(document)
            backend.put_object(bucket, f"{prefix}/{place}".lstrip("/"), text.encode())
    at = np.array([int(run["LastModifiedTime"].timestamp()) // 60 * 60], dtype=np.int64)
    fixed = {"MonitoringSchedule": run["MonitoringScheduleName"]}
    fixed |= {"Endpoint": run["EndpointName"]} if "EndpointName" in run else {}
    namespace = NAMESPACES[run["MonitoringType"]]
    namespace = namespace if "EndpointName" in run else namespace.replace("/Endpoints/", "/ModelMonitoring/")
    for name, value, more in report.metrics:
        key = Key(namespace, name, tuple(sorted((fixed | more).items())))
        here.watch.store.put(Block(key, "None", (at, np.array([value], dtype=float))), float(at[0]))


def _job(task: Task, schedule: dict[str, Any], created: datetime, mark: int, seconds: int) -> dict[str, Any]:
    here, cluster = task.here, task.definition["JobResources"]["ClusterConfig"]
    arn = schedule["MonitoringScheduleArn"]
    name = f"model-monitoring-{created:%Y%m%d%H%M}-{mark:08x}"
    tags = dict(here.tags.get(arn, {}))
    job = add_processing(here, name, created + PREPARING, seconds, cluster["InstanceType"], arn, tags)
    job |= {
        "CreationTime": created,
        "ProcessingResources": {"ClusterConfig": dict(cluster)},
        "AppSpecification": picked(task.part("AppSpecification"), "ImageUri"),
        "RoleArn": task.definition["RoleArn"],
        "StoppingCondition": {"MaxRuntimeInSeconds": _longest(task.definition)},
    }
    here.version += 1
    return job


def _told(task: Task, schedule: str) -> dict[str, str]:
    """What Model Monitor tells its container (Developer Guide, "Container Contract Inputs")."""
    told = {
        "start_time": f"{task.window[0]:%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{task.window[1]:%Y-%m-%dT%H:%M:%SZ}",
        "sagemaker_monitoring_schedule_name": schedule,
        "publish_cloudwatch_metrics": "Enabled",
        "output_path": "/opt/ml/processing/resultdata",
        "dataset_source": "/opt/ml/processing/endpointdata",
        "dataset_format": json.dumps(
            {"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}
        ),
    }
    return told | ({"sagemaker_endpoint_name": task.endpoint} if task.endpoint else {})


def _window(plan: dict[str, Any], given: dict[str, Any], moment: datetime) -> tuple[datetime, datetime]:
    """The hours that a run reads."""
    watched = given.get("EndpointInput", {})
    if plan["ScheduleExpression"] == NOW:
        begin, end = (
            offset(plan.get(key, usual))
            for key, usual in (("DataAnalysisStartTime", "-PT1H"), ("DataAnalysisEndTime", "-PT0H"))
        )
    elif "StartTimeOffset" in watched:
        begin, end = offset(watched["StartTimeOffset"]), offset(watched.get("EndTimeOffset", "-PT0H"))
    else:
        begin, end = timedelta(hours=-period(plan["ScheduleExpression"])[1]), timedelta(0)
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour + begin, hour + end


def _missing_baseline(task: Task) -> str | None:
    """The first baseline document that is named and not there."""
    base = task.part("BaselineConfig")
    uris = [
        base[key]["S3Uri"] for key in ("ConstraintsResource", "StatisticsResource") if base.get(key, {}).get("S3Uri")
    ]
    return next((uri for uri in uris if read_json(task.here, uri) is None), None)


def _output(task: Task) -> str:
    return str(task.part("JobOutputConfig")["MonitoringOutputs"][0]["S3Output"]["S3Uri"]).rstrip("/")


def _captures(here: Standing, endpoint: str) -> str:
    life = here.life(endpoint)
    wish = life.deployed[-1].config.get("DataCaptureConfig", {}) if life else {}
    return f"{str(wish.get('DestinationS3Uri', '')).rstrip('/')}/{endpoint}"


def _longest(definition: dict[str, Any]) -> int:
    return int(definition.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 3600))
