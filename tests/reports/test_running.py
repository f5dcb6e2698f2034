"""Dollars an hour now: of what was looked at lately, with what has no price and what nobody has looked at said beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import COSTS, INVENTORY
from sagekeeper.reports.views.running import run_rate

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
ACCOUNT = "123456789012"
M5 = 0.23
"""Dollars an hour of ml.m5.xlarge for hosting, in the bundled price book."""


def endpoint(name: str, machine: str = "ml.m5.xlarge", region: str = "us-east-1", **more: Any) -> dict[str, Any]:
    variant = {"VariantName": "main", "ModelName": "m", "InstanceType": machine, "InitialInstanceCount": 2}
    created = datetime(2026, 11, 1, tzinfo=UTC)
    row = {"account": ACCOUNT, "region": region, "kind": "endpoint", "name": name, "status": "InService", "tags": "{}"}
    row |= {
        "created_at": created,
        "changed_at": created,
        "observed_on": NOW.date(),
        "observed_at": NOW - timedelta(hours=1),
    }
    return (
        dict.fromkeys(INVENTORY.columns)
        | row
        | {"config": json.dumps({"EndpointConfig": {"ProductionVariants": [variant]}})}
        | more
    )


def now(lake: Lake, *stands: dict[str, Any], billed: dict[str, Any] | None = None) -> Any:
    lake.replace(INVENTORY, pl.DataFrame(list(stands), schema=INVENTORY.columns), Scope())
    if billed is not None:
        lake.replace(COSTS, pl.DataFrame([dict.fromkeys(COSTS.columns) | billed], schema=COSTS.columns), Scope())
    return run_rate(lake, Settings(), NOW)


def test_what_runs_is_summed_at_list_price_and_said_to_be(lake: Lake) -> None:
    seen = now(lake, endpoint("a"), endpoint("b"))
    assert seen.per_hour == pytest.approx(4 * M5)
    assert seen.kinds.rows() == [("endpoint", pytest.approx(4 * M5), 2)]
    assert (seen.by_bill, seen.unpriced, seen.looked) == (0.0, 0, NOW - timedelta(hours=1))


def test_what_has_no_price_is_in_no_amount_and_says_why(lake: Lake) -> None:
    seen = now(lake, endpoint("a"), endpoint("odd", "ml.unheard.of"))
    assert seen.per_hour == pytest.approx(2 * M5) and seen.unpriced == 1
    odd = seen.things.filter(pl.col("resource_name") == "odd").row(0, named=True)
    assert odd["per_hour"] is None and odd["why"]


def test_a_place_that_nobody_has_looked_at_lately_is_named_and_counts_for_nothing(lake: Lake) -> None:
    old = {"observed_on": NOW.date() - timedelta(days=2), "observed_at": NOW - timedelta(hours=30)}
    seen = now(lake, endpoint("a"), endpoint("far", region="eu-west-1", **old))
    assert seen.per_hour == pytest.approx(2 * M5) and seen.unseen == [(ACCOUNT, "eu-west-1")]
    assert now(lake, endpoint("far", region="eu-west-1", **old)).per_hour is None


def test_the_bills_own_rate_comes_before_the_list_and_what_began_since_is_marked(lake: Lake) -> None:
    day = NOW.date() - timedelta(days=3)
    line = {"x_Dataset": "cost-explorer", "x_ChargeDate": day, "SubAccountId": ACCOUNT, "RegionId": "us-east-1"}
    line |= {"ServiceName": "Amazon SageMaker", "ChargeCategory": "Usage", "x_UsageType": "Host:ml.m5.xlarge"}
    line |= {"BilledCost": 4.8, "EffectiveCost": 4.8, "ConsumedQuantity": 48.0, "BillingCurrency": "USD", "Tags": "{}"}
    fresh = {"created_at": NOW - timedelta(hours=5), "changed_at": NOW - timedelta(hours=5)}
    seen = now(lake, endpoint("a"), endpoint("fresh", **fresh), billed=line)
    assert seen.per_hour == pytest.approx(4 * 0.10) and seen.by_bill == 1.0
    assert seen.things.filter("new")["resource_name"].to_list() == ["fresh"]
