"""CloudWatch's operations on alarms: put, describe, set, delete, enable, disable, and their history.

State follows the metrics by itself (`alarm_watch.py`); here are the requests, their limits and errors (botocore's texts
of the operations). ``put_metric`` and ``delete`` serve other parts of the account that keep alarms of their own
(Application Auto Scaling).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from sagekeeper.simulator import alarm_request
from sagekeeper.simulator.alarm_evaluation import Change
from sagekeeper.simulator.alarm_rules import name_of, rule
from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.alarm_watch import follow, state_changed
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import Standing

MOST_ALARMS = 5000
"""Alarms per Region and account (CloudWatch User Guide, common features of alarms)."""
NOT_SHOWN = {"AlarmName", "Tags"}
TIME = "%Y-%m-%dT%H:%M:%S.000+0000"


def put_metric_alarm(ask: Ask) -> dict[str, Any]:
    """Create an alarm on a metric or an expression, or overwrite it; its state stays."""
    alarm_request.check_metric(ask.here, ask.params, ask.now)
    _put(ask, {"ActionsEnabled": True} | ask.params)
    return {}


def put_composite_alarm(ask: Ask) -> dict[str, Any]:
    """Create an alarm on the states of other alarms, or overwrite it."""
    alarm_request.check_composite(ask.params, set(ask.here.watch.alarms.alarms))
    _put(ask, {"ActionsEnabled": True} | ask.params)
    follow(ask.here, ask.now)
    return {}


def _put(ask: Ask, given: dict[str, Any]) -> None:
    fresh = given["AlarmName"] not in ask.here.watch.alarms.alarms
    alarm = put_metric(ask.here, given, ask.now)
    if fresh and given.get("Tags"):
        cloudwatch_backends[ask.account][ask.region].tagger.tag_resource(alarm.arn, given["Tags"])


def put_metric(here: Standing, given: dict[str, Any], now: datetime) -> Alarm:
    """Put an alarm that was checked (of either kind). It is evaluated with the next request."""
    book, name = here.watch.alarms, str(given["AlarmName"])
    shown = {key: value for key, value in given.items() if key not in NOT_SHOWN and value is not None}
    known = book.alarms.get(name)
    if known is None:
        if len(book.alarms) >= MOST_ALARMS:
            raise Refused("LimitExceeded", f"The maximum number of alarms ({MOST_ALARMS}) has been reached.")
        arn = f"arn:aws:cloudwatch:{here.region}:{here.account}:alarm:{name}"
        alarm = book.alarms[name] = Alarm(name, arn, shown, now)
    else:
        alarm = known
        if alarm.composite != ("AlarmRule" in shown):
            kind = "composite" if alarm.composite else "metric"
            raise Refused("ValidationError", f"A {kind} alarm with the name {name} already exists.")
        alarm.given, alarm.configured, alarm.looked, alarm.stale = shown, now, 0, True
    book.next_look = 0.0
    what = "updated" if known else "created"
    told = {"version": "1.0", "type": "Update" if known else "Create", f"{what}Alarm": _as_text(alarm)}
    book.note(alarm, now, "ConfigurationUpdate", f'Alarm "{name}" {what}', json.dumps(told))
    return alarm


def delete_alarms(ask: Ask) -> dict[str, Any]:
    """Delete those that there are; at most one composite one, and none that another composite one needs."""
    names, book = list(dict.fromkeys(ask.params["AlarmNames"])), ask.here.watch.alarms
    found = [book.alarms[name] for name in names if name in book.alarms]
    if sum(alarm.composite for alarm in found) > 1:
        raise Refused("ValidationError", "Only one composite alarm can be deleted at a time.")
    for alarm in found:
        if any(parent.name not in names for parent in _parents(ask.here, alarm.name)):
            raise Refused(
                "ValidationError", f"Cannot delete {alarm.name} as there are composite alarm(s) depending on it."
            )
    for alarm in found:
        delete(ask.here, alarm.name, ask.now)
    return {}


def delete(here: Standing, name: str, now: datetime) -> None:
    """Delete an alarm; its history stays."""
    alarm = here.watch.alarms.alarms.pop(name, None)
    if alarm is not None:
        told = {"version": "1.0", "type": "Delete", "deletedAlarm": _as_text(alarm)}
        here.watch.alarms.note(alarm, now, "ConfigurationUpdate", f'Alarm "{name}" deleted', json.dumps(told))


def describe_alarms(ask: Ask) -> dict[str, Any]:
    """Alarms by name, prefix, kind, state, action, or as relatives of another."""
    params = ask.params
    relatives = [member for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if params.get(member)]
    if relatives and set(params) - {*relatives[:1], "MaxRecords", "NextToken"}:
        raise Refused("ValidationError", f"{relatives[0]} can be combined with MaxRecords and NextToken only.")
    if params.get("AlarmNames") and params.get("AlarmNamePrefix"):
        raise Refused("ValidationError", "AlarmNames and AlarmNamePrefix are mutually exclusive.")
    if relatives:
        found, shown = _relatives(ask.here, params, relatives[0])
    else:
        wanted, shown = _filter(params), _described
        found = [alarm for alarm in ask.here.watch.alarms.alarms.values() if wanted(alarm)]
    part, more = alarm_request.page(sorted(found, key=lambda alarm: alarm.name), params, 50)
    answer: dict[str, Any] = {
        "MetricAlarms": [shown(alarm) for alarm in part if not alarm.composite],
        "CompositeAlarms": [shown(alarm) for alarm in part if alarm.composite],
    }
    return answer | more


def _filter(params: dict[str, Any]) -> Callable[[Alarm], bool]:
    kinds = params.get("AlarmTypes") or ["MetricAlarm"]
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix") or ""
    state, action = params.get("StateValue"), params.get("ActionPrefix") or ""

    def wanted(alarm: Alarm) -> bool:
        return (
            alarm.kind in kinds
            and (not names or alarm.name in names)
            and alarm.name.startswith(prefix)
            and state in (None, alarm.state)
            and (not action or any(item.startswith(action) for item in alarm_request.actions_of(alarm.given)))
        )

    return wanted


def _relatives(
    here: Standing, params: dict[str, Any], member: str
) -> tuple[list[Alarm], Callable[[Alarm], dict[str, Any]]]:
    """Children or parents; botocore's text says which few members they are described with."""
    name, alarms = params[member], here.watch.alarms.alarms
    if member == "ParentsOfAlarmName":
        return _parents(here, name), lambda alarm: {"AlarmName": alarm.name, "AlarmArn": alarm.arn}
    if name not in alarms or not alarms[name].composite:
        raise Refused("ValidationError", f"{name} is not a composite alarm.")
    children = [alarms[child] for child in rule(alarms[name].given["AlarmRule"]).children if child in alarms]
    members = ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")
    return children, lambda alarm: {key: value for key, value in _described(alarm).items() if key in members}


def _parents(here: Standing, name: str) -> list[Alarm]:
    return [
        alarm
        for alarm in here.watch.alarms.alarms.values()
        if alarm.composite
        and (
            name in rule(alarm.given["AlarmRule"]).children
            or name_of(alarm.given.get("ActionsSuppressor") or "") == name
        )
    ]


def describe_alarms_for_metric(ask: Ask) -> dict[str, Any]:
    """The alarms on exactly this metric."""
    params = ask.params
    asked = {(item["Name"], item["Value"]) for item in params.get("Dimensions") or []}
    optional = ("Statistic", "ExtendedStatistic", "Period", "Unit")

    def on_it(alarm: Alarm) -> bool:
        given = alarm.given
        return (
            (given.get("Namespace"), given.get("MetricName")) == (params["Namespace"], params["MetricName"])
            and {(item["Name"], item["Value"]) for item in given.get("Dimensions") or []} == asked
            and all(params.get(member) in (None, given.get(member)) for member in optional)
        )

    found = sorted(ask.here.watch.alarms.alarms.values(), key=lambda alarm: alarm.name)
    return {"MetricAlarms": [_described(alarm) for alarm in found if on_it(alarm)]}


def _described(alarm: Alarm) -> dict[str, Any]:
    made = {"OKActions": [], "AlarmActions": [], "InsufficientDataActions": []} | alarm.given
    if not alarm.composite and "Metrics" not in made:
        made.setdefault("Dimensions", [])
    made |= {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": alarm.updated,
        "StateTransitionedTimestamp": alarm.transitioned,
    }
    if alarm.reason_data is not None:
        made["StateReasonData"] = alarm.reason_data
    if alarm.held_by is not None:
        made["ActionsSuppressedBy"] = alarm.held_by
        made["ActionsSuppressedReason"] = f"Actions are suppressed by {alarm.given['ActionsSuppressor']}"
    return made


def _as_text(alarm: Alarm) -> dict[str, Any]:
    """An alarm within the JSON of its history."""
    shown = _described(alarm)
    return {
        key[0].lower() + key[1:]: value.strftime(TIME) if isinstance(value, datetime) else value
        for key, value in shown.items()
    }


def set_alarm_state(ask: Ask) -> dict[str, Any]:
    """Put an alarm into a state until it is evaluated again."""
    alarm, data = ask.here.watch.alarms.alarms.get(ask.params["AlarmName"]), ask.params.get("StateReasonData")
    if alarm is None:
        raise Refused("ResourceNotFound", f"Alarm {ask.params['AlarmName']} does not exist.")
    try:
        read = json.loads(data) if data else {}
    except ValueError as wrong:
        raise Refused("InvalidFormat", "The parameter StateReasonData is not valid JSON.") from wrong
    change = Change(ask.now, ask.params["StateValue"], ask.params["StateReason"], json.dumps(read) if data else "")
    state_changed(ask.here, alarm, change)
    return {}


def enable_alarm_actions(ask: Ask) -> dict[str, Any]:
    """Let alarms act on changes of state."""
    return _enabled(ask, True)


def disable_alarm_actions(ask: Ask) -> dict[str, Any]:
    """Keep alarms from acting."""
    return _enabled(ask, False)


def _enabled(ask: Ask, enabled: bool) -> dict[str, Any]:
    for name in ask.params["AlarmNames"]:
        alarm = ask.here.watch.alarms.alarms.get(name)
        if alarm is not None:
            alarm.given = alarm.given | {"ActionsEnabled": enabled}
            alarm.configured = ask.now
    return {}


def describe_alarm_history(ask: Ask) -> dict[str, Any]:
    """What happened to alarms, also to those that are gone."""
    params = ask.params
    name, kinds = params.get("AlarmName"), params.get("AlarmTypes")
    begin, end = alarm_request.moment(params.get("StartDate")), alarm_request.moment(params.get("EndDate"))
    found = [
        item
        for item in ask.here.watch.alarms.history
        if name in (None, item.name)
        and item.kind in (kinds or ([item.kind] if name else ["MetricAlarm"]))
        and params.get("HistoryItemType") in (None, item.what)
        and (begin is None or item.at >= begin)
        and (end is None or item.at <= end)
    ]
    found.sort(key=lambda item: item.at)
    if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        found.reverse()
    part, more = alarm_request.page(found, params, 100)
    items = [
        {
            "AlarmName": item.name,
            "AlarmType": item.kind,
            "Timestamp": item.at,
            "HistoryItemType": item.what,
            "HistorySummary": item.summary,
            "HistoryData": item.data,
        }
        for item in part
    ]
    return {"AlarmHistoryItems": items} | more


HANDLERS: dict[str, Handler] = {
    "PutMetricAlarm": put_metric_alarm,
    "PutCompositeAlarm": put_composite_alarm,
    "DeleteAlarms": delete_alarms,
    "DescribeAlarms": describe_alarms,
    "DescribeAlarmsForMetric": describe_alarms_for_metric,
    "DescribeAlarmHistory": describe_alarm_history,
    "SetAlarmState": set_alarm_state,
    "EnableAlarmActions": enable_alarm_actions,
    "DisableAlarmActions": disable_alarm_actions,
}
MUTATING = {
    "PutMetricAlarm",
    "PutCompositeAlarm",
    "DeleteAlarms",
    "SetAlarmState",
    "EnableAlarmActions",
    "DisableAlarmActions",
}
