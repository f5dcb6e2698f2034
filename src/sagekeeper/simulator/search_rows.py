"""The records that Search finds, by resource type: everything of that type in the account, with its tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagekeeper.simulator import feature_groups, model_packages, pipeline_executions, pipelines, tuning_jobs
from sagekeeper.simulator.operations import Ask
from sagekeeper.simulator.sagemaker_endpoints import describe_endpoint
from sagekeeper.simulator.training_jobs import as_of
from sagekeeper.simulator.trial_book import components, membership

Rows = Callable[[Ask], list[dict[str, Any]]]


def tagged(ask: Ask, record: dict[str, Any], arn: str) -> dict[str, Any]:
    """A record with the tags of its resource."""
    tags = ask.here.tags.get(record[arn], {})
    return record | {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _training_jobs(ask: Ask) -> list[dict[str, Any]]:
    jobs = [as_of(job, ask.now) for job in ask.here.training.values() if job["CreationTime"] <= ask.now]
    public = [{key: value for key, value in job.items() if not key.startswith("x_")} for job in jobs]
    return [tagged(ask, job, "TrainingJobArn") for job in public]


def _endpoints(ask: Ask) -> list[dict[str, Any]]:
    names = [name for name in ask.here.lives if (life := ask.here.life(name)) is not None and life.created <= ask.now]
    found = []
    for name in names:
        record = describe_endpoint(_asking(ask, EndpointName=name))
        schedules = [
            {key: value for key, value in item.items() if not key.startswith("x_")}
            for item in ask.here.schedules.values()
            if item.get("EndpointName") == name
        ]
        found.append(tagged(ask, record | ({"MonitoringSchedules": schedules} if schedules else {}), "EndpointArn"))
    return found


def _models(ask: Ask) -> list[dict[str, Any]]:
    serving: dict[str, list[dict[str, Any]]] = {}
    for record in _endpoints(ask):
        life = ask.here.life(record["EndpointName"])
        variants = life.deployed[-1].config["ProductionVariants"] if life else []
        keys = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        for name in {item.get("ModelName", "") for item in variants}:
            serving.setdefault(name, []).append({key: record[key] for key in keys})
    return [
        {
            "Model": tagged(ask, model, "ModelArn"),
            "Endpoints": serving.get(name, []),
            "Tags": tagged(ask, model, "ModelArn")["Tags"],
            "CreationTime": model["CreationTime"],
        }
        for name, model in ask.here.models.items()
    ]


def _experiments(ask: Ask) -> list[dict[str, Any]]:
    return [tagged(ask, item, "ExperimentArn") for item in ask.here.flows.experiments.values()]


def _trials(ask: Ask) -> list[dict[str, Any]]:
    inside: dict[str, list[str]] = {}
    for trial, name in membership(ask.here):
        inside.setdefault(trial, []).append(name)
    known = components(ask.here, ask.now)
    return [
        tagged(ask, item, "TrialArn")
        | {
            "TrialComponentSummaries": [
                _simple(known[name]) for name in inside.get(item["TrialName"], []) if name in known
            ]
        }
        for item in ask.here.flows.trials.values()
    ]


def _trial_components(ask: Ask) -> list[dict[str, Any]]:
    trials = ask.here.flows.trials
    parents: dict[str, list[dict[str, str]]] = {}
    for trial, name in membership(ask.here):
        if trial in trials:
            parent = {"TrialName": trial, "ExperimentName": trials[trial]["ExperimentName"]}
            parents.setdefault(name, []).append(parent)
    return [
        tagged(ask, item, "TrialComponentArn") | {"Parents": parents.get(name, [])}
        for name, item in components(ask.here, ask.now).items()
    ]


def _groups(ask: Ask) -> list[dict[str, Any]]:
    return [tagged(ask, item, "ModelPackageGroupArn") for item in ask.here.flows.groups.values()]


def _packages(ask: Ask) -> list[dict[str, Any]]:
    """A version has the tags of its group."""
    found = []
    for item in ask.here.flows.packages.values():
        arn = item["ModelPackageArn"]
        if "ModelPackageVersion" in item:
            arn = ask.here.arn("model-package-group", item["ModelPackageGroupName"])
        record = model_packages.as_of(item, ask.now)
        found.append(record | {"Tags": tagged(ask, {"arn": arn}, "arn")["Tags"]})
    return found


def _pipelines(ask: Ask) -> list[dict[str, Any]]:
    return [tagged(ask, pipelines.full(item), "PipelineArn") for item in ask.here.flows.pipelines.values()]


def _executions(ask: Ask) -> list[dict[str, Any]]:
    return [
        pipeline_executions.full(item)
        | {"PipelineParameters": item.given, "PipelineVersionDisplayName": item.version.display}
        for item in ask.here.flows.executions.values()
    ]


def _versions(ask: Ask) -> list[dict[str, Any]]:
    found = []
    for pipeline in ask.here.flows.pipelines.values():
        for version in pipeline.versions:
            record: dict[str, Any] = {
                "PipelineArn": pipeline.arn,
                "PipelineVersionId": version.number,
                "PipelineVersionDisplayName": version.display,
                "CreationTime": version.created,
                "LastModifiedTime": version.created,
            }
            latest = ask.here.flows.executions.get(version.last_execution or "")
            if latest is not None:
                record |= {
                    "LastExecutedPipelineExecutionArn": latest.arn,
                    "LastExecutedPipelineExecutionStatus": latest.status,
                }
            found.append(record)
    return found


def _feature_groups(ask: Ask) -> list[dict[str, Any]]:
    found = []
    for thing in ask.here.work.feature_groups.standing(ask.now):
        record = feature_groups.describe_feature_group(_asking(ask, FeatureGroupName=thing.key[0]))
        found.append(tagged(ask, record, "FeatureGroupArn"))
    return found


def _tunings(ask: Ask) -> list[dict[str, Any]]:
    kept = ask.here.jobs.tunings.values()
    jobs = [tuning_jobs.as_of(ask.here, job, ask.now) for job in kept if job["CreationTime"] <= ask.now]
    return [tagged(ask, job, "HyperParameterTuningJobArn") for job in jobs]


def _features(ask: Ask) -> list[dict[str, Any]]:
    return [
        feature_groups.describe_feature_metadata(
            _asking(ask, FeatureGroupName=group["FeatureGroupName"], FeatureName=item["FeatureName"])
        )
        for group in _feature_groups(ask)
        for item in group["FeatureDefinitions"]
    ]


def _asking(ask: Ask, **params: Any) -> Ask:
    return Ask(ask.house, ask.account, ask.region, params, ask.now)


def _simple(component: dict[str, Any]) -> dict[str, Any]:
    keys = ("TrialComponentName", "TrialComponentArn", "CreationTime", "CreatedBy")
    found = {key: component[key] for key in keys if key in component}
    return found | ({"TrialComponentSource": component["Source"]} if "Source" in component else {})


ROWS: dict[str, Rows] = {
    "TrainingJob": _training_jobs,
    "Endpoint": _endpoints,
    "Model": _models,
    "Experiment": _experiments,
    "ExperimentTrial": _trials,
    "ExperimentTrialComponent": _trial_components,
    "ModelPackageGroup": _groups,
    "ModelPackage": _packages,
    "Pipeline": _pipelines,
    "PipelineExecution": _executions,
    "PipelineVersion": _versions,
    "HyperParameterTuningJob": _tunings,
    "FeatureGroup": _feature_groups,
    "FeatureMetadata": _features,
}
"""What each resource type finds. A module with resources of another type adds its own."""
