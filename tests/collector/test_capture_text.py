"""Texts are watched by their length and their words, and are not kept."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from tests.collector.test_capture_payloads import line

from sagekeeper.collector.capture_hours import Schema, profiled
from sagekeeper.collector.capture_lines import read_lines

FILMS = ("A fine film, fine acting", "What a waste of two hours", "The ending is the best part of it")


def test_a_text_becomes_its_length_its_words_and_how_often_each_word_occurs() -> None:
    lines = read_lines([("f", "".join(line(f'{{"inputs": "{text}"}}') + "\n" for text in FILMS).encode())])
    hours = pl.DataFrame({"file": ["f"], "variant": ["v"], "window_start": [datetime(2026, 11, 1, tzinfo=UTC)]})
    rows = profiled(lines, hours, Schema()).rows.sort("role", "feature")
    assert rows.select("role", "feature", "type", "records").rows() == [
        ("capture", "inputs.length", "numeric", 3),
        ("capture", "inputs.words", "numeric", 3),
        ("words_of_capture", "inputs", "categorical", 19),
    ]
    assert rows["mean"][0] == sum(map(len, FILMS)) / 3
    assert '"fine": 2' in rows["categories"][2]
    assert "waste of" not in str(rows.to_dicts())


def test_names_of_categories_are_no_texts() -> None:
    places = ("<1H OCEAN", "NEAR BAY", "INLAND")
    lines = read_lines([("f", "".join(line(f'{{"place": "{name}"}}') + "\n" for name in places).encode())])
    hours = pl.DataFrame({"file": ["f"], "variant": ["v"], "window_start": [datetime(2026, 11, 1, tzinfo=UTC)]})
    assert profiled(lines, hours, Schema()).rows["feature"].to_list() == ["place"]
