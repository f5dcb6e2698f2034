"""Why one thing costs more: the change that fits best in time and thing, as a sentence, and whether it was meant.

In: a thing that costs more since a day, and `Facts` with their events, jobs and metrics. Out: a `Because`. A resource is
explained by what was done to it about that day, a family of jobs by its runs before and since (larger machines, more runs,
longer ones), and where neither changed by the requests it gets. Nothing that fits is said to be unknown. What was meant stays
so only for what came with it: `events.py` says which tags count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.analyzers import job_families
from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.season import daily_requests
from sagekeeper.core.clock import day_start

ABOUT = timedelta(days=2)
"""How long before its first high day something may have happened: a change late in a day is first seen on the next."""
BEFORE_DAYS = 42
NOTABLE = 1.2
"""Times before: less is no reason."""
WEIGHTS = {"created": 1.0, "resized": 1.0, "started": 1.0, "scaled": 0.8, "changed": 0.5}
"""What may make something dearer, and how well it explains that where several fit."""
CAUSES = {
    "created": "new_resource",
    "resized": "resized",
    "started": "started",
    "scaled": "resized",
    "changed": "changed",
}
_ONE_MACHINE = re.compile(r"^(\d+) x (\S+)$")


@dataclass(frozen=True)
class Because:
    """``cause`` as in `Stake`, ``sentence`` with its full stop, ``planned``: why it was meant, or None."""

    cause: str
    sentence: str
    planned: str | None = None
    at: datetime | None = None


UNKNOWN = Because("unknown", "Nothing that was seen to be done to it explains that.")


def because(facts: Facts, thing: dict[str, Any], since: date) -> Because:
    """Why ``thing`` [account, region, kind, name] costs more since ``since``; a kind ``..._family`` is one of jobs."""
    if thing["kind"] is None:
        return UNKNOWN
    if thing["kind"].endswith("_family"):
        return _of_runs(facts, thing, since)
    found = _of_change(facts, thing, since)
    if found is None and thing["kind"] == "endpoint":
        found = _of_requests(facts, thing, since)
    return found or UNKNOWN


def made_by(facts: Facts, account: str, region: str, kind: str, name: str) -> str | None:
    """Who made a thing, or started a job, where that is known."""
    found = facts.events.filter(
        (pl.col("account") == account)
        & (pl.col("region") == region)
        & (pl.col("resource_kind") == kind)
        & (pl.col("name") == name)
        & pl.col("kind").is_in(["created", "job_started"])
    )["by"].drop_nulls()
    return str(found[-1]) if found.len() else None


def spoken(kind: str) -> str:
    """A kind of resource as people call it."""
    return kind.removesuffix("_instance").replace("_", " ")


def on(at: datetime) -> str:
    """A moment in a sentence."""
    return f"on {at:%A %-d %B %H:%M} UTC"


def _of_change(facts: Facts, thing: dict[str, Any], since: date) -> Because | None:
    start = day_start(since)
    near = facts.events.filter(
        (pl.col("account") == thing["account"])
        & (pl.col("region") == (thing["region"] or ""))
        & (pl.col("resource_kind") == thing["kind"])
        & (pl.col("name") == thing["name"])
        & pl.col("kind").is_in(list(WEIGHTS))
        & pl.col("at").is_between(start - ABOUT, start + timedelta(days=1), closed="left")
    )
    if near.is_empty():
        return None
    apart = (pl.col("at") - pl.lit(start + timedelta(hours=12))).abs().dt.total_seconds() / ABOUT.total_seconds()
    weight = pl.col("kind").replace_strict(WEIGHTS, return_dtype=pl.Float64)
    best = near.with_columns(fits=weight / (1 + apart)).sort("fits", "at", descending=True).row(0, named=True)
    who = f" by {best['by']}" if best["by"] else ""
    runs_as = f" It runs as role {best['role']}." if best["role"] and not best["by"] else ""
    sentence = f"{spoken(thing['kind']).capitalize()} {thing['name']} {_done(best)} {on(best['at'])}{who}.{runs_as}"
    asked = _of_requests(facts, thing, since) if best["kind"] == "scaled" else None
    if asked is not None:  # who scales answers requests: these are why
        return Because(asked.cause, f"{asked.sentence} {sentence}", best["planned"], best["at"])
    return Because(CAUSES[best["kind"]], sentence, best["planned"], best["at"])


def _done(event: dict[str, Any]) -> str:
    before, after = event["before"], event["after"]
    if event["kind"] == "created":
        return f"was made with {after}" if after else "was made"
    if event["kind"] == "started":
        return f"was switched on with {after}" if after else "was switched on"
    if event["kind"] == "changed" and before is None:
        return f"was changed to {after or 'what is not known'} (what it was before was not seen)"
    if event["kind"] == "changed":
        return f"was given the configuration {after}" if after != before else "was given another model"
    was, now = (_ONE_MACHINE.match(text or "") for text in (before, after))
    if was and now and was[2] == now[2]:
        return f"went from {was[1]} to {now[1]} {now[2]}"
    return f"went from {before or 'no instance'} to {after or 'no instance'}"


def _of_requests(facts: Facts, thing: dict[str, Any], since: date) -> Because | None:
    start = day_start(since)
    days = daily_requests(facts, thing).drop_nulls()
    before = days.filter(pl.col("start").is_between(start - timedelta(days=BEFORE_DAYS), start, closed="left"))
    after = days.filter((pl.col("start") >= start) & (pl.col("start") < day_start(facts.as_of.date())))
    usual, now = before["requests"].mean(), after["requests"].mean()
    if not isinstance(usual, float) or not isinstance(now, float) or now < NOTABLE * usual:
        return None
    return Because("more_use", f"It gets {now:,.0f} requests a day instead of {usual:,.0f}.")


def _of_runs(facts: Facts, thing: dict[str, Any], since: date) -> Because:
    """A family of jobs: what of its runs changed most."""
    start = day_start(since)
    own = facts.jobs.filter(
        (pl.col("account") == thing["account"])
        & (pl.col("region") == (thing["region"] or ""))
        & (pl.col("kind") == thing["kind"].replace("_family", "_job"))
        & (job_families.family() == thing["name"])
        & pl.col("started_at").is_between(start - timedelta(days=BEFORE_DAYS), facts.as_of)
    ).select(
        "name", "started_at", "arn",
        size=pl.col("instance_count").cast(pl.String) + " x " + pl.col("instance_type"),
        hours=(pl.coalesce("ended_at", pl.lit(facts.as_of)) - pl.col("started_at")).dt.total_seconds() / 3600,
    )  # fmt: skip
    before, after = own.filter(pl.col("started_at") < start), own.filter(pl.col("started_at") >= start)
    if after.is_empty():
        return UNKNOWN
    if before.is_empty():
        return _of_first_run(facts, thing, after.sort("started_at").row(0, named=True), after.height)
    sizes = [frame["size"].drop_nulls().mode().sort().to_list() for frame in (before, after)]
    if sizes[0] and sizes[1] and not set(sizes[0]) & set(sizes[1]):
        first = after.filter(pl.col("size") == sizes[1][0]).sort("started_at").row(0, named=True)
        return Because(
            "resized",
            f"Its runs moved from {sizes[0][0]} to {sizes[1][0]} {on(first['started_at'])}.",
            None,
            first["started_at"],
        )
    first_run = before["started_at"].min()
    assert isinstance(first_run, datetime)
    days_before = max((start - first_run).total_seconds() / 86400, 1.0)
    days_after = max((facts.as_of - start).total_seconds() / 86400, 1.0)
    often = (before.height / days_before, after.height / days_after)
    takes = (float(before["hours"].median() or 0.0), float(after["hours"].median() or 0.0))  # type: ignore[arg-type]
    more, longer = (now / usual if usual else 0.0 for usual, now in (often, takes))
    if max(more, longer) < NOTABLE:
        return UNKNOWN
    if longer >= more:
        return Because("ran_long", f"A run of it takes {takes[1]:,.1f} h instead of {takes[0]:,.1f} h (medians).")
    return Because("more_runs", f"It ran {often[1]:,.1f} times a day instead of {often[0]:,.1f}.")


def _of_first_run(facts: Facts, thing: dict[str, Any], first: dict[str, Any], runs: int) -> Because:
    """A family that never ran before."""
    kind = thing["kind"].replace("_family", "_job")
    told = facts.events.filter(
        (pl.col("account") == thing["account"]) & (pl.col("resource_kind") == kind) & (pl.col("name") == first["name"])
    ).rows(named=True)
    event = told[0] if told else {"planned": None, "by": None}
    who = f" by {event['by']}" if event["by"] else ""
    what = f"{spoken(kind).capitalize()} {first['name']} was started"
    again = f"; {runs} such jobs ran since, none before" if runs > 1 else ""
    size = f" with {first['size']}" if first["size"] else ""
    sentence = f"{what}{size} {on(first['started_at'])}{who}{again}."
    return Because("new_resource", sentence, event["planned"], first["started_at"])
