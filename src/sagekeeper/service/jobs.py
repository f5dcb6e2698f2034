"""The scheduled jobs, in the order of the flow, each with its slots (UTC). A job is one line of `JOBS`.

Costs are read four times a day: AWS refreshes Cost Explorer up to three times a day and a request costs a cent.
Everything else that is read is free or nearly so and is read every hour. What is collected is then analysed, proposed
on, measured, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from sagekeeper.collector import SOURCES
from sagekeeper.core.errors import SagekeeperError, SourceUnavailable
from sagekeeper.reports.deliver import Told
from sagekeeper.reports.run import send_budget_alerts, send_digest, send_incident_alerts, send_runaway_alerts
from sagekeeper.service import pipeline
from sagekeeper.service.house import House
from sagekeeper.service.job import Job, Progress
from sagekeeper.service.pipeline import PartOutcome


def _collect_telemetry(house: House, as_of: datetime, progress: Progress) -> str:
    return _collect(house, as_of, progress, "account_region")


def _collect_costs(house: House, as_of: datetime, progress: Progress) -> str:
    return _collect(house, as_of, progress, "payer")


def _collect(house: House, as_of: datetime, progress: Progress, per: str) -> str:
    only = [source.name for source in SOURCES if source.per == per]
    outcomes = pipeline.collect(house, as_of, only=only, progress=progress)
    failed = [
        f"{item.source} in {item.account} {item.region}: {item.message}" for item in outcomes if item.status == "failed"
    ]
    if failed:
        raise SourceUnavailable(f"{len(failed)} of {len(outcomes)} source runs failed: " + "; ".join(failed))
    return f"{sum(item.rows or 0 for item in outcomes)} rows from {len(outcomes)} source runs"


def _analyze(house: House, as_of: datetime, progress: Progress) -> str:
    analysis = pipeline.analyze(house, as_of, progress=progress)
    return _all_well(f"{len(analysis.findings)} findings", analysis.parts)


def _recommend(house: House, as_of: datetime, progress: Progress) -> str:
    proposals = pipeline.recommend(house, as_of, progress=progress)
    return _all_well(f"{len(proposals.recommendations)} recommendations", proposals.parts)


def _measure(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    return f"{len(pipeline.measure(house, as_of))} savings measured"


def _budget_alerts(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    return _all_told(send_budget_alerts(house.ledger, house.lake, house.settings, as_of, house.clock()))


def _runaway_alerts(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    return _all_told(send_runaway_alerts(house.ledger, house.settings, as_of, house.clock()))


def _incident_alerts(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    return _all_told(send_incident_alerts(house.ledger, house.settings, as_of, house.clock()))


def _digest(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    return _all_told(send_digest(house.ledger, house.lake, house.settings, as_of, house.clock()))


def _vacuum(house: House, as_of: datetime, progress: Progress) -> str:  # noqa: ARG001
    removed = house.lake.vacuum()
    return f"{sum(removed.values())} files removed from {len(removed)} tables"


def _all_told(told: Sequence[Told]) -> str:
    failed = [f"{item.subject} to {item.where}: {item.error}" for item in told if item.state == "failed"]
    if failed:
        raise SourceUnavailable(f"{len(failed)} of {len(told)} could not be told: " + "; ".join(failed))
    return (
        f"{sum(item.state in ('sent', 'written') for item in told)} told, {len(told)} in all"
        if told
        else "nothing to tell"
    )


def _all_well(done: str, parts: Sequence[PartOutcome]) -> str:
    failed = [f"{part.name}: {part.message}" for part in parts if part.status == "failed"]
    if failed:
        raise SagekeeperError(f"{done}, but {len(failed)} parts failed: " + "; ".join(failed))
    return done


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def _at(**fields: str | int) -> CronTrigger:
    return CronTrigger(timezone=UTC, **fields)


JOBS: tuple[Job, ...] = (
    Job("collect", "inventory, metrics, captures and monitor results", _at(minute=5), 2 * _HOUR, _collect_telemetry),
    Job("collect-costs", "the bill, through Cost Explorer", _at(hour="1,7,13,19", minute=10), 2 * _DAY, _collect_costs),
    Job("analyze", "cost per resource, findings", _at(minute=15), 2 * _HOUR, _analyze),
    Job("runaway-alerts", "who must know of a job that runs away", _at(minute=16), 2 * _HOUR, _runaway_alerts),
    Job(
        "incident-alerts",
        "who must know of money that should not be spent",
        _at(minute=18),
        2 * _HOUR,
        _incident_alerts,
    ),
    Job("recommend", "priced proposals", _at(minute=20), 2 * _HOUR, _recommend),
    Job("measure", "savings of what was changed, from the bill", _at(minute=25), 2 * _HOUR, _measure),
    Job(
        "budget-alerts",
        "who must know that a budget is, or will be, exceeded",
        _at(minute=30),
        2 * _HOUR,
        _budget_alerts,
    ),
    Job("digest", "the weekly digest", _at(day_of_week="mon", hour=7, minute=0), 8 * _DAY, _digest),
    Job("vacuum", "compact the lake, drop files no longer referenced", _at(hour=3, minute=40), 2 * _DAY, _vacuum),
)
