"""Who is told of what is decided once, however many ask, and stays to be sent until it went out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier

from sqlalchemy import select

from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_letters import (
    GIVE_UP,
    Audience,
    decide_letters,
    letter_done,
    pending_letters,
)
from sagekeeper.core.ledger.incident_models import IncidentLetterRow, IncidentRow
from sagekeeper.core.ledger.incidents import record_incidents
from sagekeeper.core.types import Finding, ResourceRef, Stake

NOW = datetime(2026, 11, 6, 8, tzinfo=UTC)
PLATFORM, ANA = Audience(("platform@example.com",), channels=True), Audience(("ana@example.com",))


def risen(name: str, per_day: int = 100) -> Finding:
    stake = Stake(
        cause="resized", because="it grew", since=NOW - timedelta(days=3), excess=Decimal(300), per_day=Decimal(per_day),
        month_excess=None,
    )  # fmt: skip
    return Finding(
        fingerprint=name,
        kind="overspend",
        subject=ResourceRef(account="123456789012", region="us-east-1", kind="endpoint", name=name),
        severity="high",
        title=f"{name} costs more",
        explanation="It grew.",
        first_seen=NOW,
        last_seen=NOW,
        owner="ana" if name == "hers" else None,
        stake=stake,
    )


def seen(ledger: Ledger, *found: Finding) -> None:
    with ledger.session() as session:
        record_incidents(session, ["overspend"], found, NOW)


def whom(row: IncidentRow) -> list[Audience]:
    return [PLATFORM, ANA] if row.owner == "ana" else [PLATFORM]


def decided(ledger: Ledger, now: datetime = NOW) -> list[tuple[str, list[str]]]:
    """Decide, and all letters there are: the first reader, and what about."""
    with ledger.session() as session:
        decide_letters(session, whom, now)
    with ledger.reading() as session:
        rows = session.scalars(select(IncidentLetterRow)).all()
        return sorted((row.recipients[0], sorted(item["fingerprint"] for item in row.members)) for row in rows)


def test_each_reader_gets_one_letter_with_all_that_is_new_and_nothing_twice(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, risen("hers"), risen("other"))
    once = [("ana@example.com", ["hers"]), ("platform@example.com", ["hers", "other"])]
    assert decided(sqlite_ledger) == once
    assert decided(sqlite_ledger, NOW + timedelta(hours=1)) == once


def test_what_has_grown_by_half_is_in_a_new_letter_that_knows_what_was_told(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, risen("other"))
    decided(sqlite_ledger)
    seen(sqlite_ledger, risen("other", 149))
    assert len(decided(sqlite_ledger)) == 1
    seen(sqlite_ledger, risen("other", 150))
    assert len(decided(sqlite_ledger)) == 2
    with sqlite_ledger.reading() as session:
        letters = session.scalars(select(IncidentLetterRow)).all()
        assert {row.members[0]["before"] for row in letters} == {None, "100"}


def test_two_processes_that_decide_at_once_write_one_letter(ledger: Ledger) -> None:
    seen(ledger, risen("other"))
    together = Barrier(2)

    def decide(second: int) -> None:
        together.wait()
        with ledger.session() as session:
            decide_letters(session, whom, NOW + timedelta(seconds=second))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(decide, range(2)))
    with ledger.reading() as session:
        assert len(session.scalars(select(IncidentLetterRow)).all()) == 1


def test_a_letter_waits_until_it_is_done_and_is_given_up_as_old_news(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, risen("other"))
    decided(sqlite_ledger)

    def waiting(now: datetime) -> list[str]:
        with sqlite_ledger.reading() as session:
            return [row.key for row in pending_letters(session, now)]

    (key,) = waiting(NOW + GIVE_UP)
    assert waiting(NOW + GIVE_UP + timedelta(seconds=1)) == []
    with sqlite_ledger.session() as session:
        letter_done(session, key, NOW)
    assert waiting(NOW) == []


def test_what_nobody_can_be_told_of_stays_untold_until_somebody_can(sqlite_ledger: Ledger) -> None:
    seen(sqlite_ledger, risen("other"))
    with sqlite_ledger.session() as session:
        decide_letters(session, lambda _: [], NOW)
    assert decided(sqlite_ledger) == [("platform@example.com", ["other"])]
