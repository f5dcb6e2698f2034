"""Costs by model are the bill, also where an endpoint has a credit, and use the requests that were counted."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import polars as pl

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import DAILY_COSTS, INVENTORY, MODEL_REQUESTS, Table
from sagekeeper.reports.views.inside import models_inside
from sagekeeper.reports.views.spend import load_cube, split_cost
from sagekeeper.reports.views.subjects import by_subject

DAY, NOW = date(2026, 11, 10), datetime(2026, 11, 20, 8, tzinfo=UTC)
PLACE = {"account": "123456789012", "region": "us-east-1"}


def put(lake: Lake, table: Table, *rows: dict[str, object]) -> None:
    filled = [{name: row.get(name) for name in table.columns} for row in rows]
    lake.replace(table, pl.DataFrame(filled, schema=table.columns), Scope())


def fill(lake: Lake) -> None:
    """A multi-model endpoint at $10 a day with a credit of $2; three of four counted requests are for one model."""
    row = PLACE | {"day": DAY, "dataset": "cost-explorer", "currency": "USD", "service": "Amazon SageMaker"}
    row |= {"resource_kind": "endpoint", "resource_name": "many", "estimated": False}
    put(
        lake,
        DAILY_COSTS,
        row | {"charge_category": "Usage", "billed_cost": 10.0},
        row | {"charge_category": "Credit", "billed_cost": -2.0},
    )
    seen = PLACE | {"observed_on": DAY, "observed_at": NOW, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    variant = {"VariantName": "main", "ModelName": "shared", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}
    config = {"EndpointConfig": {"ProductionVariants": [variant]}}
    model = {"PrimaryContainer": {"Mode": "MultiModel"}}
    put(
        lake,
        INVENTORY,
        seen | {"kind": "endpoint", "name": "many", "config": json.dumps(config)},
        seen | {"kind": "model", "name": "shared", "config": json.dumps(model)},
    )
    counted = PLACE | {"endpoint": "many", "variant": "main", "day": DAY, "upto": NOW, "observed_at": NOW}
    put(lake, MODEL_REQUESTS, counted | {"model": "a", "requests": 3}, counted | {"model": "", "requests": 1})


def test_models_share_the_endpoints_usage_and_its_credit_is_the_rest_of_the_bill(lake: Lake) -> None:
    fill(lake)
    found = by_subject(lake, "cost-explorer", "USD", "billed", DAY, DAY, "model", NOW)
    assert dict(found.select("group", "cost").rows()) == {"a": 7.5, "unallocated": 2.5, "everything else": -2.0}


def test_an_endpoint_that_hosts_several_models_is_shown_with_what_each_share_rests_on(lake: Lake) -> None:
    fill(lake)
    found = models_inside(lake, "cost-explorer", "USD", "billed", DAY, DAY, NOW.date())
    assert found.select("endpoint", "model", "how", "cost", "share").rows() == [
        ("many", "a", "requests counted", 7.5, 0.75),
        ("many", "unallocated", "no counted request names a model", 2.5, 0.25),
    ]


def test_shared_cost_that_was_split_is_told_by_its_rule_and_stays_in_the_sum(lake: Lake) -> None:
    row = PLACE | {"day": DAY, "dataset": "cost-explorer", "currency": "USD", "charge_category": "Usage"}
    shared = row | {"resource_name": "hub", "split_rule": "hub: evenly over owners"}
    put(
        lake,
        DAILY_COSTS,
        row | {"owner": "risk", "billed_cost": 5.0},
        *(shared | {"owner": who, "billed_cost": 2.0} for who in ("risk", "search")),
    )
    cube = load_cube(lake, "cost-explorer", NOW)
    assert split_cost(cube, "billed") == [("hub: evenly over owners", 4.0)]
    assert dict(cube.group_by("owner").agg(pl.col("billed").sum()).rows()) == {"risk": 7.0, "search": 2.0}
