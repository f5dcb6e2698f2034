"""Steps that are no jobs, and steps that AWS refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagekeeper.simulator.process import start

from .flows import condition, fail, make, run, states, steps, training
from .workplace import Workplace

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("steps"), scale="small") as running:
        place = Workplace(running)
        place.client("s3").create_bucket(Bucket="flows")
        yield place


def test_a_function_answers_what_it_is_told_to(place: Workplace) -> None:
    function = {
        "Name": "Ask",
        "Type": "Lambda",
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:ask",
        "Arguments": {"sagekeeper_outputs": {"score": 0.25}},
        "OutputParameters": [{"OutputName": "score", "OutputType": "Float"}],
    }
    score = {"Get": "Steps.Ask.OutputParameters['score']"}
    low = {"Type": "LessThan", "LeftValue": score, "RightValue": 0.5}
    make(place, "asked", function, condition("Check", [low], [training("Low", 60)], [fail("High")]))
    arn = run(place, "asked")
    assert set(states(place, arn)) == {"Ask", "Check", "Low"}
    assert steps(place, arn)["Ask"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "score", "Value": "0.25"}]
    silent = function | {"Arguments": {}}
    make(place, "unanswered", silent)
    assert "did not return" in steps(place, run(place, "unanswered"))["Ask"]["FailureReason"]


def test_a_request_that_aws_refuses_fails_its_step(place: Workplace) -> None:
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
    limits = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 60}
    wrong = {"EnableManagedSpotTraining": True, "StoppingCondition": limits, "ResourceConfig": cluster}
    make(place, "refused", training("Wrong", arguments=wrong))
    found = steps(place, run(place, "refused"))["Wrong"]
    assert found["StepStatus"] == "Failed" and found["FailureReason"].startswith("ClientError: Invalid MaxWaitTime")
    assert "Metadata" not in found
