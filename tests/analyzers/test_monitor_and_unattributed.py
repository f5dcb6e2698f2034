"""Model Monitor's own violations, and money without a name."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers import monitor, unattributed


def violation(rows: SimpleNamespace, days_ago: float, feature: str = "income", **more: Any) -> dict[str, Any]:
    """One line of a violations file."""
    at = rows.as_of - timedelta(days=days_ago)
    return {
        "account": rows.account,
        "region": rows.region,
        "endpoint": "prices",
        "schedule": "prices-quality",
        "execution_time": at,
        "day": at.date(),
        "feature": feature,
        "check": "baseline_drift_check",
        "description": "distance 0.3 exceeds 0.1",
    } | more


def test_all_violations_of_a_schedule_are_one_finding_since_the_first(rows: SimpleNamespace) -> None:
    seen = [violation(rows, ago, feature) for ago in (1, 2, 3) for feature in ("income", "place")]
    facts = rows.facts(violations=seen, inventory=[rows.endpoint("prices", tags={"team": "pricing"})])
    (finding,) = monitor.find(facts, monitor.Settings())
    assert (finding.subject.name, finding.owner, finding.severity) == ("prices", "pricing", "high")
    assert finding.title == "Model Monitor reports 2 violations for prices"
    assert finding.first_seen == rows.as_of - timedelta(days=3)
    assert [figure.label for figure in finding.evidence.figures] == ["income", "place"]


def test_two_schedules_of_one_endpoint_are_two_findings(rows: SimpleNamespace) -> None:
    facts = rows.facts(violations=[violation(rows, 1), violation(rows, 1, schedule="prices-bias")])
    assert len({item.fingerprint for item in monitor.find(facts, monitor.Settings())}) == 2


def test_an_old_violation_is_no_news(rows: SimpleNamespace) -> None:
    assert monitor.find(rows.facts(violations=[violation(rows, 5)]), monitor.Settings()) == []


def test_cost_without_resource_and_cost_without_owner_are_told_apart(rows: SimpleNamespace) -> None:
    costs = []
    for ago in range(3, 31):
        day = date(2026, 11, 20) - timedelta(days=ago)
        nameless = {"resource_kind": None, "resource_arn": None, "attribution": "unattributed", "service": "Amazon S3"}
        costs += [
            rows.daily("owned", day, 80.0, owner="ana"),
            rows.daily("orphan", day, 15.0),
            rows.daily(None, day, 5.0, **nameless),
        ]
    (finding,) = unattributed.find(rows.facts(daily_costs=costs), unattributed.Settings())
    figures = {figure.label: figure.value for figure in finding.evidence.figures}
    assert figures["No resource"] == pytest.approx(28 * 5.0)
    assert figures["No owner"] == figures["orphan"] == pytest.approx(28 * 15.0)
    assert float(finding.impact_per_month or 0) == pytest.approx(20.0 * 730 / 24, rel=1e-6)
    assert finding.severity == "info"


def test_a_small_rest_is_not_worth_a_look(rows: SimpleNamespace) -> None:
    day = date(2026, 11, 10)
    costs = [rows.daily("owned", day, 1000.0, owner="ana"), rows.daily("orphan", day, 40.0)]
    assert unattributed.find(rows.facts(daily_costs=costs), unattributed.Settings()) == []
