"""Callback steps: the message that asks for an answer, and the answer.

A message goes to the step's SQS queue (moto's) with a token; SendPipelineExecutionStepSuccess or -Failure with that token
ends the step. A stopped execution tells the queue so and waits for the answer all the same.
"""

from __future__ import annotations

import json
from typing import Any

from moto.sqs.models import sqs_backends

from sagekeeper.simulator.flow_book import Execution, StepRun
from sagekeeper.simulator.operations import Ask, Refused
from sagekeeper.simulator.pipeline_definition import parsed
from sagekeeper.simulator.pipeline_values import Unresolved
from sagekeeper.simulator.things import token
from sagekeeper.simulator.world import Standing

TOKEN_LENGTH = 10


def call_out(here: Standing, execution: Execution, run: StepRun, arguments: dict[str, Any]) -> None:
    """Ask for an answer; from now on the step waits."""
    given = parsed(execution.version.definition).nodes[run.name].given
    mark = token(execution.arn, run.name, str(run.attempts), length=TOKEN_LENGTH)
    run.metadata = {"Callback": {"CallbackToken": mark, "SqsQueueUrl": given["SqsQueueUrl"]}}
    _send(here, execution, run, "Executing", arguments)
    here.flows.callbacks[mark] = (execution.arn, run.name)
    run.waiting, run.due = True, None


def stopping(here: Standing, execution: Execution) -> None:
    """Tell the queues of all steps that wait for an answer."""
    for run in execution.steps.values():
        if run.ended is None and "Callback" in run.metadata:
            _send(here, execution, run, "Stopping", {})


def answered(ask: Ask, outputs: list[dict[str, str]], failure: str | None) -> str:
    """End the step that waits for this token; the ARN of its execution."""
    mark, book = ask.params["CallbackToken"], ask.here.flows
    if mark not in book.callbacks:
        raise Refused("ResourceNotFound", f"Callback token '{mark}' does not exist.")
    arn, name = book.callbacks[mark]
    execution = book.executions.get(arn)
    run = execution.steps.get(name) if execution else None
    if execution is None or run is None or run.ended is not None:
        raise Refused("ConflictException", f"The step of callback token '{mark}' has ended already.")
    known = {
        item["OutputName"]: item
        for item in parsed(execution.version.definition).nodes[name].given.get("OutputParameters") or ()
    }
    unknown = [item["Name"] for item in outputs if item["Name"] not in known]
    if unknown:
        raise Refused("ValidationException", f"Unknown output parameters {unknown} of step '{name}'.")
    run.ended, run.waiting, execution.at = ask.now, False, ask.now
    run.status, run.failure = ("Succeeded", "") if failure is None else ("Failed", failure)
    run.outputs = {"OutputParameters": typed_outputs({item["Name"]: item["Value"] for item in outputs}, known)}
    if outputs:
        run.metadata["Callback"]["OutputParameters"] = outputs
    return arn


def typed_outputs(values: dict[str, str], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Texts as the types that the step declares."""
    kinds = {"Integer": int, "Float": float}
    found: dict[str, Any] = {}
    for name, text in values.items():
        kind = known.get(name, {}).get("OutputType", "String")
        found[name] = text == "true" if kind == "Boolean" else kinds.get(kind, str)(text)
    return found


def _send(here: Standing, execution: Execution, run: StepRun, status: str, arguments: dict[str, Any]) -> None:
    about = run.metadata["Callback"]
    queue = about["SqsQueueUrl"].rpartition("/")[2]
    backend = sqs_backends[here.account][here.region]
    if queue not in backend.queues:
        raise Unresolved(f"ClientError: The SQS queue {about['SqsQueueUrl']} does not exist.")
    body = {
        "token": about["CallbackToken"],
        "pipelineExecutionArn": execution.arn,
        "arguments": arguments,
        "status": status,
    }
    backend.send_message(queue, json.dumps(body))
