"""Splitting the bill by resource never changes its sum, and a restated day keeps the resources it was once read with."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.collector.cost_explorer import _RESOURCES, _SPINE, _with_resources

DAY = date(2026, 11, 3)
HOST = {"day": DAY, "account": "123456789012", "region": "us-east-1", "service": "Amazon SageMaker"}
HOST |= {"usage_type": "USE1-Host:ml.m5.xlarge", "record_type": "Usage"}


def spine(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = dict.fromkeys(_SPINE) | HOST | {"currency": "USD", "estimated": False, "exact": "0"}
    return pl.DataFrame([blank | row for row in rows], schema=_SPINE)


def resources(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([HOST | row for row in rows], schema=_RESOURCES)


def test_a_spine_row_becomes_its_resources_and_what_none_of_them_accounts_for() -> None:
    found = _with_resources(
        spine({"billed": 10.0, "effective": 8.0, "quantity": 40.0}),
        resources(
            {"resource": "arn:a", "billed": 6.0, "effective": 5.0, "quantity": 24.0},
            {"resource": "arn:b", "billed": 3.5, "effective": 2.5, "quantity": 14.0},
        ),
    )
    assert found.select("resource", "billed", "effective", "quantity").rows() == [
        ("arn:a", 6.0, 5.0, 24.0),
        ("arn:b", 3.5, 2.5, 14.0),
        (None, 0.5, 0.5, 2.0),
    ]


def test_no_row_is_left_when_resources_account_for_everything() -> None:
    amounts = {"billed": 0.3, "effective": 0.3, "quantity": 1.3}
    found = _with_resources(
        spine(amounts),
        resources(
            {"resource": "arn:a", "billed": 0.1, "effective": 0.1, "quantity": 1.0},
            {"resource": "arn:b", "billed": 0.2, "effective": 0.2, "quantity": 0.3},
        ),
    )
    assert found["resource"].to_list() == ["arn:a", "arn:b"]


def test_a_row_without_cost_and_quantity_stays_what_it_was() -> None:
    zero = {"billed": 0.0, "effective": 0.0, "quantity": 0.0}
    assert _with_resources(spine(zero), resources()).height == 1


def test_a_resource_of_a_slice_that_the_bill_does_not_have_adds_nothing() -> None:
    found = _with_resources(
        spine({"billed": 1.0, "effective": 1.0, "quantity": 1.0}),
        resources(
            {
                "resource": "arn:a",
                "usage_type": "EUW1-Host:ml.g5.xlarge",
                "billed": 9.0,
                "effective": 9.0,
                "quantity": 9.0,
            }
        ),
    )
    assert found.select("resource", "billed").rows() == [(None, 1.0)]


def test_charges_without_region_or_usage_type_are_joined_by_nothing() -> None:
    tax = {"region": None, "usage_type": None, "record_type": "Tax", "billed": 5.0, "effective": 5.0, "quantity": 0.0}
    found = _with_resources(spine(tax, {"billed": 1.0, "effective": 1.0, "quantity": 1.0}), resources())
    assert found["billed"].sum() == 6.0
    assert found.height == 2


@given(
    st.lists(st.floats(-1000, 1000).map(lambda value: round(value, 10)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.floats(-500, 500).map(lambda value: round(value, 10))), max_size=12),
)
def test_the_sum_is_the_bills_whatever_the_resources_say(totals: list[float], parts: list[tuple[int, float]]) -> None:
    types = [f"type-{number}" for number in range(6)]
    bill = spine(
        *(
            {"usage_type": types[number], "billed": total, "effective": total, "quantity": 1.0}
            for number, total in enumerate(totals)
        )
    )
    named = resources(
        *(
            {"usage_type": types[slot], "resource": f"arn:{number}", "billed": cost, "effective": cost, "quantity": 1.0}
            for number, (slot, cost) in enumerate(parts)
        )
    )
    for order in (named, named.reverse()):
        found = _with_resources(bill, order)
        assert found["billed"].sum() == pytest.approx(sum(totals), abs=1e-6)
    assert _with_resources(bill, named).equals(_with_resources(bill, named.reverse()))
