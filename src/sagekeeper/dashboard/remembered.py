"""The one cache of the dashboard: a view's value is kept until the lake tables or the ledger it was made from have
changed.

The key is the view, its arguments, the versions of its tables and the ledger's stamp; never an age. Values are kept
as they are (`cache_resource`): frames and frozen lines are immutable, and the copy that `cache_data` makes on every
rerun would cost more than the rest of the page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import func, select

from sagekeeper.core.ledger.incident_models import IncidentEventRow, IncidentRow
from sagekeeper.core.ledger.models import (
    ActionRow,
    ApiUseRow,
    AuditRow,
    BillMonthRow,
    BudgetRow,
    DecisionRow,
    FindingEventRow,
    FindingRow,
    IngestedFileRow,
    MeasurementRow,
    RecommendationRow,
    SourceRunRow,
    StepRow,
)
from sagekeeper.core.tables import TABLES, Table
from sagekeeper.dashboard.opened import opened

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = 8
"""Values kept of one view: enough for a few people on different periods, few enough that stale ones cost little memory."""

_MARKS: tuple[tuple[Any, Any], ...] = (
    (ActionRow, func.max(ActionRow.updated_at)),
    (StepRow, func.max(StepRow.started_at)),
    (StepRow, func.max(StepRow.finished_at)),
    (FindingRow, func.max(FindingRow.last_seen)),
    (FindingEventRow, func.max(FindingEventRow.id)),
    (IncidentRow, func.max(IncidentRow.last_seen)),
    (IncidentEventRow, func.max(IncidentEventRow.id)),
    (RecommendationRow, func.max(RecommendationRow.last_seen)),
    (DecisionRow, func.max(DecisionRow.id)),
    (MeasurementRow, func.max(MeasurementRow.measured_at)),
    (SourceRunRow, func.max(SourceRunRow.finished_at)),
    (ApiUseRow, func.sum(ApiUseRow.calls)),
    (BillMonthRow, func.max(BillMonthRow.read_at)),
    (IngestedFileRow, func.max(IngestedFileRow.ingested_at)),
    (BudgetRow, func.max(BudgetRow.updated_at)),
    (AuditRow, func.max(AuditRow.id)),
)


def remembered(
    *tables: Table, ledger: bool = False, spinner: str | bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what a function gives while ``tables`` (and the ledger, if asked for) stay as they are."""

    def around(view: Callable[P, R]) -> Callable[P, R]:
        def kept(versions: tuple[int | None, ...], stamp: str, *args: Any, **named: Any) -> R:  # noqa: ARG001
            return view(*args, **named)

        # Streamlit tells caches apart by the function's name and text; the text is the same for all views.
        kept.__qualname__ = f"kept.{view.__module__}.{view.__qualname__}"
        cached = st.cache_resource(max_entries=_KEPT, show_spinner=spinner)(kept)

        @wraps(view)
        def given(*args: P.args, **named: P.kwargs) -> R:
            versions = _versions(tuple(table.name for table in tables))
            return cached(versions, _stamp() if ledger else "", *args, **named)

        return given

    return around


def forget_ledger() -> None:
    """After a click of our own: the next look reads the ledger again at once."""
    _stamp.clear()


def look_again() -> None:
    """A person who opens a page sees this moment, not what somebody else's page saw up to a second ago."""
    _stamp.clear()
    _versions.clear()


@st.cache_data(ttl=1, show_spinner=False)
def _stamp() -> str:
    """Changes exactly when something that pages show has changed in the ledger."""
    counted = [
        part
        for table, mark in _MARKS
        for part in (select(func.count()).select_from(table).scalar_subquery(), select(mark).scalar_subquery())
    ]
    with opened().ledger.reading() as session:
        return str(session.execute(select(*counted)).one())


@st.cache_data(ttl=1, show_spinner=False)
def _versions(names: tuple[str, ...]) -> tuple[int | None, ...]:
    tables = {table.name: table for table in TABLES}
    return tuple(opened().lake.version(tables[name]) for name in names)
