"""Steps that are jobs other than training: processing with property files, transforms, tuning and checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .flows import IMAGE, condition, fail, job_of, make, run, states, status, steps, training
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
HOUR = PriceBook.bundled().hourly("ml.m5.xlarge", "Processing", "us-east-1").usd
REPORT = {"PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("steps"), scale="small") as running:
        place = Workplace(running)
        place.client("s3").create_bucket(Bucket="flows")
        yield place


def processing(name: str, files: dict[str, Any] | None = None, kind: str = "Processing", **more: Any) -> dict[str, Any]:
    """A processing step of ten minutes that leaves these documents."""
    output = {"S3Uri": f"s3://flows/{name}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": IMAGE},
        "RoleArn": ROLE,
        "Environment": {"sagekeeper_run_seconds": "600", "sagekeeper_files": json.dumps(files or {})},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": output}]},
    }
    return {"Name": name, "Type": kind, "Arguments": arguments} | more


def test_a_condition_looks_into_the_file_that_a_processing_step_left(place: Workplace) -> None:
    files = {"evaluation/evaluation.json": {"regression_metrics": {"mse": {"value": 4.5}}}}
    error = {
        "Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"},
            "Path": "regression_metrics.mse.value",
        }
    }
    below = {"Type": "LessThanOrEqualTo", "LeftValue": error, "RightValue": {"Get": "Parameters.Most"}}
    where = {"Get": "Steps.Evaluate.ProcessingOutputConfig.Outputs['evaluation'].S3Output.S3Uri"}
    good = training("Good", 60, arguments={"CheckpointConfig": {"S3Uri": where}})
    make(
        place,
        "evaluated",
        processing("Evaluate", files, **REPORT),
        condition("Check", [below], [good], [fail("Bad")]),
        parameters=[{"Name": "Most", "Type": "Float", "DefaultValue": 6.0}],
    )
    day = place.running.now().date()
    arn = run(place, "evaluated")
    found = steps(place, arn)
    assert set(found) == {"Evaluate", "Check", "Good"}
    assert job_of(place, found["Good"])["CheckpointConfig"]["S3Uri"] == "s3://flows/Evaluate"
    assert set(states(place, run(place, "evaluated", {"Most": "4.0"}))) == {"Evaluate", "Check", "Bad"}
    place.running.advance(days=4)
    bill = place.bill(found["Evaluate"]["Metadata"]["ProcessingJob"]["Arn"], day=day)
    assert cents(bill["USE1-Processing:ml.m5.xlarge"]) == cents(600 / 3600 * HOUR)


def test_a_property_file_that_nobody_wrote_fails_the_step_that_asks(place: Workplace) -> None:
    error = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Silent.PropertyFiles.Report"}, "Path": "mse"}}
    check = condition("Check", [{"Type": "LessThan", "LeftValue": error, "RightValue": 1}], [training("Good")], [])
    make(place, "silent", processing("Silent", **REPORT), check)
    arn = run(place, "silent")
    assert (status(place, arn), states(place, arn)) == ("Failed", {"Silent": "Succeeded", "Check": "Failed"})
    assert "Failed to download the property file" in steps(place, arn)["Check"]["FailureReason"]


def test_a_tuning_step_gives_its_best_job_to_the_next(place: Workplace) -> None:
    job = training("x", 120)["Arguments"]
    definition = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "rmse", "Regex": "rmse=(.*)"}],
        },
        "StaticHyperParameters": job["HyperParameters"],
    } | {key: job[key] for key in ("OutputDataConfig", "ResourceConfig", "StoppingCondition", "RoleArn")}
    tune = {
        "Name": "Tune",
        "Type": "Tuning",
        "Arguments": {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "rmse"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
                "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0", "MaxValue": "1"}]},
            },
            "TrainingJobDefinition": definition,
        },
    }
    best = {"Std:Join": {"On": "/", "Values": ["s3://flows", {"Get": "Steps.Tune.BestTrainingJob.TrainingJobName"}]}}
    make(place, "tuned", tune, training("Last", 60, arguments={"CheckpointConfig": {"S3Uri": best}}))
    arn = run(place, "tuned", hours=6)
    found = steps(place, arn)
    assert status(place, arn) == "Succeeded"
    name = found["Tune"]["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]
    tuning = place.ask("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
    wanted = tuning["BestTrainingJob"]["TrainingJobName"]
    assert job_of(place, found["Last"])["CheckpointConfig"]["S3Uri"] == f"s3://flows/{wanted}"
    assert found["Tune"]["EndTime"] == tuning["HyperParameterTuningEndTime"]
    record = place.ask("Search", Resource="HyperParameterTuningJob")["Results"][0]["HyperParameterTuningJob"]
    assert record["HyperParameterTuningJobName"] == name


def test_a_transform_step_uses_the_model_that_a_step_made(place: Workplace) -> None:
    model = {
        "Name": "Model",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://flows/model.tar.gz"},
        },
    }
    transform = {
        "Name": "Score",
        "Type": "Transform",
        "Arguments": {
            "ModelName": {"Get": "Steps.Model.ModelName"},
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://flows/in"}}},
            "TransformOutput": {"S3OutputPath": "s3://flows/out"},
            "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        },
    }
    make(place, "scored", transform, model)
    arn = run(place, "scored")
    found = steps(place, arn)
    assert states(place, arn) == {"Model": "Succeeded", "Score": "Succeeded"}
    name = found["Score"]["Metadata"]["TransformJob"]["Arn"].rpartition("/")[2]
    job = place.ask("DescribeTransformJob", TransformJobName=name)
    assert found["Model"]["Metadata"]["Model"]["Arn"].endswith(job["ModelName"])


def test_a_quality_check_tells_where_its_baseline_lies(place: Workplace) -> None:
    check = processing(
        "Quality",
        kind="QualityCheck",
        CheckType="DATA_QUALITY",
        SkipCheck=False,
        RegisterNewBaseline=True,
        ModelPackageGroupName="houses",
    )
    where = {"Get": "Steps.Quality.CalculatedBaselineConstraints"}
    make(place, "checked", check, training("Last", 60, arguments={"CheckpointConfig": {"S3Uri": where}}))
    arn = run(place, "checked")
    found = steps(place, arn)
    about = found["Quality"]["Metadata"]["QualityCheck"]
    assert about["CalculatedBaselineStatistics"] == "s3://flows/Quality/statistics.json"
    assert about["CheckJobArn"].rpartition("/")[2].startswith("pipelines-")
    assert job_of(place, found["Last"])["CheckpointConfig"]["S3Uri"] == "s3://flows/Quality/constraints.json"
