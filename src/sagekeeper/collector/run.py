"""Running the sources: every source over every account and region, side by side, one failing never stopping the rest.

In: lake, ledger, settings, AWS sessions, ``as_of``. Out: a `SourceOutcome` each; the ledger keeps every run with its
rows or the sentence that says why it failed, and what Sagekeeper itself asked of AWS and what that cost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import select

from sagekeeper.collector.source import Source, Task
from sagekeeper.core.aws import AwsSessions, explain
from sagekeeper.core.clock import Clock
from sagekeeper.core.errors import BadInput, SagekeeperError, SourceUnavailable
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ApiUseRow, SourceRunRow
from sagekeeper.core.ledger.runs import add_api_use, finish_source_run, start_source_run
from sagekeeper.core.settings import Account, Settings

log = logging.getLogger(__name__)
PAYER_REGION = "us-east-1"
"""Cost Explorer has one address, in us-east-1."""
PRICED = ("ce:", "cloudwatch:", "s3:")
"""IAM actions whose calls cost money (`core/aws.py`)."""


@dataclass(frozen=True)
class SourceOutcome:
    """How one source ended for one account and region. ``message``: why it failed, or what to know although it did not."""

    source: str
    account: str
    region: str
    status: Literal["ok", "failed"]
    rows: int
    message: str


def collect(
    lake: Lake,
    ledger: Ledger,
    settings: Settings,
    sessions: AwsSessions,
    as_of: datetime,
    clock: Clock,
    only: Sequence[str] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> list[SourceOutcome]:
    """Run all sources, or ``only`` those, in the order of `SOURCES`: later ones read what earlier ones found."""
    from sagekeeper.collector import SOURCES

    tell = progress or (lambda _stage, _share: None)
    chosen = [source for source in SOURCES if only is None or source.name in only]
    outcomes: list[SourceOutcome] = []
    with ThreadPoolExecutor(settings.aws.max_workers) as pool:
        for position, source in enumerate(chosen):
            tell(source.name, position / len(chosen))
            inner = _within(tell, source.name, position, len(chosen))
            tasks = [
                Task(source.name, sessions, lake, ledger, settings, account, region, as_of, inner)
                for account, region in _places(source, settings)
            ]
            outcomes += list(pool.map(lambda task, source=source: _run(source, task, clock), tasks))
            _count_api_use(ledger, sessions, as_of)
    tell("collected", 1.0)
    return outcomes


def _within(tell: Callable[[str, float], None], source: str, position: int, count: int) -> Callable[[str, float], None]:
    """A source's own progress as part of the whole."""
    return lambda what, done: tell(f"{source}: {what}", (position + done) / count)


def _places(source: Source, settings: Settings) -> list[tuple[Account, str]]:
    if source.per == "payer":
        payer = settings.payer
        if payer is None:
            raise BadInput("No AWS account is named in the settings (aws.accounts). Name at least one.")
        return [(payer, PAYER_REGION)]
    return [(account, region) for account in settings.aws.accounts for region in settings.aws.regions]


def _run(source: Source, task: Task, clock: Clock) -> SourceOutcome:
    with task.ledger.session() as session:
        run = start_source_run(session, source.name, task.account.id, task.region, task.as_of, clock())
    rows, error = 0, None
    try:
        _within_limit(source, task)
        rows = source.collect(task)
    except (ClientError, BotoCoreError) as failed:
        error = f"{explain(failed)}. Check the reader role's permissions and that the region is enabled."
    except SagekeeperError as failed:
        error = str(failed)
    except (
        Exception
    ) as failed:  # a defect in one source is its own: the others still run, and this one is shown as failed
        log.exception("source %s in %s %s", source.name, task.account.id, task.region)
        error = f"{type(failed).__name__}: {failed}"
    notes = " ".join(task.notes)
    with task.ledger.session() as session:
        finish_source_run(session, run.id, clock(), rows=rows, error=error)
        if error is None and notes:
            session.get_one(SourceRunRow, run.id).message = notes
    return SourceOutcome(source.name, task.account.id, task.region, "failed" if error else "ok", rows, error or notes)


def _within_limit(source: Source, task: Task) -> None:
    """Refuse a source that costs money once the day's own cost has reached its limit; what is free goes on."""
    limit = task.settings.collect.own_cost_limit_usd_per_day
    if any(action.startswith(PRICED) for action in source.permissions):
        spent = _spent(task.ledger, task.as_of.date())
        if spent >= limit:
            raise SourceUnavailable(
                f"{source.name} was not read: Sagekeeper's own AWS calls have cost {spent:.2f} USD today, and the limit is "
                f"{limit}. It is read again tomorrow, or raise collect.own_cost_limit_usd_per_day."
            )


def _spent(ledger: Ledger, day: date) -> Decimal:
    with ledger.reading() as session:
        return sum(session.scalars(select(ApiUseRow.cost_usd).where(ApiUseRow.day == day)), Decimal(0))


def _count_api_use(ledger: Ledger, sessions: AwsSessions, as_of: datetime) -> None:
    with ledger.session() as session:
        for (account, service, operation), use in sessions.meter.drain().items():
            add_api_use(session, as_of.date(), account, service, operation, use.calls, use.units, use.cost_usd)
