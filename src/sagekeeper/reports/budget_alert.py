"""The budget alert: how much, of what, when it breaks, what drives it, what to do about it, with a picture and a
link.

In: a budget's state with the thresholds that were newly reached, the resources of its month, the proposals that would
help. Out: a `Letter`. Spend is billed cost; the expected end is the forecast's; drivers are compared with the equally
long time before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sagekeeper.core.types import fingerprint
from sagekeeper.reports import wording as say
from sagekeeper.reports.letters import render
from sagekeeper.reports.mail import Letter, Picture
from sagekeeper.reports.pictures import month_against_budget
from sagekeeper.reports.views.budgets import BudgetState, Threshold
from sagekeeper.reports.views.proposals import ProposalLine
from sagekeeper.reports.views.savings import compatible
from sagekeeper.reports.views.spend import UNATTRIBUTED

MOST = 3


@dataclass(frozen=True)
class Driver:
    """What costs most in the month, and by how much more than before. ``change`` None: the time before is unknown."""

    name: str
    where: str
    owner: str
    cost: float
    change: float | None


def alert_key(state: BudgetState, threshold: Threshold) -> str:
    """One budget, one month, one threshold: told once."""
    return f"budget:{state.month:%Y-%m}:{threshold.kind}:{threshold.percent}:{fingerprint(state.name)}"


def budget_letter(
    state: BudgetState,
    reached: Threshold,
    resources: pl.DataFrame,
    proposals: Sequence[ProposalLine],
    link: str,
    as_of: datetime,
) -> Letter:
    """Compose the alert for the threshold that was ``reached``."""
    helpful = [item for item in compatible(proposals) if _in_scope(item, state)][:MOST]
    html, text = render(
        "budget_alert",
        state=state,
        reached=reached,
        headline=_headline(state, reached),
        breaks=_breaks(state, as_of),
        drivers=drivers(resources),
        proposals=helpful,
        link=link.rstrip("/"),
        as_of=as_of,
    )
    picture = Picture(
        "month",
        month_against_budget(state.days, state.forecast, float(state.amount), state.currency, state.month),
        "Spend of the month against the budget",
    )
    return Letter(alert_key(state, reached), _headline(state, reached), text, html, (picture,))


def drivers(resources: pl.DataFrame) -> list[Driver]:
    """The largest increases; where nothing is known of the time before, the largest costs."""
    by = pl.col("change").fill_null(pl.col("cost"))
    named = resources.filter(pl.col("resource_name") != UNATTRIBUTED) if resources.height > MOST else resources
    return [
        Driver(
            name=row["resource_name"],
            where=" ".join(part for part in (row["resource_kind"], row["region"]) if part).replace("_", " "),
            owner=row["owner"],
            cost=row["cost"],
            change=row["change"],
        )
        for row in named.sort(by, descending=True).head(MOST).iter_rows(named=True)
    ]


def _headline(state: BudgetState, reached: Threshold) -> str:
    month = f"{state.month:%B}"
    if reached.kind == "forecast":
        expected = say.big_money(state.forecast.expected, state.currency) if state.forecast else say.UNKNOWN
        return (
            f"Budget {state.name}: {expected} expected by the end of {month}, "
            f"{say.percent(state.expected_share)} of {say.big_money(state.amount, state.currency)}"
        )
    return (
        f"Budget {state.name}: {say.big_money(state.spent, state.currency)} spent in {month}, "
        f"{say.percent(state.share)} of {say.big_money(state.amount, state.currency)}"
    )


def _breaks(state: BudgetState, as_of: datetime) -> str:
    if state.breaks_on is None:
        return "At the expected pace it lasts until the end of the month."
    if state.share is not None and state.share >= 1:
        return f"It has been used up since {say.day(state.breaks_on)}."
    days = (state.breaks_on - as_of.date()).days
    when = "today" if days <= 0 else f"in {say.count(days, 'day')}"
    return f"At the expected pace it is used up on {say.day(state.breaks_on)}, {when}."


def _in_scope(item: ProposalLine, state: BudgetState) -> bool:
    mine = {"account": item.account, "owner": item.owner}
    return item.currency == state.currency and all(mine.get(name) == value for name, value in state.limits.items())
