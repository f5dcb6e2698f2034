"""`sagekeeper incidents`: what is said on the command line is what the ledger remembers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.incidents import record_incidents
from sagekeeper.core.types import Finding, ResourceRef, Stake
from sagekeeper.service.cli import run

Said = tuple[int, str, str]
SINCE = datetime(2026, 11, 10, tzinfo=UTC)


@pytest.fixture
def sagekeeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run one command in a house with one open incident."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    ledger = open_ledger(f"sqlite:///{tmp_path / '.sagekeeper' / 'ledger.db'}")
    found = Finding(
        fingerprint="feed0001",
        kind="overspend",
        subject=ResourceRef(account="123456789012", region="us-east-1", kind="endpoint", name="fraud"),
        severity="high",
        title="fraud costs four times what it used to",
        explanation="It grew.",
        first_seen=SINCE,
        last_seen=SINCE,
        stake=Stake(
            cause="resized",
            because="fraud went from 2 to 8 x ml.g5.2xlarge",
            since=SINCE,
            excess=Decimal("900"),
            per_day=Decimal("100"),
            month_excess=Decimal("2000"),
        ),
    )
    with ledger.session() as session:
        record_incidents(session, ["overspend"], [found], SINCE)
    ledger.close()

    def command(*words: str) -> Said:
        code = run(["incidents", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_an_expected_incident_leaves_the_list_and_its_history_says_who_and_why(
    sagekeeper: Callable[..., Said],
) -> None:
    assert "fraud went from 2 to 8 x ml.g5.2xlarge" in " ".join(sagekeeper("list")[1].split())
    code, out, _ = sagekeeper("expect", "feed", "--reason", "the winter sale", "--json")
    assert (code, json.loads(out)["state"]) == (0, "expected")
    assert json.loads(sagekeeper("list", "--json")[1])["incidents"] == []
    assert "1 more are snoozed, expected or resolved" in sagekeeper("list")[1]
    history = json.loads(sagekeeper("show", "feed0001", "--json")[1])["history"]
    assert [(item["event"], item["detail"]) for item in history][-1] == ("expected", "the winter sale")
    assert history[-1]["by"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("snooze", "feed0001"), "Say for how long"),
        (("snooze", "feed0001", "--until", "2020-01-01"), "a time after now"),
        (("expect", "feed0001", "--reason", " "), "Say why it is expected"),
        (("resolve", "beef"), "There is no incident beef"),
    ],
)
def test_what_cannot_be_said_is_bad_input_in_one_sentence(
    sagekeeper: Callable[..., Said], words: tuple[str, ...], sentence: str
) -> None:
    code, _, err = sagekeeper(*words)
    assert code == 2
    assert sentence in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "state"), [(("acknowledge",), "acknowledged"), (("snooze", "--days", "3"), "snoozed")]
)
def test_what_was_said_is_taken_back_by_reopening(
    sagekeeper: Callable[..., Said], words: tuple[str, ...], state: str
) -> None:
    command, *more = words
    assert json.loads(sagekeeper(command, "feed0001", *more, "--json")[1])["state"] == state
    assert json.loads(sagekeeper("reopen", "feed0001", "--json")[1])["state"] == "open"
