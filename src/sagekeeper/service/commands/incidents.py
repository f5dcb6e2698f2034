"""Incidents: money that should not be spent, and what people say about it: acknowledge, snooze, expect, resolve, reopen."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sagekeeper.core.errors import BadInput
from sagekeeper.core.ledger.incident_models import IncidentRow
from sagekeeper.core.ledger.incidents import Verdict, decide_incident
from sagekeeper.reports.views.incidents import QUIET, IncidentLine, incident_history, incident_lines, incident_named
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import open_house

IncidentArgument = Annotated[str, typer.Argument(metavar="INCIDENT", help="id of an incident, or its beginning")]
Reason = Annotated[str, typer.Option("--reason", help="why; others will read it")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    group = typer.Typer(help="Money that should not be spent: list it, say what becomes of it.", no_args_is_help=True)
    group.command("list")(list_incidents)
    for command in (show, acknowledge, snooze, expect, resolve, reopen):
        group.command()(command)
    app.add_typer(group, name="incidents")


def list_incidents(
    everything: Annotated[bool, typer.Option("--all", help="also what is snoozed, expected or resolved")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open incidents, the most money first."""
    out = Output(as_json)
    with open_house() as house:
        lines = incident_lines(house.ledger)
    shown = [line for line in lines if everything or line.state not in QUIET]
    columns = ("id", "state", "severity", "incident", "since", "so far>", "a day>", "this month>", "owner")
    if shown:
        out.table("Incidents", columns, [_row(line) for line in shown])
    out.give({"incidents": shown})
    quiet = len(lines) - len(shown)
    others = f" {quiet} more are snoozed, expected or resolved: --all." if quiet else ""
    if shown:
        out.say(f"Excess over what was to be expected.{others} Next: sagekeeper incidents show {shown[0].fingerprint}")
    else:
        out.say(f"No open incidents.{others}")


def show(incident: IncidentArgument, as_json: JsonOption = False) -> None:
    """One incident: its cause, its money, its history."""
    out = Output(as_json)
    with open_house() as house:
        with house.ledger.reading() as session:
            fingerprint = incident_named(session, incident)
        line = next(item for item in incident_lines(house.ledger) if item.fingerprint == fingerprint)
        history = [(item.at, item.by, item.event, item.detail) for item in incident_history(house.ledger, fingerprint)]
    out.say(line.title, style="bold")
    out.say(line.because)
    out.say(
        f"{money(line.excess, line.currency)} too much since {line.since:%-d %B %Y}, {money(line.per_day, line.currency)} "
        f"a day; {money(line.month_excess, line.currency)} of this month by its end ({line.basis} cost, {line.certainty})."
    )
    rows = [(f"{at:%Y-%m-%d %H:%M}", by or "Sagekeeper", event, detail) for at, by, event, detail in history]
    out.table("What happened", ("when (UTC)", "who", "what", "why"), rows)
    out.give({"incident": line, "history": [dict(zip(("at", "by", "event", "detail"), item)) for item in history]})  # noqa: B905


def acknowledge(incident: IncidentArgument, reason: Reason = "", as_json: JsonOption = False) -> None:
    """Somebody is on it: quiet until it is half as much again."""
    _say(incident, "acknowledged", as_json, reason)


def snooze(
    incident: IncidentArgument,
    days: Annotated[float | None, typer.Option(min=0.01, help="for so many days")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="until this day (UTC)")] = None,
    reason: Reason = "",
    as_json: JsonOption = False,
) -> None:
    """Quiet for a while."""
    if (days is None) == (until is None):
        raise BadInput("Say for how long: either --days or --until.")
    _say(incident, "snoozed", as_json, reason, timedelta(days=days) if days else None, until)


def expect(
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="why it is as it should be; others will read it next month")],
    as_json: JsonOption = False,
) -> None:
    """It is as it should be: quiet now, and when it comes again about this day of a month at this level."""
    _say(incident, "expected", as_json, reason)


def resolve(incident: IncidentArgument, reason: Reason = "", as_json: JsonOption = False) -> None:
    """It is done with: quiet while it fades out."""
    _say(incident, "resolved", as_json, reason)


def reopen(incident: IncidentArgument, reason: Reason = "", as_json: JsonOption = False) -> None:
    """Take back what was said: open again."""
    _say(incident, "open", as_json, reason)


def _say(
    incident: str,
    verdict: Verdict,
    as_json: bool,
    reason: str,
    length: timedelta | None = None,
    until: datetime | None = None,
) -> None:
    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        ends = now + length if length else until.replace(tzinfo=UTC) if until else None
        with house.ledger.session() as session:
            fingerprint = incident_named(session, incident)
            row: IncidentRow = decide_incident(
                session, fingerprint, verdict, getpass.getuser(), now, reason=reason or None, until=ends
            )
    out.give({"incident": fingerprint, "state": row.state, "reason": row.reason, "until": row.snoozed_until})
    ending = f" until {row.snoozed_until:%Y-%m-%d %H:%M} UTC" if row.snoozed_until else ""
    out.say(f"{row.title}: {row.state}{ending}. Take it back with: sagekeeper incidents reopen {fingerprint}")


def _row(line: IncidentLine) -> tuple[object, ...]:
    return (
        line.fingerprint[:8],
        line.state,
        line.severity,
        f"{line.title}\n{line.because}",
        f"{line.since:%Y-%m-%d}",
        money(line.excess, line.currency),
        money(line.per_day, line.currency),
        money(line.month_excess, line.currency),
        line.owner,
    )
