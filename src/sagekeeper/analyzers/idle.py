"""Idle real-time endpoints: paid for around the clock, asked for nothing.

In: endpoints and their hourly metrics over the window. Out: one finding per endpoint that no request reached. Rule R01.
CloudWatch has no datapoint for an hour without a request, and none for an hour it lost: no datapoint is taken for zero only
where the endpoint's instances kept reporting their CPU. Elsewhere traffic is unknown, and what is unknown is not idle. One that
used to come back after such silences is told apart; one whose owner opted out by tag is left alone.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.because import made_by
from sagekeeper.analyzers.endpoints import KEY, reference, standing
from sagekeeper.analyzers.facts import BILL, Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, MonthlyCost, cost_of, endpoint_costs, severity
from sagekeeper.analyzers.price_evidence import price_figures
from sagekeeper.analyzers.season import daily_requests, season_of
from sagekeeper.analyzers.stakes import stake
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, Money, Series, Stake, fingerprint

SHOWN_DAYS = 60


class Settings(AnalyzerSettings):
    """When silence counts."""

    window_days: int = Field(14, ge=3, le=60, description="how long no request may have come")
    alive_share: float = Field(
        0.9, ge=0.5, le=1.0, description="share of hours with a CPU reading that makes 'no datapoint' mean 'no request'"
    )


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per idle endpoint."""
    billed = endpoint_costs(facts)
    return [_finding(facts, settings, row, billed) for row in silent(facts, settings).iter_rows(named=True)]


def silent(facts: Facts, settings: Settings) -> pl.DataFrame:
    """The endpoints of `endpoints.standing` that are certainly idle, with ``hours`` of the window, ``alive`` hours, and
    ``busiest_cpu`` (percent, may be null)."""
    ends = facts.as_of.replace(minute=0, second=0, microsecond=0)
    starts = ends - timedelta(days=settings.window_days)
    hours = settings.window_days * 24
    candidates = standing(facts).filter(
        pl.col("real_time")
        & ~pl.col("left_alone")
        & (pl.col("status") == "InService")
        & (pl.col("created_at") <= starts)
    )
    keys = [pl.col("account"), pl.col("region"), pl.col("resource_name").alias("name")]
    hourly = facts.metrics.filter(
        (pl.col("resource_kind") == "endpoint")
        & (pl.col("period_seconds") == 3600)
        & pl.col("start").is_between(starts, ends, closed="left")
    )
    asked = (
        hourly.filter((pl.col("metric") == "Invocations") & (pl.col("statistic") == "Sum"))
        .group_by(*keys, "variant")
        .agg(requests=pl.col("value").sum(), asked=pl.col("start").n_unique())
    )
    cpu = hourly.filter(pl.col("metric") == "CPUUtilization")
    reporting = cpu.group_by(*keys, "variant").agg(
        alive=pl.col("start").filter(pl.col("value").is_not_null()).n_unique(), busiest_cpu=pl.col("value").max()
    )
    enough = settings.alive_share * hours
    whole = (
        asked.join(reporting, on=[*KEY, "variant"], how="left", nulls_equal=True)
        .with_columns(pl.col("alive").fill_null(0))
        .group_by(KEY)
        .agg(
            pl.col("requests").sum(),
            pl.col("asked").min(),
            pl.col("alive").min(),
            pl.col("busiest_cpu").max(),
            answered=pl.col("variant"),
        )
    )
    every_variant = (
        pl.col("variants")
        .list.eval(pl.element().struct.field("VariantName"))
        .list.set_difference("answered")
        .list.len()
        == 0
    )
    return (
        candidates.join(whole, on=KEY, how="inner")
        .filter((pl.col("requests") == 0) & (pl.col("asked") >= enough) & (pl.col("alive") >= enough) & every_variant)
        .with_columns(hours=pl.lit(hours))
        .sort(KEY)
    )


def evidence_of(facts: Facts, settings: Settings, row: dict[str, Any], cost: MonthlyCost | None) -> Evidence:
    """What the finding, and the proposal to delete, rest on."""
    window = f"last {settings.window_days} days"
    last = _last_use(facts, row)
    figures = [
        Figure(
            label="Requests", value=0.0, unit="count", period=window, basis="CloudWatch Invocations, Sum, all variants"
        ),
        Figure(
            label="Hours with a reading of its instances",
            value=float(row["alive"]),
            unit=f"of {row['hours']} hours",
            period=window,
            basis="CloudWatch CPUUtilization",
        ),
        Figure(
            label="Busiest CPU",
            value=row["busiest_cpu"],
            unit="percent of all cores",
            period=window,
            basis="CloudWatch CPUUtilization",
        ),
        Figure(label="Last request", value=last, period="last 400 days", basis="CloudWatch Invocations by day"),
        Figure(
            label="Instances", value=float(row["instances"] or 0) or None, unit="count", period="now", basis="SageMaker"
        ),
    ]
    if cost is not None:
        said = f"mean of {cost.days} full days" if cost.days else "no full day on the bill yet"
        figures.append(
            Figure(
                label="Cost",
                value=round(cost.per_month, 2),
                unit=f"{cost.currency} per month of 730 hours",
                period=said,
                basis=f"{cost.basis} cost, {cost.certainty}",
            )
        )
    if cost is not None and cost.basis == "list":
        machines = (item["InstanceType"] for item in row["variants"])
        figures += price_figures(facts, machines, "Hosting", row["region"])
    return Evidence(figures=figures, series=_series(facts, row))


def _finding(
    facts: Facts, settings: Settings, row: dict[str, Any], billed: dict[tuple[str, str, str], MonthlyCost]
) -> Finding:
    cost = cost_of(facts, row, billed)
    price = f"costs about {cost.per_month:,.0f} {cost.currency} a month" if cost else "costs nobody knows how much"
    season = season_of(facts, row, settings.window_days)
    return Finding(
        fingerprint=fingerprint("idle_endpoint", row["account"], row["region"], row["name"]),
        kind="idle_endpoint",
        subject=reference(row),
        severity="info" if season.seasonal else severity(cost.per_month, cost.certainty) if cost else severity(None),
        title=f"{row['name']} runs all the time and is used now and then"
        if season.seasonal
        else f"{row['name']} runs but nobody calls it",
        explanation=f"{row['name']} has not received a single request in {settings.window_days} days and {price}."
        + (f" It is not called idle: {season.why}." if season.seasonal else ""),
        impact_per_month=Money.of(cost.per_month).amount if cost else None,
        currency=cost.currency if cost else "USD",
        basis=cost.basis if cost else None,
        certainty=cost.certainty if cost else "assumed",
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        evidence=evidence_of(facts, settings, row, cost),
        completeness=Completeness(found=row["alive"], expected=row["hours"]),
        unknowns=[] if cost else ["what it costs: it is on no bill yet and its price is not known"],
        owner=row["owner"],
        stake=None if cost is None or season.seasonal else _stake(facts, row, cost),
    )


def _stake(facts: Facts, row: dict[str, Any], cost: MonthlyCost) -> Stake:
    """What it has cost since its last request: on the bill, or where it is on none at its price."""
    used = daily_requests(facts, row).filter(pl.col("requests") > 0)
    last = used["start"][-1].date() if used.height else None
    since: date = max(last + timedelta(days=1), row["created_at"].date()) if last else row["created_at"].date()
    amount = "effective_cost" if cost.basis == "effective" else "billed_cost"
    billed = facts.daily_costs.filter(
        (pl.col("dataset") == BILL)
        & (pl.col("charge_category") == "Usage")
        & (pl.col("resource_kind") == "endpoint")
        & (pl.col("account") == row["account"])
        & (pl.col("region") == row["region"])
        & (pl.col("resource_name") == row["name"])
        & (pl.col("day") >= since)
    )[amount]
    per_day = cost.per_month / DAYS_PER_MONTH
    excess = float(billed.sum()) if billed.len() else per_day * max((facts.as_of.date() - since).days, 0)
    if last is None:
        return stake(facts.as_of, since, excess, per_day, "idle", "No request to it is known since it was made.")
    by = made_by(facts, row["account"], row["region"], "endpoint", row["name"])
    because = f"Nobody has called it since {last:%A %-d %B %Y}, and it still runs." + (
        f" It was made by {by}." if by else ""
    )
    return stake(facts.as_of, since, excess, per_day, "forgotten", because)


def _last_use(facts: Facts, row: dict[str, Any]) -> str | None:
    used = daily_requests(facts, row).filter(pl.col("requests") > 0)
    return str(used["start"][-1].date()) if used.height else None


def _series(facts: Facts, row: dict[str, Any]) -> list[Series]:
    days = daily_requests(facts, row).tail(SHOWN_DAYS)
    return [Series(name="Requests a day", unit="count", points=list(days.rows()))] if days.height else []


ANALYZER = Analyzer(
    name="idle_endpoint",
    kinds=("idle_endpoint",),
    description="Real-time endpoints that are paid for and that nobody calls",
    settings=Settings,
    find=find,
)
