"""drift on the command line: any two files, ranked verdicts, and a sentence for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sagekeeper.service import drift_files
from sagekeeper.service.cli import run


def given(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 2
    return " ".join(capsys.readouterr().err.split())


def rows(seed: int, more: float = 0.0) -> pl.DataFrame:
    """2,000 houses; rooms and place never change."""
    chance = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "income": chance.normal(4, 1, 2000) + more,
            "rooms": chance.poisson(4, 2000),
            "place": chance.choice(["INLAND", "COAST"], 2000),
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Incomes rose by half a standard deviation."""
    before, now = tmp_path / "before.parquet", tmp_path / "now.csv"
    rows(1).write_parquet(before)
    rows(2, more=0.5).with_columns(extra=pl.lit(1)).write_csv(now)
    return before, now


def test_a_parquet_and_a_csv_are_compared_feature_by_feature_the_drifted_first(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    told = given(capsys, "drift", "--reference", str(files[0]), "--current", str(files[1]))
    first = told["features"][0]
    assert (told["drifted"], told["new_columns"], told["vanished_columns"]) == (["income"], ["extra"], [])
    assert (first["feature"], first["type"], first["drifted"], first["kind"]) == ("income", "numeric", True, "shift")
    # Half a standard deviation: 2 x Phi(0.25) - 1 = 0.197.
    assert first["effect_low"] < 0.197 < first["effect_high"]
    assert first["p_value"] <= first["adjusted_p_value"] < 0.01
    assert [one["drifted"] for one in told["features"][1:]] == [False, False]
    assert told["joint"]["auc_low"] > 0.55 and next(iter(told["joint"]["moved"])) == "income"


def test_people_are_told_in_a_table_what_happened(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift", "--reference", str(files[0]), "--current", str(files[1])]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 3 features drifted" in said
    assert "Only in the current file: extra." in said


def test_a_column_that_is_gone_is_drift_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(1).write_csv(tmp_path / "before.csv")
    rows(2).drop("rooms").write_csv(tmp_path / "now.csv")
    told = given(capsys, "drift", "--reference", str(tmp_path / "before.csv"), "--current", str(tmp_path / "now.csv"))
    assert (told["drift"], told["drifted"], told["vanished_columns"]) == (True, [], ["rooms"])


def test_a_large_csv_is_read_some_columns_at_a_time_with_the_same_result(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("drift", "--reference", str(files[1]), "--current", str(files[1]))
    whole = given(capsys, *arguments)
    monkeypatch.setattr(drift_files, "CSV_BYTES", 10_000)
    assert given(capsys, *arguments) == whole


def test_the_same_file_twice_has_not_drifted(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    told = given(capsys, "drift", "--reference", str(files[0]), "--current", str(files[0]))
    assert told["drift"] is False and told["drifted"] == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.json", b"{}", "ends in .parquet or .csv"),
        ("rows.parquet", b"not a parquet file", "cannot be read"),
        ("rows.csv", b"a,b\n", "has no rows"),
        ("rows.csv", b"", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(
    name: str, content: bytes, says: str, tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    header = tmp_path / "header.csv"
    header.write_text("a,b\n1,2\n")
    said = refused(capsys, "drift", "--reference", str(tmp_path / name), "--current", str(header))
    assert says in said and "Traceback" not in said


def test_a_level_beyond_reason_and_a_wrong_column_are_sentences(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("drift", "--reference", str(files[0]), "--current", str(files[1]))
    assert "--level 7" in refused(capsys, *both, "--level", "7")
    assert "column nobody" in refused(capsys, *both, "--feature", "nobody")


def test_columns_of_any_type_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame(
        {
            "list": [[1, 2]] * 300,
            "none": pl.Series([None] * 300, dtype=pl.Float64),
            "infinite": [float("inf"), 1.0, 2.0] * 100,
            "enum": pl.Series(["a", "b", "c"] * 100).cast(pl.Enum(["a", "b", "c"])),
            "text": [f"house {n}" for n in range(300)],
        }
    )
    frame.write_parquet(tmp_path / "all.parquet")
    frame.head(3).write_parquet(tmp_path / "few.parquet")
    for current, status in (("all", "stable"), ("few", "unknown")):
        told = given(
            capsys,
            "drift",
            "--reference",
            str(tmp_path / "all.parquet"),
            "--current",
            str(tmp_path / f"{current}.parquet"),
        )
        statuses = {one["feature"]: one["status"] for one in told["features"]}
        assert statuses == {"list": status, "none": "unknown", "infinite": status, "enum": status, "text": status}
