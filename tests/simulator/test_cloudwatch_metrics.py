"""Metrics in the simulated account over HTTP: what is put is answered, with CloudWatch's limits, pages and errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.simulator.conformance import check_shape

from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration
ENDPOINT = [{"Name": "EndpointName", "Value": "fraud-scoring-prod"}, {"Name": "VariantName", "Value": "AllTraffic"}]


def client_of(url: str) -> Any:
    return boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("metrics")) as running:
        yield running


@pytest.fixture(scope="module")
def watch(account: RunningSimulator) -> Any:
    return client_of(account.url)


@pytest.fixture(scope="module")
def hour(account: RunningSimulator) -> datetime:
    """The start of the last whole hour."""
    return account.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


def query(name: str, metric: str, stat: str, period: int = 60, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    about = {"Namespace": namespace, "MetricName": metric, "Dimensions": more.pop("Dimensions", [])}
    return {"Id": name, "MetricStat": {"Metric": about, "Period": period, "Stat": stat}} | more


def asked(watch: Any, *queries: dict[str, Any], begin: datetime, end: datetime, **more: Any) -> list[dict[str, Any]]:
    answer = watch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=begin, EndTime=end, **({"ScanBy": "TimestampAscending"} | more)
    )
    check_shape("cloudwatch", "GetMetricData", answer)
    found: list[dict[str, Any]] = answer["MetricDataResults"]
    return found


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**given)
    return str(caught.value.response["Error"]["Code"])


def test_every_statistic_of_what_was_put_is_that_of_the_numbers(watch: Any, hour: datetime) -> None:
    numbers = np.random.default_rng(3).lognormal(3, 1, 150)
    data = [{"MetricName": "latency", "Values": numbers.tolist(), "Timestamp": hour, "Unit": "Milliseconds"}]
    watch.put_metric_data(Namespace="shop", MetricData=data)
    expected = {
        "SampleCount": 150,
        "Sum": numbers.sum(),
        "Average": numbers.mean(),
        "Maximum": numbers.max(),
        "p99.9": np.percentile(numbers, 99.9),
        "tm90": np.sort(numbers)[:135].mean(),
        "TC(10:50)": ((numbers > 10) & (numbers <= 50)).sum(),
        "PR(:20)": 100 * (numbers <= 20).mean(),
        "WM(5:60)": np.clip(numbers, 5, 60).mean(),
    }
    queries = [query(f"q{number}", "latency", stat) for number, stat in enumerate(expected)]
    found = asked(watch, *queries, begin=hour, end=hour + timedelta(minutes=1))
    assert [result["Values"][0] for result in found] == pytest.approx(list(expected.values()))
    assert {result["Timestamps"][0] for result in found} == {hour}


def test_dimensions_and_units_name_different_metrics(watch: Any, hour: datetime) -> None:
    watch.put_metric_data(
        Namespace="shop",
        MetricData=[
            {"MetricName": "orders", "Value": 1, "Timestamp": hour, "Unit": "Count"},
            {"MetricName": "orders", "Value": 10, "Timestamp": hour, "Unit": "Bytes"},
            {
                "MetricName": "orders",
                "Value": 100,
                "Timestamp": hour,
                "Dimensions": [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}],
            },
        ],
    )
    both = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
    in_count = query("c", "orders", "Sum")
    in_count["MetricStat"]["Unit"] = "Count"
    found = asked(
        watch,
        query("a", "orders", "Sum"),
        query("b", "orders", "Sum", Dimensions=both),
        in_count,
        query("d", "orders", "Sum", Dimensions=both[:1]),
        query("e", "orders", "Sum", namespace="other"),
        begin=hour,
        end=hour + timedelta(minutes=1),
    )
    assert [result["Values"] for result in found] == [[11], [100], [1], [], []]
    answer = watch.get_metric_statistics(
        Namespace="shop",
        MetricName="orders",
        StartTime=hour,
        EndTime=hour + timedelta(minutes=5),
        Period=60,
        Statistics=["Sum", "Maximum"],
    )
    check_shape("cloudwatch", "GetMetricStatistics", answer)
    assert sorted((point["Unit"], point["Sum"]) for point in answer["Datapoints"]) == [("Bytes", 10), ("Count", 1)]


def test_standard_data_is_kept_by_the_minute_and_high_resolution_data_by_the_second(
    watch: Any, account: RunningSimulator
) -> None:
    at = account.now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    watch.put_metric_data(
        Namespace="shop",
        MetricData=[
            {
                "MetricName": name,
                "Value": 1,
                "Timestamp": at + timedelta(seconds=second),
                "StorageResolution": resolution,
            }
            for name, resolution in (("slow", 60), ("fast", 1))
            for second in (3, 17, 31)
        ],
    )
    slow, fast = asked(
        watch,
        query("s", "slow", "Sum", 10),
        query("f", "fast", "Sum", 10),
        begin=at,
        end=at + timedelta(minutes=1),
    )
    assert [(moment - at).seconds for moment in slow["Timestamps"]] == [0]
    assert slow["Values"] == [3]
    assert [(moment - at).seconds for moment in fast["Timestamps"]] == [0, 10, 30]


def test_old_data_answers_to_coarse_periods_only(watch: Any, account: RunningSimulator) -> None:
    minute = account.now().replace(second=0, microsecond=0)
    watch.put_metric_data(
        Namespace="shop",
        MetricData=[
            {"MetricName": "old", "Value": 1, "Timestamp": minute - timedelta(days=13), "StorageResolution": 1}
        ],
    )
    begin, end = minute - timedelta(days=14), minute
    by_second, by_minute = asked(
        watch, query("a", "old", "Sum", 30), query("b", "old", "Sum", 60), begin=begin, end=end
    )
    assert (by_second["Values"], by_minute["Values"]) == ([], [1])


def test_periods_follow_from_the_start_time(watch: Any, hour: datetime) -> None:
    watch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "phase", "Value": 1, "Timestamp": hour}])
    begin = hour - timedelta(minutes=17, seconds=25)
    (found,) = asked(watch, query("a", "phase", "Sum", 3600), begin=begin, end=hour + timedelta(minutes=1))
    assert found["Timestamps"] == [hour - timedelta(minutes=18)]


def test_pages_of_datapoints_lose_nothing_and_repeat_nothing(watch: Any, hour: datetime) -> None:
    data = [
        {"MetricName": f"paged{number}", "Value": minute, "Timestamp": hour + timedelta(minutes=minute)}
        for number in range(3)
        for minute in range(20)
    ]
    watch.put_metric_data(Namespace="shop", MetricData=data)
    for order in ("TimestampAscending", "TimestampDescending"):
        pages = watch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query(f"q{number}", f"paged{number}", "Sum") for number in range(3)],
            StartTime=hour,
            EndTime=hour + timedelta(hours=1),
            ScanBy=order,
            MaxDatapoints=7,
        )
        found: dict[str, list[float]] = {}
        for page in pages:
            check_shape("cloudwatch", "GetMetricData", page)
            assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 7
            for result in page["MetricDataResults"]:
                found.setdefault(result["Id"], []).extend(result["Values"])
        wanted = [float(minute) for minute in range(20)]
        assert list(found.values()) == [wanted if order == "TimestampAscending" else wanted[::-1]] * 3


def test_expressions_reach_over_metrics_of_the_world_and_of_clients(watch: Any, hour: datetime) -> None:
    watch.put_metric_data(
        Namespace="shop", MetricData=[{"MetricName": "sold", "Value": 500, "Timestamp": hour + timedelta(minutes=1)}]
    )
    requests = query("m1", "Invocations", "Sum", 3600, "AWS/SageMaker", Dimensions=ENDPOINT, ReturnData=False)
    found = asked(
        watch,
        requests,
        query("m2", "sold", "Sum", 3600, ReturnData=False),
        {"Id": "e1", "Expression": "m1 / m2", "Label": "per sale, ${LAST} at last"},
        {"Id": "e2", "Expression": "e1 * m2"},
        begin=hour,
        end=hour + timedelta(hours=1),
    )
    (raw,) = asked(watch, requests | {"ReturnData": True}, begin=hour, end=hour + timedelta(hours=1))
    ratio, back = found
    assert ratio["Values"] == [raw["Values"][0] / 500]
    assert ratio["Label"] == f"per sale, {raw['Values'][0] / 500:g} at last"
    assert back["Values"] == pytest.approx(raw["Values"])
    assert back["Label"] == "e2"


def test_with_an_expression_what_is_too_much_is_partial_and_has_no_token(watch: Any, hour: datetime) -> None:
    data = [{"MetricName": "long", "Value": n, "Timestamp": hour + timedelta(minutes=n)} for n in range(10)]
    watch.put_metric_data(Namespace="shop", MetricData=data)
    answer = watch.get_metric_data(
        MetricDataQueries=[query("m", "long", "Sum"), {"Id": "e", "Expression": "m * 2"}],
        StartTime=hour,
        EndTime=hour + timedelta(hours=1),
        MaxDatapoints=6,
    )
    found = [(result["Id"], len(result["Values"]), result["StatusCode"]) for result in answer["MetricDataResults"]]
    assert found == [("m", 6, "PartialData"), ("e", 0, "PartialData")]
    assert "NextToken" not in answer


def test_search_finds_metrics_by_schema_and_words(watch: Any, hour: datetime) -> None:
    found = asked(
        watch,
        {"Id": "e", "Expression": "SEARCH('{AWS/SageMaker,EndpointName,VariantName} ModelLatency', 'p90', 3600)"},
        {"Id": "s", "Expression": "SUM(SEARCH('{AWS/SageMaker,EndpointName,VariantName} Invocations', 'Sum', 3600))"},
        begin=hour,
        end=hour + timedelta(hours=1),
    )
    by_label = {result["Label"]: result["Values"] for result in found if result["Id"] == "e"}
    assert "fraud-scoring-prod AllTraffic" in by_label
    alone = asked(
        watch,
        query("p", "ModelLatency", "p90", 3600, "AWS/SageMaker", Dimensions=ENDPOINT),
        begin=hour,
        end=hour + timedelta(hours=1),
    )
    assert by_label["fraud-scoring-prod AllTraffic"] == alone[0]["Values"]
    assert len(found[-1]["Values"]) == 1


def test_trimmed_means_of_the_worlds_latency_lie_between_its_extremes(watch: Any, hour: datetime) -> None:
    stats = ("Minimum", "tm50", "tm99", "p99", "Maximum")
    queries = [
        query(f"q{number}", "ModelLatency", stat, 3600, "AWS/SageMaker", Dimensions=ENDPOINT)
        for number, stat in enumerate(stats)
    ]
    found = [result["Values"][0] for result in asked(watch, *queries, begin=hour, end=hour + timedelta(hours=1))]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_listing_filters_by_namespace_name_dimension_and_recent_activity(watch: Any, account: RunningSimulator) -> None:
    watch.put_metric_data(
        Namespace="listed",
        MetricData=[
            {"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "d", "Value": value}, {"Name": "e", "Value": "1"}]}
            for value in ("x", "y")
        ],
    )
    answer = watch.list_metrics(Namespace="listed", Dimensions=[{"Name": "d", "Value": "x"}])
    check_shape("cloudwatch", "ListMetrics", answer)
    assert [metric["Dimensions"][0]["Value"] for metric in answer["Metrics"]] == ["x"]
    assert len(watch.list_metrics(Namespace="listed", Dimensions=[{"Name": "d"}])["Metrics"]) == 2
    assert len(watch.list_metrics(Namespace="listed", RecentlyActive="PT3H")["Metrics"]) == 2
    assert watch.list_metrics(Namespace="listed", MetricName="n")["Metrics"] == []
    assert watch.list_metrics(Namespace="Listed")["Metrics"] == []


def test_a_listing_of_many_metrics_comes_in_pages_of_five_hundred(watch: Any) -> None:
    for part in range(2):
        data = [{"MetricName": f"m{part}-{number}", "Value": 1} for number in range(600)]
        watch.put_metric_data(Namespace="many", MetricData=data)
    pages = [page["Metrics"] for page in watch.get_paginator("list_metrics").paginate(Namespace="many")]
    assert [len(page) for page in pages] == [500, 500, 200]
    assert len({metric["MetricName"] for page in pages for metric in page}) == 1200


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": 2.0**361}, "InvalidParameterValue"),
        ({"Value": 1, "Values": [1.0]}, "InvalidParameterCombination"),
        ({}, "MissingParameter"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Values": [1.0] * 151}, "InvalidParameterValue"),
        ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue"),
        ({"StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 2, "Maximum": 1}}, "InvalidParameterValue"),
        ({"Value": 1, "Unit": "Furlongs"}, "ValidationError"),
    ],
)
def test_a_wrong_datum_is_refused_with_cloudwatchs_code(watch: Any, datum: dict[str, Any], code: str) -> None:
    assert refused(watch.put_metric_data, Namespace="shop", MetricData=[{"MetricName": "bad"} | datum]) == code
    assert watch.list_metrics(Namespace="shop", MetricName="bad")["Metrics"] == []


def test_times_and_namespaces_have_limits(watch: Any, account: RunningSimulator) -> None:
    def put(at: datetime, namespace: str = "shop") -> None:
        watch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "t", "Value": 1, "Timestamp": at}])

    now = account.now()
    put(now - timedelta(days=13, hours=23))
    put(now + timedelta(hours=1, minutes=59))
    assert refused(put, at=now - timedelta(days=14, minutes=1)) == "InvalidParameterValue"
    assert refused(put, at=now + timedelta(hours=2, minutes=1)) == "InvalidParameterValue"
    assert refused(put, at=now, namespace="AWS/Mine") == "InvalidParameterValue"
    too_many = [{"MetricName": "t", "Value": 1}] * 1001
    assert refused(watch.put_metric_data, Namespace="shop", MetricData=too_many) == "InvalidParameterValue"


@pytest.mark.parametrize(
    "queries",
    [
        [query("a", "x", "Sum"), query("a", "y", "Sum")],
        [query("A", "x", "Sum")],
        [query("a", "x", "p101")],
        [query("a", "x", "Sum", 7)],
        [query("a", "x", "Sum", 90)],
        [{"Id": "a"}],
        [query("a", "x", "Sum") | {"Expression": "1"}],
        [{"Id": "a", "Expression": "b + 1"}],
        [{"Id": "a", "Expression": "a + 1"}],
        [{"Id": "a", "Expression": "3 + 4"}],
        [{"Id": "a", "Expression": "SELECT AVG(x) FROM y"}],
        [query(f"q{number}", "x", "Sum") for number in range(501)],
    ],
    ids=lambda found: str(found[0])[:40] + f" x{len(found)}",
)
def test_wrong_queries_are_refused(watch: Any, hour: datetime, queries: list[dict[str, Any]]) -> None:
    code = refused(watch.get_metric_data, MetricDataQueries=queries, StartTime=hour, EndTime=hour + timedelta(hours=1))
    assert code == "ValidationError"


def test_wrong_ranges_and_tokens_are_refused(watch: Any, hour: datetime) -> None:
    one = {"MetricDataQueries": [query("a", "x", "Sum")], "StartTime": hour}
    assert refused(watch.get_metric_data, **one, EndTime=hour) == "ValidationError"
    later = hour + timedelta(hours=1)
    assert refused(watch.get_metric_data, **one, EndTime=later, NextToken="no token") == "InvalidNextToken"
    statistics = {"Namespace": "shop", "MetricName": "x", "StartTime": hour, "EndTime": hour + timedelta(days=2)}
    call = watch.get_metric_statistics
    assert refused(call, **statistics, Period=60, Statistics=["Sum"]) == "InvalidParameterCombination"
    assert refused(call, **statistics, Period=3600) == "InvalidParameterCombination"
    assert refused(call, **statistics, Period=61, Statistics=["Sum"]) == "InvalidParameterValue"
    assert refused(call, **statistics, Period=3600, ExtendedStatistics=["p101"]) == "InvalidParameterValue"


def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    with start(tmp_path, speed=1000.0) as account:
        client = client_of(account.url)
        at = account.now()
        client.put_metric_data(
            Namespace="kept",
            MetricData=[
                {"MetricName": "v", "Values": [1.0, 2.0], "Counts": [3.0, 1.0], "Timestamp": at},
                {
                    "MetricName": "v",
                    "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 5, "Maximum": 15},
                    "Timestamp": at,
                },
            ],
        )
        put_at = at + timedelta(seconds=1)  # A millisecond of ours is a second there: it was put later than that.
        account.process.kill()
        account.process.wait()
    with start(tmp_path) as account:
        assert account.now() >= put_at
        begin = at.replace(second=0, microsecond=0)
        stats = ("SampleCount", "Sum", "Minimum", "Maximum")
        queries = [query(stat.lower(), "v", stat, namespace="kept") for stat in stats]
        found = asked(client_of(account.url), *queries, begin=begin, end=begin + timedelta(minutes=1))
        assert [result["Values"] for result in found] == [[6], [25], [1], [15]]


def test_dashboards_are_kept_and_given_back(watch: Any, account: RunningSimulator) -> None:
    body = '{"widgets": [{"type": "text"}, {"type": "picture"}]}'
    answer = watch.put_dashboard(DashboardName="board", DashboardBody=body)
    check_shape("cloudwatch", "PutDashboard", answer)
    assert [found["DataPath"] for found in answer["DashboardValidationMessages"]] == ["/widgets/1/type"]
    assert watch.get_dashboard(DashboardName="board")["DashboardBody"] == body
    listed = watch.list_dashboards(DashboardNamePrefix="bo")
    check_shape("cloudwatch", "ListDashboards", listed)
    (entry,) = listed["DashboardEntries"]
    assert entry["Size"] == len(body)
    assert abs(entry["LastModified"] - account.now()) < timedelta(minutes=5)
    watch.delete_dashboards(DashboardNames=["board"])
    assert refused(watch.get_dashboard, DashboardName="board") == "ResourceNotFound"
    assert refused(watch.put_dashboard, DashboardName="b", DashboardBody="{") == "InvalidParameterInput"
    assert refused(watch.put_dashboard, DashboardName="a b", DashboardBody="{}") == "InvalidParameterInput"
