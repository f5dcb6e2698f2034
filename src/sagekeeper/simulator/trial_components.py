"""Trial components: made by requests or by jobs (`trial_book.py`), put into trials and taken out again."""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.experiments import experiment_of, trial_of
from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.sagemaker_models import tag
from sagekeeper.simulator.trial_book import component, components, membership

KEPT = ("DisplayName", "Status", "StartTime", "EndTime")
MAPS = ("Parameters", "InputArtifacts", "OutputArtifacts")
SUMMARY = (
    *("TrialComponentName", "TrialComponentArn", "DisplayName", "Status", "StartTime", "EndTime", "CreationTime"),
    *("CreatedBy", "LastModifiedTime", "LastModifiedBy"),
)


def create_trial_component(ask: Ask) -> dict[str, Any]:
    name = ask.params["TrialComponentName"]
    if component(ask.here, name, ask.now) is not None:
        raise Refused(
            "ValidationException",
            "Trial component names must be unique within an AWS account and region. Trial component with name "
            f"({name}) already exists.",
        )
    arn = ask.here.arn("experiment-trial-component", name)
    made = {"CreationTime": ask.now, "LastModifiedTime": ask.now, "CreatedBy": {}, "LastModifiedBy": {}}
    about = {"DisplayName": name} | picked(ask.params, *KEPT, *MAPS, "MetadataProperties")
    ask.here.flows.components[name] = {"TrialComponentName": name, "TrialComponentArn": arn} | made | about
    tag(ask, arn)
    return {"TrialComponentArn": arn}


def describe_trial_component(ask: Ask) -> dict[str, Any]:
    return _component(ask)


def list_trial_components(ask: Ask) -> dict[str, Any]:
    """All, those of a trial or of an experiment's trials, or those of one source."""
    params = ask.params
    if sum(key in params for key in ("ExperimentName", "TrialName", "SourceArn")) > 1:
        raise Refused("ValidationException", "Only one of ExperimentName, TrialName and SourceArn can be specified.")
    rows = list(components(ask.here, ask.now).values())
    trials: set[str] | None = None
    if "TrialName" in params:
        trials = {trial_of(ask, params["TrialName"])["TrialName"]}
    elif "ExperimentName" in params:
        name = experiment_of(ask, params["ExperimentName"])["ExperimentName"]
        trials = {item["TrialName"] for item in ask.here.flows.trials.values() if item["ExperimentName"] == name}
    if trials is not None:
        inside = {name for trial, name in membership(ask.here) if trial in trials}
        rows = [row for row in rows if row["TrialComponentName"] in inside]
    if "SourceArn" in params:
        rows = [row for row in rows if row.get("Source", {}).get("SourceArn") == params["SourceArn"]]
    part, more = chosen(ask, rows, "TrialComponentName", {"Name": "TrialComponentName"})
    shown = [
        picked(row, *SUMMARY) | ({"TrialComponentSource": row["Source"]} if "Source" in row else {}) for row in part
    ]
    return {"TrialComponentSummaries": shown} | more


def update_trial_component(ask: Ask) -> dict[str, Any]:
    found, params = _component(ask), ask.params
    changed = picked(params, *KEPT) | {"LastModifiedTime": ask.now}
    for key in MAPS:
        gone = params.get(f"{key}ToRemove", [])
        both = found.get(key, {}) | params.get(key, {})
        if key in params or gone:
            changed[key] = {name: value for name, value in both.items() if name not in gone}
    record = ask.here.flows.components.setdefault(found["TrialComponentName"], {})
    record |= changed
    return {"TrialComponentArn": found["TrialComponentArn"]}


def delete_trial_component(ask: Ask) -> dict[str, Any]:
    found, book = _component(ask), ask.here.flows
    name, arn = found["TrialComponentName"], found["TrialComponentArn"]
    if any(inside == name for _, inside in membership(ask.here)):
        raise Refused("ValidationException", f"Trial component '{arn}' is associated with trials.")
    book.components.pop(name, None)
    book.metrics.pop(name, None)
    book.components_gone.add(name)
    ask.here.tags.pop(arn, None)
    return {"TrialComponentArn": arn}


def associate_trial_component(ask: Ask) -> dict[str, Any]:
    found, trial = _component(ask), trial_of(ask, ask.params["TrialName"])
    pair = (trial["TrialName"], found["TrialComponentName"])
    ask.here.flows.members.setdefault(pair, ask.now)
    ask.here.flows.members_gone.discard(pair)
    return {"TrialComponentArn": found["TrialComponentArn"], "TrialArn": trial["TrialArn"]}


def disassociate_trial_component(ask: Ask) -> dict[str, Any]:
    found, trial = _component(ask), trial_of(ask, ask.params["TrialName"])
    pair = (trial["TrialName"], found["TrialComponentName"])
    if pair not in membership(ask.here):
        raise Refused(
            "ResourceNotFound",
            f"Trial component '{found['TrialComponentArn']}' is not associated with trial '{trial['TrialArn']}'.",
        )
    ask.here.flows.members.pop(pair, None)
    ask.here.flows.members_gone.add(pair)
    return {"TrialComponentArn": found["TrialComponentArn"], "TrialArn": trial["TrialArn"]}


def _component(ask: Ask) -> dict[str, Any]:
    name = ask.params["TrialComponentName"].rpartition("/")[2]
    found = component(ask.here, name, ask.now)
    if found is None:
        arn = ask.here.arn("experiment-trial-component", name)
        raise Refused("ResourceNotFound", f"Trial component '{arn}' does not exist.")
    return found


HANDLERS: dict[str, Handler] = {
    "CreateTrialComponent": create_trial_component,
    "DescribeTrialComponent": describe_trial_component,
    "ListTrialComponents": list_trial_components,
    "UpdateTrialComponent": update_trial_component,
    "DeleteTrialComponent": delete_trial_component,
    "AssociateTrialComponent": associate_trial_component,
    "DisassociateTrialComponent": disassociate_trial_component,
}
MUTATING = {name for name in HANDLERS if not name.startswith(("Describe", "List"))}
