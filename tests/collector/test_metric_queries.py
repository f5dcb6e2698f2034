"""Only what a kind of endpoint publishes is asked, and only for the time in which the answer can be understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sagekeeper.collector.cloudwatch_metrics import Query, _queries
from sagekeeper.collector.source import Task
from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.settings import Account, Aws, Settings

BORN = datetime(2026, 1, 5, 10, 13, tzinfo=UTC)


@pytest.fixture
def task(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> Task:
    settings = Settings(data_dir=tmp_path)
    account = Account(id="123456789012")
    sessions = AwsSessions(Aws(accounts=[account]))
    as_of = datetime(2026, 11, 20, 8, tzinfo=UTC)
    return Task(
        "cloudwatch_metrics", sessions, lake, sqlite_ledger, settings, account, "us-east-1", as_of, lambda *_: None
    )


def endpoint(variant: dict[str, Any], config_made: datetime = BORN, **config: Any) -> dict[str, Any]:
    whole = {"CreationTime": config_made.isoformat(), "ProductionVariants": [{"VariantName": "AllTraffic"} | variant]}
    return {"name": "fraud", "created_at": BORN, "config": json.dumps({"EndpointConfig": whole | config})}


def asked(queries: list[Query]) -> set[tuple[str, str]]:
    return {(query.asked.metric, query.statistic) for query in queries}


def test_an_endpoint_on_cpus_is_asked_for_traffic_and_cpu_but_no_gpu(task: Task) -> None:
    queries = list(_queries(task, endpoint({"InstanceType": "ml.m5.xlarge"}), season=False))
    assert asked(queries) == {
        ("Invocations", "Sum"),
        ("Invocation4XXErrors", "Sum"),
        ("Invocation5XXErrors", "Sum"),
        ("ModelLatency", "Average"),
        ("ModelLatency", "p95"),
        ("ModelLatency", "p99"),
        ("CPUUtilization", "Average"),
        ("CPUUtilization", "Maximum"),
        ("MemoryUtilization", "Maximum"),
    }
    assert {query.divisor for query in queries if query.asked.metric == "CPUUtilization"} == {4.0}
    assert {query.divisor for query in queries if query.asked.metric != "CPUUtilization"} == {1.0}


def test_utilisation_of_gpus_is_divided_by_their_number(task: Task) -> None:
    queries = list(_queries(task, endpoint({"InstanceType": "ml.g5.12xlarge"}), season=False))
    assert {query.divisor for query in queries if query.asked.metric.startswith("GPU")} == {4.0}
    assert ("GPUMemoryUtilization", "Maximum") in asked(queries)


def test_an_asynchronous_endpoint_is_asked_for_what_it_has_processed_and_never_for_invocations(task: Task) -> None:
    row = endpoint({"InstanceType": "ml.m5.xlarge"}, AsyncInferenceConfig={"OutputConfig": {}})
    assert {name for name, _ in asked(list(_queries(task, row, season=False)))} == {
        "InvocationsProcessed",
        "InvocationsProcesssed",
        "CPUUtilization",
        "MemoryUtilization",
    }
    assert asked(list(_queries(task, row, season=True))) == {
        ("InvocationsProcessed", "Sum"),
        ("InvocationsProcesssed", "Sum"),
    }


def test_a_serverless_endpoint_is_asked_for_no_instance_metric(task: Task) -> None:
    row = endpoint({"ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 20}})
    assert not {name for name, _ in asked(list(_queries(task, row, season=False))) if name.endswith("Utilization")}
    assert task.notes == []


def test_an_unknown_instance_type_is_not_normalised_but_noted(task: Task) -> None:
    queries = list(_queries(task, endpoint({"InstanceType": "ml.z9.huge"}), season=False))
    assert {name for name, _ in asked(queries) if name.endswith("Utilization")} == {"MemoryUtilization"}
    assert len(task.notes) == 1
    assert "ml.z9.huge is not in the price book" in task.notes[0]


def test_utilisation_is_asked_since_the_configuration_was_made_and_traffic_since_the_endpoint(task: Task) -> None:
    moved = datetime(2026, 11, 1, 9, tzinfo=UTC)
    queries = list(_queries(task, endpoint({"InstanceType": "ml.m5.xlarge"}, config_made=moved), season=False))
    since = {query.asked.metric: query.since for query in queries}
    assert since["CPUUtilization"] == moved
    assert since["Invocations"] == since["MemoryUtilization"] == BORN


def test_an_endpoint_that_lost_its_configuration_is_noted(task: Task) -> None:
    row = {"name": "fraud", "created_at": BORN, "config": "{}"}
    assert list(_queries(task, row, season=False)) == []
    assert task.notes == ["Endpoint fraud has lost its configuration: its metrics are not read."]
