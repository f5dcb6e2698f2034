"""Cost Optimization Hub: AWS's own advice on the account in one list, with its worth.

In: `advice.py`. Out: the `cost-optimization-hub` API: idle endpoints (Delete, from Compute Optimizer) and a Savings Plan
for SageMaker (PurchaseSavingsPlans, from Cost Explorer), listed, summed by a dimension, and one at a time in full.
"""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.advice import LOOK_BACK_DAYS, PLAN_DAYS, Advice, idle_endpoints, savings_plan
from sagekeeper.simulator.advice_book import AdviceBook
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER

HOME = "us-east-1"
MOST = 100
GROUPS = {
    "AccountId": "accountId",
    "Region": "region",
    "ActionType": "actionType",
    "ResourceType": "currentResourceType",
    "ImplementationEffort": "implementationEffort",
    "RestartNeeded": "restartNeeded",
    "RollbackPossible": "rollbackPossible",
}
ORDERS = ("estimatedMonthlySavings", "estimatedSavingsPercentage", "estimatedMonthlyCost", "implementationEffort")
FILTERS = {
    "accountIds": "accountId",
    "regions": "region",
    "resourceTypes": "currentResourceType",
    "actionTypes": "actionType",
    "implementationEfforts": "implementationEffort",
    "resourceIds": "resourceId",
    "resourceArns": "resourceArn",
    "recommendationIds": "recommendationId",
}


def list_recommendations(ask: Ask) -> dict[str, Any]:
    """All advice that passes the filter."""
    rows = _filtered(ask)
    order = ask.params.get("orderBy", {})
    by = order.get("dimension", "EstimatedMonthlySavings")
    key = by[:1].lower() + by[1:]
    if key not in ORDERS:
        raise Refused("ValidationException", f"Recommendations cannot be ordered by {by}.")
    rows.sort(key=lambda row: row[key], reverse=order.get("order", "Desc") == "Desc")
    part, more = _page(ask, rows)
    return {"items": part} | more


def list_recommendation_summaries(ask: Ask) -> dict[str, Any]:
    """Counts and savings per group."""
    by = ask.params["groupBy"]
    if by not in GROUPS:
        raise Refused("ValidationException", f"Recommendations cannot be grouped by {by}.")
    rows, groups = _filtered(ask), dict[str, list[dict[str, Any]]]()
    for row in rows:
        groups.setdefault(str(row[GROUPS[by]]), []).append(row)
    items = [
        {
            "group": name,
            "estimatedMonthlySavings": round(sum(row["estimatedMonthlySavings"] for row in members), 2),
            "recommendationCount": len(members),
        }
        for name, members in sorted(groups.items())
    ]
    part, more = _page(ask, items)
    total = round(sum(row["estimatedMonthlySavings"] for row in rows), 2)
    return {"estimatedTotalDedupedSavings": total, "items": part, "groupBy": by, "currencyCode": "USD"} | more


def get_recommendation(ask: Ask) -> dict[str, Any]:
    """One piece of advice in full."""
    wanted = ask.params["recommendationId"]
    for item in _advice(ask):
        if item.id == wanted:
            return _full(ask, item)
    raise Refused("ResourceNotFoundException", f"Recommendation {wanted} was not found.")


def get_preferences(ask: Ask) -> dict[str, Any]:
    """How savings are estimated."""
    return dict(book_of(ask).preferences)


def update_preferences(ask: Ask) -> dict[str, Any]:
    """Estimate savings otherwise."""
    book = book_of(ask)
    if "memberAccountDiscountVisibility" in ask.params and ask.account != PAYER:
        raise Refused("AccessDeniedException", "Only the management account decides what its members see.")
    book.preferences = book.preferences | ask.params
    return dict(book.preferences)


def list_enrollment_statuses(ask: Ask) -> dict[str, Any]:
    """Whether the account takes part."""
    book = book_of(ask)
    row = {"accountId": ask.account, "status": "Active" if book.hub else "Inactive"}
    return {"items": [row], "includeMemberAccounts": ask.account == PAYER}


def update_enrollment_status(ask: Ask) -> dict[str, Any]:
    """Take part or not."""
    if "includeMemberAccounts" in ask.params and ask.account != PAYER:
        raise Refused("ValidationException", "Only the management account can enrol its members.")
    book_of(ask).hub = ask.params["status"] == "Active"
    return {"status": "Success"}


def book_of(ask: Ask) -> AdviceBook:
    """The account's part in AWS's advice."""
    return ask.house.world.at(ask.account, HOME).advice


def _advice(ask: Ask) -> list[Advice]:
    if not book_of(ask).hub:
        raise Refused("AccessDeniedException", "The account is not enrolled in Cost Optimization Hub.")
    plan = savings_plan(ask)
    return idle_endpoints(ask.house, ask.account, ask.now) + ([plan] if plan else [])


def _filtered(ask: Ask) -> list[dict[str, Any]]:
    wanted = ask.params.get("filter", {})
    rows = [_row(ask, item) for item in _advice(ask)]
    for key, member in FILTERS.items():
        if wanted.get(key):
            rows = [row for row in rows if row.get(member) in wanted[key]]
    for key in ("restartNeeded", "rollbackPossible"):
        if key in wanted:
            rows = [row for row in rows if row[key] == wanted[key]]
    if wanted.get("tags"):
        rows = [row for row in rows if any(tag in row.get("tags", []) for tag in wanted["tags"])]
    return rows


def _row(ask: Ask, item: Advice) -> dict[str, Any]:
    endpoint = item.kind == "SageMakerEndpoint"
    of_it = {"resourceId": item.name, "resourceArn": item.arn} if endpoint else {}
    plan = {} if endpoint else item.details["configuration"]
    tags = [{"key": key, "value": value} for key, value in item.tags.items()]
    return (
        {
            "recommendationId": item.id,
            "accountId": item.account,
            "region": item.region,
            "currentResourceType": item.kind,
            "recommendedResourceType": item.kind,
            "estimatedMonthlySavings": item.monthly_saving,
            "estimatedSavingsPercentage": round(item.monthly_saving / item.monthly_cost * 100, 2),
            "estimatedMonthlyCost": item.monthly_cost,
            "currencyCode": "USD",
            "implementationEffort": "Low" if endpoint else "VeryLow",
            "restartNeeded": False,
            "actionType": "Delete" if endpoint else "PurchaseSavingsPlans",
            "rollbackPossible": False,
            "currentResourceSummary": "Idle endpoint" if endpoint else "On-Demand",
            "recommendedResourceSummary": "Delete" if endpoint else f"${plan['hourlyCommitment']}/hour commitment",
            "lastRefreshTimestamp": ask.now.replace(hour=0, minute=0, second=0, microsecond=0),
            "recommendationLookbackPeriodInDays": LOOK_BACK_DAYS if endpoint else PLAN_DAYS,
            "source": "ComputeOptimizer" if endpoint else "CostExplorer",
        }
        | of_it
        | ({"tags": tags} if tags else {})
    )


def _full(ask: Ask, item: Advice) -> dict[str, Any]:
    row = _row(ask, item)
    for key in ("currentResourceSummary", "recommendedResourceSummary"):
        del row[key]
    details = {item.kind[:1].lower() + item.kind[1:]: item.details}
    sides = {"currentResourceDetails": details} if item.kind == "SageMakerEndpoint" else {}
    return row | sides | {"recommendedResourceDetails": details, "costCalculationLookbackPeriodInDays": LOOK_BACK_DAYS}


def _page(ask: Ask, found: list[Any]) -> tuple[list[Any], dict[str, str]]:
    token, size = ask.params.get("nextToken") or "0", ask.params.get("maxResults") or MOST
    if not token.isdigit():
        raise Refused("ValidationException", "The nextToken is not valid.")
    start = int(token)
    return found[start : start + size], {"nextToken": str(start + size)} if start + size < len(found) else {}


HANDLERS: dict[str, Handler] = {
    "ListRecommendations": list_recommendations,
    "ListRecommendationSummaries": list_recommendation_summaries,
    "GetRecommendation": get_recommendation,
    "GetPreferences": get_preferences,
    "UpdatePreferences": update_preferences,
    "ListEnrollmentStatuses": list_enrollment_statuses,
    "UpdateEnrollmentStatus": update_enrollment_status,
}
MUTATING = {"UpdatePreferences", "UpdateEnrollmentStatus"}
