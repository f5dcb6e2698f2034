"""Telling people: the weekly digest, budget alerts and incidents, now instead of in their slot."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import House, open_house

if TYPE_CHECKING:
    from sagekeeper.reports.deliver import Told
    from sagekeeper.reports.mail import Letter

DryRun = Annotated[bool, typer.Option("--dry-run", help="write the letters as files; send nothing, remember nothing")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    report = typer.Typer(help="Tell people: the weekly digest, budget alerts, incidents.", no_args_is_help=True)
    report.command("digest")(digest)
    report.command("budget-alerts")(budget_alerts)
    report.command("incidents")(incidents)
    app.add_typer(report, name="report")


def digest(dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Send the digest of the last week: spend, findings, proposals, proven savings."""
    from sagekeeper.reports.run import compose_digest, send_digest

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        with out.progress("digest"):
            if dry_run:
                letter = compose_digest(house.ledger, house.lake, house.settings, now)
                written = _write(house, [] if letter is None else [letter])
            else:
                told = send_digest(house.ledger, house.lake, house.settings, now, now)
    if dry_run:
        _show_written(
            out, written, "There is no bill of a whole week yet. Next: sagekeeper collect, sagekeeper analyze"
        )
    else:
        nobody = "Nobody was told. Name recipients in mail.digest_recipients; a whole week's bill is needed too."
        _show_told(out, told, nobody)


def budget_alerts(dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Alert whoever must know that a budget is, or will be, exceeded. Nobody is told the same thing twice."""
    from sagekeeper.reports.run import compose_budget_alerts, send_budget_alerts

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        with out.progress("budgets"):
            if dry_run:
                written = _write(house, compose_budget_alerts(house.ledger, house.lake, house.settings, now))
            else:
                told = send_budget_alerts(house.ledger, house.lake, house.settings, now, now)
    fine = "No budget has reached a threshold" + ("." if house.settings.budgets else ": none is set (budgets).")
    if dry_run:
        _show_written(out, written, fine)
    else:
        _show_told(out, told, fine)


def incidents(dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Tell the platform's people and owners of incidents that are new or have grown by half, each reader in one letter."""
    from sagekeeper.reports.run import compose_incident_alerts, send_incident_alerts

    out = Output(as_json)
    with open_house() as house:
        now = house.clock()
        if dry_run:
            written = _write(house, compose_incident_alerts(house.ledger, house.settings, now))
        else:
            told = send_incident_alerts(house.ledger, house.settings, now, now)
    fine = "There is no incident that nobody was told of, or no address to tell it to (mail.alert_recipients, mail.owners)."
    if dry_run:
        _show_written(out, written, fine)
    else:
        _show_told(out, told, fine)


def _write(house: House, letters: Sequence[Letter]) -> list[Path]:
    """Both forms of each letter as files that a browser or an editor opens."""
    folder = house.settings.data_dir / "reports" / "dry-run"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, letter in enumerate(letters, start=1):
        name = "".join(sign if sign.isalnum() else "-" for sign in letter.key)[:80]
        for suffix, body in ((".html", _with_pictures(letter)), (".txt", letter.text)):
            written.append(folder / f"{number:02}-{name}{suffix}")
            written[-1].write_text(body)
    return written


def _with_pictures(letter: Letter) -> str:
    html = letter.html
    for picture in letter.pictures:
        html = html.replace(f"cid:{picture.name}", "data:image/png;base64," + base64.b64encode(picture.png).decode())
    return html


def _show_written(out: Output, written: Sequence[Path], nothing: str) -> None:
    out.give({"written": written})
    for path in written:
        out.say(str(path))
    out.say("Nothing was sent. Next: the same without --dry-run" if written else nothing)


def _show_told(out: Output, told: Sequence[Told], nothing: str) -> None:
    rows = [(item.subject, item.way, item.where, item.state, item.error) for item in told]
    if rows:
        out.table("Told", ("subject", "way", "where", "state", "error"), rows)
    out.give({"told": told})
    out.say("Each is told once; asking again sends nothing twice." if told else nothing)
    if any(item.state == "failed" for item in told):
        raise typer.Exit(SourceUnavailable.exit_code)
