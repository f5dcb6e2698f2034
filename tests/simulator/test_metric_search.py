"""SEARCH: which metrics a search text means (examples of the CloudWatch User Guide among them)."""

from __future__ import annotations

import pytest

from sagekeeper.simulator.metric_expression import Malformed
from sagekeeper.simulator.metric_search import found, labels
from sagekeeper.simulator.metric_store import Key


def key(namespace: str, name: str, **dimensions: str) -> Key:
    return Key(namespace, name, tuple(sorted(dimensions.items())))


CPU1 = key("AWS/EC2", "CPUUtilization", InstanceId="i-1")
CPU2 = key("AWS/EC2", "CPUUtilization", InstanceId="i-22")
BY_TYPE = key("AWS/EC2", "CPUUtilization", InstanceType="t2.micro")
NETWORK = key("AWS/EC2", "NetworkPacketsIn", InstanceId="i-1")
CUSTOM = key("My Namespace", "CustomCount1", Project="A")
DASHED = key("Mine", "Network-Errors-2")
EVERY = [CPU1, CPU2, BY_TYPE, NETWORK, CUSTOM, DASHED]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization"', [CPU1, CPU2]),
        ("{AWS/EC2, InstanceId}", [CPU1, CPU2, NETWORK]),
        ("{AWS/EC2}", [CPU1, CPU2, BY_TYPE, NETWORK]),
        ("{AWS/EC2,InstanceId} network packets", [NETWORK]),
        ("{AWS/EC2,InstanceId} network AND packets", [NETWORK]),
        ("{AWS/EC2,InstanceId} NOT i-22", [CPU1, NETWORK]),
        ('{"My Namespace", Project}, "CustomCount1"', [CUSTOM]),
        ('{"My Namespace"} "customcount1"', []),
        ('{"My Namespace"} "Custom"', []),
        ("count", [CUSTOM]),
        ("COUNT", [CUSTOM]),
        ("couNT", []),
        ("CustomCount", [CUSTOM]),
        ("Count1", [CUSTOM]),
        ("customcount", []),
        ("customcount1", [CUSTOM]),
        ("network/errors", [DASHED]),
        ("Network_Errors", [DASHED]),
        ('"Network_Errors-2"', []),
        ('"Network-Errors-2"', [DASHED]),
        ("InstanceType=micro", [BY_TYPE]),
        ('InstanceType="t2.micro" Namespace="AWS/EC2"', [BY_TYPE]),
        ("NOT Namespace=AWS", [DASHED, CUSTOM]),
        ("(Custom OR Mine) MetricName=Errors", [DASHED]),
        (
            'MetricName="CPUUtilization" OR (MetricName=NetworkPacketsIn AND (nobody OR "i-1"))',
            [CPU1, CPU2, BY_TYPE, NETWORK],
        ),
    ],
)
def test_a_search_text_means_these_metrics(text: str, meant: list[Key]) -> None:
    assert found(text, EVERY) == sorted(meant)


@pytest.mark.parametrize("text", ["", "  ", "(a OR b", 'a "open', "a )", "MetricName=", "{} x", "x" * 1025])
def test_a_search_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        found(text, EVERY)


def test_labels_tell_the_found_metrics_apart() -> None:
    assert labels([CPU1, CPU2]) == ["i-1", "i-22"]
    assert labels([CPU1, NETWORK]) == ["i-1 CPUUtilization", "i-1 NetworkPacketsIn"]
    assert labels([CUSTOM]) == ["CustomCount1"]
