"""What each type of step does: the job it makes in the account, how it ends, and what other steps may refer to.

Steps make real jobs through the same operations that a client calls, so their bill, states and failures are those of
the jobs. A step whose cached result is young enough makes none (aws-facts 1.9). ``sagekeeper_outputs`` among a Lambda
step's arguments says what it answers: no function is really called.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sagekeeper.simulator.flow_book import Execution, StepRun
from sagekeeper.simulator.monitor_records import read_json
from sagekeeper.simulator.operations import Ask, Handler, House, Refused, check, service_model
from sagekeeper.simulator.pipeline_cache import cached, signature
from sagekeeper.simulator.pipeline_callbacks import call_out, typed_outputs
from sagekeeper.simulator.pipeline_definition import Node, parsed
from sagekeeper.simulator.pipeline_files import property_file, run_program, write_files
from sagekeeper.simulator.pipeline_values import Scope, Unresolved, holds, resolved
from sagekeeper.simulator.things import token
from sagekeeper.simulator.world import Standing

SECONDS, LAMBDA_SECONDS = 1, 3
FAR = timedelta(days=400)
"""Later than the end of any job: what a job looks like then is how it ends."""
CLARIFY_FILE, LONGEST_REASON = "analysis.json", 1024
CHECK_FILES = {"Statistics": "statistics.json", "Constraints": "constraints.json"}


class Job(NamedTuple):
    """A kind of job that a step makes."""

    noun: str
    metadata: str
    end: str
    longest_name: int = 63


JOBS = {
    "Training": Job("TrainingJob", "TrainingJob", "TrainingEndTime"),
    "Processing": Job("ProcessingJob", "ProcessingJob", "ProcessingEndTime"),
    "Transform": Job("TransformJob", "TransformJob", "TransformEndTime"),
    "Tuning": Job("HyperParameterTuningJob", "TuningJob", "HyperParameterTuningEndTime", 32),
    "QualityCheck": Job("ProcessingJob", "QualityCheck", "ProcessingEndTime"),
    "ClarifyCheck": Job("ProcessingJob", "ClarifyCheck", "ProcessingEndTime"),
}
MADE = {"Model": ("Model", "Model"), "RegisterModel": ("ModelPackage", "RegisterModel")}
"""Step types that make a resource at once: its noun in the operations, and its key in the metadata."""


@dataclass(frozen=True)
class Machine:
    """What it takes to run an execution."""

    house: House
    handlers: dict[str, Handler]
    here: Standing
    execution: Execution

    def call(self, operation: str, params: dict[str, Any], at: datetime) -> dict[str, Any]:
        """Call one of SageMaker's operations as the pipeline does."""
        if operation not in self.handlers:
            raise Refused("ValidationException", f"The simulated account does not have the operation {operation}.")
        check(params, service_model("sagemaker").operation_model(operation).input_shape)
        return self.handlers[operation](Ask(self.house, self.here.account, self.here.region, params, at))


def end_of(machine: Machine, run: StepRun) -> datetime | None:
    """When the step's present work ends; None: nobody knows yet."""
    node = parsed(machine.execution.version.definition).nodes[run.name]
    if run.due is not None or not run.job:
        return run.due
    found = _job(machine, node, run, machine.execution.at + FAR)
    end = found.get(JOBS[node.kind].end)
    return end if isinstance(end, datetime) else None


def launch(machine: Machine, node: Node, run: StepRun, at: datetime) -> None:
    """Begin the step's work, or take over what an earlier execution found."""
    run.status, run.failure, run.due = "Executing", "", at + timedelta(seconds=SECONDS)
    try:
        arguments = resolved({} if node.kind == "Condition" else node.arguments, scope(machine, node, at)) or {}
        run.signature = signature(node, arguments)
        source = cached(machine.here.flows, machine.execution, node, run.signature, at)
        if source is not None:
            found = source.steps[node.name]
            run.cached_from, run.metadata, run.outputs = source.arn, dict(found.metadata), found.outputs
            return
        run.attempts += 1
        _work(machine, node, run, arguments, at)
    except Unresolved as broken:
        run.status, run.failure, run.due = "Failed", str(broken)[:LONGEST_REASON], None
    except Refused as refusal:
        sort = "ClientError" if refusal.code == "ValidationException" else refusal.code
        run.status, run.failure, run.due = "Failed", f"{sort}: {refusal.message}"[:LONGEST_REASON], None


def finish(machine: Machine, node: Node, run: StepRun, at: datetime) -> None:
    """The step's work has ended: well, badly, or because somebody stopped it."""
    if node.kind == "Fail":
        run.status, run.failure = "Failed", run.metadata["Fail"]["ErrorMessage"]
        return
    if not run.job or run.cached_from:
        run.status = "Succeeded"
        return
    job = JOBS[node.kind]
    found = _job(machine, node, run, at)
    status = found[f"{job.noun}Status"]
    if status == "Completed":
        run.status, run.outputs = "Succeeded", found | run.outputs
        write_files(machine.here, found)
        run_program(machine.house.world, machine.here, found, at)
    elif status == "Stopped" and machine.execution.status == "Stopping":
        run.status = "Stopped"
    else:
        run.status = "Failed"
        run.failure = str(found.get("FailureReason") or f"ClientError: Job {run.job} is in status {status}.")[
            :LONGEST_REASON
        ]


def halt(machine: Machine, run: StepRun, at: datetime) -> bool:
    """The execution is stopped: jobs are stopped too, what has not begun never does. Whether the step ends with this."""
    node = parsed(machine.execution.version.definition).nodes[run.name]
    if "Callback" in run.metadata or run.status == "Stopping":
        return False
    if run.job and not run.cached_from and run.due is None:
        run.status = "Stopping"
        noun = JOBS[node.kind].noun
        with suppress(Refused):
            machine.call(f"Stop{noun}", {f"{noun}Name": run.job}, at)
        return False
    if node.kind == "Lambda" and run.status == "Executing":
        run.status = "Stopping"
        return False
    run.status, run.ended, run.due, run.waiting = "Stopped", at, None, False
    return True


def scope(machine: Machine, node: Node, at: datetime) -> Scope:
    """What the expressions of a step may refer to."""
    execution = machine.execution
    nodes = parsed(execution.version.definition).nodes

    variables = {
        "PipelineName": execution.pipeline.name,
        "PipelineArn": execution.pipeline.arn,
        "PipelineExecutionId": execution.key,
        "PipelineExecutionArn": execution.arn,
        "StartDateTime": f"{execution.created:%Y-%m-%dT%H:%M:%S.000Z}",
        "CurrentDateTime": f"{at:%Y-%m-%dT%H:%M:%S.000Z}",
        "TrainingJobName": _name(execution, node, None, 1),
        "ProcessingJobName": _name(execution, node, None, 1),
    }
    return Scope(
        execution.parameters,
        variables,
        lambda step: execution.steps[step].outputs,
        lambda step, name: property_file(machine.here, nodes[step], execution.steps[step].outputs, name),
        lambda uri: read_json(machine.here, uri),
    )


def _work(machine: Machine, node: Node, run: StepRun, arguments: dict[str, Any], at: datetime) -> None:
    given = resolved({key: value for key, value in node.given.items() if key != "Arguments"}, scope(machine, node, at))
    if node.kind in JOBS and not given.get("SkipCheck"):
        _make_job(machine, node, run, arguments, at)
    if node.kind in ("QualityCheck", "ClarifyCheck"):
        _tell_check(node, run, arguments, given)
    elif node.kind in MADE:
        noun, key = MADE[node.kind]
        if noun == "Model":
            arguments = arguments | {"ModelName": _name(machine.execution, node, arguments.get("ModelName"), 1)}
        if node.kind == "RegisterModel":
            _make_group(machine, arguments.get("ModelPackageGroupName", ""), at)
        arn = machine.call(f"Create{noun}", arguments, at)[f"{noun}Arn"]
        name = arguments["ModelName"] if noun == "Model" else arn
        run.metadata = {key: {"Arn": arn}}
        run.outputs = machine.call(f"Describe{noun}", {f"{noun}Name": name}, at)
    elif node.kind == "Condition":
        where = scope(machine, node, at)
        run.outcome = all(holds(item, where) for item in node.arguments["Conditions"])
        run.metadata = {"Condition": {"Outcome": "True" if run.outcome else "False"}}
        run.outputs = {"Outcome": "true" if run.outcome else "false"}
    elif node.kind == "Fail":
        run.metadata = {"Fail": {"ErrorMessage": str(arguments.get("ErrorMessage", ""))}}
    elif node.kind == "Lambda":
        _answer_lambda(run, arguments, given, at)
    elif node.kind == "Callback":
        call_out(machine.here, machine.execution, run, arguments)
    elif node.kind not in JOBS:
        raise Refused("ValidationException", f"The simulated account does not run steps of type {node.kind}.")


def _make_group(machine: Machine, name: str, at: datetime) -> None:
    """Pipelines make the group that a model is registered in, where there is none."""
    if name and not name.startswith("arn:") and name not in machine.here.flows.groups:
        machine.call("CreateModelPackageGroup", {"ModelPackageGroupName": name}, at)


def _make_job(machine: Machine, node: Node, run: StepRun, arguments: dict[str, Any], at: datetime) -> None:
    job, execution = JOBS[node.kind], machine.execution
    name = _name(execution, node, arguments.get(f"{job.noun}Name"), run.attempts)
    given = arguments | {f"{job.noun}Name": name}
    if job.noun != "HyperParameterTuningJob":
        given.setdefault("RoleArn", execution.about.get("RoleArn", execution.pipeline.about["RoleArn"]))
    if job.noun == "TransformJob" or "RoleArn" not in _members(f"Create{job.noun}"):
        given.pop("RoleArn", None)
    trial = execution.about.get("PipelineExperimentConfig")
    if trial and "ExperimentConfig" in _members(f"Create{job.noun}"):
        given["ExperimentConfig"] = trial | arguments.get("ExperimentConfig", {})
    run.metadata = {job.metadata: {"Arn": machine.call(f"Create{job.noun}", given, at)[f"{job.noun}Arn"]}}
    run.job, run.due = name, None


def _tell_check(node: Node, run: StepRun, arguments: dict[str, Any], given: dict[str, Any]) -> None:
    """What a check step says of itself, and where its baseline lies."""
    outputs = arguments.get("ProcessingOutputConfig", {}).get("Outputs", [])
    place = outputs[0]["S3Output"]["S3Uri"].rstrip("/") if outputs else ""
    kinds = ("Statistics", "Constraints") if node.kind == "QualityCheck" else ("Constraints",)
    about: dict[str, Any] = {
        "CheckType": given.get("CheckType", ""),
        "SkipCheck": bool(given.get("SkipCheck")),
        "RegisterNewBaseline": bool(given.get("RegisterNewBaseline")),
    }
    if given.get("ModelPackageGroupName"):
        about["ModelPackageGroupName"] = given["ModelPackageGroupName"]
    if run.job:
        about["CheckJobArn"] = run.metadata[node.kind]["Arn"]
    for kind in kinds:
        file = CHECK_FILES[kind] if node.kind == "QualityCheck" else CLARIFY_FILE
        calculated = f"{place}/{file}" if run.job else ""
        supplied = given.get(f"SuppliedBaseline{kind}") or calculated
        about[f"CalculatedBaseline{kind}"] = calculated
        about[f"BaselineUsedForDriftCheck{kind}"] = calculated if given.get("RegisterNewBaseline") else supplied
    run.metadata = {node.kind: {key: value for key, value in about.items() if value != ""}}
    run.outputs = about


def _answer_lambda(run: StepRun, arguments: dict[str, Any], given: dict[str, Any], at: datetime) -> None:
    known = {item["OutputName"]: item for item in given.get("OutputParameters") or ()}
    answer = arguments.get("sagekeeper_outputs", {})
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in answer.items()}
    missing = [name for name in known if name not in values]
    if missing:
        raise Unresolved(f"ClientError: The Lambda function did not return the output parameters {missing}.")
    run.outputs = {"OutputParameters": typed_outputs(values, known)}
    told = [{"Name": name, "Value": value} for name, value in values.items()]
    run.metadata = {"Lambda": {"Arn": given["FunctionArn"]} | ({"OutputParameters": told} if told else {})}
    run.due = at + timedelta(seconds=LAMBDA_SECONDS)


def _job(machine: Machine, node: Node, run: StepRun, at: datetime) -> dict[str, Any]:
    noun = JOBS[node.kind].noun
    return machine.call(f"Describe{noun}", {f"{noun}Name": run.job}, at)


def _name(execution: Execution, node: Node, prefix: str | None, attempt: int) -> str:
    """Names as Pipelines makes them: what belongs together, then something that no other job has."""
    longest = JOBS[node.kind].longest_name if node.kind in JOBS else 63
    end = token(execution.arn, node.name, str(attempt), str(execution.at), length=10)
    if longest < 63:
        return f"{execution.key}-{node.name[:8].rstrip('-')}-{end}"[:longest]
    begin = f"{prefix[:24]}-{execution.key}" if prefix else f"pipelines-{execution.key}-{node.name[:27]}"
    return f"{begin.rstrip('-').replace('_', '-')}-{end}"


def _members(operation: str) -> Any:
    return service_model("sagemaker").operation_model(operation).input_shape.members
