"""The FinOps Foundation's own validator, in the environment that it needs: which rules does a FOCUS file break?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NEEDS = ("pyarrow<20", "focus-validator==2.2.1")
FAILED = re.compile(r"^❌ (\S+): FAIL +\(violations=(\d+), msg=(.*)$", re.MULTILINE)
TOTAL = re.compile(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)", re.MULTILINE)


def python_312() -> str | None:
    """A Python 3.12: on the path, or among those that pyenv keeps."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.12*/bin/python"))
    return str(kept[-1]) if kept else shutil.which("python3.12")


def make_environment(folder: Path) -> Path:
    """The validator, installed into ``folder``; skips the test, saying why, where that cannot be."""
    python = python_312()
    if python is None:
        pytest.skip("no Python 3.12 is here, and focus-validator 2.2.1 needs one (python3.12 on the path, or pyenv)")
    environment = folder / "env"
    made = subprocess.run([python, "-m", "venv", "--without-pip", str(environment)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"{python} cannot make an environment: {made.stderr[-300:]}")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    installed = subprocess.run([*install, *NEEDS], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"focus-validator 2.2.1 cannot be installed here: {installed.stderr[-300:]}")
    return environment


def broken_rules(environment: Path, file: Path) -> dict[str, int]:
    """Rule id -> rows that break it. A rule that only gathers others is left out: they are told themselves."""
    (packages,) = environment.glob("lib/python3.12/site-packages")
    options = ["--block-download", "--validate-version", "1.2", "--data-file", str(file)]
    # It opens its rule file by a relative path: it must run where it is installed.
    ran = subprocess.run(
        [str(environment / "bin" / "focus-validator"), *options],
        cwd=packages,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout + ran.stderr
    total = TOTAL.search(said)
    assert total is not None, said[-2000:]
    failed = FAILED.findall(said)
    assert len(failed) == int(total[3]), said[-2000:]
    assert int(total[2]) > 100, total[0]
    return {rule: int(rows) for rule, rows, why in failed if "AND failed" not in why}
