"""Executions of pipelines: started, described, listed, stopped, retried, their steps, and answers to callback steps.

`pipeline_run.py` lets them run; a request sees them as far as they have come.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from sagekeeper.simulator.experiments import begin_trial
from sagekeeper.simulator.flow_book import Execution, StepRun
from sagekeeper.simulator.keeping import picked
from sagekeeper.simulator.listing import FIRST_PAGE
from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.pipeline_callbacks import answered, stopping
from sagekeeper.simulator.pipeline_definition import parsed, values_of
from sagekeeper.simulator.pipeline_metrics import started
from sagekeeper.simulator.pipeline_selection import selected
from sagekeeper.simulator.pipelines import find_pipeline, pipeline_of, version_of
from sagekeeper.simulator.things import token

START_SECONDS = 2
MOST_RUNNING = 200
"""Executions of one account that run at once (SageMaker's quotas for Pipelines: 200)."""


def start_pipeline_execution(ask: Ask) -> dict[str, Any]:
    """A new execution of a version of the pipeline, the latest unless another is named."""
    pipeline, params, book = pipeline_of(ask), ask.params, ask.here.flows
    repeated = book.tokens.get(f"{pipeline.arn}/{params['ClientRequestToken']}")
    if repeated in book.executions:
        return {"PipelineExecutionArn": str(repeated)}
    if len(book.active) >= MOST_RUNNING:
        raise Refused(
            "ResourceLimitExceeded",
            f"The account-level service limit 'Concurrent pipeline executions' is {MOST_RUNNING}.",
        )
    version = version_of(pipeline, params)
    definition = parsed(version.definition)
    given = params.get("PipelineParameters", [])
    values = values_of(definition, given)
    sent = {item["Name"] for item in given}
    told = given + [{"Name": name, "Value": _text(value)} for name, value in values.items() if name not in sent]
    key = token(ask.account, ask.region, pipeline.name, str(len(book.executions)), ask.now.isoformat())
    arn = f"{pipeline.arn}/execution/{key}"
    about = {"PipelineExecutionDisplayName": f"execution-{int(ask.now.timestamp() * 1000)}"} | picked(
        params,
        "PipelineExecutionDisplayName",
        "PipelineExecutionDescription",
        "ParallelismConfiguration",
        "SelectiveExecutionConfig",
        "RoleArn",
    )
    at = ask.now + timedelta(seconds=START_SECONDS)
    execution = Execution(arn, key, pipeline, version, ask.now, ask.now, values, about, told, at)
    selected(book, execution)
    begin_trial(ask, execution)
    book.executions[arn] = book.active[arn] = execution
    book.tokens[f"{pipeline.arn}/{params['ClientRequestToken']}"] = arn
    pipeline.last_run, version.last_execution = ask.now, arn
    started(ask.here, execution, None, ask.now)
    return {"PipelineExecutionArn": arn}


def describe_pipeline_execution(ask: Ask) -> dict[str, Any]:
    return full(_execution(ask))


def describe_pipeline_definition_for_execution(ask: Ask) -> dict[str, Any]:
    version = _execution(ask).version
    return {"PipelineDefinition": version.definition, "CreationTime": version.created}


def list_pipeline_executions(ask: Ask) -> dict[str, Any]:
    pipeline, params = pipeline_of(ask), ask.params
    alias = params.get("PipelineVersionAlias")
    rows = [
        item
        for item in ask.here.flows.executions.values()
        if item.pipeline is pipeline
        and ("CreatedAfter" not in params or item.created > params["CreatedAfter"])
        and ("CreatedBefore" not in params or item.created < params["CreatedBefore"])
        and (alias is None or alias in item.version.aliases)
    ]
    descending = params.get("SortOrder", "Descending") == "Descending"
    by_arn = params.get("SortBy") == "PipelineExecutionArn"
    rows.sort(key=lambda row: (row.arn,) if by_arn else (row.created, row.arn), reverse=descending)
    part, more = page(rows, {"MaxResults": FIRST_PAGE} | params)
    return {"PipelineExecutionSummaries": [_summary(item) for item in part]} | more


def update_pipeline_execution(ask: Ask) -> dict[str, Any]:
    execution = _execution(ask)
    names = ("PipelineExecutionDescription", "PipelineExecutionDisplayName", "ParallelismConfiguration")
    execution.about |= picked(ask.params, *names)
    execution.modified = ask.now
    return {"PipelineExecutionArn": execution.arn}


def stop_pipeline_execution(ask: Ask) -> dict[str, Any]:
    """Its jobs are stopped; a callback step is told and waited for (botocore's text of StopPipelineExecution)."""
    execution = _execution(ask)
    if execution.status != "Executing":
        raise Refused(
            "ConflictException",
            f"Pipeline execution with ARN {execution.arn} is in status {execution.status} and can not be stopped.",
        )
    execution.status, execution.modified, execution.at = "Stopping", ask.now, ask.now
    stopping(ask.here, execution)
    return {"PipelineExecutionArn": execution.arn}


def retry_pipeline_execution(ask: Ask) -> dict[str, Any]:
    """What did not succeed is done again, with what did."""
    execution = _execution(ask)
    if execution.status not in ("Failed", "Stopped"):
        raise Refused(
            "ConflictException",
            f"Pipeline execution with ARN {execution.arn} is in status {execution.status}, only Failed or Stopped "
            "executions can be retried.",
        )
    execution.about |= picked(ask.params, "ParallelismConfiguration")
    execution.steps = {name: run for name, run in execution.steps.items() if run.status == "Succeeded"}
    execution.skipped, execution.ending, execution.failure = set(), False, ""
    execution.status, execution.modified = "Executing", ask.now
    execution.at = ask.now + timedelta(seconds=START_SECONDS)
    ask.here.flows.active[execution.arn] = execution
    return {"PipelineExecutionArn": execution.arn}


def list_pipeline_execution_steps(ask: Ask) -> dict[str, Any]:
    """The steps that have begun, the newest first; those that were not reached are not shown."""
    if "PipelineExecutionArn" not in ask.params:
        raise Refused("ValidationException", "PipelineExecutionArn is required.")
    execution = _execution(ask)
    nodes = parsed(execution.version.definition).nodes
    rows = [_step(execution, run, nodes[run.name].given) for run in execution.steps.values()]
    rows.sort(key=lambda row: row["StartTime"], reverse=ask.params.get("SortOrder", "Descending") == "Descending")
    part, more = page(rows, {"MaxResults": FIRST_PAGE} | ask.params)
    return {"PipelineExecutionSteps": part} | more


def list_pipeline_parameters_for_execution(ask: Ask) -> dict[str, Any]:
    part, more = page(_execution(ask).given, {"MaxResults": FIRST_PAGE} | ask.params)
    return {"PipelineParameters": part} | more


def send_pipeline_execution_step_success(ask: Ask) -> dict[str, Any]:
    return {"PipelineExecutionArn": answered(ask, ask.params.get("OutputParameters", []), None)}


def send_pipeline_execution_step_failure(ask: Ask) -> dict[str, Any]:
    reason = ask.params.get("FailureReason", "The callback step was reported as failed.")
    return {"PipelineExecutionArn": answered(ask, [], reason)}


def full(execution: Execution) -> dict[str, Any]:
    """Its record as DescribePipelineExecution and Search show it."""
    found = {
        "PipelineArn": execution.pipeline.arn,
        "PipelineExecutionArn": execution.arn,
        "PipelineExecutionStatus": execution.status,
        "CreationTime": execution.created,
        "LastModifiedTime": execution.modified,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "PipelineVersionId": execution.version.number,
        "RoleArn": execution.pipeline.about["RoleArn"],
    } | execution.about
    if execution.failure:
        found["FailureReason"] = execution.failure
    return found


def _summary(execution: Execution) -> dict[str, Any]:
    found = {
        "PipelineExecutionArn": execution.arn,
        "StartTime": execution.created,
        "PipelineExecutionStatus": execution.status,
    } | picked(execution.about, "PipelineExecutionDescription", "PipelineExecutionDisplayName")
    return found | ({"PipelineExecutionFailureReason": execution.failure} if execution.failure else {})


def _step(execution: Execution, run: StepRun, given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StepName": run.name,
        "StepDisplayName": given.get("DisplayName"),
        "StepDescription": given.get("Description"),
        "StartTime": run.begun,
        "EndTime": run.ended,
        "StepStatus": "Stopping" if execution.status == "Stopping" and run.ended is None else run.status,
        "CacheHitResult": {"SourcePipelineExecutionArn": run.cached_from} if run.cached_from else None,
        "SelectiveExecutionResult": {"SourcePipelineExecutionArn": run.reused_from} if run.reused_from else None,
        "FailureReason": run.failure or None,
        "Metadata": run.metadata or None,
        "AttemptCount": run.attempts,
    }
    return {key: value for key, value in found.items() if value is not None}


def _execution(ask: Ask) -> Execution:
    arn = ask.params["PipelineExecutionArn"]
    found = ask.here.flows.executions.get(arn)
    if found is None:
        with suppress(ValueError, IndexError):
            find_pipeline(ask, arn.split("/")[1])
        raise Refused("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


HANDLERS: dict[str, Handler] = {
    "StartPipelineExecution": start_pipeline_execution,
    "DescribePipelineExecution": describe_pipeline_execution,
    "DescribePipelineDefinitionForExecution": describe_pipeline_definition_for_execution,
    "ListPipelineExecutions": list_pipeline_executions,
    "UpdatePipelineExecution": update_pipeline_execution,
    "StopPipelineExecution": stop_pipeline_execution,
    "RetryPipelineExecution": retry_pipeline_execution,
    "ListPipelineExecutionSteps": list_pipeline_execution_steps,
    "ListPipelineParametersForExecution": list_pipeline_parameters_for_execution,
    "SendPipelineExecutionStepSuccess": send_pipeline_execution_step_success,
    "SendPipelineExecutionStepFailure": send_pipeline_execution_step_failure,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Start", "Update", "Stop", "Retry", "Send"))}
