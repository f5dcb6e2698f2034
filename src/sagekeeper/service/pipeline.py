"""The stages of the flow, each a short story over the house: collect, analyze, recommend, measure, and all of a day
in one.

Every stage is a function of lake, ledger, settings and ``as_of``; run again for the same day it changes no row. One
part that fails (a source, an analyzer, a lever) never stops the others: it comes back as a failed `PartOutcome` and
is kept in the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import ValidationError

from sagekeeper.analyzers import ANALYZERS, Analyzer, AnalyzerSettings
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.told_once import told_once
from sagekeeper.analyzers.unit_rows import Settings as UnitSettings
from sagekeeper.collector.run import SourceOutcome
from sagekeeper.collector.run import collect as run_sources
from sagekeeper.core.errors import BadInput, SagekeeperError
from sagekeeper.core.ledger.findings import record_findings, record_recommendations
from sagekeeper.core.ledger.incidents import record_incidents
from sagekeeper.core.ledger.models import MeasurementRow
from sagekeeper.core.ledger.runs import finish_source_run, start_source_run
from sagekeeper.core.types import Finding, Recommendation
from sagekeeper.lifecycle.measure import measure as run_measure
from sagekeeper.recommender import LEVERS
from sagekeeper.recommender.run import recommend as run_levers
from sagekeeper.service.bill_history import remember_versions
from sagekeeper.service.daily_costs import refresh_daily_costs
from sagekeeper.service.estimates import refresh_estimates
from sagekeeper.service.facts import known_rises, load_events, load_facts
from sagekeeper.service.house import House
from sagekeeper.service.job import Progress, quiet
from sagekeeper.service.run_rates import refresh_run_rates
from sagekeeper.service.unit_costs import refresh_unit_costs

log = logging.getLogger(__name__)
S = TypeVar("S", bound=AnalyzerSettings)


@dataclass(frozen=True)
class PartOutcome:
    """How one part of a stage ended: an analyzer, a lever, the attribution of costs."""

    name: str
    status: Literal["ok", "failed"]
    count: int
    message: str


@dataclass(frozen=True)
class Analysis:
    """What an analysis saw."""

    findings: list[Finding]
    parts: list[PartOutcome]


@dataclass(frozen=True)
class Proposals:
    """What is proposed."""

    recommendations: list[Recommendation]
    parts: list[PartOutcome]


def collect(
    house: House, as_of: datetime, *, only: Sequence[str] | None = None, progress: Progress = quiet
) -> list[SourceOutcome]:
    """Read all sources, or ``only`` those, into the lake."""
    return run_sources(
        house.lake, house.ledger, house.settings, house.sessions, as_of, house.clock, only=only, progress=progress
    )


def analyze(house: House, as_of: datetime, *, progress: Progress = quiet) -> Analysis:
    """Attribute the changed days, estimate what is not billed yet, ask every analyzer, record what they found."""
    steps = len(ANALYZERS) + 2
    progress("attributing costs", 0.0)
    changed_days = refresh_daily_costs(house.lake, house.ledger, house.settings, as_of)
    moved = remember_versions(house.lake, house.ledger, as_of)
    parts = [
        PartOutcome("attribution", "ok", changed_days, f"{changed_days} days have changed"),
        PartOutcome("bill versions", "ok", moved, f"{moved} months have moved"),
        _part(house, as_of, "unit costs", lambda: _work_out_units(house, as_of), "months have changed"),
        _part(
            house, as_of, "estimate", lambda: refresh_estimates(house.lake, house.settings, as_of), "rows on open days"
        ),
        _part(house, as_of, "run rate", lambda: refresh_run_rates(house.lake, house.settings, as_of), "rows this hour"),
    ]
    progress("loading facts", 1 / steps)
    facts = replace(
        load_facts(house.lake, house.settings, as_of),
        events=load_events(house.lake, house.settings, as_of),
        known_rises=known_rises(house.ledger),
    )
    rules = OwnerRules.of(house.settings)
    findings: list[Finding] = []
    answered: list[str] = []
    for position, analyzer in enumerate(ANALYZERS, start=2):
        progress(analyzer.name, position / steps)
        try:
            found = [
                item.model_copy(update={"owner": rules.spell(item.owner)})
                for item in analyzer.find(facts, _settings_of(analyzer, house))
            ]
        except SagekeeperError as error:
            parts.append(_failed(house, f"analyzer {analyzer.name}", str(error), as_of))
        except Exception as error:
            # A defect in one analyzer is its own: the others still answer, and this one resolves nothing.
            log.exception("analyzer %s", analyzer.name)
            parts.append(_failed(house, f"analyzer {analyzer.name}", f"{type(error).__name__}: {error}", as_of))
        else:
            findings += found
            answered += analyzer.kinds
            parts.append(PartOutcome(f"analyzer {analyzer.name}", "ok", len(found), analyzer.description))
    findings = told_once(findings)
    with house.ledger.session() as session:
        record_findings(session, answered, findings, as_of)
        record_incidents(session, answered, findings, as_of)
    progress("recorded", 1.0)
    return Analysis(findings, parts)


def _work_out_units(house: House, as_of: datetime) -> int:
    own = _checked("unit_costs", UnitSettings, house)
    return refresh_unit_costs(house.lake, house.ledger, house.settings, own, as_of)


def _part(house: House, as_of: datetime, name: str, work: Callable[[], int], counted: str) -> PartOutcome:
    """A part of a stage; wrong settings of it, or a defect in it, stop nothing else."""
    try:
        count = work()
    except SagekeeperError as error:
        return _failed(house, name, str(error), as_of)
    except Exception as error:
        log.exception(name)
        return _failed(house, name, f"{type(error).__name__}: {error}", as_of)
    return PartOutcome(name, "ok", count, f"{count} {counted}")


def recommend(house: House, as_of: datetime, *, progress: Progress = quiet) -> Proposals:
    """Ask every lever, record what it proposes."""
    progress("loading facts", 0.0)
    facts = load_facts(house.lake, house.settings, as_of)
    progress("asking the levers", 0.5)
    proposed, errors = run_levers(facts, house.settings.levers, house.settings.lifecycle)
    rules = OwnerRules.of(house.settings)
    made = [item.model_copy(update={"owner": rules.spell(item.owner)}) for item in proposed]
    parts = [
        PartOutcome(f"lever {lever.name}", "ok", sum(item.lever == lever.name for item in made), lever.description)
        for lever in LEVERS
        if lever.name not in errors
    ]
    parts += [_failed(house, f"lever {name}", str(error), as_of) for name, error in errors.items()]
    with house.ledger.session() as session:
        record_recommendations(session, [lever.name for lever in LEVERS if lever.name not in errors], made)
    progress("recorded", 1.0)
    return Proposals(made, parts)


def measure(house: House, as_of: datetime) -> list[MeasurementRow]:
    """Measure the saving of what was changed, as the bill shows it."""
    return run_measure(house.ledger, house.lake, as_of)


def _settings_of(analyzer: Analyzer, house: House) -> AnalyzerSettings:
    return _checked(analyzer.name, analyzer.settings, house)


def _checked(name: str, kind: type[S], house: House) -> S:
    try:
        return kind.model_validate(house.settings.analyzers.get(name, {}))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadInput(f"Settings of analyzers.{name} are wrong: {wrong}.") from error


def _failed(house: House, name: str, message: str, as_of: datetime) -> PartOutcome:
    with house.ledger.session() as session:
        run = start_source_run(session, name, "*", "*", as_of, as_of)
        finish_source_run(session, run.id, house.clock(), error=message)
    return PartOutcome(name, "failed", 0, message)
