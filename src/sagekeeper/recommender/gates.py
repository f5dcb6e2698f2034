"""The conditions under which a change of an endpoint may be made with one click, each in words for the person who clicks.

In: an endpoint (a row of `endpoints.standing`), facts, the house's safety settings. Out: gates. What cannot be seen is unknown,
and unknown blocks. The names are those of the lifecycle's own last look, which asks AWS again right before the first call.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from sagekeeper.analyzers.facts import Facts
from sagekeeper.analyzers.season import season_of
from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Completeness, Gate, GateState

AS_CODE = ("aws:cloudformation:stack-name", "terraform", "Terraform", "pulumi:project")
MANAGED_BY = ("managed-by", "managed_by", "ManagedBy", "managedby")
ENVIRONMENT = ("env", "Env", "environment", "Environment", "stage", "Stage")
PRODUCTION = ("prod", "production", "prd", "live")


def tag_gates(tags_json: str | None, safety: Lifecycle) -> list[Gate]:
    """What the tags of a resource allow. ``tags_json`` None: its tags were never read."""
    if tags_json is None:
        why = "the tags of this resource are not known"
        return [
            _gate(name, None, why) for name in ("opt-in tag", "opt-out tag", "not production", "not defined as code")
        ]
    tags: dict[str, str] = json.loads(tags_json)
    production = [f"{key}={tags[key]}" for key in ENVIRONMENT if tags.get(key, "").lower() in PRODUCTION]
    code = [f"{key}={tags[key]}" for key in (*AS_CODE, *MANAGED_BY) if key in tags]
    return [
        _tag_gate("opt-in tag", safety.opt_in_tag, tags, wanted=True),
        _tag_gate("opt-out tag", safety.opt_out_tag, tags, wanted=False),
        _gate(
            "not production",
            not production,
            f"tagged {', '.join(production)}" if production else "no tag says production",
        ),
        _gate(
            "not defined as code",
            not code,
            f"tagged {', '.join(code)}: change it where it is defined, or the next deployment undoes this"
            if code
            else "no tag says that a template or Terraform owns it",
        ),
    ]


def in_service(endpoint: dict[str, Any]) -> Gate:
    """No other change is under way."""
    return _gate("in service", endpoint["status"] == "InService", f"the endpoint is {endpoint['status']}")


def old_enough(endpoint: dict[str, Any], facts: Facts, window_days: int) -> Gate:
    """It was there for the whole window it is judged by, and as it is now."""
    created = endpoint["created_at"]
    if created is None:
        return _gate("old enough", None, "when it was created is not known")
    age = (facts.as_of - created).days
    return _gate("old enough", age >= window_days, f"created {age} days ago; judged by {window_days} days")


def data_complete(completeness: Completeness, least: float) -> Gate:
    """Enough of the window's metrics are there."""
    if completeness.ratio is None:
        return _gate("data complete", None, "how much data there should be is not known")
    said = f"{completeness.found} of {completeness.expected} hours have readings ({completeness.ratio:.0%}, {least:.0%} needed)"
    return _gate("data complete", completeness.ratio >= least, said)


def real_time(endpoint: dict[str, Any]) -> Gate:
    """Its traffic can be seen as requests, and it pays for instances."""
    kinds = {"asynchronous": "asynchronous", "serverless": "serverless", "components": "a host of inference components"}
    kind = next((said for name, said in kinds.items() if endpoint[name]), None)
    if kind is None and not endpoint["real_time"]:
        return _gate("real-time on instances", None, "what its variants run on is not known")
    return _gate(
        "real-time on instances", kind is None, f"it is {kind}" if kind else "it answers in real time on instances"
    )


def no_seasonal_use(endpoint: dict[str, Any], facts: Facts, silence_days: int) -> Gate:
    """It has never come back after a silence as long as this one: an endpoint that is used once a quarter is not idle."""
    season = season_of(facts, endpoint, silence_days)
    return _gate("no seasonal use", None if season.seasonal is None else not season.seasonal, season.why)


def no_scheduled_scaling(endpoint: dict[str, Any], facts: Facts) -> Gate:
    """Nothing is planned that would use or resize it by the clock."""
    prefix = f"endpoint/{endpoint['name']}/"
    targets = facts.inventory.filter(
        (pl.col("kind") == "scalable_target")
        & (pl.col("account") == endpoint["account"])
        & (pl.col("region") == endpoint["region"])
    )
    actions: list[str] = []
    for text in targets["config"].drop_nulls():
        target = json.loads(text)
        if str(target.get("ResourceId", "")).startswith(prefix):
            actions += [
                str(item.get("ScheduledActionName", "unnamed")) for item in target.get("ScheduledActions") or []
            ]
    why = f"scaled by the clock: {', '.join(actions)}" if actions else "no scheduled scaling action is known"
    return _gate("no scheduled scaling", not actions, why)


def restore_possible(endpoint: dict[str, Any]) -> Gate:
    """Its configuration and the models that it names are there, so that it can be made again."""
    document = json.loads(endpoint["config"])
    models = set(document.get("Models") or {})
    wanted = {item["ModelName"] for item in endpoint["variants"]}
    if None in wanted or not wanted:
        return _gate(
            "restore possible", None, "its variants name no model (inference components): not brought back by us"
        )
    missing = sorted(str(item) for item in wanted - models)
    if missing:
        return _gate("restore possible", None, f"model {', '.join(missing)} could not be read: it may not come back")
    return _gate("restore possible", True, "its configuration and models are there and are kept")


def _tag_gate(name: str, pair: str, tags: dict[str, str], *, wanted: bool) -> Gate:
    if not pair:
        return _gate(name, True, "no such tag is asked for")
    key, _, value = pair.partition("=")
    there = tags.get(key) == value
    return _gate(name, there == wanted, f"it {'is' if there else 'is not'} tagged {pair}")


def _gate(name: str, passes: bool | None, why: str) -> Gate:
    state: GateState = "unknown" if passes is None else "pass" if passes else "fail"
    return Gate(name=name, state=state, why=why)
