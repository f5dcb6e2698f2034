"""Cost allocation tags: which tag keys of resources the bill shows, from which day on.

A key of a resource shows in Cost Explorer only once it is activated, and on charges from then on; a backfill reaches
further back (aws-facts 4.2). Keys that the organisation had when its world began are active since its first bill. Only
the paying account may look at them or change them.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from sagekeeper.simulator.cost_explorer_dates import months_before
from sagekeeper.simulator.cost_explorer_lines import explorer_of, ledger
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.explorer_state import CURRENT, Explorer, TagKey
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER, REGIONS, World

ALWAYS = date(2020, 1, 1)
MOST_ACTIVE = 500
BACKFILL_MONTHS = 12
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def activate_all(world: World) -> None:
    """Every tag key that is on a resource of a new world shows on its whole bill."""
    explorer = world.at(PAYER, REGIONS[0]).explorer
    for here in world.standing.values():
        of_resources = [*here.tags.values(), *(life.tags for lives in here.lives.values() for life in lives)]
        for key in {key for tags in of_resources for key in tags}:
            explorer.tag_keys[key] = TagKey([(ALWAYS, CURRENT)])


def list_cost_allocation_tags(ask: Ask) -> dict[str, Any]:
    """Keys that were ever billed, active or not."""
    explorer = _payers(ask)
    used = _last_used(ask)
    rows = []
    for key in sorted(set(used) | set(explorer.tag_keys)):
        known = explorer.tag_keys.get(key, TagKey())
        row = {
            "TagKey": key,
            "Type": "AWSGenerated" if key.startswith("aws:") else "UserDefined",
            "Status": "Active" if known.active else "Inactive",
        }
        if known.updated is not None:
            row["LastUpdatedDate"] = known.updated.strftime(STAMP)
        if key in used:
            row["LastUsedDate"] = datetime.combine(used[key].replace(day=1), datetime.min.time()).strftime(STAMP)
        rows.append(row)
    wanted = ask.params
    rows = [
        row
        for row in rows
        if wanted.get("Status", row["Status"]) == row["Status"]
        and wanted.get("Type", row["Type"]) == row["Type"]
        and row["TagKey"] in (wanted.get("TagKeys") or [row["TagKey"]])
    ]
    part, more = page_of(rows, wanted, key="NextToken")
    return {"CostAllocationTags": part} | more


def update_cost_allocation_tags_status(ask: Ask) -> dict[str, Any]:
    """Activate and deactivate keys; what cannot be is told in Errors."""
    explorer, errors = _payers(ask), []
    known = set(_last_used(ask)) | set(explorer.tag_keys)
    for change in ask.params["CostAllocationTagsStatus"]:
        key, active = change["TagKey"], change["Status"] == "Active"
        if key not in known:
            errors.append({"TagKey": key, "Code": "TagKeysNotFoundException", "Message": "Tag keys not found."})
            continue
        if active and sum(item.active for item in explorer.tag_keys.values()) >= MOST_ACTIVE:
            errors.append(
                {"TagKey": key, "Code": "LimitExceededException", "Message": "Too many active cost allocation tags."}
            )
            continue
        _set(explorer.tag_keys.setdefault(key, TagKey()), ask.now, active=active)
    explorer.changes += 1
    return {"Errors": errors}


def start_cost_allocation_tag_backfill(ask: Ask) -> dict[str, Any]:
    """Let the present activation status hold from an earlier month on."""
    explorer, text = _payers(ask), ask.params["BackfillFrom"]
    begin = _first_of_month(text)
    if not months_before(ask.now, BACKFILL_MONTHS).date() <= begin <= ask.now.date():
        raise Refused("ValidationException", "BackfillFrom must be the first day of a month in the past 12 months.")
    today = ask.now.strftime("%Y-%m-%d")
    if any(item["RequestedAt"].startswith(today) for item in explorer.backfills):
        raise Refused("BackfillLimitExceededException", "A backfill request can be made once every 24 hours.")
    for known in explorer.tag_keys.values():
        if known.active:
            known.shown = [span for span in known.shown if span[0] < begin] + [(begin, CURRENT)]
        else:
            known.shown = [(first, min(until, begin)) for first, until in known.shown if first < begin]
    stamp = ask.now.strftime(STAMP)
    made = {
        "BackfillFrom": text,
        "RequestedAt": stamp,
        "CompletedAt": stamp,
        "BackfillStatus": "SUCCEEDED",
        "LastUpdatedAt": stamp,
    }
    explorer.backfills.insert(0, made)
    explorer.changes += 1
    return {"BackfillRequest": made}


def list_cost_allocation_tag_backfill_history(ask: Ask) -> dict[str, Any]:
    """Backfills so far, the latest first."""
    part, more = page_of(_payers(ask).backfills, ask.params, key="NextToken")
    return {"BackfillRequests": part} | more


def _payers(ask: Ask) -> Explorer:
    if ask.account != PAYER:
        raise Refused("AccessDeniedException", "Linked account doesn't have access to cost allocation tags.")
    return explorer_of(ask)


def _last_used(ask: Ask) -> dict[str, date]:
    """The last day on which each key was on a billed resource, in the open month or before it."""
    last = ledger(ask).lines.group_by("tags").agg(pl.col("day").max())
    found: dict[str, date] = {}
    for tags, day in last.iter_rows():
        for key in json.loads(tags):
            found[key] = max(found.get(key, date.min), day)
    return found


def _set(known: TagKey, now: datetime, *, active: bool) -> None:
    if known.active == active:
        return
    known.updated = now.astimezone(UTC)
    if active:
        known.shown.append((now.date(), CURRENT))
    else:
        known.shown[-1] = (known.shown[-1][0], now.date())


def _first_of_month(text: str) -> date:
    try:
        found = date.fromisoformat(text[:10])
    except ValueError as wrong:
        raise Refused("ValidationException", f"Invalid date: {text}") from wrong
    if found.day != 1:
        raise Refused("ValidationException", "BackfillFrom must be the first day of a month in the past 12 months.")
    return found


HANDLERS: dict[str, Handler] = {
    "ListCostAllocationTags": list_cost_allocation_tags,
    "UpdateCostAllocationTagsStatus": update_cost_allocation_tags_status,
    "StartCostAllocationTagBackfill": start_cost_allocation_tag_backfill,
    "ListCostAllocationTagBackfillHistory": list_cost_allocation_tag_backfill_history,
}
MUTATING = {"UpdateCostAllocationTagsStatus", "StartCostAllocationTagBackfill"}
