"""What every test may use: an empty lake, a ledger on SQLite and on a real Postgres, Chromium, a simulated account.

A tier whose program is absent is skipped with the reason; in CI (SAGEKEEPER_TESTS_REQUIRE names the programs that must be
there) its absence is a failure instead, so that a tier can never go quiet unnoticed.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from sqlalchemy import create_engine, text

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger

# How long an example takes says more of what else the machine does than of the code: no test is a stopwatch.
hypothesis.settings.register_profile("sagekeeper", deadline=None)
hypothesis.settings.load_profile("sagekeeper")

SHARED = Path(__file__).parents[2] / "shared"


def absent(program: str, why: str) -> None:
    """Skip, or fail where this program is required."""
    if program in os.environ.get("SAGEKEEPER_TESTS_REQUIRE", "").split():
        pytest.fail(f"{program} is required here but absent: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real bills, prices and monitor files beside the project."""
    if not (SHARED / "data").is_dir():
        pytest.skip("../shared/data is not beside this checkout: real files cannot be read")
    return SHARED / "data"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake on local disk."""
    return Lake(tmp_path / "lake")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger; the test runs once on SQLite and once on Postgres."""
    embedded = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'ledger.db'}" if embedded else request.getfixturevalue("postgres_database")
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on SQLite only: for tests that are not about the database."""
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[str]:
    """The address of a new, empty Postgres database."""
    name = f"test_{secrets.token_hex(6)}"
    admin = create_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{postgres_server}/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A Postgres of our own on a free port, removed at the end. Postgres refuses root, so root starts it as ``postgres``."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb = shutil.which("initdb") or (str(binaries[0] / "initdb") if binaries else None)
    if initdb is None:
        absent("postgres", "no Postgres server is installed (make system)")
        return
    folder = Path(tempfile.mkdtemp(prefix="sagekeeper-postgres-"))
    as_user: list[str] = []
    if getpass.getuser() == "root":
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    control = [*as_user, str(Path(initdb).with_name("pg_ctl")), "-D", str(folder / "data"), "-w"]
    subprocess.run(
        [*as_user, initdb, "-D", str(folder / "data"), "-U", "sagekeeper", "-A", "trust", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    port = free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    subprocess.run(
        [*control, "-o", options, "-l", str(folder / "log"), "start"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    yield f"postgresql+psycopg://sagekeeper@127.0.0.1:{port}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd=folder, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once: Playwright runs one event loop a process. It asks nobody for updates."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        absent("chromium", "no Chromium is installed (make system)")
    expect.set_options(timeout=30_000)  # a loaded machine takes longer than the usual 5 s to draw
    quiet = ["background-networking", "component-update", "sync", "gpu"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", *(f"--disable-{name}" for name in quiet)]
        )
        yield opened
        opened.close()


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
