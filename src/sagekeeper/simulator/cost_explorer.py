"""Cost Explorer's answers, computed from the meter: filters, two group-bys, daily and monthly, pages, AWS's date rules."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.meter import FINAL_AFTER
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER

DIMENSIONS = {
    "SERVICE": "service",
    "USAGE_TYPE": "usage_type",
    "LINKED_ACCOUNT": "account",
    "REGION": "region",
    "RECORD_TYPE": "record_type",
    "OPERATION": "operation",
    "RESOURCE_ID": "resource_id",
}
COSTS = ("UnblendedCost", "AmortizedCost", "BlendedCost", "NetUnblendedCost", "NetAmortizedCost")
GROUPS_A_PAGE = 2000
RESOURCE_DAYS = 14
HISTORY_MONTHS = 14


def get_cost_and_usage(ask: Ask) -> dict[str, Any]:
    """Costs by period and group."""
    return _answer(ask, resources=False)


def get_cost_and_usage_with_resources(ask: Ask) -> dict[str, Any]:
    """The same by resource, for the last 14 days, when grouped or filtered by RESOURCE_ID."""
    wanted = json.dumps([ask.params.get("GroupBy", []), ask.params.get("Filter", {})])
    if "RESOURCE_ID" not in wanted:
        raise Refused("ValidationException", "Filter or group by RESOURCE_ID is required.")
    return _answer(ask, resources=True)


def get_dimension_values(ask: Ask) -> dict[str, Any]:
    """The values a dimension has in a period."""
    first, last = _period(ask, resources=False)
    column = DIMENSIONS.get(ask.params["Dimension"])
    if column is None:
        return {"DimensionValues": [], "ReturnSize": 0, "TotalSize": 0}
    lines = _visible(ask, first, last)
    found = sorted(value for value in lines[column].unique().to_list() if value)
    return {
        "DimensionValues": [{"Value": value, "Attributes": {}} for value in found],
        "ReturnSize": len(found),
        "TotalSize": len(found),
    }


def _answer(ask: Ask, *, resources: bool) -> dict[str, Any]:
    params = ask.params
    first, last = _period(ask, resources=resources)
    granularity = params.get("Granularity", "MONTHLY")
    if granularity == "HOURLY":
        raise Refused("DataUnavailableException", "Hourly granularity is not enabled for this account.")
    lines = _visible(ask, first, last)
    if params.get("Filter"):
        lines = lines.filter(_expression(params["Filter"]))
    period = (
        pl.col("day") if granularity == "DAILY" else pl.max_horizontal(pl.col("day").dt.truncate("1mo"), pl.lit(first))
    )
    groups = params.get("GroupBy", [])
    if len(groups) > 2:
        raise Refused("ValidationException", "Member must have length less than or equal to 2")
    keys = [_group(item).alias(f"key{number}") for number, item in enumerate(groups)]
    names = [f"key{number}" for number in range(len(groups))]
    summed = (
        lines.with_columns(period.alias("period"), *keys)
        .group_by("period", *names)
        .agg(pl.col("cost").sum(), pl.col("quantity").sum())
        .sort("period", *names)
    )
    token = str(params.get("NextPageToken") or "0")
    if not token.isdigit():
        raise Refused("ValidationException", "Invalid NextPageToken")
    start = int(token)
    part = summed.slice(start, GROUPS_A_PAGE) if groups else summed
    rows: dict[date, list[dict[str, Any]]] = {}
    for row in part.to_dicts():
        rows.setdefault(row["period"], []).append(row)
    results = []
    for begin, end in _periods(first, last, granularity):
        if groups and begin not in rows and (start or start + GROUPS_A_PAGE < summed.height):
            continue
        results.append(_result(ask, begin, end, rows.get(begin, []), names, params["Metrics"]))
    answer: dict[str, Any] = {"ResultsByTime": results, "DimensionValueAttributes": []}
    if groups:
        answer["GroupDefinitions"] = groups
        if start + GROUPS_A_PAGE < summed.height:
            answer["NextPageToken"] = str(start + GROUPS_A_PAGE)
    return answer


def _period(ask: Ask, *, resources: bool) -> tuple[date, date]:
    start, end = (date.fromisoformat(ask.params["TimePeriod"][key][:10]) for key in ("Start", "End"))
    if start >= end:
        raise Refused("ValidationException", "Start date (and hour) should be before end date (and hour)")
    today = ask.now.date()
    if start > today:
        raise Refused("ValidationException", "Start date cannot be after today")
    oldest = (
        today - timedelta(days=RESOURCE_DAYS)
        if resources
        else (today.replace(day=1) - timedelta(days=31 * (HISTORY_MONTHS - 1))).replace(day=1)
    )
    if start < oldest:
        raise Refused(
            "ValidationException",
            f"Data is only available from {oldest}. Start date {start} is beyond the limit of historical data.",
        )
    return start, min(end, today + timedelta(days=1)) - timedelta(days=1)


def _visible(ask: Ask, first: date, last: date) -> pl.DataFrame:
    lines = ask.house.meter.lines(first, last, ask.now)
    return lines if ask.account == PAYER else lines.filter(pl.col("account") == ask.account)


def _expression(wanted: dict[str, Any]) -> pl.Expr:
    if len(wanted) != 1:
        raise Refused("ValidationException", "Expression must have exactly one root operator")
    operator, value = next(iter(wanted.items()))
    if operator == "And":
        return pl.all_horizontal([_expression(item) for item in value])
    if operator == "Or":
        return pl.any_horizontal([_expression(item) for item in value])
    if operator == "Not":
        return ~_expression(value)
    column = _dimension(value["Key"]) if operator == "Dimensions" else _tag(value["Key"])
    return column.fill_null("").is_in(value.get("Values", []))


def _group(item: dict[str, str]) -> pl.Expr:
    if item["Type"] == "TAG":
        return pl.lit(item["Key"] + "$") + _tag(item["Key"]).fill_null("")
    return _dimension(item["Key"]).fill_null("NoResourceId" if item["Key"] == "RESOURCE_ID" else "")


def _dimension(key: str) -> pl.Expr:
    if key not in DIMENSIONS:
        raise Refused("ValidationException", f"Dimension {key} is not supported by the simulated account.")
    return pl.col(DIMENSIONS[key])


def _tag(key: str) -> pl.Expr:
    return pl.col("tags").str.json_path_match(f"$['{key}']")


def _periods(first: date, last: date, granularity: str) -> list[tuple[date, date]]:
    if granularity == "DAILY":
        return [(first + timedelta(days=n), first + timedelta(days=n + 1)) for n in range((last - first).days + 1)]
    found, begin = [], first
    while begin <= last:
        following = (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
        found.append((begin, min(following, last + timedelta(days=1))))
        begin = following
    return found


def _result(
    ask: Ask, begin: date, end: date, rows: list[dict[str, Any]], names: list[str], metrics: list[str]
) -> dict[str, Any]:
    estimated = ask.now - FINAL_AFTER < _midnight(ask, end) or begin >= ask.now.date().replace(day=1)
    result: dict[str, Any] = {
        "TimePeriod": {"Start": begin.isoformat(), "End": end.isoformat()},
        "Estimated": estimated,
    }
    if names:
        return result | {
            "Total": {},
            "Groups": [{"Keys": [row[name] for name in names], "Metrics": _amounts(row, metrics)} for row in rows],
        }
    return result | {"Total": _amounts(rows[0] if rows else {"cost": 0.0, "quantity": 0.0}, metrics), "Groups": []}


def _amounts(row: dict[str, Any], metrics: list[str]) -> dict[str, dict[str, str]]:
    return {
        metric: {"Amount": f"{row['cost']:.10f}", "Unit": "USD"}
        if metric in COSTS
        else {"Amount": f"{row['quantity']:.10f}", "Unit": "N/A"}
        for metric in metrics
    }


def _midnight(ask: Ask, day: date) -> Any:
    return ask.now.replace(year=day.year, month=day.month, day=day.day, hour=0, minute=0, second=0, microsecond=0)


HANDLERS: dict[str, Handler] = {
    "GetCostAndUsage": get_cost_and_usage,
    "GetCostAndUsageWithResources": get_cost_and_usage_with_resources,
    "GetDimensionValues": get_dimension_values,
}
