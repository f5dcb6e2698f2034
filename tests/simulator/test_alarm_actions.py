"""Alarms in process: who registered for an action is called in order of time, and again while the state lasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from sagekeeper.simulator import alarm_actions
from sagekeeper.simulator.alarm_evaluation import in_alarm
from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.alarm_watch import keep_up
from sagekeeper.simulator.alarms import put_metric
from sagekeeper.simulator.metric_store import Block, Key
from sagekeeper.simulator.world import PAYER, Standing, World

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
POLICY = (
    "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/endpoint/e/variant/v:policyName/p"
)
Calls = list[tuple[str, str, datetime]]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def here(world: World) -> Standing:
    return world.at(PAYER, "us-east-1")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    found: Calls = []
    monkeypatch.setattr(alarm_actions, "_ACTORS", {})
    alarm_actions.on("autoscaling", lambda alarm, state, at: found.append((alarm.name, state, at)))
    yield found


def put(here: Standing, name: str, *values: float | None) -> None:
    """A value for every minute from NOW on."""
    there = [(place, value) for place, value in enumerate(values) if value is not None]
    at = np.array([int(NOW.timestamp()) + 60 * place for place, _ in there], dtype=np.int64)
    key = Key("shop", name, ())
    here.watch.store.put(
        Block(key, "None", (at, np.array([value for _, value in there], dtype=float))), NOW.timestamp()
    )


def alarm(here: Standing, name: str, metric: str, **more: Any) -> Alarm:
    given = {
        "AlarmName": name,
        "Namespace": "shop",
        "MetricName": metric,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [POLICY],
    }
    return put_metric(here, given | more, NOW)


def minute(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def test_scaling_is_called_at_the_change_and_every_minute_that_it_lasts(
    world: World, here: Standing, calls: Calls
) -> None:
    put(here, "load", 1, 20, 20, 20, 1, 1)
    alarm(here, "high", "load")
    keep_up(world, minute(6))
    assert calls == [("high", "ALARM", minute(number)) for number in (2, 3, 4)]


def test_a_jump_calls_as_often_as_many_small_steps(world: World, here: Standing, calls: Calls) -> None:
    put(here, "load", *([20, 20, 1] * 200))
    alarm(here, "high", "load")
    keep_up(world, minute(600))
    at_once = list(calls)
    other = World()
    put(other.at(PAYER, "us-east-1"), "load", *([20, 20, 1] * 200))
    alarm(other.at(PAYER, "us-east-1"), "high", "load")
    calls.clear()
    for number in range(601):
        keep_up(other, minute(number))
    assert calls == at_once
    assert len(at_once) == 400


def test_what_an_action_changes_is_seen_by_what_is_evaluated_after_it(
    world: World, here: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here, "load", *([20.0] * 10))
    acted: list[datetime] = []

    def relieve(_: Alarm, state: str, at: datetime) -> None:
        acted.append(at)
        put(here, "load", *[None] * (int((at - NOW).total_seconds()) // 60), *([-15.0] * 10))
        here.version += 1

    monkeypatch.setattr(alarm_actions, "_ACTORS", {"autoscaling": relieve})
    high = alarm(here, "high", "load")
    keep_up(world, minute(9))
    assert acted == [minute(1)]
    assert high.state == "OK"


def test_alarms_that_may_not_act_call_nobody(world: World, here: Standing, calls: Calls) -> None:
    put(here, "load", 20, 20, 20)
    alarm(here, "muted", "load", ActionsEnabled=False)
    keep_up(world, minute(3))
    assert here.watch.alarms.alarms["muted"].state == "ALARM"
    assert calls == []


def test_without_anybody_registered_the_action_is_noted_as_failed(
    world: World, here: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_actions, "_ACTORS", {})
    put(here, "load", 20)
    alarm(here, "high", "load")
    keep_up(world, minute(1))
    assert here.watch.alarms.history[-1].summary == f"Failed to execute action {POLICY}"


def test_periods_longer_than_a_minute_slide_by_the_minute(world: World, here: Standing) -> None:
    put(here, "load", 1, 1, 9, 9, 1, 1, 1, 1)
    high = alarm(here, "high", "load", Period=120, Threshold=15.0, AlarmActions=[])
    keep_up(world, minute(4))
    assert (high.state, high.transitioned) == ("ALARM", minute(4))
    keep_up(world, minute(8))
    assert (high.state, high.transitioned) == ("OK", minute(5))


def test_the_state_at_any_moment_can_be_asked_for(world: World, here: Standing) -> None:
    put(here, "load", 1, 20, 20, 1, 1)
    alarm(here, "high", "load", AlarmActions=[])
    put_metric(here, {"AlarmName": "above", "AlarmRule": "NOT ALARM(high)"}, NOW)
    keep_up(world, minute(30))
    assert [in_alarm(here, "high", minute(number)) for number in (2, 3, 4)] == [True, True, False]
    assert [in_alarm(here, "above", minute(number)) for number in (2, 3, 4)] == [False, False, True]
    assert not in_alarm(here, "nobody", minute(2))


def test_an_expression_that_becomes_a_number_is_no_data_and_no_failure(world: World, here: Standing) -> None:
    put(here, "load", 20, 20, 1, 1)
    metric = {"Metric": {"Namespace": "shop", "MetricName": "load"}, "Period": 60, "Stat": "Sum"}
    given = {
        "AlarmName": "odd",
        "Metrics": [
            {"Id": "m", "MetricStat": metric, "ReturnData": False},
            {"Id": "e", "Expression": "IF(MAX(m) > 100, m, 5)"},
        ],
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    odd = put_metric(here, given, NOW)
    keep_up(world, minute(4))
    assert odd.state == "INSUFFICIENT_DATA"
