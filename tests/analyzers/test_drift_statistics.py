"""Drift is called where it is, named for what it is, and never called where nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from sagekeeper.analyzers.drift_cells import Categories, Numbers, category_cells, number_cells
from sagekeeper.analyzers.drift_columns import pair
from sagekeeper.analyzers.drift_compare import Rules
from sagekeeper.analyzers.drift_effects import total_variation
from sagekeeper.analyzers.drift_tests import adjusted, p_value, two_shares
from sagekeeper.analyzers.drift_verdicts import FeatureDrift, compare, verdicts

RULES = Rules()


def judged(reference: dict[str, Any], current: dict[str, Any], rules: Rules = RULES) -> dict[str, FeatureDrift]:
    """The verdict by feature."""
    before, now = pl.DataFrame(reference), pl.DataFrame(current)
    compared = [compare(pair(name, before[name], now[name], "shuffled"), rules) for name in before.columns]
    return {one.feature: one for one in verdicts(compared, rules)}


def one(reference: Any, current: Any, rules: Rules = RULES) -> FeatureDrift:
    return judged({"x": reference}, {"x": current}, rules)["x"]


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbers(n: int, seed: int) -> np.ndarray:
    return rng(seed).normal(10, 2, n)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("heavy tails", lambda chance, n: Numbers(np.sort(chance.standard_cauchy(n)))),
        ("a few whole numbers", lambda chance, n: Numbers(np.sort(chance.poisson(2.0, n).astype(float)))),
        ("nine zeros of ten", lambda chance, n: Numbers(np.sort(chance.lognormal(0, 1, n) * (chance.random(n) > 0.9)))),
    ],
)
@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (300, 20_000)])
def test_two_samples_of_one_distribution_have_small_p_values_no_oftener_than_said(
    name: str, draw: Callable[..., Numbers], n: int, m: int
) -> None:
    chance = rng(1)
    found = [p_value(number_cells(draw(chance, n), draw(chance, m))) for _ in range(200)]
    # Of 200 at 5 %, 10 are expected; 20 or more come once in 500 times if the level holds.
    assert sum(p <= 0.05 for p in found) < 20
    assert sum(p <= 0.001 for p in found) < 4


@pytest.mark.parametrize("cardinality", [2, 50, 5000])
def test_categories_of_any_number_have_small_p_values_no_oftener_than_said(cardinality: int) -> None:
    chance = rng(2)
    shares = chance.dirichlet(np.ones(cardinality))

    def drawn(n: int) -> Categories:
        counts = chance.multinomial(n, shares)
        return Categories({str(place): int(count) for place, count in enumerate(counts) if count})

    found = [p_value(category_cells(drawn(1000), drawn(1000))) for _ in range(100)]
    assert sum(p <= 0.05 for p in found) < 12
    assert sum(p <= 0.001 for p in found) < 3


def test_the_interval_of_the_effect_holds_the_true_total_variation() -> None:
    chance = rng(3)
    truth = 2 * float(stats.norm.cdf(0.25)) - 1
    held = 0
    for _ in range(100):
        before, now = chance.normal(0, 1, 2000), chance.normal(0.5, 1, 2000)
        effect = total_variation(number_cells(Numbers(np.sort(before)), Numbers(np.sort(now))))
        held += effect.low <= truth <= effect.high
    assert held >= 90


def test_without_drift_the_lower_end_of_the_effect_is_zero_however_many_categories() -> None:
    chance = rng(4)
    shares = chance.dirichlet(np.ones(500))
    lows = []
    for _ in range(50):
        counts = (chance.multinomial(2000, shares) for _ in range(2))
        before, now = (Categories({str(k): int(n) for k, n in enumerate(many) if n}) for many in counts)
        lows.append(total_variation(category_cells(before, now)).low)
    assert np.mean(np.array(lows) > 0) <= 0.1


def test_two_shares_is_the_exact_test_of_fisher_on_small_counts() -> None:
    assert two_shares(3, 50, 12, 60) == pytest.approx(float(stats.fisher_exact([[3, 47], [12, 48]])[1]))


def test_adjusted_p_values_step_up_by_rank_and_under_any_dependence_by_the_harmonic_sum_as_well() -> None:
    p = [0.001, 0.03, 0.2, 0.04, 0.9]
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5
    # Of five: the second smallest (0.03) is carried down by the third, 0.04 * 5 / 3.
    assert adjusted(p) == pytest.approx([0.005, 0.2 / 3, 0.25, 0.2 / 3, 0.9])
    assert adjusted(p, "any") == pytest.approx(
        [0.005 * harmonic, 0.2 / 3 * harmonic, 0.25 * harmonic, 0.2 / 3 * harmonic, 1.0]
    )
    assert adjusted([]) == []


def test_a_small_shift_of_many_rows_is_found_and_called_a_shift() -> None:
    found = one(numbers(20_000, 1), numbers(20_000, 2) + 0.2)
    assert (found.status, found.kinds) == ("drift", ["shift"])
    assert found.lead is not None and found.lead.effect.low < 0.04 < found.lead.effect.high


def test_a_million_rows_make_no_drift_of_a_shift_that_does_not_matter() -> None:
    found = one(numbers(1_000_000, 1), numbers(1_000_000, 2) + 0.01)
    assert found.p_value is not None and found.p_value < 0.01
    assert found.status == "stable"


def test_one_absurd_value_neither_hides_nor_makes_a_drift() -> None:
    before, now = numbers(5000, 1), numbers(5000, 2)
    absurd = np.append(now, 1e6)
    assert one(before, absurd).status == "stable"
    assert one(before, absurd + 2).kinds[0] == "shift"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("x100", lambda x: x * 100),
        ("/1000", lambda x: x / 1000),
        ("log", np.log),
        ("Celsius to Fahrenheit", lambda x: x * 1.8 + 32),
        ("sign turned", lambda x: -x),
    ],
)
def test_a_change_of_unit_is_named(kind: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    found = one(np.exp(rng(1).normal(2, 1, 3000)), change(np.exp(rng(2).normal(2, 1, 3000))))
    assert (found.kinds, found.detail) == (["unit change"], kind)


def test_columns_that_changed_places_are_named() -> None:
    def table(seed: int) -> dict[str, np.ndarray]:
        return {"age": rng(seed).normal(40, 10, 3000), "income": rng(seed + 9).lognormal(3, 1, 3000)}

    before, now = table(1), table(2)
    found = judged(before, {"age": now["income"], "income": now["age"]})
    assert {name: verdict.kinds for name, verdict in found.items()} == {
        "age": ["swapped columns"],
        "income": ["swapped columns"],
    }
    assert "income" in found["age"].detail


def test_wider_numbers_are_a_change_of_scale() -> None:
    assert one(numbers(5000, 1), (numbers(5000, 2) - 10) * 1.5 + 10).kinds[0] == "scale"


def test_a_gap_filled_with_one_value_is_a_spike_and_named() -> None:
    now = numbers(5000, 2)
    now[:200] = -1
    found = one(numbers(5000, 1), now)
    assert found.kinds[0] == "spike" and "-1" in found.detail


def test_values_that_go_missing_are_a_missing_rate_and_no_change_of_values() -> None:
    now = pl.Series(numbers(5000, 2)).set(pl.Series(rng(3).random(5000) < 0.05), None)
    assert one(numbers(5000, 1), now).kinds == ["missing rate"]


def test_numbers_that_become_words_are_a_change_of_type() -> None:
    now = ["oops"] * 100 + [str(value) for value in numbers(1900, 2)]
    assert one(numbers(2000, 1), now).kinds == ["type change"]


def test_words_that_become_numbers_are_a_change_of_type() -> None:
    assert one(["red", "blue"] * 500, [1, 2] * 500).kinds == ["type change"]


def test_new_and_vanished_categories_are_named() -> None:
    before = rng(1).choice(["a", "b", "c"], 3000)
    now = rng(2).choice(["a", "b", "new"], 3000)
    found = one(before, now)
    assert found.kinds == ["new categories", "vanished categories"]
    assert found.detail.startswith("new: 3") and "c: 3" in found.detail


def test_other_shares_of_the_same_categories_are_a_change_of_the_mix() -> None:
    before, now = rng(1).choice(["a", "b"], 3000, p=[0.5, 0.5]), rng(2).choice(["a", "b"], 3000, p=[0.6, 0.4])
    assert one(before, now).kinds == ["mix of categories"]


def test_a_rare_category_that_only_one_sample_happened_to_draw_is_not_new() -> None:
    assert one(["a", "b"] * 500, ["a", "b"] * 499 + ["a", "rare"]).status == "stable"


def test_too_few_rows_are_unknown_and_say_so() -> None:
    found = one(numbers(30, 1), numbers(1000, 2) + 50)
    assert (found.status, found.detail) == (
        "unknown",
        "the reference data are worth 30 independent records, 50 are needed",
    )


def test_a_constant_that_stays_is_stable_and_one_that_changes_has_drifted() -> None:
    assert one([7.0] * 500, [7.0] * 400).status == "stable"
    assert one([7.0] * 500, [8.0] * 400).status == "drift"
    assert one(["x"] * 500, ["y"] * 400).kinds == ["new categories", "vanished categories"]


def test_a_running_number_and_a_time_are_named_but_not_tested() -> None:
    found = judged(
        {"id": range(1000), "at": [f"2026-01-01T00:{minute:02}:00" for minute in range(60)] * 10 + [None] * 400},
        {"id": range(5000, 6000), "at": [f"2026-06-01T00:{minute:02}:00" for minute in range(60)] * 10 + [None] * 400},
    )
    assert {name: (verdict.type, verdict.status) for name, verdict in found.items()} == {
        "id": ("identifier", "stable"),
        "at": ("datetime", "stable"),
    }


def test_neighbours_that_are_alike_count_for_less() -> None:
    walk = np.repeat(rng(1).normal(0, 1, 200), 50)
    other = np.repeat(rng(2).normal(0, 1, 200), 50)
    found = pair("x", pl.Series(walk), pl.Series(other))
    assert found.reference.sample is not None and found.reference.sample.effective < 1000
    (verdict,) = verdicts([compare(found, RULES)], RULES)
    assert verdict.status == "stable"
    assert one(walk, other).status == "drift"


def test_what_the_model_relies_on_comes_first() -> None:
    before = {"small": numbers(4000, 1), "large": numbers(4000, 2)}
    now = {"small": numbers(4000, 3) + 0.5, "large": numbers(4000, 4) + 3}
    compared = [compare(pair(name, pl.Series(before[name]), pl.Series(now[name])), RULES) for name in before]
    assert [verdict.feature for verdict in verdicts(compared, RULES)] == ["large", "small"]
    weighted = verdicts(compared, RULES, {"small": 0.95, "large": 0.05})
    assert [verdict.feature for verdict in weighted] == ["small", "large"]


def test_spaces_and_spelt_gaps_of_a_csv_are_no_drift() -> None:
    before = [f"{value:.3f}" for value in numbers(2000, 1)]
    now = [f" {value:.3f} " for value in numbers(2000, 2)]
    assert one(before, now).status == "stable"
    gaps = judged({"x": ["a", "b", "NULL", ""] * 500}, {"x": [" a", "b ", None, "n/a"] * 500})["x"]
    assert (gaps.status, gaps.missing) == ("stable", (0.5, 0.5))


def test_texts_too_many_to_compare_by_name_are_compared_by_length_and_shape() -> None:
    chance = rng(1)

    def text(words: int) -> list[str]:
        return [" ".join(f"word{number}" for number in chance.integers(0, 999, words)) for _ in range(1000)]

    before = text(5)
    assert one(before, text(5)).status == "stable"
    longer = one(before, text(9))
    assert longer.type == "text" and "text length" in longer.kinds


def test_a_file_sorted_by_a_column_is_judged_as_if_it_were_not() -> None:
    for before, now in (
        (np.sort(numbers(2000, 1)), np.sort(numbers(2000, 2) + 1)),
        (sorted(rng(1).choice(["a", "b"], 2000)), sorted(rng(2).choice(["a", "b"], 2000, p=[0.7, 0.3]))),
    ):
        (verdict,) = verdicts([compare(pair("x", pl.Series(before), pl.Series(now)), RULES)], RULES)
        assert verdict.status == "drift"
