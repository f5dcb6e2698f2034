"""Price, quantity and mix add up to the change, whatever the numbers."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.effects import EFFECTS, effects

SCHEMA = {
    "group": pl.String(), "unit": pl.String(), "quantity_before": pl.Float64(), "cost_before": pl.Float64(),
    "quantity": pl.Float64(), "cost": pl.Float64(),
}  # fmt: skip


def split(*rows: tuple[Any, ...], unit: str = "Hrs") -> dict[str, Any]:
    """The one group's effects of rows (quantity before, cost before, quantity, cost)."""
    frame = pl.DataFrame([("g", unit, *row) for row in rows], schema=SCHEMA, orient="row")
    (found,) = effects(frame, ["group"]).drop("group").to_dicts()
    return {name: round(value, 9) for name, value in found.items()}


def test_the_same_hours_at_a_higher_price_are_price_alone() -> None:
    assert split((100, 20, 100, 25)) == {"price": 5, "quantity": 0, "mix": 0, "unsplit": 0, "excess": 5}


def test_more_hours_at_the_same_price_are_quantity_alone() -> None:
    assert split((100, 20, 400, 80)) == {"price": 0, "quantity": 60, "mix": 0, "unsplit": 0, "excess": 60}


def test_more_hours_at_a_higher_price_are_both_and_the_rise_counts_for_all_hours_now() -> None:
    assert split((100, 20, 200, 50)) == {"price": 10, "quantity": 20, "mix": 0, "unsplit": 0, "excess": 30}


def test_the_same_hours_on_a_dearer_machine_are_mix() -> None:
    # 100 h at 1, 100 h at 3 before; all 200 h at 3 now.
    assert split((100, 100, 0, 0), (100, 300, 200, 600)) == {
        "price": 0, "quantity": 0, "mix": 200, "unsplit": 0, "excess": 200,
    }  # fmt: skip


def test_what_is_new_is_quantity_and_mix_and_never_price() -> None:
    assert split((100, 100, 100, 100), (0, 0, 10, 50)) == {
        "price": 0, "quantity": 10, "mix": 40, "unsplit": 0, "excess": 50,
    }  # fmt: skip
    assert split((None, None, 10, 50)) == {"price": 0, "quantity": 50, "mix": 0, "unsplit": 0, "excess": 50}


def test_a_cost_without_a_quantity_is_not_split() -> None:
    assert split((None, 10, None, 30), (100, 20, 100, 25)) == {
        "price": 5, "quantity": 0, "mix": 0, "unsplit": 20, "excess": 25,
    }  # fmt: skip


def test_hours_and_gigabytes_are_not_one_quantity() -> None:
    frame = pl.DataFrame([("g", "Hrs", 10, 10, 20, 20), ("g", "GB", 1000, 10, 1000, 10)], schema=SCHEMA, orient="row")
    assert effects(frame, ["group"]).select("quantity", "mix").row(0) == (10, 0)


quantity = st.one_of(st.none(), st.just(0.0), st.floats(-10, 1e6).map(lambda x: round(x, 3)))
amount = st.one_of(st.none(), st.just(0.0), st.floats(-1e3, 1e6).map(lambda x: round(x, 2)))
usage = st.tuples(st.sampled_from("ab"), st.sampled_from(["Hrs", "GB"]), quantity, amount, quantity, amount)


@settings(deadline=None)
@given(st.lists(usage, min_size=1, max_size=12))
def test_the_effects_are_the_change(rows: list[tuple[Any, ...]]) -> None:
    found = effects(pl.DataFrame(rows, schema=SCHEMA, orient="row"), ["group"])
    for row in found.iter_rows(named=True):
        own = [(after or 0.0) - (before or 0.0) for name, _, _, before, _, after in rows if name == row["group"]]
        size = max(1.0, *(abs(row[name]) for name in EFFECTS), *map(abs, own))
        assert row["excess"] == pytest.approx(sum(own), abs=1e-6 * size)
        assert sum(row[name] for name in EFFECTS) == pytest.approx(sum(own), abs=1e-6 * size)
    assert found["group"].to_list() == sorted({row[0] for row in rows})
