"""Alarms in the simulated account over HTTP: they follow the metrics through all the time that passes, and act."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.simulator.conformance import check_shape

from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration
Client = Callable[[str], Any]
ENDPOINT = [{"Name": "EndpointName", "Value": "fraud-scoring-prod"}, {"Name": "VariantName", "Value": "AllTraffic"}]


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
    with start(tmp_path_factory.mktemp("alarms")) as running:
        yield running


@pytest.fixture(scope="module")
def client(account: RunningSimulator) -> Client:
    return clients(account.url)


@pytest.fixture(scope="module")
def watch(client: Client) -> Any:
    return client("cloudwatch")


def alarm(name: str, metric: str = "load", **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "Namespace": "shop",
        "MetricName": metric,
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
    } | more


def put(watch: Any, metric: str, *values: float, at: datetime) -> None:
    """One value a minute, the last one in the minute of ``at``."""
    data = [
        {"MetricName": metric, "Value": value, "Timestamp": at - timedelta(minutes=len(values) - 1 - place)}
        for place, value in enumerate(values)
    ]
    watch.put_metric_data(Namespace="shop", MetricData=data)


def state(watch: Any, name: str) -> str:
    answer = watch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    check_shape("cloudwatch", "DescribeAlarms", answer)
    (found,) = answer["MetricAlarms"] + answer["CompositeAlarms"]
    return str(found["StateValue"])


def transitions(watch: Any, name: str) -> list[tuple[datetime, str]]:
    pages = watch.get_paginator("describe_alarm_history").paginate(
        AlarmName=name, HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
    )
    found = []
    for page in pages:
        check_shape("cloudwatch", "DescribeAlarmHistory", page)
        for item in page["AlarmHistoryItems"]:
            found.append((item["Timestamp"], json.loads(item["HistoryData"])["newState"]["stateValue"]))
    return found


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**given)
    return str(caught.value.response["Error"]["Code"])


def test_an_alarm_looks_at_what_is_there_when_it_is_made(watch: Any, account: RunningSimulator) -> None:
    put(watch, "there", 50, 50, 50, at=account.now())
    watch.put_metric_alarm(**alarm("there", "there"))
    assert state(watch, "there") == "ALARM"
    watch.put_metric_alarm(**alarm("nobody", "nobody"))
    assert state(watch, "nobody") == "INSUFFICIENT_DATA"


def test_m_of_n_and_the_treatment_of_gaps_decide(watch: Any, account: RunningSimulator) -> None:
    several = {"EvaluationPeriods": 3, "DatapointsToAlarm": 2}
    watch.put_metric_alarm(**alarm("two-of-three", "mixed", **several))
    watch.put_metric_alarm(**alarm("three-of-three", "mixed", EvaluationPeriods=3))
    for treatment in ("breaching", "notBreaching"):
        watch.put_metric_alarm(**alarm(f"silent-{treatment}", "silent", TreatMissingData=treatment))
    put(watch, "mixed", 20, 5, 20, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "two-of-three") == "ALARM"
    assert state(watch, "three-of-three") == "OK"
    assert state(watch, "silent-breaching") == "ALARM"
    assert state(watch, "silent-notBreaching") == "OK"


def test_changes_within_a_jump_have_their_own_times(watch: Any, account: RunningSimulator) -> None:
    busy = alarm(
        "busy", "Invocations", Namespace="AWS/SageMaker", Dimensions=ENDPOINT, Statistic="Sum", Threshold=800.0
    )
    watch.put_metric_alarm(**busy)
    begin = account.now()
    account.advance(days=2)
    found = transitions(watch, "busy")
    answer = watch.get_metric_data(
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": ENDPOINT},
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
        ],
        StartTime=begin.replace(second=0, microsecond=0) - timedelta(minutes=1),
        EndTime=account.now().replace(second=0, microsecond=0),
        ScanBy="TimestampAscending",
    )["MetricDataResults"][0]
    expected, last = [], "INSUFFICIENT_DATA"
    for moment, value in zip(answer["Timestamps"], answer["Values"], strict=True):
        now = "ALARM" if value > 800 else "OK"
        if now != last:
            expected.append((moment + timedelta(minutes=1), now))
            last = now
    assert len(expected) >= 4
    # The first look is at once, at the last whole minute; its time is that of the alarm's creation.
    assert found[0][1] == expected[0][1]
    assert begin - timedelta(seconds=5) <= found[0][0] <= begin
    assert found[1:] == expected[1:]


def test_a_change_of_state_goes_out_through_sns(client: Client, watch: Any, account: RunningSimulator) -> None:
    topic = client("sns").create_topic(Name="alerts")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="alerts")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    missing = topic.replace("alerts", "nowhere")
    watch.put_metric_alarm(**alarm("acting", "acted", AlarmActions=[topic, missing], OKActions=[topic]))
    watch.put_metric_alarm(**alarm("muted", "acted", AlarmActions=[topic], ActionsEnabled=False))
    put(watch, "acted", 99, at=account.now())
    account.advance(seconds=60)
    state(watch, "acting")
    (message,) = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    envelope = json.loads(message["Body"])
    told = json.loads(envelope["Message"])
    assert envelope["Subject"] == 'ALARM: "acting" in US East (N. Virginia)'
    assert (told["OldStateValue"], told["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert told["Trigger"]["MetricName"] == "acted"
    assert told["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [99.0 (")
    items = watch.describe_alarm_history(AlarmName="acting", HistoryItemType="Action")["AlarmHistoryItems"]
    assert sorted(item["HistorySummary"] for item in items) == [
        f"Failed to execute action {missing}",
        f"Successfully executed action {topic}",
    ]
    assert state(watch, "muted") == "ALARM"


def test_an_alarm_on_an_expression_watches_its_result(watch: Any, account: RunningSimulator) -> None:
    def metric(name: str) -> dict[str, Any]:
        about = {"Metric": {"Namespace": "shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": name, "MetricStat": about, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "100 * errors / calls", "Label": "error rate"}
    watch.put_metric_alarm(
        AlarmName="rate",
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Metrics=[metric("errors"), metric("calls"), rate],
    )
    put(watch, "errors", 5, at=account.now())
    put(watch, "calls", 100, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "rate") == "ALARM"
    put(watch, "errors", 4, at=account.now())
    put(watch, "calls", 100, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "rate") == "OK"


def test_an_alarm_on_a_percentile_can_ignore_too_few_samples(watch: Any, account: RunningSimulator) -> None:
    for name, low in (("trusting", "evaluate"), ("careful", "ignore")):
        given = alarm(name, "few", ExtendedStatistic="p90", EvaluateLowSampleCountPercentile=low)
        del given["Statistic"]
        watch.put_metric_alarm(**given)
    put(watch, "few", 20, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "trusting") == "ALARM"
    assert state(watch, "careful") == "INSUFFICIENT_DATA"
    watch.put_metric_data(
        Namespace="shop",
        MetricData=[{"MetricName": "few", "Values": [20.0], "Counts": [100.0], "Timestamp": account.now()}],
    )
    account.advance(seconds=60)
    assert state(watch, "careful") == "ALARM"


def test_a_composite_alarm_follows_its_children_and_is_held_by_its_suppressor(
    client: Client, watch: Any, account: RunningSimulator
) -> None:
    topic = client("sns").create_topic(Name="composed")["TopicArn"]
    for name in ("left", "right", "maintenance"):
        watch.put_metric_alarm(**alarm(name, name))
    watch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(left) AND ALARM(right)", AlarmActions=[topic])
    watch.put_composite_alarm(
        AlarmName="held",
        AlarmRule='ALARM("left") OR ALARM("right")',
        AlarmActions=[topic],
        ActionsSuppressor="maintenance",
        ActionsSuppressorWaitPeriod=60,
        ActionsSuppressorExtensionPeriod=120,
    )
    assert state(watch, "both") == "OK"
    put(watch, "maintenance", 20, 20, 20, at=account.now() + timedelta(minutes=2))
    put(watch, "left", 20, 20, 20, at=account.now() + timedelta(minutes=2))
    account.advance(seconds=60)
    assert (state(watch, "both"), state(watch, "held")) == ("OK", "ALARM")
    (held,) = watch.describe_alarms(AlarmNames=["held"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert held["ActionsSuppressedBy"] == "Alarm"
    put(watch, "right", 20, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "both") == "ALARM"
    acted = watch.describe_alarm_history(AlarmName="both", HistoryItemType="Action")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in acted] == [f"Successfully executed action {topic}"]
    assert watch.describe_alarm_history(AlarmName="held", HistoryItemType="Action")["AlarmHistoryItems"] == []
    family = watch.describe_alarms(ChildrenOfAlarmName="both")
    assert [(child["AlarmName"], child["StateValue"]) for child in family["MetricAlarms"]] == [
        ("left", "ALARM"),
        ("right", "ALARM"),
    ]
    parents = watch.describe_alarms(ParentsOfAlarmName="left")["CompositeAlarms"]
    assert [parent["AlarmName"] for parent in parents] == ["both", "held"]
    assert refused(watch.delete_alarms, AlarmNames=["left"]) == "ValidationError"
    assert refused(watch.delete_alarms, AlarmNames=["both", "held"]) == "ValidationError"


def test_a_state_set_by_hand_lasts_until_the_next_evaluation(watch: Any, account: RunningSimulator) -> None:
    put(watch, "calm", *[1.0] * 60, at=account.now() + timedelta(minutes=50))
    watch.put_metric_alarm(**alarm("calm", "calm"))
    # Not across the turn of a minute: there it would be evaluated again.
    account.advance(seconds=max(0, 61 - account.now().second))
    assert state(watch, "calm") == "OK"
    watch.set_alarm_state(AlarmName="calm", StateValue="ALARM", StateReason="a drill", StateReasonData='{"drill": 1}')
    assert state(watch, "calm") == "ALARM"
    account.advance(seconds=60)
    assert state(watch, "calm") == "OK"
    assert refused(watch.set_alarm_state, AlarmName="gone", StateValue="OK", StateReason="x") == "ResourceNotFound"
    wrong = {"AlarmName": "calm", "StateValue": "OK", "StateReason": "x", "StateReasonData": "{"}
    assert refused(watch.set_alarm_state, **wrong) == "InvalidFormat"


def test_putting_an_alarm_again_overwrites_it_but_keeps_its_state(watch: Any, account: RunningSimulator) -> None:
    watch.put_metric_alarm(**alarm("again", "again", AlarmDescription="first", Tags=[{"Key": "a", "Value": "b"}]))
    put(watch, "again", 20, at=account.now())
    account.advance(seconds=60)
    assert state(watch, "again") == "ALARM"
    watch.put_metric_alarm(**alarm("again", "unknown", TreatMissingData="ignore"))
    (found,) = watch.describe_alarms(AlarmNames=["again"])["MetricAlarms"]
    assert (found["StateValue"], found["MetricName"]) == ("ALARM", "unknown")
    assert "AlarmDescription" not in found
    assert watch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    watch.disable_alarm_actions(AlarmNames=["again"])
    assert not watch.describe_alarms(AlarmNames=["again"])["MetricAlarms"][0]["ActionsEnabled"]
    watch.enable_alarm_actions(AlarmNames=["again"])
    assert watch.describe_alarms(AlarmNames=["again"])["MetricAlarms"][0]["ActionsEnabled"]
    watch.delete_alarms(AlarmNames=["again", "never-was"])
    assert watch.describe_alarms(AlarmNames=["again"])["MetricAlarms"] == []
    kept = watch.describe_alarm_history(AlarmName="again", HistoryItemType="ConfigurationUpdate")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in kept] == [
        'Alarm "again" deleted',
        'Alarm "again" updated',
        'Alarm "again" created',
    ]


def test_alarms_are_found_by_prefix_state_action_and_metric_page_by_page(watch: Any) -> None:
    action = "arn:aws:sns:us-east-1:123456789012:elsewhere"
    for number in range(5):
        watch.put_metric_alarm(**alarm(f"page-{number}", "paged", OKActions=[action] if number == 3 else []))
    pages = watch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="page-", MaxRecords=2)
    names = [[found["AlarmName"] for found in page["MetricAlarms"]] for page in pages]
    assert names == [["page-0", "page-1"], ["page-2", "page-3"], ["page-4"]]
    by_action = watch.describe_alarms(ActionPrefix=action[:-4])["MetricAlarms"]
    assert [found["AlarmName"] for found in by_action] == ["page-3"]
    silent = watch.describe_alarms(StateValue="INSUFFICIENT_DATA", AlarmNamePrefix="page-")["MetricAlarms"]
    assert len(silent) == 5
    answer = watch.describe_alarms_for_metric(Namespace="shop", MetricName="paged", Statistic="Maximum", Period=60)
    check_shape("cloudwatch", "DescribeAlarmsForMetric", answer)
    assert len(answer["MetricAlarms"]) == 5
    assert watch.describe_alarms_for_metric(Namespace="shop", MetricName="paged", Period=300)["MetricAlarms"] == []


SEARCHING = [{"Id": "e", "Expression": "SEARCH('x', 'Sum', 60)", "Period": 60}]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (alarm("bad", Statistic=None), "InvalidParameterCombination"),
        (alarm("bad", ExtendedStatistic="p90"), "InvalidParameterCombination"),
        (alarm("bad", Statistic=None, ExtendedStatistic="p101"), "InvalidParameterValue"),
        (alarm("bad", Period=45), "ValidationError"),
        (alarm("bad", Period=300, EvaluationPeriods=289), "ValidationError"),
        (alarm("bad", DatapointsToAlarm=2), "ValidationError"),
        (alarm("bad", TreatMissingData="maybe"), "ValidationError"),
        (alarm("bad", AlarmActions=["a topic"]), "ValidationError"),
        (alarm("bad", Threshold=None), "MissingParameter"),
        (alarm("bad", Metrics=SEARCHING), "InvalidParameterCombination"),
        (alarm("bad", ComparisonOperator="GreaterThanUpperThreshold"), "ValidationError"),
    ],
    ids=lambda found: "" if isinstance(found, str) else ",".join(sorted(set(found) - set(alarm("")))),
)
def test_a_wrong_alarm_is_refused(watch: Any, given: dict[str, Any], code: str) -> None:
    told = {key: value for key, value in given.items() if value is not None}
    assert refused(watch.put_metric_alarm, **told) == code


def test_wrong_expressions_and_rules_are_refused(watch: Any) -> None:
    common = {"AlarmName": "bad", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "LessThanThreshold"}
    assert refused(watch.put_metric_alarm, **common, Metrics=SEARCHING) == "ValidationError"
    broken = [{"Id": "e", "Expression": "nobody * 2", "Period": 60}]
    assert refused(watch.put_metric_alarm, **common, Metrics=broken) == "ValidationError"
    for rule in ("ALARM(never-made)", "ALARM(", "TRUE or FALSE"):
        assert refused(watch.put_composite_alarm, AlarmName="bad", AlarmRule=rule) == "ValidationError"


def test_states_and_history_are_the_same_after_a_restart(tmp_path: Path) -> None:
    with start(tmp_path) as account:
        watch = clients(account.url)("cloudwatch")
        watch.put_metric_alarm(**alarm("kept", "kept"))
        watch.put_composite_alarm(AlarmName="above", AlarmRule="ALARM(kept)")
        put(watch, "kept", 20, 1, at=account.now() + timedelta(minutes=1))
        account.advance(hours=1)
        before = watch.describe_alarm_history(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["AlarmHistoryItems"]
    with start(tmp_path) as account:
        watch = clients(account.url)("cloudwatch")
        after = watch.describe_alarm_history(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["AlarmHistoryItems"]
    assert after == before
    changes = [item["HistorySummary"] for item in after if item["AlarmName"] == "above"]
    assert "Alarm updated from OK to ALARM" in changes
