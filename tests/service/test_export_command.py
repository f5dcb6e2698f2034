"""`sagekeeper export`: a period of one bill as a file, and one sentence when it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import COSTS
from sagekeeper.service.cli import run

Said = tuple[int, str, str]
OCTOBER = ("--from", "2026-10-01", "--to", "2026-10-31")


@pytest.fixture
def sagekeeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run one command in a folder whose lake has two bills: October and November, and a file of November."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    lake = Lake(tmp_path / ".sagekeeper" / "lake")
    for dataset, days in {"cost-explorer": (date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1)),
                          "file:a": (date(2026, 11, 1),)}.items():  # fmt: skip
        rows = [
            {
                "x_Dataset": dataset, "x_ChargeDate": day, "ChargeCategory": "Usage", "ProviderName": "AWS",
                "ServiceName": "Amazon SageMaker", "BilledCost": 1.5, "EffectiveCost": 1.5, "BillingCurrency": "USD",
                "BillingAccountId": "123456789012", "ChargePeriodStart": datetime(day.year, day.month, day.day, tzinfo=UTC),
            }
            for day in days
        ]  # fmt: skip
        lake.replace(COSTS, pl.DataFrame(rows, schema=COSTS.columns), Scope({"x_Dataset": dataset}))

    def command(*words: str) -> Said:
        code = run(list(words))
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    return command


def test_both_ends_of_the_period_are_in_and_nothing_else(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    code, out, err = sagekeeper(
        "export", *OCTOBER, "--format", "focus-parquet", "--out", str(tmp_path / "o.parquet"), "--json"
    )
    assert code == 0, err
    document = json.loads(out)
    assert (document["rows"], document["dataset"]) == (2, "cost-explorer")
    assert document["derived"]["ListCost"] == 2
    days = pl.read_parquet(tmp_path / "o.parquet")["ChargePeriodStart"].dt.date().sort().to_list()
    assert days == [date(2026, 10, 1), date(2026, 10, 31)]


def test_focus_csv_is_what_comes_without_a_format(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    code, out, _ = sagekeeper("export", *OCTOBER, "--out", "o.csv")
    assert code == 0
    assert "2 rows of cost-explorer" in out
    assert (tmp_path / "o.csv").read_text().startswith("AvailabilityZone,BilledCost,")


def test_a_csv_for_people_derives_nothing(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    _, out, _ = sagekeeper("export", *OCTOBER, "--format", "csv", "--out", "o.csv", "--json")
    assert json.loads(out)["derived"] == {}
    assert pl.read_csv(tmp_path / "o.csv")["ListCost"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-11-01", "--to", "2026-11-30"), "Choose one with --dataset"),
        (("--from", "2026-10-31", "--to", "2026-10-01"), "is after"),
        (("--from", "2025-01-01", "--to", "2025-01-31"), "has no costs"),
        ((*OCTOBER, "--dataset", "file:a"), "no bill file:a"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_with_exit_code_2(
    sagekeeper: Callable[..., Said], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, out, err = sagekeeper("export", *words, "--out", "o.csv")
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "o.csv").exists()


def test_the_bill_that_is_named_is_the_one(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    code, _, err = sagekeeper("export", "--from", "2026-11-01", "--to", "2026-11-30", "--dataset", "file:a",
                              "--out", "o.csv")  # fmt: skip
    assert code == 0, err
    assert pl.read_csv(tmp_path / "o.csv")["x_Dataset"].to_list() == ["file:a"]


def test_help_lists_it(sagekeeper: Callable[..., Said]) -> None:
    assert "FOCUS 1.2" in sagekeeper("--help")[1]
