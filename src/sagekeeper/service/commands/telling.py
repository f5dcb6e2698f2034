"""Telling people: the weekly digest and the budget alerts, now instead of in their slot."""

from __future__ import annotations

from typing import Annotated

import typer

from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import open_house

DryRun = Annotated[bool, typer.Option("--dry-run", help="write the mails as files, send nothing, remember nothing")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    report = typer.Typer(help="Tell people: the weekly digest, budget alerts.", no_args_is_help=True)
    report.command("digest")(digest)
    report.command("budget-alerts")(budget_alerts)
    app.add_typer(report, name="report")


def digest(dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Send the digest of the last week: spend, findings, proposals, proven savings."""
    from sagekeeper.service.telling import tell_digest

    out = Output(as_json)
    with open_house() as house, out.progress("digest"):
        told = tell_digest(house, house.clock(), dry_run=dry_run)
    out.give(told)
    out.say(told.sentence)


def budget_alerts(dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Alert whoever must know that a budget is, or will be, exceeded. Nobody is told the same thing twice."""
    from sagekeeper.service.telling import tell_budget_alerts

    out = Output(as_json)
    with open_house() as house, out.progress("budgets"):
        told = tell_budget_alerts(house, house.clock(), dry_run=dry_run)
    out.give(told)
    out.say(told.sentence)
