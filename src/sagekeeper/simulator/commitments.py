"""Savings Plans that the organisation has committed to: what they are, when they hold, and at which rate they bill usage.

`SavingsPlan`s lie in `Standing.savings_plans` of the account that bought them, in its us-east-1 (they hold in all
regions): `savings_plans.py` is their API, the meter bills by them. A plan of type MachineLearning covers SageMaker's
instances (not serverless inference, storage, data or spot), one of type Compute covers EC2, Fargate and Lambda and no
SageMaker (aws-facts section 2.11).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

PlanType = Literal["MachineLearning", "Compute"]
Payment = Literal["All Upfront", "Partial Upfront", "No Upfront"]
YEAR = timedelta(days=365)
HOURS_A_YEAR = 8_760
PENDING = timedelta(seconds=60)
"""How long the payment for a new plan takes, in simulated time."""
COVERED = ("Host", "AsyncInf", "Train", "Processing", "Tsform", "Notebk", "Studio")
"""Families of SageMaker's usage types that a MachineLearning plan covers, where an instance is named."""
DISCOUNT: dict[tuple[PlanType, int, Payment], float] = {
    ("MachineLearning", 1, "No Upfront"): 0.20,
    ("MachineLearning", 1, "Partial Upfront"): 0.24,
    ("MachineLearning", 1, "All Upfront"): 0.27,
    ("MachineLearning", 3, "No Upfront"): 0.45,
    ("MachineLearning", 3, "Partial Upfront"): 0.50,
    ("MachineLearning", 3, "All Upfront"): 0.54,
    ("Compute", 1, "No Upfront"): 0.17,
    ("Compute", 1, "Partial Upfront"): 0.20,
    ("Compute", 1, "All Upfront"): 0.22,
    ("Compute", 3, "No Upfront"): 0.40,
    ("Compute", 3, "Partial Upfront"): 0.45,
    ("Compute", 3, "All Upfront"): 0.47,
}
"""Off the list price. The simulated account's own figures: AWS says "up to 64 %" and gives each type its own rate."""


@dataclass
class SavingsPlan:
    """A commitment to pay ``commitment_per_hour`` dollars, used or not, from ``start`` for ``term_years``."""

    arn: str
    type: PlanType
    commitment_per_hour: float
    start: datetime
    term_years: int
    payment_option: Payment
    upfront: float
    """Paid in one sum at ``start``: all of the commitment, at least half of it, or nothing."""
    offering_id: str = ""
    bought: datetime | None = None
    cancelled: datetime | None = None
    """A plan still queued was deleted, or one just bought was returned: from then on it never was."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        """The first moment that is not covered any more."""
        return self.start + YEAR * self.term_years

    @property
    def total(self) -> float:
        """All that is paid over the term."""
        return self.commitment_per_hour * HOURS_A_YEAR * self.term_years

    @property
    def recurring_per_hour(self) -> float:
        """What is left to pay each hour after the upfront sum."""
        return (self.total - self.upfront) / (HOURS_A_YEAR * self.term_years)

    def active(self, at: datetime) -> bool:
        """Whether usage at this moment is covered."""
        return self.cancelled is None and self.start <= at < self.end


def plan_rate(plan: SavingsPlan, list_usd: float) -> float:
    """What an hour costs under the plan."""
    return offered_rate(plan.type, plan.term_years, plan.payment_option, list_usd)


def offered_rate(kind: PlanType, term_years: int, payment: Payment, list_usd: float) -> float:
    """The same before anyone has bought one."""
    return round(list_usd * (1 - DISCOUNT[kind, term_years, payment]), 6)


def covers(plan_type: PlanType, usage_type: str) -> bool:
    """Whether plans of this type cover a SageMaker usage type such as ``USE1-Host:ml.m5.xlarge``."""
    family, _, what = usage_type.partition(":")
    return plan_type == "MachineLearning" and family.rpartition("-")[2] in COVERED and "ml." in what
