"""One small simulated account per module, and a house on it that has collected, analysed and recommended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagekeeper.core.settings import Account, Aws, Lifecycle, Settings
from sagekeeper.service import pipeline
from sagekeeper.service.demo_world import ACCOUNTS, REGIONS, environment_of
from sagekeeper.service.house import House, open_house
from sagekeeper.simulator.client import Simulator
from sagekeeper.simulator.process import start


@pytest.fixture(scope="module")
def simulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulated account (of the module's ``WORLD``), and an environment in which nothing else can be reached."""
    world = getattr(request.module, "WORLD", "small")
    folder = tmp_path_factory.mktemp("account")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "SAGEKEEPER_AWS", "BOTO_")):
                patch.delenv(name)
        for name, value in environment_of(folder, {}).items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        with start(folder / "state", scale=world, seed=7) as running:
            yield Simulator(running.url)


@pytest.fixture(scope="module")
def house(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house on that account, empty."""
    folder: Path = tmp_path_factory.mktemp("house")
    settings = Settings(
        data_dir=folder,
        clock_url=f"{simulator.url}/sagekeeper/clock",
        aws=Aws(
            endpoint_url=simulator.url,
            regions=list(REGIONS),
            accounts=[
                Account(
                    id=number,
                    name=name,
                    reader_role_arn=f"arn:aws:iam::{number}:role/SagekeeperReader",
                    applier_role_arn=f"arn:aws:iam::{number}:role/SagekeeperApplier",
                )
                for number, name in ACCOUNTS
            ],
        ),
        lifecycle=Lifecycle(poll_seconds=0.1),
    )
    with open_house(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def kept(house: House) -> House:
    """The house after its first day: collected, analysed, recommended."""
    as_of = house.clock()
    outcomes = pipeline.collect(house, as_of)
    assert [item for item in outcomes if item.status == "failed"] == []
    parts = [*pipeline.analyze(house, as_of).parts, *pipeline.recommend(house, as_of).parts]
    assert [part for part in parts if part.status == "failed"] == []
    return house
