"""What should change: the open recommendations as short lines, and any one of them complete with what became of it.

In: the ledger. Out: `ProposalLine`s, the largest expected saving first. As with findings only a few fields of each
document are read. The action that a recommendation's present version already has (one at most) is named, so that
nobody asks twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, DecisionRow, RecommendationRow
from sagekeeper.core.types import Recommendation

LEVER_IN_WORDS = {
    "idle_endpoint": "Delete idle endpoint",
    "spot_training": "Managed spot training",
    "smaller_instance": "Smaller instance",
}


@dataclass(frozen=True)
class ProposalLine:
    """A recommendation in one line."""

    fingerprint: str
    version: str
    lever: str
    account: str
    region: str
    resource_name: str
    title: str
    owner: str | None
    low: Decimal
    expected: Decimal
    high: Decimal
    currency: str
    basis: str
    gates: list[dict[str, Any]]
    conflicts_with: list[str]
    action_id: int | None
    action_state: str | None

    @property
    def one_click(self) -> bool:
        """Whether every gate passes; unknown blocks."""
        return all(gate["state"] == "pass" for gate in self.gates)

    @property
    def lever_in_words(self) -> str:
        """The lever, said."""
        return LEVER_IN_WORDS.get(self.lever, self.lever.replace("_", " ").capitalize())


def proposal_lines(ledger: Ledger) -> list[ProposalLine]:
    """Open recommendations, the largest expected saving first."""
    document, saving = RecommendationRow.document, RecommendationRow.document["saving"]
    wanted = (
        select(
            RecommendationRow.fingerprint,
            RecommendationRow.version,
            RecommendationRow.lever,
            RecommendationRow.account,
            RecommendationRow.region,
            RecommendationRow.resource_name,
            document["title"].as_string(),
            document["owner"].as_string(),
            saving["low"].as_string(),
            saving["expected"].as_string(),
            saving["high"].as_string(),
            saving["currency"].as_string(),
            saving["basis"].as_string(),
            document["gates"].as_json(),
            document["conflicts_with"].as_json(),
            ActionRow.id,
            ActionRow.state,
        )
        .join(
            ActionRow,
            and_(
                ActionRow.recommendation == RecommendationRow.fingerprint,
                ActionRow.version == RecommendationRow.version,
            ),
            isouter=True,
        )
        .where(RecommendationRow.state == "open")
    )
    with ledger.reading() as session:
        lines = [
            ProposalLine(*row[:8], *(Decimal(amount) for amount in row[8:11]), *row[11:])
            for row in session.execute(wanted)
        ]
    return sorted(lines, key=lambda one: (-one.expected, one.fingerprint))


def proposal(ledger: Ledger, fingerprint: str) -> Recommendation | None:
    """One recommendation, complete, whatever its state."""
    with ledger.reading() as session:
        row = session.get(RecommendationRow, fingerprint)
        return Recommendation.model_validate(row.document) if row else None


@dataclass(frozen=True)
class Dismissed:
    """A recommendation somebody does not want to see."""

    fingerprint: str
    version: str
    title: str
    by: str
    reason: str | None


def dismissed(ledger: Ledger) -> list[Dismissed]:
    """Dismissed recommendations with the last decision on each."""
    with ledger.reading() as session:
        rows = list(session.scalars(select(RecommendationRow).where(RecommendationRow.state == "dismissed")))
        decisions = {row.fingerprint: row for row in session.scalars(select(DecisionRow).order_by(DecisionRow.id))}
    return [
        Dismissed(row.fingerprint, row.version, str(row.document["title"]), last.by, last.reason)
        for row in rows
        if (last := decisions.get(row.fingerprint)) is not None
    ]
