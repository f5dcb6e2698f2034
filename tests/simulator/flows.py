"""What tests of pipelines have in common: definitions in short, and executions that are run to their end."""

from __future__ import annotations

import json
from typing import Any

from .workplace import ROLE, Workplace

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def training(name: str, seconds: int = 600, **more: Any) -> dict[str, Any]:
    """A training step that works for so long."""
    arguments = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://flows/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "RoleArn": ROLE,
        "HyperParameters": {"sagekeeper_run_seconds": str(seconds)} | more.pop("hyper", {}),
    } | more.pop("arguments", {})
    return {"Name": name, "Type": "Training", "Arguments": arguments} | more


def condition(name: str, conditions: list[Any], yes: list[Any], no: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Condition",
        "Arguments": {"Conditions": conditions, "IfSteps": yes, "ElseSteps": no},
    } | more


def fail(name: str, message: Any = "Not good enough.") -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def definition(*steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters or [], "Steps": list(steps)})


def make(place: Workplace, name: str, *steps: dict[str, Any], **more: Any) -> str:
    """A pipeline of these steps; its name."""
    text = definition(*steps, parameters=more.pop("parameters", None))
    place.ask("CreatePipeline", PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, **more)
    return name


def begin(place: Workplace, name: str, given: dict[str, str] | None = None, **more: Any) -> str:
    """Start it; the ARN of the execution."""
    parameters = [{"Name": key, "Value": value} for key, value in (given or {}).items()]
    found = place.ask("StartPipelineExecution", PipelineName=name, PipelineParameters=parameters, **more)
    return str(found["PipelineExecutionArn"])


def run(place: Workplace, name: str, given: dict[str, str] | None = None, hours: int = 3, **more: Any) -> str:
    """Start it and let time pass; the ARN of the execution."""
    arn = begin(place, name, given, **more)
    place.running.advance(hours=hours)
    return arn


def status(place: Workplace, arn: str) -> str:
    return str(place.ask("DescribePipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionStatus"])


def steps(place: Workplace, arn: str) -> dict[str, dict[str, Any]]:
    """The steps that have begun, by name."""
    found = place.ask("ListPipelineExecutionSteps", PipelineExecutionArn=arn, MaxResults=100)
    return {row["StepName"]: row for row in found["PipelineExecutionSteps"]}


def states(place: Workplace, arn: str) -> dict[str, str]:
    return {name: row["StepStatus"] for name, row in steps(place, arn).items()}


def job_of(place: Workplace, row: dict[str, Any]) -> dict[str, Any]:
    """The training job of a step."""
    name = row["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    return place.ask("DescribeTrainingJob", TrainingJobName=name)
