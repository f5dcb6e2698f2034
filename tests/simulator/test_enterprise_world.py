"""The large organisation: who is in it, that it is the same for the same seed, that its bills agree, what is wasted.

One account small enough for every run (12 accounts, 200 endpoints); the whole one is marked ``scale``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.bill_sources import bill_everything
from sagekeeper.simulator.bill_writer import write_bill
from sagekeeper.simulator.charges import PREFIX
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.process import RunningSimulator, start
from sagekeeper.simulator.server import DEFAULT_NOW
from sagekeeper.simulator.world import PAYER, World
from sagekeeper.simulator.worlds import world_of

SMALL = "enterprise:12:200"
ACCOUNTS, ENDPOINTS = 12, 200
REGIONS = tuple(PREFIX)
CUR_MONEY = ["line_item_unblended_cost", "line_item_net_unblended_cost"]
FOCUS_MONEY = ["BilledCost", "EffectiveCost"]


def built(seed: int, scale: str = SMALL) -> World:
    world = World()
    world_of(scale)(world, DEFAULT_NOW, seed)
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return built(7)


@pytest.fixture(scope="module")
def whole() -> World:
    return built(7, "enterprise")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("enterprise"), scale=SMALL) as running:
        yield running


def client(account: RunningSimulator, service: str, number: str = PAYER, region: str = "us-east-1") -> Any:
    """A client of the payer, or one with an assumed role of another account, as the product has it."""
    told: dict[str, Any] = {"region_name": region, "endpoint_url": account.url}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    if number != PAYER:
        given = boto3.client("sts", **told, **keys).assume_role(
            RoleArn=f"arn:aws:iam::{number}:role/SagekeeperReader", RoleSessionName="test"
        )["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
    return boto3.client(service, **told, **keys)


def standing_of(world: World) -> list[tuple[Any, ...]]:
    """Everything that a bill, a list or a metric is read from."""
    return [
        (
            key,
            {name: [(life.created, life.tags, life.deployed) for life in lives] for name, lives in here.lives.items()},
            here.traffic,
            here.hosting.earlier,
            here.training,
            here.notebooks,
            here.notebook_runs,
            here.work.apps.lives,
        )
        for key, here in world.standing.items()
    ]


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    assert standing_of(built(7)) == standing_of(world)
    assert built(7).truths == world.truths


def test_another_seed_makes_another_one(world: World) -> None:
    assert standing_of(built(8)) != standing_of(world)


@pytest.mark.parametrize(("fixture", "accounts", "endpoints"), [("world", ACCOUNTS, ENDPOINTS), ("whole", 200, 10_000)])
def test_it_has_as_many_accounts_and_endpoints_as_it_says(
    fixture: str, accounts: int, endpoints: int, request: pytest.FixtureRequest
) -> None:
    found: World = request.getfixturevalue(fixture)
    assert len(found.accounts) == len(set(found.accounts.values())) == accounts
    assert all(len(number) == 12 and number.isdigit() for number in found.accounts)
    assert sum(here.life(name) is not None for here in found.standing.values() for name in here.lives) == endpoints


def test_a_size_that_is_none_is_told() -> None:
    with pytest.raises(BadInput, match="enterprise:ACCOUNTS:ENDPOINTS"):
        world_of("enterprise:12")


def test_names_are_names_that_aws_takes(whole: World) -> None:
    names = [name for here in whole.standing.values() for name in here.lives]
    assert all(0 < len(name) <= 63 and name.replace("-", "a").isalnum() for name in names)


def test_every_kind_of_waste_is_there_in_a_realistic_share(whole: World) -> None:
    """Surveys find a quarter to a half of such spending idle or too large; a few endpoints in a hundred are forgotten."""
    found = whole
    shares = {kind: count / 10_000 for kind, count in Counter(truth.kind for truth in found.truths).items()}
    bounds = {
        "waste_idle": (0.10, 0.20),
        "waste_forgotten": (0.03, 0.10),
        "waste_oversized": (0.06, 0.15),
        "waste_office": (0.10, 0.25),
        "waste_copy": (0.02, 0.08),
    }
    assert {kind: shares[kind] for kind, (low, high) in bounds.items() if not low <= shares[kind] <= high} == {}
    assert shares["waste_notebook"] > 0
    assert shares["waste_studio_app"] > 0


def test_some_tags_are_missing_and_some_misspelt(whole: World) -> None:
    here = whole.standing.values()
    tags = [lives[-1].tags for standing in here for lives in standing.lives.values()]
    without = sum(not found for found in tags) / len(tags)
    misspelt = sum(bool({"Owner", "onwer", "enviroment", "Env", "squad", "proj"} & set(found)) for found in tags)
    assert 0.05 < without < 0.3
    assert 0.01 < misspelt / len(tags) < 0.15


def test_the_organisation_has_grown(whole: World) -> None:
    created = [lives[0].created for here in whole.standing.values() for lives in here.lives.values()]
    a_year_ago = sum(at < DEFAULT_NOW - timedelta(days=365) for at in created)
    assert 0.2 < a_year_ago / len(created) < 0.6


@pytest.mark.parametrize("accounts", [3, 300])
def test_more_accounts_than_there_are_teams_or_too_few_are_told(accounts: int) -> None:
    with pytest.raises(BadInput, match="accounts"):
        built(7, f"enterprise:{accounts}:50")


def test_a_bill_written_to_files_is_the_meters(tmp_path: Path) -> None:
    """CUR 2.0 and FOCUS by day and resource, in more than one part a month: the same sum in all."""
    scale = "enterprise:4:40"
    written = list(write_bill(tmp_path, DEFAULT_NOW, 7, scale, rows_a_part=2_000))
    lines = Meter(built(7, scale)).lines(date(2025, 10, 1), DEFAULT_NOW.date(), DEFAULT_NOW)
    cur = pl.concat([pl.read_parquet(item.file, columns=CUR_MONEY) for item in written if item.export == "cur2"])
    focus = pl.concat([pl.read_parquet(item.file, columns=FOCUS_MONEY) for item in written if item.export == "focus"])
    assert cur.height == lines.height
    assert [cur[name].sum() for name in CUR_MONEY] == pytest.approx([lines["cost"].sum(), lines["net_cost"].sum()])
    assert [focus[name].sum() for name in FOCUS_MONEY] == pytest.approx(
        [lines["net_cost"].sum(), lines["net_amortized"].sum()]
    )
    assert len({item.period for item in written}) == 14
    assert len(written) > 2 * 14


@pytest.mark.integration
def test_organizations_lists_the_accounts_under_their_names(account: RunningSimulator, world: World) -> None:
    pages = client(account, "organizations").get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 5})
    found = [item for page in pages for item in page["Accounts"]]
    assert {item["Id"]: item["Name"] for item in found} == world.accounts
    assert found[0]["Id"] == PAYER
    told = client(account, "organizations").describe_organization()["Organization"]
    assert told["MasterAccountId"] == PAYER


@pytest.mark.integration
def test_a_role_of_every_account_can_be_assumed(account: RunningSimulator, world: World) -> None:
    for number in world.accounts:
        assert client(account, "sts", number).get_caller_identity()["Account"] == number


@pytest.mark.integration
def test_pages_of_endpoints_hold_every_one_of_them(account: RunningSimulator, world: World) -> None:
    found = set()
    for number in world.accounts:
        for region in REGIONS:
            pages = client(account, "sagemaker", number, region).get_paginator("list_endpoints").paginate()
            found |= {item["EndpointArn"] for page in pages for item in page["Endpoints"]}
    assert found == {here.arn("endpoint", name) for here in world.standing.values() for name in here.lives}


@pytest.mark.integration
def test_cost_explorer_and_the_meter_have_the_same_totals(account: RunningSimulator, world: World) -> None:
    """For every account and month that is closed."""
    first, last = date(2025, 10, 1), date(2026, 11, 1)
    answer = client(account, "ce").get_cost_and_usage(
        TimePeriod={"Start": first.isoformat(), "End": last.isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost", "NetUnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}],
    )
    shown = {
        (date.fromisoformat(row["TimePeriod"]["Start"]), group["Keys"][0]): tuple(
            Decimal(group["Metrics"][metric]["Amount"]) for metric in ("UnblendedCost", "NetUnblendedCost")
        )
        for row in answer["ResultsByTime"]
        for group in row["Groups"]
    }
    names = {item["Value"]: item["Attributes"]["description"] for item in answer["DimensionValueAttributes"]}
    exact = [pl.col(name).round(10).cast(pl.Decimal(38, 10)).sum() for name in ("cost", "net_cost")]
    bill_everything()
    lines = Meter(world).lines(first, last - timedelta(days=1), account.now())
    metered = {(row[0], row[1]): (row[2], row[3]) for row in lines.group_by("period", "account").agg(exact).iter_rows()}
    assert shown == {key: amounts for key, amounts in metered.items() if any(amounts)}
    assert names == {number: name for number, name in world.accounts.items() if number in names}
    assert len(names) >= ACCOUNTS - 1


@pytest.mark.integration
def test_waste_can_be_seen_in_metrics(account: RunningSimulator, world: World) -> None:
    """An idle endpoint has no request since the day of its truth, and had some before."""
    truth = next(item for item in world.truths if item.kind == "waste_idle")
    sums = client(account, "cloudwatch", truth.account, truth.region).get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": truth.subject},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        StartTime=DEFAULT_NOW - timedelta(days=110),
        EndTime=DEFAULT_NOW,
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sums
    assert max(item["Timestamp"] for item in sums) <= truth.start


@pytest.mark.scale
@pytest.mark.timeout(1800)
def test_the_whole_organisation_is_served_with_its_bill_in_six_gigabytes(tmp_path: Path) -> None:
    """How long it takes is measured by ``python -m benchmarks.enterprise_world``."""
    with start(tmp_path, scale="enterprise", patience_s=1200) as running:
        pages = client(running, "organizations").get_paginator("list_accounts").paginate()
        assert sum(len(page["Accounts"]) for page in pages) == 200
        answer = client(running, "ce").get_cost_and_usage(
            TimePeriod={"Start": "2025-10-01", "End": "2026-11-21"},
            Granularity="DAILY",
            Metrics=["UnblendedCost"],
            GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
        )
        assert len(answer["ResultsByTime"]) == 416
        peak = next(
            line for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines() if "HWM" in line
        )
        assert int(peak.split()[1]) / 1024**2 < 6
