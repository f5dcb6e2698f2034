"""What becomes of an incident: what people said of it holds until it is half as much again, and is not forgotten next month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_models import IncidentEventRow, IncidentRow
from sagekeeper.core.ledger.incidents import Verdict, decide_incident, mark_told, record_incidents, untold
from sagekeeper.core.ledger.models import AuditRow
from sagekeeper.core.types import Finding, ResourceRef, Stake

SINCE = datetime(2026, 11, 3, tzinfo=UTC)
NOW = datetime(2026, 11, 6, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def risen(per_day: float = 100, excess: float = 300, since: datetime = SINCE, planned: str | None = None) -> Finding:
    return Finding(
        fingerprint="i1",
        kind="overspend",
        subject=ResourceRef(account="123456789012", region="us-east-1", kind="endpoint", name="fraud"),
        severity="high",
        title="fraud costs twice what it used to",
        explanation="It went from 2 to 4 instances.",
        first_seen=since,
        last_seen=NOW,
        stake=Stake(
            cause="resized",
            because="fraud went from 2 to 4 x ml.m5.xlarge",
            since=since,
            excess=Decimal(str(excess)),
            per_day=Decimal(str(per_day)),
            month_excess=Decimal("2700"),
            planned=planned,
        ),
    )


def seen(ledger: Ledger, at: datetime, *found: Finding) -> IncidentRow:
    """The incident after a run that sees ``found``."""
    with ledger.session() as session:
        record_incidents(session, ["overspend"], found, at)
    with ledger.reading() as session:
        return session.get_one(IncidentRow, "i1")


def said(ledger: Ledger, verdict: Verdict, at: datetime = NOW, **more: object) -> None:
    with ledger.session() as session:
        decide_incident(session, "i1", verdict, "ann", at, **more)  # type: ignore[arg-type]


def untold_now(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return [row.fingerprint for row in untold(session)]


def told(ledger: Ledger, per_day: float) -> None:
    with ledger.session() as session:
        mark_told(session, "i1", Decimal(str(per_day)))


def test_a_new_incident_is_open_and_resolved_when_it_is_no_longer_seen(ledger: Ledger) -> None:
    assert seen(ledger, NOW, risen()).state == "open"
    assert seen(ledger, NOW + DAY).state == "resolved"
    with ledger.reading() as session:
        events = session.execute(select(IncidentEventRow.event, IncidentEventRow.detail).order_by(IncidentEventRow.id))
        assert [tuple(row) for row in events] == [
            ("opened", "fraud went from 2 to 4 x ml.m5.xlarge"),
            ("resolved", "no longer seen"),
        ]


def test_an_analyzer_that_failed_resolves_no_incident(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen())
    with sqlite_ledger.session() as session:
        record_incidents(session, ["idle_endpoint"], [], NOW + DAY)
        assert session.get_one(IncidentRow, "i1").state == "open"


def test_what_was_told_is_news_again_only_when_a_day_of_it_costs_half_as_much_again(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen(per_day=100))
    assert untold_now(sqlite_ledger) == ["i1"]
    told(sqlite_ledger, 100)
    seen(sqlite_ledger, NOW + DAY, risen(per_day=149, excess=449))
    assert untold_now(sqlite_ledger) == []
    seen(sqlite_ledger, NOW + 2 * DAY, risen(per_day=150, excess=600))
    assert untold_now(sqlite_ledger) == ["i1"]


@pytest.mark.parametrize("verdict", ["acknowledged", "expected"])
def test_what_somebody_is_on_stays_quiet_until_it_is_half_as_much_again(
    sqlite_ledger: Ledger, verdict: Verdict
) -> None:
    seen(sqlite_ledger, NOW, risen(per_day=100))
    said(sqlite_ledger, verdict, reason="the winter sale")
    assert seen(sqlite_ledger, NOW + DAY, risen(per_day=149, excess=449)).state == verdict
    assert seen(sqlite_ledger, NOW + 2 * DAY, risen(per_day=150, excess=600)).state == "open"


def test_a_snoozed_incident_opens_when_its_time_is_over(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen())
    said(sqlite_ledger, "snoozed", until=NOW + 2 * DAY)
    assert seen(sqlite_ledger, NOW + DAY, risen()).state == "snoozed"
    assert untold_now(sqlite_ledger) == []
    assert seen(sqlite_ledger, NOW + 2 * DAY, risen()).state == "open"


def test_what_a_person_resolved_stays_so_while_the_same_episode_fades_out(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen())
    said(sqlite_ledger, "resolved", reason="scaled down again")
    assert seen(sqlite_ledger, NOW + DAY, risen(per_day=90, excess=360)).state == "resolved"
    assert seen(sqlite_ledger, NOW + 2 * DAY, risen(per_day=160, excess=600)).state == "open"


def next_month(ledger: Ledger, accepted: Finding, again: Finding) -> IncidentRow:
    """After one episode was called expected and ended, another one."""
    seen(ledger, NOW, accepted)
    said(ledger, "expected", reason="the monthly retraining")
    seen(ledger, NOW + 2 * DAY)
    assert again.stake is not None
    return seen(ledger, again.stake.since + 3 * DAY, again)


def test_the_same_pattern_is_quiet_next_month(ledger: Ledger) -> None:
    row = next_month(ledger, risen(), risen(per_day=120, excess=360, since=datetime(2026, 12, 4, tzinfo=UTC)))
    assert (row.state, row.reason) == ("expected", "the monthly retraining")
    assert untold_now(ledger) == []


@pytest.mark.parametrize(
    "again",
    [
        risen(per_day=150, excess=300, since=datetime(2026, 12, 3, tzinfo=UTC)),
        risen(per_day=100, excess=450, since=datetime(2026, 12, 3, tzinfo=UTC)),
        risen(per_day=100, excess=300, since=datetime(2026, 12, 17, tzinfo=UTC)),
    ],
    ids=["a higher level", "more in all", "another time of the month"],
)
def test_what_is_beyond_the_accepted_pattern_opens_next_month(sqlite_ledger: Ledger, again: Finding) -> None:
    assert next_month(sqlite_ledger, risen(), again).state == "open"
    assert untold_now(sqlite_ledger) == ["i1"]


def test_the_turn_of_the_month_is_about_the_same_day(sqlite_ledger: Ledger) -> None:
    accepted = risen(since=datetime(2026, 10, 31, tzinfo=UTC))
    assert next_month(sqlite_ledger, accepted, risen(since=datetime(2026, 12, 1, tzinfo=UTC))).state == "expected"


def test_what_was_meant_is_expected_from_its_first_day_and_opens_when_it_grows(sqlite_ledger: Ledger) -> None:
    row = seen(sqlite_ledger, NOW, risen(planned="tagged change = CHG-1"))
    assert (row.state, row.reason, row.decided_by) == ("expected", "tagged change = CHG-1", None)
    assert untold_now(sqlite_ledger) == []
    assert seen(sqlite_ledger, NOW + DAY, risen(per_day=200, planned="tagged change = CHG-1")).state == "open"


def test_reopening_takes_an_expected_verdict_back(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen())
    said(sqlite_ledger, "expected", reason="a guess")
    said(sqlite_ledger, "open")
    seen(sqlite_ledger, NOW + DAY)
    again = datetime(2026, 12, 3, tzinfo=UTC)
    assert seen(sqlite_ledger, again + 3 * DAY, risen(since=again)).state == "open"


def test_an_incident_that_flickers_for_a_day_is_no_news(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, NOW, risen())
    told(sqlite_ledger, 100)
    seen(sqlite_ledger, NOW + DAY)
    assert seen(sqlite_ledger, NOW + 2 * DAY, risen(excess=500)).state == "open"
    assert untold_now(sqlite_ledger) == []


@pytest.mark.parametrize(
    ("verdict", "more", "words"),
    [
        ("expected", {}, "Say why it is expected"),
        ("expected", {"reason": "  "}, "Say why it is expected"),
        ("snoozed", {}, "Say until when"),
        ("snoozed", {"until": NOW}, "Say until when"),
    ],
)
def test_a_verdict_without_its_reason_or_time_is_refused(
    sqlite_ledger: Ledger, verdict: Verdict, more: dict[str, object], words: str
) -> None:
    seen(sqlite_ledger, NOW, risen())
    with pytest.raises(BadInput, match=words):
        said(sqlite_ledger, verdict, **more)


def test_who_said_what_is_in_the_audit_log_and_in_the_history(ledger: Ledger) -> None:
    seen(ledger, NOW, risen())
    said(ledger, "expected", reason="the winter sale")
    with ledger.reading() as session:
        (entry,) = session.scalars(select(AuditRow))
        last = session.scalars(select(IncidentEventRow).order_by(IncidentEventRow.id)).all()[-1]
    assert (entry.actor, entry.event, entry.detail["why"]) == ("ann", "incident expected", "the winter sale")
    assert (last.by, last.event, last.detail) == ("ann", "expected", "the winter sale")


def test_an_incident_that_is_not_there_is_named(sqlite_ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="There is no incident i1"):
        said(sqlite_ledger, "acknowledged")
