"""Experiments and trials: made, described, updated, listed and deleted, by people and by pipelines.

An experiment holds trials, a trial holds trial components (`trial_components.py`): neither goes while it holds any.
"""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.flow_book import Execution
from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.pipeline_definition import parsed
from sagekeeper.simulator.pipeline_values import Scope, resolved
from sagekeeper.simulator.sagemaker_models import tag
from sagekeeper.simulator.trial_book import membership

SORTS = {"Experiment": {"Name": "ExperimentName"}, "Trial": {"Name": "TrialName"}}


def create_experiment(ask: Ask) -> dict[str, Any]:
    name = ask.params["ExperimentName"]
    if name in ask.here.flows.experiments:
        raise _taken("Experiment", name)
    arn = _experiment(ask, name, picked(ask.params, "DisplayName", "Description"))
    tag(ask, arn)
    return {"ExperimentArn": arn}


def describe_experiment(ask: Ask) -> dict[str, Any]:
    return dict(experiment_of(ask, ask.params["ExperimentName"]))


def list_experiments(ask: Ask) -> dict[str, Any]:
    rows = [
        picked(item, "ExperimentArn", "ExperimentName", "DisplayName", "CreationTime", "LastModifiedTime")
        | ({"ExperimentSource": item["Source"]} if "Source" in item else {})
        for item in ask.here.flows.experiments.values()
    ]
    part, more = chosen(ask, rows, "ExperimentName", SORTS["Experiment"])
    return {"ExperimentSummaries": part} | more


def update_experiment(ask: Ask) -> dict[str, Any]:
    experiment = experiment_of(ask, ask.params["ExperimentName"])
    experiment |= picked(ask.params, "DisplayName", "Description") | {"LastModifiedTime": ask.now}
    return {"ExperimentArn": experiment["ExperimentArn"]}


def delete_experiment(ask: Ask) -> dict[str, Any]:
    name = ask.params["ExperimentName"]
    experiment = experiment_of(ask, name)
    if any(item["ExperimentName"] == name for item in ask.here.flows.trials.values()):
        raise Refused("ValidationException", f"Experiment '{experiment['ExperimentArn']}' has associated trials.")
    del ask.here.flows.experiments[name]
    ask.here.tags.pop(experiment["ExperimentArn"], None)
    return {"ExperimentArn": experiment["ExperimentArn"]}


def create_trial(ask: Ask) -> dict[str, Any]:
    name = ask.params["TrialName"]
    experiment_of(ask, ask.params["ExperimentName"])
    if name in ask.here.flows.trials:
        raise _taken("Trial", name)
    arn = _trial(ask, name, picked(ask.params, "ExperimentName", "DisplayName", "MetadataProperties"))
    tag(ask, arn)
    return {"TrialArn": arn}


def describe_trial(ask: Ask) -> dict[str, Any]:
    return dict(trial_of(ask, ask.params["TrialName"]))


def list_trials(ask: Ask) -> dict[str, Any]:
    """All, those of an experiment, or those that a trial component is in."""
    params = ask.params
    rows = list(ask.here.flows.trials.values())
    if "ExperimentName" in params:
        name = experiment_of(ask, params["ExperimentName"])["ExperimentName"]
        rows = [row for row in rows if row["ExperimentName"] == name]
    if "TrialComponentName" in params:
        inside = {trial for trial, component in membership(ask.here) if component == params["TrialComponentName"]}
        rows = [row for row in rows if row["TrialName"] in inside]
    shown = [
        picked(row, "TrialArn", "TrialName", "DisplayName", "CreationTime", "LastModifiedTime")
        | ({"TrialSource": row["Source"]} if "Source" in row else {})
        for row in rows
    ]
    part, more = chosen(ask, shown, "TrialName", SORTS["Trial"])
    return {"TrialSummaries": part} | more


def update_trial(ask: Ask) -> dict[str, Any]:
    trial = trial_of(ask, ask.params["TrialName"])
    trial |= picked(ask.params, "DisplayName") | {"LastModifiedTime": ask.now}
    return {"TrialArn": trial["TrialArn"]}


def delete_trial(ask: Ask) -> dict[str, Any]:
    trial = trial_of(ask, ask.params["TrialName"])
    if any(name == trial["TrialName"] for name, _ in membership(ask.here)):
        raise Refused("ValidationException", f"Trial '{trial['TrialArn']}' has associated trial components.")
    del ask.here.flows.trials[trial["TrialName"]]
    ask.here.tags.pop(trial["TrialArn"], None)
    return {"TrialArn": trial["TrialArn"]}


def experiment_of(ask: Ask, name: str) -> dict[str, Any]:
    """The experiment of that name, or AWS's refusal."""
    if name not in ask.here.flows.experiments:
        raise Refused("ResourceNotFound", f"Experiment '{ask.here.arn('experiment', name)}' does not exist.")
    return ask.here.flows.experiments[name]


def trial_of(ask: Ask, name: str) -> dict[str, Any]:
    """The trial of that name, or AWS's refusal."""
    if name not in ask.here.flows.trials:
        raise Refused("ResourceNotFound", f"Trial '{ask.here.arn('experiment-trial', name)}' does not exist.")
    return ask.here.flows.trials[name]


def begin_trial(ask: Ask, execution: Execution) -> None:
    """The experiment and trial that a pipeline's definition names for its executions; made where they are not there."""
    config = parsed(execution.version.definition).experiment
    if not config:
        return
    variables = {
        "PipelineName": execution.pipeline.name,
        "PipelineExecutionId": execution.key,
        "PipelineArn": execution.pipeline.arn,
        "PipelineExecutionArn": execution.arn,
        "StartDateTime": f"{execution.created:%Y-%m-%dT%H:%M:%S.000Z}",
    }
    told = resolved(config, Scope(execution.parameters, variables, lambda _: {}, lambda *_: None, lambda _: None))
    book = ask.here.flows
    if told["ExperimentName"] not in book.experiments:
        source = {"SourceArn": execution.pipeline.arn, "SourceType": "SageMakerPipeline"}
        _experiment(ask, told["ExperimentName"], {"Source": source})
    if told["TrialName"] not in book.trials:
        source = {"SourceArn": execution.arn, "SourceType": "SageMakerPipelineExecution"}
        _trial(ask, told["TrialName"], {"ExperimentName": told["ExperimentName"], "Source": source})
    execution.about["PipelineExperimentConfig"] = picked(told, "ExperimentName", "TrialName")


def _experiment(ask: Ask, name: str, about: dict[str, Any]) -> str:
    arn = ask.here.arn("experiment", name)
    made = {"CreationTime": ask.now, "LastModifiedTime": ask.now, "CreatedBy": {}, "LastModifiedBy": {}}
    ask.here.flows.experiments[name] = (
        {"ExperimentName": name, "ExperimentArn": arn, "DisplayName": name} | made | about
    )
    return arn


def _trial(ask: Ask, name: str, about: dict[str, Any]) -> str:
    arn = ask.here.arn("experiment-trial", name)
    made = {"CreationTime": ask.now, "LastModifiedTime": ask.now, "CreatedBy": {}, "LastModifiedBy": {}}
    ask.here.flows.trials[name] = {"TrialName": name, "TrialArn": arn, "DisplayName": name} | made | about
    return arn


def _taken(what: str, name: str) -> Refused:
    return Refused(
        "ValidationException",
        f"{what} names must be unique within an AWS account and region. {what} with name ({name}) already exists.",
    )


HANDLERS: dict[str, Handler] = {
    "CreateExperiment": create_experiment,
    "DescribeExperiment": describe_experiment,
    "ListExperiments": list_experiments,
    "UpdateExperiment": update_experiment,
    "DeleteExperiment": delete_experiment,
    "CreateTrial": create_trial,
    "DescribeTrial": describe_trial,
    "ListTrials": list_trials,
    "UpdateTrial": update_trial,
    "DeleteTrial": delete_trial,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
