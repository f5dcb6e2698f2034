"""Small bills as the meter's lines, written row by row, so that a reader can add them up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.bill_grain import Books
from sagekeeper.simulator.bill_lines import LINES
from sagekeeper.simulator.commitments import SavingsPlan

NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
PLAN = "arn:aws:savingsplans::123456789012:savingsplan/0a1b2c3d-0000-4000-8000-000000000001"
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud"
USE: dict[str, Any] = {
    "period": NOVEMBER,
    "day": date(2026, 11, 3),
    "account": "123456789012",
    "region": "us-east-1",
    "service": "Amazon SageMaker",
    "service_code": "AmazonSageMaker",
    "product_family": "ML Instance",
    "usage_type": "USE1-Host:ml.m5.xlarge",
    "operation": "RunInstance",
    "record_type": "Usage",
    "instance_type": "ml.m5.xlarge",
    "resource_id": ENDPOINT,
    "tags": json.dumps({"team": "risk"}),
    "quantity": 24.0,
    "unit": "Hrs",
    "rate": 0.23,
    "list_cost": 5.52,
    "cost": 5.52,
    "plan_arn": None,
    "description": "$0.23 per Hosting ml.m5.xlarge hour in US East (N. Virginia)",
}
PLAIN: dict[str, Any] = {
    "usage_type": "",
    "operation": "",
    "product_family": "",
    "instance_type": None,
    "resource_id": None,
    "tags": "{}",
    "quantity": 0.0,
    "unit": "",
    "rate": None,
    "list_cost": 0.0,
}
COVERED = {
    "record_type": "SavingsPlanCoveredUsage",
    "plan_arn": PLAN,
    "plan_rate": 0.15,
    "plan_cost": 3.6,
    "amortized": 3.6,
}
NEGATION = PLAIN | {
    "record_type": "SavingsPlanNegation",
    "usage_type": "USE1-Host:ml.m5.xlarge",
    "cost": -5.52,
    "amortized": 0.0,
    "plan_arn": PLAN,
    "description": "SavingsPlanNegation used by AccountId : 123456789012 and UsageSku : X",
}
FEE = PLAIN | {
    "record_type": "SavingsPlanRecurringFee",
    "service": "Savings Plans for AWS Machine Learning",
    "service_code": "MachineLearningSavingsPlans",
    "usage_type": "MachineLearningSP:1yrNoUpfront",
    "quantity": 24.0,
    "unit": "Hrs",
    "cost": 4.8,
    "amortized": 1.2,
    "plan_arn": PLAN,
    "plan_commitment": 4.8,
    "plan_used": 3.6,
    "description": "1 year No Upfront Machine Learning Savings Plan",
}
CREDIT = PLAIN | {"record_type": "Credit", "cost": -2.0, "description": "Promotional credit"}
TAX = PLAIN | {"record_type": "Tax", "cost": 0.5, "description": "Tax for product code AmazonSageMaker"}
REFUND = PLAIN | {"record_type": "Refund", "cost": -1.25, "description": "Refund"}
DISCOUNT = PLAIN | {"record_type": "PrivateRateDiscount", "cost": -0.552, "net_cost": 0.0, "description": "Discount"}


def bill(*rows: dict[str, Any]) -> pl.DataFrame:
    """The lines of ``rows``, each a day's use of one endpoint with what it changes of that."""
    return pl.DataFrame([_row(number, row) for number, row in enumerate(rows)], schema=LINES, orient="row")


def books(now: datetime = datetime(2026, 11, 20, 8, tzinfo=UTC), account: str = "123456789012") -> Books:
    """The payer's books, with one Savings Plan."""
    plan = SavingsPlan(PLAN, "MachineLearning", 0.2, datetime(2026, 6, 1, tzinfo=UTC), 1, "No Upfront", 0.0)
    names = {"123456789012": "ml-platform", "210987654321": "ml-products"}
    return Books("123456789012", account, names, now, (plan,))


def _row(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    row = USE | changes
    begin = datetime(row["day"].year, row["day"].month, row["day"].day, tzinfo=UTC)
    net = row.get("net_cost", row["cost"])
    amortized = row.get("amortized", row["cost"])
    told = {
        "line_id": f"line{number:04d}",
        "start": begin,
        "end": begin + timedelta(days=1),
        "net_cost": net,
        "amortized": amortized,
        "net_amortized": row.get("net_amortized", net if amortized == row["cost"] else amortized),
    }
    return {name: (told | row).get(name) for name in LINES}
