"""Money for nothing: what the failed and the stopped runs of a family of jobs cost, and whether the same failure is tried again.

In: finished runs with their cost (`run_costs`). Out: one finding per family whose failed or stopped runs were worth telling. What
failed left nothing; what was stopped may have left something, so it is told apart, and only failures make an incident: three in a
row without a completed run, or half of what the family cost, lately. A tuning job stops its own trials early: that is a saving.
A run whose cost is unknown is counted and said, not taken for free.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, severity
from sagekeeper.analyzers.run_costs import FAMILY, run_costs
from sagekeeper.analyzers.stakes import stake
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, Money, ResourceRef, Stake, fingerprint

LONGEST_REASON = 160
VARYING = r"arn:\S+|s3://\S+|\b[0-9a-f]{8,}\b|\d+"
"""What differs between two tries of the same failure: names, addresses, numbers."""
TUNING = ":hyper-parameter-tuning-job/"
HALF = 0.5


class Settings(AnalyzerSettings):
    """What is worth telling."""

    window_days: int = Field(30, ge=7, le=90, description="how far back runs count")
    least_money: float = Field(10.0, ge=0, description="of failed and stopped runs, in the bill's currency")
    least_runs: int = Field(2, ge=1, description="failed or stopped runs; a single failure is no pattern")
    repeats: int = Field(3, ge=2, description="failures in a row, or of half the money, that make an incident")
    lately_days: int = Field(7, ge=1, description="how long ago the last failure may be for it to go on")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per family, the dearest first."""
    return [_finding(facts, settings, row) for row in judged(facts, settings).iter_rows(named=True)]


def judged(facts: Facts, settings: Settings) -> pl.DataFrame:
    """[*FAMILY, currency, owner (of the last run), runs, failed, stopped, their costs and whose they are, the whole, how many
    failed in a row, first and last, the most frequent reason ...], the dearest first."""
    failed, stopped = pl.col("status") == "Failed", pl.col("status") == "Stopped"
    early = stopped & pl.col("parent_arn").str.contains(TUNING, literal=True).fill_null(value=False)
    runs = run_costs(facts, facts.as_of - timedelta(days=settings.window_days)).filter(~early)
    completed_at = pl.col("ended_at").filter(pl.col("status") == "Completed").max().over(FAMILY)
    marked = runs.with_columns(
        failed=failed,
        stopped=stopped,
        same=pl.col("reason").str.replace_all(VARYING, "#").str.slice(0, LONGEST_REASON),
        in_a_row=failed & (completed_at.is_null() | (pl.col("ended_at") > completed_at)),
    )
    lost = pl.col("failed") | pl.col("stopped")
    by_owner = (
        marked.filter(lost)
        .group_by(*FAMILY, "owner")
        .agg(pl.col("cost").sum())
        .sort("cost", "owner", descending=[True, False])
        .group_by(FAMILY, maintain_order=True)
        .agg(owners=pl.struct("owner", "cost"))
    )
    return (
        marked.group_by(FAMILY)
        .agg(
            runs=pl.len(),
            failed=pl.col("failed").sum(),
            stopped=pl.col("stopped").sum(),
            failed_cost=pl.col("cost").filter("failed").sum(),
            stopped_cost=pl.col("cost").filter("stopped").sum(),
            whole=pl.col("cost").sum(),
            known=pl.col("cost").filter(lost).count(),
            in_a_row=pl.col("in_a_row").sum(),
            row_cost=pl.col("cost").filter("in_a_row").sum(),
            row_since=pl.col("ended_at").filter("in_a_row").min(),
            first=pl.col("ended_at").filter("failed").min(),
            last=pl.col("ended_at").filter("failed").max(),
            reason=pl.col("same").filter("failed").drop_nulls().mode().sort().first(),
            alike=pl.col("same").filter("failed").drop_nulls().unique_counts().max(),
            completed=pl.col("ended_at").filter(pl.col("status") == "Completed").max(),
            owner=pl.col("owner").drop_nulls().last(),
            currency=pl.col("currency").drop_nulls().last(),
            bases=pl.col("basis").filter(lost).drop_nulls().unique().sort(),
            measured=(pl.col("certainty").filter(lost) == "measured").all(),
        )
        .join(by_owner, on=FAMILY, how="left")
        .filter(
            (pl.col("failed") + pl.col("stopped") >= settings.least_runs)
            & (pl.col("failed_cost") + pl.col("stopped_cost") >= settings.least_money)
        )
        .sort(-(pl.col("failed_cost") + pl.col("stopped_cost")), *FAMILY)
    )


def _finding(facts: Facts, settings: Settings, row: dict[str, Any]) -> Finding:
    money = row["currency"] or "USD"
    lost = row["failed_cost"] + row["stopped_cost"]
    per_month = lost / settings.window_days * DAYS_PER_MONTH
    unknown = row["failed"] + row["stopped"] - row["known"]
    return Finding(
        fingerprint=fingerprint("failed_jobs", *(row[name] for name in FAMILY)),
        kind="failed_jobs",
        subject=ResourceRef(account=row["account"], region=row["region"], kind=row["kind"], name=row["family"]),
        severity=severity(per_month),
        title=f"{row['family']}: {_how_many(row)}, {'at least ' if unknown else ''}{lost:,.2f} {money} for nothing",
        explanation=_explanation(row, settings, money),
        impact_per_month=Money.of(per_month).amount,
        currency=money,
        basis="billed" if row["bases"] == ["billed"] else "list" if row["bases"] == ["list"] else "effective",
        certainty="measured" if row["measured"] and not unknown else "derived",
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        evidence=Evidence(figures=_figures(row, settings, money)),
        completeness=Completeness(found=row["known"], expected=row["failed"] + row["stopped"]),
        unknowns=[f"what {unknown} of these runs cost: they are not on the bill and have no price"] if unknown else [],
        owner=row["owner"],
        stake=_stake(facts, settings, row, money),
    )


def _how_many(row: dict[str, Any]) -> str:
    was = "was" if row["stopped"] == 1 else "were"
    parts = [f"{row[name]} {word}" for name, word in (("failed", "failed"), ("stopped", f"{was} stopped")) if row[name]]
    return f"of {row['runs']} runs {' and '.join(parts)}"


def _explanation(row: dict[str, Any], settings: Settings, money: str) -> str:
    told = [f"In {settings.window_days} days its runs cost {row['whole']:,.2f} {money}."]
    if row["failed"]:
        told.append(f"The {row['failed']} that failed cost {row['failed_cost']:,.2f}.")
    if row["stopped"]:
        told.append(
            f"The {row['stopped']} that were stopped cost {row['stopped_cost']:,.2f}; they may have left something."
        )
    if row["reason"] is not None:
        told.append(f"{row['alike']} failed with the same reason: {row['reason'].rstrip('.')}.")
    return " ".join(told)


def _figures(row: dict[str, Any], settings: Settings, money: str) -> list[Figure]:
    window = f"last {settings.window_days} days"
    basis = " and ".join("price x time" if item == "list" else f"{item} cost" for item in row["bases"]) or "unknown"
    owners = [
        Figure(
            label=f"Of that, by {part['owner'] or 'nobody known'}",
            value=round(part["cost"], 2),
            unit=money,
            period=window,
        )
        for part in row["owners"]
        if len(row["owners"]) > 1
    ]
    share = (row["failed_cost"] + row["stopped_cost"]) / row["whole"] if row["whole"] else None
    completed = None if row["completed"] is None else f"{row['completed']:%Y-%m-%d %H:%M} UTC"
    return [
        Figure(label="Runs that ended", value=float(row["runs"]), unit="runs", period=window, basis="SageMaker"),
        Figure(label="Failed", value=float(row["failed"]), unit="runs", period=window, basis="SageMaker"),
        Figure(
            label="Stopped", value=float(row["stopped"]), unit="runs", period=window, basis="without trials of tuning"
        ),
        Figure(label="Cost of failed runs", value=round(row["failed_cost"], 2), unit=money, period=window, basis=basis),
        Figure(
            label="Cost of stopped runs", value=round(row["stopped_cost"], 2), unit=money, period=window, basis=basis
        ),
        *owners,
        Figure(
            label="Of what the family cost",
            value=None if share is None else round(100 * share, 1),
            unit="percent",
            period=window,
            basis=basis,
        ),
        Figure(label="Failures since the last completed run", value=float(row["in_a_row"]), unit="runs", period=window),
        Figure(label="Last completed run", value=completed, period=window, basis="SageMaker"),
        Figure(
            label="Most frequent reason", value=row["reason"], period=f"{row['alike'] or 0} runs", basis="FailureReason"
        ),
    ]


def _stake(facts: Facts, settings: Settings, row: dict[str, Any], money: str) -> Stake | None:
    """Where the failing goes on."""
    if not row["failed"] or row["last"] < facts.as_of - timedelta(days=settings.lately_days):
        return None
    streak = row["in_a_row"] >= settings.repeats
    often = row["failed"] >= settings.repeats and row["failed_cost"] >= HALF * row["whole"]
    excess, since = (row["row_cost"], row["row_since"]) if streak else (row["failed_cost"], row["first"])
    if not (streak or often) or excess < settings.least_money:
        return None
    how = f"{row['in_a_row']} runs in a row failed" if streak else f"{row['failed']} of {row['runs']} runs failed"
    why = "" if row["reason"] is None else f", {row['alike']} of them with: {row['reason'].rstrip('.')}"
    days = max((facts.as_of.date() - since.date()).days, 1)
    return stake(
        facts.as_of,
        since.date(),
        excess,
        excess / days,
        "failed_jobs",
        f"{how} since {since:%-d %B}{why}. They cost {excess:,.2f} {money}.",
    )


ANALYZER = Analyzer(
    name="failed_jobs",
    kinds=("failed_jobs",),
    description="Families of jobs whose failed and stopped runs cost money",
    settings=Settings,
    find=find,
)
