"""CloudWatch alarms: moto keeps them, and here their state follows the metrics whenever somebody looks.

An alarm on one metric is evaluated over its last complete periods as AWS evaluates it: M of N points beyond the
threshold, with the alarm's own treatment of missing points (`missing`, the default, leaves it at INSUFFICIENT_DATA when
all are missing).
"""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse

from sagekeeper.simulator.metric_read import points_of, published
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import Standing

BEYOND = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def install(house: House) -> None:
    """DescribeAlarms looks at the metrics first."""
    describe = CloudWatchResponse.describe_alarms

    def describe_alarms(self: Any) -> Any:
        with house.world.lock:
            for alarm in self.cloudwatch_backend.describe_alarms():
                if alarm.metric_name and alarm.rule is None and alarm.comparison_operator in BEYOND:
                    _evaluate(alarm, self.current_account, self.region, house)
        return describe(self)

    CloudWatchResponse.describe_alarms = describe_alarms  # type: ignore[method-assign]


def in_alarm(here: Standing, name: str, at: datetime) -> bool:
    """Whether an alarm is in ALARM at a moment, as its metric stands then; one without data is as it was set."""
    alarm = cloudwatch_backends[here.account][here.region].alarms.get(name)
    if alarm is None:
        return False
    if not alarm.metric_name or alarm.rule is not None or alarm.comparison_operator not in BEYOND:
        return bool(alarm.state_value == "ALARM")
    state, _ = state_at(here, alarm, at)
    return state == "ALARM" or (state == "INSUFFICIENT_DATA" and alarm.state_value == "ALARM")


def state_at(here: Standing, alarm: Any, at: datetime) -> tuple[str, str]:
    """State and reason of an alarm on one metric, at any moment."""
    period, periods = int(alarm.period), int(alarm.evaluation_periods)
    end = datetime.fromtimestamp(int(at.timestamp()) // period * period, UTC)
    start = end - timedelta(seconds=period * periods)
    dimensions = [{"Name": item.name, "Value": item.value} for item in alarm.dimensions]
    series = published(here, alarm.namespace, alarm.metric_name, dimensions)
    stat = alarm.statistic or alarm.extended_statistic
    found = points_of(here, series, stat, max(period, 60), start, end, at).values.tolist()
    return _state(alarm, found, periods)


def _evaluate(alarm: Any, account: str, region: str, house: House) -> None:
    state, reason = state_at(house.world.at(account, region), alarm, house.clock.now())
    if state != alarm.state_value or alarm.state_reason.startswith("Unchecked"):
        alarm.update_state(reason, "{}", state)


def _state(alarm: Any, found: list[float], periods: int) -> tuple[str, str]:
    beyond = sum(bool(BEYOND[alarm.comparison_operator](value, alarm.threshold)) for value in found)
    missing, enough = periods - len(found), int(alarm.datapoints_to_alarm or periods)
    treatment = alarm.treat_missing_data or "missing"
    if treatment == "breaching":
        beyond += missing
    if not found and treatment in ("missing", "ignore"):
        kept = alarm.state_value if treatment == "ignore" else "INSUFFICIENT_DATA"
        return kept, f"Insufficient Data: {missing} datapoints were unknown."
    if beyond >= enough:
        return "ALARM", f"Threshold Crossed: {beyond} datapoints {found[-beyond:]} were beyond {alarm.threshold}."
    return "OK", f"Threshold not crossed: {beyond} of {periods} datapoints were beyond {alarm.threshold}."
