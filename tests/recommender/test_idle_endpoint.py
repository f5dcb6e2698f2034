"""Deleting what nobody calls: what is promised, and when one click is enough."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import DeleteEndpoint, Recommendation
from sagekeeper.recommender.gates import tag_gates
from sagekeeper.recommender.run import recommend

OPTED_IN = {"cost-optimizer": "managed", "env": "dev"}
CREATED = datetime.fromisoformat("2026-08-01T00:00:00Z")


def proposals(
    rows: SimpleNamespace,
    tags: dict[str, str] | None = None,
    used_on: tuple[int, ...] = (60, 59),
    daily_known: bool = True,
    cost: float | None = 5.52,
    others: tuple[dict[str, Any], ...] = (),
    **more: Any,
) -> list[Recommendation]:
    """What is proposed for one silent endpoint on ml.m5.xlarge; ``used_on``: days ago that it had requests."""
    days = {(rows.as_of - timedelta(days=ago)).date() for ago in used_on}
    metrics = rows.metrics("quiet", "Invocations", "Sum", lambda at: None)
    metrics += rows.metrics("quiet", "CPUUtilization", "Average", lambda at: 0.5)
    if daily_known:
        metrics += rows.metrics(
            "quiet", "Invocations", "Sum", lambda at: 10.0 if at.date() in days else None, days=112, period=86400
        )
    costs = (
        [] if cost is None else [rows.daily("quiet", date(2026, 11, 4) + timedelta(days=n), cost) for n in range(16)]
    )
    endpoint = rows.endpoint("quiet", **({"tags": OPTED_IN if tags is None else tags, "created_at": CREATED} | more))
    facts = rows.facts(inventory=[endpoint, *others], metrics=metrics, daily_costs=costs)
    made, errors = recommend(facts, {}, Lifecycle())
    assert errors == {}
    return [item for item in made if item.lever == "idle_endpoint"]


def open_gates(item: Recommendation) -> dict[str, str]:
    """The gates that block one click."""
    return {gate.name: gate.state for gate in item.gates if gate.state != "pass"}


def test_an_idle_endpoint_that_is_opted_in_can_be_deleted_with_one_click(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows)
    assert open_gates(item) == {}
    assert item.one_click and item.reversible
    assert isinstance(item.change, DeleteEndpoint) and item.change.endpoint.name == "quiet"


def test_the_promise_is_the_mean_of_the_last_full_days_and_the_bill_will_fall_within_it(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows)
    shown_by_the_bill = Decimal(str(5.52 * 730 / 24)).quantize(Decimal("0.01"))
    assert item.saving.low <= shown_by_the_bill <= item.saving.high == item.cost_per_month
    assert item.saving.low <= item.saving.expected * Decimal("0.95") + Decimal("0.01")
    assert (item.saving.basis, item.saving.certainty) == ("effective", "measured")


@pytest.mark.parametrize("cost", [3.3333333333, 0.1299999, 118.0049, 27.6])
def test_rounding_never_puts_the_bill_outside_the_promise(rows: SimpleNamespace, cost: float) -> None:
    (item,) = proposals(rows, cost=cost)
    saved = Decimal(str(cost * 730 / 24)).quantize(Decimal("0.0001")).quantize(Decimal("0.01"))
    assert item.saving.low <= saved <= item.saving.high


def test_without_a_bill_the_list_price_is_promised_as_such(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, cost=None)
    assert (item.saving.basis, item.saving.certainty) == ("list", "assumed")
    assert float(item.saving.expected) == pytest.approx(0.23 * 730)


@pytest.mark.parametrize(
    ("tags", "blocked"),
    [
        ({}, {"opt-in tag": "fail"}),
        (OPTED_IN | {"env": "prod"}, {"not production": "fail"}),
        (OPTED_IN | {"aws:cloudformation:stack-name": "ml"}, {"not defined as code": "fail"}),
        (OPTED_IN | {"managed-by": "terraform"}, {"not defined as code": "fail"}),
    ],
)
def test_tags_say_what_one_click_may_touch(
    rows: SimpleNamespace, tags: dict[str, str], blocked: dict[str, str]
) -> None:
    (item,) = proposals(rows, tags=tags)
    assert open_gates(item) == blocked


def test_nothing_is_proposed_for_what_its_owner_opted_out_by_tag(rows: SimpleNamespace) -> None:
    assert proposals(rows, tags={"cost-optimizer": "ignore"}) == []


def test_unread_tags_are_unknown_and_block() -> None:
    assert {gate.state for gate in tag_gates(None, Lifecycle())} == {"unknown"}


def test_one_that_came_back_after_a_silence_before_is_not_proposed_for_deletion(rows: SimpleNamespace) -> None:
    assert proposals(rows, used_on=(100, 99, 40, 39)) == []


def test_unknown_daily_traffic_leaves_the_season_unknown(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, daily_known=False)
    assert open_gates(item) == {"no seasonal use": "unknown"}


def test_an_endpoint_that_is_scaled_by_the_clock_needs_a_person(rows: SimpleNamespace) -> None:
    target = {
        "ResourceId": "endpoint/quiet/variant/AllTraffic",
        "ScheduledActions": [{"ScheduledActionName": "month-end", "Schedule": "cron(0 6 28 * ? *)"}],
    }
    (item,) = proposals(rows, others=(rows.endpoint("t", kind="scalable_target", config=json.dumps(target)),))
    assert open_gates(item) == {"no scheduled scaling": "fail"}


def test_an_endpoint_whose_model_cannot_be_read_may_not_come_back(rows: SimpleNamespace) -> None:
    document = json.loads(rows.endpoint("quiet")["config"]) | {"Models": {}}
    (item,) = proposals(rows, config=json.dumps(document))
    assert open_gates(item) == {"restore possible": "unknown"}


def test_a_recreated_endpoint_gives_a_new_version_of_the_same_idea(rows: SimpleNamespace) -> None:
    (before,), (after,) = proposals(rows), proposals(rows, changed_at=datetime.fromisoformat("2026-10-01T00:00:00Z"))
    assert before.fingerprint == after.fingerprint
    assert before.version != after.version


def test_a_wrong_setting_fails_its_lever_and_says_what_is_wrong(rows: SimpleNamespace) -> None:
    made, errors = recommend(rows.facts(), {"idle_endpoint": {"window_days": 0}}, Lifecycle())
    assert made == []
    assert "window_days" in str(errors["idle_endpoint"])
