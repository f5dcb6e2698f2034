"""Alarms in step with the account's time: every change of state that lies before now, in order, with what it sets off.

Called before each request and after each jump in time. Metric alarms are evaluated over all that was jumped over;
composite alarms follow their children at once; actions happen at the time of the change. Where an action changes the
account (scaling), what follows is evaluated anew.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sagekeeper.simulator import alarm_actions
from sagekeeper.simulator.alarm_evaluation import Change, changes, rhythm
from sagekeeper.simulator.alarm_rules import name_of, rule
from sagekeeper.simulator.alarm_state import Alarm
from sagekeeper.simulator.world import Standing, World

STRETCH_S, SCALING_STRETCH_S = 86_400, 3 * 3600
"""How much is evaluated at once: little where scaling may change what comes after."""

Step = tuple[int, str, Change | None]
"""A second, an alarm's name, and its change; None where its actions are repeated."""


def keep_up(world: World, now: datetime) -> None:
    """Bring every alarm of every account up to ``now``."""
    for here in list(world.standing.values()):
        if here.watch.alarms.alarms and now.timestamp() >= here.watch.alarms.next_look:
            _Account(here, now).run()


def state_changed(here: Standing, alarm: Alarm, change: Change) -> None:
    """Put an alarm into another state at a time, note it, set off its actions and take its parents along."""
    account = _Account(here, change.at)
    account.apply(alarm, change)
    account.composites(change.at)


def follow(here: Standing, now: datetime) -> None:
    """Evaluate the composite alarms that are new or were changed."""
    _Account(here, now).composites(now)


class _Account:
    """The alarms of one account and region, and one range of time."""

    def __init__(self, here: Standing, now: datetime) -> None:
        self._here, self._now, self._book = here, now, here.watch.alarms

    def run(self) -> None:
        upto = int(self._now.timestamp())
        metric = [alarm for alarm in self._book.alarms.values() if not alarm.composite]
        for alarm in metric:
            # A new alarm looks at once, at the last moment before it was made.
            alarm.looked = alarm.looked or int(alarm.configured.timestamp()) // rhythm(alarm) * rhythm(alarm) - 1
        while any(upto // rhythm(alarm) * rhythm(alarm) > alarm.looked for alarm in metric):
            self._stretch(metric, upto)
        self._release(self._now)
        self.composites(self._now)
        due = [alarm.due.timestamp() for alarm in self._book.alarms.values() if alarm.due is not None]
        looks = [(upto // rhythm(alarm) + 1) * rhythm(alarm) for alarm in metric]
        self._book.next_look = min([*looks, *due], default=float("inf"))

    def _stretch(self, metric: list[Alarm], upto: int) -> None:
        """Evaluate up to a point, or until an action changed the account."""
        scaling = any(alarm_actions.may_repeat(alarm) for alarm in metric)
        start = min(alarm.looked for alarm in metric if upto // rhythm(alarm) * rhythm(alarm) > alarm.looked)
        end = min(upto, start + (SCALING_STRETCH_S if scaling else STRETCH_S))
        found = [(change, alarm) for alarm in metric for change in changes(self._here, alarm, end, self._now)]
        steps: list[Step] = [(int(change.at.timestamp()), alarm.name, change) for change, alarm in found]
        steps = _merged(steps, self._repeated(metric, end) if scaling else [])
        version = self._here.version
        for position, (second, name, change) in enumerate(steps):
            if position and second != steps[position - 1][0] and self._here.version != version:
                end = steps[position - 1][0]
                break
            at = max(datetime.fromtimestamp(second, UTC), self._book.alarms[name].configured)
            self._release(at)
            alarm = self._book.alarms[name]
            if change is not None:
                self.apply(alarm, change._replace(at=at))
                self.composites(at)
            elif alarm_actions.repeats(alarm):
                alarm_actions.set_off(self._book, alarm, alarm.state, at, again=True)
        for alarm in metric:
            alarm.looked = max(alarm.looked, end)

    def _repeated(self, metric: list[Alarm], end: int) -> list[Step]:
        return [
            (second, alarm.name, None)
            for alarm in metric
            if alarm_actions.may_repeat(alarm)
            for second in range((alarm.looked // rhythm(alarm) + 1) * rhythm(alarm), end + 1, rhythm(alarm))
        ]

    def apply(self, alarm: Alarm, change: Change) -> None:
        before, old_reason, old_data = alarm.state, alarm.reason, alarm.reason_data
        alarm.state, alarm.reason, alarm.reason_data = change.state, change.reason, change.data or None
        alarm.updated = change.at
        if before == change.state:
            return
        alarm.transitioned = change.at
        told = {
            "version": "1.0",
            "oldState": _told(before, old_reason, old_data),
            "newState": _told(alarm.state, alarm.reason, alarm.reason_data),
        }
        summary = f"Alarm updated from {before} to {alarm.state}"
        self._book.note(alarm, change.at, "StateUpdate", summary, json.dumps(told))
        if not (alarm.composite and self._held(alarm, change.at)):
            alarm_actions.set_off(self._book, alarm, before, change.at)
        self._tell_parents(alarm, change.at)

    def composites(self, at: datetime) -> None:
        """Composite alarms follow. Where they depend on one another in a circle, this ends after one round each."""
        for _ in range(len(self._book.alarms)):
            stale = [alarm for alarm in self._book.alarms.values() if alarm.composite and alarm.stale]
            if not stale:
                break
            for alarm in stale:
                self._follow(alarm, at)

    def _follow(self, alarm: Alarm, at: datetime) -> None:
        alarm.stale = False
        read = rule(alarm.given["AlarmRule"])
        state = "ALARM" if read.holds(self._state) else "OK"
        if state != alarm.state:
            children = [self._book.alarms[name] for name in read.children if name in self._book.alarms]
            self.apply(alarm, Change(at, state, *_composed(alarm, children, state)))

    def _tell_parents(self, child: Alarm, at: datetime) -> None:
        for alarm in self._book.alarms.values():
            if alarm.composite:
                alarm.stale = alarm.stale or child.name in rule(alarm.given["AlarmRule"]).children
                if name_of(alarm.given.get("ActionsSuppressor") or "") == child.name:
                    self._suppressor_moved(alarm, child, at)

    def _state(self, name: str) -> str:
        return self._book.alarms[name].state if name in self._book.alarms else "INSUFFICIENT_DATA"

    def _suppressor(self, alarm: Alarm) -> str | None:
        given = alarm.given.get("ActionsSuppressor")
        return None if given is None else self._state(name_of(given))

    def _held(self, alarm: Alarm, at: datetime) -> bool:
        """Whether a composite alarm's suppressor, or the wait for it, holds back its actions."""
        suppressor = self._suppressor(alarm)
        alarm.held_by = alarm.due = None
        if suppressor is None:
            return False
        wait = int(alarm.given.get("ActionsSuppressorWaitPeriod") or 0)
        if suppressor == "ALARM":
            alarm.held_by = "Alarm"
        elif wait:
            alarm.held_by, alarm.due = "WaitPeriod", at + timedelta(seconds=wait)
        return alarm.held_by is not None

    def _suppressor_moved(self, alarm: Alarm, suppressor: Alarm, at: datetime) -> None:
        if alarm.held_by is not None and suppressor.state == "ALARM":
            alarm.held_by, alarm.due = "Alarm", None
        elif alarm.held_by == "Alarm":
            extension = int(alarm.given.get("ActionsSuppressorExtensionPeriod") or 0)
            alarm.held_by, alarm.due = "ExtensionPeriod", at + timedelta(seconds=extension)

    def _release(self, at: datetime) -> None:
        for alarm in self._book.alarms.values():
            if alarm.due is not None and alarm.due <= at:
                due, alarm.due, alarm.held_by = alarm.due, None, None
                alarm_actions.set_off(self._book, alarm, alarm.state, due)


def _merged(steps: list[Step], repeated: list[Step]) -> list[Step]:
    """In order of time; a change and a repetition of the same alarm at one moment are the change."""
    changed = {item[:2] for item in steps}
    return sorted([*steps, *(item for item in repeated if item[:2] not in changed)], key=lambda item: item[:2])


def _told(state: str, reason: str, data: str | None) -> dict[str, Any]:
    return {"stateValue": state, "stateReason": reason} | ({"stateReasonData": json.loads(data)} if data else {})


def _composed(alarm: Alarm, children: list[Alarm], state: str) -> tuple[str, str]:
    if not children:
        return f"{alarm.arn} evaluates to {state} by its alarm rule", "{}"
    by = max(children, key=lambda child: child.transitioned)
    reason = f"{by.arn} transitioned to {by.state} at {by.transitioned:%A %d %B, %Y %H:%M:%S} UTC"
    triggering = [
        {
            "arn": child.arn,
            "state": {"value": child.state, "timestamp": f"{child.transitioned:%Y-%m-%dT%H:%M:%S}.000+0000"},
        }
        for child in children
        if child.state == by.state
    ]
    return reason, json.dumps({"triggeringAlarms": triggering})
