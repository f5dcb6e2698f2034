"""What Cost Explorer would recommend to buy: Savings Plans by what was used lately, reservations and smaller instances.

In: the eligible on-demand spend of the lookback period by the hour. Out: GetSavingsPlansPurchaseRecommendation: the
hourly commitment that would have saved most, at the rates the plans are sold at (`commitments.py`), and what it would
have saved. EC2's and the databases' reservations and rightsizing have nothing to say in an account without any:
`cost_explorer_reservations.py`.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.simulator.commitments import DISCOUNT, Payment, PlanType
from sagekeeper.simulator.cost_explorer_lines import explorer_of, ledger
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.cost_explorer_savings import eligible, share, text
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.savings_plan_offers import offerings
from sagekeeper.simulator.world import PAYER

LOOKBACK = {"SEVEN_DAYS": 7, "THIRTY_DAYS": 30, "SIXTY_DAYS": 60}
TERMS = {"ONE_YEAR": 1, "THREE_YEARS": 3}
PAYMENTS: dict[str, Payment] = {
    "NO_UPFRONT": "No Upfront",
    "PARTIAL_UPFRONT": "Partial Upfront",
    "ALL_UPFRONT": "All Upfront",
}
TYPES: dict[str, tuple[PlanType, str]] = {
    "SAGEMAKER_SP": ("MachineLearning", "AmazonSageMaker"),
    "COMPUTE_SP": ("Compute", "AmazonEC2"),
}
UPFRONT = {"No Upfront": 0.0, "Partial Upfront": 0.5, "All Upfront": 1.0}
HOURS_A_MONTH, HOURS_A_YEAR = 730, 8760
LEAST_COMMITMENT = 0.001
"""Dollars an hour, the smallest that can be bought."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"
TAKES = timedelta(minutes=10)
"""How long making recommendations anew takes, in simulated time."""


def get_savings_plans_purchase_recommendation(ask: Ask) -> dict[str, Any]:
    """What to commit to."""
    wanted = ask.params
    if wanted["PaymentOption"] not in PAYMENTS:
        raise Refused("ValidationException", f"PaymentOption {wanted['PaymentOption']} is not valid for Savings Plans")
    scope = wanted.get("AccountScope") or "PAYER"
    head = {
        "AccountScope": scope,
        "SavingsPlansType": wanted["SavingsPlansType"],
        "TermInYears": wanted["TermInYears"],
        "PaymentOption": wanted["PaymentOption"],
        "LookbackPeriodInDays": wanted["LookbackPeriodInDays"],
    }
    metadata = {
        "RecommendationId": _uuid(*head.values(), ask.now.date().isoformat()),
        "GenerationTimestamp": ask.now.strftime("%Y-%m-%dT00:00:00Z"),
        "AdditionalMetadata": "",
    }
    details = [
        _detail(hours, account, head, ask.now)
        for account, hours in _spend(ask, head, linked=scope == "LINKED")
        if best_commitment(hours, _discount(head)) >= LEAST_COMMITMENT
    ]
    part, more = page_of(details, wanted, size="PageSize")
    if not details:
        return {"Metadata": metadata, "SavingsPlansPurchaseRecommendation": head}
    return {
        "Metadata": metadata,
        "SavingsPlansPurchaseRecommendation": head
        | {
            "SavingsPlansPurchaseRecommendationDetails": part,
            "SavingsPlansPurchaseRecommendationSummary": _summary(details),
        },
    } | more


def start_savings_plans_purchase_recommendation_generation(ask: Ask) -> dict[str, Any]:
    """Make the recommendations anew."""
    generations = explorer_of(ask).generations
    if generations and datetime.fromisoformat(generations[0]["EstimatedCompletionTime"]) > ask.now:
        raise Refused("GenerationExistsException", "A request to generate a recommendation is already in progress.")
    made = {
        "RecommendationId": _uuid("generation", str(len(generations)), ask.now.isoformat()),
        "GenerationStartedTime": ask.now.strftime(STAMP),
        "EstimatedCompletionTime": (ask.now + TAKES).strftime(STAMP),
    }
    generations.insert(0, made)
    return made


def list_savings_plans_purchase_recommendation_generation(ask: Ask) -> dict[str, Any]:
    """Generations so far, the latest first."""
    rows, wanted = [], ask.params
    for made in explorer_of(ask).generations:
        done = datetime.fromisoformat(made["EstimatedCompletionTime"]) <= ask.now
        row = made | {"GenerationStatus": "SUCCEEDED" if done else "PROCESSING"}
        rows.append(row | ({"GenerationCompletionTime": made["EstimatedCompletionTime"]} if done else {}))
    rows = [
        row
        for row in rows
        if wanted.get("GenerationStatus", row["GenerationStatus"]) == row["GenerationStatus"]
        and row["RecommendationId"] in (wanted.get("RecommendationIds") or [row["RecommendationId"]])
    ]
    part, more = page_of(rows, wanted, size="PageSize")
    return {"GenerationSummaryList": part} | more


def best_commitment(hours: np.ndarray, discount: float) -> float:
    """Dollars an hour that would have cost least: spend at plan rates of the hour that just pays for the commitment.

    A dollar more of commitment costs a dollar every hour and saves 1/(1-discount) in the hours that use it: it pays as
    long as more than (1-discount) of the hours do, so the best is that quantile of the spend at plan rates.
    """
    return float(np.quantile(hours * (1 - discount), discount, method="lower")) if len(hours) else 0.0


def _spend(ask: Ask, head: dict[str, str], *, linked: bool) -> list[tuple[str, np.ndarray]]:
    """On-demand spend an hour over the lookback period: of everyone together, or by account."""
    if head["SavingsPlansType"] not in TYPES:
        return []
    days = LOOKBACK[head["LookbackPeriodInDays"]]
    until = ask.now.date() - timedelta(days=2)
    code = TYPES[head["SavingsPlansType"]][1]
    lines = ledger(ask).lines.filter(
        pl.col("day").is_between(until - timedelta(days=days), until, closed="left")
        & (pl.col("RECORD_TYPE").cast(pl.String) == "Usage")
        & (pl.col("SERVICE_CODE").cast(pl.String) == code)
        & eligible()
    )
    daily = lines.group_by(pl.col("LINKED_ACCOUNT").cast(pl.String).alias("account"), "day").agg(
        pl.col("cost").sum().cast(pl.Float64)
    )
    if not linked:
        daily = daily.group_by("day").agg(pl.col("cost").sum()).with_columns(account=pl.lit(PAYER))
    found = []
    for (account,), part in sorted(daily.group_by("account"), key=lambda item: str(item[0])):
        hourly = part["cost"].to_numpy() / 24
        found.append((str(account), np.pad(hourly, (0, days - len(hourly)))))
    return found


def _discount(head: dict[str, str]) -> float:
    return DISCOUNT[TYPES[head["SavingsPlansType"]][0], TERMS[head["TermInYears"]], PAYMENTS[head["PaymentOption"]]]


def _detail(hours: np.ndarray, account: str, head: dict[str, str], now: datetime) -> dict[str, Any]:
    """One recommendation, over its lookback period; a month has 730 hours."""
    plan_type, discount = TYPES[head["SavingsPlansType"]][0], _discount(head)
    years, payment = TERMS[head["TermInYears"]], PAYMENTS[head["PaymentOption"]]
    commitment = round(best_commitment(hours, discount), 3)
    used = np.minimum(hours * (1 - discount), commitment)
    before, left = float(hours.sum()) * 24, float((hours - used / (1 - discount)).sum()) * 24
    paid = commitment * 24 * len(hours)
    saved, month = before - left - paid, HOURS_A_MONTH / (24 * len(hours))
    offering = next(
        item.id
        for item in offerings().values()
        if (item.type, item.term_years, item.payment) == (plan_type, years, payment)
    )
    return {
        "SavingsPlansDetails": {"OfferingId": offering},
        "AccountId": account,
        "UpfrontCost": text(commitment * HOURS_A_YEAR * years * UPFRONT[payment]),
        "EstimatedROI": text(share(saved, paid)),
        "CurrencyCode": "USD",
        "EstimatedSPCost": text(paid),
        "EstimatedOnDemandCost": text(left),
        "EstimatedOnDemandCostWithCurrentCommitment": text(before),
        "EstimatedSavingsAmount": text(saved),
        "EstimatedSavingsPercentage": text(share(saved, before)),
        "HourlyCommitmentToPurchase": text(commitment),
        "EstimatedAverageUtilization": text(share(float(used.mean()), commitment)),
        "EstimatedMonthlySavingsAmount": text(saved * month),
        "CurrentMinimumHourlyOnDemandSpend": text(float(hours.min())),
        "CurrentMaximumHourlyOnDemandSpend": text(float(hours.max())),
        "CurrentAverageHourlyOnDemandSpend": text(float(hours.mean())),
        "RecommendationDetailId": _uuid(account, *head.values(), now.date().isoformat()),
    }


def _summary(details: list[dict[str, Any]]) -> dict[str, str]:
    def total(name: str) -> float:
        return sum(float(item[name]) for item in details)

    saved, before = total("EstimatedSavingsAmount"), total("EstimatedOnDemandCostWithCurrentCommitment")
    return {
        "EstimatedROI": text(share(saved, total("EstimatedSPCost"))),
        "CurrencyCode": "USD",
        "EstimatedTotalCost": text(total("EstimatedSPCost") + total("EstimatedOnDemandCost")),
        "CurrentOnDemandSpend": text(before),
        "EstimatedSavingsAmount": text(saved),
        "TotalRecommendationCount": str(len(details)),
        "DailyCommitmentToPurchase": text(total("HourlyCommitmentToPurchase") * 24),
        "HourlyCommitmentToPurchase": text(total("HourlyCommitmentToPurchase")),
        "EstimatedSavingsPercentage": text(share(saved, before)),
        "EstimatedMonthlySavingsAmount": text(total("EstimatedMonthlySavingsAmount")),
        "EstimatedOnDemandCostWithCurrentCommitment": text(before),
    }


def _uuid(*parts: str) -> str:
    return str(uuid.UUID(hashlib.sha256("|".join(parts).encode()).hexdigest()[:32], version=4))


HANDLERS: dict[str, Handler] = {
    "GetSavingsPlansPurchaseRecommendation": get_savings_plans_purchase_recommendation,
    "StartSavingsPlansPurchaseRecommendationGeneration": start_savings_plans_purchase_recommendation_generation,
    "ListSavingsPlansPurchaseRecommendationGeneration": list_savings_plans_purchase_recommendation_generation,
}
MUTATING = {"StartSavingsPlansPurchaseRecommendationGeneration"}
