"""Texts among the features, as numbers that can be watched: how long they are, in characters and in words, and which words.

In: values by feature. Out: what stands in for a text: ``name.length`` and ``name.words`` as features, and its words, a value
for every word and not for every record. Texts themselves are not kept: they are too many to count, and what
people wrote. The rate of words outside a reference vocabulary is `core/profile_distance.py`'s, from the profiles of the words.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from sagekeeper.core.feature_profile import FeatureType

LONG, MANY_WORDS = 24, 4
"""Values of more characters and words on average are text that somebody wrote, not the name of a category."""
LENGTH, WORDS, WORDS_OF = ".length", ".words", "words_of_"


def texts(values: pl.DataFrame, types: Mapping[str, FeatureType]) -> list[str]:
    """Which features are text: those that were before, and new ones that look it."""
    found = []
    for name, kind in values.schema.items():
        if kind != pl.String:
            continue
        if name + LENGTH in types or (name not in types and _is_text(values[name])):
            found.append(name)
    return found


def measured(values: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """``values`` with the length and the count of words in place of each text."""
    return values.with_columns(
        *(pl.col(name).str.len_chars().cast(pl.Float64).alias(name + LENGTH) for name in names),
        *(_words(name).list.len().cast(pl.Float64).alias(name + WORDS) for name in names),
    ).drop(names)


def words(values: pl.DataFrame, name: str, group: pl.Series) -> pl.DataFrame:
    """[group, value]: a row for every word of every text, in small letters."""
    return (
        values.select(_words(name).alias("value"), group=group)
        .explode("value")
        .drop_nulls("value")
        .select("group", "value")
    )


def _words(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().str.extract_all(r"[\p{L}\p{N}][\p{L}\p{N}'’-]*")


def _is_text(values: pl.Series) -> bool:
    there = values.drop_nulls().head(1000)
    if there.is_empty():
        return False
    spaces = there.str.count_matches(r"\s+").mean()
    length = there.str.len_chars().mean()
    return isinstance(spaces, float) and isinstance(length, float) and spaces + 1 >= MANY_WORDS and length >= LONG
