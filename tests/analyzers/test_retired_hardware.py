"""What still runs on machines that AWS has retired is found, and nothing else."""

from __future__ import annotations

import json
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.retired_hardware import RETIRED, Settings, find
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.types import Finding


def only(facts: Facts) -> Finding:
    """The one finding."""
    (finding,) = find(facts, Settings())
    return finding


def figure(finding: Finding, label: str) -> Any:
    """What the evidence says under this label."""
    (found,) = [item.value for item in finding.evidence.figures if item.label == label]
    return found


def test_an_endpoint_on_inf1_is_to_be_moved_before_aws_names_a_day(rows: SimpleNamespace) -> None:
    endpoint = rows.endpoint("sentiment", "ml.inf1.xlarge", count=2, tags={"owner": "emil"})
    finding = only(rows.facts(inventory=[endpoint]))
    assert (finding.subject.kind, finding.subject.name, finding.owner) == ("endpoint", "sentiment", "emil")
    assert finding.title == "sentiment is served on ml.inf1.xlarge, which AWS's Neuron SDK no longer supports"
    assert finding.explanation.endswith(
        "AWS has named no day to have moved by; before it does, move it to ml.inf2.xlarge, ml.g4dn.xlarge or "
        "ml.c7g.xlarge, whichever costs least per prediction or hour of work."
    )
    assert figure(finding, "To have moved by") is None
    assert figure(finding, "Instances") == 2
    assert (figure(finding, "ml.inf1.xlarge costs"), figure(finding, "ml.inf2.xlarge costs")) == (0.297, 0.99)
    # Two instances at 0.297 USD an hour and 730 hours: no bill yet.
    assert figure(finding, "Cost now") == pytest.approx(433.62)


def test_training_jobs_on_p3_are_one_finding_for_their_family_and_overdue(rows: SimpleNamespace) -> None:
    jobs = [
        rows.job(
            f"sentiment-train-2026-11-{day:02d}-09-00-00-123", "ml.p3.2xlarge", rows.as_of - timedelta(days=days), 90
        )
        for day, days in ((3, 17), (10, 10), (17, 3))
    ]
    finding = only(rows.facts(jobs=jobs))
    assert (finding.subject.kind, finding.subject.name) == ("training_family", "sentiment-train")
    assert finding.title == "sentiment-train trains on ml.p3.2xlarge, which AWS has retired"
    assert "20 December 2025, which has passed" in finding.explanation
    assert (figure(finding, "Runs"), figure(finding, "Billed"), figure(finding, "Last run")) == (3, 4.5, "2026-11-17")
    # 4.5 hours at 3.825 USD.
    assert figure(finding, "Cost") == pytest.approx(17.21)


def test_transform_jobs_are_a_family_of_their_own(rows: SimpleNamespace) -> None:
    job = rows.job("scoring-1", "ml.p3.2xlarge", rows.as_of - timedelta(days=1), 10, kind="transform_job")
    assert only(rows.facts(jobs=[job])).subject.kind == "transform_family"


def test_a_job_that_ran_before_the_window_is_history(rows: SimpleNamespace) -> None:
    job = rows.job("old-train-1", "ml.p3.2xlarge", rows.as_of - timedelta(days=31), 90)
    assert find(rows.facts(jobs=[job]), Settings()) == []


@pytest.mark.parametrize("machine", ["ml.p3dn.24xlarge", "ml.inf2.xlarge", "ml.p4d.24xlarge", "ml.m5.large", None])
def test_machines_that_remain_are_not_found(rows: SimpleNamespace, machine: str | None) -> None:
    job = rows.job("train-1", machine or "ml.g5.xlarge", rows.as_of - timedelta(days=1), 10)
    assert find(rows.facts(inventory=[rows.endpoint("e", machine)], jobs=[job]), Settings()) == []


def test_billed_hours_are_unknown_where_one_run_is_still_under_way(rows: SimpleNamespace) -> None:
    yesterday = rows.as_of - timedelta(days=1)
    jobs = [
        rows.job("train-1", "ml.p3.2xlarge", yesterday, 60),
        rows.job("train-2", "ml.p3.2xlarge", yesterday, 60, billable_seconds=None, status="InProgress"),
    ]
    finding = only(rows.facts(jobs=jobs))
    assert (figure(finding, "Billed"), figure(finding, "Cost")) == (None, None)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("notebook_instance", {"InstanceType": "ml.p2.xlarge"}),
        ("studio_app", {"AppType": "KernelGateway", "ResourceSpec": {"InstanceType": "ml.p2.xlarge"}}),
    ],
)
def test_what_a_person_works_on_is_found_although_no_day_is_known(
    rows: SimpleNamespace, kind: str, document: dict[str, Any]
) -> None:
    item = {
        "account": rows.account,
        "region": rows.region,
        "kind": kind,
        "name": "old-lab",
        "status": "Stopped",
        "config": json.dumps(document),
        "tags": "{}",
    }
    finding = only(rows.facts(inventory=[item]))
    assert (finding.subject.kind, finding.subject.name) == (kind, "old-lab")
    assert figure(finding, "Uses") == "ml.p2.xlarge" and figure(finding, "To have moved by") is None


def test_a_studio_app_without_a_machine_of_its_own_is_no_finding(rows: SimpleNamespace) -> None:
    app = {"account": rows.account, "region": rows.region, "kind": "studio_app", "name": "d/u/JupyterServer/default"}
    assert find(rows.facts(inventory=[app | {"config": json.dumps({"AppType": "JupyterServer"})}]), Settings()) == []


def test_two_variants_on_two_types_leave_open_how_many_instances_each_has(rows: SimpleNamespace) -> None:
    row = rows.endpoint("mixed", "ml.inf1.xlarge", count=3)
    document = json.loads(row["config"])
    document["EndpointConfig"]["ProductionVariants"].append({"VariantName": "new", "InstanceType": "ml.inf2.xlarge"})
    finding = only(rows.facts(inventory=[row | {"config": json.dumps(document)}]))
    assert figure(finding, "Instances") is None


def test_the_finding_is_the_same_tomorrow(rows: SimpleNamespace) -> None:
    today = only(rows.facts(inventory=[rows.endpoint("sentiment", "ml.inf1.xlarge")]))
    later = rows.facts(as_of=rows.as_of + timedelta(days=1), inventory=[rows.endpoint("sentiment", "ml.inf1.xlarge")])
    assert only(later).fingerprint == today.fingerprint


def test_a_day_still_to_come_is_not_called_past(rows: SimpleNamespace) -> None:
    job = rows.job("train-1", "ml.p3.2xlarge", rows.as_of - timedelta(days=400), 10)
    finding = only(rows.facts(as_of=rows.as_of - timedelta(days=399), jobs=[job]))
    assert finding.first_seen.date() < date(2025, 12, 20) and "passed" not in finding.explanation


def test_every_successor_has_a_price_and_is_no_retired_type_itself() -> None:
    for about in RETIRED.values():
        for successor in (name for names in about.successors.values() for name in names):
            assert PriceBook.bundled().spec(successor) is not None
            assert successor.split(".")[1] not in RETIRED
