"""forecast on the command line: any file in, the scorer's columns out, and past forecasts held against what happened."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.service.cli import run

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(200)]  # to 19 July


@pytest.fixture(params=[".parquet", ".csv"])
def costs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two series that cost 10 and 3 a day."""
    path = tmp_path / f"costs{request.param}"
    rows = pl.concat(
        pl.DataFrame({"series_id": name, "account": "000000000001", "ts": DAYS, "cost": cost})
        for name, cost in (("001", 10.0), ("002", 3.0))
    )
    rows.write_parquet(path) if path.suffix == ".parquet" else rows.write_csv(path)
    return path


def test_a_file_gives_a_file_with_the_columns_of_the_scorer(costs: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{costs.suffix}"
    assert run(["forecast", "--in", str(costs), "--out", str(out), "--horizon", "month-end"]) == 0
    found = (
        pl.read_parquet(out)
        if out.suffix == ".parquet"
        else pl.read_csv(out, schema_overrides={"series_id": pl.String()})
    )
    assert found.columns == ["series_id", "origin", "low80", "median", "high80", "low95", "high95"]
    assert found["series_id"].to_list() == ["001", "002"]
    assert found["median"].to_list() == [pytest.approx(310), pytest.approx(93)]
    assert str(found["origin"][0]) == "2026-07-19"


@pytest.mark.parametrize("costs", [".parquet"], indirect=True)
def test_several_origins_and_ninety_days_can_be_asked_for(costs: Path, tmp_path: Path) -> None:
    out, days = tmp_path / "out.parquet", ("--origin", "2026-05-10", "--origin", "2026-06-20")
    assert run(["forecast", "--in", str(costs), "--out", str(out), "--horizon", "90", *days]) == 0
    found = pl.read_parquet(out)
    assert found["origin"].unique().sort().to_list() == [date(2026, 5, 10), date(2026, 6, 20)]
    assert found.filter(series_id="001")["median"].to_list() == [pytest.approx(900)] * 2


@pytest.mark.parametrize("costs", [".parquet"], indirect=True)
def test_sums_are_rows_too_where_they_are_asked_for(costs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert run(["forecast", "--in", str(costs), "--out", str(out), "--sum-by", "account"]) == 0
    found = pl.read_parquet(out)
    assert found["series_id"].to_list() == ["all", "000000000001", "001", "002"]
    assert found["median"].to_list() == [pytest.approx(403), pytest.approx(403), pytest.approx(310), pytest.approx(93)]


@pytest.mark.parametrize("costs", [".csv"], indirect=True)
def test_what_is_planned_or_known_is_given_in_files(costs: Path, tmp_path: Path) -> None:
    out, planned, known = (tmp_path / name for name in ("out.csv", "planned.csv", "known.csv"))
    planned.write_text("series_id,first,last,factor,add\n001,2026-07-25,,0.0,0.0\n")
    known.write_text("series_id,ts,cost\n002,2026-07-31,50\n")
    assert (
        run(["forecast", "--in", str(costs), "--out", str(out), "--planned", str(planned), "--known", str(known)]) == 0
    )
    # Series 001 stops after the 24th; of 002 one day costs 50 instead of 3.
    assert pl.read_csv(out)["median"].to_list() == [pytest.approx(240), pytest.approx(93 - 3 + 50)]


@pytest.mark.parametrize("costs", [".parquet"], indirect=True)
def test_a_backtest_of_sums_has_a_line_per_level(costs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forecast", "--in", str(costs), "--backtest", "--sum-by", "account", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(level["level"], level["cases"]) for level in told["sums"]] == [("all", 6), ("account", 6)]
    assert told["cases"] == 12 and told["sums"][0]["wape"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("costs", [".parquet"], indirect=True)
def test_a_backtest_gives_figures_per_origin_and_of_all(costs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forecast", "--in", str(costs), "--backtest", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["wape"] == pytest.approx(0, abs=1e-9) and told["coverage80"] == 1.0
    assert [origin["origin"] for origin in told["origins"]][:2] == ["2026-04-10", "2026-04-20"]
    assert run(["forecast", "--in", str(costs), "--backtest"]) == 0
    assert "80 % range held" in capsys.readouterr().out


def test_a_backtest_of_the_bill_takes_resources_apart_and_leaves_tax_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    line = dict.fromkeys(DAILY_COSTS.columns) | {
        "dataset": "cost-explorer", "account": "123456789012", "currency": "USD", "charge_category": "Usage",
    }  # fmt: skip
    rows = [
        *(line | {"day": day, "resource_name": name, "billed_cost": 5.0} for day in DAYS for name in ("a", "b")),
        line | {"day": date(2026, 6, 1), "charge_category": "Tax", "billed_cost": 99.0},
    ]
    Lake(tmp_path / ".sagekeeper" / "lake").replace(
        DAILY_COSTS, pl.DataFrame(rows, schema=DAILY_COSTS.columns), Scope()
    )
    assert run(["forecast", "--backtest", "--sum-by", "account,service", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == 2 * len(told["origins"]) and told["wape"] == pytest.approx(0, abs=1e-9)
    assert [level["level"] for level in told["sums"]] == ["all", "account", "service"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--in", "none.parquet", "--out", "x.csv"], "none.parquet is not there"),
        (["--in", "costs.txt", "--out", "x.csv"], "ends in .parquet or .csv"),
        (["--in", "costs.csv", "--out", "x.csv", "--horizon", "year"], "month-end, or a number of days"),
        (["--in", "costs.csv"], "--out FILE"),
        (["--in", "costs.csv", "--backtest", "--planned", "plan.csv"], "only of days to come"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["forecast", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
