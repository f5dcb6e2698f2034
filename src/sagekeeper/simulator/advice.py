"""What AWS itself would advise on the simulated account: idle endpoints, and a Savings Plan for SageMaker.

In: the world's endpoints and traffic, the meter's lines. Out: `Advice`, from which `compute_optimizer.py` and
`optimization_hub.py` answer. AWS covers little of machine learning: endpoints without a request (Compute Optimizer's
idle recommendations) and commitments (aws-facts sections 0 and 2.11); everything else is ours to find. An endpoint is
idle when it stood on instances for all of the look-back and nobody asked it anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator import demand
from sagekeeper.simulator.commitments import COVERED, offered_rate
from sagekeeper.simulator.lives import Life, status_of, stretches
from sagekeeper.simulator.operations import Ask, House
from sagekeeper.simulator.world import PAYER, Standing

LOOK_BACK_DAYS = 14
PLAN_DAYS = 30
HOURS_A_MONTH = 730
DAY = 86_400
STEADY = 0.25
"""The commitment that is advised is this quantile of the days' eligible spend: what is there on nearly all days."""


class Advice(NamedTuple):
    """One recommendation."""

    account: str
    region: str
    arn: str
    name: str
    kind: str
    monthly_cost: float
    monthly_saving: float
    tags: dict[str, str]
    details: dict[str, Any]

    @property
    def id(self) -> str:
        """The same for as long as the advice stands."""
        return hashlib.sha256(f"{self.kind}/{self.arn}".encode()).hexdigest()[:32]


def idle_endpoints(house: House, account: str, now: datetime) -> list[Advice]:
    """Endpoints nobody asked in the look-back, of the account; of all accounts for the payer."""
    found = []
    for here in list(house.world.standing.values()):
        if account in (PAYER, here.account):
            found += list(_idle(here, now))
    return sorted(found, key=lambda item: (-item.monthly_saving, item.arn))


def savings_plan(ask: Ask) -> Advice | None:
    """A year's plan for what is paid for SageMaker's instances day by day, None where nothing steady is."""
    last = (ask.now - timedelta(days=3)).date()
    first = last - timedelta(days=PLAN_DAYS - 1)
    lines = ask.house.meter.lines(first, last, ask.now).filter(
        (pl.col("record_type") == "Usage")
        & pl.col("usage_type").str.contains(rf"-({'|'.join(COVERED)}):.*ml\.")
        & ((pl.col("account") == ask.account) | (ask.account == PAYER))
    )
    daily = lines.group_by("day").agg(pl.col("cost").sum())["cost"]
    if len(daily) < PLAN_DAYS:
        return None
    steady = float(daily.quantile(STEADY) or 0.0) / 24
    commitment = round(offered_rate("MachineLearning", 1, "No Upfront", steady), 3)
    if commitment < 0.001:
        return None
    eligible = float(daily.sum()) / PLAN_DAYS * HOURS_A_MONTH / 24
    saving = (steady - commitment) * HOURS_A_MONTH
    details = {
        "configuration": {
            "accountScope": "Payer" if ask.account == PAYER else "Linked",
            "term": "OneYear",
            "paymentOption": "NoUpfront",
            "hourlyCommitment": f"{commitment:.3f}",
        },
        "costCalculation": {
            "pricing": {
                "monthlySavingsPlansEligibleCost": round(eligible, 2),
                "estimatedMonthlyCommitment": round(commitment * HOURS_A_MONTH, 2),
                "savingsPercentage": round(saving / eligible * 100, 2),
                "estimatedOnDemandCost": round(eligible - steady * HOURS_A_MONTH, 2),
            }
        },
    }
    kind = "SageMakerSavingsPlans"
    return Advice(ask.account, "Global", "", "", kind, round(eligible, 2), round(saving, 2), {}, details)


def _idle(here: Standing, now: datetime) -> Iterator[Advice]:
    begin = now - timedelta(days=LOOK_BACK_DAYS)
    for name in sorted(here.lives):
        life = here.life(name)
        if life is None or life.created > begin or status_of(life, now) != "InService":
            continue
        config = life.deployed[-1].config
        variants = [item for item in config["ProductionVariants"] if item.get("InstanceType")]
        # Of asynchronous endpoints no invocations are published: AWS does not judge them (aws-facts section 1.1).
        if not variants or "AsyncInferenceConfig" in config or _asked(here, name, begin, now):
            continue
        cost, usages = _cost(here, life, now)
        details = {
            "costCalculation": {
                "usages": usages,
                "pricing": {
                    "estimatedCostBeforeDiscounts": cost,
                    "estimatedNetUnusedAmortizedCommitments": 0.0,
                    "estimatedDiscounts": {
                        "savingsPlansDiscount": 0.0,
                        "reservedInstancesDiscount": 0.0,
                        "otherDiscount": 0.0,
                    },
                    "estimatedCostAfterDiscounts": cost,
                },
            }
        }
        arn = here.arn("endpoint", name)
        yield Advice(here.account, here.region, arn, name, "SageMakerEndpoint", cost, cost, life.tags, details)


def _asked(here: Standing, name: str, begin: datetime, now: datetime) -> bool:
    first = int(begin.timestamp()) // DAY * DAY
    return bool(demand.requests(here, name, None, first, LOOK_BACK_DAYS + 1, DAY, now).sum() > 0)


def _cost(here: Standing, life: Life, now: datetime) -> tuple[float, list[dict[str, Any]]]:
    """A month of what runs now at list price, and the usage that this is made of."""
    cost, usages = 0.0, []
    for ran in stretches(life):
        kind = ran.variant.get("InstanceType")
        if not kind or not ran.start <= now < ran.stop:
            continue
        try:
            hourly = PriceBook.bundled().hourly(kind, "Hosting", here.region).usd
        except PriceUnknown:
            continue
        cost += hourly * ran.instances * HOURS_A_MONTH
        usages.append(
            {
                "usageType": f"Host:{kind}",
                "usageAmount": float(ran.instances * HOURS_A_MONTH),
                "operation": "RunInstance",
                "productCode": "AmazonSageMaker",
                "unit": "Hrs",
            }
        )
    return round(cost, 2), usages
