"""A rise in words: what costs more, since when, how much too much, and the days to draw it by.

In: a row of what is told (`overspend_told`), its judged days. Out: a `Finding`. Amounts are billed cost in the bill's currency.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from sagekeeper.analyzers.because import UNKNOWN, Because, because
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.monthly_cost import DAYS_PER_MONTH, severity
from sagekeeper.analyzers.overspend_usage import UsageSplit, usage_split
from sagekeeper.analyzers.stakes import stake
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import (
    Completeness,
    Evidence,
    Figure,
    Finding,
    Money,
    ResourceRef,
    Series,
    fingerprint,
)

JUDGED_DAYS, LEARNED_DAYS, SHOWN_DAYS = 14, 42, 60
SUM_KINDS = {1: "usage_family", 2: "service", 3: "account"}
KEY = ["level", "account", "region", "service", "usage_family", "kind", "name", "currency"]


def finding(facts: Facts, row: dict[str, Any], days: pl.DataFrame) -> Finding:
    """The finding of one risen series. ``days``: every judged day of every series."""
    own = days.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in KEY))
    subject = _subject(row)
    name = f"Account {subject.name}" if subject.kind == "account" else subject.name
    money = row["currency"]
    since: date = row["since"]
    often = "a run" if row["sparse"] else "a day"
    final = own.filter("final")
    last: date = final["day"].max()  # type: ignore[assignment]
    period = f"{since:%-d %b} to {last:%-d %b %Y}"
    split = None if row["level"] == 0 or row["rest"] else usage_split(facts, row, LEARNED_DAYS, JUDGED_DAYS)
    why = _why(facts, row, split)
    return Finding(
        fingerprint=fingerprint("overspend", *(str(row[name]) for name in KEY)),
        kind="overspend",
        subject=subject,
        severity=severity(row["per_month"]),
        title=_title(name, row),
        explanation=f"{name} is new, and has ended since {row['excess']:,.0f} {money} were spent. {why.sentence}"
        if row["over"]
        else (
            f"{name} has cost {row['actual']:,.2f} {money} {often} since {since:%-d %B %Y} instead of "
            f"{row['usual']:,.2f}: {row['excess']:,.0f} {money} too much so far, {row['per_month']:,.0f} a month if it goes on. "
            f"{why.sentence}"
        ),
        impact_per_month=Money.of(row["per_month"]).amount,
        currency=money,
        basis="billed",
        certainty="measured" if row["named"] or row["level"] > 0 else "derived",
        first_seen=day_start(since),
        last_seen=facts.as_of,
        evidence=Evidence(
            figures=[
                Figure(
                    label=f"Cost {often}",
                    value=round(row["actual"], 2),
                    unit=money,
                    period=period,
                    basis="billed cost, mean",
                ),
                Figure(
                    label=f"Usual cost {often}",
                    value=round(row["usual"], 2),
                    unit=money,
                    period=f"the {LEARNED_DAYS} days before the last {JUDGED_DAYS}",
                    basis="it was not there before"
                    if row["new"]
                    else "median of its runs"
                    if row["sparse"]
                    else "medians of the same weekdays",
                ),
                Figure(
                    label="Too much so far",
                    value=round(row["excess"], 2),
                    unit=money,
                    period=period,
                    basis="billed cost",
                ),
                Figure(
                    label="Too much a month",
                    value=0.0 if row["over"] else round(row["per_month"], 2),
                    unit=f"{money} per month of 730 hours",
                    period=period,
                    basis="it has ended" if row["over"] else "final days only",
                ),
                *_effects(split, money, period),
            ],
            series=[_series(own, money)],
        ),
        completeness=Completeness(
            found=final.height, expected=final.height if row["new"] else JUDGED_DAYS + LEARNED_DAYS
        ),
        owner=row["owner"],
        stake=stake(
            facts.as_of,
            since,
            row["excess"],
            # What has ended cost so much on each of its days, and costs nothing now.
            row["actual"] if row["over"] else row["per_month"] / DAYS_PER_MONTH,
            why.cause,
            why.sentence,
            planned=why.planned,
            over=row["over"],
        ),
    )


def _title(name: str, row: dict[str, Any]) -> str:
    if row["over"]:
        return f"{name} is new and has cost {row['excess']:,.0f} {row['currency']}"
    if row["new"]:
        return f"{name} is new and costs {row['per_month']:,.0f} {row['currency']} a month"
    besides = " besides what is told of its parts" if row["rest"] else ""
    if row["usual"]:
        return f"{name} costs {row['actual'] / row['usual']:.1f} times what it used to{besides}"
    return f"{name} costs more than it used to{besides}"


def _why(facts: Facts, row: dict[str, Any], split: UsageSplit | None) -> Because:
    """Of a resource what was done to it, of a sum where in it the money is and what of its use."""
    if row["level"] == 0:
        return because(facts, row, row["since"])
    told = []
    if row["alike"]:
        told.append("All that it consists of rose by about the same ratio.")
    elif row["parts"]:
        told.append(f"The money is in: {', '.join(row['parts'])}.")
    if split is not None:
        told.append(split.sentence)
    return Because(split.cause if split else "unknown", " ".join(told)) if told else UNKNOWN


def _effects(split: UsageSplit | None, money: str, period: str) -> list[Figure]:
    if split is None:
        return []
    labels = {
        "quantity": "Of it more use",
        "mix": "Of it dearer kinds",
        "price": "Of it prices",
        "unsplit": "Of it unsplit",
    }
    return [
        Figure(
            label=label,
            value=round(split.amounts[name], 2),
            unit=money,
            period=period,
            basis="price, quantity and mix by usage type, final days only",
        )
        for name, label in labels.items()
        if abs(split.amounts[name]) >= 0.01
    ]


def subject_of() -> list[pl.Expr]:
    """The subject of each series as columns: as `_subject` names it."""
    level = pl.col("level")
    kind = level.replace_strict(SUM_KINDS, default=None, return_dtype=pl.String)
    named = pl.concat_str("service", "usage_family", separator=", ")
    return [
        pl.when(level == 0).then(pl.col("region").fill_null("")).otherwise(pl.lit("")).alias("subject_region"),
        pl.when(level == 0).then("kind").otherwise(kind).alias("subject_kind"),
        pl.when(level == 0).then("name").otherwise(pl.coalesce(named, "service", "account")).alias("subject_name"),
    ]


def _subject(row: dict[str, Any]) -> ResourceRef:
    if row["level"] == 0:
        return ResourceRef(
            account=row["account"], region=row["region"] or "", kind=row["kind"], name=row["name"], arn=row["arn"] or ""
        )
    named = [row[name] for name in ("service", "usage_family") if row[name] is not None] or [row["account"]]
    return ResourceRef(account=row["account"], region="", kind=SUM_KINDS[row["level"]], name=", ".join(named))


def _series(own: pl.DataFrame, money: str) -> Series:
    shown = own.tail(SHOWN_DAYS).with_columns(
        at=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        expected=pl.when("counts").then("usual"),
        most=pl.when("counts").then("limit"),
    )
    return Series(
        name="Cost a day",
        unit=money,
        points=list(shown.select("at", "cost").rows()),
        expected=list(shown.select("at", "expected").rows()),
        high=list(shown.select("at", "most").rows()),
    )
