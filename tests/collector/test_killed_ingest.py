"""kill -9 of an ingest at every step that writes: the month is as before or as after, and the next run ends the work.

The dead ingest is a real process. What comes after it has only what lies on disk.
"""

from __future__ import annotations

import shutil
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests import forked

from sagekeeper.collector.bill_exports import ingest_export
from sagekeeper.collector.bill_places import Folder
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Settings
from sagekeeper.core.tables import BILL_VERSIONS, COSTS, DAILY_COSTS
from sagekeeper.service.bill_history import remember_versions
from sagekeeper.service.daily_costs import refresh_daily_costs

from .bills import deliver

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SCRIPT = Path(__file__).with_name("killed_ingest.py")
THEN, NOW, LATER = (datetime(2026, 4, day, 8, tzinfo=UTC) for day in (3, 5, 6))
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
BEFORE, AFTER = [1.5, 2.5], [1.5, 2.25, 4.0, 8.0]
STOOD = [16.0]


def finish(folder: Path, now: datetime) -> None:
    """An ingest that lives."""
    lake, ledger = Lake(folder / "lake"), open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    outcomes = ingest_export(Folder(folder / "export"), lake, ledger, now)
    assert [item.problem for item in outcomes] == [None, None]
    remember_versions(lake, ledger, now)
    refresh_daily_costs(lake, ledger, Settings(), now)
    ledger.close()


def lines(costs: list[float]) -> list[dict[str, str]]:
    return [{"lineItem/UnblendedCost": str(cost)} for cost in costs]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house that has read March and April once, and to which AWS has delivered March anew."""
    folder = tmp_path_factory.mktemp("prepared")
    deliver(folder / "export", MARCH, *lines(BEFORE))
    deliver(folder / "export", APRIL, *lines(STOOD))
    finish(folder, THEN)
    deliver(folder / "export", MARCH, *lines(AFTER), assembly="two", files=2)
    return folder


def ingest(folder: Path, kill_at: str | None) -> int | None:
    """The exit code of an ingest in a process of its own."""
    return forked.run(SCRIPT, (str(folder), NOW, kill_at), 120)


def billed(folder: Path, period: date) -> list[float]:
    start = pl.lit(datetime(period.year, period.month, 1, tzinfo=UTC)).dt.cast_time_unit("us")
    rows = Lake(folder / "lake").scan(COSTS).filter(pl.col("BillingPeriodStart") == start).collect()
    return sorted(rows["BilledCost"].to_list())


def told(folder: Path) -> tuple[Any, ...]:
    """What the tables that follow from the month say."""
    lake = Lake(folder / "lake")
    versions = lake.scan(BILL_VERSIONS).filter(pl.col("gone_at").is_null()).collect()
    daily = lake.scan(DAILY_COSTS).collect()
    return versions["billed_cost"].sum(), versions["rows"].sum(), daily["billed_cost"].sum()


def test_killed_at_any_step_the_month_is_as_before_or_as_after_and_the_next_run_ends_the_work(
    prepared: Path, tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(prepared, tmp_path / "whole"))
    assert ingest(whole, None) == 0
    events = (whole / "events").read_text().splitlines()
    assert billed(whole, MARCH) == AFTER
    written = events.index("after write_deltalake 1")
    assert len(events) >= 16 and "before _checked 2" in events[:written]
    assert any(event.startswith("after commit") for event in events[written:])
    for number, event in enumerate(events):
        case = Path(shutil.copytree(prepared, tmp_path / f"{number}"))
        assert ingest(case, event) == -signal.SIGKILL, f"it was not killed: {event} never came"
        assert billed(case, MARCH) == (AFTER if number >= written else BEFORE), f"killed at {event}"
        assert billed(case, APRIL) == STOOD, f"killed at {event}"
        finish(case, LATER)
        assert (billed(case, MARCH), billed(case, APRIL), told(case)) == (AFTER, STOOD, told(whole)), (
            f"killed at {event}"
        )
        shutil.rmtree(case)
