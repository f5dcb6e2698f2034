"""From an account to what each model on its shared endpoints costs: components, a multi-model endpoint, their owner by a role."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import polars as pl
import pytest

from sagekeeper.analyzers.attribution import attribute
from sagekeeper.analyzers.model_costs import REQUESTS, machines, model_costs
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.collector.history import inventory_states
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import COSTS, JOBS, MODEL_REQUESTS
from sagekeeper.simulator.client import Simulator

from .conftest import PAYER, Collector, open_collector, roles

pytestmark = pytest.mark.integration
ROLE = f"arn:aws:iam::{PAYER}:role/Shared"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SOURCES = ["cost_explorer", "sagemaker_inventory", "model_requests"]


@pytest.fixture(scope="module")
def collected(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Two shared endpoints for three days, then one look at everything."""

    def client(service: str) -> Any:
        return boto3.client(service, region_name="us-east-1", endpoint_url=simulator.url)  # type: ignore[call-overload]

    build(client, simulator)
    house = open_collector(simulator.url, tmp_path_factory.mktemp("house"), roles()[:1])
    house.settings.collect.cost_months = 1
    outcomes = house.collect(house.clock(), only=SOURCES)
    assert [item for item in outcomes if item.status != "ok"] == []
    yield house
    house.ledger.close()


def build(client: Any, running: Simulator) -> None:
    sagemaker, s3, runtime = client("sagemaker"), client("s3"), client("sagemaker-runtime")
    client("iam").create_role(
        RoleName="Shared", AssumeRolePolicyDocument="{}", Tags=[{"Key": "owner", "Value": "platform"}]
    )
    s3.create_bucket(Bucket="models")
    for name in ("a", "b"):
        s3.put_object(Bucket="models", Key=f"many/{name}.tar.gz", Body=b"x")
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/one.tar.gz"}
    sagemaker.create_model(ModelName="one", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://models/many/"}
    sagemaker.create_model(ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "main", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="many", ProductionVariants=[variant | {"ModelName": "many"}], DataCaptureConfig=capture
    )
    managed = variant | {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 1}}
    sagemaker.create_endpoint_config(EndpointConfigName="host", ExecutionRoleArn=ROLE, ProductionVariants=[managed])
    for name in ("many", "host"):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    running.advance(seconds=25)
    for name, cores in (("small", 1), ("large", 2)):
        needs = {"NumberOfCpuCoresRequired": cores, "MinMemoryRequiredInMb": 256}
        sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="host",
            VariantName="main",
            Specification={"ModelName": "one", "ComputeResourceRequirements": needs},
            RuntimeConfig={"CopyCount": 1},
        )
    running.advance(days=1)
    for model, attributes in (
        ("a", "TargetModel=a.tar.gz"),
        ("a", "TargetModel=a.tar.gz"),
        ("b", "TargetModel=b.tar.gz"),
        ("b", ""),
    ):
        told = {"CustomAttributes": attributes} if attributes else {}
        runtime.invoke_endpoint(
            EndpointName="many", Body=b"1", ContentType="text/csv", TargetModel=f"{model}.tar.gz", **told
        )
    running.advance(days=2)


@pytest.fixture(scope="module")
def daily(collected: Collector) -> pl.DataFrame:
    bill = collected.lake.scan(COSTS).filter(pl.col("ResourceId").str.contains("endpoint/(many|host)$")).collect()
    states = inventory_states(collected.lake, collected.clock().date())
    return attribute(bill, states, collected.lake.scan(JOBS).collect(), OwnerRules())


def test_the_tags_of_the_role_that_a_model_runs_as_name_the_owner_of_its_endpoint(daily: pl.DataFrame) -> None:
    many = daily.filter(pl.col("resource_name") == "many")
    assert set(many.select("owner", "owner_basis").rows()) == {("platform", "execution role tag owner")}


def test_what_models_cost_and_what_is_unallocated_is_the_endpoints_bill(
    collected: Collector, daily: pl.DataFrame
) -> None:
    states = inventory_states(collected.lake, collected.clock().date())
    asked = (
        collected.lake.scan(MODEL_REQUESTS).select(*REQUESTS).collect().with_columns(pl.col("model").replace("", None))
    )
    assert dict(asked.select("model", "requests").rows()) == {"a.tar.gz": 2, "b.tar.gz": 1, None: 1}
    (day,) = asked["day"].unique()
    one_day = daily.filter(pl.col("day") == day)
    found = model_costs(one_day, states, machines(PriceBook.bundled()), asked)
    shares = {(row["endpoint"], row["component"], row["model"]): row["share"] for row in found.iter_rows(named=True)}
    assert shares == {
        ("many", None, "a.tar.gz"): 0.5,
        ("many", None, "b.tar.gz"): 0.25,
        ("many", None, None): 0.25,
        # One and two of four cores; the last is nobody's.
        ("host", "small", "one"): pytest.approx(0.25),
        ("host", "large", "one"): pytest.approx(0.5),
        ("host", None, None): pytest.approx(0.25),
    }
    assert float(found["billed_cost"].sum()) == pytest.approx(float(one_day["billed_cost"].sum()), abs=1e-9)


def test_a_second_look_counts_no_request_twice(collected: Collector) -> None:
    before = collected.lake.version(MODEL_REQUESTS)
    now: datetime = collected.clock()
    assert [item.status for item in collected.collect(now, only=["model_requests"])] == ["ok"] * 2
    assert collected.lake.version(MODEL_REQUESTS) == before
