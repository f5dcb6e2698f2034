"""When labels say that the error is another, moved inputs are told from a moved relation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.concept_drift import concept_drift, loss_of


def rows(*groups: tuple[str, int, int]) -> pl.DataFrame:
    """Of each (stratum, records, wrong): neighbours of all strata are mixed, as traffic is."""
    frame = pl.concat(
        pl.DataFrame(
            {"within": [name] * count, "loss": [1.0] * wrong + [0.0] * (count - wrong)},
            schema={"within": pl.String, "loss": pl.Float64},
        )
        for name, count, wrong in groups
    )
    return frame.sample(fraction=1.0, shuffle=True, seed=3)


BEFORE = rows(("easy", 800, 80), ("hard", 200, 80))


def test_more_of_the_hard_ones_is_the_inputs() -> None:
    # 0.16 wrong before. Half are hard now, as wrong as ever: 0.5 x 0.1 + 0.5 x 0.4 = 0.25.
    (found,) = concept_drift(BEFORE, rows(("easy", 500, 50), ("hard", 500, 200))).to_dicts()
    assert (found["before"], found["now"]) == (pytest.approx(0.16), pytest.approx(0.25))
    assert (found["inputs"], found["relation"]) == (pytest.approx(0.09), pytest.approx(0.0))
    assert found["verdict"] == "the inputs moved"


def test_more_errors_among_the_same_is_the_relation() -> None:
    (found,) = concept_drift(BEFORE, rows(("easy", 800, 240), ("hard", 200, 80))).to_dicts()
    # 0.8 x (0.3 - 0.1)
    assert (found["inputs"], found["relation"]) == (pytest.approx(0.0), pytest.approx(0.16))
    assert found["relation_low"] > 0.1
    assert found["verdict"] == "the relation moved"


def test_both_and_neither_are_told() -> None:
    assert concept_drift(BEFORE, BEFORE)["verdict"].to_list() == ["neither moved"]
    both = concept_drift(BEFORE, rows(("easy", 400, 150), ("hard", 600, 400)))
    assert both["verdict"].to_list() == ["both moved"]


def test_a_relation_that_moves_for_the_better_is_told_too() -> None:
    (found,) = concept_drift(BEFORE, rows(("easy", 800, 0), ("hard", 200, 0))).to_dicts()
    assert (found["relation"], found["verdict"]) == (pytest.approx(-0.16), "the relation moved")


def test_what_became_better_does_not_hide_what_became_worse() -> None:
    before = rows(("easy", 500, 50), ("hard", 500, 200))
    (found,) = concept_drift(before, rows(("easy", 500, 200), ("hard", 500, 50))).to_dicts()
    assert (found["inputs"], found["relation"]) == (pytest.approx(0.0), pytest.approx(0.0))
    # Each has changed by 0.3.
    assert found["changed"] == pytest.approx(0.3, abs=0.01)
    assert found["verdict"] == "the relation moved"


def test_every_stretch_is_judged_by_itself() -> None:
    later = pl.concat([rows(("easy", 800, 80), ("hard", 200, 80)), rows(("easy", 800, 320), ("hard", 200, 80))])
    found = concept_drift(BEFORE, later, stretches=2)
    assert found["verdict"].to_list() == ["neither moved", "the relation moved"]


def test_strata_that_were_not_there_before_are_said_and_blamed_on_neither() -> None:
    (found,) = concept_drift(BEFORE, rows(("easy", 640, 64), ("hard", 160, 64), ("new", 200, 200))).to_dicts()
    assert found["not_compared"] == pytest.approx(0.2)
    assert found["elsewhere"] == pytest.approx(found["now"] - 0.16)
    assert found["verdict"] == "neither moved"


def test_numbers_beyond_all_that_were_there_are_not_compared() -> None:
    before = pl.DataFrame({"within": np.linspace(0, 1, 1000), "loss": np.tile([0.0, 1.0], 500)})
    now = pl.DataFrame({"within": np.linspace(0, 2, 1000), "loss": np.tile([0.0, 1.0], 500)})
    assert concept_drift(before, now)["not_compared"][0] == pytest.approx(0.5, abs=0.01)


def test_too_few_labels_are_unknown() -> None:
    (found,) = concept_drift(BEFORE, BEFORE.head(40)).to_dicts()
    assert (found["verdict"], found["why"]) == (None, "40 labelled rows, 100 are needed")


def test_errors_that_come_in_bursts_are_worth_less() -> None:
    scattered = pl.DataFrame({"within": ["a"] * 4000, "loss": np.tile([1.0, 0, 0, 0], 1000)})
    bursts = pl.DataFrame({"within": ["a"] * 4000, "loss": np.tile([1.0] * 100 + [0.0] * 300, 10)})

    def width(now: pl.DataFrame) -> float:
        (found,) = concept_drift(scattered, now).to_dicts()
        return float(found["relation_high"] - found["relation_low"])

    assert width(bursts) > 3 * width(scattered)


def test_numbers_in_one_and_names_in_the_other_are_refused() -> None:
    with pytest.raises(ValueError, match="numbers in both"):
        concept_drift(BEFORE, pl.DataFrame({"within": [1.0], "loss": [0.0]}))


def test_the_loss_is_the_absolute_error_or_a_wrong_class() -> None:
    frame = pl.DataFrame({"label": ["1", "2"], "prediction": ["1", "5"]})
    assert frame.select(loss_of(regression=True)).to_series().to_list() == [0.0, 3.0]
    assert frame.select(loss_of(regression=False)).to_series().to_list() == [0.0, 1.0]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=4).filter(
        lambda n: sum(a for a, _ in n) > 150
    )
)
def test_the_parts_add_up_to_the_whole(sizes: list[tuple[int, int]]) -> None:
    now = rows(*((f"s{place}", count, min(wrong, count)) for place, (count, wrong) in enumerate(sizes)))
    before = rows(("s0", 300, 30), ("s1", 200, 100), ("s2", 10, 5))
    (found,) = concept_drift(before, now).to_dicts()
    if found["why"] is None:
        parts = found["inputs"] + found["relation"] + found["elsewhere"]
        assert parts == pytest.approx(found["now"] - found["before"], abs=1e-9)
