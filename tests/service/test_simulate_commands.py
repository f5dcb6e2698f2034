"""The simulated account from the command line: things go wrong, time passes, all of it goes into a file and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sagekeeper.service.cli import app
from sagekeeper.simulator.process import RunningSimulator, start

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as running:
        yield running


def said(*words: str) -> dict[str, object]:
    ran = CliRunner().invoke(app, ["simulate", *words, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return dict(json.loads(ran.stdout))


def test_an_incident_is_ordered_and_its_truth_told(account: RunningSimulator) -> None:
    truth = said("incident", "forgotten_endpoint", "--subject", "try-out", "--url", account.url)
    assert truth["subject"] == "try-out" and truth["usd_per_day"] == pytest.approx(24 * 1.515)
    assert account.truth() == [truth]


def test_time_passes_until_a_day(account: RunningSimulator) -> None:
    wanted = (account.now() + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    answer = said("advance", "--until", f"{wanted:%Y-%m-%d}", "--url", account.url)
    assert str(answer["after"]).startswith(f"{wanted:%Y-%m-%dT00:0}")


def test_the_account_goes_into_a_file_and_back(account: RunningSimulator, tmp_path: Path) -> None:
    with start(tmp_path / "state") as own:
        said("incident", "runaway_job", "--subject", "sweep", "--url", own.url)
    said("snapshot", str(tmp_path / "account.tar.gz"), "--state", str(tmp_path / "state"))
    said("restore", str(tmp_path / "account.tar.gz"), "--state", str(tmp_path / "again"))
    kept = (tmp_path / "state" / "journal.jsonl").read_text()
    assert "sweep" in kept and (tmp_path / "again" / "journal.jsonl").read_text() == kept
