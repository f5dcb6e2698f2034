"""A world in which everything looks like waste and nothing is: the product keeps its hands off."""

from __future__ import annotations

import pytest

from sagekeeper.core.ledger.findings import open_findings, open_recommendations
from sagekeeper.service.house import House
from sagekeeper.simulator.client import Simulator

pytestmark = pytest.mark.integration
WORLD = "temptation"
SEEN = {"quarter-close-scoring", "stack-owned-scorer"}
"""Silent for more than two weeks, which is said; the one with its season, the other not to be touched without a look."""


def test_nothing_that_only_looks_like_waste_can_be_changed_with_one_click(kept: House, simulator: Simulator) -> None:
    reasons = {item["subject"]: item["detail"] for item in simulator.truth()}
    assert len(reasons) >= 9
    with kept.ledger.reading() as session:
        proposals = [item for item in open_recommendations(session) if item.subjects[0].name in reasons]
        findings = {item.subject.name for item in open_findings(session)}
    assert [(item.title, reasons[item.subjects[0].name]) for item in proposals if item.one_click] == []
    assert findings & set(reasons) == SEEN
    gates = {item.subjects[0].name: {gate.name for gate in item.gates if gate.state != "pass"} for item in proposals}
    assert gates == {
        "stack-owned-scorer": {"not defined as code"},
    }
