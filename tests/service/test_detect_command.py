"""``sagekeeper detect``: a file of costs in, a file of flags out."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.service.cli import run


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    rows = pl.DataFrame(
        {
            "series_id": ["s1"] * 120,
            "account": "111122223333",
            "service": "AmazonSageMaker",
            "usage_type": "Host:ml.g5.xlarge",
            "resource": "arn:endpoint/fraud",
            "ts": [date(2026, 1, 1) + timedelta(days=n) for n in range(120)],
            "cost": [100.0 + n * 7 % 3 for n in range(110)] + [400.0] * 3 + [100.0] * 7,
        }
    )
    file = tmp_path / "costs.parquet"
    rows.write_parquet(file)
    return file


def test_every_row_comes_back_with_the_scorers_columns(costs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = costs.with_name("flags.parquet")
    assert run(["detect", "--in", str(costs), "--out", str(target), "--json"]) == 0
    flags = pl.read_parquet(target)
    assert flags.columns == ["series_id", "ts", "score", "is_anomaly", "impact"]
    assert flags.height == 120
    assert flags.filter("is_anomaly")["ts"].to_list() == [date(2026, 4, 21)]
    told = json.loads(capsys.readouterr().out)
    assert told["flagged_rows"] == 1 and told["impact"] == pytest.approx(300, rel=0.02)


def test_a_file_that_is_no_parquet_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "costs.parquet"
    wrong.write_text("series_id,ts,cost\n")
    assert run(["detect", "--in", str(wrong), "--out", str(tmp_path / "out.parquet")]) == 2
    assert "cannot be read" in capsys.readouterr().err
