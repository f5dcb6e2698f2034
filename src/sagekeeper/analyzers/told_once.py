"""The same money is told once: of findings of different kinds about one thing the one that says most of why it is.

In: the findings of one run. Out: the same without those whose money another tells, and with what is left where that is more than
half. A forgotten endpoint is no new one, a runaway job no dear family of jobs. A thing is a resource, or the family of a job.
Findings of other kinds keep what they say and lose their money only. Price effects are no one's but the price change's
from the start (`at_old_prices.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from sagekeeper.core.job_names import thing_of
from sagekeeper.core.types import Finding, ResourceRef, Stake

RANKS = {"idle_endpoint": 0, "runaway_job": 1, "failed_jobs": 2, "price_change": 3, "overspend": 4}
"""Who tells it, first. Others come after these: what they tell is a view of the same money."""
OTHERS = 5
APART = {"runaway_job", "failed_jobs"}
"""A job that runs is not one that has failed: these two never share money."""
LEFT = Decimal("0.5")
"""Share of its own excess that must be left for a finding to tell it."""
SUMS = ("usage_family", "service", "account")
"""What holds the money of jobs, the narrowest first."""
FAMILIES = {"training_job": "training", "processing_job": "processing", "transform_job": "transform"}
Thing = tuple[str, str, str, str]


def told_once(findings: Iterable[Finding]) -> list[Finding]:
    """``findings`` in their order, no money in two of them."""
    found = list(findings)
    claims: dict[Thing, list[Finding]] = {}
    told: dict[str, Finding | None] = {}
    for finding in sorted((item for item in found if item.stake is not None), key=_rank):
        thing = _thing(finding)
        others = [
            item
            for item in claims.get(thing, [])
            if item.kind != finding.kind and not {item.kind, finding.kind} <= APART
        ]
        if finding.kind == "overspend" and finding.subject.kind in SUMS:
            others = _run_away(found, finding)
        left = _left(finding, others)
        told[finding.fingerprint] = left
        if left is not None and left.stake is not None:
            claims.setdefault(thing, []).append(finding)
    kept = (told.get(item.fingerprint, item) if item.stake is not None else item for item in found)
    return [item for item in kept if item is not None]


def _rank(finding: Finding) -> tuple[int, Decimal, str]:
    assert finding.stake is not None
    return RANKS.get(finding.kind, OTHERS), -finding.stake.excess, finding.fingerprint


def _thing(finding: Finding) -> Thing:
    kind, name = thing_of(finding.subject.kind, finding.subject.name)
    return finding.subject.account, finding.subject.region, kind, name


def _run_away(found: list[Finding], total: Finding) -> list[Finding]:
    """Runaway jobs in a sum whose families, or narrower sums, are not told, and thus not taken out of it, as overspend."""
    told = [item.subject for item in found if item.kind == "overspend"]
    families = {_thing(item) for item in found if item.kind == "overspend"}
    narrower = [
        subject
        for subject in told
        if subject.account == total.subject.account and subject.kind in SUMS[: SUMS.index(total.subject.kind)]
    ]
    return [
        item
        for item in found
        if item.kind == "runaway_job"
        and item.stake is not None
        and item.subject.account == total.subject.account
        and _thing(item) not in families
        and _holds(total.subject, item.subject.kind)
        and not any(_holds(subject, item.subject.kind) for subject in narrower)
    ]


def _holds(total: ResourceRef, kind: str) -> bool:
    """Whether a sum of the account holds what jobs of a ``kind`` cost."""
    if total.kind == "account":
        return True
    return "SageMaker" in total.name and (total.kind == "service" or total.name.endswith(f", {FAMILIES.get(kind)}"))


def _left(finding: Finding, others: list[Finding]) -> Finding | None:
    """``finding`` with the money that no other tells; without any, or None, where that is too little."""
    stake = finding.stake
    assert stake is not None
    if not others:
        return finding
    rest = _without(stake, [item.stake for item in others if item.stake is not None], finding.last_seen)
    if rest.excess >= LEFT * stake.excess:
        return finding.model_copy(update={"stake": rest})
    return None if finding.kind in RANKS else finding.model_copy(update={"stake": None})


def _without(stake: Stake, others: list[Stake], now: datetime) -> Stake:
    """Less what the others tell of the same days."""

    def less(whole: Decimal, part: Callable[[Stake], Decimal]) -> Decimal:
        return max(whole - sum((part(item) for item in others), Decimal(0)), Decimal(0))

    def since_then(other: Stake) -> Decimal:
        days, shared = (
            max((now - since).total_seconds(), 1.0) for since in (other.since, max(other.since, stake.since))
        )
        return other.excess * Decimal(str(shared / days))

    month = stake.month_excess
    return stake.model_copy(
        update={
            "excess": less(stake.excess, since_then),
            "per_day": less(stake.per_day, lambda item: item.per_day),
            "month_excess": None if month is None else less(month, lambda item: item.month_excess or Decimal(0)),
        }
    )
