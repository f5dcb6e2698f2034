"""Training that is paid at full price though it could wait: managed spot for whole families of jobs.

In: training jobs of the last months, what they cost. Out: one proposal per family (jobs whose names differ in dates and numbers
only) that runs on demand, often, and can be interrupted. Rule R20. The discount is that of the account's own spot jobs where
there are any, else an assumption and said so. Advice only: the job is defined in somebody's pipeline, where it must be changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.commitments import Shares, said, uncommitted
from sagekeeper.analyzers.facts import BILL, Facts
from sagekeeper.analyzers.launch_past import SPOT_DISCOUNT
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER
from sagekeeper.analyzers.owners import owner
from sagekeeper.analyzers.price_evidence import price_figures
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.types import (
    HOURS_PER_MONTH,
    Alternative,
    CostBasis,
    Evidence,
    Figure,
    Gate,
    Money,
    Recommendation,
    ResourceRef,
    Saving,
    Series,
    SpotTraining,
    fingerprint,
)
from sagekeeper.recommender.lever import Lever, LeverSettings

LONGEST_WITHOUT_CHECKPOINT = 3600
"""Seconds that AWS lets an algorithm without checkpoints wait (model-managed-spot-training)."""
KEY = ["account", "region", "family"]
NOT_ON_SPOT = ("KeepAlivePeriodInSeconds", "TrainingPlanArn", "InstancePreferences")
"""Of ResourceConfig: AWS refuses managed spot beside a warm pool, reserved capacity, or a choice of types (aws-facts 2.1)."""


class Settings(LeverSettings):
    """Which families are worth it."""

    window_days: int = Field(30, ge=7, le=180, description="days whose runs count")
    least_runs: int = Field(3, ge=1, description="completed runs in the window")
    least_minutes: float = Field(15, ge=0, description="shorter jobs mostly start up")
    without_checkpoint_minutes: float = Field(60, ge=0, description="longer jobs need a checkpoint")
    assumed_discount_low: float = Field(
        SPOT_DISCOUNT[0], gt=0, lt=1, description="where the account has no spot jobs of its own"
    )
    assumed_discount_high: float = Field(
        SPOT_DISCOUNT[1], gt=0, lt=1, description="where the account has no spot jobs of its own"
    )
    least_own_spot_jobs: int = Field(3, ge=1, description="spot jobs before the account's own discount is believed")
    least_saving_per_month: float = Field(1.0, ge=0, description="smaller savings are not worth a question")


@dataclass(frozen=True)
class Discount:
    """Share of the on-demand price that spot saves."""

    low: float
    expected: float
    high: float
    jobs: int


def propose(facts: Facts, settings: Settings) -> Iterator[Recommendation]:
    """One proposal per family that could run on spot."""
    jobs = _with_family(facts)
    discounts = _own_discounts(jobs, facts, settings)
    assumed = Discount(
        settings.assumed_discount_low,
        (settings.assumed_discount_low + settings.assumed_discount_high) / 2,
        settings.assumed_discount_high,
        0,
    )
    until = (facts.as_of - FINAL_AFTER).date()
    shares = uncommitted(facts.costs, until - timedelta(days=settings.window_days), until)
    for row in _families(jobs, facts, settings).iter_rows(named=True):
        cost, basis = _cost_per_month(facts, settings, row)
        discount = discounts.get(row["account"], assumed)
        if cost is not None and cost * discount.expected >= settings.least_saving_per_month:
            yield _proposal(facts, settings, row, cost, basis, discount, _realisable(shares, row))


def _with_family(facts: Facts) -> pl.DataFrame:
    return facts.jobs.filter(pl.col("kind") == "training_job").with_columns(
        family=job_families.family(),
        owner=owner("tags", facts.owner_tags),
        deadline=pl.col("tags").str.json_path_match("$.deadline"),
        spot=pl.col("spot").fill_null(False),  # AWS leaves the field out of jobs that never named it
        bound=pl.any_horizontal(
            pl.col("config").str.json_path_match(f"$.ResourceConfig.{field}").fill_null("0") != "0"
            for field in NOT_ON_SPOT
        ),
    )


def _families(jobs: pl.DataFrame, facts: Facts, settings: Settings) -> pl.DataFrame:
    # Days of the bill that are not final yet would make the month too cheap.
    until = facts.as_of - FINAL_AFTER
    since = until - timedelta(days=settings.window_days)
    done = jobs.filter(
        (pl.col("status") == "Completed")
        & pl.col("ended_at").is_between(since, until)
        & pl.col("run_seconds").is_not_null()
    ).sort("started_at")
    families = done.group_by(KEY).agg(
        runs=pl.len(),
        spot=pl.col("spot").any(),
        bound=pl.col("bound").any(),
        minutes=pl.col("run_seconds").median() / 60,
        checkpoint=pl.col("checkpoint_s3_uri").last(),
        checkpoints=pl.col("checkpoint_s3_uri").is_not_null().all(),
        deadline=pl.col("deadline").drop_nulls().first(),
        longest=pl.col("max_runtime_seconds").max(),
        machine=pl.col("instance_type").last(),
        owner=pl.col("owner").drop_nulls().last(),
        names=pl.col("name"),
        machines=pl.col("instance_type"),
        hours=pl.col("billable_seconds").fill_null(pl.col("run_seconds")) / 3600 * pl.col("instance_count"),
        points=pl.struct("started_at", pl.col("run_seconds") / 60).tail(60),
    )
    short_enough = pl.col("minutes") < settings.without_checkpoint_minutes
    return families.filter(
        ~pl.col("spot")
        & ~pl.col("bound")
        & (pl.col("runs") >= settings.least_runs)
        & (pl.col("minutes") > settings.least_minutes)
        & (pl.col("checkpoints") | short_enough)
        & pl.col("deadline").is_null()
    ).sort(KEY)


def _own_discounts(jobs: pl.DataFrame, facts: Facts, settings: Settings) -> dict[str, Discount]:
    """What spot saved in each account: 1 - billable / run time, over its finished spot jobs of 180 days."""
    spot = jobs.filter(
        pl.col("spot")
        & (pl.col("status") == "Completed")
        & (pl.col("run_seconds") > 0)
        & pl.col("billable_seconds").is_not_null()
        & (pl.col("ended_at") >= facts.as_of - timedelta(days=180))
    ).with_columns(discount=1 - pl.col("billable_seconds") / pl.col("run_seconds"))
    found = spot.group_by("account").agg(
        low=pl.col("discount").quantile(0.1, "linear"),
        expected=1 - pl.col("billable_seconds").sum() / pl.col("run_seconds").sum(),
        high=pl.col("discount").quantile(0.9, "linear"),
        jobs=pl.len(),
    )
    return {
        row["account"]: Discount(
            max(0.0, min(row["low"], row["expected"])), row["expected"], max(row["high"], row["expected"]), row["jobs"]
        )
        for row in found.iter_rows(named=True)
        if row["jobs"] >= settings.least_own_spot_jobs and row["expected"] > 0
    }


def _cost_per_month(facts: Facts, settings: Settings, row: dict[str, Any]) -> tuple[float | None, CostBasis]:
    """What the window's runs cost, per month of 730 hours: from the bill, else at list price, else unknown."""
    months = HOURS_PER_MONTH / (24 * settings.window_days)
    own = facts.daily_costs.filter(
        (pl.col("dataset") == BILL)
        & (pl.col("account") == row["account"])
        & (pl.col("resource_kind") == "training_job")
        & (pl.col("charge_category") == "Usage")
        & pl.col("resource_name").is_in(row["names"])
    )
    if own["resource_name"].n_unique() == row["runs"]:
        effective = own["effective_cost"]
        known = effective.null_count() == 0
        return float((effective if known else own["billed_cost"]).sum()) * months, "effective" if known else "billed"
    try:
        hourly = {
            kind: facts.prices.hourly(kind, "Training", row["region"]).usd for kind in set(row["machines"]) if kind
        }
        total = sum(hourly[kind] * hours for kind, hours in zip(row["machines"], row["hours"], strict=True))
    except (PriceUnknown, KeyError):
        return None, "list"
    return total * months, "list"


def _realisable(shares: Shares, row: dict[str, Any]) -> float:
    """Share of the runs' cost that no commitment pays: a Savings Plan covers training on demand, and never spot."""
    own = [
        share for name in row["names"] if (share := shares.get((row["account"], f"training-job/{name}"))) is not None
    ]
    return sum(own) / len(own) if own else 1.0


def _proposal(
    facts: Facts,
    settings: Settings,
    row: dict[str, Any],
    cost: float,
    basis: CostBasis,
    discount: Discount,
    real: float,
) -> Recommendation:
    family = ResourceRef(account=row["account"], region=row["region"], kind="training_family", name=row["family"])
    longest = int(row["longest"] or row["minutes"] * 60 * 2)
    wait = 2 * longest if row["checkpoints"] else max(longest, LONGEST_WITHOUT_CHECKPOINT)
    change = SpotTraining(family=family, max_wait_seconds=wait, checkpoint_s3_uri=row["checkpoint"])
    saving = Saving(
        low=Money.of(cost * discount.low * real).amount,
        expected=Money.of(cost * discount.expected * real).amount,
        high=min(Money.of(cost * discount.high).amount, Money.of(cost).amount),
        basis=basis,
        certainty="derived" if discount.jobs and basis != "list" else "assumed",
        explanation=(
            f"{discount.expected:.0%} of the on-demand price, as {discount.jobs} spot jobs of this account saved."
            if discount.jobs
            else f"{discount.low:.0%} to {discount.high:.0%} is assumed: this account has too few spot jobs of its own."
        )
        + said(real),
    )
    window = f"{settings.window_days} days up to {facts.as_of - FINAL_AFTER:%-d %b %Y}"
    return Recommendation(
        fingerprint=fingerprint("spot_training", family.account, family.region, family.name),
        version=fingerprint(change.model_dump_json()),
        lever="spot_training",
        subjects=[family],
        title=f"Train {family.name} on managed spot",
        explanation=(
            f"{family.name} ran {row['runs']} times on demand in {settings.window_days} days; on managed spot it would save "
            f"about {saving.expected:,.0f} USD a month and may take longer when AWS needs the machines."
        ),
        current=[
            Figure(label="Runs", value=float(row["runs"]), unit="count", period=window, basis="SageMaker"),
            Figure(label="A run takes", value=round(row["minutes"], 1), unit="minutes", period=window, basis="median"),
            Figure(label="Runs on", value=row["machine"], basis="SageMaker, on demand"),
            Figure(label="Cost", value=round(cost, 2), unit="USD per month", period=window, basis=f"{basis} cost"),
        ],
        proposed=[
            Figure(label="Runs on", value=f"{row['machine']} on managed spot"),
            Figure(
                label="Longest wait", value=wait / 3600, unit="hours", basis="MaxWaitTimeInSeconds, run time included"
            ),
            Figure(label="Cost", value=round(cost - float(saving.expected), 2), unit="USD per month", basis="expected"),
        ],
        cost_per_month=Money.of(cost).amount,
        saving=saving,
        alternatives=[
            Alternative(
                name="Stay on demand",
                cost_per_month=Money.of(cost).amount,
                why_not="right where a run must end by a certain hour; no job of this family is tagged deadline",
            )
        ],
        gates=_gates(settings, row),
        confidence=0.8 if discount.jobs else 0.6,
        reversible=True,
        risks=[
            "A run can be interrupted and then waits: it may end hours later than today.",
            "Quotas for spot training are separate from those on demand: look before the first run.",
        ],
        change=change,
        evidence=Evidence(
            figures=[
                Figure(
                    label="Discount of own spot jobs" if discount.jobs else "Discount assumed",
                    value=round(100 * discount.expected, 1),
                    unit="percent",
                    period="last 180 days" if discount.jobs else "",
                    basis=f"{discount.jobs} jobs, billable against run time" if discount.jobs else "assumption",
                ),
                *(
                    price_figures(facts, filter(None, row["machines"]), "Training", family.region)
                    if basis == "list"
                    else []
                ),
            ],
            series=[
                Series(
                    name="Minutes a run took",
                    unit="minutes",
                    points=[(point["started_at"], point["run_seconds"]) for point in row["points"]],
                )
            ],
        ),
        unknowns=[] if row["checkpoints"] else ["whether it can go on after an interruption: it writes no checkpoint"],
        owner=row["owner"],
        as_of=facts.as_of,
    )


def _gates(settings: Settings, row: dict[str, Any]) -> list[Gate]:
    checkpoint = (
        f"it writes checkpoints to {row['checkpoint']}"
        if row["checkpoints"]
        else f"no checkpoint, but a run is shorter than {settings.without_checkpoint_minutes:.0f} minutes"
    )
    return [
        Gate(name="enough runs", state="pass", why=f"{row['runs']} completed runs in {settings.window_days} days"),
        Gate(name="can be interrupted", state="pass", why=checkpoint),
        Gate(name="no deadline", state="pass", why="no run is tagged deadline"),
        Gate(
            name="made where it is defined",
            state="fail",
            why="the family's owner applies it in the pipeline or caller: Sagekeeper does not start training jobs",
        ),
    ]


LEVER = Lever(
    name="spot_training",
    description="Train on managed spot what can be interrupted; its owner makes the change",
    settings=Settings,
    propose=propose,
)
