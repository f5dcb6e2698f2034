"""The same money under another name is not told anew: it takes the other's place, or is resolved as its bill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentEventRow, IncidentRow
from sagekeeper.core.ledger.incidents import decide_incident, mark_told, record_incidents, untold
from sagekeeper.core.types import Finding, ResourceRef, Stake

SINCE = datetime(2026, 11, 3, tzinfo=UTC)
NOW = datetime(2026, 11, 6, 8, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = ["overspend", "idle_endpoint", "runaway_job"]


def finding(
    kind: str,
    name: str,
    resource: str = "endpoint",
    excess: float = 300,
    since: datetime = SINCE,
    planned: str | None = None,
) -> Finding:
    return Finding(
        fingerprint=f"{kind} {name}",
        kind=kind,
        subject=ResourceRef(account="123456789012", region="us-east-1", kind=resource, name=name),
        severity="high",
        title=f"{name} by {kind}",
        explanation="",
        first_seen=since,
        last_seen=NOW,
        stake=Stake(
            cause="unknown",
            because="it is so",
            since=since,
            excess=Decimal(str(excess)),
            per_day=Decimal(100),
            month_excess=None,
            planned=planned,
        ),
    )


def run(ledger: Ledger, at: datetime, *found: Finding) -> dict[str, str]:
    """The states after a run that sees ``found``."""
    with ledger.session() as session:
        record_incidents(session, KINDS, found, at)
    with ledger.reading() as session:
        return {row.fingerprint: row.state for row in session.scalars(select(IncidentRow))}


def news(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return [row.fingerprint for row in untold(session)]


def test_an_endpoint_that_was_told_as_new_is_not_told_again_as_forgotten(ledger: Ledger) -> None:
    run(ledger, NOW, finding("overspend", "x"))
    with ledger.session() as session:
        mark_told(session, "overspend x", Decimal(100))
    assert run(ledger, NOW + DAY, finding("idle_endpoint", "x")) == {
        "overspend x": "resolved",
        "idle_endpoint x": "open",
    }
    assert news(ledger) == []
    with ledger.reading() as session:
        last = session.scalars(select(IncidentEventRow).order_by(IncidentEventRow.id.desc())).first()
    assert last is not None
    assert last.detail == "goes on from x by overspend"


def test_who_took_it_on_still_has_it(sqlite_ledger: Ledger) -> None:
    run(sqlite_ledger, NOW, finding("overspend", "x"))
    with sqlite_ledger.session() as session:
        decide_incident(session, "overspend x", "acknowledged", "ann", NOW, reason="I ask them")
    assert run(sqlite_ledger, NOW + DAY, finding("idle_endpoint", "x"))["idle_endpoint x"] == "acknowledged"
    with sqlite_ledger.reading() as session:
        row = session.get_one(IncidentRow, "idle_endpoint x")
    assert (row.decided_by, row.reason) == ("ann", "I ask them")


def test_a_launch_that_was_expected_and_that_nobody_calls_is_news(sqlite_ledger: Ledger) -> None:
    assert run(sqlite_ledger, NOW, finding("overspend", "x", planned="change CHG-1"))["overspend x"] == "expected"
    assert run(sqlite_ledger, NOW + DAY, finding("idle_endpoint", "x")) == {
        "overspend x": "resolved",
        "idle_endpoint x": "open",
    }
    assert news(sqlite_ledger) == ["idle_endpoint x"]


@pytest.mark.parametrize("looks", [1, 2])
def test_the_bill_of_a_runaway_job_that_has_ended_is_not_told_after_it(ledger: Ledger, looks: int) -> None:
    began = SINCE + timedelta(hours=9)
    run(ledger, NOW, finding("runaway_job", "sweep-9", "training_job", since=began))
    if looks == 2:  # one of them found that it had ended
        run(ledger, NOW + DAY)
    bill = finding("overspend", "sweep", "training_family", excess=320)
    for days in (3, 4):  # also when it is seen again
        assert run(ledger, NOW + days * DAY, bill) == {"runaway_job sweep-9": "resolved", "overspend sweep": "resolved"}
    assert news(ledger) == []


@pytest.mark.parametrize(
    "bill",
    [
        finding("overspend", "sweep", "training_family", excess=900),  # three times what was told
        finding("overspend", "sweep", "training_family", since=NOW + 20 * DAY),  # another time
        finding("overspend", "other", "training_family"),
    ],
)
def test_other_money_of_the_same_family_is_told(sqlite_ledger: Ledger, bill: Finding) -> None:
    run(sqlite_ledger, NOW, finding("runaway_job", "sweep-9", "training_job"))
    run(sqlite_ledger, NOW + DAY)
    assert run(sqlite_ledger, NOW + 25 * DAY, bill)[bill.fingerprint] == "open"


def test_two_kinds_that_are_both_seen_are_two(sqlite_ledger: Ledger) -> None:
    both = (finding("overspend", "x"), finding("idle_endpoint", "x"))
    run(sqlite_ledger, NOW, both[0])
    assert run(sqlite_ledger, NOW + DAY, *both) == {"overspend x": "open", "idle_endpoint x": "open"}


def test_a_job_that_runs_away_is_news_whatever_was_said_of_its_family(sqlite_ledger: Ledger) -> None:
    run(sqlite_ledger, NOW, finding("overspend", "sweep", "training_family"))
    with sqlite_ledger.session() as session:
        mark_told(session, "overspend sweep", Decimal(100))
    run(sqlite_ledger, NOW + DAY, finding("runaway_job", "sweep-9", "training_job"))
    assert news(sqlite_ledger) == ["runaway_job sweep-9"]


def test_an_endpoint_that_goes_on_unused_after_its_rise_became_usual_is_told(sqlite_ledger: Ledger) -> None:
    run(sqlite_ledger, NOW, finding("overspend", "x"))
    run(sqlite_ledger, NOW + DAY)
    assert run(sqlite_ledger, NOW + 2 * DAY, finding("idle_endpoint", "x"))["idle_endpoint x"] == "open"
