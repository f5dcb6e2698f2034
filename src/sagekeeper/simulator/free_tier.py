"""The Free Tier API: what of this month's usage falls under an offer, and what plan the account is on.

In: the meter's lines of the month so far. Out: `freetier`'s answers. The accounts are older than July 2025 and past the
trial of SageMaker (its first two months), so what is left are the offers that never end (aws-facts section 3.4).
"""

from __future__ import annotations

import calendar
from datetime import timedelta
from typing import Any

import polars as pl

from sagekeeper.simulator.free_offers import OFFERS, Offer, under
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER

COLUMN = {
    "SERVICE": "service",
    "OPERATION": "operation",
    "USAGE_TYPE": "usageType",
    "REGION": "region",
    "FREE_TIER_TYPE": "freeTierType",
    "DESCRIPTION": "description",
}
MOST = 1000


def get_free_tier_usage(ask: Ask) -> dict[str, Any]:
    """Month to date and forecast per offer that is used."""
    rows = [row for row in _usages(ask) if "filter" not in ask.params or _passes(row, ask.params["filter"])]
    token, size = ask.params.get("nextToken", "0"), ask.params.get("maxResults", MOST)
    if not token.isdigit():
        raise Refused("ValidationException", "Invalid nextToken")
    start = int(token)
    more = {"nextToken": str(start + size)} if start + size < len(rows) else {}
    return {"freeTierUsages": rows[start : start + size]} | more


def get_account_plan_state(ask: Ask) -> dict[str, Any]:
    """A paid account from before the plans of July 2025."""
    return {"accountId": ask.account, "accountPlanType": "PAID", "accountPlanStatus": "NOT_STARTED"}


def upgrade_account_plan(_: Ask) -> dict[str, Any]:
    """There is nothing to upgrade: the account pays already."""
    raise Refused("ValidationException", "The account is already on the paid plan.")


def list_account_activities(_: Ask) -> dict[str, Any]:
    """Activities earn credits on the free plan only."""
    return {"activities": []}


def get_account_activity(ask: Ask) -> dict[str, Any]:
    """There are no activities."""
    raise Refused("ResourceNotFoundException", f"Activity {ask.params['activityId']} was not found.")


def _usages(ask: Ask) -> list[dict[str, Any]]:
    first = ask.now.date().replace(day=1)
    lines = ask.house.meter.lines(first, ask.now.date(), ask.now).filter(pl.col("record_type") == "Usage")
    if ask.account != PAYER:
        lines = lines.filter(pl.col("account") == ask.account)
    found = []
    for offer in OFFERS:
        used = float(lines.filter(under(offer))["quantity"].sum())
        if used > 0:
            found.append(_usage(ask, offer, used))
    return found


def _usage(ask: Ask, offer: Offer, used: float) -> dict[str, Any]:
    days = calendar.monthrange(ask.now.year, ask.now.month)[1]
    elapsed = (ask.now - ask.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)
    usage_type = f"Global-{offer.usage_type}"
    return {
        "service": offer.service,
        "operation": offer.operation,
        "usageType": usage_type,
        "region": "global",
        "actualUsageAmount": used,
        "forecastedUsageAmount": used * days / max(elapsed, 1 / 24),
        "limit": float(offer.limit),
        "unit": offer.unit,
        "description": f"{offer.limit:,.0f} {offer.unit} are always free per month as part of AWS Free Usage Tier "
        f"({usage_type})",
        "freeTierType": "Always Free",
    }


def _passes(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if len(wanted) != 1:
        raise Refused("ValidationException", "Expression must have exactly one of Or, And, Not and Dimensions.")
    operator, value = next(iter(wanted.items()))
    if operator == "And":
        return all(_passes(row, item) for item in value)
    if operator == "Or":
        return any(_passes(row, item) for item in value)
    if operator == "Not":
        return not _passes(row, value)
    return any(_matches(row, value["Key"], how, wish) for how in value["MatchOptions"] for wish in value["Values"])


def _matches(row: dict[str, Any], key: str, how: str, wish: str) -> bool:
    if (key == "USAGE_PERCENTAGE") != (how == "GREATER_THAN_OR_EQUAL"):
        raise Refused("ValidationException", f"The match option {how} does not go with the dimension {key}.")
    if key == "USAGE_PERCENTAGE":
        return bool(row["actualUsageAmount"] / row["limit"] * 100 >= float(wish))
    has = str(row[COLUMN[key]])
    return {
        "EQUALS": has == wish,
        "STARTS_WITH": has.startswith(wish),
        "ENDS_WITH": has.endswith(wish),
        "CONTAINS": wish in has,
    }[how]


HANDLERS: dict[str, Handler] = {
    "GetFreeTierUsage": get_free_tier_usage,
    "GetAccountPlanState": get_account_plan_state,
    "UpgradeAccountPlan": upgrade_account_plan,
    "ListAccountActivities": list_account_activities,
    "GetAccountActivity": get_account_activity,
}
