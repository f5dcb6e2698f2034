"""Tags on Cost Explorer's own resources: cost categories, anomaly monitors and anomaly subscriptions.

In: an ARN and tags. Out: TagResource, UntagResource and ListTagsForResource, and the identifiers that new resources get.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from sagekeeper.simulator.cost_explorer_lines import own_explorer
from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.operations import Ask, Handler, Refused

MOST_TAGS = 50


def identifier(explorer: Explorer, name: str) -> str:
    """A new resource's identifier: the same when the account is replayed."""
    explorer.made += 1
    return str(uuid.UUID(hashlib.sha256(f"{explorer.made} {name}".encode()).hexdigest()[:32], version=4))


def tag_new(explorer: Explorer, arn: str, tags: list[dict[str, str]] | None) -> None:
    """The tags that a resource is created with."""
    explorer.resource_tags[arn] = {tag["Key"]: tag["Value"] for tag in tags or []}


def tag_resource(ask: Ask) -> dict[str, Any]:
    """Add or overwrite tags."""
    arn = ask.params["ResourceArn"]
    found = _tags(ask)
    merged = found | {tag["Key"]: tag["Value"] for tag in ask.params["ResourceTags"]}
    if len(merged) > MOST_TAGS:
        raise Refused("TooManyTagsException", f"A resource can have at most {MOST_TAGS} tags.")
    own_explorer(ask).resource_tags[arn] = merged
    return {}


def untag_resource(ask: Ask) -> dict[str, Any]:
    """Remove tags."""
    gone = ask.params["ResourceTagKeys"]
    kept = {key: value for key, value in _tags(ask).items() if key not in gone}
    own_explorer(ask).resource_tags[ask.params["ResourceArn"]] = kept
    return {}


def list_tags_for_resource(ask: Ask) -> dict[str, Any]:
    """The tags of one resource."""
    return {"ResourceTags": [{"Key": key, "Value": value} for key, value in sorted(_tags(ask).items())]}


def _tags(ask: Ask) -> dict[str, str]:
    arn, explorer = ask.params["ResourceArn"], own_explorer(ask)
    if arn not in explorer.resource_tags:
        raise Refused("ResourceNotFoundException", f"The resource {arn} does not exist.")
    return explorer.resource_tags[arn]


HANDLERS: dict[str, Handler] = {
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListTagsForResource": list_tags_for_resource,
}
MUTATING = {"TagResource", "UntagResource"}
