"""leakage on the command line: what is in two files, what gives the label away, what serving lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.service.cli import run


def houses(first: int, last: int) -> pl.DataFrame:
    price = np.random.default_rng(1).normal(100, 20, 2000)[first:last]
    return pl.DataFrame({"rooms": np.arange(first, last), "sold_for": price * 0.99, "price": price})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    frames = {
        "train": houses(0, 1000),
        "test": houses(900, 1100),
        "baseline": houses(950, 1100),
        "serving": houses(0, 50).select(pl.lit("?").alias("color"), pl.col("rooms").cast(pl.String)),
    }
    for name, frame in frames.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    return {name: str(tmp_path / f"{name}.parquet") for name in frames}


def options(files: dict[str, str]) -> list[str]:
    return [word for name, path in files.items() for word in (f"--{name}", path)]


def test_shared_rows_telling_features_and_another_schema_are_told(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leakage", *options(files), "--label", "price", "--json"]) == 0
    said = capsys.readouterr()
    told: dict[str, Any] = json.loads(said.out)
    assert told["leaks"] is True
    shares = {(one["inner"], one["outer"]): one["share"] for one in told["overlaps"]}
    assert (shares["test", "train"], shares["baseline", "test"]) == (0.5, 1.0)
    assert [one["feature"] for one in told["tells"]] == ["sold_for"]
    assert (told["serving"]["absent"], told["serving"]["unknown"]) == (["sold_for"], ["color"])
    assert told["serving"]["other_type"] == ["rooms: Int64 learnt, String served"]
    assert "The baseline was made of test data" in said.err


def test_clean_sets_do_not_leak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    houses(0, 500).drop("sold_for").write_csv(tmp_path / "train.csv")
    houses(500, 600).drop("sold_for").write_csv(tmp_path / "test.csv")
    arguments = ["--train", str(tmp_path / "train.csv"), "--test", str(tmp_path / "test.csv"), "--label", "price"]
    assert run(["leakage", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["leaks"] is False


def test_a_label_that_is_no_column_is_a_sentence(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leakage", "--train", files["train"], "--label", "nothing"]) == 2
    assert "has no column nothing" in " ".join(capsys.readouterr().err.split())
