"""GetCostAndUsage and GetCostAndUsageWithResources: sums of the bill's lines by period and up to two groups.

In: a period, a granularity, metrics, a filter, group-bys. Out: AWS's answer, in pages. Amounts are summed as exact
decimals, so that the groups of any grouping add up to the ungrouped total to the last digit, and a filter and its Not
to the whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl

from sagekeeper.simulator.bill_lines import Step
from sagekeeper.simulator.cost_explorer_dates import Period, period
from sagekeeper.simulator.cost_explorer_filter import MOST_GROUPS, Reader
from sagekeeper.simulator.cost_explorer_lines import METRICS, Ledger, explorer_of, ledger
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.cost_explorer_pages import offset_of, token_of
from sagekeeper.simulator.cost_explorer_sums import in_period, period_of
from sagekeeper.simulator.meter import FINAL_AFTER
from sagekeeper.simulator.operations import Ask, Handler, Refused

GROUPS_A_PAGE = 2000
METRIC_NAMES = {
    "".join(part.title() for part in name.split("_")): name
    for name in (
        "AMORTIZED_COST",
        "BLENDED_COST",
        "NET_AMORTIZED_COST",
        "NET_UNBLENDED_COST",
        "NORMALIZED_USAGE_AMOUNT",
        "UNBLENDED_COST",
        "USAGE_QUANTITY",
    )
}
USAGE_METRICS = ("UsageQuantity", "NormalizedUsageAmount")
MIXED = "N/A"


def get_cost_and_usage(ask: Ask) -> dict[str, Any]:
    """Costs by period and group."""
    return _answer(ask, resources=False)


def get_cost_and_usage_with_resources(ask: Ask) -> dict[str, Any]:
    """The same by resource, for the last 14 days, when grouped or filtered by RESOURCE_ID."""
    wanted = json.dumps([ask.params.get("GroupBy", []), ask.params.get("Filter", {})])
    if '"RESOURCE_ID"' not in wanted:
        raise Refused("ValidationException", "Filter or group by RESOURCE_ID is required.")
    return _answer(ask, resources=True)


def _answer(ask: Ask, *, resources: bool) -> dict[str, Any]:
    params, explorer = ask.params, explorer_of(ask)
    metrics = _metrics(params.get("Metrics"))
    groups = params.get("GroupBy") or []
    if len(groups) > MOST_GROUPS:
        raise Refused("ValidationException", "The number of group definitions exceeds the limit of 2.")
    if len({(group.get("Type"), group.get("Key")) for group in groups}) < len(groups):
        raise Refused("ValidationException", "Group definitions must be different from each other.")
    asked = period(ask, explorer, resources=resources)
    start = offset_of(params)
    step: Step = "hour" if asked.granularity == "HOURLY" else "day"
    book = ledger(ask, step)
    summed = _kept_sums(
        ask,
        book,
        resources,
        lambda: _summed(book, reader(ask, book, resources=resources), asked, params.get("Filter"), groups, metrics),
    )
    answer = _results(ask, asked, summed, metrics, start if groups else 0, bool(groups))
    if groups:
        answer["GroupDefinitions"] = [{"Type": group.get("Type", "DIMENSION"), "Key": group["Key"]} for group in groups]
        answer["DimensionValueAttributes"] = _accounts(ask, summed, groups)
        if start + GROUPS_A_PAGE < summed.height:
            answer["NextPageToken"] = token_of(start + GROUPS_A_PAGE, params)
    return answer


def _kept_sums(ask: Ask, book: Ledger, resources: bool, made: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """The sums of a request, kept for its further pages as long as the bill is the same."""
    explorer = explorer_of(ask)
    asked = json.dumps({key: value for key, value in ask.params.items() if key != "NextPageToken"}, sort_keys=True)
    same = (asked, ask.account, resources, explorer.changes)
    kept = explorer.kept.get("sums")
    if kept is None or kept[0] is not book or kept[1] != same:
        kept = (book, same, made())
        explorer.kept["sums"] = kept
    found: pl.DataFrame = kept[2]
    return found


def _metrics(wanted: list[str] | None) -> dict[str, str]:
    """The metrics asked for, by the names the answer has them under."""
    if not wanted:
        raise Refused("ValidationException", "Metrics is required for this request.")
    known = METRIC_NAMES | {upper: name for name, upper in METRIC_NAMES.items()}
    for name in wanted:
        if name not in known:
            raise Refused(
                "ValidationException",
                f"Unable to process request, metric {name} is invalid. "
                f"Valid values are {', '.join(METRIC_NAMES.values())}",
            )
    # The answer has them as they were asked for.
    return {name: METRICS[name if name in METRICS else known[name]] for name in wanted}


def _summed(
    book: Ledger,
    read: Reader,
    asked: Period,
    wanted: dict[str, Any] | None,
    groups: list[dict[str, str]],
    metrics: dict[str, str],
) -> pl.DataFrame:
    """One row per period and group: sums of the metrics' columns, and the unit of the quantities where it is one."""
    keys = [read.key(group).alias(f"key{number}") for number, group in enumerate(groups)]
    condition = read.condition(wanted) if wanted else None
    # Lazily: of a large organisation's ledger only the columns that are asked for are looked at.
    lines = in_period(book.lines.lazy(), asked)
    if condition is not None:
        lines = lines.filter(condition)
    names = [f"key{number}" for number in range(len(groups))]
    columns = sorted(set(metrics.values()))
    usage = {"quantity", "normalized"} & set(columns)
    unit = [pl.col("unit").drop_nulls().n_unique().alias("units"), pl.col("unit").drop_nulls().first()] if usage else []
    return (
        lines.select(period_of(asked).alias("period"), *keys, *columns, *(["unit"] if usage else []))
        .group_by("period", *names)
        .agg(*(pl.col(name).sum() for name in columns), *unit)
        .with_columns(
            *(pl.col(name).cast(pl.String) for name in names),
            *(_plain_decimal(pl.col(name)).alias(name) for name in columns),
            *(
                [pl.when(pl.col("units") == 1).then(pl.col("unit").cast(pl.String)).otherwise(pl.lit(MIXED))]
                if usage
                else []
            ),
        )
        .sort("period", *names)
        .collect()
    )


def _plain_decimal(amount: pl.Expr) -> pl.Expr:
    """As AWS writes amounts: no zeros at the end of a fraction."""
    return amount.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")


def _results(
    ask: Ask, asked: Period, summed: pl.DataFrame, metrics: dict[str, str], start: int, grouped: bool
) -> dict[str, Any]:
    part = summed.slice(start, GROUPS_A_PAGE) if grouped else summed
    begins = summed["period"]
    since = begins[start] if grouped and 0 < start < summed.height else None
    until = begins[start + GROUPS_A_PAGE] if grouped and start + GROUPS_A_PAGE < summed.height else None
    names = [name for name in part.columns if name.startswith("key")]
    columns = part.to_dict(as_series=False)
    units = columns.get("unit", [])
    amounts = [
        [
            {"Amount": amount, "Unit": units[number] if metric_of(metric) == "UsageQuantity" else MIXED}
            if metric_of(metric) in USAGE_METRICS
            else {"Amount": amount, "Unit": "USD"}
            for number, amount in enumerate(columns[column])
        ]
        for metric, column in metrics.items()
    ]
    found = [dict(zip(metrics, row, strict=True)) for row in zip(*amounts, strict=True)]
    keys = list(zip(*(columns[name] for name in names), strict=True)) if names else [()] * len(found)
    rows: dict[datetime, list[dict[str, Any]]] = {}
    for moment, key, told in zip(columns["period"], keys, found, strict=True):
        rows.setdefault(moment, []).append({"Keys": list(key), "Metrics": told})
    nothing = {
        metric: {"Amount": "0", "Unit": MIXED if metric_of(metric) in USAGE_METRICS else "USD"} for metric in metrics
    }
    results = [
        {
            "TimePeriod": {"Start": asked.written(begin), "End": asked.written(end)},
            "Total": {} if grouped else rows[begin][0]["Metrics"] if begin in rows else nothing,
            "Groups": rows.get(begin, []) if grouped else [],
            "Estimated": estimated(begin, end, ask.now),
        }
        for begin, end in asked.pieces()
        # A period without charges is on the page where it falls.
        if begin in rows or ((since is None or begin > since) and (until is None or begin < until))
    ]
    return {"ResultsByTime": results, "DimensionValueAttributes": []}


def metric_of(name: str) -> str:
    """A metric's name in camel case."""
    return name if name in METRICS else next(camel for camel, upper in METRIC_NAMES.items() if upper == name)


def estimated(begin: datetime, end: datetime, now: datetime) -> bool:
    """Whether the period's charges may still change: its last days are open, or its month is not closed."""
    return now - FINAL_AFTER < end or (begin.year, begin.month) == (now.year, now.month)


def _accounts(ask: Ask, summed: pl.DataFrame, groups: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The names of the accounts among the groups."""
    for number, group in enumerate(groups):
        if group.get("Key") == "LINKED_ACCOUNT":
            found, names = summed[f"key{number}"].unique().sort().to_list(), ask.house.world.accounts
            return [{"Value": account, "Attributes": {"description": names.get(account, account)}} for account in found]
    return []


HANDLERS: dict[str, Handler] = {
    "GetCostAndUsage": get_cost_and_usage,
    "GetCostAndUsageWithResources": get_cost_and_usage_with_resources,
}
