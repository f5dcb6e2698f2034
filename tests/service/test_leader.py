"""The lead: one at a time, given away, and noticed when it is lost."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.service.leader import LEADER_KEY, leader_lock


def test_only_one_leads_and_the_next_can_when_it_is_given_away(ledger: Ledger) -> None:
    first, second = leader_lock(ledger), leader_lock(ledger)
    assert first.acquire()
    assert first.acquire(), "asking again while leading is no loss"
    assert first.held()
    assert not second.acquire()
    assert not second.held()
    first.release()
    assert not first.held()
    assert second.acquire()
    second.release()


@pytest.mark.integration
def test_a_cut_database_session_is_noticed_and_another_can_lead(postgres_database: str) -> None:
    ledger, other = open_ledger(postgres_database), open_ledger(postgres_database)
    first, second = leader_lock(ledger), leader_lock(other)
    assert first.acquire()
    with other.engine.connect() as connection:
        cut = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :key")
        connection.execute(cut, {"key": LEADER_KEY})
    assert not first.held()
    assert second.acquire()
    assert not first.acquire()
    second.release()
    ledger.close()
    other.close()
