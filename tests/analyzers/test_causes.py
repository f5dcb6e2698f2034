"""The fewest nodes that explain an excess, as deep as they can be named; what they leave is said."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.causes import Explanation, explain

LEVELS = ("account", "service", "usage_type", "resource")


def leaves(*rows: tuple[str, float, float], noise: float = 0.0) -> pl.DataFrame:
    """Leaves "account/service/usage type/resource", expected, actual."""
    return pl.DataFrame(
        [
            dict(zip(LEVELS, path.split("/"), strict=True))
            | {"expected": float(e), "actual": float(a), "noise": float(noise)}
            for path, e, a in rows
        ]
    )


def named(found: Explanation) -> list[str]:
    """The nodes as paths."""
    return ["/".join(part for part in row if part is not None) for row in found.nodes.select(LEVELS).iter_rows()]


def test_one_resource_that_grew_is_named_and_its_account_is_not() -> None:
    found = explain(leaves(("a/sm/host/x", 100, 400), ("a/sm/host/y", 100, 101), ("a/sm/train/z", 50, 49)), LEVELS)
    assert named(found) == ["a/sm/host/x"]
    assert found.excess == pytest.approx(300)
    assert found.rest == pytest.approx(0)


def test_two_that_grew_differently_are_two_causes_the_dearer_first() -> None:
    found = explain(leaves(("a/sm/host/x", 100, 400), ("a/sm/host/y", 100, 900), ("a/sm/host/z", 300, 303)), LEVELS)
    assert named(found) == ["a/sm/host/y", "a/sm/host/x"]
    assert found.nodes["share"].to_list() == pytest.approx([800 / 1103, 300 / 1103])
    assert found.rest == pytest.approx(3)


def test_children_that_all_moved_by_the_same_ratio_are_one_cause_their_parent() -> None:
    rises = [(f"a/sm/host/e{n}", 100.0 * n, 125.0 * n) for n in range(1, 6)]
    found = explain(leaves(*rises, ("a/sm/train/t", 400, 402)), LEVELS)
    assert named(found) == ["a/sm/host"]
    assert found.nodes.select("level", "leaves").row(0) == ("usage_type", 5)


def test_the_deepest_of_nodes_with_the_same_children_is_named() -> None:
    rises = [(f"a/sm/host/e{n}", 100.0, 150.0) for n in range(3)]
    assert named(explain(leaves(*rises), LEVELS)) == ["a/sm/host"]


def test_a_small_sibling_that_stood_still_does_not_hide_the_one_that_grew() -> None:
    assert named(explain(leaves(("a/sm/host/x", 1000, 2000), ("a/sm/host/y", 1, 1)), LEVELS)) == ["a/sm/host/x"]


def test_what_is_new_has_no_ratio_and_is_named_itself() -> None:
    found = explain(leaves(("a/sm/host/new1", 0, 50), ("a/sm/host/new2", 0, 50), ("a/sm/host/x", 500, 500)), LEVELS)
    assert named(found) == ["a/sm/host/new1", "a/sm/host/new2"]


def test_a_large_one_that_moved_as_it_always_does_is_no_cause() -> None:
    found = explain(
        leaves(("a/sm/host/large", 10_000, 10_250), noise=300).vstack(leaves(("a/sm/host/new", 0, 200))), LEVELS
    )
    assert named(found) == ["a/sm/host/new"]
    assert found.rest == pytest.approx(250)


def test_money_beyond_what_varies_anyway_comes_before_more_that_hardly_is() -> None:
    varies = leaves(("a/sm/host/varies", 10_000, 10_320), noise=300)
    assert named(explain(varies.vstack(leaves(("a/sm/host/new", 0, 200))), LEVELS)) == [
        "a/sm/host/new",
        "a/sm/host/varies",
    ]


def test_a_saving_elsewhere_does_not_hide_what_grew() -> None:
    found = explain(leaves(("a/sm/host/x", 100, 300), ("a/sm/train/t", 200, 100)), LEVELS)
    assert named(found) == ["a/sm/host/x"]
    assert (found.excess, found.rest) == (100, -100)


def test_where_nothing_is_too_much_nothing_is_named() -> None:
    found = explain(leaves(("a/sm/host/x", 100, 80)), LEVELS)
    assert named(found) == []
    assert found.rest == found.excess == -20


@pytest.mark.parametrize("level", [("owner", "ann"), ("region", "eu-west-1")])
def test_any_part_of_the_hierarchy_will_do(level: tuple[str, str]) -> None:
    name, value = level
    rows: list[dict[str, Any]] = [
        {name: value, "resource": "x", "actual": 9.0, "expected": 1.0},
        {name: "other", "resource": None, "actual": 1.0, "expected": 1.0},
    ]
    assert explain(pl.DataFrame(rows), (name, "resource")).nodes.select(name, "resource").row(0) == (value, "x")


amounts = st.floats(0, 1e6, allow_nan=False).map(lambda amount: round(amount, 2))
paths = st.tuples(*(st.sampled_from("pqr") for _ in LEVELS))
bills = st.dictionaries(paths, st.tuples(amounts, amounts), min_size=1, max_size=25)


@settings(deadline=None, max_examples=40)
@given(bills)
def test_nodes_and_rest_are_the_excess_and_no_leaf_is_told_twice(
    bill: dict[tuple[str, ...], tuple[float, float]],
) -> None:
    found = explain(leaves(*(("/".join(path), *amount) for path, amount in bill.items())), LEVELS)
    whole = sum(actual - expected for expected, actual in bill.values())
    assert found.excess == pytest.approx(whole, abs=1e-3)
    assert float(found.nodes["excess"].sum()) + found.rest == pytest.approx(whole, abs=1e-3)
    told = [tuple(part for part in row if part is not None) for row in found.nodes.select(LEVELS).iter_rows()]
    for path in bill:
        assert sum(path[: len(node)] == node for node in told) <= 1
    for node, excess in zip(told, found.nodes["excess"], strict=True):
        under = sum(now - before for path, (before, now) in bill.items() if path[: len(node)] == node)
        assert excess == pytest.approx(under, abs=1e-3)


@settings(deadline=None, max_examples=20)
@given(bills, st.integers(-8, 8).map(lambda power: 2.0**power))
def test_another_currency_names_the_same_nodes(bill: dict[tuple[str, ...], tuple[float, float]], rate: float) -> None:
    rows = leaves(*(("/".join(path), *amount) for path, amount in bill.items()))
    as_is = explain(rows, LEVELS)
    other = explain(rows.with_columns(pl.col("actual", "expected") * rate), LEVELS)
    if as_is.excess > 1:
        assert sorted(named(other)) == sorted(named(as_is))
