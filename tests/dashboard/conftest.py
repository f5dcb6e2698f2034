"""The sample house behind a running dashboard: in-process for quick page tests, as a server for the browser."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sagekeeper.dashboard.launch import command

SAMPLE = Path(__file__).parents[1] / "reports" / "sample_house.py"


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The builder of the sample house."""
    spec = importlib.util.spec_from_file_location("sample_house", SAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_house"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def built_house(sample: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample house, built once; tests work on copies."""
    folder = tmp_path_factory.mktemp("house")
    _, ledger = sample.build(folder)
    ledger.close()
    return folder


@pytest.fixture
def house(built_house: Path, tmp_path: Path) -> Path:
    """A copy of the sample house of this test's own."""
    return Path(shutil.copytree(built_house, tmp_path / "house"))


@pytest.fixture(scope="session")
def still_clock(sample: ModuleType) -> Iterator[str]:
    """A clock that always says the sample house's time."""
    answer = json.dumps({"now": sample.AS_OF.isoformat()}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def surroundings(sample: ModuleType, house: Path, still_clock: str) -> dict[str, str]:
    """Environment in which the dashboard opens this test's house."""
    return {**sample.settings_environment(house), "SAGEKEEPER_CLOCK_URL": still_clock, "USER": "tester"}


@pytest.fixture
def serve(surroundings: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Start the dashboard as the service does; its address."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (tmp_path / "dashboard.log").open("w") as log:
            running.append(
                subprocess.Popen(
                    command(port),
                    env={**os.environ, **surroundings},
                    cwd=tmp_path,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        for _ in range(1200):  # a loaded machine takes long to import; the port answers when all is there
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.1)
        raise AssertionError((tmp_path / "dashboard.log").read_text())

    yield start
    for process in running:
        process.terminate()
        process.wait(20)
