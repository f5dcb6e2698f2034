"""Reading a bill of 400,000 rows: ours (exact totals, checked, into the lake) against pandas with Decimal and with float.

Floor: reading every cell as text once. pandas with float is the usual script; its total is wrong in the last digits.
"""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl

from benchmarks.timing import best_of, show
from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger

ROWS = 400_000


def main() -> None:
    """Run it and print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        bill = _bill(Path(folder) / "bill.csv")
        count = iter(range(100))

        def ours() -> None:
            home = Path(folder) / f"run{next(count)}"
            home.mkdir()
            ledger = open_ledger(f"sqlite:///{home / 'ledger.db'}")
            ingest_file(bill, Lake(home / "lake"), ledger, datetime.now(UTC))
            ledger.close()

        def pandas_decimal() -> None:
            frame = pd.read_csv(bill, dtype=str)
            frame.groupby("ChargeCategory")["BilledCost"].agg(lambda column: sum(map(Decimal, column), Decimal(0)))

        def pandas_float() -> None:
            pd.read_csv(bill).groupby("ChargeCategory")["BilledCost"].sum()

        seconds = {
            "floor: every cell as text": best_of(lambda: pl.read_csv(bill, infer_schema=False)),
            "sagekeeper ingest: exact, checked, stored": best_of(ours),
            "pandas, Decimal: exact, nothing stored": best_of(pandas_decimal),
            "pandas, float: inexact, nothing stored": best_of(pandas_float),
        }
    show(f"Ingest a FOCUS bill of {ROWS:,} rows", seconds, "floor: every cell as text")


def _bill(file: Path) -> Path:
    chance = random.Random(1)
    start = [f"2026-10-{1 + n % 31:02d} 00:00:00" for n in range(ROWS)]
    cost = [f"{chance.random() * 10 ** chance.randint(-8, 2):.11f}" for _ in range(ROWS)]
    pl.DataFrame(
        {
            "BilledCost": cost,
            "EffectiveCost": cost,
            "ListCost": cost,
            "ContractedCost": cost,
            "BillingAccountId": "123456789012",
            "BillingCurrency": "USD",
            "BillingPeriodStart": "2026-10-01 00:00:00",
            "BillingPeriodEnd": "2026-11-01 00:00:00",
            "ChargePeriodStart": start,
            "ChargePeriodEnd": start,
            "ChargeCategory": [chance.choice(("Usage", "Usage", "Usage", "Tax", "Credit")) for _ in range(ROWS)],
            "ServiceName": "Amazon SageMaker",
            "ProviderName": "AWS",
            "ResourceId": [f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/e{n % 5000}" for n in range(ROWS)],
        }
    ).write_csv(file)
    return file
