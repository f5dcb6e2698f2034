"""Shared cost is moved to those who share it, and not a cent is made or lost."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sagekeeper.analyzers.attribution import AMOUNTS
from sagekeeper.analyzers.cost_split import split
from sagekeeper.core.settings import Split
from sagekeeper.core.tables import DAILY_COSTS

DAY = date(2026, 11, 10)


def costs(rows: SimpleNamespace, *lines: tuple[str, str | None, float], **more: Any) -> pl.DataFrame:
    """Resources with their owner and cost."""
    return rows.frame(DAILY_COSTS, [rows.daily(name, DAY, cost, owner=who, **more) for name, who, cost in lines])


def owners(daily: pl.DataFrame) -> dict[str | None, float]:
    return {who: round(cost, 6) for who, cost in daily.group_by("owner").agg(pl.col("billed_cost").sum()).iter_rows()}


def test_by_usage_each_pays_in_proportion_to_what_they_cost_themselves(rows: SimpleNamespace) -> None:
    daily = costs(rows, ("hub", "platform", 10.0), ("a", "risk", 30.0), ("b", "search", 5.0), ("c", "search", 5.0))
    found = split(daily, [Split(name="hub", match={"owner": "platform"}, by="usage")])
    assert owners(found) == {"risk": 37.5, "search": 12.5}
    moved = found.filter(pl.col("split_rule").is_not_null())
    assert moved.sort("owner").select("resource_name", "owner", "owner_basis", "split_rule", "billed_cost").rows() == [
        ("hub", "risk", "split hub", "hub: by usage over owners", 7.5),
        ("hub", "search", "split hub", "hub: by usage over owners", 2.5),
    ]


def test_evenly_each_pays_the_same(rows: SimpleNamespace) -> None:
    daily = costs(rows, ("hub", None, 10.0), ("a", "risk", 30.0), ("b", "search", 10.0))
    found = split(daily, [Split(name="rest", match={"owner": ""}, by="even")])
    assert owners(found) == {"risk": 35.0, "search": 15.0}


def test_by_fixed_shares_each_pays_theirs_and_what_is_left_over_stays(rows: SimpleNamespace) -> None:
    rule = Split(name="hub", match={"resource_name": "hub*"}, by="fixed", shares={"risk": 0.5, "search": 0.3})
    found = split(costs(rows, ("hub-1", "platform", 10.0), ("a", "risk", 1.0)), [rule])
    assert owners(found) == {"risk": 6.0, "search": 3.0, "platform": 2.0}


def test_where_nobody_shares_a_cost_stays_where_it_is(rows: SimpleNamespace) -> None:
    daily = costs(rows, ("hub", "platform", 10.0))
    found = split(daily, [Split(name="hub", match={"owner": "platform"}, by="even")])
    assert owners(found) == {"platform": 10.0}
    assert found["split_rule"].to_list() == [None]


def test_a_cost_is_split_once_by_the_first_rule_that_matches(rows: SimpleNamespace) -> None:
    daily = costs(rows, ("hub", "platform", 8.0), ("lab", "platform", 4.0), ("a", "risk", 1.0), ("b", "search", 1.0))
    hub = Split(name="hub", match={"resource_name": "hub"}, by="fixed", shares={"risk": 1.0})
    rest = Split(name="rest", match={"owner": "platform"}, by="even")
    found = split(daily, [hub, rest])
    assert owners(found) == {"risk": 11.0, "search": 3.0}
    assert set(found["split_rule"]) == {None, "hub: by fixed shares over owners", "rest: evenly over owners"}


def test_a_credit_and_another_currency_are_no_usage_to_share_by(rows: SimpleNamespace) -> None:
    daily = pl.concat(
        [
            costs(rows, ("hub", "platform", 10.0), ("a", "risk", 30.0)),
            costs(rows, ("credit", "search", -100.0), charge_category="Credit"),
            costs(rows, ("b", "search", 90.0), currency="EUR"),
        ]
    )
    found = split(daily, [Split(name="hub", match={"owner": "platform"})])
    assert owners(found.filter(pl.col("currency") == "USD")) == {"risk": 40.0, "search": -100.0}


@pytest.mark.parametrize(
    "wrong", [{"by": "fixed"}, {"by": "even", "shares": {"a": 1.0}}, {"by": "fixed", "shares": {"a": 0.6, "b": 0.5}}]
)
def test_shares_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="shares"):
        Split.model_validate({"name": "x", "match": {"owner": "p"}} | wrong)


NAMES = st.sampled_from([None, "risk", "search", "platform"])
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["hub", "a", "b", "c"]),
            "owner": NAMES,
            "team": NAMES,
            "day": st.integers(1, 2),
            "account": st.sampled_from(["1", "2"]),
            "currency": st.sampled_from(["USD", "EUR"]),
            "category": st.sampled_from(["Usage", "Tax"]),
            "cost": st.floats(-50, 500, allow_nan=False),
            "list": st.none() | st.floats(0, 900),
        }
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda item: tuple(
        item[key] for key in ("name", "owner", "team", "day", "account", "currency", "category")
    ),
)
RULES = st.lists(
    st.builds(
        lambda column, pattern, over, by: Split(
            name="r",
            match={column: pattern},
            over=over,
            by=by,
            shares={"risk": 0.6, "ops": 0.3} if by == "fixed" else {},
        ),
        st.sampled_from(["owner", "team", "resource_name"]),
        st.sampled_from(["", "plat*", "hub", "*"]),
        st.sampled_from(["owner", "team", "project"]),
        st.sampled_from(["even", "usage", "fixed"]),
    ),
    max_size=3,
)


@given(lines=LINES, rules=RULES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_split_keeps_the_sum_of_each_cost_per_bill_day_account_and_currency(
    rows: SimpleNamespace, lines: list[dict[str, Any]], rules: list[Split]
) -> None:
    daily = rows.frame(
        DAILY_COSTS,
        [
            rows.daily(
                item["name"],
                date(2026, 11, item["day"]),
                item["cost"],
                owner=item["owner"],
                team=item["team"],
                account=item["account"],
                currency=item["currency"],
                charge_category=item["category"],
                list_cost=item["list"],
            )
            for item in lines
        ],
    )
    found = split(daily, rules)
    by = ["dataset", "day", "account", "currency"]
    before, after = (
        frame.group_by(by).agg(
            *(pl.col(name).sum() for name in AMOUNTS), pl.col(AMOUNTS).abs().sum().name.suffix("_size")
        ).sort(by)
        for frame in (daily, found)
    )  # fmt: skip
    assert before.select(by).equals(after.select(by))
    for name in AMOUNTS:
        assert ((before[name] - after[name]).abs() <= 1e-9 * before[f"{name}_size"] + 1e-9).all(), name
    assert found.schema == DAILY_COSTS.columns
    assert not found.select(DAILY_COSTS.keys).is_duplicated().any()
