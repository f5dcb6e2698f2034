"""Keeping the books and the watch: collect, ingest, analyze, findings, recommend."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.ledger.findings import open_findings, open_recommendations
from sagekeeper.service.console import JsonOption, Output, money
from sagekeeper.service.house import House, open_house

if TYPE_CHECKING:
    from sagekeeper.collector.bill_places import Place
    from sagekeeper.collector.checked_bill import IngestReport
    from sagekeeper.service.pipeline import PartOutcome


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for command in (collect, ingest, analyze, findings, recommend):
        app.command()(command)


def collect(
    only: Annotated[list[str] | None, typer.Option("--only", help="this source only; may be repeated")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read AWS into the lake: bill, inventory, metrics, captures, monitor results."""
    from sagekeeper.collector import SOURCES
    from sagekeeper.service import pipeline

    known = [source.name for source in SOURCES]
    wrong = sorted(set(only or []) - set(known))
    if wrong:
        raise BadInput(f"There is no source {', '.join(wrong)}. Choose among: {', '.join(known)}.")
    out = Output(as_json)
    with open_house() as house:
        _need_accounts(house)
        with out.progress("collecting") as progress:
            outcomes = pipeline.collect(house, house.clock(), only=only, progress=progress)
    failed = [item for item in outcomes if item.status == "failed"]
    rows = [(item.source, item.account, item.region, item.status, item.rows, item.message) for item in outcomes]
    out.table("Sources", ("source", "account", "region", "status", "rows>", "message"), rows)
    out.give({"outcomes": outcomes, "failed": len(failed)})
    if failed:
        out.say(
            f"{len(failed)} of {len(outcomes)} source runs failed, the others are in the lake. See: sagekeeper doctor"
        )
        raise typer.Exit(SourceUnavailable.exit_code)
    out.say("Collected. Next: sagekeeper analyze")


def ingest(
    places: Annotated[
        list[str],
        typer.Argument(
            help="FOCUS or CUR bills (csv, csv.gz, parquet), or a folder or s3:// prefix with an export's manifests",
            metavar="FILE|FOLDER|S3...",
        ),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="name of the bill in the lake; default: the file's or export's")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read bills from files or exports, and print their totals by charge category exactly as they state them."""
    from sagekeeper.collector.bill_exports import ingest_export
    from sagekeeper.collector.ingest import ingest_file
    from sagekeeper.service.bill_history import remember_versions
    from sagekeeper.service.daily_costs import refresh_daily_costs

    if dataset is not None and len(places) > 1:
        raise BadInput("--dataset names one bill, and more than one place is given. Ingest them one by one.")
    out = Output(as_json)
    reports: list[IngestReport] = []
    problems: list[str] = []
    with open_house() as house:
        now = house.clock()
        try:
            for place in places:
                with out.progress(f"reading {place}") as progress:
                    export = _export_at(house, place)
                    if export is None:
                        found = [ingest_file(Path(place), house.lake, house.ledger, now, dataset)]
                    else:
                        months = ingest_export(export, house.lake, house.ledger, now, dataset, progress)
                        found = [month.report for month in months if month.report is not None]
                        problems += [f"{item.title}: {item.problem}" for item in months if item.problem]
                for report in found:
                    _show(out, report)
                reports += found
        finally:
            # A wrong file stops the command; those before it are in the lake and are attributed all the same.
            if any(report.changed for report in reports):
                with out.progress("attributing costs"):
                    remember_versions(house.lake, house.ledger, now)
                    refresh_daily_costs(house.lake, house.ledger, house.settings, now)
    out.give({"files": reports, "problems": problems})
    for problem in problems:
        out.say(f"Left as it was: {problem}", style="red")
    if problems:
        raise typer.Exit(BadInput.exit_code)
    out.say("The dashboard shows it under Costs. Next: sagekeeper dashboard")


def _export_at(house: House, place: str) -> Place | None:
    """The export that the place is, None for a single file."""
    from sagekeeper.collector.bill_manifests import ENDING
    from sagekeeper.collector.bill_places import Bucket, Folder

    if place.startswith("s3://"):
        payer = house.settings.payer
        if payer is None:
            raise BadInput(
                f"No AWS account is named in the settings, so {place} cannot be read. Name one in sagekeeper.toml."
            )
        return Bucket(place, house.sessions.client("s3", payer.id, house.settings.aws.regions[0]))
    path = Path(place)
    return Folder(path) if path.is_dir() or path.name.endswith(ENDING) else None


def analyze(as_json: JsonOption = False) -> None:
    """Attribute costs to resources and owners, and look for what is going wrong."""
    from sagekeeper.service import pipeline

    out = Output(as_json)
    with open_house() as house, out.progress("analysing") as progress:
        analysis = pipeline.analyze(house, house.clock(), progress=progress)
    _show_parts(out, analysis.parts)
    out.give({"parts": analysis.parts, "findings": analysis.findings})
    _end(out, f"{len(analysis.findings)} findings. Next: sagekeeper findings, sagekeeper recommend", analysis.parts)


def findings(as_json: JsonOption = False) -> None:
    """List what is going wrong, the most money first."""
    from sagekeeper.reports.views.findings import impact_period

    out = Output(as_json)
    with open_house() as house, house.ledger.reading() as session:
        found = open_findings(session)
    rows = [
        (
            item.severity,
            item.kind,
            item.subject.name,
            money(item.impact_per_month, item.currency),
            "" if item.impact_per_month is None else impact_period(item.kind),
            item.owner,
            item.title,
        )
        for item in found
    ]
    out.table("Findings", ("severity", "kind", "subject", "money>", "for", "owner", "what"), rows)
    out.give({"findings": found})
    out.say("Next: sagekeeper recommend" if found else "Nothing found. Next: sagekeeper collect, sagekeeper analyze")


def recommend(as_json: JsonOption = False) -> None:
    """Make priced proposals from what is known, and list those that are open."""
    from sagekeeper.service import pipeline

    out = Output(as_json)
    with open_house() as house:
        with out.progress("recommending") as progress:
            proposals = pipeline.recommend(house, house.clock(), progress=progress)
        with house.ledger.reading() as session:
            still_open = open_recommendations(session)
    _show_parts(out, proposals.parts)
    rows = [
        (
            item.fingerprint,
            item.lever,
            item.subjects[0].name,
            f"{item.saving.low:,.0f} to {item.saving.high:,.0f} {item.saving.currency}",
            "yes" if item.one_click else "; ".join(gate.name for gate in item.gates if gate.state != "pass"),
            item.title,
        )
        for item in still_open
    ]
    out.table(
        "Open recommendations", ("id", "lever", "subject", "saves a month>", "one click, or why not", "what"), rows
    )
    out.give({"parts": proposals.parts, "recommendations": still_open})
    _end(out, f"{len(still_open)} open. Next: sagekeeper plan ID (changes nothing)", proposals.parts)


def _need_accounts(house: House) -> None:
    if not house.settings.aws.accounts:
        raise BadInput(
            "No AWS account is named in the settings. Name them in sagekeeper.toml under [[aws.accounts]], "
            "or try: sagekeeper demo"
        )


def _show(out: Output, report: IngestReport) -> None:
    columns = list(dict.fromkeys(column for totals in report.totals.values() for column in totals))
    rows = [
        (category, *(_exact(totals.get(column)) for column in columns)) for category, totals in report.totals.items()
    ]
    span = f"{report.rows} rows, {report.first_day} to {report.last_day}, {report.currency}, {report.format}"
    out.table(f"{report.file_name} ({span})", ("charge category", *(f"{column}>" for column in columns)), rows)
    for note in report.notes:
        out.say(note)
    out.say(
        f"In the lake as {report.dataset}." if report.changed else f"Nothing new: {report.dataset} was in the lake."
    )


def _exact(amount: Decimal | None) -> str:
    """All digits that the file states, never in exponents."""
    return "not stated" if amount is None else f"{amount:f}"


def _show_parts(out: Output, parts: list[PartOutcome]) -> None:
    rows = [(part.name, part.status, part.count, part.message) for part in parts]
    out.table("Parts", ("part", "status", "count>", "message"), rows)


def _end(out: Output, sentence: str, parts: list[PartOutcome]) -> None:
    out.say(sentence)
    if any(part.status == "failed" for part in parts):
        out.say("A part failed, see above; what it found before is kept.", style="red")
        raise typer.Exit(1)
