"""A small bill with everything that makes engines differ: unknown amounts, long sums, tiny and huge costs, odd names."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import COSTS

FIRST = date(2026, 10, 30)
DATASETS = ("cost-explorer", "file:März 100%/ours (1)'.csv")


def put_bill(lake: Lake, days: int = 3, lines_a_day: int = 400, seed: int = 1) -> pl.DataFrame:
    """Write it, a day a commit; the rows."""
    chance = random.Random(seed)
    written = []
    for dataset in DATASETS:
        for day in (FIRST + timedelta(days=offset) for offset in range(days)):
            rows = [_line(chance, dataset, day) for _ in range(lines_a_day)]
            frame = pl.DataFrame(
                [{name: row.get(name) for name in COSTS.columns} for row in rows], schema=COSTS.columns
            )
            lake.replace(COSTS, frame, Scope({"x_Dataset": dataset, "x_ChargeDate": day}))
            written.append(frame)
    return pl.concat(written)


def _line(chance: random.Random, dataset: str, day: date) -> dict[str, Any]:
    number = chance.randrange(30)
    cost = chance.choice((1, -1)) * chance.random() * 10.0 ** chance.randint(-9, 6)
    unknown = number % 10 == 3
    kind, usage = chance.choice(
        (("endpoint", "USE1-Host:ml.m5.xlarge"), ("training-job", "USE1-Train:ml.p4d.24xlarge"))
    )
    return {
        "BillingAccountId": "111111111111",
        "SubAccountId": chance.choice(("111111111111", "222222222222")),
        "RegionId": "us-east-1",
        "ServiceName": "Amazon SageMaker",
        "ChargeCategory": chance.choice(("Usage", "Usage", "Credit", "Tax")),
        "x_UsageType": usage,
        "x_RecordType": chance.choice(("Usage", "SavingsPlanCoveredUsage", None)),
        "ResourceId": None if number % 7 == 0 else f"arn:aws:sagemaker:us-east-1:111111111111:{kind}/r{number}",
        "Tags": None if number % 5 == 0 else f'{{"owner": "ünit-{number % 4}"}}',
        "BilledCost": cost,
        "EffectiveCost": None if unknown else cost * 0.7,
        "ListCost": None if chance.random() < 0.3 else cost * 1.2,
        "ConsumedQuantity": None if unknown else chance.random() * 24,
        "BillingCurrency": chance.choice(("USD", "EUR")),
        "x_Source": "cur",
        "x_Dataset": dataset,
        "x_ChargeDate": day,
        "x_Estimated": chance.choice((True, False, None)),
        "x_ObservedAt": datetime(2026, 11, 5, tzinfo=UTC),
    }
