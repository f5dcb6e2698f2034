"""Cost anomaly detection: monitors, subscriptions, the anomalies they find on the bill, and what people say of them.

In: the meter's lines through the ledger. Out: AWS's answers. An account has one monitor of its services from the start,
as AWS gives to accounts; what it watches is spend on use (unblended, without tax, credits and refunds) on days that have
settled (`cost_explorer_anomaly_finding.py` says what is found). Anomalies of the last 90 days are told.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import date, timedelta
from operator import eq, ge, gt, le, lt
from typing import Any

import polars as pl

from sagekeeper.simulator.cost_explorer_anomaly_finding import Stretch, find
from sagekeeper.simulator.cost_explorer_lines import USAGE, Ledger, explorer_of, ledger, own_explorer
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.operations import Ask, Handler, Refused

HISTORY_DAYS = 90
SETTLED_DAYS = 1
"""A day is looked at once it is over and its lines have arrived."""
DEFAULT_MONITOR = "Default-Services-Monitor"
COMPARED = {
    "EQUAL": eq,
    "GREATER_THAN_OR_EQUAL": ge,
    "LESS_THAN_OR_EQUAL": le,
    "GREATER_THAN": gt,
    "LESS_THAN": lt,
}
LOOKBACK = 60
"""Days before those that are told, for what is expected of them."""


def monitors_of(ask: Ask) -> dict[str, dict[str, Any]]:
    """The account's monitors by ARN, the one that AWS made first among them."""
    explorer = own_explorer(ask)
    arn = f"arn:aws:ce::{ask.account}:anomalymonitor/{_uuid(ask.account, DEFAULT_MONITOR)}"
    if arn not in explorer.monitors and arn not in explorer.deleted:
        first = {
            "MonitorArn": arn,
            "MonitorName": DEFAULT_MONITOR,
            "CreationDate": "2025-10-01T00:00:00.000Z",
            "LastUpdatedDate": "2025-10-01T00:00:00.000Z",
            "MonitorType": "DIMENSIONAL",
            "MonitorDimension": "SERVICE",
        }
        explorer.monitors = {arn: first} | explorer.monitors
        explorer.resource_tags.setdefault(arn, {})
    return explorer.monitors


def get_anomalies(ask: Ask) -> dict[str, Any]:
    """What was out of the ordinary in a period."""
    wanted, interval = ask.params, ask.params["DateInterval"]
    first = day_of(interval["StartDate"])
    last = day_of(interval["EndDate"]) if interval.get("EndDate") else ask.now.date()
    if first > last:
        raise Refused("ValidationException", "Start date should be before or equal to end date")
    if first < ask.now.date() - timedelta(days=HISTORY_DAYS):
        raise Refused("ValidationException", f"Start date should be within the past {HISTORY_DAYS} days")
    monitors = monitors_of(ask)
    if wanted.get("MonitorArn") and wanted["MonitorArn"] not in monitors:
        raise Refused("ValidationException", f"No monitor was found with the ARN {wanted['MonitorArn']}")
    chosen = [monitors[wanted["MonitorArn"]]] if wanted.get("MonitorArn") else list(monitors.values())
    rows = [
        row
        for monitor in chosen
        for row in _anomalies(ask, monitor)
        if row["AnomalyStartDate"][:10] <= last.isoformat()
        and row["AnomalyEndDate"][:10] >= first.isoformat()
        and wanted.get("Feedback", row.get("Feedback")) == row.get("Feedback")
        and _is_large(row["Impact"]["TotalImpact"], wanted.get("TotalImpact"))
    ]
    rows.sort(key=lambda row: (row["AnomalyStartDate"], row["Impact"]["TotalImpact"]), reverse=True)
    part, more = page_of(rows, wanted)
    return {"Anomalies": part} | more


def provide_anomaly_feedback(ask: Ask) -> dict[str, Any]:
    """Whether it was one."""
    told = ask.params
    known = {row["AnomalyId"] for monitor in monitors_of(ask).values() for row in _anomalies(ask, monitor)}
    if told["AnomalyId"] not in known | set(own_explorer(ask).feedback):
        raise Refused("ValidationException", f"No anomaly was found with the id {told['AnomalyId']}")
    own_explorer(ask).feedback[told["AnomalyId"]] = told["Feedback"]
    return {"AnomalyId": told["AnomalyId"]}


def day_of(text: str) -> date:
    """A date of a request."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError as wrong:
        raise Refused("ValidationException", f"Invalid date: {text}") from wrong


def _anomalies(ask: Ask, monitor: dict[str, Any]) -> list[dict[str, Any]]:
    """All of the last 90 days; kept until the bill is refreshed or the monitor changes."""
    book, explorer = ledger(ask), own_explorer(ask)
    key = f"anomalies {ask.account} {monitor['MonitorArn']}"
    kept = explorer.kept.get(key)
    # The ledger itself stands for the state of the bill: a new one is another object.
    if kept is None or kept[0] is not book or kept[1] != explorer_of(ask).changes:
        kept = (book, explorer_of(ask).changes, _found(ask, book, monitor))
        explorer.kept[key] = kept
    stretches: list[Stretch] = kept[2]
    return [_told(monitor["MonitorArn"], found, explorer, ask.house.world.accounts) for found in stretches]


def _found(ask: Ask, book: Ledger, monitor: dict[str, Any]) -> list[Stretch]:
    today = ask.now.date()
    read = reader(ask, book)
    dimension = monitor.get("MonitorDimension")
    lines = book.lines.filter(
        pl.col("RECORD_TYPE").cast(pl.String).is_in(USAGE)
        & (pl.col("day") >= today - timedelta(days=HISTORY_DAYS + LOOKBACK))
    )
    specification = monitor.get("MonitorSpecification")
    watched: pl.Expr
    if monitor["MonitorType"] == "CUSTOM":
        lines, watched = lines.filter(read.condition(specification or {})), pl.lit(monitor["MonitorName"])
    elif dimension in ("TAG", "COST_CATEGORY"):
        key = next(iter((specification or {}).values()))["Key"]
        watched = book.tag(key, explorer_of(ask)) if dimension == "TAG" else read.category(key)
    else:
        watched = pl.col(dimension or "SERVICE")
    found = find(lines, watched, today - timedelta(days=SETTLED_DAYS + 1))
    return [item for item in found if item.last >= today - timedelta(days=HISTORY_DAYS)]


def _told(arn: str, found: Stretch, explorer: Explorer, names: dict[str, str]) -> dict[str, Any]:
    identifier = _uuid(arn, found.value, str(found.first))
    impact = {
        "MaxImpact": round(found.worst, 2),
        "TotalImpact": round(found.impact, 2),
        "TotalActualSpend": round(found.actual, 2),
        "TotalExpectedSpend": round(found.expected, 2),
    }
    if found.expected > 0:
        impact["TotalImpactPercentage"] = round(found.impact / found.expected * 100, 2)
    row: dict[str, Any] = {
        "AnomalyId": identifier,
        "AnomalyStartDate": f"{found.first}T00:00:00Z",
        "AnomalyEndDate": f"{found.last}T00:00:00Z",
        "DimensionValue": found.value,
        "RootCauses": [
            {
                "Service": cause["SERVICE"],
                "Region": cause["REGION"],
                "LinkedAccount": cause["LINKED_ACCOUNT"],
                "LinkedAccountName": names.get(str(cause["LINKED_ACCOUNT"]), str(cause["LINKED_ACCOUNT"])),
                "UsageType": cause["USAGE_TYPE"],
                "Impact": {"Contribution": round(float(cause["impact"]), 2)},
            }
            for cause in found.causes
        ],
        "AnomalyScore": {"MaxScore": round(found.score, 2), "CurrentScore": round(found.last_score, 2)},
        "Impact": impact,
        "MonitorArn": arn,
    }
    return row | ({"Feedback": explorer.feedback[identifier]} if identifier in explorer.feedback else {})


def _is_large(impact: float, asked: dict[str, Any] | None) -> bool:
    if not asked:
        return True
    if asked["NumericOperator"] == "BETWEEN":
        if "EndValue" not in asked:
            raise Refused("ValidationException", "EndValue is required for the operator BETWEEN")
        return bool(asked["StartValue"] <= impact <= asked["EndValue"])
    return bool(COMPARED[asked["NumericOperator"]](impact, asked["StartValue"]))


def _uuid(*parts: str) -> str:
    return str(uuid.UUID(hashlib.sha256("|".join(parts).encode()).hexdigest()[:32], version=4))


HANDLERS: dict[str, Handler] = {
    "GetAnomalies": get_anomalies,
    "ProvideAnomalyFeedback": provide_anomaly_feedback,
}
MUTATING = {"ProvideAnomalyFeedback"}
