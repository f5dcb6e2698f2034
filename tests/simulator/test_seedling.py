"""The two first use cases: models that are really trained and really answer, and hardware whose retirement must be found.

One account for all tests, made from the real houses and tweets beside the project; tests that let time pass come last.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from botocore.exceptions import ClientError

from sagekeeper.analyzers import retired_hardware
from sagekeeper.core.errors import BadInput
from sagekeeper.core.settings import Account, Aws, Settings
from sagekeeper.service import cli, pipeline
from sagekeeper.service.facts import load_facts
from sagekeeper.service.house import open_house
from sagekeeper.simulator import boosted_trees, word_model
from sagekeeper.simulator.boosted_trees import WrongRows
from sagekeeper.simulator.process import start
from sagekeeper.simulator.server import DEFAULT_NOW, Simulation
from sagekeeper.simulator.worlds.seedling_data import COLUMNS, FEATURES, LABEL, keep, material
from sagekeeper.simulator.worlds.seedling_pipeline import split, table

from .hosted import IMAGE
from .workplace import ROLE, Workplace

xgboost = pytest.importorskip("xgboost", reason="the extra seedling is not installed: no model can be trained")
HOUSES, SENTIMENT, WORKSHOP = "house-price-xgboost", "sentiment-inf1", "house-price-workshop"
PIPELINE, BUCKET, MONITORING = (
    "house-price-retraining",
    *(f"ml-{kind}-123456789012-us-east-1" for kind in ("artefacts", "monitoring")),
)
SEED = 7


class Seedling(Workplace):
    """The account, as boto3 sees it."""

    def __init__(self, running: Any) -> None:
        super().__init__(running)
        self.s3, self.runtime = self.client("s3"), self.client("sagemaker-runtime")

    def read(self, uri: str) -> bytes:
        """An object of the account."""
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, prefix: str, bucket: str = BUCKET) -> list[str]:
        """All keys below a prefix, sorted as S3 does."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def artefact(self, endpoint: str) -> str:
        """Where the model lies that serves now."""
        return str(self.container(endpoint)["ModelDataUrl"])

    def container(self, endpoint: str) -> dict[str, Any]:
        """Image and artefact of the model that serves now."""
        config = self.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        (variant,) = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        model = self.sagemaker.describe_model(ModelName=variant["ModelName"])
        return dict(model["PrimaryContainer"])

    def booster(self, endpoint: str) -> Any:
        """XGBoost itself reads the served model."""
        with tarfile.open(fileobj=io.BytesIO(self.read(self.artefact(endpoint))), mode="r:gz") as tar:
            file = tar.extractfile("xgboost-model")
            assert file is not None
            model = xgboost.Booster()
            model.load_model(bytearray(file.read()))
        return model

    def asked(self, endpoint: str, body: str, kind: str = "text/csv", **more: Any) -> str:
        """What the endpoint answers."""
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=kind, **more)
        return str(answer["Body"].read().decode())

    def executions(self) -> list[dict[str, Any]]:
        """The pipeline's, oldest first."""
        found = self.sagemaker.list_pipeline_executions(PipelineName=PIPELINE, SortOrder="Ascending")
        return list(found["PipelineExecutionSummaries"])

    def steps(self, execution: str) -> dict[str, dict[str, Any]]:
        """Steps by name."""
        found = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
        return {step["StepName"]: step for step in found["PipelineExecutionSteps"]}

    def job(self, step: dict[str, Any]) -> dict[str, Any]:
        """The training job of a step."""
        name = step["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))


def metrics(job: dict[str, Any]) -> dict[str, float]:
    """A job's final metrics."""
    return {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}


@pytest.fixture(scope="module")
def place(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seedling]:
    folder = tmp_path_factory.mktemp("seedling")
    with start(folder, scale="seedling", speed=0, seed=SEED, data=shared_data / "tabular") as running:
        yield Seedling(running)


@pytest.fixture(scope="module")
def houses(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The houses that were trained on in the end, and those held out."""
    folder = tmp_path_factory.mktemp("data")
    keep(shared_data / "tabular", folder)
    return split(material(folder, SEED).houses, 1.0)


def encoded(model: Any, rows: pl.DataFrame) -> Any:
    """Rows as XGBoost takes them, by what the model itself says of its columns."""
    categories = json.loads(model.attr("categories"))
    columns = [
        rows[name].replace_strict({text: code for code, text in enumerate(categories[name])}, default=None)
        if name in categories
        else rows[name]
        for name in model.feature_names
    ]
    return xgboost.DMatrix(
        np.column_stack([column.cast(pl.Float64).to_numpy() for column in columns]),
        feature_names=model.feature_names,
        feature_types=model.feature_types,
        enable_categorical=True,
    )


@pytest.mark.integration
def test_the_served_model_is_what_training_on_these_houses_gives(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    name = place.artefact(HOUSES).split("/")[-3]
    job = place.sagemaker.describe_training_job(TrainingJobName=name)
    train, validation = (
        place.read(f"{channel['DataSource']['S3DataSource']['S3Uri']}/{channel['ChannelName']}.csv")
        for channel in job["InputDataConfig"]
    )
    assert (train, validation) == (table(houses[0]), table(houses[1]))
    assert boosted_trees.trained(train, validation, job["HyperParameters"]).artefact == place.read(
        place.artefact(HOUSES)
    )


@pytest.mark.integration
def test_the_metrics_of_the_job_are_the_error_on_houses_held_out(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    model = place.booster(HOUSES)
    wrong = model.predict(encoded(model, houses[1])) - houses[1][LABEL].to_numpy()
    job = place.sagemaker.describe_training_job(TrainingJobName=place.artefact(HOUSES).split("/")[-3])
    assert metrics(job)["validation:rmse"] == pytest.approx(float(np.sqrt(np.mean(wrong**2))), abs=1e-4)
    # A model that always said the mean would be off by the standard deviation, some 115,000 dollars.
    assert metrics(job)["validation:rmse"] < 0.5 * float(houses[1][LABEL].std() or 0)


@pytest.mark.integration
def test_the_endpoint_answers_what_the_model_predicts(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    rows = houses[1].head(20)
    body = rows.select(FEATURES).write_csv(include_header=False)
    model = place.booster(HOUSES)
    expected = model.predict(encoded(model, rows)).tolist()
    assert [float(line) for line in place.asked(HOUSES, body).splitlines()] == pytest.approx(expected, abs=1e-5)
    told = json.loads(place.asked(HOUSES, body, Accept="application/json"))
    assert [item["score"] for item in told["predictions"]] == pytest.approx(expected, abs=1e-5)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.0,2.0", "Feature shape mismatch, expected: 9, got 2"),
        ("-122.2,37.9,41,many,129,322,126,8.3,NEAR BAY", "could not convert string to float: 'many'"),
    ],
)
def test_a_row_that_the_model_cannot_take_is_the_clients_error(place: Seedling, row: str, said: str) -> None:
    with pytest.raises(ClientError) as refused:
        place.asked(HOUSES, row)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["OriginalStatusCode"]) == ("ModelError", 400)
    assert said in answer["OriginalMessage"]


@pytest.mark.integration
def test_captures_hold_real_houses_and_what_the_model_said_of_them(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    newest = max(place.keys(f"capture/{HOUSES}/AllTraffic/2026/11/20/", MONITORING))
    lines = [json.loads(line) for line in place.read(f"s3://{MONITORING}/{newest}").splitlines()]
    inputs = [line["captureData"]["endpointInput"]["data"] for line in lines]
    known = set(houses[1].select(FEATURES).write_csv(include_header=False).splitlines())
    assert len(inputs) == 90 and set(inputs) <= known
    said = [float(line["captureData"]["endpointOutput"]["data"]) for line in lines]
    asked = [float(line) for line in place.asked(HOUSES, "\n".join(inputs)).splitlines()]
    assert said == pytest.approx(asked, abs=1e-4)


@pytest.mark.integration
def test_the_monitors_baseline_is_of_the_training_data_and_nothing_breaks_it(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    base = f"s3://{MONITORING}/baseline/{HOUSES}/data-quality"
    found = {item["name"]: item for item in json.loads(place.read(f"{base}/statistics.json"))["features"]}
    assert list(found) == list(FEATURES)
    for name in FEATURES[:-1]:
        assert found[name]["numerical_statistics"]["mean"] == pytest.approx(float(houses[0][name].mean()))  # type: ignore[arg-type]
    allowed = {item["name"]: item for item in json.loads(place.read(f"{base}/constraints.json"))["features"]}
    assert allowed["ocean_proximity"]["string_constraints"]["domains"] == sorted(houses[0]["ocean_proximity"].unique())
    assert not allowed["longitude"]["num_constraints"]["is_non_negative"]
    for kind in ("data", "model"):
        runs = place.sagemaker.list_monitoring_executions(MonitoringScheduleName=f"{HOUSES}-{kind}-quality")
        assert {run["MonitoringExecutionStatus"] for run in runs["MonitoringExecutionSummaries"]} == {"Completed"}


@pytest.mark.integration
def test_a_run_was_registered_exactly_where_its_model_was_good_enough(place: Seedling) -> None:
    runs = place.executions()
    limit = 0.55
    errors, registered = [], []
    for run in runs:
        steps = place.steps(run["PipelineExecutionArn"])
        key = run["PipelineExecutionArn"].rsplit("/", 1)[1]
        report = json.loads(place.read(f"s3://{BUCKET}/runs/{key}/evaluation/evaluation.json"))
        error = report["regression_metrics"]["rmse"]["value"]
        assert metrics(place.job(steps["Train"]))["validation:rmse"] == pytest.approx(error, abs=1e-4)
        errors.append(error)
        registered.append("Register" in steps)
        assert ("TooFarOff" in steps) is not registered[-1]
    assert registered == [error <= limit for error in errors] == [False, *[True] * 6]
    packages = place.sagemaker.list_model_packages(ModelPackageGroupName="house-price", SortOrder="Ascending")
    status = [item["ModelApprovalStatus"] for item in packages["ModelPackageSummaryList"]]
    assert status == [*["Approved"] * 5, "PendingManualApproval"]


@pytest.mark.integration
def test_sentiment_was_trained_on_p3_compiled_for_inf1_and_really_answers(place: Seedling) -> None:
    jobs = place.sagemaker.list_compilation_jobs(SortBy="CreationTime", SortOrder="Ascending")
    failed, compiled = (
        place.sagemaker.describe_compilation_job(CompilationJobName=item["CompilationJobName"])
        for item in jobs["CompilationJobSummaries"]
    )
    assert (failed["CompilationJobStatus"], compiled["CompilationJobStatus"]) == ("FAILED", "COMPLETED")
    served = place.container(SENTIMENT)
    assert (served["ModelDataUrl"], served["Image"]) == (
        compiled["ModelArtifacts"]["S3ModelArtifacts"],
        compiled["InferenceImage"],
    )
    name = compiled["InputConfig"]["S3Uri"].split("/")[-3]
    job = place.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["ResourceConfig"]["InstanceType"] == "ml.p3.2xlarge"
    told = {"inputs": ["I love it, what a lovely day!", "this is the worst, so sad and angry"]}
    said = json.loads(place.asked(SENTIMENT, json.dumps(told), "application/json"))
    assert [item["label"] for item in said] == ["POSITIVE", "NEGATIVE"]
    lines = place.read(f"s3://{BUCKET}/sentiment/test/test.jsonl").splitlines()[:400]
    rows = [json.loads(line) for line in lines]
    said = json.loads(place.asked(SENTIMENT, json.dumps({"inputs": [row["text"] for row in rows]}), "application/json"))
    right = np.mean([(item["label"] == "POSITIVE") == bool(row["label"]) for item, row in zip(said, rows, strict=True)])
    # Always POSITIVE would be right in 69 of a hundred tweets.
    assert right > 0.75 and right == pytest.approx(metrics(job)["eval:accuracy"], abs=0.06)


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `sagekeeper quality` gives."""
    capsys.readouterr()
    assert cli.run(["quality", *arguments, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.integration
def test_when_only_houses_by_the_water_are_asked_for_quality_falls_and_the_estimate_tracks_it(
    place: Seedling, houses: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prices there are harder to tell. The reference and the later houses are different ones; nobody trained on either."""
    rows = houses[1]
    body = rows.select(FEATURES).write_csv(include_header=False, null_value="")
    told = [float(line) for line in place.asked(HOUSES, body).split()]
    answered = rows.rename({LABEL: "label"}).with_columns(prediction=pl.Series(told))
    water = answered.slice(2000).filter(pl.col("ocean_proximity").is_in(["NEAR BAY", "NEAR OCEAN"]))
    assert water.height > 300
    known, later, real = (tmp_path / f"{name}.csv" for name in ("known", "later", "real"))
    answered.head(2000).write_csv(known)
    water.drop("label").write_csv(later)
    water.write_csv(real)

    def error(path: Path) -> float:
        return next(
            row["value"] for row in judged(capsys, "--predictions", str(path))["rows"] if row["metric"] == "mae"
        )

    before, after = error(known), error(real)
    assert after > 1.15 * before
    found = judged(capsys, "--estimate", "--reference", str(known), "--predictions", str(later))
    expected = {row["metric"]: row for row in found["expected"]}["mae"]
    assert expected["low"] <= after <= expected["high"]
    assert expected["low"] > before


@pytest.mark.integration
def test_from_tweets_to_film_reviews_sentiment_falls_the_estimate_warns_and_labels_say_how_far_it_fell(
    place: Seedling, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answered(texts: list[str], labels: list[int], name: str) -> Path:
        said = json.loads(place.asked(SENTIMENT, json.dumps({"inputs": texts}), "application/json"))
        yes = [item["score"] if item["label"] == "POSITIVE" else 1 - item["score"] for item in said]
        path = tmp_path / f"{name}.csv"
        pl.DataFrame({"score": yes, "label": labels}).write_csv(path)
        return path

    tweets = [json.loads(line) for line in place.read(f"s3://{BUCKET}/sentiment/test/test.jsonl").splitlines()]
    known = answered([row["text"] for row in tweets], [int(row["label"]) for row in tweets], "tweets")
    archive = shared_data / "tabular" / "vader_sentiment" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(archive) as tar:
        file = tar.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        assert file is not None
        films = [line.split("\t", 2) for line in file.read().decode("utf-8", "replace").splitlines()][::6]
    later = answered([row[2].strip() for row in films], [int(float(row[1]) > 0) for row in films], "films")

    def accuracy(path: Path) -> float:
        rows = judged(capsys, "--predictions", str(path))["rows"]
        return float(next(row["value"] for row in rows if row["metric"] == "accuracy"))

    before, after = accuracy(known), accuracy(later)
    assert before > 0.75 and after < 0.65
    found = judged(capsys, "--estimate", "--reference", str(known), "--predictions", str(later))
    expected = {row["metric"]: row for row in found["expected"]}["accuracy"]
    # It sees the model hesitate, and not that words mean something else in reviews: labels do.
    assert after < expected["value"] < before - 0.03
    assert {row["metric"]: row["trusted"] for row in found["verdict"]}["accuracy"] is False


@pytest.mark.integration
def test_all_that_the_world_holds_has_the_shape_of_aws(place: Seedling) -> None:
    known: dict[str, list[str]] = {}
    for listing, key, name in (
        ("ListEndpoints", "Endpoints", "EndpointName"),
        ("ListEndpointConfigs", "EndpointConfigs", "EndpointConfigName"),
        ("ListModels", "Models", "ModelName"),
        ("ListTrainingJobs", "TrainingJobSummaries", "TrainingJobName"),
        ("ListProcessingJobs", "ProcessingJobSummaries", "ProcessingJobName"),
        ("ListCompilationJobs", "CompilationJobSummaries", "CompilationJobName"),
        ("ListMonitoringSchedules", "MonitoringScheduleSummaries", "MonitoringScheduleName"),
        ("ListPipelines", "PipelineSummaries", "PipelineName"),
        ("ListModelPackageGroups", "ModelPackageGroupSummaryList", "ModelPackageGroupName"),
    ):
        found = place.ask(listing, MaxResults=100)[key]
        noun = listing.removeprefix("List").removesuffix("s")
        known[noun] = [item[name] for item in found]
        for item in found[:20]:
            place.ask(f"Describe{noun}", **{name: item[name]})
    assert {noun: len(names) for noun, names in known.items() if noun not in ("ProcessingJob", "Model")} == {
        "Endpoint": 5,
        "EndpointConfig": 9,
        "TrainingJob": 15,
        "CompilationJob": 2,
        "MonitoringSchedule": 2,
        "Pipeline": 1,
        "ModelPackageGroup": 1,
    }
    for kind in ("Data", "Model"):
        definition = f"{HOUSES}-{kind.lower()}-quality-definition"
        place.ask(f"Describe{kind}QualityJobDefinition", JobDefinitionName=definition)
    for run in place.executions():
        place.ask("DescribePipelineExecution", PipelineExecutionArn=run["PipelineExecutionArn"])
        place.ask("ListPipelineExecutionSteps", PipelineExecutionArn=run["PipelineExecutionArn"])
    group = place.ask("ListModelPackages", ModelPackageGroupName="house-price")
    for package in group["ModelPackageSummaryList"]:
        place.ask("DescribeModelPackage", ModelPackageName=package["ModelPackageArn"])


@pytest.mark.integration
def test_the_product_finds_exactly_the_hardware_that_is_retired(place: Seedling, tmp_path: Path) -> None:
    reader = "arn:aws:iam::123456789012:role/SagekeeperReader"
    settings = Settings(
        data_dir=tmp_path,
        clock_url=f"{place.running.url}/sagekeeper/clock",
        aws=Aws(
            endpoint_url=place.running.url,
            regions=["us-east-1"],
            accounts=[Account(id="123456789012", name="seedling", reader_role_arn=reader)],
        ),
    )
    with pytest.MonkeyPatch.context() as patch, open_house(settings) as house:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        as_of = house.clock()
        outcomes = pipeline.collect(house, as_of, only=["sagemaker_inventory", "sagemaker_jobs"])
        assert {item.status for item in outcomes} == {"ok"}
        facts = load_facts(house.lake, settings, as_of)
        found = {item.subject.name: item for item in retired_hardware.find(facts, retired_hardware.Settings())}
    truths = {item["subject"] for item in place.running.truth() if item["kind"] == "retired_hardware"}
    assert set(found) == truths == {SENTIMENT, "sentiment-train"}
    machines = set(facts.jobs["instance_type"])
    assert "ml.p3dn.24xlarge" in machines, "the benchmark on what AWS kept is there to be mistaken"


@pytest.mark.integration
def test_training_again_trains_and_its_model_is_there_when_the_job_has_ended(place: Seedling) -> None:
    key = place.executions()[-1]["PipelineExecutionArn"].rsplit("/", 1)[1]
    channels = [
        {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}
        for name, uri in ((name, f"s3://{BUCKET}/runs/{key}/{name}/{name}.csv") for name in ("train", "validation"))
    ]
    asked = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/mine"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    sagemaker = place.sagemaker
    quick = {"num_round": "5", "sagekeeper_run_seconds": "60"}
    sagemaker.create_training_job(TrainingJobName="mine", HyperParameters=quick, InputDataConfig=channels, **asked)
    text = [
        channels[0] | {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/sentiment"}}}
    ]
    sagemaker.create_training_job(TrainingJobName="wrong", HyperParameters=quick, InputDataConfig=text, **asked)
    assert place.keys("mine/") == []
    place.running.advance(hours=1)
    assert place.keys("mine/") == ["mine/mine/output/model.tar.gz"]
    train, validation = (place.read(f"s3://{BUCKET}/runs/{key}/{name}/{name}.csv") for name in ("train", "validation"))
    expected = boosted_trees.trained(train, validation, quick)
    assert metrics(sagemaker.describe_training_job(TrainingJobName="mine")) == expected.metrics
    wrong = sagemaker.describe_training_job(TrainingJobName="wrong")
    assert wrong["TrainingJobStatus"] == "Failed" and wrong["FailureReason"].startswith("AlgorithmError: ")


@pytest.mark.integration
def test_the_pipeline_runs_again_with_programs_that_really_run(place: Seedling) -> None:
    parameters = [{"Name": "Share", "Value": "0.2"}, {"Name": "Rounds", "Value": "20"}]
    started = place.sagemaker.start_pipeline_execution(PipelineName=PIPELINE, PipelineParameters=parameters)
    arn = started["PipelineExecutionArn"]
    place.running.advance(hours=6)
    steps = place.steps(arn)
    key = arn.rsplit("/", 1)[1]
    report = json.loads(place.read(f"s3://{BUCKET}/runs/{key}/evaluation/evaluation.json"))
    error = report["regression_metrics"]["rmse"]["value"]
    assert metrics(place.job(steps["Train"]))["validation:rmse"] == pytest.approx(error, abs=1e-4)
    assert ("Register" in steps) is (error <= 0.55)


@pytest.mark.integration
def test_a_bill_that_is_delivered_is_what_cost_explorer_says(place: Seedling) -> None:
    # The costs of the two use cases, by day and service, to the cent.
    ce, place_of = place.client("ce"), {"S3Bucket": BUCKET, "S3Prefix": "bills", "S3Region": "us-east-1"}
    output = {
        "OutputType": "CUSTOM",
        "Format": "PARQUET",
        "Compression": "PARQUET",
        "Overwrite": "OVERWRITE_REPORT",
    }
    columns = "ChargePeriodStart, ServiceName, BilledCost, ResourceId"
    place.client("bcm-data-exports").create_export(
        Export={
            "Name": "focus",
            "DataQuery": {
                "QueryStatement": f"SELECT {columns} FROM FOCUS_1_2_AWS",
                "TableConfigurations": {"FOCUS_1_2_AWS": {"TIME_GRANULARITY": "DAILY"}},
            },
            "DestinationConfigurations": {"S3Destination": place_of | {"S3OutputConfigurations": output}},
            "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
        }
    )
    place.running.advance(hours=26)
    files = [key for key in place.keys("bills/focus/data/BILLING_PERIOD=2026-11/") if key.endswith(".parquet")]
    rows = pl.read_parquet(io.BytesIO(place.read(f"s3://{BUCKET}/{files[-1]}")))
    closed = rows.filter(pl.col("ChargePeriodStart").cast(pl.String).str.slice(0, 10) <= "2026-11-15")
    answer = ce.get_cost_and_usage(
        TimePeriod={"Start": "2026-11-01", "End": "2026-11-16"},
        Granularity="MONTHLY",
        Metrics=["NetUnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
    )
    said = {
        group["Keys"][0]: float(group["Metrics"]["NetUnblendedCost"]["Amount"])
        for group in answer["ResultsByTime"][0]["Groups"]
    }
    sums = dict(closed.group_by("ServiceName").agg(pl.col("BilledCost").sum()).iter_rows())
    assert {name: round(amount, 2) for name, amount in sums.items()} == {
        name: round(amount, 2) for name, amount in said.items()
    }
    hosted = closed.filter(pl.col("ResourceId").str.ends_with(f"endpoint/{SENTIMENT}"))
    # Two instances at 0.297 USD for 15 days of 24 hours, and their disks.
    assert float(hosted["BilledCost"].sum()) == pytest.approx(2 * 0.297 * 24 * 15, rel=0.05)


@pytest.mark.integration
def test_houses_that_change_break_the_baseline(place: Seedling) -> None:
    place.running.incident("unit_drift", HOUSES)
    place.running.advance(days=2)
    name = f"{HOUSES}-data-quality"
    newest = place.sagemaker.list_monitoring_executions(MonitoringScheduleName=name, MaxResults=1)
    (run,) = newest["MonitoringExecutionSummaries"]
    assert run["MonitoringExecutionStatus"] == "CompletedWithViolations"


def test_without_data_the_same_columns_are_made_by_seed() -> None:
    made = material(None, SEED)
    assert (made.real_houses, made.real_sentences) == (False, False)
    assert made.houses.columns == list(COLUMNS) and made.sentences.columns == ["text", "positive"]
    assert made.houses.equals(material(None, SEED).houses) and not made.houses.equals(material(None, 8).houses)
    known, held_out = split(made.houses, 1.0)
    error = boosted_trees.trained(table(known), table(held_out), {"num_round": "30"}).metrics["validation:rmse"]
    assert error < 0.75 * float(held_out[LABEL].std() or 0), "there is something to learn in them"


def test_a_folder_without_houses_and_sentences_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"neither housing\.csv nor"):
        keep(tmp_path, tmp_path / "account")


def test_only_seedling_takes_data_and_an_account_keeps_what_it_was_made_with(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Only the world seedling takes data"):
        Simulation(tmp_path / "a", DEFAULT_NOW, SEED, "small", 1.0, tmp_path)
    Simulation(tmp_path / "b", DEFAULT_NOW, SEED, "seedling", 1.0)
    with pytest.raises(BadInput, match="made without data"):
        Simulation(tmp_path / "b", DEFAULT_NOW, SEED, "seedling", 1.0, tmp_path)


def test_a_column_of_text_is_a_category_and_missing_numbers_are_missing() -> None:
    rows = b"price,size,place\n" + b"".join(b"%d,%d,sea\n%d,,land\n" % (20 + n, n, 5) for n in range(50))
    model = boosted_trees.loaded(boosted_trees.trained(rows, None, {"num_round": "30"}).artefact)
    assert model is not None and (model.features, model.categories) == (("size", "place"), {"place": ["land", "sea"]})
    sea, land = model.answers(["40,sea", ",land"])
    assert sea == pytest.approx(60, abs=3) and land == pytest.approx(5, abs=1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"a,b\nx,1\ny,2\n", "could not convert label"),
        (b"just text\nmore text\n", "Could not determine delimiter"),
        (b"1,2\n3,4\n", "Hyperparameter"),
    ],
)
def test_what_cannot_be_trained_on_says_why(rows: bytes, said: str) -> None:
    with pytest.raises(WrongRows, match=said):
        boosted_trees.trained(rows, None, {"max_depth": "deep"})


def test_a_model_of_words_learns_which_word_decides() -> None:
    told = [("what a good day", True), ("a good film", True), ("what a bad day", False), ("a bad film", False)] * 5
    model = word_model.loaded(word_model.trained(told, told).artefact)
    assert model is not None
    assert [label for label, _ in model.answers(["good work", "bad work"])] == ["POSITIVE", "NEGATIVE"]
