"""Two real scheduler processes on one ledger: each slot once, and the follower carries on after kill -9 of the leader."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.models import JobRunRow

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).with_name("two_schedulers.py")


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:///{tmp_path / 'ledger.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )


@pytest.fixture
def start(ledger_url: str, tmp_path: Path) -> Iterator[Callable[[float], subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []

    def run(job_seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(SCRIPT), ledger_url, str(tmp_path), str(job_seconds)]
        processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def ticks(folder: Path) -> list[tuple[int, str]]:
    file = folder / "ticks"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split()[0].rsplit(":", 1)[1]), line.split()[1]) for line in lines]


def until(true: Callable[[], object], seconds: float = 30) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "waited too long"
        time.sleep(0.02)
    return time.monotonic() - began


def runs(ledger: Ledger) -> list[JobRunRow]:
    with ledger.reading() as session:
        return list(session.scalars(select(JobRunRow).order_by(JobRunRow.id)))


def test_two_schedulers_run_each_slot_once(
    start: Callable[[float], subprocess.Popen[bytes]], ledger_url: str, tmp_path: Path
) -> None:
    ledger = open_ledger(ledger_url)
    before = len(runs(ledger))
    both = [start(0.0), start(0.0)]
    until(lambda: len(ticks(tmp_path)) >= 6)
    for process in both:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=10) for process in both] == [0, 0]
    slots = Counter(row.scheduled_for for row in runs(ledger)[before:])
    assert len(slots) >= 6
    assert set(slots.values()) == {1}
    assert len(ticks(tmp_path)) == len(slots)
    assert len({process for process, _ in ticks(tmp_path)}) == 1, "the follower stood by all the time"


def test_after_kill_9_of_the_leader_the_follower_takes_over_and_the_lost_run_is_tried_again(
    start: Callable[[float], subprocess.Popen[bytes]], ledger_url: str, tmp_path: Path
) -> None:
    ledger = open_ledger(ledger_url)
    before = len(runs(ledger))
    leader = start(0.9)
    until(lambda: ticks(tmp_path))
    follower = start(0.9)
    time.sleep(1.5)
    assert {process for process, _ in ticks(tmp_path)} == {leader.pid}
    until(lambda: any(row.status == "running" for row in runs(ledger)[before:]))
    leader.kill()
    taken_over = until(lambda: follower.pid in {process for process, _ in ticks(tmp_path)}, seconds=15)
    assert taken_over < 5
    until(lambda: runs(ledger)[-1].owner.endswith(f":{follower.pid}") and runs(ledger)[-1].status == "ok")
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(timeout=10) == 0
    mine = runs(ledger)[before:]
    assert not [row for row in mine if row.status == "running"]
    assert max(Counter(row.scheduled_for for row in mine).values()) == 1
