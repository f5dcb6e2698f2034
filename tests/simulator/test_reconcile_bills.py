"""Every view of the bill is the same bill: Cost Explorer, both reports, FOCUS and the meter, by day, service, resource.

Three worlds made from three seeds, each with Savings Plans, a credit, a refund, private discounts and a correction of a
closed month, seen while days are still open, and again when they were restated and the month reissued. Whatever is
written is read back as its files. The product's own ingest reads them to the last digit.
"""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.waterfall import waterfall
from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS
from sagekeeper.simulator import cost_explorer
from sagekeeper.simulator.bill_delivery import books_of
from sagekeeper.simulator.bill_grain import following
from sagekeeper.simulator.bill_sources import bill_everything
from sagekeeper.simulator.commercial import Correction, Credit, PrivateDiscount, Refund
from sagekeeper.simulator.commitments import SavingsPlan
from sagekeeper.simulator.cur_export import report_files
from sagekeeper.simulator.data_export import export_files
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.neighbour_kinds import EC2, ECS, LAMBDA, Counted, Hourly
from sagekeeper.simulator.neighbours import add, stand
from sagekeeper.simulator.operations import Ask, House
from sagekeeper.simulator.world import PAYER, PRODUCTS, World
from sagekeeper.simulator.worlds import WORLDS

from .report_frames import CENT, COVERED, LEGACY, NEGATION, added, amortised, order, same

SEEDS = (7, 11, 23)
CREATED = datetime(2026, 11, 20, 8, tzinfo=UTC)
OPEN = CREATED + timedelta(hours=9)
RESTATED = CREATED + timedelta(days=5)
NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
PLAN = SavingsPlan(
    "arn:aws:savingsplans::123456789012:savingsplan/11111111-2222-4333-8444-555555555555",
    "MachineLearning",
    1.0,
    datetime(2026, 9, 10, tzinfo=UTC),
    1,
    "Partial Upfront",
    4380.0,
)
SMALL_PLAN = SavingsPlan(
    "arn:aws:savingsplans::210987654321:savingsplan/99999999-2222-4333-8444-555555555555",
    "MachineLearning",
    0.05,
    datetime(2026, 10, 20, 14, 30, tzinfo=UTC),
    3,
    "No Upfront",
    0.0,
)
COMPUTE_PLAN = SavingsPlan(
    "arn:aws:savingsplans::123456789012:savingsplan/77777777-2222-4333-8444-555555555555",
    "Compute",
    0.3,
    datetime(2026, 10, 5, tzinfo=UTC),
    1,
    "No Upfront",
    0.0,
)
SAGEMAKER, LOGS = "Amazon SageMaker", "AmazonCloudWatch"
FUNCTION = Counted(
    "arn:aws:lambda:us-east-1:210987654321:function:score", "Lambda-GB-Second", "Invoke", LAMBDA, 0, 1.7e-5
)
CREDITS = [Credit("startup", 30.0, date(2026, 10, 28), date(2026, 11, 19), PRODUCTS, (LOGS,))]
REFUNDS = [Refund(PAYER, SAGEMAKER, 12.34, date(2026, 10, 7), CREATED + timedelta(days=2))]
CORRECTIONS = [
    Correction("Host:VolumeUsage.gp2", date(2026, 10, 3), date(2026, 10, 9), 0.5, CREATED + timedelta(days=1)),
    Correction("DataProcessing-Bytes", date(2026, 11, 3), date(2026, 11, 4), 1.2, CREATED - timedelta(days=1)),
]
DISCOUNTS = [
    PrivateDiscount("PrivateRateDiscount", 0.15, date(2026, 10, 10), usage_types=("DataProcessing-Bytes",)),
    PrivateDiscount("EdpDiscount", 0.07, date(2026, 9, 1)),
]


@lru_cache(maxsize=len(SEEDS))
def house(seed: int) -> House:
    """An account of the seed, bills only."""
    world = World()
    WORLDS["small"](world, CREATED, seed)
    world.at(PAYER, "us-east-1").savings_plans[PLAN.arn] = PLAN
    world.at(PRODUCTS, "us-east-1").savings_plans[SMALL_PLAN.arn] = SMALL_PLAN
    world.at(PAYER, "us-east-1").savings_plans[COMPUTE_PLAN.arn] = COMPUTE_PLAN
    surround(world)
    world.commercial.credits += CREDITS
    world.commercial.refunds += REFUNDS
    world.commercial.corrections += CORRECTIONS
    world.commercial.discounts += DISCOUNTS
    return House(world, None, Meter(world), None)  # type: ignore[arg-type]


def surround(world: World) -> None:
    """What Compute plans cover beside SageMaker: instances on demand and spot, Fargate, a function called every day."""
    bill_everything()
    begun, here = datetime(2026, 10, 2, 7, 30, tzinfo=UTC), world.at(PRODUCTS, "us-east-1")
    for name, usage, service, count, price, spot in (
        ("instance/i-1", "BoxUsage:m5.xlarge", EC2, 1.0, 0.192, False),
        ("instance/i-2", "SpotUsage:g5.xlarge", EC2, 2.0, 0.4, True),
        ("service/apps/web", "Fargate-vCPU-Hours:perCPU", ECS, 4.0, 0.04048, False),
        ("service/apps/web", "Fargate-GB-Hours", ECS, 8.0, 0.004445, False),
    ):
        arn = f"arn:aws:x:us-east-1:{PRODUCTS}:{name}"
        stand(here, Hourly(arn, usage, "Run", service, count, price, spot=spot), begun)
    for day in range(45):
        add(here, FUNCTION, 30_000.0, begun + timedelta(days=day))


@lru_cache(maxsize=16)
def metered(seed: int, now: datetime, period: date = NOVEMBER) -> pl.DataFrame:
    last = following(period) - timedelta(days=1)
    return house(seed).meter.lines(period, last, now).filter(pl.col("period") == period)


def legacy(lines: pl.DataFrame, seed: int, now: datetime) -> pl.DataFrame:
    """The legacy report, read from its parquet, with amortised cost by AWS's rule."""
    data, *_ = report_files(LEGACY, lines, books_of(house(seed), PAYER, now), NOVEMBER, "assembly")
    return amortised(pl.read_parquet(io.BytesIO(data.data)))


def exported(table: str, lines: pl.DataFrame, seed: int, now: datetime) -> pl.DataFrame:
    """A data export, read from its parquet."""
    settings = {
        "COST_AND_USAGE_REPORT": {"TIME_GRANULARITY": "DAILY", "INCLUDE_RESOURCES": "TRUE"},
        "FOCUS_1_0_AWS": {},
        "FOCUS_1_2_AWS": {"TIME_GRANULARITY": "DAILY"},
    }[table]
    books = books_of(house(seed), PAYER, now)
    data, *_ = export_files(order(table, settings), lines, books, NOVEMBER, "run", now)
    return pl.read_parquet(io.BytesIO(data.data))


def explored(seed: int, now: datetime, metric: str, key: str, first: date) -> dict[tuple[Any, ...], float]:
    """Cost Explorer's answer by day and one dimension."""
    by_resource = key == "RESOURCE_ID"
    asked = {
        "TimePeriod": {"Start": first.isoformat(), "End": (now.date() + timedelta(days=1)).isoformat()},
        "Granularity": "DAILY",
        "Metrics": [metric],
        "GroupBy": [{"Type": "DIMENSION", "Key": key}],
    }
    call = cost_explorer.get_cost_and_usage_with_resources if by_resource else cost_explorer.get_cost_and_usage
    found: dict[tuple[Any, ...], float] = {}
    while True:
        answer = call(Ask(house(seed), PAYER, "us-east-1", asked, now))
        for day in answer["ResultsByTime"]:
            for group in day["Groups"]:
                named = None if group["Keys"][0] in ("NoResourceId", "") else group["Keys"][0]
                name = (date.fromisoformat(day["TimePeriod"]["Start"]), named)
                found[name] = found.get(name, 0.0) + float(group["Metrics"][metric]["Amount"])
        if "NextPageToken" not in answer:
            return {name: amount for name, amount in found.items() if abs(amount) > CENT / 10}
        asked["NextPageToken"] = answer["NextPageToken"]


@pytest.mark.parametrize("now", [OPEN, RESTATED])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("metric", "amount"), [("UnblendedCost", "cost"), ("AmortizedCost", "amortized")])
def test_cost_explorer_is_the_meter_by_day_and_service(seed: int, now: datetime, metric: str, amount: str) -> None:
    lines = metered(seed, now)
    same(explored(seed, now, metric, "SERVICE", NOVEMBER), added(lines, ["day", "service"], amount))


@pytest.mark.parametrize("now", [OPEN, RESTATED])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("metric", "amount"), [("UnblendedCost", "cost"), ("AmortizedCost", "amortized")])
def test_cost_explorer_is_the_meter_by_day_and_resource(seed: int, now: datetime, metric: str, amount: str) -> None:
    first = now.date() - timedelta(days=13)
    lines = metered(seed, now).filter(pl.col("day") >= first)
    same(explored(seed, now, metric, "RESOURCE_ID", first), added(lines, ["day", "resource_id"], amount))


@pytest.mark.parametrize("now", [OPEN, RESTATED])
@pytest.mark.parametrize("seed", SEEDS)
def test_both_reports_are_the_meter_by_day_service_and_resource(seed: int, now: datetime) -> None:
    lines = metered(seed, now)
    keys = ["day", "service_code", "resource_id"]
    report = amortised(exported("COST_AND_USAGE_REPORT", lines, seed, now))
    for found in (legacy(lines, seed, now), report):
        for amount in ("cost", "amortized"):
            same(added(found, keys, amount), added(lines, keys, amount))


@pytest.mark.parametrize("now", [OPEN, RESTATED])
@pytest.mark.parametrize("table", ["FOCUS_1_0_AWS", "FOCUS_1_2_AWS"])
@pytest.mark.parametrize("seed", SEEDS)
def test_focus_is_the_meter_by_day_service_and_resource(seed: int, table: str, now: datetime) -> None:
    # Covered usage and what cancels it bill nothing together; FOCUS leaves both out of the billed cost.
    lines = metered(seed, now)
    cancelled = lines.filter(pl.col("record_type").is_in([COVERED, NEGATION]))
    assert abs(cancelled["net_cost"].sum()) < CENT
    billed = lines.filter(~pl.col("record_type").is_in([COVERED, NEGATION]))
    keys = ["day", "service_code", "resource_id"]
    rows = exported(table, lines, seed, now).select(
        pl.col("ChargePeriodStart").dt.date().alias("day"),
        pl.col("x_ServiceCode").alias("service_code"),
        pl.col("ResourceId").alias("resource_id"),
        "BilledCost",
        "EffectiveCost",
    )
    same(added(rows, keys, "BilledCost"), added(billed, keys, "net_cost"))
    same(added(rows, keys, "EffectiveCost"), added(lines, keys, "net_amortized"))
    assert rows["BilledCost"].sum() == pytest.approx(lines["cost"].sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_terms_bring_every_kind_of_line(seed: int) -> None:
    kinds = set(pl.concat([metered(seed, RESTATED, period) for period in (OCTOBER, NOVEMBER)])["record_type"])
    covered = metered(seed, RESTATED).filter(pl.col("plan_arn") == COMPUTE_PLAN.arn, pl.col("record_type") == COVERED)
    assert {EC2, ECS, LAMBDA} == set(covered["service"])
    assert not covered["usage_type"].str.contains("Spot").any()
    assert kinds == {
        "Usage",
        COVERED,
        NEGATION,
        "SavingsPlanRecurringFee",
        "PrivateRateDiscount",
        "EdpDiscount",
        "Refund",
        "Credit",
        "Tax",
    }


@pytest.mark.parametrize("metric", ["cost", "net_cost", "amortized", "net_amortized", "quantity", "list_cost"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_bill_by_the_hour_is_the_bill_by_the_day(seed: int, metric: str) -> None:
    keys = ["day", "account", "region", "service", "usage_type", "record_type", "resource_id", "plan_arn"]
    days, hours = metered(seed, OPEN), house(seed).meter.lines(NOVEMBER, OPEN.date(), OPEN, "hour")
    same(added(hours, keys, metric), added(days, keys, metric))
    assert hours.height > 10 * days.height


@pytest.mark.parametrize("seed", SEEDS)
def test_a_closed_month_is_reissued_with_its_refund_and_correction(seed: int) -> None:
    first, again = (metered(seed, now, OCTOBER) for now in (OPEN, RESTATED))
    more = again.join(first, on="line_id", how="anti")
    assert set(more["record_type"]) == {"Usage", "Refund"}
    assert more.filter(pl.col("record_type") == "Usage")["description"].str.starts_with("Correction").all()
    usage = first.filter(
        pl.col("usage_type").str.ends_with("Host:VolumeUsage.gp2") & (pl.col("day").dt.day().is_between(3, 9))
    )
    untaxed = pl.col("record_type") == "Usage"
    assert more.filter(untaxed)["cost"].sum() == pytest.approx(-usage["cost"].sum() / 2)
    assert first.filter(untaxed)["cost"].sum() > 0
    # Tax, discount and credits follow: nothing else of the month changed.
    kept = first.join(again, on="line_id", suffix="_again")
    changed = kept.filter((pl.col("cost") - pl.col("cost_again")).abs() > 1e-9)
    assert kept.height == first.height
    assert set(changed["record_type"]) == {"Tax", "EdpDiscount", "Credit"}


@pytest.mark.parametrize("seed", SEEDS)
def test_open_days_were_restated_between_the_two_looks(seed: int) -> None:
    days = pl.col("day").is_between(date(2026, 11, 17), date(2026, 11, 20))
    early = pl.col("day") < date(2026, 11, 20)
    usage = pl.col("record_type") == "Usage"
    before, after = (
        metered(seed, now).filter(days & early & usage).select("line_id", "list_cost") for now in (OPEN, RESTATED)
    )
    both = before.join(after, on="line_id", suffix="_later")
    moved = both["list_cost_later"] - both["list_cost"]
    assert (moved > 1e-6).any()
    assert (moved < -1e-6).any()
    assert moved.sum() > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_product_reads_a_focus_export_to_the_last_digit(
    seed: int, tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    now = datetime(2026, 11, 20, 8, tzinfo=UTC)
    lines = metered(seed, now, OCTOBER)
    books = books_of(house(seed), PAYER, now)
    data, *_ = export_files(order("FOCUS_1_0_AWS", {}, parquet=False), lines, books, OCTOBER, "run", now)
    path = tmp_path / "focus.csv.gz"
    path.write_bytes(data.data)
    report = ingest_file(path, lake, sqlite_ledger, now)
    billed = sum((totals["BilledCost"] for totals in report.totals.values()), Decimal(0))
    effective = sum((totals["EffectiveCost"] for totals in report.totals.values()), Decimal(0))
    assert report.format == "focus"
    assert report.notes == ["Columns that are not kept: x_CostCategories, x_Discounts, x_ServiceCode."]
    assert billed == exact(lines.filter(~pl.col("record_type").is_in([COVERED, NEGATION])), "net_cost")
    assert effective == exact(lines, "net_amortized")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_product_reads_both_reports_to_the_last_digit(
    seed: int, tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    now = datetime(2026, 11, 20, 8, tzinfo=UTC)
    lines, books = metered(seed, now, OCTOBER), books_of(house(seed), PAYER, now)
    settings = {"TIME_GRANULARITY": "DAILY", "INCLUDE_RESOURCES": "TRUE"}
    second = order("COST_AND_USAGE_REPORT", settings, parquet=False)
    text = LEGACY | {"Format": "textORcsv", "Compression": "GZIP"}
    for name, (data, *_) in {
        "legacy.csv.gz": report_files(text, lines, books, OCTOBER, "assembly"),
        "cur2.csv.gz": export_files(second, lines, books, OCTOBER, "run", now),
    }.items():
        path = tmp_path / name
        path.write_bytes(data.data)
        report = ingest_file(path, lake, sqlite_ledger, now)
        billed = sum((totals["BilledCost"] for totals in report.totals.values()), Decimal(0))
        effective = sum((totals["EffectiveCost"] for totals in report.totals.values()), Decimal(0))
        assert (report.format, report.rows) == ("cur", lines.height)
        assert billed == exact(lines, "cost")
        assert effective == exact(lines, "net_amortized")


@pytest.mark.parametrize(
    ("period", "hours", "paid_now"), [(date(2026, 9, 1), 21 * 24, "4073.40"), (OCTOBER, 31 * 24, "0")]
)
def test_effective_cost_becomes_billed_cost_by_what_was_prepaid_whatever_the_report(
    period: date, hours: int, paid_now: str, tmp_path: Path, sqlite_ledger: Ledger
) -> None:
    """The plan was paid half upfront, 4,380 for 8,760 hours, less 7 % by agreement. FOCUS has the discount within, the
    reports have it on lines of its own."""
    now = RESTATED
    lines, books = metered(SEEDS[0], now, period), books_of(house(SEEDS[0]), PAYER, now)
    settings = {"TIME_GRANULARITY": "DAILY"}
    text = LEGACY | {"Format": "textORcsv", "Compression": "GZIP"}
    second = order("COST_AND_USAGE_REPORT", settings | {"INCLUDE_RESOURCES": "TRUE"}, parquet=False)
    prepaid = {"Paid upfront before", "Paid upfront now", "Discounts on payments"}
    told = []
    for name, (data, *_) in {
        "legacy": report_files(text, lines, books, period, "assembly"),
        "cur2": export_files(second, lines, books, period, "run", now),
        "focus": export_files(order("FOCUS_1_2_AWS", settings, parquet=False), lines, books, period, "run", now),
    }.items():
        (tmp_path / name).write_bytes(data.data)
        lake = Lake(tmp_path / f"{name}-lake")
        report = ingest_file(tmp_path / name, lake, sqlite_ledger, now)
        found = waterfall(lake.scan(COSTS))
        assert abs(found.amount("Billed cost") - exact(lines, "cost")) < Decimal("1e-8")
        moved = sum((found.amount(step) for step in prepaid), Decimal(0))
        assert abs(moved - (Decimal(paid_now) - Decimal("0.465") * hours)) < Decimal("0.0001")
        effective = sum((totals["EffectiveCost"] for totals in report.totals.values()), Decimal(0))
        assert abs(effective + moved - exact(lines, "cost")) < Decimal("1e-8")
        told.append({step.name: round(step.amount, 6) for step in found.steps if step.name not in prepaid})
    assert told[0] == told[1] == told[2]
    assert {"Discounts", "Saved by commitments", "Credits", "Tax"} <= set(told[0])


def exact(lines: pl.DataFrame, amount: str) -> Decimal:
    return sum((Decimal(repr(value)) for value in lines[amount].to_list()), Decimal(0))
