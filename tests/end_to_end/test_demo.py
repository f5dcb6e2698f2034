"""The demo as a person sees it: one command, a browser, a week that passes, and nothing left behind after Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.findings import open_recommendations
from sagekeeper.core.ledger.models import ActionRow, JobRunRow, MeasurementRow
from sagekeeper.core.types import DeleteEndpoint, Recommendation
from sagekeeper.service.demo_world import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SAGEKEEPER = [sys.executable, "-m", "sagekeeper.service.cli"]


@dataclass
class Demo:
    """A running demo: its process, its folder and where it answers."""

    process: subprocess.Popen[str]
    folder: Path
    address: str
    simulator: str

    def descendants(self) -> list[int]:
        """Every process below the demo's, by /proc."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
        below, found = {self.process.pid}, []
        while new := [pid for pid, parent in parents.items() if parent in below and pid not in below]:
            below.update(new)
            found += new
        return found


def started(folder: Path) -> Demo:
    """`sagekeeper demo` at small scale in ``folder``, on free ports; returns when it says that it is ready."""
    command = [
        *SAGEKEEPER,
        "demo",
        "--scale",
        "small",
        "--port",
        str(free_port(18501)),
        "--simulator-port",
        str(free_port(15600)),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAGEKEEPER_")}
    with (folder / "demo.err").open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Open" in line:
            break
    watchdog.cancel()
    address = re.search(r"Open +(http://\S+)", said)
    assert address is not None, said + (folder / "demo.err").read_text()
    home = folder / ".sagekeeper" / "demo"
    simulator = re.search(r'"url": "([^"]+)"', (home / "simulator.json").read_text())
    assert simulator is not None
    return Demo(process, home, address.group(1), simulator.group(1))


def stopped(demo: Demo) -> int:
    """Ctrl-C; the exit code."""
    demo.process.send_signal(signal.SIGINT)
    return demo.process.wait(timeout=30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = started(tmp_path_factory.mktemp("demo"))
    yield running
    if running.process.poll() is None:
        stopped(running)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    yield opened
    opened.close()


def idle_endpoint(demo: Demo) -> Recommendation:
    ledger = open_ledger(f"sqlite:///{demo.folder / 'ledger.db'}")
    with ledger.reading() as session:
        found = [item for item in open_recommendations(session) if item.lever == "idle_endpoint" and item.one_click]
    ledger.close()
    assert found, "no idle endpoint that can be deleted with one click"
    return found[0]


def endpoint_status(demo: Demo, wanted: Recommendation) -> str:
    """What the simulated AWS says, asked past everything of ours."""
    assert isinstance(wanted.change, DeleteEndpoint)
    where = wanted.change.endpoint
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "endpoint_url": demo.simulator}
    given = boto3.client("sts", region_name=where.region, **keys).assume_role(
        RoleArn=f"arn:aws:iam::{where.account}:role/SagekeeperReader", RoleSessionName="test"
    )["Credentials"]
    client = boto3.client(
        "sagemaker",
        region_name=where.region,
        endpoint_url=demo.simulator,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    names = client.list_endpoints(NameContains=where.name)["Endpoints"]
    return next((item["EndpointStatus"] for item in names if item["EndpointName"] == where.name), "gone")


def until(what: str, true, seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.5)


def picture(page: Page, demo: Demo, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=demo.folder / f"{name}.png", full_page=True)


def test_apply_in_the_browser_a_week_later_the_saving_is_proven_and_undo_brings_it_back(demo: Demo, page: Page) -> None:
    wanted = idle_endpoint(demo)
    assert endpoint_status(demo, wanted) == "InService"
    for path in ("", "costs", "models"):
        page.goto(f"{demo.address}/{path}")
        expect(page.locator("h1")).to_be_visible(timeout=60_000)
        picture(page, demo, f"1-{path or 'overview'}")
        expect(page.get_by_test_id("stException")).to_have_count(0)

    page.goto(f"{demo.address}/recommendations?rec={wanted.fingerprint}")
    page.get_by_role("button", name="Apply …").click(timeout=60_000)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    picture(page, demo, "2-confirm")
    dialog.get_by_role("button", name="Apply now").click()
    expect(page.get_by_text("applied", exact=True).first).to_be_visible(timeout=120_000)
    picture(page, demo, "3-applied")
    assert endpoint_status(demo, wanted) == "gone"

    ledger = open_ledger(f"sqlite:///{demo.folder / 'ledger.db'}")
    with ledger.reading() as session:
        (action,) = session.scalars(select(ActionRow)).all()
    advanced = subprocess.run(
        [*SAGEKEEPER, "simulate", "advance", "--days", "7"],
        cwd=demo.folder.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert advanced.returncode == 0, advanced.stderr

    def caught_up() -> bool:
        with ledger.reading() as session:
            newest = session.scalars(
                select(JobRunRow).where(JobRunRow.job == "measure").order_by(JobRunRow.id.desc())
            ).first()
            found = session.scalars(select(MeasurementRow).where(MeasurementRow.action_id == action.id)).all()
        return (
            bool(found) and newest is not None and newest.finished_at is not None and found[-1].verdict != "too early"
        )

    until("the scheduler to catch up by itself and measure the saving", caught_up)
    with ledger.reading() as session:
        measured = session.scalars(select(MeasurementRow).where(MeasurementRow.action_id == action.id)).all()[-1]
    assert measured.verdict == "within range", measured.detail
    page.goto(f"{demo.address}/activity?action={action.id}")
    expect(page.get_by_text(re.compile("Within range")).first).to_be_visible(timeout=60_000)
    picture(page, demo, "4-measured")

    page.get_by_role("button", name="Undo …").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo now").click()
    expect(page.get_by_text("undone", exact=True).first).to_be_visible(timeout=120_000)
    picture(page, demo, "5-undone")
    assert endpoint_status(demo, wanted) == "InService"
    ledger.close()


def test_ctrl_c_leaves_no_child_and_a_second_start_keeps_the_data(demo: Demo) -> None:
    before = demo.descendants()
    assert len(before) >= 4, "simulated account, scheduler, worker, dashboard"
    assert stopped(demo) == 0
    assert [pid for pid in before if Path(f"/proc/{pid}").exists()] == []
    again = started(demo.folder.parents[1])
    try:
        ledger = open_ledger(f"sqlite:///{again.folder / 'ledger.db'}")
        with ledger.reading() as session:
            assert len(session.scalars(select(ActionRow)).all()) == 1
        ledger.close()
    finally:
        below = again.descendants()
        assert stopped(again) == 0
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []


def test_a_child_that_dies_ends_the_demo_with_the_end_of_its_log(demo: Demo) -> None:
    again = started(demo.folder.parents[1])
    below = again.descendants()
    worker = next(pid for pid in below if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(worker, signal.SIGKILL)
    assert again.process.wait(timeout=30) == 1
    assert "The worker ended by itself" in (demo.folder.parents[1] / "demo.err").read_text()
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
