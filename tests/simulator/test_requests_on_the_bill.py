"""Whatever is made or asked for through boto3 has its line on the bill, at the rate of the price list: one account, all of it.

Everything is made on one morning, stands for 30 hours and goes again; days later, when they are closed, its lines are read from
Cost Explorer by resource and usage type. A Compute Savings Plan holds meanwhile. Nothing that reads is forgotten at a restart.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator import neighbour_prices as usd
from sagekeeper.simulator.neighbour_kinds import EC2
from sagekeeper.simulator.process import RunningSimulator, start

from .hosted import ROLE, Hosted

pytestmark = pytest.mark.integration
HOURS, COMMITMENT = 30, 0.5
OBJECT, READS, ROWS, CALLS, METRICS, PUT = b"x" * 4_000_000, 5, 40, 3, 7, 25
OWN = ["Usage", "SavingsPlanCoveredUsage"]


class Line(NamedTuple):
    """What a line comes to over all days."""

    quantity: float
    cost: float

    @property
    def rate(self) -> float:
        return self.cost / self.quantity


class Bill(NamedTuple):
    """Lines by end of the resource's ARN and usage type; amortised and unblended cost by record type; EC2's by team."""

    lines: dict[tuple[str, str], Line]
    kinds: dict[str, tuple[float, float]]
    teams: dict[str, float]

    def lines_of(self, usage_type: str) -> list[Line]:
        """Those of a usage type, of whatever resource."""
        return [line for (_, usage), line in self.lines.items() if usage == usage_type]


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bill]:
    state = tmp_path_factory.mktemp("requests")
    with start(state, speed=0) as running:
        aws = Hosted(running)
        begun = running.now()
        made = make(aws)
        ask(aws)
        running.advance(hours=HOURS)
        take_away(aws, made)
        running.stop()
    with start(state, speed=0) as again:
        again.advance(days=6)
        yield read(again, begun)


def make(aws: Hosted) -> dict[str, str]:
    """One of everything that costs by the hour."""
    plans = aws.client("savingsplans")
    (offer,) = plans.describe_savings_plans_offerings(
        planTypes=["Compute"], paymentOptions=["No Upfront"], durations=[365 * 86_400]
    )["searchResults"]
    plans.create_savings_plan(savingsPlanOfferingId=offer["offeringId"], commitment=str(COMMITMENT))
    ec2 = aws.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    found = {
        name: ec2.run_instances(ImageId=image, InstanceType="c6i.2xlarge", MinCount=1, MaxCount=1, **more)["Instances"][
            0
        ]["InstanceId"]
        for name, more in (("demand", {}), ("spot", {"InstanceMarketOptions": {"MarketType": "spot"}}))
    }
    ec2.create_tags(Resources=[found["demand"]], Tags=[{"Key": "team", "Value": "risk"}])
    found["volume"] = ec2.create_volume(AvailabilityZone="us-east-1a", Size=500, VolumeType="gp3")["VolumeId"]
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier="db",
        DBInstanceClass="db.m5.large",
        Engine="postgres",
        AllocatedStorage=100,
        MasterUsername="admin",
        MasterUserPassword="not-so-secret",
    )
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="apps", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    container = {"name": "web", "image": "web:1"}
    ecs.register_task_definition(
        family="web", cpu="1024", memory="2048", requiresCompatibilities=["FARGATE"], containerDefinitions=[container]
    )
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    ecs.create_service(
        cluster="apps", serviceName="web", taskDefinition="web", desiredCount=2, capacityProviderStrategy=spot
    )
    told = ecs.describe_services(cluster="apps", services=["web"])["services"][0]
    assert told["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE_SPOT"
    group = {
        "InstanceGroupName": "workers",
        "InstanceType": "ml.g5.xlarge",
        "InstanceCount": 2,
        "LifeCycleConfig": {"SourceS3Uri": "s3://sagemaker-scripts/src", "OnCreate": "on_create.sh"},
        "ExecutionRole": ROLE,
    }
    found["cluster"] = aws.sagemaker.create_cluster(ClusterName="pod", InstanceGroups=[group])["ClusterArn"]
    aws.sagemaker.create_auto_ml_job_v2(
        AutoMLJobName="auto",
        AutoMLJobInputDataConfig=[
            {"ChannelType": "training", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://x/y"}}}
        ],
        OutputDataConfig={"S3OutputPath": "s3://x/out"},
        AutoMLProblemTypeConfig={
            "TabularJobConfig": {
                "TargetAttributeName": "price",
                "CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 1800},
            }
        },
        RoleArn=ROLE,
    )
    return found


def ask(aws: Hosted) -> None:
    """Everything that costs by the request."""
    s3, dynamodb, functions, watch = (aws.client(name) for name in ("s3", "dynamodb", "lambda", "cloudwatch"))
    s3.create_bucket(Bucket="weights")
    s3.put_object(Bucket="weights", Key="model.tar.gz", Body=OBJECT)
    for _ in range(READS):
        assert len(s3.get_object(Bucket="weights", Key="model.tar.gz")["Body"].read()) == len(OBJECT)
    dynamodb.create_table(
        TableName="rows",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    for number in range(ROWS):
        dynamodb.put_item(TableName="rows", Item={"id": {"S": str(number)}})
        dynamodb.get_item(TableName="rows", Key={"id": {"S": str(number)}}, ConsistentRead=True)
    aws.client("iam").create_role(RoleName="Anything", AssumeRolePolicyDocument="{}")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(*_): return 1")
    functions.create_function(
        FunctionName="hook",
        Runtime="python3.12",
        Role="arn:aws:iam::123456789012:role/Anything",
        Handler="app.handler",
        Code={"ZipFile": packed.getvalue()},
        MemorySize=2048,
    )
    for number in range(CALLS):
        assert functions.invoke(FunctionName="hook", Payload=f'{{"n": {number}}}')["StatusCode"] == 200
    states = aws.client("stepfunctions")
    steps = '{"StartAt": "a", "States": {"a": {"Type": "Pass", "Next": "b"}, "b": {"Type": "Pass", "End": true}}}'
    flow = states.create_state_machine(name="flow", definition=steps, roleArn=ROLE)["stateMachineArn"]
    states.start_execution(stateMachineArn=flow)
    watch.put_metric_data(
        Namespace="app", MetricData=[{"MetricName": f"m{number}", "Value": 1.0} for number in range(PUT)]
    )
    metric = {"Namespace": "app", "MetricName": "m0"}
    queries = [
        {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}} for number in range(METRICS)
    ]
    now = aws.running.now()
    watch.get_metric_data(MetricDataQueries=queries, StartTime=now - timedelta(hours=1), EndTime=now)
    days = {"Start": "2026-11-01", "End": "2026-11-02"}
    for _ in range(CALLS):
        aws.client("ce").get_cost_and_usage(TimePeriod=days, Granularity="DAILY", Metrics=["UnblendedCost"])


def take_away(aws: Hosted, made: dict[str, str]) -> None:
    ec2 = aws.client("ec2")
    ec2.terminate_instances(InstanceIds=[made["demand"], made["spot"]])
    ec2.delete_volume(VolumeId=made["volume"])
    aws.client("rds").stop_db_instance(DBInstanceIdentifier="db")
    aws.client("ecs").update_service(cluster="apps", service="web", desiredCount=0)
    aws.sagemaker.delete_cluster(ClusterName="pod")


def read(running: RunningSimulator, begun: datetime) -> Bill:
    period = {"Start": str(begun.date()), "End": str(begun.date() + timedelta(days=4))}
    ce = Hosted(running).client("ce")
    lines: dict[tuple[str, str], Line] = {}
    asked: dict[str, Any] = {
        "TimePeriod": period,
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "Filter": {"Dimensions": {"Key": "RECORD_TYPE", "Values": OWN}},
    }
    while True:
        answer = ce.get_cost_and_usage_with_resources(**asked)
        for day in answer["ResultsByTime"]:
            for group in day["Groups"]:
                key = group["Keys"][0].rpartition(":")[2].rpartition("/")[2], group["Keys"][1].removeprefix("USE1-")
                amounts = (float(group["Metrics"][name]["Amount"]) for name in ("UsageQuantity", "UnblendedCost"))
                known = lines.get(key, Line(0.0, 0.0))
                lines[key] = Line(*(old + new for old, new in zip(known, amounts, strict=True)))
        if "NextPageToken" not in answer:
            break
        asked["NextPageToken"] = answer["NextPageToken"]
    kinds = ce.get_cost_and_usage(
        TimePeriod=period,
        Granularity="MONTHLY",
        Metrics=["AmortizedCost", "UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "RECORD_TYPE"}],
    )["ResultsByTime"][0]["Groups"]
    teams = ce.get_cost_and_usage(
        TimePeriod=period,
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        GroupBy=[{"Type": "TAG", "Key": "team"}],
        Filter={
            "And": [
                {"Dimensions": {"Key": "SERVICE", "Values": [EC2]}},
                {"Dimensions": {"Key": "RECORD_TYPE", "Values": OWN}},
            ]
        },
    )["ResultsByTime"][0]["Groups"]
    return Bill(
        lines,
        {
            group["Keys"][0]: (
                float(group["Metrics"]["AmortizedCost"]["Amount"]),
                float(group["Metrics"]["UnblendedCost"]["Amount"]),
            )
            for group in kinds
        },
        {group["Keys"][0]: float(group["Metrics"]["UnblendedCost"]["Amount"]) for group in teams},
    )


def test_instances_cost_their_hours_on_demand_and_less_on_spot(bill: Bill) -> None:
    on_demand = usd.ec2_prices()["c6i.2xlarge"]
    box, spot = bill.lines_of("BoxUsage:c6i.2xlarge"), bill.lines_of("SpotUsage:c6i.2xlarge")
    assert [line.quantity for line in (*box, *spot)] == pytest.approx([HOURS, HOURS])
    assert sum(line.cost for line in box) == pytest.approx(HOURS * on_demand, abs=1e-6)
    assert spot[0].rate == pytest.approx(on_demand * usd.EC2_SPOT_SHARE, abs=1e-6)


def test_an_instance_costs_the_team_that_it_is_tagged_with(bill: Bill) -> None:
    assert bill.teams["team$risk"] == pytest.approx(sum(line.cost for line in bill.lines_of("BoxUsage:c6i.2xlarge")))
    assert bill.teams["team$"] == pytest.approx(bill.lines_of("SpotUsage:c6i.2xlarge")[0].cost)


def test_volumes_cost_their_size_until_they_are_deleted(bill: Bill) -> None:
    (line,) = bill.lines_of("EBS:VolumeUsage.gp3")
    assert line.quantity == pytest.approx(500 * HOURS / 730)
    assert line.rate == pytest.approx(usd.USD_EBS_GIGABYTE_MONTH["gp3"])


def test_a_stopped_database_costs_its_storage_only(bill: Bill) -> None:
    running, stored = bill.lines["db", "InstanceUsage:db.m5.large"], bill.lines["db", "RDS:GP2-Storage"]
    assert running.quantity == pytest.approx(HOURS)
    assert running.rate == pytest.approx(usd.rds_usd_per_hour("db.m5.large", multi_az=False))
    assert stored.quantity > 1.5 * 100 * HOURS / 730
    assert stored.rate == pytest.approx(usd.USD_RDS_GIGABYTE_MONTH)


def test_tasks_on_fargate_spot_cost_its_share(bill: Bill) -> None:
    processors = bill.lines["web", "SpotUsage-Fargate-vCPU-Hours:perCPU"]
    memory = bill.lines["web", "SpotUsage-Fargate-GB-Hours"]
    assert (processors.quantity, memory.quantity) == pytest.approx((2 * HOURS, 4 * HOURS))
    assert processors.rate == pytest.approx(usd.USD_A_VCPU_HOUR * usd.FARGATE_SPOT_SHARE, rel=1e-4)
    assert memory.rate == pytest.approx(usd.USD_A_GIGABYTE_HOUR * usd.FARGATE_SPOT_SHARE, rel=1e-4)


def test_a_hyperpod_cluster_costs_from_the_moment_it_is_in_service(bill: Bill) -> None:
    (line,) = bill.lines_of("Cluster:ml.g5.xlarge")
    assert line.quantity == pytest.approx(2 * (HOURS - 0.25))
    assert line.rate == pytest.approx(PriceBook.bundled().hourly("ml.g5.xlarge", "Training", "us-east-1").usd)


def test_an_automl_job_costs_its_two_instances_until_its_longest_runtime(bill: Bill) -> None:
    line = bill.lines["auto", "Train:ml.m5.4xlarge"]
    assert line.quantity == pytest.approx(2 * 0.5)
    assert line.rate == pytest.approx(PriceBook.bundled().hourly("ml.m5.4xlarge", "Training", "us-east-1").usd)


def test_a_bucket_costs_its_objects_its_requests_and_what_leaves_it(bill: Bill) -> None:
    put, got = bill.lines["weights", "Requests-Tier1"], bill.lines["weights", "Requests-Tier2"]
    out, kept = bill.lines["weights", "DataTransfer-Out-Bytes"], bill.lines["weights", "TimedStorage-ByteHrs"]
    assert (put.quantity, got.quantity) == (2, READS)
    assert out.quantity == pytest.approx(READS * len(OBJECT) / 2**30)
    assert (put.rate, got.rate) == pytest.approx((usd.USD_S3_PUT, usd.USD_S3_GET))
    assert kept.rate == pytest.approx(PriceBook.bundled().unit("s3_standard_storage", "us-east-1").usd, rel=1e-4)


def test_writes_and_reads_of_a_table_on_demand_are_counted(bill: Bill) -> None:
    written, read_ = bill.lines["rows", "WriteRequestUnits"], bill.lines["rows", "ReadRequestUnits"]
    assert (written.quantity, read_.quantity) == (ROWS, ROWS)
    assert (written.cost, read_.cost) == pytest.approx((ROWS * usd.USD_A_WRITE, ROWS * usd.USD_A_READ), abs=1e-9)


def test_invocations_and_state_transitions_are_usage_under_the_free_tier(bill: Bill) -> None:
    assert bill.lines["hook", "Request"] == Line(CALLS, 0.0)
    assert CALLS * 0.02 * 2 < bill.lines["hook", "Lambda-GB-Second"].quantity < CALLS * 0.4 * 2
    assert bill.lines["flow", "StateTransition"] == Line(3.0, 0.0)


def test_what_watching_costs_is_on_the_bill_too(bill: Bill) -> None:
    asked, calls = bill.lines_of("CW:GMD-Metrics"), bill.lines_of("APIRequest")
    assert [line.quantity for line in asked] == [METRICS]
    assert asked[0].rate == pytest.approx(usd.USD_A_METRIC_ASKED)
    assert [line.quantity for line in calls] == [CALLS]
    assert calls[0].rate == pytest.approx(usd.USD_A_COST_EXPLORER_CALL)
    (metrics,) = bill.lines_of("CW:MetricMonitorUsage")
    assert metrics.quantity > PUT * HOURS / 730


def test_a_compute_savings_plan_covers_instances_and_neither_spot_nor_sagemaker(bill: Bill) -> None:
    covered, billed = bill.kinds["SavingsPlanCoveredUsage"]
    fee, paid = bill.kinds["SavingsPlanRecurringFee"]
    assert billed == pytest.approx(-bill.kinds["SavingsPlanNegation"][1], abs=1e-6)
    assert covered + fee == pytest.approx(paid, abs=1e-6)
    assert paid / COMMITMENT == pytest.approx(round(paid / COMMITMENT), abs=1e-6)
    # One instance is all that it may cover, at 17 % off, for the hours after the plan became active.
    assert covered == pytest.approx(billed * 0.83, rel=1e-4)
    assert (HOURS - 1) * 0.34 <= billed <= HOURS * 0.34 + 0.01
