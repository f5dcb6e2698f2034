"""A house of literal rows that people's views are tested on and that the dashboard can be opened on without any AWS.

Three months of a small ML organisation up to 20 November 2026, 08:00 UTC: endpoints at a fixed price a day, so that sums can be
checked by hand; findings, proposals, actions with measurements, a failed source, an ingested file, and hostile names.
As a script: ``python tests/reports/sample_house.py FOLDER [--empty]`` builds it and prints the settings to open it with.
"""

from __future__ import annotations

import json
import math
import random
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import datasketches
import polars as pl

from sagekeeper.core.clock import day_start, month_start, next_month
from sagekeeper.core.lake import Lake, Scope, days_between
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.findings import decide, record_findings, record_recommendations
from sagekeeper.core.ledger.incidents import decide_incident, record_incidents
from sagekeeper.core.ledger.models import ActionRow, IngestedFileRow, MeasurementRow, StepRow
from sagekeeper.core.ledger.queue import request_action
from sagekeeper.core.ledger.runs import add_api_use, finish_source_run, start_source_run
from sagekeeper.core.tables import (
    COSTS,
    DAILY_COSTS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    MONITOR_VIOLATIONS,
    UNIT_COSTS,
    Table,
)
from sagekeeper.core.types import (
    Alternative,
    Call,
    Completeness,
    DeleteEndpoint,
    Evidence,
    Figure,
    Finding,
    Gate,
    Plan,
    Recommendation,
    ResourceRef,
    Saving,
    Series,
    Stake,
    Step,
    UpdateEndpoint,
    VariantTarget,
    fingerprint,
)

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
FIRST_DAY, LAST_DAY = date(2026, 8, 20), date(2026, 11, 19)
PAYER, SECOND = "123456789012", "210987654321"
HOSTILE_OWNER = '=HYPERLINK("http://evil.example","pay") <img src=x onerror=alert(1)> **bold** :smile:'

ENDPOINTS = (
    # account, region, name, owner, USD a day
    (PAYER, "us-east-1", "fraud-scoring-prod", "risk", 118.40),
    (PAYER, "us-east-1", "search-ranking-prod", "search", 96.20),
    (PAYER, "us-east-1", "churn-old-experiment", "growth", 33.84),
    (PAYER, "eu-west-1", "recs-gpu-large", "recommendations", 75.15),
    (PAYER, "eu-west-1", "demo-for-the-board-2025", None, 24.72),
    (SECOND, "us-east-1", "ocr-invoices", "finance-ml", 41.30),
    (SECOND, "us-east-1", "chatbot-intent", "support", 27.90),
    (SECOND, "eu-west-1", "toxicity-filter", HOSTILE_OWNER, 18.05),
)
BASELINE_DAILY = sum(item[4] for item in ENDPOINTS)
UNDONE_AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def build(folder: Path) -> tuple[Lake, Ledger]:
    """The whole house under ``folder``."""
    lake, ledger = Lake(folder / "lake"), open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    fill_costs(lake)
    fill_units(lake)
    fill_inside(lake)
    fill_profiles(lake)
    fill_ledger(ledger)
    fill_incidents(ledger)
    ingest_small_file(lake, ledger)
    return lake, ledger


def daily_rows() -> pl.DataFrame:
    """Rows of `DAILY_COSTS`, Cost Explorer's bill."""
    rng, rows = random.Random(7), []
    for day in days_between(FIRST_DAY, LAST_DAY):
        young = day > LAST_DAY - timedelta(days=2)
        weekend = day.weekday() >= 5
        for account, region, name, owner, usd in ENDPOINTS:
            if name == "legacy" or (name == "demo-for-the-board-2025" and day >= date(2026, 10, 28)):
                continue
            amount = usd * (1.9 if name == "search-ranking-prod" and day >= date(2026, 11, 11) else 1.0)
            rows.append(_row(day, account, region, "hosting", "endpoint", name, owner, "measured", amount, young))
        for family, owner, usd in (("fraud-train", "risk", 46.0), ("ranking-train", "search", 61.0)):
            if not weekend:
                amount = round(usd * rng.uniform(0.7, 1.3), 4)
                rows.append(
                    _row(day, PAYER, "us-east-1", "training", "training_job", family, owner, "derived", amount, young)
                )
        rows.append(
            _row(
                day,
                PAYER,
                "us-east-1",
                "notebook",
                "notebook_instance",
                "lab-anna",
                "research",
                "measured",
                6.53,
                young,
            )
        )
        rows.append(_row(day, PAYER, "us-east-1", "other", None, None, None, "unattributed", 14.20, young))
        if day.day == 1:
            rows.append(_row(day, PAYER, "us-east-1", "other", None, None, None, "unattributed", 812.55, young, "Tax"))
            rows.append(
                _row(day, PAYER, "us-east-1", "other", None, None, None, "unattributed", -250.0, young, "Credit")
            )
    return pl.DataFrame(rows, schema=DAILY_COSTS.columns, orient="row")


def _row(day, account, region, family, kind, name, owner, attribution, amount, young, category="Usage"):
    arn = f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}" if name else None
    effective = amount * 0.92 if family == "hosting" else amount
    return {
        "day": day,
        "dataset": "cost-explorer",
        "account": account,
        "region": region,
        "service": "Amazon SageMaker"
        if category == "Usage" and kind
        else "AmazonCloudWatch"
        if category == "Usage"
        else "Tax"
        if category == "Tax"
        else "Amazon SageMaker",
        "charge_category": category,
        "usage_family": family,
        "resource_kind": kind,
        "resource_name": name,
        "resource_arn": arn,
        "owner": owner,
        "attribution": attribution,
        "billed_cost": amount,
        "effective_cost": effective,
        "currency": "USD",
        "estimated": young,
        "owner_basis": f"{kind.replace('_', ' ')} tag owner" if owner else None,
    }


def fill_costs(lake: Lake, daily: pl.DataFrame | None = None) -> None:
    """Both the bill's rows and what people look at, in agreement."""
    daily = daily_rows() if daily is None else daily
    lake.replace(DAILY_COSTS, daily, Scope({"dataset": "cost-explorer"}))
    lake.replace(COSTS, bill_rows(daily), Scope({"x_Dataset": "cost-explorer"}))


def fill_inside(lake: Lake) -> None:
    """recs-gpu-large hosts two models on four accelerators, one of which nobody reserves; a pipeline runs fraud-train."""
    place = {"account": PAYER, "region": "eu-west-1", "observed_on": AS_OF.date(), "observed_at": AS_OF, "tags": "{}"}
    place |= {"created_at": datetime(2026, 8, 1, tzinfo=UTC), "changed_at": datetime(2026, 8, 1, tzinfo=UTC)}
    place |= {"status": "InService"}
    host = {
        "EndpointConfig": {
            "ProductionVariants": [{"VariantName": "main", "InstanceType": "ml.g5.12xlarge", "InitialInstanceCount": 1}]
        }
    }
    stood = [place | {"kind": "endpoint", "name": "recs-gpu-large", "config": json.dumps(host)}]
    for name, model, chips in (("retrieval", "two-tower", 1), ("reranking", "[reranker](http://evil.example)", 2)):
        needs = {"NumberOfAcceleratorDevicesRequired": chips, "MinMemoryRequiredInMb": 1024}
        component = {
            "EndpointName": "recs-gpu-large",
            "VariantName": "main",
            "Specification": {"ModelName": model, "ComputeResourceRequirements": needs},
            "RuntimeConfig": {"CurrentCopyCount": 1},
        }
        stood.append(place | {"kind": "inference_component", "name": name, "config": json.dumps(component)})
    lake.replace(INVENTORY, _filled(stood, INVENTORY), Scope())
    pipeline = f"arn:aws:sagemaker:us-east-1:{PAYER}:pipeline/fraud-retraining"
    steps = {"Steps": [{"Arn": f"arn:aws:sagemaker:us-east-1:{PAYER}:training_job/fraud-train", "CacheHit": False}]}
    run = {
        "account": PAYER,
        "region": "us-east-1",
        "kind": "pipeline_execution",
        "name": "fraud-retraining/execution/a1b2c3",
        "arn": f"{pipeline}/execution/a1b2c3",
        "parent_arn": pipeline,
        "config": json.dumps(steps),
        "month": month_start(LAST_DAY),
    }
    lake.replace(JOBS, _filled([run], JOBS), Scope())


def _filled(rows: list[dict], table: Table) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in table.columns} for row in rows], schema=table.columns)


def fill_units(lake: Lake) -> None:
    """Unit costs of October (31 days) and November (19): fraud costs a half more per 1,000, nobody asks the old experiment."""
    hostile = "[train](http://evil.example) **bold**"
    november = date(2026, 11, 1)
    rows = [
        _unit(date(2026, 10, 1), "fraud-scoring-prod", "1,000 invocations", 31000.0, 310.0),
        _unit(november, "fraud-scoring-prod", "1,000 invocations", 19000.0, 285.0),
        _unit(november, "fraud-scoring-prod", "hours with requests", 456.0, 285.0),
        _unit(november, "churn-old-experiment", "1,000 invocations", 0.0, 76.0, "too few to say: 0 invocations"),
        _unit(november, "churn-old-experiment", "hours without requests", 456.0, 76.0),
        _unit(november, "speech", "1,000 invocations", None, 39.0, "an asynchronous endpoint publishes no number"),
        _unit(november, "speech", "hours with unknown requests", 456.0, 39.0, "not published"),
        _unit(date(2026, 10, 1), hostile, "run", 31.0, 62.0, kind="training_family"),
        _unit(november, hostile, "run", 38.0, 38.0, kind="training_family"),
    ]
    lake.replace(UNIT_COSTS, pl.DataFrame(rows, schema=UNIT_COSTS.columns), Scope())


def _unit(
    month: date,
    subject: str,
    unit: str,
    quantity: float | None,
    cost: float,
    unknown: str | None = None,
    kind: str = "endpoint",
) -> dict[str, object]:
    about = {"dataset": "cost-explorer", "account": PAYER, "region": "us-east-1", "owner": "risk", "currency": "USD"}
    what = {"month": month, "subject_kind": kind, "subject": subject, "unit": unit, "quantity": quantity}
    known = {"counted": "days", "found": 0 if quantity is None else 19, "expected": 19, "certainty": "measured"}
    costs = {"billed_cost": cost, "effective_cost": cost, "provisional": True, "unknown": unknown}
    days = {"bill_days": 31 if month.month == 10 else 19}
    return dict.fromkeys(UNIT_COSTS.columns) | about | what | known | costs | days


def bill_rows(daily: pl.DataFrame) -> pl.DataFrame:
    """`COSTS` rows of the same money."""
    known = daily.select(
        BillingAccountId=pl.lit(PAYER),
        SubAccountId="account",
        ChargeCategory="charge_category",
        ServiceName="service",
        RegionId="region",
        ResourceId="resource_arn",
        BilledCost="billed_cost",
        EffectiveCost="effective_cost",
        BillingCurrency="currency",
        x_Dataset="dataset",
        x_ChargeDate="day",
        x_Estimated="estimated",
        x_Source=pl.lit("cost_explorer"),
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in COSTS.columns.items() if name not in known.columns]
    return known.with_columns(missing).select(COSTS.columns.keys())


def fill_profiles(lake: Lake) -> None:
    """Baseline and three weeks of captures of two endpoints: amount and country of the first have moved since 9 November."""
    rng, rows = random.Random(3), []
    for name, account, region in (("fraud-scoring-prod", PAYER, "us-east-1"), ("ocr-invoices", SECOND, "us-east-1")):
        for feature in ("amount", "age_of_account_days", "hour", "country"):
            rows.append(
                _profile(rng, name, account, region, feature, "baseline", datetime(2026, 9, 1, tzinfo=UTC), 5000, False)
            )
            for day in days_between(date(2026, 10, 30), LAST_DAY):
                moved = name == "fraud-scoring-prod" and feature in ("amount", "country") and day >= date(2026, 11, 9)
                rows.append(_profile(rng, name, account, region, feature, "capture", day_start(day), 400, moved))
    lake.append(FEATURE_PROFILES, pl.DataFrame(rows, schema=FEATURE_PROFILES.columns, orient="row"))
    violation = {
        "account": PAYER,
        "region": "us-east-1",
        "endpoint": "fraud-scoring-prod",
        "schedule": "fraud-hourly",
        "execution_time": datetime(2026, 11, 19, 4, tzinfo=UTC),
        "day": date(2026, 11, 19),
        "feature": "amount",
        "check": "baseline_drift_check",
        "description": "Baseline drift distance: 0.31 exceeds threshold: 0.1",
        "report_uri": "s3://monitor/fraud/constraint_violations.json",
        "observed_at": AS_OF,
    }
    lake.append(MONITOR_VIOLATIONS, pl.DataFrame([violation], schema=MONITOR_VIOLATIONS.columns))


def _profile(rng, endpoint, account, region, feature, role, at, records, moved):
    sketch, categories, values = None, None, []
    if feature == "country":
        weights = (2, 2, 6) if moved else (6, 3, 1)
        drawn = rng.choices(("DE", "FR", "US"), weights, k=records)
        categories = json.dumps({name: drawn.count(name) for name in ("DE", "FR", "US")})
    else:
        made = datasketches.kll_doubles_sketch(200)
        for _ in range(records):
            value = math.exp(rng.gauss(4.6 if moved else 4.0, 0.6)) if feature == "amount" else rng.gauss(12, 4)
            values.append(value)
            made.update(value)
        sketch = made.serialize()
    mean = sum(values) / len(values) if values else None
    return {
        "account": account,
        "region": region,
        "endpoint": endpoint,
        "variant": "AllTraffic",
        "feature": feature,
        "role": role,
        "window_start": at,
        "window_end": at + timedelta(days=1),
        "day": at.date(),
        "type": "categorical" if feature == "country" else "numeric",
        "records": records,
        "missing": records // 50,
        "mean": mean,
        "std": None,
        "minimum": min(values, default=None),
        "maximum": max(values, default=None),
        "sketch": sketch,
        "categories": categories,
        "observed_at": AS_OF,
    }


def endpoint(name: str) -> ResourceRef:
    """The reference of an endpoint of the house."""
    account, region = next((item[0], item[1]) for item in ENDPOINTS if item[2] == name)
    return ResourceRef(
        account=account,
        region=region,
        kind="endpoint",
        name=name,
        arn=f"arn:aws:sagemaker:{region}:{account}:endpoint/{name}",
    )


def findings() -> list[Finding]:
    """What is wrong in this house."""
    days = days_between(date(2026, 10, 22), LAST_DAY)
    spend = [(day_start(day), 96.2 * (1.9 if day >= date(2026, 11, 11) else 1.0)) for day in days]
    psi = [
        (day_start(day), None if day == date(2026, 11, 4) else (0.42 if day >= date(2026, 11, 9) else 0.03))
        for day in days
    ]
    return [
        finding(
            "overspend",
            "search-ranking-prod",
            "high",
            "search-ranking-prod costs 90 % more a day since 11 Nov",
            "The endpoint cost $96.20 a day and now costs $182.78: about $2,636 more a month.",
            impact=Decimal("2635.73"),
            series=[
                Series(name="cost per day", unit="USD/day", points=spend, expected=[(at, 96.2) for at, _ in spend])
            ],
            owner="search",
        ),
        finding(
            "idle_endpoint",
            "churn-old-experiment",
            "medium",
            "churn-old-experiment had no request for 21 days",
            "No invocation was seen in any hour of 21 days while the endpoint was in service.",
            impact=Decimal("1029.30"),
            owner="growth",
        ),
        finding(
            "feature_drift",
            "fraud-scoring-prod",
            "critical",
            "amount and country of fraud-scoring-prod have drifted since 9 Nov",
            "The model sees larger amounts and other countries than it was trained on.",
            series=[Series(name="shift of amount (PSI)", unit="PSI", points=psi)],
            owner="risk",
            unknowns=["Whether predictions have become worse: there are no labels."],
        ),
        finding(
            "idle_endpoint",
            "toxicity-filter",
            "low",
            "toxicity-filter of <b>=cmd|' /C calc'!A0</b> [click](http://evil.example) is idle",
            "Owner tag: " + HOSTILE_OWNER,
            impact=Decimal("549.02"),
            owner=HOSTILE_OWNER,
        ),
        finding(
            "failed_jobs",
            "ocr-invoices",
            "medium",
            "ocr-train: of 9 runs 6 failed, 123.40 USD for nothing",
            "6 failed with the same reason: AlgorithmError [retry](http://evil.example) **bold** exit code #.",
            impact=Decimal("125.12"),
            owner=HOSTILE_OWNER,
        ),
    ]


def finding(
    kind: str,
    name: str,
    severity: str,
    title: str,
    explanation: str,
    *,
    impact: Decimal | None = None,
    series: list[Series] | None = None,
    owner: str | None = None,
    unknowns: list[str] | None = None,
) -> Finding:
    """A finding of the house."""
    subject = endpoint(name)
    return Finding(
        fingerprint=fingerprint(kind, subject.arn),
        kind=kind,
        subject=subject,
        severity=severity,  # type: ignore[arg-type]
        title=title,
        explanation=explanation,
        impact_per_month=impact,
        basis="billed",
        first_seen=datetime(2026, 11, 11, tzinfo=UTC),
        last_seen=AS_OF,
        evidence=Evidence(figures=[Figure(label="Days looked at", value=28, unit="days")], series=series or []),
        completeness=Completeness(found=28, expected=28),
        unknowns=unknowns or [],
        owner=owner,
    )


def incidents() -> list[Finding]:
    """Money that should not be spent in this house: two of its findings that are open, and three that are not."""
    risen, idle, _, hostile, _ = findings()
    gone = finding("runaway_job", "ocr-invoices", "high", "ocr-tune-7 ran for 31 h", "Its family takes 2 h.")
    meant = finding(
        "overspend", "chatbot-intent", "medium", "chatbot-intent costs 1.4 times what it used to", "A load test."
    )
    rest = finding("overspend", "fraud-scoring-prod", "low", "fraud-scoring-prod costs a little more", "Since Monday.")
    return [
        _at_stake(
            risen,
            "resized",
            "search-ranking-prod went from 2 to 4 x ml.m5.xlarge on 11 Nov",
            86.58,
            11,
        ),
        _at_stake(idle, "idle", "churn-old-experiment has not received a single request in 21 days", 33.84, 1),
        _at_stake(hostile, "idle", "[click](http://evil.example) **bold** <img src=x> asks nobody :smile:", 18.05, 3),
        _at_stake(gone, "ran_long", "it ran 29 h longer than its family", 12.5, 15, over=True),
        _at_stake(meant, "more_use", "a load test", 11.2, 17),
        _at_stake(rest, "unknown", "why is not known", 4.0, 16),
    ]


def _at_stake(found: Finding, cause: str, because: str, per_day: float, since: int, over: bool = False) -> Finding:
    began, amount = datetime(2026, 11, since, tzinfo=UTC), Decimal(str(per_day))
    days, to_come = (AS_OF - began).days, 0 if over else 11
    stake = Stake(
        cause=cause,
        because=because,
        since=began,
        excess=amount * days,
        per_day=amount,
        month_excess=amount * (days + to_come),
    )
    return found.model_copy(update={"stake": stake})


def fill_incidents(ledger: Ledger) -> None:
    """Two are open, one acknowledged, one snoozed, one expected, one resolved."""
    found = incidents()
    _, idle, _, gone, meant, rest = (item.fingerprint for item in found)
    kinds = ["overspend", "idle_endpoint", "runaway_job"]
    with ledger.session() as session:
        record_incidents(session, kinds, found, AS_OF - timedelta(hours=1))
        record_incidents(session, kinds, [item for item in found if item.fingerprint != gone], AS_OF)
        decide_incident(session, idle, "acknowledged", "anna", AS_OF, reason="I ask the growth team")
        decide_incident(session, meant, "expected", "ben", AS_OF, reason="load test before the sale")
        week = AS_OF + timedelta(days=7)
        decide_incident(session, rest, "snoozed", "ben", AS_OF, until=week)


def recommendations() -> list[Recommendation]:
    """What could change in this house; the last two exclude each other."""
    idle = recommendation(
        "idle_endpoint",
        "churn-old-experiment",
        "Delete idle endpoint churn-old-experiment",
        ("980.00", "1029.30", "1029.30"),
        owner="growth",
    )
    gpu = endpoint("recs-gpu-large")
    smaller = recommendation(
        "smaller_instance",
        "recs-gpu-large",
        "Run recs-gpu-large on ml.g5.xlarge instead of ml.g5.4xlarge",
        ("1105.00", "1310.00", "1420.00"),
        change=UpdateEndpoint(
            endpoint=gpu,
            variants=[VariantTarget(variant_name="AllTraffic", instance_type="ml.g5.xlarge", instance_count=1)],
        ),
        gates=[
            Gate(name="headroom", state="pass", why="p99 of GPU memory is 31 %"),
            Gate(name="rollback", state="unknown", why="No alarm exists for this endpoint."),
        ],
        owner="recommendations",
    )
    other = recommendation(
        "idle_endpoint", "recs-gpu-large", "Delete endpoint recs-gpu-large at night", ("400", "500", "600")
    )
    conflicts = (smaller.fingerprint, other.fingerprint)
    hostile = recommendation(
        "idle_endpoint",
        "toxicity-filter",
        "Delete idle endpoint toxicity-filter <script>alert(1)</script> $x$ :red[x]",
        ("500", "549.02", "549.02"),
        owner=HOSTILE_OWNER,
    )
    applied = recommendation(
        "idle_endpoint",
        "demo-for-the-board-2025",
        "Delete idle endpoint demo-for-the-board-2025",
        ("700.00", "751.90", "751.90"),
    )
    return [
        idle,
        smaller.model_copy(update={"conflicts_with": [conflicts[1]]}),
        other.model_copy(update={"conflicts_with": [conflicts[0]]}),
        hostile,
        applied,
    ]


def recommendation(
    lever: str,
    name: str,
    title: str,
    saving: tuple[str, str, str],
    *,
    change: UpdateEndpoint | None = None,
    gates: list[Gate] | None = None,
    owner: str | None = None,
) -> Recommendation:
    """A recommendation of the house."""
    subject = endpoint(name)
    low, expected, high = (Decimal(amount) for amount in saving)
    hours = [AS_OF - timedelta(hours=6 * step) for step in range(60, 0, -1)]
    requests = [(at, 0.0 if change is None else 40 + 30 * math.sin(number / 4)) for number, at in enumerate(hours)]
    return Recommendation(
        fingerprint=fingerprint(lever, subject.arn),
        version="1",
        lever=lever,
        subjects=[subject],
        title=title,
        explanation="It is paid for around the clock and was asked for nothing in 21 days. Its configuration and model stay.",
        current=[
            Figure(label="Instances", value="1 x ml.g5.4xlarge"),
            Figure(label="Requests", value=0.0, unit="requests", period="last 21 days"),
            Figure(label="Cost", value=float(high), unit="USD/month", basis="list"),
        ],
        proposed=[Figure(label="Cost", value=float(high - expected), unit="USD/month", basis="list")],
        cost_per_month=high,
        saving=Saving(
            low=low,
            expected=expected,
            high=high,
            basis="list",
            certainty="derived",
            explanation="List price by the hour times 730 hours; low if it was used on some days.",
        ),
        alternatives=[
            Alternative(
                name="Serverless inference",
                cost_per_month=Decimal("12.00"),
                why_not="GPU models cannot run serverless.",
            ),
            Alternative(
                name="Scale to zero at night", cost_per_month=None, why_not="The price of the cold start is not known."
            ),
        ],
        gates=gates
        or [
            Gate(name="traffic known", state="pass", why="504 of 504 hours have data"),
            Gate(name="not opted out", state="pass", why="cost-optimizer=managed"),
        ],
        confidence=0.93,
        reversible=True,
        risks=["The first request after bringing it back waits about 8 minutes."],
        change=change or DeleteEndpoint(endpoint=subject),
        evidence=Evidence(
            figures=[Figure(label="Requests", value=0.0, unit="requests", period="last 21 days")],
            series=[Series(name="Invocations", unit="requests / 6 h", points=requests)],
        ),
        completeness=Completeness(found=504, expected=504),
        owner=owner,
        as_of=AS_OF,
    )


def fill_ledger(ledger: Ledger) -> None:
    """Findings, proposals, runs, one applied and measured change, one that waits for approval."""
    proposed = recommendations()
    with ledger.session() as session:
        record_findings(session, ["overspend", "idle_endpoint", "feature_drift", "failed_jobs"], findings(), AS_OF)
        record_recommendations(session, ["idle_endpoint", "smaller_instance"], proposed)
        for source, region, rows, error in (
            ("cost_explorer", "us-east-1", 1210, None),
            ("inventory", "us-east-1", 64, None),
            ("inventory", "eu-west-1", 31, None),
            ("metrics", "us-east-1", 52080, None),
            (
                "model_monitor",
                "eu-west-1",
                None,
                "ListObjectsV2 failed: AccessDenied: SagekeeperReader may not list s3://monitor-eu. Allow s3:ListBucket on it.",
            ),
        ):
            run = start_source_run(
                session, source, PAYER, region, AS_OF - timedelta(hours=1), AS_OF - timedelta(hours=1)
            )
            finish_source_run(session, run.id, AS_OF - timedelta(minutes=58), rows=rows, error=error)
        add_api_use(session, LAST_DAY, PAYER, "ce", "GetCostAndUsage", 41, 41, Decimal("0.41"))
        add_api_use(session, LAST_DAY, PAYER, "cloudwatch", "GetMetricData", 130, 61000, Decimal("0.61"))
    applied = proposed[-1]
    asked = datetime(2026, 10, 27, 14, 5, tzinfo=UTC)
    action, _ = request_action(ledger, applied.fingerprint, applied.version, "anna", asked, approve=True)
    subject = applied.subjects[0]
    call = Call(service="sagemaker", operation="DeleteEndpoint", parameters={"EndpointName": subject.name})
    undo = Call(
        service="sagemaker",
        operation="CreateEndpoint",
        parameters={"EndpointName": subject.name, "EndpointConfigName": f"{subject.name}-config"},
    )
    plan = Plan(
        change=applied.change,
        account=subject.account,
        region=subject.region,
        snapshot={"endpoint": {"EndpointName": subject.name, "CreationTime": "2025-11-03T10:00:00+00:00"}},
        steps=[Step(name="delete the endpoint", call=call, undo=undo, done_when="gone")],
        made_at=asked,
    )
    with ledger.session() as session:
        row = session.get_one(ActionRow, action.id)
        row.state, row.applied_at, row.plan = "applied", asked + timedelta(minutes=3), plan.model_dump(mode="json")
        row.finished_at, row.updated_at = asked + timedelta(minutes=3), asked + timedelta(minutes=3)
        row.message = "The endpoint is gone; its configuration and model are kept."
        for position, (direction, name, made, state) in enumerate(
            (("do", "delete the endpoint", call, "done"), ("undo", "create the endpoint", undo, "pending"))
        ):
            session.add(
                StepRow(
                    action_id=action.id,
                    direction=direction,
                    position=position,
                    name=name,
                    call=made.model_dump(mode="json"),
                    state=state,
                    attempts=1 if state == "done" else 0,
                    started_at=asked if state == "done" else None,
                    finished_at=asked + timedelta(minutes=3) if state == "done" else None,
                )
            )
        session.add(measurement(action.id, days=20))
    with ledger.session() as session:
        record_recommendations(session, ["idle_endpoint", "smaller_instance"], proposed[:-1])
    waiting = proposed[2]
    request_action(ledger, waiting.fingerprint, waiting.version, "ben", AS_OF - timedelta(hours=3))
    with ledger.session() as session:
        decide(session, waiting.fingerprint, waiting.version, "reopened", "ben", AS_OF - timedelta(hours=3), None)


def measurement(action_id: int, days: int) -> MeasurementRow:
    """The saving of the deleted demo endpoint: $24.72 a day before, nothing after."""
    return MeasurementRow(
        action_id=action_id,
        as_of=AS_OF.date(),
        first_day=date(2026, 10, 29),
        last_day=date(2026, 10, 28) + timedelta(days=days),
        days=days,
        baseline_per_day=Decimal("24.72"),
        actual_per_day=Decimal("0"),
        saved_to_date=Decimal("24.72") * days,
        saved_per_month=Decimal("751.90"),
        promised_low=Decimal("700.00"),
        promised_expected=Decimal("751.90"),
        promised_high=Decimal("751.90"),
        currency="USD",
        provisional=False,
        verdict="within range",
        detail={},
        measured_at=AS_OF,
    )


def ingest_small_file(lake: Lake, ledger: Ledger) -> None:
    """A bill of three rows that came from a file, with the totals that the file states."""
    daily = (
        daily_rows()
        .head(3)
        .with_columns(dataset=pl.lit("file:focus sample.csv"), currency=pl.lit("EUR"), estimated=pl.lit(value=False))
    )
    lake.replace(DAILY_COSTS, daily, Scope({"dataset": "file:focus sample.csv"}))
    lake.replace(COSTS, bill_rows(daily), Scope({"x_Dataset": "file:focus sample.csv"}))
    with ledger.session() as session:
        session.add(
            IngestedFileRow(
                dataset="file:focus sample.csv",
                file_name="focus sample.csv",
                sha256="0" * 64,
                format="FOCUS 1.0",
                rows=3,
                currency="EUR",
                first_day=FIRST_DAY,
                last_day=FIRST_DAY,
                totals={"Usage": {"rows": 3, "BilledCost": "248.4400000000", "EffectiveCost": "228.5648"}},
                notes=["Two columns of the file are not kept: AvailabilityZone, SubAccountType."],
                ingested_at=AS_OF,
            )
        )


def month_total(month: date) -> float:
    """What the bill of ``month`` sums to, counted apart from the product's code."""
    days = daily_rows().filter(pl.col("day").is_between(month_start(month), next_month(month) - timedelta(days=1)))
    return round(sum(days["billed_cost"].to_list()), 2)


def settings_environment(folder: Path) -> dict[str, str]:
    """Environment to open the house with; the clock stands still."""
    return {
        "SAGEKEEPER_DATA_DIR": str(folder),
        "SAGEKEEPER_BUDGETS": json.dumps(
            [
                {"name": "ML platform", "amount": "17500", "recipients": ["budget@example.com"]},
                {"name": "Search", "amount": "6000", "owner": "search", "recipients": ["search@example.com"]},
            ]
        ),
        "SAGEKEEPER_AWS__ACCOUNTS": json.dumps(
            [{"id": PAYER, "name": "ml-platform"}, {"id": SECOND, "name": "ml-products"}]
        ),
    }


if __name__ == "__main__":
    where = Path(sys.argv[1]).resolve()
    if "--empty" in sys.argv:
        open_ledger(f"sqlite:///{where / 'ledger.db'}")
    else:
        build(where)
    sys.stdout.write(
        "\n".join(f"export {name}='{value}'" for name, value in settings_environment(where).items()) + "\n"
    )
