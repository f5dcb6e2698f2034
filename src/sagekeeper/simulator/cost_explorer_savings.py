"""Savings Plans on the bill: how much of what they could cover they cover, and how much of what is paid is used.

In: the ledger's lines of plans (covered usage, recurring fees) and of usage that a plan could cover. Out:
GetSavingsPlansCoverage, GetSavingsPlansUtilization and GetSavingsPlansUtilizationDetails. Coverage is by on-demand
value, utilisation by the commitment's dollars; net savings are the on-demand value of what was covered less what the
plans cost, used or not (aws-facts 4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.commitments import COVERED, SavingsPlan
from sagekeeper.simulator.cost_explorer_dates import Period, period
from sagekeeper.simulator.cost_explorer_lines import NOTHING, explorer_of, ledger
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.cost_explorer_sums import in_period, period_of
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER, REGIONS, Standing

BY = {"INSTANCE_FAMILY": "INSTANCE_TYPE_FAMILY", "REGION": "REGION", "SERVICE": "SERVICE"}
COVERAGE_FILTERS = ("LINKED_ACCOUNT", "REGION", "SERVICE", "INSTANCE_TYPE_FAMILY")
PLAN_FILTERS = (
    "LINKED_ACCOUNT",
    "SAVINGS_PLAN_ARN",
    "SAVINGS_PLANS_TYPE",
    "REGION",
    "PAYMENT_OPTION",
    "INSTANCE_TYPE_FAMILY",
)
MONTH = timedelta(days=31)
NO_PLANS = "No Savings Plans utilization data is available for the requested period."


def eligible() -> pl.Expr:
    """Usage that a plan could cover: SageMaker's instances, and the instances of EC2."""
    families = "|".join(COVERED)
    usage = pl.col("USAGE_TYPE").cast(pl.String)
    code = pl.col("SERVICE_CODE").cast(pl.String)
    sagemaker = (code == "AmazonSageMaker") & usage.str.contains(rf"(?:^|-)(?:{families}):(?:[A-Za-z]+-)?ml\.")
    return sagemaker | ((code == "AmazonEC2") & usage.str.contains("BoxUsage"))


def get_savings_plans_coverage(ask: Ask) -> dict[str, Any]:
    """On-demand value that plans covered, and what they could have, by period and group."""
    params, asked = ask.params, _asked(ask)
    metrics = params.get("Metrics") or ["SpendCoveredBySavingsPlans"]
    if metrics != ["SpendCoveredBySavingsPlans"]:
        raise Refused("ValidationException", "Metrics only supports SpendCoveredBySavingsPlans")
    groups = params.get("GroupBy") or []
    for group in groups:
        if group.get("Key") not in BY:
            raise Refused("ValidationException", f"GroupBy only supports {', '.join(BY)}")
    keys = [group["Key"] for group in groups]
    lines = _filtered(ask, asked, COVERAGE_FILTERS)
    record = pl.col("RECORD_TYPE").cast(pl.String)
    on_demand, covered = record == "Usage", record == "SavingsPlanCoveredUsage"
    found = (
        lines.filter((on_demand & eligible()) | covered)
        .group_by(period_of(asked).alias("period"), *(pl.col(BY[key]).cast(pl.String).alias(key) for key in keys))
        .agg(
            pl.col("list_cost").filter(covered).sum().cast(pl.Float64).alias("covered"),
            pl.col("cost").filter(on_demand).sum().cast(pl.Float64).alias("paid"),
        )
        .sort("period", *keys)
        .to_dicts()
    )
    ends = dict(asked.pieces())
    rows = [
        {
            "Attributes": {key: row[key] for key in keys},
            "Coverage": {
                "SpendCoveredBySavingsPlans": text(row["covered"]),
                "OnDemandCost": text(row["paid"]),
                "TotalCost": text(row["covered"] + row["paid"]),
                "CoveragePercentage": text(share(row["covered"], row["covered"] + row["paid"])),
            },
            "TimePeriod": {"Start": asked.written(row["period"]), "End": asked.written(ends[row["period"]])},
        }
        for row in found
    ]
    rows = _sorted(rows, params.get("SortBy"), "Coverage")
    part, more = page_of(rows, params, key="NextToken")
    return {"SavingsPlansCoverages": part} | more


def get_savings_plans_utilization(ask: Ask) -> dict[str, Any]:
    """How much of the commitments was used, by period and in all."""
    asked = _asked(ask)
    lines = _of_plans(ask, asked)
    by_period = _used(lines, period_of(asked).alias("period"))
    ends = dict(asked.pieces())
    rows = [
        {"TimePeriod": {"Start": asked.written(row["period"]), "End": asked.written(ends[row["period"]])}} | _told(row)
        for row in by_period
    ]
    rows = _sorted(rows, ask.params.get("SortBy"), "Utilization")
    whole = _told(_used(lines, pl.lit("all").alias("all"))[0])
    return {"SavingsPlansUtilizationsByTime": rows, "Total": whole}


def get_savings_plans_utilization_details(ask: Ask) -> dict[str, Any]:
    """The same by plan, over the whole period."""
    asked = _asked(ask)
    lines = _of_plans(ask, asked)
    wanted = ask.params.get("DataType") or ["ATTRIBUTES", "UTILIZATION", "AMORTIZED_COMMITMENT", "SAVINGS"]
    known = {arn: (here, plan) for here in _places(ask) for arn, plan in here.savings_plans.items()}
    members = {"UTILIZATION": "Utilization", "AMORTIZED_COMMITMENT": "AmortizedCommitment", "SAVINGS": "Savings"}
    rows = []
    for row in _used(lines, pl.col("SAVINGS_PLAN_ARN").cast(pl.String).alias("arn")):
        told = _told(row)
        detail: dict[str, Any] = {"SavingsPlanArn": row["arn"]}
        if "ATTRIBUTES" in wanted and row["arn"] in known:
            detail["Attributes"] = _attributes(*known[row["arn"]], ask.now)
        rows.append(detail | {member: told[member] for kind, member in members.items() if kind in wanted})
    rows = _sorted(rows, ask.params.get("SortBy"), "Utilization")
    part, more = page_of(rows, ask.params, key="NextToken")
    return {
        "SavingsPlansUtilizationDetails": part,
        "Total": _told(_used(lines, pl.lit("all").alias("all"))[0]),
        "TimePeriod": {"Start": asked.written(asked.start), "End": asked.written(asked.end)},
    } | more


def text(amount: float) -> str:
    """A number as these answers have it."""
    return f"{amount:.10f}".rstrip("0").rstrip(".") if amount else "0"


def share(part: float, whole: float) -> float:
    """In percent."""
    return part / whole * 100 if whole else 0.0


def _asked(ask: Ask) -> Period:
    kind = ask.params.get("Granularity") or "MONTHLY"
    return period(ask, explorer_of(ask), kind)


def _filtered(ask: Ask, asked: Period, allowed: tuple[str, ...]) -> pl.DataFrame:
    book = ledger(ask, "hour" if asked.granularity == "HOURLY" else "day")
    lines, wanted = in_period(book.lines, asked), ask.params.get("Filter")
    if not wanted:
        return lines
    for root, leaf in _leaves(wanted):
        if root == "Dimensions" and leaf.get("Key") not in allowed:
            raise Refused("ValidationException", f"Dimension {leaf.get('Key')} is not allowed.")
    return lines.filter(reader(ask, book).condition(wanted))


def _leaves(expression: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Only And joins conditions in these requests."""
    if set(expression) & {"Or", "Not"}:
        raise Refused("ValidationException", "Only the operator And is supported in this filter")
    return [
        leaf
        for root, told in expression.items()
        for leaf in ([found for part in told for found in _leaves(part)] if root == "And" else [(root, told)])
    ]


def _of_plans(ask: Ask, asked: Period) -> pl.DataFrame:
    lines = _filtered(ask, asked, PLAN_FILTERS).filter(pl.col("SAVINGS_PLAN_ARN") != NOTHING["SAVINGS_PLAN_ARN"])
    if lines.is_empty():
        raise Refused("DataUnavailableException", NO_PLANS)
    return lines


def _used(lines: pl.DataFrame, key: pl.Expr) -> list[dict[str, Any]]:
    record = pl.col("RECORD_TYPE").cast(pl.String)
    covered, fee = record == "SavingsPlanCoveredUsage", record == "SavingsPlanRecurringFee"
    return (
        lines.group_by(key)
        .agg(
            pl.col("plan_commitment").filter(fee).sum().alias("commitment"),
            pl.col("plan_used").filter(fee).sum().alias("used"),
            pl.col("cost").filter(fee).sum().cast(pl.Float64).alias("recurring"),
            pl.col("list_cost").filter(covered).sum().cast(pl.Float64).alias("value"),
        )
        .sort(pl.first())
        .to_dicts()
    )


def _told(row: dict[str, Any]) -> dict[str, Any]:
    commitment, used = row["commitment"], row["used"]
    return {
        "Utilization": {
            "TotalCommitment": text(commitment),
            "UsedCommitment": text(used),
            "UnusedCommitment": text(commitment - used),
            "UtilizationPercentage": text(share(used, commitment)),
        },
        "Savings": {"NetSavings": text(row["value"] - commitment), "OnDemandCostEquivalent": text(row["value"])},
        "AmortizedCommitment": {
            "AmortizedRecurringCommitment": text(row["recurring"]),
            "AmortizedUpfrontCommitment": text(commitment - row["recurring"]),
            "TotalAmortizedCommitment": text(commitment),
        },
    }


def _places(ask: Ask) -> list[Standing]:
    """Where the plans are kept that the asking account may see."""
    return [
        here
        for (account, region), here in ask.house.world.standing.items()
        if region == REGIONS[0] and ask.account in (PAYER, account)
    ]


def _attributes(here: Standing, plan: SavingsPlan, now: datetime) -> dict[str, str]:
    return {
        "AccountId": here.account,
        "SavingsPlansType": "SageMakerSavingsPlans" if plan.type == "MachineLearning" else "ComputeSavingsPlans",
        "PaymentOption": plan.payment_option,
        "PurchaseTerm": f"{plan.term_years}yr",
        "HourlyCommitment": text(plan.commitment_per_hour),
        "UpfrontFee": text(plan.upfront),
        "RecurringHourlyFee": text(plan.recurring_per_hour),
        "StartDateTime": plan.start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "EndDateTime": plan.end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Status": "Active" if plan.active(now) else "Retired",
    }


def _sorted(rows: list[dict[str, Any]], by: dict[str, str] | None, of: str) -> list[dict[str, Any]]:
    if not by:
        return rows

    def amount(row: dict[str, Any]) -> float:
        for told in (row.get(of), row.get("Savings"), row.get("AmortizedCommitment")):
            if told and by["Key"] in told:
                return float(told[by["Key"]])
        raise Refused("ValidationException", f"SortBy key {by['Key']} is invalid")

    key: Callable[[dict[str, Any]], float] = amount
    return sorted(rows, key=key, reverse=by.get("SortOrder") != "ASCENDING")


HANDLERS: dict[str, Handler] = {
    "GetSavingsPlansCoverage": get_savings_plans_coverage,
    "GetSavingsPlansUtilization": get_savings_plans_utilization,
    "GetSavingsPlansUtilizationDetails": get_savings_plans_utilization_details,
}
