"""A small simulated account per module, and a lake that has collected it once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from sagekeeper.collector.run import SourceOutcome, collect
from sagekeeper.core.aws import ApiMeter, AwsSessions
from sagekeeper.core.clock import Clock, http_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.settings import Account, Aws, Settings
from sagekeeper.core.tables import TABLES
from sagekeeper.simulator.client import Simulator
from sagekeeper.simulator.process import start

PAYER, OTHER = "123456789012", "210987654321"
REGIONS = ("us-east-1", "eu-west-1")


@dataclass(frozen=True)
class Collector:
    """What `collect` is called with, and what came of the first call."""

    settings: Settings
    lake: Lake
    ledger: Ledger
    sessions: AwsSessions
    clock: Clock

    def collect(self, as_of: datetime, only: Sequence[str] | None = None) -> list[SourceOutcome]:
        return collect(self.lake, self.ledger, self.settings, self.sessions, as_of, self.clock, only=only)

    def versions(self) -> dict[str, int | None]:
        return {table.name: self.lake.version(table) for table in TABLES}


def roles(**arns: str) -> list[Account]:
    """Both accounts with their reader roles, or with the roles given as account_<id>."""
    return [
        Account(
            id=number,
            name=name,
            reader_role_arn=arns.get(f"account_{number}", f"arn:aws:iam::{number}:role/SagekeeperReader"),
        )
        for number, name in ((PAYER, "platform"), (OTHER, "products"))
    ]


def open_collector(url: str, folder: Path, accounts: list[Account]) -> Collector:
    """An empty lake and ledger that look at the simulated account at ``url``."""
    settings = Settings(
        data_dir=folder,
        clock_url=f"{url}/sagekeeper/clock",
        aws=Aws(endpoint_url=url, regions=list(REGIONS), accounts=accounts),
    )
    folder.mkdir(parents=True, exist_ok=True)
    return Collector(
        settings,
        Lake(settings.lake_root),
        open_ledger(settings.ledger_address),
        AwsSessions(settings.aws, ApiMeter(settings.collect.own_cost_limit_usd_per_day)),
        http_clock(f"{url}/sagekeeper/clock"),
    )


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A small simulated account, and an environment in which nothing else can be reached."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "SAGEKEEPER_", "BOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with start(tmp_path_factory.mktemp("account"), scale="small", seed=7) as running:
            yield Simulator(running.url)


@pytest.fixture(scope="module")
def collector(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector whose lake is empty."""
    opened = open_collector(simulator.url, tmp_path_factory.mktemp("house"), roles())
    yield opened
    opened.ledger.close()
