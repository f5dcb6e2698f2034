"""SageMaker's jobs, notebooks, monitoring schedules, tags and Search."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page

TRAINING_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
)
PROCESSING_SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
)
NOTEBOOK_SUMMARY = (
    "NotebookInstanceName",
    "NotebookInstanceArn",
    "NotebookInstanceStatus",
    "InstanceType",
    "CreationTime",
    "LastModifiedTime",
)
SCHEDULE_SUMMARY = (
    "MonitoringScheduleName",
    "MonitoringScheduleArn",
    "CreationTime",
    "LastModifiedTime",
    "MonitoringScheduleStatus",
    "EndpointName",
    "MonitoringType",
)


def list_training_jobs(ask: Ask) -> dict[str, Any]:
    return _listed(ask, "TrainingJobSummaries", ask.here.training, TRAINING_SUMMARY, "TrainingJobStatus")


def describe_training_job(ask: Ask) -> dict[str, Any]:
    return _described(ask.here.training, ask.params["TrainingJobName"], "Requested resource not found.")


def search(ask: Ask) -> dict[str, Any]:
    """Full records of training jobs or endpoints, with tags; filters on time, status and name."""
    resource = ask.params["Resource"]
    if resource == "TrainingJob":
        rows = [job | {"Tags": _tag_list(ask, job["TrainingJobArn"])} for job in ask.here.training.values()]
        key = "TrainingJob"
    else:
        raise Refused("ValidationException", f"The simulated account does not search {resource}.")
    for wanted in ask.params.get("SearchExpression", {}).get("Filters", []):
        rows = [row for row in rows if _matches(row, wanted)]
    by = ask.params.get("SortBy", "LastModifiedTime")
    rows.sort(
        key=lambda row: row.get(by) or row["CreationTime"],
        reverse=ask.params.get("SortOrder", "Descending") == "Descending",
    )
    part, more = page(rows, ask.params)
    return {"Results": [{key: row} for row in part]} | more


def list_processing_jobs(ask: Ask) -> dict[str, Any]:
    return _listed(ask, "ProcessingJobSummaries", ask.here.processing, PROCESSING_SUMMARY, "ProcessingJobStatus")


def describe_processing_job(ask: Ask) -> dict[str, Any]:
    return _described(ask.here.processing, ask.params["ProcessingJobName"], "Could not find requested job with name")


def list_notebook_instances(ask: Ask) -> dict[str, Any]:
    return _listed(ask, "NotebookInstances", ask.here.notebooks, NOTEBOOK_SUMMARY, "NotebookInstanceStatus")


def describe_notebook_instance(ask: Ask) -> dict[str, Any]:
    return _described(ask.here.notebooks, ask.params["NotebookInstanceName"], "RecordNotFound")


def stop_notebook_instance(ask: Ask) -> dict[str, Any]:
    item = _notebook(ask, "InService")
    runs = ask.here.notebook_runs[item["NotebookInstanceName"]]
    runs[-1] = (runs[-1][0], ask.now)
    item["NotebookInstanceStatus"], item["LastModifiedTime"] = "Stopped", ask.now
    return {}


def start_notebook_instance(ask: Ask) -> dict[str, Any]:
    item = _notebook(ask, "Stopped")
    ask.here.notebook_runs.setdefault(item["NotebookInstanceName"], []).append((ask.now, None))
    item["NotebookInstanceStatus"], item["LastModifiedTime"] = "InService", ask.now
    return {}


def list_monitoring_schedules(ask: Ask) -> dict[str, Any]:
    rows = [
        item
        for item in ask.here.schedules.values()
        if ask.params.get("EndpointName") in (None, item.get("EndpointName"))
    ]
    part, more = page(sorted(rows, key=lambda item: item["CreationTime"], reverse=True), ask.params)
    keys = (*SCHEDULE_SUMMARY, "MonitoringJobDefinitionName")
    found = [
        {
            key: value
            for key, value in (
                item
                | {"MonitoringJobDefinitionName": item["MonitoringScheduleConfig"].get("MonitoringJobDefinitionName")}
            ).items()
            if key in keys and value is not None
        }
        for item in part
    ]
    return {"MonitoringScheduleSummaries": found} | more


def describe_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    return dict(_schedule(ask))


def create_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    name, config = ask.params["MonitoringScheduleName"], ask.params["MonitoringScheduleConfig"]
    if name in ask.here.schedules:
        raise Refused("ResourceInUse", f"Monitoring Schedule {name} already exists.")
    arn = ask.here.arn("monitoring-schedule", name)
    definition = ask.here.job_definitions.get(config.get("MonitoringJobDefinitionName", ""), {})
    endpoint = definition.get("DataQualityJobInput", {}).get("EndpointInput", {}).get("EndpointName")
    for given in config.get("MonitoringJobDefinition", {}).get("MonitoringInputs", []):
        endpoint = endpoint or given.get("EndpointInput", {}).get("EndpointName")
    made = {
        "MonitoringScheduleName": name,
        "MonitoringScheduleArn": arn,
        "MonitoringScheduleStatus": "Scheduled",
        "MonitoringType": config.get("MonitoringType", "DataQuality"),
        "CreationTime": ask.now,
        "LastModifiedTime": ask.now,
        "MonitoringScheduleConfig": config,
    }
    ask.here.schedules[name] = made | ({"EndpointName": endpoint} if endpoint else {})
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in ask.params.get("Tags", [])}
    return {"MonitoringScheduleArn": arn}


def delete_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    del ask.here.schedules[_schedule(ask)["MonitoringScheduleName"]]
    return {}


def stop_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    _schedule(ask).update({"MonitoringScheduleStatus": "Stopped", "LastModifiedTime": ask.now})
    return {}


def start_monitoring_schedule(ask: Ask) -> dict[str, Any]:
    _schedule(ask).update({"MonitoringScheduleStatus": "Scheduled", "LastModifiedTime": ask.now})
    return {}


def describe_data_quality_job_definition(ask: Ask) -> dict[str, Any]:
    name = ask.params["JobDefinitionName"]
    if name not in ask.here.job_definitions:
        raise Refused("ResourceNotFound", f"Job definition {name} not found.")
    return dict(ask.here.job_definitions[name])


def list_monitoring_executions(ask: Ask) -> dict[str, Any]:
    wanted = ask.params.get("MonitoringScheduleName")
    rows = []
    for job in ask.here.processing.values():
        arn = job.get("MonitoringScheduleArn")
        name = arn.rsplit("/", 1)[1] if arn else None
        if name is None or wanted not in (None, name) or ask.now < job["ProcessingEndTime"]:
            continue
        found = job.get("x_violations", 0)
        rows.append(
            {
                "MonitoringScheduleName": name,
                "ScheduledTime": job["CreationTime"],
                "CreationTime": job["CreationTime"],
                "LastModifiedTime": job["ProcessingEndTime"],
                "ProcessingJobArn": job["ProcessingJobArn"],
                "MonitoringExecutionStatus": "CompletedWithViolations" if found else "Completed",
                "MonitoringType": "DataQuality",
            }
        )
    rows = [row for row in rows if _in_window(row, ask.params, "ScheduledTime")]
    rows.sort(key=lambda row: row["ScheduledTime"], reverse=True)
    part, more = page(rows, ask.params)
    return {"MonitoringExecutionSummaries": part} | more


def list_tags(ask: Ask) -> dict[str, Any]:
    part, more = page(_tag_list(ask, ask.params["ResourceArn"]), ask.params)
    return {"Tags": part} | more


def add_tags(ask: Ask) -> dict[str, Any]:
    ask.here.tags.setdefault(ask.params["ResourceArn"], {}).update(
        {item["Key"]: item["Value"] for item in ask.params["Tags"]}
    )
    return {"Tags": _tag_list(ask, ask.params["ResourceArn"])}


def delete_tags(ask: Ask) -> dict[str, Any]:
    for key in ask.params["TagKeys"]:
        ask.here.tags.get(ask.params["ResourceArn"], {}).pop(key, None)
    return {}


def _listed(
    ask: Ask, answer: str, things: dict[str, dict[str, Any]], keys: tuple[str, ...], status_key: str
) -> dict[str, Any]:
    rows = [
        item
        for item in things.values()
        if ask.params.get("StatusEquals") in (None, item[status_key])
        and ask.params.get("NameContains", "") in item[keys[0]]
        and _in_window(item, ask.params, "CreationTime")
        and _in_window(item, ask.params, "LastModifiedTime")
        and item["CreationTime"] <= ask.now
    ]
    newest = ask.params.get("SortOrder", "Descending") == "Descending"
    part, more = page(sorted(rows, key=lambda item: item["CreationTime"], reverse=newest), ask.params)
    return {answer: [{key: item[key] for key in keys if key in item} for item in part]} | more


def _in_window(item: dict[str, Any], params: dict[str, Any], key: str) -> bool:
    after, before = params.get(f"{key}After"), params.get(f"{key}Before")
    return (after is None or item[key] > after) and (before is None or item[key] < before)


def _described(things: dict[str, dict[str, Any]], name: str, missing: str) -> dict[str, Any]:
    if name not in things:
        raise Refused("ValidationException", missing)
    return {key: value for key, value in things[name].items() if not key.startswith("x_")}


def _notebook(ask: Ask, status: str) -> dict[str, Any]:
    name = ask.params["NotebookInstanceName"]
    if name not in ask.here.notebooks:
        raise Refused("ValidationException", "RecordNotFound")
    item = ask.here.notebooks[name]
    if item["NotebookInstanceStatus"] != status:
        raise Refused(
            "ValidationException",
            f"Status ({item['NotebookInstanceStatus']}) not in ([{status}]). "
            f"Unable to transition for Notebook Instance ({item['NotebookInstanceArn']})",
        )
    return item


def _schedule(ask: Ask) -> dict[str, Any]:
    name = ask.params["MonitoringScheduleName"]
    if name not in ask.here.schedules:
        raise Refused("ResourceNotFound", f"Monitoring Schedule {name} not found.")
    return ask.here.schedules[name]


def _tag_list(ask: Ask, arn: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in ask.here.tags.get(arn, {}).items()]


def _matches(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value, operator, given = row.get(wanted["Name"]), wanted.get("Operator", "Equals"), wanted.get("Value", "")
    if isinstance(value, datetime):
        moment = datetime.fromisoformat(given.replace("Z", "+00:00"))
        return {
            "GreaterThan": value > moment,
            "GreaterThanOrEqualTo": value >= moment,
            "LessThan": value < moment,
            "LessThanOrEqualTo": value <= moment,
            "Equals": value == moment,
        }[operator]
    text = str(value) if value is not None else ""
    if operator == "In":
        return text in given.split(",")
    return {"Equals": text == given, "NotEquals": text != given, "Contains": given in text}.get(operator, False)


HANDLERS: dict[str, Handler] = {
    "ListTrainingJobs": list_training_jobs,
    "DescribeTrainingJob": describe_training_job,
    "Search": search,
    "ListProcessingJobs": list_processing_jobs,
    "DescribeProcessingJob": describe_processing_job,
    "ListNotebookInstances": list_notebook_instances,
    "DescribeNotebookInstance": describe_notebook_instance,
    "StopNotebookInstance": stop_notebook_instance,
    "StartNotebookInstance": start_notebook_instance,
    "ListMonitoringSchedules": list_monitoring_schedules,
    "DescribeMonitoringSchedule": describe_monitoring_schedule,
    "CreateMonitoringSchedule": create_monitoring_schedule,
    "DeleteMonitoringSchedule": delete_monitoring_schedule,
    "StopMonitoringSchedule": stop_monitoring_schedule,
    "StartMonitoringSchedule": start_monitoring_schedule,
    "DescribeDataQualityJobDefinition": describe_data_quality_job_definition,
    "ListMonitoringExecutions": list_monitoring_executions,
    "ListTags": list_tags,
    "AddTags": add_tags,
    "DeleteTags": delete_tags,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete", "Stop", "Start", "Add"))}
