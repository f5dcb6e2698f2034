"""What requests about things (`things.py`) have in common: making one, finding one or refusing, lists in pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sagekeeper.simulator.operations import Ask, Refused, page
from sagekeeper.simulator.things import Key, Thing
from sagekeeper.simulator.world import Standing

FIRST_PAGE = 10
"""Items in a page when the request names no MaxResults."""


def made(ask: Ask, key: Key, arn: str, about: dict[str, Any], doing: str, settled: str, seconds: float) -> Thing:
    """A thing that begins its life with this request; its tags are known under its ARN."""
    tags = {item["Key"]: item["Value"] for item in ask.params.get("Tags", [])}
    ask.here.tags[arn] = dict(tags)
    about = {name: value for name, value in about.items() if value is not None}
    ready = ask.now + timedelta(seconds=seconds)
    return Thing(key, arn, ask.now, doing, ready, settled, [(ask.now, about)], ask.now, tags)


def tags_of(here: Standing, thing: Thing) -> dict[str, str]:
    """Its tags as they stand; those it was made with once it is gone."""
    return here.tags.get(thing.arn, thing.tags)


def chosen(
    ask: Ask, rows: list[dict[str, Any]], name: str, sorts: dict[str, str] | None = None, order: str = "Descending"
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The page of rows that a List request asks for. ``name``: the row's key for NameContains and the second order."""
    params = ask.params
    by = (sorts or {}).get(params.get("SortBy", "CreationTime"), "CreationTime")
    found = [
        row for row in rows if params.get("NameContains", "").lower() in row[name].lower() and _in_times(row, params)
    ]
    found = sorted(found, key=lambda row: str(row[name]))
    found = sorted(found, key=lambda row: row[by], reverse=params.get("SortOrder", order) == "Descending")
    return page(found, {"MaxResults": FIRST_PAGE} | params)


def _in_times(row: dict[str, Any], params: dict[str, Any]) -> bool:
    asked = (("CreationTime", "CreationTime"), ("LastModifiedTime", "LastModifiedTime"), ("Created", "CreationTime"))
    for prefix, key in (*asked, ("ModifiedTime", "LastModifiedTime")):
        after, before = params.get(f"{prefix}After"), params.get(f"{prefix}Before")
        if (after is not None and row[key] <= after) or (before is not None and row[key] >= before):
            return False
    return True


def picked(params: dict[str, Any], *names: str) -> dict[str, Any]:
    """The members of a request that are kept."""
    return {name: params[name] for name in names if name in params}


def demand(thing: Thing | None, missing: str, code: str = "ResourceNotFound") -> Thing:
    """The thing, or AWS's refusal that there is none."""
    if thing is None:
        raise Refused(code, missing)
    return thing
