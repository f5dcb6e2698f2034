"""Compute Optimizer: idle endpoints, and empty lists for what has no metrics here to judge it by.

In: `advice.py`. Out: the `compute-optimizer` API. It judges EC2, Lambda, ECS, RDS and their like by weeks of metrics,
which nothing in the simulated account publishes: about those it says nothing, as AWS does before it has its data.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sagekeeper.simulator.advice import LOOK_BACK_DAYS, Advice, idle_endpoints
from sagekeeper.simulator.advice_book import AdviceBook
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER

HOME = "us-east-1"
MOST = 100
WITHOUT_METRICS = {
    "GetEC2InstanceRecommendations": "instanceRecommendations",
    "GetAutoScalingGroupRecommendations": "autoScalingGroupRecommendations",
    "GetEBSVolumeRecommendations": "volumeRecommendations",
    "GetLambdaFunctionRecommendations": "lambdaFunctionRecommendations",
    "GetECSServiceRecommendations": "ecsServiceRecommendations",
    "GetRDSDatabaseRecommendations": "rdsDBRecommendations",
    "GetLicenseRecommendations": "licenseRecommendations",
}


def get_enrollment_status(ask: Ask) -> dict[str, Any]:
    """Whether the account takes part."""
    book = book_of(ask)
    told = {"status": "Active" if book.optimizer else "Inactive", "memberAccountsEnrolled": ask.account == PAYER}
    return told | ({"lastUpdatedTimestamp": book.changed} if book.changed else {})


def update_enrollment_status(ask: Ask) -> dict[str, Any]:
    """Take part or not."""
    status = ask.params["status"]
    if status not in ("Active", "Inactive"):
        raise Refused("InvalidParameterValueException", "The status must be Active or Inactive.")
    book = book_of(ask)
    book.optimizer, book.changed = status == "Active", ask.now
    return {"status": status}


def get_enrollment_statuses_for_organization(ask: Ask) -> dict[str, Any]:
    """Which members take part: for the payer only."""
    if ask.account != PAYER:
        raise Refused("AccessDeniedException", "Only the management account may ask for its members.")
    world = ask.house.world
    members = [account for account in world.accounts if account != PAYER]
    return {
        "accountEnrollmentStatuses": [
            {"accountId": account, "status": "Active" if world.at(account, HOME).advice.optimizer else "Inactive"}
            for account in members
        ]
    }


def get_idle_recommendations(ask: Ask) -> dict[str, Any]:
    """Endpoints that stand there for nobody."""
    wanted = ask.params
    found = [item for item in _advice(ask) if item.account in wanted.get("accountIds", [item.account])]
    if wanted.get("resourceArns"):
        found = [item for item in found if item.arn in wanted["resourceArns"]]
    for item in wanted.get("filters", []):
        value = {"Finding": "Idle", "ResourceType": "SageMakerEndpoint"}[item["name"]]
        found = found if value in item["values"] else []
    if wanted.get("orderBy", {}).get("order") == "Asc":
        found = found[::-1]
    part, more = _page(ask, [_idle(ask, item) for item in found])
    return {"idleRecommendations": part, "errors": []} | more


def get_recommendation_summaries(ask: Ask) -> dict[str, Any]:
    """How many findings there are of each kind, and what they are worth."""
    rows = []
    advice = _advice(ask)
    for account in sorted({item.account for item in advice}):
        of_it = [item for item in advice if item.account == account]
        saving = sum(item.monthly_saving for item in of_it)
        worth = {"savingsOpportunityPercentage": 100.0, "estimatedMonthlySavings": {"currency": "USD", "value": saving}}
        rows.append(
            {
                "idleSummaries": [{"name": "Idle", "value": float(len(of_it))}],
                "recommendationResourceType": "SageMakerEndpoint",
                "accountId": account,
                "idleSavingsOpportunity": worth,
                "aggregatedSavingsOpportunity": worth,
            }
        )
    part, more = _page(ask, rows)
    return {"recommendationSummaries": part} | more


def book_of(ask: Ask) -> AdviceBook:
    """The account's part in AWS's advice."""
    return ask.house.world.at(ask.account, HOME).advice


def _advice(ask: Ask) -> list[Advice]:
    if not book_of(ask).optimizer:
        raise Refused("OptInRequiredException", "The account is not opted in to Compute Optimizer.")
    return idle_endpoints(ask.house, ask.account, ask.now)


def _nothing(member: str, ask: Ask) -> dict[str, Any]:
    _advice(ask)
    # Of functions alone nothing is told that could not be judged.
    return {member: []} if member == "lambdaFunctionRecommendations" else {member: [], "errors": []}


def _idle(ask: Ask, item: Advice) -> dict[str, Any]:
    worth = {
        "savingsOpportunityPercentage": 100.0,
        "estimatedMonthlySavings": {"currency": "USD", "value": item.monthly_saving},
    }
    return {
        "resourceArn": item.arn,
        "resourceId": item.name,
        "resourceType": "SageMakerEndpoint",
        "accountId": item.account,
        "finding": "Idle",
        "findingDescription": f"The endpoint received no invocations in the last {LOOK_BACK_DAYS} days.",
        "savingsOpportunity": worth,
        "savingsOpportunityAfterDiscounts": worth,
        "utilizationMetrics": [{"name": "Invocations", "statistic": "Maximum", "value": 0.0}],
        "lookBackPeriodInDays": float(LOOK_BACK_DAYS),
        "lastRefreshTimestamp": ask.now.replace(hour=0, minute=0, second=0, microsecond=0),
        "tags": [{"key": key, "value": value} for key, value in item.tags.items()],
    }


def _page(ask: Ask, found: list[Any]) -> tuple[list[Any], dict[str, str]]:
    token, size = ask.params.get("nextToken") or "0", ask.params.get("maxResults") or MOST
    if not token.isdigit():
        raise Refused("InvalidParameterValueException", "The nextToken is not valid.")
    start = int(token)
    return found[start : start + size], {"nextToken": str(start + size)} if start + size < len(found) else {}


_EMPTY: dict[str, Callable[[Ask], dict[str, Any]]] = {
    operation: partial(_nothing, member) for operation, member in WITHOUT_METRICS.items()
}
HANDLERS: dict[str, Handler] = {
    "GetEnrollmentStatus": get_enrollment_status,
    "UpdateEnrollmentStatus": update_enrollment_status,
    "GetEnrollmentStatusesForOrganization": get_enrollment_statuses_for_organization,
    "GetIdleRecommendations": get_idle_recommendations,
    "GetRecommendationSummaries": get_recommendation_summaries,
    **_EMPTY,
}
MUTATING = {"UpdateEnrollmentStatus"}
