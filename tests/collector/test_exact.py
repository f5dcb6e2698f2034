"""Sums of decimal texts are those of Python's own Decimal, whatever their order and notation."""

from __future__ import annotations

from decimal import Context, Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from sagekeeper.collector.exact import exact_sums, is_number, negated

WIDE = Context(prec=200)


@st.composite
def number_texts(draw: st.DrawFn) -> str:
    digits = draw(st.integers(0, 10 ** draw(st.sampled_from([20, 45])) - 1))
    places = draw(st.integers(0, 40))
    sign = draw(st.sampled_from(["", "-", "+"]))
    plain = f"{digits:0{places + 1}d}"
    text = plain if places == 0 else f"{plain[:-places]}.{plain[-places:]}"
    exponent = draw(st.sampled_from(["", "E-7", "e+3", "E12", "E-10"]))
    return f"{sign}{text}{exponent}"


@given(st.lists(st.tuples(st.sampled_from("abc"), number_texts()), max_size=40), st.randoms(use_true_random=False))
def test_sums_are_those_of_decimal_and_order_is_irrelevant(rows: list[tuple[str, str]], chance: object) -> None:
    expected: dict[str, Decimal] = {}
    for group, text in rows:
        expected[group] = WIDE.add(expected.get(group, Decimal(0)), Decimal(text))
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    for given_rows in (rows, shuffled):
        frame = pl.DataFrame(given_rows, schema={"k": pl.String, "x": pl.String}, orient="row")
        assert frame.filter(~is_number("x")).is_empty()
        assert exact_sums(frame, "k", "x") == expected


@given(number_texts())
def test_a_negated_text_is_the_opposite_number(text: str) -> None:
    opposite = pl.DataFrame({"x": [text]}).select(negated(pl.col("x"))).item()
    assert Decimal(opposite) == WIDE.minus(Decimal(text))


def test_what_is_no_decimal_number_is_told_apart() -> None:
    texts = ["1,5", "1.2.3", "", "abc", "0x1", "1e", "NaN", "inf", "--1", "1 2", "9" * 111, "1E999"]
    assert pl.DataFrame({"x": texts}).select(is_number("x"))["x"].to_list() == [False] * len(texts)


def test_nulls_are_left_out_and_a_group_of_nulls_has_no_sum() -> None:
    frame = pl.DataFrame({"k": ["a", "a", "b"], "x": ["0.1", None, None]})
    assert exact_sums(frame, "k", "x") == {"a": Decimal("0.1")}
