"""Whether an account takes part in AWS's own advice: held in `Standing.advice` of the account's us-east-1.

`compute_optimizer.py` and `optimization_hub.py` read and change it; what the advice is, `advice.py` computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class AdviceBook:
    """Whether an account takes part in AWS's advice, and how it wants it."""

    optimizer: bool = True
    hub: bool = True
    changed: datetime | None = None
    preferences: dict[str, Any] = field(
        default_factory=lambda: {
            "savingsEstimationMode": "BeforeDiscounts",
            "memberAccountDiscountVisibility": "All",
            "preferredCommitment": {"term": "OneYear", "paymentOption": "NoUpfront"},
        }
    )
