"""The bill's lines as Cost Explorer sees them: what an account may see, with every dimension it can be asked by.

In: the meter's lines (`bill_lines.py`). Out: `Ledger`, a frame with one column per dimension (named as in the API), the
amounts as exact decimals, and the values of tags and cost categories. It is kept until the hour or the world changes,
month by month: the bill is refreshed with the hour. Names of record types and of charges without a value ("NoRegion") are Cost
Explorer's own, which differ from the CUR's (aws-facts 4.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.simulator.adjustments import following, months
from sagekeeper.simulator.bill_lines import Step
from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.operations import Ask
from sagekeeper.simulator.world import PAYER, REGIONS, World

MONTHS = 38
"""How far back Cost Explorer goes at most (aws-facts 4.1)."""
HOURLY_DAYS = 14
RESOURCE_DAYS = 15
"""Resources are known for fourteen whole days and the present one (GetCostAndUsageWithResources)."""
AMOUNT = pl.Decimal(38, 10)
METRICS = {
    "UnblendedCost": "cost",
    "BlendedCost": "cost",
    "AmortizedCost": "amortized",
    "NetUnblendedCost": "net_cost",
    "NetAmortizedCost": "net_amortized",
    "UsageQuantity": "quantity",
    "NormalizedUsageAmount": "normalized",
}
"""Column of each metric. Blended rates mix those of reserved instances; without any they are the unblended ones."""
AMOUNTS = ("cost", "net_cost", "amortized", "net_amortized", "quantity", "normalized", "list_cost")
RECORD_TYPES = {
    "Fee": "Other out-of-cycle charges",
    "EdpDiscount": "Enterprise Discount Program Discount",
    "PrivateRateDiscount": "Private Rate Card Discount",
    "BundledDiscount": "Bundled Discount",
}
"""Where Cost Explorer's name of a record type is not the CUR's."""
USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
SIZES = {
    "nano": 0.25,
    "micro": 0.5,
    "small": 1.0,
    "medium": 2.0,
    "large": 4.0,
    "xlarge": 8.0,
} | {f"{n}xlarge": 8.0 * n for n in (2, 3, 4, 6, 8, 9, 10, 12, 16, 18, 24, 32, 48)}
"""Normalisation factors of instance sizes, as AWS gives them for EC2 and RDS reservations; SageMaker's have none."""
GROUPS_OF_USAGE = {
    "BoxUsage": "EC2: Running Hours",
    "TimedStorage-ByteHrs": "S3: Storage - Standard",
    "Requests-Tier1": "S3: API Requests - Standard",
    "Requests-Tier2": "S3: API Requests - Standard",
    "CW:MetricMonitorUsage": "EC2: CloudWatch - Metrics",
    "CW:AlarmMonitorUsage": "EC2: CloudWatch - Alarms",
    "CW:Requests": "EC2: CloudWatch - Requests",
    "InstanceUsage:db": "RDS: Running Hours",
    "RDS:GP2-Storage": "RDS: Storage",
    "DataTransfer-Out-Bytes": "EC2: Data Transfer - Internet (Out)",
}
NOTHING = {
    "REGION": "NoRegion",
    "USAGE_TYPE": "NoUsageType",
    "OPERATION": "NoOperation",
    "INSTANCE_TYPE": "NoInstanceType",
    "INSTANCE_TYPE_FAMILY": "NoInstanceTypeFamily",
    "RESOURCE_ID": "NoResourceId",
    "USAGE_TYPE_GROUP": "NoUsageTypeGroup",
    "PURCHASE_TYPE": "NoPurchaseType",
    "SAVINGS_PLAN_ARN": "NoSavingsPlanArn",
    "SAVINGS_PLANS_TYPE": "NoSavingsPlansType",
    "OPERATING_SYSTEM": "NoOperatingSystem",
    "PLATFORM": "NoOperatingSystem",
    "TENANCY": "NoTenancy",
    "AZ": "NoAZ",
    "DATABASE_ENGINE": "NoDatabaseEngine",
    "CACHE_ENGINE": "NoCacheEngine",
    "DEPLOYMENT_OPTION": "NoDeploymentOption",
    "RESERVATION_ID": "NoReservationId",
    "SUBSCRIPTION_ID": "NoSubscriptionId",
    "SCOPE": "NoScope",
    "SERVICE_CODE": "NoServiceCode",
}
"""The value of a charge that has none."""
ENTITY = "Amazon Web Services, Inc."


@dataclass
class Ledger:
    """Lines an account may see at an hour."""

    lines: pl.DataFrame
    tag_sets: list[str]
    parsed: list[dict[str, str]] = field(default_factory=list)

    def tag(self, key: str, explorer: Explorer) -> pl.Expr:
        """The value of a tag, null where the line has none or the key was not active on its day."""
        found = explorer.tag_keys.get(key)
        if found is None or not found.shown:
            return pl.lit(None, dtype=pl.String)
        values = [tags.get(key) for tags in self.parsed]
        value = pl.col("tags").replace_strict(self.tag_sets, values, return_dtype=pl.String)
        shown = pl.any_horizontal(
            [pl.col("day").is_between(first, until, closed="left") for first, until in found.shown]
        )
        return pl.when(shown).then(value)

    def keys_of(self, tag_sets: list[str]) -> set[str]:
        """Tag keys in any of some sets of tags."""
        parsed = dict(zip(self.tag_sets, self.parsed, strict=True))
        return {key for tags in tag_sets for key in parsed[tags]}


def explorer_of(ask: Ask) -> Explorer:
    """The organisation's settings: those of its paying account."""
    return ask.house.world.at(PAYER, REGIONS[0]).explorer


def own_explorer(ask: Ask) -> Explorer:
    """What the asking account has set up for itself: its monitors."""
    return ask.house.world.at(ask.account, REGIONS[0]).explorer


def ledger(ask: Ask, step: Step = "day") -> Ledger:
    """What the asking account may see now."""
    world, refreshed = ask.house.world, ask.now.replace(minute=0, second=0, microsecond=0)
    explorer = explorer_of(ask)
    key, stamp = f"{step} {ask.account}", (refreshed, _version(world))
    kept = explorer.kept.get(key)
    if kept is not None and kept[0] == stamp:
        found: Ledger = kept[1]
        return found
    if ask.account == PAYER:
        made = _ledger(_parts(ask, step, refreshed))
    else:
        payer = ledger(Ask(ask.house, PAYER, ask.region, {}, ask.now), step)
        made = Ledger(payer.lines.filter(pl.col("LINKED_ACCOUNT") == ask.account), payer.tag_sets, payer.parsed)
    explorer.kept[key] = (stamp, made)
    return made


def _version(world: World) -> tuple[int, int]:
    return len(world.standing), sum(here.version for here in world.standing.values())


def _parts(ask: Ask, step: Step, refreshed: datetime) -> list[pl.DataFrame]:
    """The bill's lines month by month, with Cost Explorer's columns. A month is made again when it looks different."""
    today, meter, names = refreshed.date(), ask.house.meter, ask.house.world.accounts
    if step == "hour":
        first = today - timedelta(days=HOURLY_DAYS + 1)
        return [_columns(meter.lines(first, today, refreshed, step), names)]
    kept, parts = explorer_of(ask).kept, []
    for period in months(_months_before(today, MONTHS), today):
        last = following(period) - timedelta(days=1)
        with_resources = last >= today - timedelta(days=RESOURCE_DAYS)
        key, stamp = f"month {period}", (meter.stamp(refreshed, period), with_resources)
        if key not in kept or kept[key][0] != stamp:
            made = _columns(meter.lines(period, last, refreshed), names)
            kept[key] = (stamp, made if with_resources else _without_resources(made))
        parts.append(kept[key][1])
    return parts


def _months_before(today: date, months: int) -> date:
    count = today.year * 12 + today.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


def _ledger(parts: list[pl.DataFrame]) -> Ledger:
    lines = pl.concat(parts)
    tag_sets = lines["tags"].unique().to_list()
    return Ledger(lines, tag_sets, [dict(json.loads(tags)) for tags in tag_sets])


def _without_resources(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines of days of which Cost Explorer does not know the resources any more, added up: exact decimals."""
    amounts = [*AMOUNTS, "plan_cost", "plan_commitment", "plan_used"]
    apart = [name for name in lines.columns if name not in (*amounts, "RESOURCE_ID")]
    known = [pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in amounts]
    return (
        lines.group_by(apart, maintain_order=True)
        .agg(pl.lit(NOTHING["RESOURCE_ID"]).alias("RESOURCE_ID"), *known)
        .select(lines.columns)
    )


def _columns(metered: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    instance = pl.col("instance_type")
    elastic = pl.col("service_code").is_in(["AmazonEC2", "AmazonRDS"]) & instance.is_not_null()
    size = instance.str.split(".").list.last().replace_strict(SIZES, default=0.0, return_dtype=pl.Float64)
    compute = (pl.col("service_code") == "AmazonEC2") & instance.is_not_null()
    bare = pl.col("usage_type").str.replace(r"^[A-Z]{2,4}\d?-", "")
    group = pl.lit(None, dtype=pl.String)
    for prefix, name in GROUPS_OF_USAGE.items():
        group = pl.when(bare.str.starts_with(prefix)).then(pl.lit(name)).otherwise(group)
    record = pl.col("record_type")
    dimensions = {
        "SERVICE": pl.col("service"),
        "SERVICE_CODE": pl.col("service_code"),
        "USAGE_TYPE": pl.col("usage_type"),
        "USAGE_TYPE_GROUP": group,
        "OPERATION": pl.col("operation"),
        "LINKED_ACCOUNT": pl.col("account"),
        "LINKED_ACCOUNT_NAME": pl.col("account").replace(names),
        "REGION": pl.col("region"),
        "RECORD_TYPE": record.replace(RECORD_TYPES),
        "INSTANCE_TYPE": instance,
        "INSTANCE_TYPE_FAMILY": instance.str.extract(r"^(?:ml\.|db\.|cache\.)?([^.]+)\."),
        "PURCHASE_TYPE": pl.when(record.str.starts_with("SavingsPlan"))
        .then(pl.lit("Savings Plans"))
        .when(pl.col("usage_type").str.contains("Spot"))
        .then(pl.lit("Spot Instances"))
        .when((record == "Usage") & instance.is_not_null())
        .then(pl.lit("On Demand Instances")),
        "OPERATING_SYSTEM": pl.when(compute).then(pl.lit("Linux/UNIX")),
        "TENANCY": pl.when(compute).then(pl.lit("Shared")),
        "SAVINGS_PLAN_ARN": pl.col("plan_arn"),
        "SAVINGS_PLANS_TYPE": pl.when(pl.col("plan_arn").is_not_null()).then(
            pl.when(pl.col("service_code").is_in(["AmazonSageMaker", "MachineLearningSavingsPlans"]))
            .then(pl.lit("SageMakerSavingsPlans"))
            .otherwise(pl.lit("ComputeSavingsPlans"))
        ),
        "RESOURCE_ID": pl.col("resource_id"),
    }
    return metered.with_columns(
        pl.when(elastic).then(pl.col("quantity") * size).otherwise(0.0).alias("normalized")
    ).select(
        "day",
        "start",
        "tags",
        # A bill of hundreds of thousands of lines has a few hundred different names: sorted out once, grouped fast.
        *(
            _named(found, NOTHING.get(name)).cast(pl.Categorical).alias(name)
            if name != "RESOURCE_ID"
            else _named(found, NOTHING[name]).alias(name)
            for name, found in dimensions.items()
        ),
        *(pl.col(name).round(10).cast(AMOUNT) for name in AMOUNTS),
        pl.when(pl.col("unit") != "").then(pl.col("unit")).cast(pl.Categorical).alias("unit"),
        "product_family",
        "plan_cost",
        "plan_commitment",
        "plan_used",
    )


def _named(found: pl.Expr, nothing: str | None) -> pl.Expr:
    return found if nothing is None else pl.when(found != "").then(found).otherwise(pl.lit(nothing))
