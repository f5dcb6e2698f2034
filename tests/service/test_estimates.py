"""Estimates against the bill of a simulated account that runs on for days: made before the bill, kept, and near it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.settings import Account, Aws, Collect, Settings
from sagekeeper.core.tables import ESTIMATES
from sagekeeper.reports.views.estimates import estimated
from sagekeeper.service import pipeline
from sagekeeper.service.cli import run
from sagekeeper.service.estimates import refresh_estimates
from sagekeeper.service.house import House, open_house
from sagekeeper.simulator.client import Simulator
from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
GOAL = 0.02
TELEMETRY = ["sagemaker_inventory", "sagemaker_jobs", "cloudwatch_metrics"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house that has looked at a small account three times in five days, and has then read the bill."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "SAGEKEEPER_", "BOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        folder = tmp_path_factory.mktemp("house")
        with start(tmp_path_factory.mktemp("account"), scale="small", seed=7) as running:
            settings = Settings(
                data_dir=folder,
                clock_url=f"{running.url}/sagekeeper/clock",
                aws=Aws(
                    endpoint_url=running.url,
                    accounts=[
                        Account(id=number, reader_role_arn=f"arn:aws:iam::{number}:role/SagekeeperReader")
                        for number in ("123456789012", "210987654321")
                    ],
                    regions=["us-east-1", "eu-west-1"],
                ),
                collect=Collect(cost_months=1, metric_days=3),
            )
            (folder / "sagekeeper.toml").write_text(
                f'data_dir = "{folder}"\nclock_url = "{settings.clock_url}"\n[aws]\nendpoint_url = "{running.url}"\n'
            )
            patch.setenv("SAGEKEEPER_CONFIG", str(folder / "sagekeeper.toml"))
            with open_house(settings) as opened:
                account = Simulator(running.url)
                for days in (0, 1, 3):
                    if days:
                        account.advance(days=days)
                    now = opened.clock()
                    pipeline.collect(opened, now, only=TELEMETRY)
                    refresh_estimates(opened.lake, settings, now)
                pipeline.collect(opened, now, only=["cost_explorer"])
                refresh_estimates(opened.lake, settings, now)
                yield opened


def test_every_day_that_was_estimated_before_its_bill_is_within_the_goal(house: House) -> None:
    seen = estimated(house.lake, house.clock())
    before = seen.days.filter(~pl.col("afterwards"))
    assert before["day"].to_list() == [date(2026, 11, 19), date(2026, 11, 20)]
    assert before["relative"].abs().max() < GOAL  # type: ignore[operator]
    assert set(seen.families["usage_family"]) >= {"hosting", "async_inference", "serverless", "training", "notebook"}
    assert seen.accuracy is not None
    assert seen.accuracy.covered is not None and seen.accuracy.covered > 0.9
    assert "AmazonCloudWatch" in set(seen.left_out["what"])


def test_today_and_yesterday_are_used_and_not_on_the_bill_whole(house: House) -> None:
    now = house.clock()
    seen = estimated(house.lake, now)
    sums = dict(seen.lacking.group_by("day").agg(pl.col("lacking").sum()).sort("day").iter_rows())
    whole = seen.days["estimated"][-1]
    assert sums[now.date()] == pytest.approx(whole / 3, rel=0.1)  # eight in the morning
    assert 0 < sums[date(2026, 11, 23)] < 0.2 * whole  # most of yesterday is on the bill by now


def test_the_same_moment_again_changes_no_row(house: House) -> None:
    now = house.clock()
    refresh_estimates(house.lake, house.settings, now)
    version = house.lake.version(ESTIMATES)
    refresh_estimates(house.lake, house.settings, now)
    assert house.lake.version(ESTIMATES) == version


def test_the_command_says_how_much_how_sure_and_what_is_left_out(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["estimate", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["not_yet_billed"] > 20
    assert "the bill's effective rate" in {row["rate_basis"] for row in told["bases"]}
    assert abs(told["accuracy"]["typical"]) < GOAL
    assert run(["estimate"]) == 0
    words = capsys.readouterr().out
    assert "of this month are used and not billed yet" in words
    assert "a day over the last" in words
