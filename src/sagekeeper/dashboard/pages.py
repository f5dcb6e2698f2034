"""The pages, one file ``page_*.py`` each. A new page is one file with a ``show()`` and one line in `PAGES`.

They lie flat on purpose: Streamlit takes a folder named ``pages`` beside its script for pages of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sagekeeper.dashboard import (
    page_activity,
    page_budgets,
    page_costs,
    page_incidents,
    page_models,
    page_overview,
    page_recommendations,
    page_reconciliation,
)


@dataclass(frozen=True)
class PageSpec:
    """A page: its address, its name, its icon, and what it shows."""

    path: str
    title: str
    icon: str
    show: Callable[[], None]


PAGES: tuple[PageSpec, ...] = (
    PageSpec("overview", "Overview", ":material/dashboard:", page_overview.show),
    PageSpec("costs", "Costs", ":material/payments:", page_costs.show),
    PageSpec("budgets", "Budgets", ":material/savings:", page_budgets.show),
    PageSpec("incidents", "Incidents", ":material/crisis_alert:", page_incidents.show),
    PageSpec("reconciliation", "Reconciliation", ":material/balance:", page_reconciliation.show),
    PageSpec("models", "Models", ":material/monitoring:", page_models.show),
    PageSpec("recommendations", "Recommendations", ":material/lightbulb:", page_recommendations.show),
    PageSpec("activity", "Activity", ":material/history:", page_activity.show),
)
