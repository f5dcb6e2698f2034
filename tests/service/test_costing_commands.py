"""Costs and unit costs on the command line: what is not known is a word, and every grouping sums to the bill."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import DAILY_COSTS, UNIT_COSTS, Table
from sagekeeper.service.cli import run


def rows(table: Table, *items: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(table.columns) | item for item in items], schema=table.columns)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """October 2026 of one account: two endpoints, a job, tax; the list cost of one endpoint is not stated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    lake = Lake(tmp_path / ".sagekeeper" / "lake")
    day = {"day": date(2026, 10, 5), "dataset": "cost-explorer", "account": "123456789012", "region": "us-east-1"}
    line = day | {"charge_category": "Usage", "service": "Amazon SageMaker", "currency": "USD", "estimated": False}
    named = {"resource_kind": "endpoint", "resource_name": "fraud", "billed_cost": 8.0, "list_cost": 10.0}
    lake.replace(
        DAILY_COSTS,
        rows(
            DAILY_COSTS,
            line | named,
            line | {"resource_kind": "endpoint", "resource_name": "old", "billed_cost": 4.0},
            line
            | {"resource_kind": "training_job", "resource_name": "fraud-2026", "billed_cost": 2.0, "list_cost": 2.0},
            line | {"charge_category": "Tax", "billed_cost": 1.0, "list_cost": 1.0},
        ),
        Scope(),
    )
    month = {"month": date(2026, 10, 1), "dataset": "cost-explorer", "subject_kind": "endpoint", "currency": "USD"}
    lake.replace(
        UNIT_COSTS,
        rows(
            UNIT_COSTS,
            month | {"subject": "fraud", "unit": "1,000 invocations", "quantity": 16.0, "billed_cost": 8.0},
            month | {"subject": "old", "unit": "1,000 invocations", "unknown": "too few to say: 0 invocations"},
            month | {"subject": "old", "unit": "hours without requests", "quantity": 24.0, "billed_cost": 4.0},
        ),
        Scope(),
    )
    return lake


def given(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The document of a command that went well."""
    assert run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("by", ["service", "owner", "team", "charge", "model", "endpoint", "job-family", "pipeline"])
@pytest.mark.usefixtures("books")
def test_every_grouping_sums_to_the_bill(capsys: pytest.CaptureFixture[str], by: str) -> None:
    document = given(capsys, "costs", "--by", by, "--month", "2026-10")
    assert document["total"] == 15.0
    assert sum(row["cost"] for row in document["rows"]) == 15.0


@pytest.mark.usefixtures("books")
def test_what_has_no_list_cost_is_unknown_and_told_beside_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    document = given(capsys, "costs", "--by", "endpoint", "--notion", "list")
    assert (document["total"], document["billed_without_this_cost"]) == (13.0, 4.0)
    assert {row["group"]: row["cost"] for row in document["rows"]} == {
        "fraud": 10.0,
        "old": None,
        "everything else": 2.0,
        "unattributed": 1.0,
    }


@pytest.mark.usefixtures("books")
def test_unit_costs_have_a_number_or_a_reason_and_say_what_was_paid_for_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = given(capsys, "unit-costs", "--notion", "billed")
    told = {row["subject"]: (row["unit_cost"], row["unknown"]) for row in document["units"]}
    assert told == {"fraud": (0.5, None), "old": (None, "too few to say: 0 invocations")}
    assert document["paid_without_requests"] == 4.0


@pytest.mark.usefixtures("books")
def test_a_month_that_is_not_there_is_bad_input_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["unit-costs", "--month", "2026-09"]) == 2
    assert "No unit costs of cost-explorer in 2026-09. Run: sagekeeper analyze" in capsys.readouterr().err
    assert run(["unit-costs", "--dataset", "file:other.csv"]) == 2
    assert "There are no unit costs of the bill file:other.csv" in capsys.readouterr().err
