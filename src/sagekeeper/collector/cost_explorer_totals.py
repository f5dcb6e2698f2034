"""What Cost Explorer itself says a month was, by account and service: asked anew, apart from the rows that the collector
keeps, so that the two can be compared.

In: a Cost Explorer client of the payer and a month. Out: one row per account and service. One request a page ($0.01).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl

from sagekeeper.core.clock import month_start

TOTALS = {
    "account": pl.String(),
    "service": pl.String(),
    "source": pl.Float64(),
    "currency": pl.String(),
    "estimated": pl.Boolean(),
}


def month_totals(client: Any, month: date, today: date) -> pl.DataFrame:
    """`TOTALS` of ``month``, without ``today`` and later: unblended cost, every record type. Empty for a month to come."""
    end = min(month_start(month + timedelta(days=32)), today)
    if end <= month:
        return pl.DataFrame(schema=TOTALS)
    return pl.DataFrame(list(_groups(client, month, end)), schema=TOTALS, orient="row")


def _groups(client: Any, first: date, end: date) -> Iterator[tuple[str, str, float, str, bool]]:
    request: dict[str, Any] = {
        "TimePeriod": {"Start": str(first), "End": str(end)},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in ("LINKED_ACCOUNT", "SERVICE")],
    }
    while True:
        answer = client.get_cost_and_usage(**request)
        for result in answer["ResultsByTime"]:
            for group in result["Groups"]:
                cost = group["Metrics"]["UnblendedCost"]
                account, service = group["Keys"]
                yield account, service, float(cost["Amount"]), cost["Unit"], result["Estimated"]
        if not answer.get("NextPageToken"):
            return
        request["NextPageToken"] = answer["NextPageToken"]
