"""The bill through Cost Explorer: what was charged, per day, account, region, service, usage type and, lately, resource?

In: Cost Explorer of the paying account. Out: `costs` rows of the dataset ``cost-explorer``, whose sum per month is
Cost Explorer's own total. Every request costs $0.01 (aws-facts 4.1), so the questions are few: one for what there is,
one per watched account and region by service and usage type, one per account for its other regions, one per account
for everything that is not usage (tax, credits, fees), one for accounts that are not watched, one by resource for the
last 14 days of SageMaker, and one for the total to compare with. Days that AWS may still restate are read again and
replaced at once; a day once read with resources keeps them. The day that is not over is not read: part of a day is
not a day's cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from botocore.exceptions import ClientError

from sagekeeper.collector.cur_rules import RULES, UNKNOWN_TYPE
from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.aws import explain
from sagekeeper.core.clock import CLOSING_DAYS, day_start, month_start
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import COSTS, SAGEMAKER

DATASET = "cost-explorer"
USAGE_TYPES = ["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"]
"""Record types that have a usage type and a quantity."""
RECORD_TYPES = {
    "Enterprise Discount Program Discount": "EdpDiscount",
    "Private Rate Card Discount": "PrivateRateDiscount",
    "Solution Provider Program Discount": "SppDiscount",
    "Bundled Discount": "BundledDiscount",
    "Other out-of-cycle charges": "Fee",
    "Support fee": "Fee",
    "Upfront reservation fee": "Fee",
    "Recurring reservation fee": "RIFee",
}
"""Where Cost Explorer's name of a record type is not the report's, whose rules (`RULES`) hold for both."""
METRICS = {"UnblendedCost": "billed", "AmortizedCost": "effective", "UsageQuantity": "quantity"}
RESOURCE_DAYS = 14
"""GetCostAndUsageWithResources answers for the last 14 days (aws-facts 4.1)."""
CENT = Decimal("0.005")
_DECIMALS = 10
"""Cost Explorer's own amounts have ten decimals; what is computed from them is rounded there, so that a repeat is equal."""
NOTHING = ("", "NoRegion", "NoResourceId", "NoUsageType")
"""Keys of groups of charges that have no value for the dimension."""


def collect(task: Task) -> int:
    """Read the days that are new or may be restated."""
    first, last = _days(task)
    with aws_errors("Cost Explorer"):
        spine = pl.DataFrame(list(_spine(task, first, last)), schema=_SPINE)
        spine = pl.concat([spine, _difference(task, spine, first, last)])
        resources = _resources(task, first, last)
    costs = _with_resources(spine, resources).select(_columns(task))
    task.replace(COSTS, costs, Scope({"x_Dataset": DATASET}, "x_ChargeDate", first, last))
    task.has_read_upto(day_start(last) + timedelta(days=1))
    return costs.height


_SPINE = {
    "day": pl.Date(),
    "account": pl.String(),
    "region": pl.String(),
    "service": pl.String(),
    "usage_type": pl.String(),
    "record_type": pl.String(),
    "resource": pl.String(),
    "billed": pl.Float64(),
    "effective": pl.Float64(),
    "quantity": pl.Float64(),
    "currency": pl.String(),
    "estimated": pl.Boolean(),
    "exact": pl.String(),  # the billed amount as Cost Explorer wrote it
}
_SLICE = ["day", "account", "region", "service", "usage_type", "record_type"]
_RESOURCES = {name: kind for name, kind in _SPINE.items() if name in (*_SLICE, "resource", *METRICS.values())}


def _days(task: Task) -> tuple[date, date]:
    """From what may still change to yesterday."""
    today = task.as_of.date()
    read = task.read_upto()
    if read is None:
        first = month_start(today)
        for _ in range(task.settings.collect.cost_months):
            first = month_start(first - timedelta(days=1))
        return first, today - timedelta(days=1)
    closing = month_start(today) if today.day > CLOSING_DAYS else month_start(month_start(today) - timedelta(days=1))
    restated = today - timedelta(days=task.settings.collect.restated_days)
    return min(read.date(), restated, closing), today - timedelta(days=1)


def _spine(task: Task, first: date, last: date) -> Iterator[dict[str, Any]]:
    """Rows that together are the whole bill, each charge in exactly one."""
    there = {
        (group["Keys"][0], group["Keys"][1])
        for result in _ask(task, first, last, ["LINKED_ACCOUNT", "REGION"], None, granularity="MONTHLY")
        for group in result["Groups"]
    }
    watched = [account.id for account in task.settings.aws.accounts]
    usage = _is("RECORD_TYPE", USAGE_TYPES)
    wanted: dict[str, Any]
    for number, account in enumerate(watched):
        task.progress(f"account {account}", number / (len(watched) + 1))
        its_regions = {region for owner, region in there if owner == account}
        here = _is("LINKED_ACCOUNT", [account])
        for region in task.settings.aws.regions:
            if region in its_regions:
                wanted = {"And": [here, _is("REGION", [region]), usage]}
                for row, (service, usage_type) in _rows(_ask(task, first, last, ["SERVICE", "USAGE_TYPE"], wanted)):
                    yield row | {"account": account, "region": region, "service": service, "usage_type": usage_type}
        if its_regions - set(task.settings.aws.regions):
            wanted = {"And": [here, {"Not": _is("REGION", task.settings.aws.regions)}, usage]}
            for row, (elsewhere, service) in _rows(_ask(task, first, last, ["REGION", "SERVICE"], wanted)):
                yield row | {"account": account, "region": elsewhere, "service": service}
        if its_regions:
            wanted = {"And": [here, {"Not": usage}]}
            for row, (record_type, service) in _rows(_ask(task, first, last, ["RECORD_TYPE", "SERVICE"], wanted)):
                yield row | {"account": account, "service": service, "record_type": record_type}
    if {owner for owner, _ in there} - set(watched):
        wanted = {"Not": _is("LINKED_ACCOUNT", watched)}
        for row, (other, record_type) in _rows(_ask(task, first, last, ["LINKED_ACCOUNT", "RECORD_TYPE"], wanted)):
            yield row | {"account": other, "record_type": record_type}


def _difference(task: Task, spine: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """What Cost Explorer's own total has and the rows have not, as a row of its own: nothing is dropped, nothing is hidden."""
    ours: dict[date, Decimal] = defaultdict(Decimal)
    for day, exact in spine.select("day", "exact").iter_rows():
        ours[month_start(day)] += Decimal(exact)
    rows = []
    for result in _ask(task, first, last, [], None, granularity="MONTHLY"):
        begin = date.fromisoformat(result["TimePeriod"]["Start"])
        total = result["Total"]
        missing = Decimal(total["UnblendedCost"]["Amount"]) - ours[month_start(begin)]
        if abs(missing) >= CENT:
            task.note(
                f"In {begin:%B %Y} Cost Explorer's groups add up to {-missing:+.2f} against its total: kept as a row of its own. "
                "AWS may have restated in between; the next run reads it again."
            )
            rows.append(
                _empty(begin, result, total["UnblendedCost"]["Unit"])
                | {"record_type": "Difference to total", "billed": float(missing), "exact": str(missing)}
            )
    return pl.DataFrame(rows, schema=_SPINE)


def _resources(task: Task, first: date, last: date) -> pl.DataFrame:
    """SageMaker's usage by resource: asked where Cost Explorer still answers, kept from earlier reads before that."""
    asked_from = max(first, task.as_of.date() - timedelta(days=RESOURCE_DAYS))
    wanted = {"And": [_is("SERVICE", [SAGEMAKER]), _is("RECORD_TYPE", USAGE_TYPES)]}
    found: list[dict[str, Any]] = []
    try:
        answers = _ask(
            task, asked_from, last, ["RESOURCE_ID", "USAGE_TYPE"], wanted, operation="get_cost_and_usage_with_resources"
        )
        for row, (resource, usage_type) in _rows(answers):
            parts = (resource or "").split(":")  # arn:aws:sagemaker:region:account:...
            if len(parts) >= 6:
                found.append(
                    row | {"account": parts[4], "region": parts[3], "usage_type": usage_type, "resource": resource}
                )
    except ClientError as error:
        task.note(
            f"Costs by resource were not read ({explain(error)}). Enable resource-level data in Cost Explorer's settings."
        )
        asked_from = last + timedelta(days=1)
    asked = pl.DataFrame(found, schema=_SPINE).with_columns(service=pl.lit(SAGEMAKER)).select(_RESOURCES.keys())
    earlier = (
        task.lake.scan(COSTS)
        .filter(
            (pl.col("x_Dataset") == DATASET)
            & pl.col("x_ChargeDate").is_between(first, asked_from - timedelta(days=1))
            & pl.col("ResourceId").is_not_null()
        )
        .select(
            day="x_ChargeDate",
            account="SubAccountId",
            region="RegionId",
            service="ServiceName",
            usage_type="x_UsageType",
            record_type="x_RecordType",
            resource="ResourceId",
            billed="BilledCost",
            effective="EffectiveCost",
            quantity="ConsumedQuantity",
        )
        .collect()
    )
    return pl.concat([asked, earlier]) if earlier.height else asked


def _with_resources(spine: pl.DataFrame, resources: pl.DataFrame) -> pl.DataFrame:
    """Each spine row as its resources' rows and one row for what no resource accounts for; the sum stays the spine's."""
    amounts = list(METRICS.values())
    # A resource of a slice that the spine does not have would add to the bill: it is left out.
    named = resources.join(spine.select(*_SLICE, "currency", "estimated"), on=_SLICE, how="inner", nulls_equal=True)
    taken = named.group_by(_SLICE).agg(pl.col(amounts).sum())
    left = spine.join(taken, on=_SLICE, how="left", nulls_equal=True, suffix="_taken").with_columns(
        (pl.col(name) - pl.col(f"{name}_taken").fill_null(0.0)).round(_DECIMALS) for name in amounts
    )
    nothing_left = pl.col("billed_taken").is_not_null() & pl.all_horizontal(pl.col(name) == 0 for name in amounts)
    columns = [name for name in _SPINE if name != "exact"]
    return pl.concat([left.filter(~nothing_left).select(columns), named.select(columns)]).sort(
        *_SLICE, "resource", nulls_last=True
    )


def _columns(task: Task) -> list[pl.Expr]:
    """The spine's columns as `costs` columns, every other column null."""
    record_type = pl.col("record_type").replace(RECORD_TYPES)
    names = {account.id: account.name for account in task.settings.aws.accounts if account.name}
    is_usage = pl.col("record_type") == "Usage"
    month = pl.col("day").dt.truncate("1mo")
    given: dict[str, pl.Expr] = {
        "BillingAccountId": pl.lit(task.account.id),
        "SubAccountId": pl.col("account"),
        "SubAccountName": pl.col("account").replace_strict(names, default=None, return_dtype=pl.String),
        "BillingPeriodStart": _midnight(month),
        "BillingPeriodEnd": _midnight(month.dt.offset_by("1mo")),
        "ChargePeriodStart": _midnight(pl.col("day")),
        "ChargePeriodEnd": _midnight(pl.col("day").dt.offset_by("1d")),
        "ChargeCategory": record_type.replace_strict(
            {name: rule.category for name, rule in RULES.items()},
            default=UNKNOWN_TYPE.category,
            return_dtype=pl.String,
        ),
        "ChargeFrequency": record_type.replace_strict(
            {name: rule.frequency for name, rule in RULES.items()}, default=None, return_dtype=pl.String
        ),
        "ProviderName": pl.lit("AWS"),
        "ServiceName": pl.col("service"),
        "RegionId": pl.col("region"),
        "ResourceId": pl.col("resource"),
        "ResourceName": pl.col("resource").str.extract(r"[/]([^/]+)$"),
        "ResourceType": pl.col("resource").str.extract(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:([^/]+)/"),
        "ConsumedQuantity": pl.when(is_usage).then("quantity"),
        "BilledCost": pl.col("billed"),
        "EffectiveCost": pl.col("effective"),
        "BillingCurrency": pl.col("currency"),
        "x_UsageType": pl.col("usage_type"),
        "x_RecordType": record_type,
        "x_Source": pl.lit("cost_explorer"),
        "x_Dataset": pl.lit(DATASET),
        "x_ChargeDate": pl.col("day"),
        "x_Estimated": pl.col("estimated"),
        "x_ObservedAt": pl.lit(task.as_of).dt.cast_time_unit("us"),
    }
    return [given.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in COSTS.columns.items()]


def _midnight(day: pl.Expr) -> pl.Expr:
    return day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _is(dimension: str, values: list[str]) -> dict[str, Any]:
    return {"Dimensions": {"Key": dimension, "Values": values}}


def _rows(answers: Iterator[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[str | None]]]:
    """A row without its place yet, and the group's keys; an empty key is None."""
    for result in answers:
        day = date.fromisoformat(result["TimePeriod"]["Start"][:10])
        for group in result["Groups"]:
            amounts = group["Metrics"]
            row = _empty(day, result, amounts["UnblendedCost"]["Unit"])
            row |= {ours: float(amounts[theirs]["Amount"]) for theirs, ours in METRICS.items()}
            row["exact"] = amounts["UnblendedCost"]["Amount"]
            yield row, [None if key in NOTHING else key for key in group["Keys"]]


def _empty(day: date, result: dict[str, Any], currency: str) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(_SPINE)
    return blank | {"day": day, "record_type": "Usage", "currency": currency, "estimated": result.get("Estimated")}


def _ask(
    task: Task,
    first: date,
    last: date,
    groups: list[str],
    wanted: dict[str, Any] | None,
    *,
    granularity: str = "DAILY",
    operation: str = "get_cost_and_usage",
) -> Iterator[dict[str, Any]]:
    """ResultsByTime of all pages. The end that Cost Explorer is given is exclusive."""
    request: dict[str, Any] = {
        "TimePeriod": {"Start": str(first), "End": str(last + timedelta(days=1))},
        "Granularity": granularity,
        "Metrics": list(METRICS),
    }
    if groups:
        request["GroupBy"] = [{"Type": "DIMENSION", "Key": key} for key in groups]
    if wanted is not None:
        request["Filter"] = wanted
    client = task.client("ce")
    while True:
        answer = getattr(client, operation)(**request)
        yield from answer["ResultsByTime"]
        if not answer.get("NextPageToken"):
            return
        request["NextPageToken"] = answer["NextPageToken"]


COST_EXPLORER = Source(
    name="cost_explorer",
    description="the bill, by day, account, region, service, usage type and resource",
    per="payer",
    permissions=("ce:GetCostAndUsage", "ce:GetCostAndUsageWithResources"),
    collect=collect,
)
