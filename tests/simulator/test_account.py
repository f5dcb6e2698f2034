"""The simulated account, asked as any client asks AWS: boto3 over HTTP to a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration
Client = Callable[[str], Any]


def clients(url: str) -> Client:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return client


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """One account for the tests that only look."""
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module")
def client(account: RunningSimulator) -> Client:
    return clients(account.url)


def costs(client: Client, first: str, last: str, **more: Any) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": first, "End": last},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
    } | more
    found: list[dict[str, Any]] = []
    while True:
        answer = client("ce").get_cost_and_usage(**asked)
        found += answer["ResultsByTime"]
        if "NextPageToken" not in answer:
            return found
        asked["NextPageToken"] = answer["NextPageToken"]


def amount(metrics: dict[str, Any]) -> Decimal:
    return Decimal(metrics["UnblendedCost"]["Amount"])


def of_resource(client: Client, name: str, first: str, last: str) -> dict[str, Decimal]:
    answer = client("ce").get_cost_and_usage_with_resources(
        TimePeriod={"Start": first, "End": last},
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}],
        Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
    )
    return {
        day["TimePeriod"]["Start"]: sum(
            (amount(group["Metrics"]) for group in day["Groups"] if group["Keys"][0].endswith(f"endpoint/{name}")),
            Decimal(0),
        )
        for day in answer["ResultsByTime"]
    }


def test_groups_add_up_to_the_ungrouped_bill(client: Client) -> None:
    by = [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
    grouped = sum(
        amount(g["Metrics"]) for day in costs(client, "2026-10-01", "2026-11-01", GroupBy=by) for g in day["Groups"]
    )
    plain = sum(amount(day["Total"]) for day in costs(client, "2026-10-01", "2026-11-01"))
    assert plain > 1000
    assert abs(grouped - plain) < Decimal("0.000001")


def test_a_filter_and_its_negation_split_the_bill(client: Client) -> None:
    taxes = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax"]}}
    parts = [costs(client, "2026-10-01", "2026-11-01", Filter=wanted) for wanted in (taxes, {"Not": taxes})]
    whole = sum(amount(day["Total"]) for day in costs(client, "2026-10-01", "2026-11-01"))
    assert all(sum(amount(day["Total"]) for day in part) > 0 for part in parts)
    assert abs(sum(amount(day["Total"]) for part in parts for day in part) - whole) < Decimal("0.000001")


def test_the_payer_sees_all_accounts_and_a_member_only_its_own(client: Client, account: RunningSimulator) -> None:
    given = client("sts").assume_role(
        RoleArn="arn:aws:iam::210987654321:role/SagekeeperReader", RoleSessionName="test"
    )["Credentials"]
    member = boto3.client(
        "ce",
        region_name="us-east-1",
        endpoint_url=account.url,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    seen = member.get_dimension_values(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"}, Dimension="LINKED_ACCOUNT"
    )["DimensionValues"]
    everyone = client("ce").get_dimension_values(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"}, Dimension="LINKED_ACCOUNT"
    )["DimensionValues"]
    assert [item["Value"] for item in seen] == ["210987654321"]
    assert [item["Value"] for item in everyone] == ["123456789012", "210987654321"]


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [("2026-11-01", "2026-11-01", "before end date"), ("2020-01-01", "2020-02-01", "historical data")],
)
def test_wrong_dates_are_refused_as_aws_refuses_them(client: Client, first: str, last: str, says: str) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        costs(client, first, last)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_the_last_days_arrive_late_and_are_marked_estimated(client: Client) -> None:
    days = {day["TimePeriod"]["Start"]: day for day in costs(client, "2026-10-25", "2026-11-20")}
    assert days["2026-10-28"]["Estimated"] is False
    assert days["2026-11-19"]["Estimated"] is True
    hosting = of_resource(client, "price-elasticity", "2026-11-10", "2026-11-20")
    assert hosting["2026-11-19"] < hosting["2026-11-12"]


def endpoint_metric(
    client: Client, account: RunningSimulator, name: str, metric: str, *, variant: bool = True
) -> list[float]:
    dimensions = [{"Name": "EndpointName", "Value": name}]
    if variant:
        dimensions.append({"Name": "VariantName", "Value": "AllTraffic"})
    namespace = "AWS/SageMaker" if metric in ("Invocations", "ModelLatency") else "/aws/sagemaker/Endpoints"
    answer = client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "q",
                "MetricStat": {
                    "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions},
                    "Period": 3600,
                    "Stat": "Sum" if metric == "Invocations" else "Average",
                },
            }
        ],
        StartTime=account.now() - timedelta(days=3),
        EndTime=account.now(),
    )
    return list(answer["MetricDataResults"][0]["Values"])


def test_a_busy_endpoint_has_requests_under_both_dimensions_and_none_under_one(
    client: Client, account: RunningSimulator
) -> None:
    assert len(endpoint_metric(client, account, "fraud-scoring-prod", "Invocations")) >= 72
    assert endpoint_metric(client, account, "fraud-scoring-prod", "Invocations", variant=False) == []


def test_an_idle_endpoint_publishes_instance_metrics_and_no_requests(client: Client, account: RunningSimulator) -> None:
    assert endpoint_metric(client, account, "hackathon-demo", "Invocations") == []
    assert len(endpoint_metric(client, account, "hackathon-demo", "CPUUtilization")) >= 72


def test_an_async_endpoint_publishes_no_invocations(client: Client, account: RunningSimulator) -> None:
    assert endpoint_metric(client, account, "speech-to-text", "Invocations") == []
    assert endpoint_metric(client, account, "speech-to-text", "ModelLatency") != []


def test_search_gives_training_jobs_with_billable_seconds_in_pages(client: Client) -> None:
    first = client("sagemaker").search(Resource="TrainingJob", MaxResults=5)
    second = client("sagemaker").search(Resource="TrainingJob", MaxResults=5, NextToken=first["NextToken"])
    jobs = [item["TrainingJob"] for item in first["Results"] + second["Results"]]
    assert len({job["TrainingJobName"] for job in jobs}) == 10
    done = [job for job in jobs if job["TrainingJobStatus"] == "Completed"]
    assert all(job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"] for job in done)


def test_captures_are_where_and_as_model_monitor_would_find_them(client: Client) -> None:
    found = client("s3").list_objects_v2(
        Bucket="ml-monitoring-123456789012-us-east-1",
        Prefix="capture/house-price-regression/AllTraffic/2026/11/19/",
    )
    assert found["KeyCount"] == 24
    body = client("s3").get_object(Bucket="ml-monitoring-123456789012-us-east-1", Key=found["Contents"][0]["Key"])
    assert b'"captureData"' in body["Body"].read()


def test_an_operation_that_nobody_made_says_so(client: Client) -> None:
    with pytest.raises(ClientError, match="does not have the operation ListHubs") as caught:
        client("sagemaker").list_hubs()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_deleted_endpoint_leaves_the_bill_from_its_second_on(tmp_path: Path) -> None:
    with start(tmp_path) as running:
        client = clients(running.url)
        client("sagemaker").delete_endpoint(EndpointName="hackathon-demo")
        running.advance(days=4)
        days = of_resource(client, "hackathon-demo", "2026-11-18", "2026-11-24")
        # 24 h x 0.23 USD and 30 GB of storage; on the 20th it stood for a little over 8 hours.
        assert days["2026-11-18"] == pytest.approx(Decimal("5.658"), abs=Decimal("0.001"))
        assert days["2026-11-20"] == pytest.approx(days["2026-11-18"] * 8 / 24, rel=Decimal("0.01"))
        assert days["2026-11-21"] == days["2026-11-22"] == 0


def test_an_update_changes_the_usage_type_on_the_bill_and_takes_its_time(tmp_path: Path) -> None:
    with start(tmp_path, speed=20) as running:
        sagemaker = clients(running.url)("sagemaker")
        old = sagemaker.describe_endpoint_config(EndpointConfigName="price-elasticity-config-1")
        variant = old["ProductionVariants"][0] | {"InstanceType": "ml.m5.xlarge"}
        sagemaker.create_endpoint_config(EndpointConfigName="smaller", ProductionVariants=[variant])
        sagemaker.update_endpoint(EndpointName="price-elasticity", EndpointConfigName="smaller")
        assert sagemaker.describe_endpoint(EndpointName="price-elasticity")["EndpointStatus"] == "Updating"
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            sagemaker.update_endpoint(EndpointName="price-elasticity", EndpointConfigName="smaller")
        running.advance(days=4)
        days = of_resource(clients(running.url), "price-elasticity", "2026-11-18", "2026-11-23")
        assert days["2026-11-22"] < days["2026-11-18"] / 3


def test_what_was_done_survives_a_kill(tmp_path: Path) -> None:
    with start(tmp_path) as running:
        clients(running.url)("sagemaker").delete_endpoint(EndpointName="hackathon-demo")
        running.advance(days=2)
        before = running.now()
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
    with start(tmp_path) as again:
        names = [item["EndpointName"] for item in clients(again.url)("sagemaker").list_endpoints()["Endpoints"]]
        assert "hackathon-demo" not in names
        assert "fraud-scoring-prod" in names
        assert again.now() >= before - timedelta(seconds=10)
        assert [entry["operation"] for entry in again.journal()] == ["DeleteEndpoint"]


def test_the_same_seed_makes_the_same_bill(tmp_path: Path) -> None:
    bills = []
    for name in ("one", "two"):
        with start(tmp_path / name, seed=3) as running:
            bills.append(costs(clients(running.url), "2026-09-01", "2026-11-01"))
    assert bills[0] == bills[1]


def test_time_goes_on_jobs_captures_and_reports_with_it(tmp_path: Path) -> None:
    with start(tmp_path) as running:
        client = clients(running.url)
        before = client("sagemaker").search(Resource="TrainingJob", MaxResults=1)["Results"][0]["TrainingJob"]
        running.advance(days=7)
        after = client("sagemaker").search(
            Resource="TrainingJob", MaxResults=1, SortBy="CreationTime", SortOrder="Descending"
        )["Results"][0]["TrainingJob"]
        assert after["CreationTime"] > before["CreationTime"]
        captured = client("s3").list_objects_v2(
            Bucket="ml-monitoring-123456789012-us-east-1",
            Prefix="capture/house-price-regression/AllTraffic/2026/11/26/",
        )
        assert captured["KeyCount"] == 24
        newest = client("sagemaker").list_monitoring_executions(MaxResults=1)["MonitoringExecutionSummaries"][0]
        assert newest["MonitoringExecutionStatus"] == "CompletedWithViolations"
