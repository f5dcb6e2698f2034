"""SageMaker's neighbours in the simulated account: moto's own inventory, metered from creation to deletion."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest

from sagekeeper.simulator import neighbour_kinds
from sagekeeper.simulator import neighbour_prices as usd
from sagekeeper.simulator.process import start

from .workplace import Workplace, cents

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("neighbours")


@pytest.fixture(scope="module")
def place(state: Path) -> Iterator[Workplace]:
    with start(state) as running:
        yield Workplace(running)


def test_shards_are_billed_by_the_hour_until_the_stream_is_deleted(place: Workplace) -> None:
    kinesis = place.client("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=4)
    place.running.advance(hours=30)
    kinesis.update_shard_count(StreamName="clicks", TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    place.running.advance(hours=10)
    kinesis.put_record(StreamName="clicks", Data=b"x" * 60_000, PartitionKey="a")
    kinesis.delete_stream(StreamName="clicks")
    place.running.advance(days=4)
    bill = place.bill("stream/clicks", neighbour_kinds.KINESIS)
    assert cents(bill["Storage-ShardHour"]) == cents((30 * 4 + 10 * 2) * usd.USD_A_SHARD_HOUR)
    assert float(bill["PutRequestPayloadUnits"]) == pytest.approx(3 * usd.USD_A_PUT_UNIT, abs=1e-9)


def test_provisioned_capacity_of_a_table_is_billed_and_writes_on_demand_are(place: Workplace) -> None:
    dynamodb = place.client("dynamodb")
    key = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    units = {"ReadCapacityUnits": 500, "WriteCapacityUnits": 200}
    dynamodb.create_table(TableName="fixed", ProvisionedThroughput=units, **key)
    dynamodb.create_table(TableName="free", BillingMode="PAY_PER_REQUEST", **key)
    for number in range(3):
        dynamodb.put_item(TableName="free", Item={"id": {"S": str(number)}, "note": {"S": "n" * 1500}})
    place.running.advance(hours=20)
    dynamodb.delete_table(TableName="fixed")
    place.running.advance(days=4)
    bill = place.bill("table/fixed", neighbour_kinds.DYNAMODB)
    assert cents(bill["WriteCapacityUnit-Hrs"]) == cents(20 * 200 * usd.USD_A_WRITE_UNIT_HOUR)
    assert cents(bill["ReadCapacityUnit-Hrs"]) == cents(20 * 500 * usd.USD_A_READ_UNIT_HOUR)
    free = place.bill("table/free", neighbour_kinds.DYNAMODB)
    assert float(free["WriteRequestUnits"]) == pytest.approx(6 * usd.USD_A_WRITE, abs=1e-9)
    assert set(place.client("dynamodb").list_tables()["TableNames"]) == {"free"}


def test_an_instance_costs_nothing_while_it_is_stopped(place: Workplace) -> None:
    ec2 = place.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, InstanceType="m5.xlarge", MinCount=1, MaxCount=1)["Instances"][0][
        "InstanceId"
    ]
    place.running.advance(hours=8)
    ec2.stop_instances(InstanceIds=[made])
    place.running.advance(hours=16)
    ec2.start_instances(InstanceIds=[made])
    place.running.advance(hours=2)
    ec2.terminate_instances(InstanceIds=[made])
    place.running.advance(days=4)
    bill = place.bill(made, neighbour_kinds.EC2)
    assert {usage: cents(cost) for usage, cost in bill.items()} == {
        "BoxUsage:m5.xlarge": cents(10 * usd.ec2_prices()["m5.xlarge"])
    }


def test_fargate_is_billed_by_processor_and_memory_of_the_tasks_wanted(place: Workplace) -> None:
    ecs = place.client("ecs")
    ecs.create_cluster(clusterName="apps")
    ecs.register_task_definition(
        family="web",
        cpu="2048",
        memory="8192",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        containerDefinitions=[{"name": "web", "image": "web:1"}],
    )
    which = {"cluster": "apps", "service": "web"}
    ecs.create_service(cluster="apps", serviceName="web", taskDefinition="web", desiredCount=3, launchType="FARGATE")
    place.running.advance(hours=10)
    ecs.update_service(**which, desiredCount=0)
    place.running.advance(days=4)
    bill = place.bill("service/apps/web", neighbour_kinds.ECS)
    assert cents(bill["Fargate-vCPU-Hours:perCPU"]) == cents(10 * 3 * 2 * usd.USD_A_VCPU_HOUR)
    assert cents(bill["Fargate-GB-Hours"]) == cents(10 * 3 * 8 * usd.USD_A_GIGABYTE_HOUR)
    assert ecs.describe_services(cluster="apps", services=["web"])["services"][0]["desiredCount"] == 0


def test_a_glue_run_costs_its_workers_for_the_time_it_took(place: Workplace) -> None:
    glue = place.client("glue")
    glue.create_job(Name="etl", Role="role", Command={"Name": "glueetl"}, WorkerType="G.2X", NumberOfWorkers=10)
    run = glue.start_job_run(JobName="etl", WorkerType="G.2X", NumberOfWorkers=10)["JobRunId"]
    told = glue.get_job_run(JobName="etl", RunId=run)["JobRun"]
    place.running.advance(days=4)
    bill = place.bill(run, neighbour_kinds.GLUE)["ETL-DPU-Hour"]
    units = told.get("MaxCapacity") or 20
    assert cents(bill) == cents(units * told["ExecutionTime"] / 3600 * usd.USD_A_DPU_HOUR)
    assert [job["Name"] for job in glue.get_jobs()["Jobs"]] == ["etl"]


def test_log_events_are_billed_as_they_are_ingested(place: Workplace) -> None:
    logs, group = place.client("logs"), {"logGroupName": "/app/web"}
    logs.create_log_group(**group)
    logs.create_log_stream(**group, logStreamName="one")
    at = int(place.running.now().timestamp() * 1000)
    for _ in range(4):
        events = [{"timestamp": at, "message": "m" * 250_000}]
        logs.put_log_events(**group, logStreamName="one", logEvents=events)
    size = sum(row["storedBytes"] for row in logs.describe_log_groups(logGroupNamePrefix="/app/web")["logGroups"])
    assert size >= 1_000_000
    place.running.advance(days=4)
    bill = place.bill("log-group:/app/web", "AmazonCloudWatch")
    ingested = size / neighbour_kinds.GIGABYTE * usd.USD_A_LOG_GIGABYTE
    assert float(bill["DataProcessing-Bytes"]) == pytest.approx(ingested, rel=1e-6)


def test_the_inventory_of_neighbours_without_a_rate_is_listed_all_the_same(place: Workplace) -> None:
    role = "arn:aws:iam::123456789012:role/Anything"
    place.client("iam").create_role(RoleName="Anything", AssumeRolePolicyDocument="{}")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(*_): return 1")
    functions = place.client("lambda")
    code = {"ZipFile": packed.getvalue()}
    functions.create_function(FunctionName="hook", Runtime="python3.12", Role=role, Handler="app.handler", Code=code)
    assert [row["FunctionName"] for row in functions.list_functions()["Functions"]] == ["hook"]
    states = place.client("stepfunctions")
    text = json.dumps({"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}})
    states.create_state_machine(name="flow", definition=text, roleArn=role)
    assert [row["name"] for row in states.list_state_machines()["stateMachines"]] == ["flow"]
    databases = place.client("rds")
    databases.create_db_instance(DBInstanceIdentifier="db", DBInstanceClass="db.m5.large", Engine="postgres")
    assert [row["DBInstanceIdentifier"] for row in databases.describe_db_instances()["DBInstances"]] == ["db"]
    recipes = place.client("databrew")
    step = {"Action": {"Operation": "UPPER_CASE", "Parameters": {"sourceColumn": "a"}}}
    recipes.create_recipe(Name="clean", Steps=[step])
    assert [row["Name"] for row in recipes.list_recipes(RecipeVersion="LATEST_WORKING")["Recipes"]] == ["clean"]


def test_the_history_of_spot_prices_is_what_spot_instances_cost(place: Workplace) -> None:
    ec2, now = place.client("ec2"), place.running.now()
    given = {"InstanceTypes": ["c6i.2xlarge", "g5.xlarge"], "ProductDescriptions": ["Linux/UNIX"]}
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        StartTime=now - timedelta(days=2, hours=1), EndTime=now, PaginationConfig={"PageSize": 5}, **given
    )
    rows = [row for page in pages for row in page["SpotPriceHistory"]]
    prices = {row["InstanceType"]: float(row["SpotPrice"]) for row in rows}
    assert prices == {kind: pytest.approx(usd.ec2_prices()[kind] * usd.EC2_SPOT_SHARE) for kind in prices}
    assert set(prices) == set(given["InstanceTypes"])
    moments = [row["Timestamp"] for row in rows]
    assert moments == sorted(moments, reverse=True)
    assert (moments[0].date(), moments[-1].date()) == (now.date(), now.date() - timedelta(days=2))
    newest = ec2.describe_spot_price_history(**given)["SpotPriceHistory"]
    assert {row["Timestamp"].date() for row in newest} == {now.date()}


def test_what_was_metered_survives_a_restart(place: Workplace, state: Path) -> None:
    """The last test: it ends the account."""
    place.client("kinesis").create_stream(StreamName="lasting", ShardCount=10)
    place.running.advance(days=1)
    place.running.stop()
    with start(state) as again:
        found = Workplace(again)
        again.advance(days=4)
        day = again.now().date() - timedelta(days=3)
        bill = found.bill("stream/lasting", neighbour_kinds.KINESIS, day=day)
        assert cents(bill["Storage-ShardHour"]) == cents(Decimal(240) * Decimal(str(usd.USD_A_SHARD_HOUR)))
