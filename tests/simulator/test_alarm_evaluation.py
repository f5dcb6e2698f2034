"""When a metric alarm rings: M of N, the four treatments of missing data, composite rules.

The tables are those of the CloudWatch User Guide (how alarm state is evaluated when data is missing): 0 is within the
threshold, X beyond it, - missing; five values are looked at for an N of 3.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.simulator.alarm_evaluation import ALARM, OK, SAME, UNKNOWN, verdicts
from sagekeeper.simulator.alarm_rules import BadRule, rule

VALUES = {"0": 0.0, "X": 5.0, "-": np.nan}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def verdict(points: str, needed: int, treatment: str, last: int = 3, namespace: str = "x") -> int:
    given_ = {
        "Namespace": namespace,
        "EvaluationPeriods": last,
        "DatapointsToAlarm": needed,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": treatment,
    }
    return int(verdicts(given_, np.array([[VALUES[point] for point in points]]))[0])


@pytest.mark.parametrize(
    ("points", "states"),
    [
        ("0-X-X", (OK, OK, OK, OK)),
        ("0----", (OK, OK, OK, OK)),
        ("-----", (UNKNOWN, SAME, ALARM, OK)),
        ("0XX-X", (ALARM, ALARM, ALARM, ALARM)),
        ("----X", (UNKNOWN, SAME, ALARM, OK)),
        ("X----", (ALARM, SAME, ALARM, OK)),
        ("--X--", (ALARM, SAME, ALARM, OK)),
    ],
)
def test_three_of_three_with_gaps_is_as_in_the_guides_table(points: str, states: tuple[int, ...]) -> None:
    assert tuple(verdict(points, 3, treatment) for treatment in TREATMENTS) == states


@pytest.mark.parametrize(
    ("points", "states"),
    [
        ("0-X-X", (ALARM, ALARM, ALARM, ALARM)),
        ("00X0X", (ALARM, ALARM, ALARM, ALARM)),
        ("0-X--", (OK, OK, ALARM, OK)),
        ("----0", (OK, OK, ALARM, OK)),
        ("----X", (UNKNOWN, SAME, ALARM, OK)),
    ],
)
def test_two_of_three_with_gaps_is_as_in_the_guides_table(points: str, states: tuple[int, ...]) -> None:
    assert tuple(verdict(points, 2, treatment) for treatment in TREATMENTS) == states


def test_alarms_on_dynamodb_ignore_missing_data_whatever_they_say() -> None:
    assert verdict("-----", 1, "breaching", namespace="AWS/DynamoDB") == SAME


@given(st.text("0X", min_size=5, max_size=5), st.integers(1, 3), st.sampled_from(TREATMENTS))
def test_without_gaps_only_the_last_n_values_count(points: str, needed: int, treatment: str) -> None:
    assert verdict(points, needed, treatment) == (ALARM if points[-3:].count("X") >= needed else OK)


@given(st.text("0X-", min_size=5, max_size=5), st.integers(1, 3))
def test_treating_gaps_as_breaching_never_rings_less_than_treating_them_as_fine(points: str, needed: int) -> None:
    assert verdict(points, needed, "breaching") >= verdict(points, needed, "notBreaching")


@pytest.mark.parametrize(
    ("text", "ringing", "holds"),
    [
        ("ALARM(a)", {"a"}, True),
        ("ALARM(a) AND ALARM(b)", {"a"}, False),
        ("ALARM(a) AND NOT ALARM(b)", {"a"}, True),
        ('(ALARM("a b") OR ALARM(c)) AND OK(d)', {"c"}, True),
        ("ALARM(a) OR ALARM(b) AND ALARM(c)", {"a"}, True),
        ("NOT (ALARM(a) OR ALARM(b))", {"b"}, False),
        ("INSUFFICIENT_DATA(a)", set(), False),
        ("TRUE AND NOT FALSE", set(), True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:a)", {"a"}, True),
    ],
)
def test_a_composite_rule_combines_the_states_of_its_children(text: str, ringing: set[str], holds: bool) -> None:
    assert rule(text).holds(lambda name: "ALARM" if name in ringing else "OK") is holds


def test_the_children_of_a_rule_are_named_once_each() -> None:
    assert rule('ALARM(a) OR OK("a") OR ALARM(b)').children == ("a", "b")


@pytest.mark.parametrize("text", ["ALARM(", "ALARM(a) ALARM(b)", "AND", "(ALARM(a)", "RINGING(a)", "ALARM(a) or OK(b)"])
def test_a_rule_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(BadRule):
        rule(text)


def test_a_rule_with_more_than_a_hundred_children_is_refused() -> None:
    with pytest.raises(BadRule, match="more than 100 children"):
        rule(" OR ".join(f"ALARM(a{number})" for number in range(101)))
