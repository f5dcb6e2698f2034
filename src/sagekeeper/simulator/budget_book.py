"""The budgets of one account: what they are, whom they notify, and what was already said in which period.

Held in `Standing.budgets` of the account's us-east-1. `budgets.py` is their API, `budget_spend.py` computes what was
spent, `budget_watch.py` notifies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Notice:
    """A threshold, and who hears of it."""

    given: dict[str, Any]
    subscribers: list[dict[str, str]]
    said: set[str] = field(default_factory=set)
    """First days of the periods in which it went out already: once a period."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it another notification."""
        told = self.given
        kind = told.get("ThresholdType", "PERCENTAGE")
        return told["NotificationType"], told["ComparisonOperator"], float(told["Threshold"]), kind


@dataclass
class Budget:
    """A budget as it was given, with the defaults that AWS fills in."""

    given: dict[str, Any]
    updated: datetime
    notices: list[Notice] = field(default_factory=list)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class BudgetBook:
    """All budgets of an account, by name, and until when they were evaluated."""

    budgets: dict[str, Budget] = field(default_factory=dict)
    checked: datetime | None = None
