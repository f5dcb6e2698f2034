"""What can be asked for: the values of dimensions, tags and cost categories in a period, and how many records there are.

In: a period, a filter, a search string. Out: GetDimensionValues, GetTags, GetCostCategories and
GetApproximateUsageRecords. Sorted by name, or by a metric where ``SortBy`` says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.cost_explorer_dates import period
from sagekeeper.simulator.cost_explorer_filter import COLUMNS, CONSTANT, Reader
from sagekeeper.simulator.cost_explorer_lines import METRICS, NOTHING, explorer_of, ledger
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.operations import Ask, Handler, Refused

MOST = 1000
IN_CONTEXT = {
    "RESERVATIONS": (
        "AZ",
        "CACHE_ENGINE",
        "DEPLOYMENT_OPTION",
        "INSTANCE_TYPE",
        "LINKED_ACCOUNT",
        "PLATFORM",
        "REGION",
        "SCOPE",
        "TAG",
        "TENANCY",
        "SERVICE",
        "SUBSCRIPTION_ID",
    ),
    "SAVINGS_PLANS": (
        "SAVINGS_PLANS_TYPE",
        "PAYMENT_OPTION",
        "REGION",
        "INSTANCE_TYPE_FAMILY",
        "LINKED_ACCOUNT",
        "SAVINGS_PLAN_ARN",
    ),
}
"""Dimensions of the other contexts (the service model of GetDimensionValues)."""
RESOURCE_DAYS = 14


def get_dimension_values(ask: Ask) -> dict[str, Any]:
    """The values a dimension has in a period."""
    params, name = ask.params, ask.params["Dimension"]
    context = params.get("Context") or "COST_AND_USAGE"
    asked = period(ask, explorer_of(ask), "DAILY" if len(params["TimePeriod"]["Start"]) <= 10 else "HOURLY")
    allowed = IN_CONTEXT.get(context, (*COLUMNS, *CONSTANT, "PLATFORM"))
    if name not in allowed or (name == "RESOURCE_ID" and context == "COST_AND_USAGE"):
        raise Refused("ValidationException", f"Dimension {name} is not allowed.")
    book = ledger(ask)
    lines = book.lines.filter(pl.col("day").is_between(asked.first, asked.last))
    if context == "RESERVATIONS":
        # Nobody in the simulated account has reserved anything.
        lines = lines.clear()
    if context == "SAVINGS_PLANS":
        lines = lines.filter(pl.col("SAVINGS_PLAN_ARN") != NOTHING["SAVINGS_PLAN_ARN"])
    read = reader(ask, book)
    values = [] if name in ("SCOPE", "TAG", "PAYMENT_OPTION") else _values(read, lines, read.dimension(name), params)
    names = ask.house.world.accounts
    rows = [
        {"Value": value, "Attributes": {"description": names.get(value, value)} if "ACCOUNT" in name else {}}
        for value in values
    ]
    part, more = page_of(rows, params, MOST)
    return {"DimensionValues": part, "ReturnSize": len(part), "TotalSize": len(rows)} | more


def get_tags(ask: Ask) -> dict[str, Any]:
    """Active tag keys, or the values of one."""
    params, explorer = ask.params, explorer_of(ask)
    asked, book = period(ask, explorer, "DAILY"), ledger(ask)
    lines = book.lines.filter(pl.col("day").is_between(asked.first, asked.last))
    read = reader(ask, book)
    if params.get("TagKey"):
        found = _values(read, lines, book.tag(params["TagKey"], explorer).fill_null(""), params)
    else:
        there = _filtered(read, lines, params)
        on_lines = book.keys_of(there["tags"].unique().to_list())
        found = sorted(
            key
            for key, known in explorer.tag_keys.items()
            if key in on_lines
            and any(first <= asked.last and until > asked.first for first, until in known.shown)
            and params.get("SearchString", "").lower() in key.lower()
        )
    part, more = page_of(found, params, MOST)
    return {"Tags": part, "ReturnSize": len(part), "TotalSize": len(found)} | more


def get_cost_categories(ask: Ask) -> dict[str, Any]:
    """Names of cost categories, or the values of one."""
    params, explorer = ask.params, explorer_of(ask)
    asked, book = period(ask, explorer, "DAILY"), ledger(ask)
    name = params.get("CostCategoryName")
    if not name:
        names = sorted(item.name for item in explorer.categories.values())
        found = [item for item in names if params.get("SearchString", "").lower() in item.lower()]
        part, more = page_of(found, params, MOST)
        return {"CostCategoryNames": part, "ReturnSize": len(part), "TotalSize": len(found)} | more
    if name not in {item.name for item in explorer.categories.values()}:
        raise Refused("ResourceNotFoundException", f"No Cost Categories found with name {name}")
    lines = book.lines.filter(pl.col("day").is_between(asked.first, asked.last))
    read = reader(ask, book)
    found = _values(read, lines, read.category(name).fill_null(""), params)
    part, more = page_of(found, params, MOST)
    return {"CostCategoryValues": part, "ReturnSize": len(part), "TotalSize": len(found)} | more


def get_approximate_usage_records(ask: Ask) -> dict[str, Any]:
    """How many records hours or resources would make, by service."""
    wanted = ask.params
    if wanted["Granularity"] == "MONTHLY":
        raise Refused("ValidationException", "Granularity must be DAILY or HOURLY")
    until = ask.now.replace(minute=0, second=0, microsecond=0)
    since = until.replace(hour=0) - timedelta(days=RESOURCE_DAYS)
    lines = ledger(ask).lines.filter(pl.col("day") >= since.date())
    if wanted.get("Services"):
        lines = lines.filter(pl.col("SERVICE").cast(pl.String).is_in(wanted["Services"]))
    if wanted["ApproximationDimension"] == "RESOURCE":
        lines = lines.filter(pl.col("RESOURCE_ID") != NOTHING["RESOURCE_ID"])
    hours = 24 if wanted["Granularity"] == "HOURLY" else 1
    counted = lines.group_by(pl.col("SERVICE").cast(pl.String)).len().sort("SERVICE")
    services = {name: count * hours for name, count in counted.iter_rows()}
    return {
        "Services": services,
        "TotalRecords": sum(services.values()),
        "LookbackPeriod": {key: at.strftime("%Y-%m-%dT%H:%M:%SZ") for key, at in (("Start", since), ("End", until))},
    }


def _filtered(read: Reader, lines: pl.DataFrame, params: dict[str, Any]) -> pl.DataFrame:
    return lines.filter(read.condition(params["Filter"])) if params.get("Filter") else lines


def _values(read: Reader, lines: pl.DataFrame, value: pl.Expr, params: dict[str, Any]) -> list[str]:
    """The different values among the lines, sorted, those that hold the search string."""
    sort = params.get("SortBy") or []
    if len(sort) > 1:
        raise Refused("ValidationException", "Only one SortBy definition is allowed")
    metric = sort[0]["Key"] if sort else None
    if metric is not None and metric not in METRICS:
        raise Refused("ValidationException", f"SortBy key {metric} is invalid. Valid values are {', '.join(METRICS)}")
    amount = pl.col(METRICS[metric]).sum() if metric else pl.len()
    found = (
        _filtered(read, lines, params)
        .group_by(value.cast(pl.String).alias("value"))
        .agg(amount.alias("amount"))
        .filter(pl.col("value").str.to_lowercase().str.contains(params.get("SearchString", "").lower(), literal=True))
    )
    if metric:
        return found.sort("amount", "value", descending=[sort[0].get("SortOrder") != "ASCENDING", False])[
            "value"
        ].to_list()
    return found["value"].sort().to_list()


HANDLERS: dict[str, Handler] = {
    "GetDimensionValues": get_dimension_values,
    "GetTags": get_tags,
    "GetCostCategories": get_cost_categories,
    "GetApproximateUsageRecords": get_approximate_usage_records,
}
