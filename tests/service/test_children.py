"""Child processes: none is left, one that dies is told with the end of its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.service import children as module
from sagekeeper.service.children import Children

pytestmark = pytest.mark.integration


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def until_gone(pid: int) -> None:
    for _ in range(200):
        if not alive(pid):
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")


def test_a_child_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("scheduler", ["no-such-command"], os.environ)
        child.process.wait(timeout=60)
        with pytest.raises(
            SagekeeperError, match=r"The scheduler ended by itself \(exit code 2\)(.|\n)*no-such-command"
        ):
            children.check()


def test_all_children_are_gone_after_the_block_even_one_that_ignores_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = tmp_path / "stubborn"
    stubborn.write_text(
        f"#!{sys.executable}\nimport signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\ntime.sleep(600)\n"
    )
    stubborn.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(stubborn))
    monkeypatch.setattr(module, "STOP_SECONDS", 1.0)
    with Children(tmp_path) as children:
        child = children.start("stubborn", [], os.environ)
        while not child.log.read_text().strip():
            time.sleep(0.05)
        grandchild = int(child.log.read_text())
        assert alive(child.process.pid)
        assert alive(grandchild)
        children.check()
    assert not alive(child.process.pid)
    until_gone(grandchild)


def test_a_parent_killed_outright_takes_its_children_with_it(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent has died")
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, os, time; from pathlib import Path; from sagekeeper.service import children\n"
            "sys.executable = sys.argv[2]\n"
            "kept = children.Children(Path(sys.argv[1]))\n"
            "print(kept.start('sleeper', [], os.environ).process.pid, flush=True); time.sleep(600)",
            str(tmp_path),
            str(_sleeper(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until_gone(pid)


def _sleeper(folder: Path) -> Path:
    script = folder / "sleeper"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    return script
