"""Budgets added, listed and removed on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagekeeper.service.cli import run


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    (tmp_path / "sagekeeper.toml").write_text('[[budgets]]\nname = "fixed"\namount = 10\n')


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, Any]:
    assert run(["budget", *words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def names(capsys: pytest.CaptureFixture[str]) -> set[str]:
    return {item["name"] for item in said(capsys, 0, "list")["budgets"]}


def test_a_budget_that_is_added_is_listed_until_it_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, 0, "add", "Risk", "--amount", "99.50", "--owner", "risk", "--owner", "fraud", "--forecast", "90")
    listed = {item["name"]: item for item in said(capsys, 0, "list")["budgets"]}
    assert set(listed) == {"fixed", "Risk"}
    assert (listed["Risk"]["limit"], listed["Risk"]["scope"]) == ("99.50", "owner risk or fraud")
    assert [item["percent"] for item in listed["Risk"]["thresholds"]] == [80, 100, 90]
    said(capsys, 0, "remove", "Risk")
    assert names(capsys) == {"fixed"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "x", "--amount", "much"), 2),
        (("add", "x", "--amount", "nan"), 2),
        (("add", "x", "--amount", "-5"), 2),
        (("add", "x", "--amount", "5", "--currency", "euro"), 2),
        (("add", "x", "--amount", "5", "--period", "CUSTOM"), 2),
        (("add", "x", "--amount", "5", "--period", "WEEKLY"), 2),
        (("add", "x", "--amount", "5", "--actual", "0"), 2),
        (("add", "fixed", "--amount", "5"), 5),
        (("remove", "fixed"), 5),
        (("remove", "nobody"), 2),
    ],
)
def test_what_is_wrong_is_one_sentence_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    assert said(capsys, code, *words)["error"]["message"]
    assert names(capsys) == {"fixed"}


def test_a_name_is_taken_until_it_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, 0, "add", "a", "--amount", "5")
    said(capsys, 5, "add", "a", "--amount", "6")
    said(capsys, 0, "add", "a", "--amount", "6", "--replace")
    limits = {item["name"]: item["limit"] for item in said(capsys, 0, "list")["budgets"]}
    assert limits["a"] == "6"
