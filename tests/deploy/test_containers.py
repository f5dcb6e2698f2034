"""The containers' own commands, started as processes with the compose file's environment: Postgres, simulator, all roles."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stack(tmp_path: Path, postgres_database: str) -> Iterator[tuple[dict[str, int], str]]:
    """All services of the compose file but Postgres and the mail catcher; only host names and ports are replaced."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ports = {"5600": free_port(), "8501": free_port()}
    replaced = {
        r"postgresql\+psycopg://[^/]*/sagekeeper": postgres_database,
        r"simulator:5600": f"127.0.0.1:{ports['5600']}",
        r"localhost:8501": f"localhost:{ports['8501']}",
    }

    def local(value: str) -> str:
        for pattern, here in replaced.items():
            value = re.sub(pattern, here, value)
        return value

    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("simulator", "scheduler", "worker", "dashboard"):
            folder = tmp_path / ("simulator" if name == "simulator" else "data")
            folder.mkdir(exist_ok=True)
            given = {key: local(str(value)) for key, value in services[name].get("environment", {}).items()}
            command = [str(ports.get(word, word)) for word in services[name]["command"]]
            command = [str(folder) if word == "/data" else word for word in command]
            log = (tmp_path / f"{name}.log").open("wb")
            running.append(
                subprocess.Popen(
                    [
                        str(Path(sys.executable).with_name("sagekeeper")),
                        *command,
                        *(["--scale", "small"] if name == "simulator" else []),
                    ],
                    env={**os.environ, **given, "SAGEKEEPER_DATA_DIR": str(folder)},
                    cwd=tmp_path,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
            if name == "simulator":
                wait_for(lambda: asked(f"http://127.0.0.1:{ports['5600']}/sagekeeper/health")["ready"], 90)
        yield ports, postgres_database
    finally:
        # The account goes last, as AWS does: a collection under way ends on answers, not on retries against a closed door.
        for group in (running[1:], running[:1]):
            for process in group:
                process.terminate()
            for process in group:
                process.wait(60)


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        body = answer.read()
    return json.loads(body) if body.startswith(b"{") else body


def wait_for(there: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if there():
                return
        except (urllib.error.URLError, ConnectionError, OSError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"not there after {seconds} s")


def test_the_containers_collect_and_serve(stack: tuple[dict[str, int], str]) -> None:
    ports, database = stack
    wait_for(lambda: b"streamlit" in asked(f"http://127.0.0.1:{ports['8501']}/").lower(), 90)
    engine = create_engine(database)

    def recommended() -> bool:
        with engine.connect() as connection:
            found = connection.execute(text("select count(*) from recommendations")).scalar()
        return bool(found)

    wait_for(recommended, 240)
    with engine.connect() as connection:
        failed = connection.execute(text("select source, message from source_runs where status = 'failed'")).all()
    engine.dispose()
    assert failed == []
