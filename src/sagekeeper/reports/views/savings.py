"""What could be saved, what was promised, and what the bill proves.

In: open recommendations and measurements of the ledger. Out: sums that never count one resource twice: of proposals
that exclude each other the best counts, the others do not add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, MeasurementRow
from sagekeeper.reports.views.proposals import ProposalLine

GONE_BACK = ("undone", "rolled_back")


@dataclass(frozen=True)
class Potential:
    """What all open recommendations would save together, per month of 730 hours."""

    low: Decimal
    expected: Decimal
    high: Decimal
    currency: str
    counted: int
    excluded: int
    one_click: int
    bases: tuple[str, ...]


def potential(proposals: Sequence[ProposalLine]) -> Potential:
    """Sum of the savings that can be had together; conflicts are settled for the largest expected saving."""
    counted = compatible(proposals)
    currency = counted[0].currency if counted else "USD"
    same = [item for item in counted if item.currency == currency]
    return Potential(
        low=sum((item.low for item in same), Decimal(0)),
        expected=sum((item.expected for item in same), Decimal(0)),
        high=sum((item.high for item in same), Decimal(0)),
        currency=currency,
        counted=len(same),
        excluded=len(proposals) - len(same),
        one_click=sum(item.one_click for item in proposals),
        bases=tuple(sorted({item.basis for item in same})),
    )


def compatible(proposals: Sequence[ProposalLine]) -> list[ProposalLine]:
    """The recommendations that do not exclude each other, best first."""
    taken: dict[str, ProposalLine] = {}
    excluded: set[str] = set()
    for item in sorted(proposals, key=lambda one: (-one.expected, one.fingerprint)):
        # Either of the two may be the one that names the conflict.
        if item.fingerprint not in excluded and not any(other in taken for other in item.conflicts_with):
            taken[item.fingerprint] = item
            excluded.update(item.conflicts_with)
    return list(taken.values())


@dataclass(frozen=True)
class Proven:
    """What the bill shows of all applied changes."""

    saved_to_date: Decimal
    per_month: Decimal
    promised_low: Decimal
    promised_high: Decimal
    currency: str
    actions: int
    too_early: int


def proven(ledger: Ledger) -> Proven:
    """Newest measurement of each action. One that was undone keeps what it saved but saves nothing per month any more."""
    newest = latest_measurements(ledger)
    with ledger.reading() as session:
        states = {row.id: row.state for row in session.scalars(select(ActionRow))}
    told = [row for row in newest.values() if row.verdict != "too early"]
    running = [row for row in told if states.get(row.action_id) not in GONE_BACK]
    return Proven(
        saved_to_date=sum((row.saved_to_date for row in told), Decimal(0)),
        per_month=sum((row.saved_per_month for row in running), Decimal(0)),
        promised_low=sum((row.promised_low for row in running), Decimal(0)),
        promised_high=sum((row.promised_high for row in running), Decimal(0)),
        currency=told[0].currency if told else "USD",
        actions=len(told),
        too_early=len(newest) - len(told),
    )


def latest_measurements(ledger: Ledger) -> dict[int, MeasurementRow]:
    """The newest measurement by action."""
    with ledger.reading() as session:
        rows = session.scalars(select(MeasurementRow).order_by(MeasurementRow.as_of))
        return {row.action_id: row for row in rows}
