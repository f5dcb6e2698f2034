"""Prices as people see them: the list with its date beside what the bill says a unit cost."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import COSTS
from sagekeeper.reports.views.prices import price_lines

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
LINE = {
    "x_Dataset": "cost-explorer",
    "x_ChargeDate": date(2026, 11, 10),
    "SubAccountId": "123456789012",
    "RegionId": "us-east-1",
    "ServiceName": "Amazon SageMaker",
    "ChargeCategory": "Usage",
    "x_UsageType": "USE1-Host:ml.m5.xlarge",
    "ConsumedQuantity": 100.0,
    "BilledCost": 23.0,
    "EffectiveCost": 18.0,
    "BillingCurrency": "USD",
}


@pytest.fixture
def billed(lake: Lake) -> Lake:
    """A hundred hours of one machine, partly covered, and one of a type that no book knows."""
    unknown = LINE | {"x_UsageType": "USE1-Host:ml.x9.huge", "BilledCost": 700.0, "EffectiveCost": 700.0}
    rows = [dict.fromkeys(COSTS.columns) | line for line in (LINE, unknown)]
    lake.replace(COSTS, pl.DataFrame(rows, schema=COSTS.columns), Scope())
    return lake


def test_the_bills_rate_stands_beside_the_list_with_what_each_rests_on(billed: Lake) -> None:
    known, unknown = price_lines(billed, PriceBook.bundled(), AS_OF, ["us-east-1"]).rows(named=True)
    assert (known["usage_type"], known["list_rate"], known["rate"], known["quantity"], known["committed"]) == (
        "Host:ml.m5.xlarge",
        0.23,
        pytest.approx(0.18),
        100.0,
        True,
    )
    assert known["list_basis"].startswith("bundled price of ")
    assert (unknown["list_rate"], unknown["rate"]) == (None, pytest.approx(7.0))
    assert "No price is known for ml.x9.huge" in unknown["why"]


def test_a_type_that_is_asked_for_is_shown_in_every_way_it_can_run(billed: Lake) -> None:
    found = price_lines(billed, PriceBook.bundled(), AS_OF, ["us-east-1"], "ml.m5.xlarge")
    lines = {row["usage_type"]: row for row in found.iter_rows(named=True)}
    assert {"Host:ml.m5.xlarge", "Train:ml.m5.xlarge", "Studio:JupyterLab-ml.m5.xlarge"} <= set(lines)
    assert "Host:ml.x9.huge" not in lines
    assert (lines["Host:ml.m5.xlarge"]["account"], lines["Train:ml.m5.xlarge"]["account"]) == ("123456789012", None)
