"""What the demo runs on: its folder, settings file and environment, which never touch a real account.

Children get a clean environment: no ``AWS_`` or ``SAGEKEEPER_`` variable of the user survives, the credentials are
the word ``test``, AWS's own configuration files are empty ones, the instance metadata service is switched off, and
the settings name the simulated account's address for every service.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from sagekeeper.core.errors import Conflict

ACCOUNTS = (("123456789012", "ml-platform"), ("210987654321", "ml-products"))
REGIONS = ("us-east-1", "eu-west-1")


def environment_of(folder: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """The environment for everything the demo starts, made from the user's ``outer`` one."""
    nothing = folder / "no-aws-config"
    nothing.touch()
    kept = {name: value for name, value in outer.items() if not name.startswith(("AWS_", "SAGEKEEPER_", "BOTO_"))}
    return kept | {
        "SAGEKEEPER_CONFIG": str(folder / "sagekeeper.toml"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGIONS[0],
        "AWS_CONFIG_FILE": str(nothing),
        "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def write_settings(folder: Path, simulator_url: str, dashboard_url: str, budgets: Mapping[str, Decimal]) -> None:
    """The demo's ``sagekeeper.toml``, and ``env.sh`` for other shells."""
    accounts = ",\n".join(
        f'  {{ id = "{number}", name = "{name}", '
        f'reader_role_arn = "arn:aws:iam::{number}:role/SagekeeperReader", '
        f'applier_role_arn = "arn:aws:iam::{number}:role/SagekeeperApplier" }}'
        for number, name in ACCOUNTS
    )
    # JSON strings are TOML strings.
    lines = [
        "# Written by `sagekeeper demo`, anew at each start: the simulated account, no real one.",
        f"data_dir = {json.dumps(str(folder))}",
        f"clock_url = {json.dumps(simulator_url + '/sagekeeper/clock')}",
        f"dashboard_url = {json.dumps(dashboard_url)}",
        "[aws]",
        f"endpoint_url = {json.dumps(simulator_url)}",
        f"regions = {json.dumps(REGIONS)}",
        f"accounts = [\n{accounts},\n]",
        "[mail]",
        'digest_recipients = ["ml-platform@example.com"]',
        "[lifecycle]",
        "poll_seconds = 1.0",
    ]
    for name, amount in budgets.items():
        account = next((number for number, called in ACCOUNTS if called == name), None)
        lines += ["[[budgets]]", f"name = {json.dumps(name)}", f'amount = "{amount}"']
        lines += [f'account = "{account}"'] if account else []
        lines += ['recipients = ["budget-holder@example.com"]']
    (folder / "sagekeeper.toml").write_text("\n".join(lines) + "\n")
    ours = environment_of(folder, {})
    lines = [f"export {name}='{value}'" for name, value in ours.items()]
    lines.append(f"export PATH='{Path(sys.executable).parent}':\"$PATH\"")
    (folder / "env.sh").write_text("\n".join(lines) + "\n")


def free_port(wanted: int) -> int:
    """``wanted``, or the first free port after it. Raises Conflict when a hundred are taken. 0: any free port."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Conflict(f"No port from {wanted} to {wanted + 99} is free. Name another one.")


def demo_environment(folder: Path) -> dict[str, str]:
    """`environment_of` for this process's own environment."""
    return environment_of(folder, os.environ)
