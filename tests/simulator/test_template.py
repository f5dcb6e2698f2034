"""Accounts that are forked from a template are accounts like others, and end with whoever wanted them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from sagekeeper.simulator.process import start

FORKS_TWO = """
import sys, time
from pathlib import Path
from sagekeeper.simulator.template import Template
template = Template()
for name in ("one", "two"):
    print(template.fork(["--state", str(Path(sys.argv[1]) / name), "--port", "0", "--scale", "small"]).pid, flush=True)
time.sleep(600)
"""


def test_two_accounts_from_one_template_do_not_share_what_is_done_to_them(tmp_path: Path) -> None:
    with start(tmp_path / "one") as one, start(tmp_path / "two") as two:
        one.advance(days=1)
        assert one.process.pid != two.process.pid
        assert one.now() > two.now()


def test_no_account_outlives_the_process_that_wanted_it(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", FORKS_TWO, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    accounts = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(Path(f"/proc/{pid}").exists() for pid in accounts)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(_gone(pid) for pid in accounts)


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False
