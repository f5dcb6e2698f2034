"""The product's main job once through every room: bill, finding, proposal, change, proven saving, undo."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from sqlalchemy import select

from sagekeeper.core.ledger.findings import open_findings, open_recommendations
from sagekeeper.core.ledger.models import ActionRow, MeasurementRow, RecommendationRow
from sagekeeper.core.ledger.queue import request_action, request_undo
from sagekeeper.core.types import DeleteEndpoint
from sagekeeper.lifecycle.worker import Worker
from sagekeeper.service import pipeline
from sagekeeper.service.house import House
from sagekeeper.simulator.client import Simulator

pytestmark = pytest.mark.integration


def status_of(house: House, change: DeleteEndpoint) -> str:
    """What AWS says about the endpoint now."""
    where = change.endpoint
    client = house.sessions.client("sagemaker", where.account, where.region)
    try:
        return str(client.describe_endpoint(EndpointName=where.name)["EndpointStatus"])
    except client.exceptions.ClientError as error:
        assert "Could not find endpoint" in str(error)
        return "gone"


def worked(house: House, action_id: int, until: str, seconds: float = 120) -> ActionRow:
    """Let a worker work until the action is in this state."""
    worker = Worker(house.ledger, house.lake, house.settings, house.sessions, house.clock, "test")
    ends = time.monotonic() + seconds
    while True:
        worker.run_once()
        with house.ledger.reading() as session:
            action = session.get_one(ActionRow, action_id)
        if action.state == until:
            return action
        assert action.state not in ("failed", "refused", "rolled_back"), action.message
        assert time.monotonic() < ends, f"still {action.state}: {action.message}"
        time.sleep(0.2)


def test_an_idle_endpoint_is_found_deleted_in_one_click_its_saving_proven_and_brought_back(
    kept: House, simulator: Simulator
) -> None:
    with kept.ledger.reading() as session:
        idle = [item for item in open_findings(session) if item.kind == "idle_endpoint"]
        proposals = [item for item in open_recommendations(session) if item.lever == "idle_endpoint"]
    assert idle
    clickable = [item for item in proposals if item.one_click]
    assert clickable, [(item.title, [gate for gate in item.gates if gate.state != "pass"]) for item in proposals]
    wanted = clickable[0]
    change = wanted.change
    assert isinstance(change, DeleteEndpoint)
    assert change.endpoint.name in {finding.subject.name for finding in idle}
    assert status_of(kept, change) == "InService"

    now = kept.clock()
    action, made = request_action(kept.ledger, wanted.fingerprint, wanted.version, "a tester", now, approve=True)
    assert made
    assert request_action(kept.ledger, wanted.fingerprint, wanted.version, "a tester", now, approve=True)[1] is False
    worked(kept, action.id, "applied")
    assert status_of(kept, change) == "gone"

    simulator.advance(days=7)
    later = kept.clock()
    assert (later - now).days >= 7
    assert [item for item in pipeline.collect(kept, later) if item.status == "failed"] == []
    pipeline.analyze(kept, later)
    pipeline.recommend(kept, later)
    pipeline.measure(kept, later)
    with kept.ledger.reading() as session:
        measured = session.scalars(select(MeasurementRow).where(MeasurementRow.action_id == action.id)).all()[-1]
        state = session.get_one(RecommendationRow, wanted.fingerprint).state
        still_idle = {item.subject.name for item in open_findings(session) if item.kind == "idle_endpoint"}
    assert measured.verdict == "within range", measured.detail
    assert Decimal(wanted.saving.low) <= measured.saved_per_month <= Decimal(wanted.saving.high)
    assert measured.saved_to_date > 0
    assert state == "applied"
    assert change.endpoint.name not in still_idle

    request_undo(kept.ledger, action.id, "a tester", later)
    worked(kept, action.id, "undone")
    assert status_of(kept, change) == "InService"
