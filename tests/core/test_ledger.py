"""The ledger: the same behaviour on SQLite and Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from sagekeeper.core.errors import BadInput, PlanRefused, SourceUnavailable
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.findings import (
    decide,
    open_findings,
    open_recommendations,
    record_findings,
    record_recommendations,
)
from sagekeeper.core.ledger.models import ActionRow, AuditRow, Base, FindingEventRow, RecommendationRow
from sagekeeper.core.ledger.queue import all_actions, approve_action, request_action, request_undo
from sagekeeper.core.ledger.runs import add_api_use, audit, last_source_runs, set_watermark, start_source_run, watermark
from sagekeeper.core.types import DeleteEndpoint, Finding, Gate, GateState, Recommendation, ResourceRef, Saving

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
ENDPOINT = ResourceRef(account="123456789012", region="us-east-1", kind="endpoint", name="fraud")


def finding(fingerprint: str = "f1", severity: str = "high", at: datetime = NOW) -> Finding:
    return Finding(
        fingerprint=fingerprint,
        kind="idle_endpoint",
        subject=ENDPOINT,
        severity=severity,  # type: ignore[arg-type]
        title="fraud is idle",
        explanation="Nobody has called it for 30 days.",
        impact_per_month=Decimal("83.95"),
        first_seen=at,
        last_seen=at,
    )


def recommendation(version: str = "v1", gate: GateState = "pass") -> Recommendation:
    return Recommendation(
        fingerprint="r1",
        version=version,
        lever="idle_endpoint",
        subjects=[ENDPOINT],
        title="Delete fraud",
        explanation="It is idle.",
        current=[],
        proposed=[],
        cost_per_month=Decimal("83.95"),
        saving=Saving(
            low=Decimal(80), expected=Decimal("83.95"), high=Decimal(84), basis="effective", certainty="measured"
        ),
        gates=[Gate(name="opted in", state=gate, why="tag cost-optimizer=managed")],
        confidence=0.95,
        reversible=True,
        change=DeleteEndpoint(endpoint=ENDPOINT),
        as_of=NOW,
    )


def known(ledger: Ledger, item: Recommendation) -> None:
    with ledger.session() as session:
        record_recommendations(session, ["idle_endpoint"], [item])


def test_the_migrations_build_exactly_the_declared_tables(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    first = open_ledger(url)
    known(first, recommendation())
    first.close()
    again = open_ledger(url)
    with again.reading() as session:
        assert len(open_recommendations(session)) == 1
    again.close()


def test_an_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(SourceUnavailable) as caught:
        open_ledger("postgresql+psycopg://keeper:s3cret@127.0.0.1:1/none?connect_timeout=2")
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_times_come_back_in_utc(ledger: Ledger) -> None:
    east = NOW.astimezone(tz=None) + timedelta(0)
    with ledger.session() as session:
        set_watermark(session, "cost_explorer", "1", "us-east-1", east, NOW)
    with ledger.reading() as session:
        found = watermark(session, "cost_explorer", "1", "us-east-1")
    assert found == NOW
    assert found is not None
    assert found.tzinfo is UTC


def test_a_watermark_never_moves_back(ledger: Ledger) -> None:
    for upto in (NOW, NOW - timedelta(days=3)):
        with ledger.session() as session:
            set_watermark(session, "jobs", "1", "us-east-1", upto, NOW)
    with ledger.reading() as session:
        assert watermark(session, "jobs", "1", "us-east-1") == NOW


def test_a_finding_seen_again_keeps_its_first_day(ledger: Ledger) -> None:
    for at in (NOW, NOW + timedelta(days=1)):
        with ledger.session() as session:
            record_findings(session, ["idle_endpoint"], [finding(at=at)], at)
    with ledger.reading() as session:
        (found,) = open_findings(session)
    assert (found.first_seen, found.last_seen) == (NOW, NOW + timedelta(days=1))


def test_a_finding_no_longer_seen_is_resolved_and_its_history_told(ledger: Ledger) -> None:
    for seen in ([finding()], [], [finding()]):
        with ledger.session() as session:
            record_findings(session, ["idle_endpoint"], seen, NOW)
    with ledger.reading() as session:
        events = session.scalars(select(FindingEventRow.event).order_by(FindingEventRow.id)).all()
        assert events == ["opened", "resolved", "opened again"]
        assert len(open_findings(session)) == 1


def test_a_failed_analyzer_resolves_nothing(ledger: Ledger) -> None:
    with ledger.session() as session:
        record_findings(session, ["idle_endpoint"], [finding()], NOW)
    with ledger.session() as session:
        record_findings(session, ["overspend"], [], NOW)
    with ledger.reading() as session:
        assert len(open_findings(session)) == 1


def test_a_dismissed_recommendation_stays_away_until_its_content_changes(ledger: Ledger) -> None:
    known(ledger, recommendation())
    with ledger.session() as session:
        decide(session, "r1", "v1", "dismissed", "ann", NOW, "needed for disaster recovery")
    known(ledger, recommendation())
    with ledger.reading() as session:
        assert open_recommendations(session) == []
    known(ledger, recommendation(version="v2"))
    with ledger.reading() as session:
        assert [item.version for item in open_recommendations(session)] == ["v2"]


def test_three_clicks_in_parallel_make_one_action(ledger: Ledger) -> None:
    known(ledger, recommendation())
    with ThreadPoolExecutor(3) as clicks:
        made = list(clicks.map(lambda _: request_action(ledger, "r1", "v1", "ann", NOW, approve=True), range(3)))
    assert sorted(new for _, new in made) == [False, False, True]
    assert len({action.id for action, _ in made}) == 1
    assert len(all_actions(ledger)) == 1


@pytest.mark.parametrize("state", ["fail", "unknown"])
def test_a_gate_that_does_not_pass_blocks_one_click_and_says_why(sqlite_ledger: Ledger, state: GateState) -> None:
    known(sqlite_ledger, recommendation(gate=state))
    with pytest.raises(PlanRefused, match="opted in: tag cost-optimizer=managed"):
        request_action(sqlite_ledger, "r1", "v1", "ann", NOW, approve=True)
    assert all_actions(sqlite_ledger) == []


def test_a_recommendation_that_changed_since_it_was_shown_is_not_acted_on(sqlite_ledger: Ledger) -> None:
    known(sqlite_ledger, recommendation(version="v2"))
    with pytest.raises(BadInput, match="has changed since you looked"):
        request_action(sqlite_ledger, "r1", "v1", "ann", NOW)


def test_approving_twice_is_approving_once(ledger: Ledger) -> None:
    known(ledger, recommendation())
    action, _ = request_action(ledger, "r1", "v1", "ann", NOW)
    approve_action(ledger, action.id, "bob", NOW)
    assert approve_action(ledger, action.id, "eve", NOW).approved_by == "bob"
    with ledger.reading() as session:
        assert len(session.scalars(select(AuditRow).where(AuditRow.event == "action approved")).all()) == 1


def test_only_an_applied_action_can_be_undone(ledger: Ledger) -> None:
    known(ledger, recommendation())
    action, _ = request_action(ledger, "r1", "v1", "ann", NOW)
    with pytest.raises(PlanRefused, match="only an applied action can be undone"):
        request_undo(ledger, action.id, "ann", NOW)
    with ledger.session() as session:
        session.get_one(ActionRow, action.id).state = "applied"
    assert request_undo(ledger, action.id, "ann", NOW).state == "undo_requested"


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.session() as session:
        audit(session, NOW, "ann", "started", "fraud")
        raise RuntimeError("power cut")
    with ledger.reading() as session:
        assert session.scalars(select(AuditRow)).all() == []


def test_own_api_use_adds_up_exactly(ledger: Ledger) -> None:
    for _ in range(3):
        with ledger.session() as session:
            add_api_use(session, NOW.date(), "1", "ce", "GetCostAndUsage", 2, 2, Decimal("0.02"))
    with ledger.engine.connect() as connection:
        row = connection.exec_driver_sql("select calls, cost_usd from api_use").one()
    assert (row[0], Decimal(row[1])) == (6, Decimal("0.06"))


def test_the_newest_run_of_each_source_is_shown(ledger: Ledger) -> None:
    for _ in range(2):
        with ledger.session() as session:
            start_source_run(session, "jobs", "1", "us-east-1", NOW, NOW)
    with ledger.reading() as session:
        assert [row.id for row in last_source_runs(session)] == [2]


def test_readers_are_not_blocked_by_a_writer(ledger: Ledger) -> None:
    known(ledger, recommendation())
    with ledger.session() as writer:
        writer.get_one(RecommendationRow, "r1").state = "applied"
        writer.flush()
        with ledger.reading() as reader:
            assert reader.get_one(RecommendationRow, "r1").state == "open"


def test_a_ledger_in_memory_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_ledger("sqlite://").close()
    open_ledger("sqlite:///:memory:").close()
    assert list(tmp_path.iterdir()) == []
