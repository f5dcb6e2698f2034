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

from sagekeeper.core.tables import SAGEMAKER
from sagekeeper.core.types import fingerprint
from sagekeeper.reports import wording as say
from sagekeeper.reports.letters import render
from sagekeeper.reports.mail import Letter, Picture
from sagekeeper.reports.pictures import month_against_budget
from sagekeeper.reports.views.budget_rows import covers
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
    """One budget, one period, one threshold: told once."""
    period = f"{state.month:%Y-%m}" if state.period.unit == "MONTHLY" else f"{state.period.unit}-{state.month}"
    return f"budget:{period}:{threshold.kind}:{threshold.percent}:{fingerprint(state.name)}"


def budget_letter(
    state: BudgetState,
    reached: Threshold,
    resources: pl.DataFrame,
    proposals: Sequence[ProposalLine],
    link: str,
    as_of: datetime,
) -> Letter:
    """Compose the alert for the threshold that was ``reached``."""
    helpful = _helpful(proposals, state)
    html, text = render(
        "budget_alert",
        state=state,
        reached=reached,
        headline=_headline(state, reached),
        breaks=_breaks(state, as_of),
        drivers=drivers(resources),
        proposals=helpful,
        chance=_chance(state),
        period=state.period.words,
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
    period = state.period.words
    if reached.kind == "forecast":
        expected = say.big_money(state.forecast.expected, state.currency) if state.forecast else say.UNKNOWN
        return (
            f"Budget {state.name}: {expected} expected by the end of {period}, "
            f"{say.percent(state.expected_share)} of {say.big_money(state.amount, state.currency)}"
        )
    return (
        f"Budget {state.name}: {say.big_money(state.spent, state.currency)} spent in {period}, "
        f"{say.percent(state.share)} of {say.big_money(state.amount, state.currency)}"
    )


def _breaks(state: BudgetState, as_of: datetime) -> str:
    if state.share is not None and state.share >= 1 and state.breaks_on is not None:
        return f"It has been used up since {say.day(state.breaks_on)}."
    if state.breaks_on is None:
        return f"At the expected pace it lasts until the end of {_word(state)}."
    days = (state.breaks_on - as_of.date()).days
    when = "today" if days <= 0 else f"in {say.count(days, 'day')}"
    return f"At the expected pace it is used up on {say.day(state.breaks_on)}, {when}."


def _chance(state: BudgetState) -> str:
    """How likely it breaks, and what is left; what is over, once it is broken."""
    if state.left is None:
        return ""
    if state.left <= 0:
        return f"It is overspent by {say.big_money(-state.left, state.currency)}."
    left = f"{say.big_money(state.left, state.currency)} are left"
    if state.p_breach is None:
        return f"{left}; how likely it breaks is not known."
    return f"{left}. It breaks by the end of {_word(state)} with a probability of {state.chance}."


def _word(state: BudgetState) -> str:
    return "the month" if state.period.unit == "MONTHLY" else state.period.words


def _helpful(proposals: Sequence[ProposalLine], state: BudgetState) -> list[ProposalLine]:
    """Proposals about what the budget pays for."""
    mine = [item for item in compatible(proposals) if item.currency == state.currency]
    things = [
        {
            "account": item.account,
            "region": item.region,
            "owner": item.owner,
            "service": SAGEMAKER,
            "charge_category": "Usage",
            "resource_name": item.resource_name,
            "resource_kind": "training_job" if item.lever == "spot_training" else "endpoint",
        }
        for item in mine
    ]
    held = covers(state.where, things)
    return [item for item, inside in zip(mine, held, strict=True) if inside][:MOST]
