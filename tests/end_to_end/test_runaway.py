"""A job that runs away after the last bill: found by the next hourly look, told by mail in that run, resolved when it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import polars as pl
import pytest
from aiosmtpd.controller import Controller

from sagekeeper.core.ledger.findings import open_findings
from sagekeeper.core.ledger.models import ApiUseRow, FindingRow
from sagekeeper.core.tables import COSTS, RUN_RATES
from sagekeeper.reports.run import send_runaway_alerts
from sagekeeper.reports.views.findings import finding_lines
from sagekeeper.reports.views.running import run_rate
from sagekeeper.service import pipeline
from sagekeeper.service.house import House
from sagekeeper.simulator.client import Simulator

pytestmark = pytest.mark.integration
HOURLY = ["sagemaker_inventory", "sagemaker_jobs"]
MEMBER, REGION = "123456789012", "us-east-1"


class Box:
    """What the mail server took."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def box(house: House) -> Iterator[Box]:
    """A mail server that the house uses."""
    found = Box()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    house.settings.mail.host, house.settings.mail.port, house.settings.mail.tls = "127.0.0.1", port, "none"
    house.settings.mail.alert_recipients = ["watch@example.com"]
    yield found
    controller.stop()


def hour(house: House) -> None:
    """One hourly run: look, analyse, tell."""
    now = house.clock()
    pipeline.collect(house, now, only=HOURLY)
    pipeline.analyze(house, now)
    send_runaway_alerts(house.ledger, house.settings, now, now)


def runaways(house: House) -> dict[str, Any]:
    with house.ledger.reading() as session:
        return {item.subject.name: item for item in open_findings(session) if item.kind == "runaway_job"}


def test_a_runaway_job_is_known_within_the_hour_told_once_and_resolved_when_it_ends(
    house: House, simulator: Simulator, box: Box
) -> None:
    pipeline.collect(house, house.clock(), only=["sagemaker_inventory", "sagemaker_jobs", "cost_explorer"])
    hour(house)
    assert runaways(house) == {}, "jobs of every day that run now are healthy"
    last_bill = house.lake.scan(COSTS).select(pl.col("x_ChargeDate").max()).collect().item()

    family = "fraud-xgb-train-2026-11-20-08-00-00-1"
    simulator.incident("runaway_job", "sweep-9", account=MEMBER, region=REGION)
    simulator.incident("runaway_job", family, account=MEMBER, region=REGION)
    simulator.advance(hours=1)
    with house.ledger.reading() as session:
        before = {(row.service, row.operation): row.calls for row in session.query(ApiUseRow)}
    hour(house)
    found = runaways(house)
    assert set(found) == {"sweep-9", family}
    assert house.lake.scan(COSTS).select(pl.col("x_ChargeDate").max()).collect().item() == last_bill
    # 8 x ml.g5.12xlarge at $7.09 an hour; its limit is five days.
    assert float(found["sweep-9"].stake.per_day) == pytest.approx(24 * 8 * 7.09, rel=0.01)
    assert "rests on money alone" in found["sweep-9"].explanation
    assert found[family].certainty == "derived"
    lines = finding_lines(house.ledger, ["runaway_job"])
    assert {line.impact_period for line in lines} == {"until its limit"}, "no job's limit is money of every month"
    assert {message["Subject"].split(":")[0] for message in box.taken} == {"Runaway job"}
    assert len(box.taken) == 2
    body = box.taken[0].get_body(("plain",)).get_content()
    assert "aws sagemaker stop-training-job --training-job-name" in body

    # What it cost us: the hourly looks, and nothing of what AWS bills.
    with house.ledger.reading() as session:
        after = {(row.service, row.operation): row.calls for row in session.query(ApiUseRow)}
    assert {service for (service, name), calls in after.items() if calls > before.get((service, name), 0)} <= {
        "sagemaker",
        "iam",
        "sts",
        "application-autoscaling",
    }

    seen = run_rate(house.lake, house.settings, house.clock())
    jobs = seen.kinds.filter(pl.col("resource_kind") == "training_job")["per_hour"].item()
    assert jobs == pytest.approx(2 * 8 * 7.09, rel=0.05)
    new = seen.things.filter("new").filter(pl.col("resource_kind") == "training_job")["resource_name"]
    assert set(new) == set(found)
    recorded = house.lake.scan(RUN_RATES).filter(pl.col("resource_kind") == "all").collect()
    assert recorded["hour"].n_unique() == 2

    client = house.sessions.client("sagemaker", MEMBER, REGION, role="applier")
    for name in found:
        client.stop_training_job(TrainingJobName=name)
    simulator.advance(hours=1)
    hour(house)
    assert runaways(house) == {}
    with house.ledger.reading() as session:
        states = {row.resource_name: row.state for row in session.query(FindingRow) if row.kind == "runaway_job"}
    assert states == {"sweep-9": "resolved", family: "resolved"}
    assert len(box.taken) == 2, "told once"
