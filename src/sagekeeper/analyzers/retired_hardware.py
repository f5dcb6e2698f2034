"""Machines that AWS has retired or lets go: what still runs or trains on them, and what to move to by when.

In: the inventory, and the jobs of the window. Out: one finding per endpoint, notebook instance, Studio app and family of jobs
(names that differ in dates and numbers only). Rule R06, for the families whose retirement AWS has made known (aws-facts 0).
API enums are never pruned, so a type that SageMaker still accepts may be gone all the same. P3dn is not P3: it remained.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.endpoints import standing
from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts
from sagekeeper.analyzers.job_families import family
from sagekeeper.analyzers.monthly_cost import MonthlyCost, cost_of, endpoint_costs
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component, Price, PriceBook
from sagekeeper.core.types import Evidence, Figure, Finding, ResourceRef, Severity, fingerprint


@dataclass(frozen=True)
class Retirement:
    """What AWS said about a family of instance types. ``by`` is the day to have moved by, None where none was named."""

    said: str
    briefly: str
    source: str
    by: date | None
    severity: Severity
    successors: dict[str, tuple[str, ...]]
    """By size: types with as many accelerators or more, those that aws-facts names first."""


RETIRED = {
    "p2": Retirement(
        "AWS has retired P2 instances",
        "which AWS has retired",
        "the generation before P3, in SageMaker's enums only; no notice of AWS's is known to us",
        None,
        "high",
        {
            "xlarge": ("ml.g4dn.xlarge", "ml.g5.xlarge"),
            "8xlarge": ("ml.g6.48xlarge", "ml.g5.48xlarge"),
            "16xlarge": ("ml.g6.48xlarge", "ml.g5.48xlarge"),
        },
    ),
    "p3": Retirement(
        "AWS has retired P3 instances",
        "which AWS has retired",
        "AWS's notices to customers: by about that day; EC2 lists P3 no more since mid-2026",
        date(2025, 12, 20),
        "high",
        {
            "2xlarge": ("ml.g6.2xlarge", "ml.g5.2xlarge", "ml.p5.4xlarge"),
            "8xlarge": ("ml.g6.12xlarge", "ml.g5.12xlarge"),
            "16xlarge": ("ml.g6.48xlarge", "ml.g5.48xlarge"),
        },
    ),
    "inf1": Retirement(
        "AWS's Neuron SDK no longer supports Inf1 since version 2.31",
        "which AWS's Neuron SDK no longer supports",
        "Neuron SDK 2.31 documentation; the last Inf1 containers are of PyTorch 1.9",
        None,
        "medium",
        {
            "xlarge": ("ml.inf2.xlarge", "ml.g4dn.xlarge", "ml.c7g.xlarge"),
            "2xlarge": ("ml.inf2.xlarge", "ml.g4dn.2xlarge", "ml.c7g.2xlarge"),
            "6xlarge": ("ml.inf2.24xlarge", "ml.g5.12xlarge"),
            "24xlarge": ("ml.inf2.48xlarge", "ml.g5.48xlarge"),
        },
    ),
}
MACHINE = rf"^ml\.({'|'.join(RETIRED)})\.([0-9a-z]+)$"
COMPONENTS: dict[str, Component] = {
    "endpoint": "Hosting",
    "notebook_instance": "Notebook",
    "studio_app": "Studio-Notebook",
    "training_job": "Training",
    "processing_job": "Processing",
    "transform_job": "BatchTransform",
}
VERBS = {
    "endpoint": "is served on",
    "notebook_instance": "is a notebook on",
    "studio_app": "is open in Studio on",
    "training_job": "trains on",
    "processing_job": "runs on",
    "transform_job": "runs on",
}
USES = {
    "account": pl.String(),
    "region": pl.String(),
    "kind": pl.String(),
    "name": pl.String(),
    "arn": pl.String(),
    "owner": pl.String(),
    "machine": pl.String(),
    "count": pl.Int64(),
    "runs": pl.Int64(),
    "hours": pl.Float64(),
    "last": pl.Datetime("us", "UTC"),
}
MACHINE_OF = {
    "notebook_instance": pl.Struct({"InstanceType": pl.String()}),
    "studio_app": pl.Struct({"ResourceSpec": pl.Struct({"InstanceType": pl.String()})}),
}
"""Where what a person works on says its machine."""


class Settings(AnalyzerSettings):
    """Which jobs still count."""

    window_days: int = Field(30, ge=1, le=400, description="jobs that began longer ago are history")


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per resource or family and retired instance type."""
    used = pl.concat([_endpoints(facts), *(_workplaces(facts, kind) for kind in MACHINE_OF), _jobs(facts, settings)])
    retired = used.with_columns(
        retired=pl.col("machine").str.extract(MACHINE, 1), size=pl.col("machine").str.extract(MACHINE, 2)
    ).filter(pl.col("retired").is_not_null())
    billed = endpoint_costs(facts)
    costs = {
        (row["account"], row["region"], row["name"]): cost_of(facts, row, billed)
        for row in standing(facts).join(retired.filter(kind="endpoint"), on=["arn"], how="semi").iter_rows(named=True)
    }
    rows = retired.sort("account", "region", "kind", "name", "machine").iter_rows(named=True)
    return [_finding(facts, settings, row, costs.get((row["account"], row["region"], row["name"]))) for row in rows]


def _endpoints(facts: Facts) -> pl.DataFrame:
    machines = (
        standing(facts)
        .explode("variants")
        .with_columns(kind=pl.lit("endpoint"), machine=pl.col("variants").struct.field("InstanceType"))
    )
    keys = ["account", "region", "kind", "name", "arn", "owner", "machine"]
    # Instances are known per endpoint: where it has several types, how many there are of each is not.
    alone = pl.len().over("arn") == 1
    return _uses(
        machines.group_by(keys).agg(pl.col("instances").first()).with_columns(count=pl.when(alone).then("instances"))
    )


def _workplaces(facts: Facts, kind: str) -> pl.DataFrame:
    machine = pl.col("config").str.json_decode(MACHINE_OF[kind])
    if kind == "studio_app":
        machine = machine.struct.field("ResourceSpec")
    return _uses(
        facts.inventory.filter(pl.col("kind") == kind).with_columns(
            machine=machine.struct.field("InstanceType"),
            owner=owner("tags", facts.owner_tags),
            count=pl.lit(1, pl.Int64),
        )
    )


def _jobs(facts: Facts, settings: Settings) -> pl.DataFrame:
    began = pl.coalesce("started_at", "created_at")
    hours = pl.col("billable_seconds") * pl.col("instance_count") / 3600
    return _uses(
        facts.jobs.filter(
            pl.col("kind").is_in(list(COMPONENTS)) & (began >= facts.as_of - timedelta(days=settings.window_days))
        )
        .with_columns(name=family(), owner=owner("tags", facts.owner_tags))
        .group_by("account", "region", "kind", "name", machine="instance_type")
        .agg(
            pl.col("owner").drop_nulls().last(),
            count=pl.col("instance_count").max(),
            runs=pl.len(),
            # A run whose billed time is not known yet makes the sum unknown.
            hours=pl.when(hours.is_not_null().all()).then(hours.sum()),
            last=began.max(),
        )
    )


def _uses(found: pl.DataFrame) -> pl.DataFrame:
    """The columns of `USES`; what a kind of use does not have is null."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in USES.items() if name not in found.columns]
    return found.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in USES.items())


def _finding(facts: Facts, settings: Settings, row: dict[str, Any], cost: MonthlyCost | None) -> Finding:
    about, kind = RETIRED[row["retired"]], row["kind"]
    is_job = kind.endswith("_job")
    subject = ResourceRef(
        account=row["account"],
        region=row["region"],
        kind=kind.replace("_job", "_family"),
        name=row["name"],
        arn=row["arn"] or "",
    )
    names = about.successors.get(row["size"], ())
    own = _price(facts.prices, row["machine"], kind, row["region"])
    prices = [(row["machine"], own), *((name, _price(facts.prices, name, kind, row["region"])) for name in names)]
    return Finding(
        fingerprint=fingerprint(
            "retired_hardware", subject.account, subject.region, kind, subject.name, row["machine"]
        ),
        kind="retired_hardware",
        subject=subject,
        severity=about.severity,
        title=f"{subject.name} {VERBS[kind]} {row['machine']}, {about.briefly}",
        explanation=(
            f"{about.said}, and {subject.name} {VERBS[kind]} {row['machine']}. {_due(about, facts)} to "
            f"{_either(names)}, whichever costs least per {'run' if is_job else 'prediction or hour of work'}."
        ),
        first_seen=facts.as_of,
        last_seen=facts.as_of,
        certainty="measured",
        evidence=Evidence(
            figures=[
                Figure(
                    label="Uses", value=row["machine"], unit="", period="now" if not is_job else "", basis="SageMaker"
                ),
                Figure(
                    label="Instances of a run, at most" if is_job else "Instances",
                    value=row["count"],
                    unit="count",
                    period="" if is_job else "now",
                    basis="SageMaker",
                ),
                *(_of_jobs(settings, row, own) if is_job else _of_cost(cost)),
                Figure(label="To have moved by", value=str(about.by) if about.by else None, basis=about.source),
                *(
                    Figure(
                        label=f"{name} costs",
                        value=price.usd if price else None,
                        unit="USD per instance-hour",
                        period="list price",
                        basis=f"{price.source}, {price.as_of}" if price else "not in the price book",
                    )
                    for name, price in prices
                ),
            ]
        ),
        unknowns=["how fast the model runs on a successor: measure its cost per prediction or per run before choosing"],
        owner=row["owner"],
    )


def _due(about: Retirement, facts: Facts) -> str:
    if about.by is None:
        return "AWS has named no day to have moved by; before it does, move it"
    asked = f"AWS asked to have moved by {about.by:%-d %B %Y}"
    return f"{asked}, which has passed: move it now" if about.by < facts.as_of.date() else f"{asked}: move it"


def _either(names: tuple[str, ...]) -> str:
    if len(names) < 2:
        return names[0] if names else "a type that is not retired"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _of_jobs(settings: Settings, row: dict[str, Any], price: Price | None) -> list[Figure]:
    period = f"last {settings.window_days} days"
    hours = None if row["hours"] is None else round(row["hours"], 1)
    cost = None if row["hours"] is None or price is None else round(row["hours"] * price.usd, 2)
    return [
        Figure(label="Runs", value=float(row["runs"]), unit="count", period=period, basis="SageMaker"),
        Figure(label="Last run", value=f"{row['last']:%Y-%m-%d}", period=period, basis="SageMaker"),
        Figure(label="Billed", value=hours, unit="instance-hours", period=period, basis="billable seconds x instances"),
        Figure(label="Cost", value=cost, unit="USD", period=period, basis="billed hours at list price"),
    ]


def _of_cost(cost: MonthlyCost | None) -> list[Figure]:
    if cost is None:
        return []
    period = f"mean of {cost.days} full days" if cost.days else "no full day on the bill yet"
    unit = f"{cost.currency} per month of 730 hours"
    basis = f"{cost.basis} cost, {cost.certainty}"
    return [Figure(label="Cost now", value=round(cost.per_month, 2), unit=unit, period=period, basis=basis)]


def _price(book: PriceBook, machine: str, kind: str, region: str) -> Price | None:
    try:
        return book.hourly(machine, COMPONENTS[kind], region)
    except PriceUnknown:
        return None


ANALYZER = Analyzer(
    name="retired_hardware",
    kinds=("retired_hardware",),
    description="Endpoints, notebooks and jobs on machines that AWS has retired or lets go",
    settings=Settings,
    find=find,
)
