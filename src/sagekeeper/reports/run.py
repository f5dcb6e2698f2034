"""Telling people: budget alerts when a threshold is reached, incidents, the digest once a week, each once and only once.

In: ledger, lake, settings, ``as_of`` (what the letters speak of) and ``now`` (when they are sent). Out: what was told
to whom. Run as often as you like: what went out is not sent again, what failed is tried again.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.incident_letters import Audience, decide_letters, letter_done, pending_letters
from sagekeeper.core.ledger.incident_models import IncidentLetterRow
from sagekeeper.core.ledger.incidents import untold
from sagekeeper.core.settings import Settings
from sagekeeper.reports.budget_alert import alert_key, budget_letter
from sagekeeper.reports.claims import any_sent
from sagekeeper.reports.deliver import Told, by_mail, deliver
from sagekeeper.reports.digest import digest_letter, last_week, week_movers
from sagekeeper.reports.incident_alert import News, incident_letter
from sagekeeper.reports.mail import Letter
from sagekeeper.reports.recipients import of_owner, platform
from sagekeeper.reports.runaway_alert import KIND as RUNAWAY
from sagekeeper.reports.runaway_alert import runaway_letter
from sagekeeper.reports.views.budgets import BudgetState, Threshold, all_states
from sagekeeper.reports.views.episodes import gone
from sagekeeper.reports.views.findings import finding, finding_lines
from sagekeeper.reports.views.incidents import incident_lines
from sagekeeper.reports.views.overview import overview
from sagekeeper.reports.views.proposals import proposal_lines
from sagekeeper.reports.views.resources import by_resource
from sagekeeper.reports.views.spend import COST_EXPLORER, load_cube


def send_budget_alerts(ledger: Ledger, lake: Lake, settings: Settings, as_of: datetime, now: datetime) -> list[Told]:
    """Tell the recipients of every budget about each threshold it has reached this month."""
    cube = load_cube(lake, COST_EXPLORER, as_of)
    told: list[Told] = []
    for state in all_states(ledger, lake, settings, cube, as_of):
        for reached in _worth_telling(state):
            if _more_was_told(ledger, state, reached):
                continue
            letter = _budget_letter(ledger, lake, settings, state, reached, as_of)
            told += deliver(ledger, settings, "budget", letter, state.recipients, now)
    return told


def send_runaway_alerts(ledger: Ledger, settings: Settings, as_of: datetime, now: datetime) -> list[Told]:
    """Tell of each job that runs away, once, while it runs; not of what people said is in order."""
    open_now = [finding(ledger, line.fingerprint) for line in finding_lines(ledger, [RUNAWAY])]
    told: list[Told] = []
    for item in open_now:
        if item is not None:
            letter = runaway_letter(item, settings.dashboard_url, as_of)
            recipients = platform(settings.mail) + of_owner(settings.mail, item.owner)
            told += deliver(ledger, settings, "runaway", letter, recipients, now)
    return told


def send_incident_alerts(ledger: Ledger, settings: Settings, as_of: datetime, now: datetime) -> list[Told]:
    """Tell the platform's people and each owner of incidents that are new or have grown by half, one letter per reader."""
    with ledger.session() as session:
        decide_letters(session, lambda row: _audiences(settings, row.kind, row.owner), now)
    with ledger.reading() as session:
        waiting = pending_letters(session, now)
    open_now = incident_lines(ledger, ["open"]) if waiting else []
    told: list[Told] = []
    for row in waiting:
        before = {item["fingerprint"]: item["before"] for item in row.members}
        news = [
            News(line, None if before[line.fingerprint] is None else Decimal(before[line.fingerprint]))
            for line in open_now
            if line.fingerprint in before
        ]
        answers = [] if not news else _send_incidents(ledger, settings, row, news, as_of, now)
        told += answers
        if all(item.state in ("sent", "written", "already sent") for item in answers):
            with ledger.session() as session:
                letter_done(session, row.key, now)
    return told


def compose_incident_alerts(ledger: Ledger, settings: Settings, as_of: datetime) -> list[Letter]:
    """One letter with all that is new or has grown, as it would be sent; nothing is remembered."""
    with ledger.reading() as session:
        before = {row.fingerprint: row.told_per_day for row in untold(session) if row.kind != RUNAWAY}
    news = [
        News(line, before[line.fingerprint]) for line in incident_lines(ledger, ["open"]) if line.fingerprint in before
    ]
    return [incident_letter("incidents", news, settings.dashboard_url, as_of)] if news else []


def send_digest(ledger: Ledger, lake: Lake, settings: Settings, as_of: datetime, now: datetime) -> list[Told]:
    """Send this week's digest. Without any bill there is nothing to tell."""
    letter = compose_digest(ledger, lake, settings, as_of)
    return [] if letter is None else deliver(ledger, settings, "digest", letter, settings.mail.digest_recipients, now)


def compose_digest(ledger: Ledger, lake: Lake, settings: Settings, as_of: datetime) -> Letter | None:
    """The digest as it would be sent."""
    cube = load_cube(lake, COST_EXPLORER, as_of)
    week = last_week(cube, as_of)
    if week is None:
        return None
    resources = by_resource(lake, COST_EXPLORER, week.currency, "billed", week.first, week.last)
    states = all_states(ledger, lake, settings, cube, as_of)
    seen = overview(cube, ledger, states, as_of, gone(ledger, lake, as_of))
    return digest_letter(week, week_movers(resources), seen, settings.dashboard_url)


def compose_budget_alerts(ledger: Ledger, lake: Lake, settings: Settings, as_of: datetime) -> list[Letter]:
    """The alerts as they would be sent, told before or not."""
    cube = load_cube(lake, COST_EXPLORER, as_of)
    states = all_states(ledger, lake, settings, cube, as_of)
    return [
        _budget_letter(ledger, lake, settings, state, reached, as_of)
        for state in states
        for reached in _worth_telling(state)
    ]


def _audiences(settings: Settings, kind: str, owner: str | None) -> list[Audience]:
    """Nobody, where no address is known. A job that runs away has its own letter, at once."""
    if kind == RUNAWAY:
        return []
    everybody = Audience(platform(settings.mail), channels=bool(settings.notify))
    owners = [Audience((address,)) for address in of_owner(settings.mail, owner)]
    return [everybody, *owners] if everybody.recipients or everybody.channels else owners


def _send_incidents(
    ledger: Ledger, settings: Settings, row: IncidentLetterRow, news: list[News], as_of: datetime, now: datetime
) -> list[Told]:
    letter = incident_letter(row.key, news, settings.dashboard_url, as_of)
    if row.channels:
        return deliver(ledger, settings, "incident", letter, row.recipients, now)
    return [by_mail(ledger, settings, "incident", letter, row.recipients, now)]


def _worth_telling(state: BudgetState) -> list[Threshold]:
    """Of each kind the highest threshold reached: who is told of 100 % need not be told of 80 % in the same minute.

    A lower threshold that was passed earlier has had its own letter then. The forecast says nothing new once the money is spent.
    """
    spent_all = state.share is not None and state.share >= 1
    kinds = ("actual",) if spent_all else ("actual", "forecast")
    reached = [[item for item in state.thresholds if item.reached and item.kind == kind] for kind in kinds]
    return [max(items, key=lambda item: item.percent) for items in reached if items]


def _more_was_told(ledger: Ledger, state: BudgetState, reached: Threshold) -> bool:
    """Whether a higher threshold of this kind went out already: a bill restated downwards is no news."""
    higher = [item for item in state.thresholds if item.kind == reached.kind and item.percent > reached.percent]
    return any(any_sent(ledger, f"{alert_key(state, item)}:") for item in higher)


def _budget_letter(
    ledger: Ledger, lake: Lake, settings: Settings, state: BudgetState, reached: Threshold, as_of: datetime
) -> Letter:
    last = state.upto or as_of.date()
    resources = by_resource(lake, COST_EXPLORER, state.currency, "billed", state.month, last, state.where)
    return budget_letter(state, reached, resources, proposal_lines(ledger), settings.dashboard_url, as_of)
