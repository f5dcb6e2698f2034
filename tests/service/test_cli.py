"""The command line's manners: exit codes, one clear sentence, pure JSON on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.runs import audit
from sagekeeper.service.cli import run

Said = tuple[int, str, str]


@pytest.fixture
def sagekeeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run one command in an empty folder; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)

    def command(*words: str) -> Said:
        code = run(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def sentence(text: str) -> str:
    return " ".join(text.split())


def test_an_unknown_action_is_bad_input_in_one_sentence(sagekeeper: Callable[..., Said]) -> None:
    code, out, err = sagekeeper("undo", "99")
    assert code == 2
    assert out == ""
    assert sentence(err) == "There is no action 99. List them with: sagekeeper activity"


def test_with_json_an_error_is_a_document_on_stdout_too(sagekeeper: Callable[..., Said]) -> None:
    code, out, err = sagekeeper("approve", "99", "--json")
    assert code == 2
    assert json.loads(out)["error"]["kind"] == "BadInput"
    assert "There is no action 99" in err
    assert "Traceback" not in err


def test_a_dry_run_of_an_unknown_action_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("apply", "1")
    assert code == 2
    assert "There is no action 1" in sentence(err)


def test_an_unknown_recommendation_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("plan", "feedfacefeedface")
    assert code == 2
    assert "no recommendation whose id begins with feedfacefeedface" in sentence(err)


def test_wrong_settings_are_named_with_exit_code_2(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "sagekeeper.toml").write_text('[aws]\nregions = "us-east-1"\nprofle = "x"\n')
    code, _, err = sagekeeper("activity")
    assert code == 2
    assert "aws.regions" in err


def test_settings_that_are_not_toml_are_bad_input(sagekeeper: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "sagekeeper.toml").write_text("this is not toml")
    assert sagekeeper("settings")[0] == 2


def test_an_unknown_option_is_bad_input(sagekeeper: Callable[..., Said]) -> None:
    assert sagekeeper("activity", "--nonsense")[0] == 2


def test_a_database_that_does_not_answer_is_an_unavailable_source(
    sagekeeper: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEKEEPER_LEDGER_URL", "postgresql+psycopg://keeper:sesame@127.0.0.1:1/keeper")
    code, _, err = sagekeeper("activity")
    assert code == 3
    assert "sesame" not in err
    assert "Traceback" not in err


def test_secrets_are_masked_when_settings_are_shown(
    sagekeeper: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "SAGEKEEPER_LEDGER_URL": "postgresql+psycopg://keeper:sesame1@db/keeper",
        "SAGEKEEPER_MAIL__PASSWORD": "sesame2",
        "SAGEKEEPER_NOTIFY": '["slack://sesame3"]',
        "SAGEKEEPER_LAKE_OPTIONS": '{"AWS_SECRET_ACCESS_KEY": "sesame4"}',
        "SAGEKEEPER_AWS__ACCOUNTS": '[{"id": "123456789012", "external_id": "sesame5"}]',
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    for words in (("settings",), ("settings", "--json")):
        code, out, err = sagekeeper(*words)
        assert code == 0
        assert "sesame" not in out + err


def test_collect_without_accounts_says_what_to_do(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("collect")
    assert code == 2
    assert "aws.accounts" in sentence(err)


def test_no_simulated_account_at_hand_is_said_so(sagekeeper: Callable[..., Said]) -> None:
    code, _, err = sagekeeper("simulate", "clock")
    assert code == 3
    assert "sagekeeper demo" in sentence(err)


def test_json_on_stdout_is_one_document(sagekeeper: Callable[..., Said]) -> None:
    for words in (("activity",), ("findings",), ("status",), ("settings",)):
        code, out, _ = sagekeeper(*words, "--json")
        assert code == 0, words
        assert isinstance(json.loads(out), dict), words


def test_doctor_without_accounts_finds_lake_ledger_and_clock_well(sagekeeper: Callable[..., Said]) -> None:
    code, out, _ = sagekeeper("doctor", "--json")
    checks: dict[str, Any] = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 0
    assert [checks[name]["state"] for name in ("lake", "ledger", "clock", "aws", "mail")] == [
        "ok",
        "ok",
        "ok",
        "note",
        "note",
    ]


def test_doctor_fails_and_advises_when_the_clock_or_the_mail_server_is_not_there(
    sagekeeper: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEKEEPER_CLOCK_URL", "http://127.0.0.1:1/clock")
    monkeypatch.setenv("SAGEKEEPER_MAIL__HOST", "127.0.0.1")
    monkeypatch.setenv("SAGEKEEPER_MAIL__PORT", "1")
    code, out, _ = sagekeeper("doctor", "--json")
    failed = [check for check in json.loads(out)["checks"] if check["state"] == "failed"]
    assert code == 1
    assert [check["name"] for check in failed] == ["clock", "mail"]
    assert all(check["advice"] for check in failed)


def test_a_name_from_aws_is_text_not_markup_and_moves_no_cursor(
    sagekeeper: Callable[..., Said], tmp_path: Path
) -> None:
    from sagekeeper.core.ledger.models import ActionRow

    ledger = open_ledger(f"sqlite:///{tmp_path / '.sagekeeper' / 'ledger.db'}")
    now = datetime(2026, 11, 20, 8, tzinfo=UTC)
    with ledger.session() as session:
        session.add(
            ActionRow(
                recommendation="a", version="1", lever="idle_endpoint", change_kind="delete_endpoint", account="123456789012",
                region="us-east-1", resource_name="[bold]x[/nope]\x1b[2J", state="applied", requested_by="somebody",
                requested_at=now, document={}, updated_at=now,
            )
        )  # fmt: skip
        audit(session, now, "somebody", "action requested", "x")
    code, out, _ = sagekeeper("activity")
    assert code == 0
    assert "[bold]x[/nope][2J" in "".join(out.split())
    assert "\x1b[2J" not in out
