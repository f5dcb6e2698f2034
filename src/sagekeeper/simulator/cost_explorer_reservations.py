"""Reserved instances and rightsizing, in an organisation that has neither reservations nor instances of EC2.

In: periods and services. Out: GetReservationCoverage, GetReservationUtilization, GetReservationPurchaseRecommendation
and GetRightsizingRecommendation in AWS's shapes with nothing in them, and AWS's refusals of what cannot be asked:
SageMaker cannot be reserved, and rightsizing is about EC2 only.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from sagekeeper.simulator.cost_explorer_dates import period
from sagekeeper.simulator.cost_explorer_lines import explorer_of
from sagekeeper.simulator.cost_explorer_pages import offset_of
from sagekeeper.simulator.operations import Ask, Handler, Refused

RESERVABLE = (
    "Amazon Elastic Compute Cloud - Compute",
    "Amazon Relational Database Service",
    "Amazon Redshift",
    "Amazon ElastiCache",
    "Amazon OpenSearch Service",
    "Amazon Elasticsearch Service",
    "Amazon MemoryDB Service",
    "Amazon DynamoDB Service",
)
HOURS = {
    "OnDemandHours": "0",
    "ReservedHours": "0",
    "TotalRunningHours": "0",
    "CoverageHoursPercentage": "0",
}
UNITS = {
    "OnDemandNormalizedUnits": "0",
    "ReservedNormalizedUnits": "0",
    "TotalRunningNormalizedUnits": "0",
    "CoverageNormalizedUnitsPercentage": "0",
}
COVERED = {
    "Hour": ("CoverageHours", HOURS),
    "Unit": ("CoverageNormalizedUnits", UNITS),
    "Cost": ("CoverageCost", {"OnDemandCost": "0"}),
}
UNUSED = dict.fromkeys(
    (
        "UtilizationPercentage",
        "PurchasedHours",
        "TotalActualHours",
        "UnusedHours",
        "OnDemandCostOfRIHoursUsed",
        "NetRISavings",
        "TotalPotentialRISavings",
        "AmortizedUpfrontFee",
        "AmortizedRecurringFee",
        "TotalAmortizedFee",
        "RICostForUnusedHours",
        "RealizedSavings",
        "UnrealizedSavings",
    ),
    "0",
)


def get_reservation_coverage(ask: Ask) -> dict[str, Any]:
    """No running hours that could have been reserved."""
    metrics = ask.params.get("Metrics") or list(COVERED)
    wrong = [metric for metric in metrics if metric not in COVERED]
    if wrong:
        raise Refused("ValidationException", f"Metric {wrong[0]} is invalid. Valid values are {', '.join(COVERED)}")
    total = dict(COVERED[metric] for metric in metrics)
    return {"CoveragesByTime": [span | {"Groups": [], "Total": total} for span in _spans(ask)], "Total": total}


def get_reservation_utilization(ask: Ask) -> dict[str, Any]:
    """No reservations to use."""
    return {"UtilizationsByTime": [span | {"Groups": [], "Total": UNUSED} for span in _spans(ask)], "Total": UNUSED}


def get_reservation_purchase_recommendation(ask: Ask) -> dict[str, Any]:
    """Nothing to reserve."""
    _service(ask, RESERVABLE)
    offset_of(ask.params)
    return {"Metadata": _metadata(ask), "Recommendations": []}


def get_rightsizing_recommendation(ask: Ask) -> dict[str, Any]:
    """No instance of EC2 to make smaller."""
    _service(ask, ("AmazonEC2",))
    offset_of(ask.params)
    return {
        "Metadata": _metadata(ask),
        "Summary": {
            "TotalRecommendationCount": "0",
            "EstimatedTotalMonthlySavingsAmount": "0",
            "SavingsCurrencyCode": "USD",
            "SavingsPercentage": "0",
        },
        "RightsizingRecommendations": [],
        "Configuration": ask.params.get("Configuration")
        or {"RecommendationTarget": "SAME_INSTANCE_FAMILY", "BenefitsConsidered": False},
    }


def _spans(ask: Ask) -> list[dict[str, Any]]:
    """The request's periods, where it may ask for periods."""
    params = ask.params
    if params.get("GroupBy") and params.get("Granularity"):
        raise Refused("ValidationException", "Granularity can't be set if GroupBy is set")
    kind = params.get("Granularity") or "MONTHLY"
    if kind not in ("DAILY", "MONTHLY"):
        raise Refused("ValidationException", "Granularity should be either 'MONTHLY' or 'DAILY'")
    asked = period(ask, explorer_of(ask), kind)
    offset_of(params)
    if params.get("GroupBy"):
        return [{"TimePeriod": {"Start": asked.written(asked.start), "End": asked.written(asked.end)}}]
    return [{"TimePeriod": {"Start": asked.written(begin), "End": asked.written(end)}} for begin, end in asked.pieces()]


def _service(ask: Ask, allowed: tuple[str, ...]) -> None:
    if ask.params["Service"] not in allowed:
        raise Refused(
            "ValidationException",
            f"Service {ask.params['Service']} is not supported. Valid values are {', '.join(allowed)}",
        )


def _metadata(ask: Ask) -> dict[str, str]:
    mark = hashlib.sha256(f"{ask.account} {ask.params['Service']} {ask.now.date()}".encode()).hexdigest()[:32]
    return {
        "RecommendationId": str(uuid.UUID(mark, version=4)),
        "GenerationTimestamp": ask.now.strftime("%Y-%m-%dT00:00:00Z"),
    }


HANDLERS: dict[str, Handler] = {
    "GetReservationCoverage": get_reservation_coverage,
    "GetReservationUtilization": get_reservation_utilization,
    "GetReservationPurchaseRecommendation": get_reservation_purchase_recommendation,
    "GetRightsizingRecommendation": get_rightsizing_recommendation,
}
