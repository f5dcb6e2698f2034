"""Jobs of every kind are the same after the account has been stopped and started again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagekeeper.simulator.process import start

from .test_compilation_jobs import request as compilation
from .test_inference_recommender import request as recommendation
from .test_processing_jobs import request as processing
from .test_transform_jobs import request as transform
from .test_tuning_jobs import request as tuning
from .workplace import ROLE, Workplace

pytestmark = pytest.mark.integration
DESCRIBE = {
    "ProcessingJob": {"ProcessingJobName": "one"},
    "TransformJob": {"TransformJobName": "one"},
    "HyperParameterTuningJob": {"HyperParameterTuningJobName": "one"},
    "CompilationJob": {"CompilationJobName": "one"},
    "InferenceRecommendationsJob": {"JobName": "one"},
}
STARVED: dict[str, Any] = {
    "TrainingJobName": "starved",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "xgboost:1", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://somewhere/models"},
    "ResourceConfig": {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
    "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
}


def seen(place: Workplace) -> dict[str, Any]:
    found = {kind: place.ask(f"Describe{kind}", **name) for kind, name in DESCRIBE.items()}
    found["TrainingJob"] = place.ask("DescribeTrainingJob", TrainingJobName="starved")
    children = "ListTrainingJobsForHyperParameterTuningJob"
    found["children"] = place.ask(children, HyperParameterTuningJobName="one")
    for answer in found.values():
        answer.pop("ResponseMetadata")
    return found


def test_jobs_are_the_same_after_a_restart(tmp_path: Path) -> None:
    with start(tmp_path, scale="small", speed=0) as running:
        place = Workplace(running)
        place.ask("CreateModel", ModelName="scorer", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "xgboost:1"})
        running.incident("capacity_shortage", "ml.g5.2xlarge")
        place.ask("CreateProcessingJob", **processing("one"))
        place.ask("CreateTransformJob", **transform("one"))
        place.ask("CreateHyperParameterTuningJob", **tuning("one"))
        place.ask("CreateCompilationJob", **compilation("one"))
        place.ask("CreateInferenceRecommendationsJob", **recommendation("one"))
        place.ask("CreateTrainingJob", **STARVED)
        running.advance(seconds=700)
        place.ask("StopTransformJob", TransformJobName="one")
        place.ask("StopHyperParameterTuningJob", HyperParameterTuningJobName="one")
        running.advance(hours=3)
        before = seen(place)
    with start(tmp_path, scale="small", speed=0) as running:
        assert seen(Workplace(running)) == before
    assert before["TransformJob"]["TransformJobStatus"] == "Stopped"
    assert before["ProcessingJob"]["ProcessingJobStatus"] == "Completed"
    assert before["HyperParameterTuningJob"]["HyperParameterTuningJobStatus"] == "Stopped"
    assert before["TrainingJob"]["FailureReason"].startswith("CapacityError")
    assert before["InferenceRecommendationsJob"]["InferenceRecommendations"]
