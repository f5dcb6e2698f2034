"""What an alarm sets off when its state changes: messages through SNS, and whatever else registered itself for it.

A part of the account that alarms may call (Application Auto Scaling, deployments) registers a function for the service
named in the action's ARN; it is called with the alarm, its state and the time of the change, and for ``autoscaling``
again at every evaluation while the state lasts, as CloudWatch does. An action that nobody takes is noted as failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import botocore.session
from moto.sns.models import sns_backends

from sagekeeper.simulator.alarm_state import Alarm, AlarmBook

Act = Callable[[Alarm, str, datetime], None]
REPEATED = ("autoscaling",)
"""Scaling actions are called for every period that the state lasts (CloudWatch User Guide, alarm actions)."""
MEMBERS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_ACTORS: dict[str, Act] = {}


def on(service: str, act: Act) -> None:
    """Have ``act(alarm, state, at)`` called for actions whose ARN names this service."""
    _ACTORS[service] = act


def repeats(alarm: Alarm) -> bool:
    """Whether its present state calls somebody again and again."""
    return any(_service(action) in REPEATED and _service(action) in _ACTORS for action in alarm.actions)


def may_repeat(alarm: Alarm) -> bool:
    """Whether one of its states does."""
    actions = [action for member in MEMBERS for action in alarm.given.get(member) or []]
    return any(_service(action) in REPEATED and _service(action) in _ACTORS for action in actions)


def set_off(book: AlarmBook, alarm: Alarm, before: str, at: datetime, again: bool = False) -> None:
    """Do what the alarm's present state asks for."""
    if not alarm.given.get("ActionsEnabled", True):
        return
    for action in alarm.actions:
        service = _service(action)
        if again and service not in REPEATED:
            continue
        if service == "sns":
            done = _published(action, alarm, before, at)
        else:
            done = service in _ACTORS
            if done:
                _ACTORS[service](alarm, alarm.state, at)
        if not again:
            _note(book, alarm, action, at, done)


def _note(book: AlarmBook, alarm: Alarm, action: str, at: datetime, done: bool) -> None:
    told = {
        "actionState": "Succeeded" if done else "Failed",
        "notificationResource": action,
        "stateUpdateTimestamp": int(alarm.updated.timestamp() * 1000),
        "publishedMessage": None,
        "error": None if done else "Resource not found",
    }
    summary = f"{'Successfully executed' if done else 'Failed to execute'} action {action}"
    book.note(alarm, at, "Action", summary, json.dumps(told))


def _published(action: str, alarm: Alarm, before: str, at: datetime) -> bool:
    _, _, _, region, account, _ = action.split(":", 5)
    topic = sns_backends[account][region].topics.get(action)
    if topic is None:
        return False
    place = region_name(alarm.arn.split(":")[3])
    topic.publish(
        json.dumps(message(alarm, before, at, place)), subject=f'{alarm.state}: "{alarm.name}" in {place}'[:100]
    )
    return True


def message(alarm: Alarm, before: str, at: datetime, place: str) -> dict[str, Any]:
    """The body that CloudWatch sends to a topic."""
    given = alarm.given
    told: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": given.get("AlarmDescription"),
        "AWSAccountId": alarm.arn.split(":")[4],
        "AlarmConfigurationUpdatedTimestamp": _stamp(alarm.configured),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": _stamp(at),
        "Region": place,
        "AlarmArn": alarm.arn,
        "OldStateValue": before,
        "OKActions": given.get("OKActions") or [],
        "AlarmActions": given.get("AlarmActions") or [],
        "InsufficientDataActions": given.get("InsufficientDataActions") or [],
    }
    if alarm.composite:
        return told | {"AlarmRule": given["AlarmRule"]}
    return told | {"Trigger": _trigger(given)}


def _trigger(given: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "EvaluationPeriods": given["EvaluationPeriods"],
        "ComparisonOperator": given["ComparisonOperator"],
        "Threshold": given["Threshold"],
        "TreatMissingData": given.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": given.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "DatapointsToAlarm" in given:
        told["DatapointsToAlarm"] = given["DatapointsToAlarm"]
    if "Metrics" in given:
        return told | {"Metrics": given["Metrics"]}
    kind, stat = (
        ("Statistic", given["Statistic"].upper())
        if "Statistic" in given
        else ("ExtendedStatistic", given["ExtendedStatistic"])
    )
    dimensions = [{"value": item["Value"], "name": item["Name"]} for item in given.get("Dimensions") or []]
    return told | {
        "MetricName": given["MetricName"],
        "Namespace": given["Namespace"],
        "StatisticType": kind,
        "Statistic": stat,
        "Unit": given.get("Unit"),
        "Dimensions": dimensions,
        "Period": given["Period"],
    }


@lru_cache(maxsize=64)
def region_name(region: str) -> str:
    """``US East (N. Virginia)`` and the like, from botocore's partitions."""
    data = botocore.session.get_session().get_component("data_loader").load_data("partitions")
    names = {name: about.get("description") for part in data["partitions"] for name, about in part["regions"].items()}
    return str(names.get(region) or region)


def _service(action: str) -> str:
    return action.split(":")[2]


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
