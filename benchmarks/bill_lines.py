"""A large organisation's bill, hour by hour and resource by resource, made a day at a time into a lake.

In: how many lines a day, which days. Out: a Delta table `COSTS`. 200 accounts, 4 regions, ten kinds of usage of SageMaker and its
neighbours; a quarter of resources have no tags, 3 % no name, 15 % are covered by Savings Plans; training jobs are others each
day. A day's lines come in the order of hours, as exports have them. Ten days are made, and written as collectors write them;
each day after them is a copy of one of these files under its own date. Deterministic. What stood there: `bill_account.py`.
"""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import COSTS, UTC_TIME

FIRST = date(2026, 1, 1)
DATASET = "benchmark"
MADE = 10
PAYER = "100000000000"
REGIONS = (("us-east-1", "USE1"), ("eu-west-1", "EUW1"), ("us-west-2", "USW2"), ("ap-southeast-2", "APS2"))
SAGEMAKER, EC2, S3 = "Amazon SageMaker", "Amazon Elastic Compute Cloud", "Amazon Simple Storage Service"
KINDS = (
    # service, usage type, operation, unit, price, resource
    (SAGEMAKER, "Host:ml.m5.xlarge", "RunInstance", "Hrs", 0.23, "endpoint"),
    (SAGEMAKER, "Host:ml.g5.xlarge", "RunInstance", "Hrs", 1.408, "endpoint"),
    (SAGEMAKER, "Host:VolumeUsage.gp2", "CreateVolume-Gp2", "GB-Mo", 0.14, "endpoint"),
    (SAGEMAKER, "Train:ml.p4d.24xlarge", "RunInstance", "Hrs", 25.251, "training-job"),
    (SAGEMAKER, "Notebk:ml.t3.medium", "RunInstance", "Hrs", 0.05, "notebook-instance"),
    (EC2, "BoxUsage:m5.large", "RunInstances", "Hrs", 0.096, "instance"),
    (S3, "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 0.023, "bucket"),
    (S3, "Requests-Tier1", "PutObject", "Requests", 0.000005, "bucket"),
    ("AmazonCloudWatch", "CW:MetricMonitorUsage", "MetricStorage", "Metrics", 0.3, "metric"),
    ("AWS Data Transfer", "DataTransfer-Out-Bytes", "RunInstances", "GB", 0.09, "instance"),
)


def put_days(folder: Path, first: int, last: int, lines_a_day: int) -> None:
    """Days ``first`` up to ``last`` (from 0, excluded), into the lake in ``folder``; those before ``first`` are there."""
    lake, resources = Lake(folder), lines_resources(lines_a_day)
    for number in range(first, min(last, MADE)):
        day = FIRST + timedelta(days=number)
        lines = _lines(of_day(resources, number), day, lines_a_day, number)
        lake.replace_streamed(COSTS, [lines], Scope({"x_Dataset": DATASET, "x_ChargeDate": day}))
    copied = range(max(first, MADE), last)
    if copied:
        made = lake.files(COSTS).filter(pl.col("x_ChargeDate") < FIRST + timedelta(days=MADE))
        delta = DeltaTable(folder / COSTS.name)
        added: list[AddAction | RemoveAction] = [
            action for number in copied for action in _copied(folder / COSTS.name, made, number)
        ]
        delta.create_write_transaction(added, "append", delta.schema(), list(COSTS.partition))


def _copied(table: Path, made: pl.DataFrame, number: int) -> list[AddAction]:
    day, pattern = (str(FIRST + timedelta(days=count)) for count in (number, number % MADE))
    actions = []
    for file, rows in made.filter(pl.col("x_ChargeDate").cast(pl.String) == pattern)["file", "rows"].rows():
        path = str(Path(file).relative_to(table)).replace(f"x_ChargeDate={pattern}", f"x_ChargeDate={day}")
        (table / path).parent.mkdir(parents=True)
        shutil.copyfile(file, table / path)
        values: dict[str, str | None] = {"x_Dataset": DATASET, "x_ChargeDate": day}
        actions.append(
            AddAction(path, (table / path).stat().st_size, values, 0, True, json.dumps({"numRecords": rows}))
        )
    return actions


def lines_resources(lines_a_day: int) -> pl.DataFrame:
    """What a day of so many lines is about: each resource has a line an hour."""
    chance, count = random.Random(1), lines_a_day // 24 + 1
    return pl.DataFrame([_resource(chance, number) for number in range(count)], infer_schema_length=None)


def of_day(resources: pl.DataFrame, number: int) -> pl.DataFrame:
    """The same, as they are called on the day of that number: a training job is another one each day."""
    jobs = pl.col("ResourceType") == "training-job"
    return resources.with_columns(
        ResourceId=pl.when(jobs).then(pl.col("ResourceId") + f"-{number}").otherwise("ResourceId")
    )


def _resource(chance: random.Random, number: int) -> dict[str, str | float | None]:
    service, usage, operation, unit, price, kind = chance.choice(KINDS)
    account = f"{100000000000 + int(chance.random() ** 2 * 200) * 7919}"
    region, prefix = REGIONS[int(chance.random() ** 2 * 4)]
    arn = f"arn:aws:sagemaker:{region}:{account}:{kind}/{kind}-{number:07d}"
    tags = {
        "owner": f"team-{chance.randrange(60)}",
        "env": chance.choice(("prod", "dev")),
        "project": f"p{number % 400}",
    }
    plan = f"arn:aws:savingsplans::{PAYER}:savingsplan/{chance.randrange(20):08x}"
    return {
        "SubAccountId": account,
        "SubAccountName": f"account {account[-4:]}",
        "RegionId": region,
        "ServiceName": service,
        "x_UsageType": f"{prefix}-{usage}",
        "x_Operation": operation,
        "ConsumedUnit": unit,
        "price": price,
        "ResourceId": None if chance.random() < 0.03 else arn if service == SAGEMAKER else f"{kind}-{number:012x}",
        "ResourceType": kind,
        "Tags": "{}" if chance.random() < 0.25 else json.dumps(tags),
        "CommitmentDiscountId": plan if chance.random() < 0.15 else None,
        "SkuId": f"SKU{KINDS.index((service, usage, operation, unit, price, kind)):02d}{prefix}",
        "ChargeDescription": f"${price} per {unit} for {usage} in {region}",
    }


def _lines(resources: pl.DataFrame, day: date, count: int, seed: int) -> pl.DataFrame:
    hours, numbers = np.divmod(np.arange(count), resources.height)
    quantity = np.round(np.random.default_rng(seed).gamma(2.0, 0.5, count), 6)
    midnight = pl.lit(datetime.combine(day, time(), UTC), dtype=UTC_TIME)
    begin = midnight + pl.duration(hours="hour")
    covered = pl.col("CommitmentDiscountId").is_not_null()
    cost = (pl.col("ConsumedQuantity") * pl.col("price")).round(10)
    lines = resources[numbers].with_columns(
        hour=pl.Series(hours), ConsumedQuantity=pl.Series(quantity), PricingQuantity=pl.Series(quantity)
    )
    told = lines.with_columns(
        BillingAccountId=pl.lit(PAYER),
        BillingPeriodStart=midnight.dt.month_start(),
        BillingPeriodEnd=midnight.dt.month_start().dt.offset_by("1mo"),
        ChargePeriodStart=begin,
        ChargePeriodEnd=begin + pl.duration(hours=1),
        ChargeCategory=pl.lit("Usage"),
        ChargeFrequency=pl.lit("Usage-Based"),
        InvoiceIssuerName=pl.lit("Amazon Web Services, Inc."),
        ProviderName=pl.lit("AWS"),
        PublisherName=pl.lit("AWS"),
        PricingCategory=pl.when(covered).then(pl.lit("Committed")).otherwise(pl.lit("Standard")),
        PricingUnit="ConsumedUnit",
        BilledCost=pl.when(covered).then(0.0).otherwise(cost),
        EffectiveCost=pl.when(covered).then(cost * 0.7).otherwise(cost),
        ListCost=cost,
        ContractedCost=cost,
        BillingCurrency=pl.lit("USD"),
        CommitmentDiscountType=pl.when(covered).then(pl.lit("Savings Plan")),
        CommitmentDiscountStatus=pl.when(covered).then(pl.lit("Used")),
        x_RecordType=pl.when(covered).then(pl.lit("SavingsPlanCoveredUsage")).otherwise(pl.lit("Usage")),
        x_Source=pl.lit("cur"),
        x_Dataset=pl.lit(DATASET),
        x_ChargeDate=pl.lit(day),
        x_Estimated=pl.lit(False),
        x_ObservedAt=midnight,
    )
    return told.select(
        (pl.col(name) if name in told.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in COSTS.columns.items()
    )
