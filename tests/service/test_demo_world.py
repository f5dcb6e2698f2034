"""The demo's folder and environment: never a real account."""

from __future__ import annotations

import socket
from decimal import Decimal
from pathlib import Path

import pytest

from sagekeeper.core.settings import load_settings
from sagekeeper.service.demo_world import environment_of, free_port, write_settings


def test_nothing_of_the_users_own_aws_or_sagekeeper_environment_reaches_the_demo(tmp_path: Path) -> None:
    outer = {
        "PATH": "/usr/bin",
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL": "https://real.example",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/real",
        "BOTO_CONFIG": "/home/somebody/.boto",
        "SAGEKEEPER_AWS__PROFILE": "production",
        "SAGEKEEPER_LEDGER_URL": "postgresql://production",
    }
    inner = environment_of(tmp_path, outer)
    assert inner["PATH"] == "/usr/bin"
    assert (inner["AWS_ACCESS_KEY_ID"], inner["AWS_SECRET_ACCESS_KEY"]) == ("test", "test")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert Path(inner[name]).read_text() == ""
    assert inner["AWS_EC2_METADATA_DISABLED"] == "true"
    assert not any("real" in value.lower() or "production" in value for value in inner.values())
    assert not (set(outer) - {"PATH", "AWS_ACCESS_KEY_ID"}) & set(inner)


def test_the_written_settings_are_read_back_as_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(
        tmp_path,
        "http://127.0.0.1:5600",
        "http://localhost:8501",
        {"all of ML": Decimal(900), "ml-products": Decimal(400)},
    )
    monkeypatch.setenv("SAGEKEEPER_CONFIG", str(tmp_path / "sagekeeper.toml"))
    settings = load_settings()
    assert settings.data_dir == tmp_path
    assert settings.aws.endpoint_url == "http://127.0.0.1:5600"
    assert settings.clock_url == "http://127.0.0.1:5600/sagekeeper/clock"
    assert [account.id for account in settings.aws.accounts] == ["123456789012", "210987654321"]
    assert settings.aws.regions == ["us-east-1", "eu-west-1"]
    assert [(budget.name, budget.amount, budget.account) for budget in settings.budgets] == [
        ("all of ML", Decimal(900), None),
        ("ml-products", Decimal(400), "210987654321"),
    ]
    assert settings.mail.host is None


@pytest.mark.integration
def test_a_taken_port_is_left_alone_and_the_next_free_one_is_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port
