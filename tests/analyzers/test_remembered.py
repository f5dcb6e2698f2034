"""A line of a bill that is the day before's is given to the same, without being looked at again, as long as that is true."""

from __future__ import annotations

import json
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sagekeeper.analyzers.attribution import Attribution, attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.remembered import Remembered
from sagekeeper.analyzers.rollup import rollup
from sagekeeper.core.tables import DAILY_COSTS

FIRST = date(2026, 11, 10)
HOST = "Host:ml.m5.xlarge"


class Counting(Attribution):
    """Knows how many lines it was asked for."""

    asked = 0

    def parts(self, costs: pl.DataFrame) -> pl.DataFrame:
        """As they are."""
        self.asked += costs.height
        return super().parts(costs)


def of_day(rows: SimpleNamespace, number: int, *lines: tuple[str | None, float]) -> pl.DataFrame:
    """Hours of a machine on one day: of which endpoint, for how much."""
    day = FIRST + timedelta(days=number)
    named = [(name and rows.arn("endpoint", name), cost) for name, cost in lines]
    return rollup(
        rows.costs(*(rows.bill_line(HOST, cost, 24.0, ResourceId=arn, x_ChargeDate=day) for arn, cost in named))
    )


def seen(rows: SimpleNamespace, name: str, number: int, **tags: str) -> dict[str, Any]:
    """One look at an endpoint."""
    return rows.endpoint(name, tags=tags) | {"observed_on": FIRST + timedelta(days=number)}  # type: ignore[no-any-return]


def owners(daily: pl.DataFrame) -> dict[str, str]:
    """By resource."""
    return dict(daily.select("resource_name", "owner").rows())


def test_only_lines_that_are_new_or_name_nothing_are_looked_at(rows: SimpleNamespace) -> None:
    attribution = Counting(rows.inventory(seen(rows, "a", 0, owner="ana")), rows.jobs(), OwnerRules())
    remembered = Remembered(attribution)
    remembered.of(of_day(rows, 0, ("a", 1.0), ("b", 2.0), (None, 4.0)))
    assert attribution.asked == 3
    daily = remembered.of(of_day(rows, 1, ("a", 8.0), ("b", 16.0), (None, 32.0), ("c", 64.0)))
    assert attribution.asked == 3 + 2
    costs = daily.group_by("resource_name").agg(pl.col("billed_cost").sum())
    assert dict(costs.rows()) == {"a": 8.0 + 32.0, "b": 16.0, "c": 64.0}


def test_a_line_is_looked_at_again_on_the_day_on_which_its_resource_says_something_new(rows: SimpleNamespace) -> None:
    stood = rows.inventory(seen(rows, "a", 0, owner="ana"), seen(rows, "a", 2, owner="ben"))
    attribution = Counting(stood, rows.jobs(), OwnerRules())
    remembered = Remembered(attribution)
    found = [owners(remembered.of(of_day(rows, number, ("a", 1.0)))) for number in range(4)]
    assert found == [{"a": "ana"}, {"a": "ana"}, {"a": "ben"}, {"a": "ben"}]
    assert attribution.asked == 2


def test_a_day_before_those_remembered_is_given_to_whose_it_was_then(rows: SimpleNamespace) -> None:
    stood = rows.inventory(seen(rows, "a", 0, owner="ana"), seen(rows, "a", 2, owner="ben"))
    remembered = Remembered(Attribution(stood, rows.jobs(), OwnerRules()))
    assert owners(remembered.of(of_day(rows, 3, ("a", 1.0)))) == {"a": "ben"}
    assert owners(remembered.of(of_day(rows, 1, ("a", 1.0)))) == {"a": "ana"}


def test_what_has_not_been_on_the_bill_for_a_day_is_forgotten(rows: SimpleNamespace) -> None:
    attribution = Counting(rows.inventory(), rows.jobs(), OwnerRules())
    remembered = Remembered(attribution)
    for number, name in enumerate(["a", "b", "a"]):
        remembered.of(of_day(rows, number, (name, 1.0)))
    assert attribution.asked == 3


NAMES = st.sampled_from(["a", "b", "c", None])
TAGS = st.dictionaries(st.sampled_from(["owner", "team", "project"]), st.sampled_from(["ana", "ben"]), max_size=2)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "days": st.sets(st.integers(0, 5), min_size=3),
            "name": NAMES,
            "usage": st.sampled_from([HOST, "USE1-Host:VolumeUsage.gp2", "Train:ml.m5.xlarge", "Odd"]),
            "tags": st.none() | TAGS.map(json.dumps),
            "account": st.sampled_from(["123456789012", "210987654321"]),
            "quantity": st.none() | st.floats(0, 48),
            "cost": st.none() | st.floats(-100, 100),
            "estimated": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
)
LOOKS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a-model"]), st.integers(0, 5), TAGS, st.none() | st.just("a-model")),
    max_size=8,
    unique_by=lambda look: look[:2],
)


def looked_at(rows: SimpleNamespace, name: str, number: int, tags: dict[str, str], model: str | None) -> dict[str, Any]:
    """An endpoint, that may lead to its model, or the model."""
    row = seen(rows, name, number, **tags)
    if name.endswith("-model"):
        return row | {"kind": "model", "arn": rows.arn("model", name), "config": "{}"}
    config = json.loads(row["config"]) | ({"ModelName": model} if model else {})
    return row | {"config": json.dumps(config)}


@given(lines=LINES, looks=LOOKS, lots=st.lists(st.integers(1, 3), min_size=4, max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_answer_is_to_the_last_bit_that_of_looking_at_every_line(
    rows: SimpleNamespace, lines: list[dict[str, Any]], looks: list[tuple[Any, ...]], lots: list[int]
) -> None:
    bill = rows.costs(
        *(
            rows.bill_line(
                one["usage"],
                one["cost"] and one["cost"] * (day + 1),
                one["quantity"],
                x_ChargeDate=FIRST + timedelta(days=day),
                SubAccountId=one["account"],
                ResourceId=one["name"] and rows.arn("endpoint", one["name"]),
                Tags=one["tags"],
                x_Estimated=one["estimated"],
            )
            for one in lines
            for day in one["days"]
        )
    )
    stood = rows.inventory(*(looked_at(rows, *look) for look in looks))
    remembered = Remembered(Attribution(stood, rows.jobs(), OwnerRules()))
    first = FIRST
    for days in lots:
        after = first + timedelta(days=days)
        sums = rollup(bill.filter(pl.col("x_ChargeDate").is_between(first, after, closed="left")))
        anew = attribute(sums, stood, rows.jobs(), OwnerRules())
        assert_frame_equal(remembered.of(sums).sort(DAILY_COSTS.keys), anew, check_exact=True)
        first = after
