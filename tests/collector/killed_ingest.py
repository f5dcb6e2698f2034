"""An ingest in a process of its own that kills itself (SIGKILL) at one of its steps; run as a script by the tests.

``ARGUMENTS`` are given by whoever runs it (`forked.run`). Every function that writes, or feeds a write, is tapped: it does
what it does, and its start and end are events.
"""

from __future__ import annotations

import functools
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm.session import SessionTransaction

from sagekeeper.collector import bill_exports
from sagekeeper.collector.bill_places import Folder
from sagekeeper.core import lake as lakes
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.settings import Settings
from sagekeeper.service import bill_history, daily_costs

TAPPED: tuple[tuple[Any, str], ...] = (
    (bill_exports, "kept"),  # a checked batch on disk, outside the lake
    (Lake, "_checked"),  # a batch on its way into the stream that Delta writes
    (lakes, "write_deltalake"),
    (SessionTransaction, "commit"),
)


def run(folder: str, now: datetime, kill_at: str | None) -> None:
    """Bring the lake up to date with what is delivered, as `sagekeeper ingest` does; say the events, or die at one."""
    events: list[str] = []
    seen: Counter[str] = Counter()

    def happen(what: str) -> None:
        seen[what] += 1
        event = f"{what} {seen[what]}"
        if event == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        events.append(event)

    for owner, name in TAPPED:
        tapped = _tapped(getattr(owner, name), name, happen)
        setattr(owner, name, staticmethod(tapped) if isinstance(vars(owner)[name], staticmethod) else tapped)
    root = Path(folder)
    lake, ledger = Lake(root / "lake"), open_ledger(f"sqlite:///{root / 'ledger.db'}")
    bill_exports.ingest_export(Folder(root / "export"), lake, ledger, now)
    bill_history.remember_versions(lake, ledger, now)
    daily_costs.refresh_daily_costs(lake, ledger, Settings(), now)
    ledger.close()
    (root / "events").write_text("\n".join(events))


def _tapped(function: Callable[..., Any], name: str, happen: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def tapped(*args: Any, **kwargs: Any) -> Any:
        happen(f"before {name}")
        result = function(*args, **kwargs)
        happen(f"after {name}")
        return result

    return tapped


if __name__ == "__main__":
    run(*ARGUMENTS)  # type: ignore[name-defined]  # noqa: F821
