"""The compose file: valid by its schema, and its containers run commands that this version of Sagekeeper has."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sagekeeper.service.cli import app

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return loaded


def test_the_file_is_valid_by_the_compose_schema() -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose, whose schema checks the file, is not installed (make system)")
    checked = subprocess.run(
        ["docker-compose", "-f", str(COMPOSE), "config", "--quiet"],
        env=os.environ | {"POSTGRES_PASSWORD": "only-for-this-check"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_no_password_is_written_in_the_file() -> None:
    assert "${POSTGRES_PASSWORD:?" in COMPOSE.read_text()
    assert services()["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${")


@pytest.mark.parametrize("service", ["simulator", "scheduler", "worker", "dashboard"])
def test_each_container_runs_a_command_with_options_that_exist(service: str) -> None:
    command = services()[service]["command"]
    words = [word for word in command if not word.startswith("-")]
    asked = CliRunner().invoke(
        app, [*(words[:2] if words[0] == "simulate" else words[:1]), "--help"], terminal_width=200
    )
    assert asked.exit_code == 0, asked.output
    for option in (word for word in command if word.startswith("--")):
        assert option in asked.output, f"{service}: {option}"
