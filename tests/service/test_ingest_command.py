"""`sagekeeper ingest` on real bills: every digit that the file states, by charge category."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core.lake import Lake
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.service.cli import run

from ..collector.bills import deliver

Said = tuple[int, str, str]


@pytest.fixture
def sagekeeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    monkeypatch.chdir(tmp_path)

    def command(*words: object) -> Said:
        code = run([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_the_totals_of_a_focus_file_are_the_files_own_to_the_last_digit(
    sagekeeper: Callable[..., Said], shared_data: Path, tmp_path: Path
) -> None:
    file = shared_data / "billing" / "focus_sample" / "focus_sample.csv"
    stated: dict[str, Decimal] = defaultdict(Decimal)
    with file.open(newline="") as rows:
        for row in csv.DictReader(rows):
            stated[row["ChargeCategory"]] += Decimal(row["BilledCost"])
    code, out, err = sagekeeper("ingest", file, "--json")
    assert code == 0, err
    told = json.loads(out)["files"][0]
    assert {name: Decimal(total["BilledCost"]) for name, total in told["totals"].items()} == stated
    assert "E" not in "".join(total["BilledCost"] for total in told["totals"].values())
    attributed = Lake(tmp_path / ".sagekeeper" / "lake").scan(DAILY_COSTS).filter(pl.col("dataset") == told["dataset"])
    assert attributed.select("billed_cost").sum().collect().item() == pytest.approx(
        float(sum(stated.values())), abs=1e-9
    )
    shown = sagekeeper("ingest", file)[1]
    assert all(f"{amount:f}" in shown for amount in stated.values())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b", "cut.csv.gz"),
        ("other.csv", b"a,b\n1,2\n", "other.csv"),
        ("nothing.csv", b"", "nothing.csv"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_exit_code_2_and_leaves_the_lake_as_it_was(
    sagekeeper: Callable[..., Said], tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, err = sagekeeper("ingest", tmp_path / name)
    assert code == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert Lake(tmp_path / ".sagekeeper" / "lake").version(COSTS) is None


def test_a_missing_file_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("ingest", "nowhere.csv")
    assert code == 2
    assert "nowhere.csv" in err


def test_one_name_for_two_bills_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    assert sagekeeper("ingest", "a.csv", "b.csv", "--dataset", "mine")[0] == 2


def test_a_folder_of_manifests_is_one_bill_that_reconciles(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    export = tmp_path / "delivered"
    for month, cost in ((date(2026, 3, 1), "1.5"), (date(2026, 4, 1), "2.25")):
        deliver(export, month, {"lineItem/UnblendedCost": cost})
    code, out, _ = sagekeeper("ingest", export, "--json")
    assert code == 0
    said = json.loads(out)
    assert [item["totals"]["Usage"]["BilledCost"] for item in said["files"]] == ["1.5", "2.25"]
    code, out, _ = sagekeeper("reconcile", "--dataset", "export:bills", "--month", "2026-04", "--json")
    assert code == 0
    result = json.loads(out)
    assert (result["agrees"], result["total"]["source"], result["currency"]) == (True, 2.25, "USD")
    deliver(export, date(2026, 4, 1), {"lineItem/UnblendedCost": "2.5"}, assembly="two")
    assert sagekeeper("ingest", export, "--json")[0] == 0
    _, out, _ = sagekeeper("reconcile", "--dataset", "export:bills", "--month", "2026-04", "--json")
    result = json.loads(out)
    assert [result["lines"][0][name] for name in ("then", "moved")] == [2.25, 0.25]
    assert (result["waterfall"][-1]["step"], Decimal(result["waterfall"][-1]["amount"])) == (
        "Billed cost",
        Decimal("2.5"),
    )


def test_a_look_at_a_close_that_is_to_come_is_bad_input(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    soon = date.today().replace(day=1)
    deliver(tmp_path / "delivered", soon, {})
    assert sagekeeper("ingest", tmp_path / "delivered")[0] == 0
    code, _, err = sagekeeper("reconcile", "--dataset", "export:bills", "--month", f"{soon:%Y-%m}", "--since", "close")
    assert code == 2
    assert "is not closed before 10" in " ".join(err.split())


def test_a_wrong_month_of_an_export_is_named_and_the_others_are_kept(
    sagekeeper: Callable[..., Said], tmp_path: Path
) -> None:
    export = tmp_path / "delivered"
    deliver(export, date(2026, 3, 1), {"lineItem/UnblendedCost": "much"})
    deliver(export, date(2026, 4, 1), {"lineItem/UnblendedCost": "2.25"})
    code, out, err = sagekeeper("ingest", export, "--json")
    assert code == 2
    said = json.loads(out)
    assert [item["rows"] for item in said["files"]] == [1]
    assert "2026-03" in said["problems"][0]
    assert "Left as it was" in err


def test_a_month_that_the_bill_has_not_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("reconcile", "--month", "2020-01")
    assert code == 2
    assert "has no cost in 2020-01" in " ".join(err.split())
