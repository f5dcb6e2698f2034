"""Lineage: artifacts, contexts and actions, and the associations between them and other resources.

Entities are kept by ARN. Contexts and actions have names of their own, artifacts an identifier; all are described, listed
by source, type and time, updated and deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.sagemaker_models import tag
from sagekeeper.simulator.things import token

SUMMARY = ("Source", "Status", "CreationTime", "LastModifiedTime")
ABOUT = ("Source", "Description", "Status", "Properties", "MetadataProperties")
ASSOCIATION_SORTS = {name: name for name in ("SourceArn", "DestinationArn", "SourceType", "DestinationType")}


class Kind(NamedTuple):
    """A kind of lineage entity: its noun, what stands in its ARN, and whether its name is its identity."""

    noun: str
    path: str
    named: bool


KINDS = (Kind("Context", "context", True), Kind("Action", "action", True), Kind("Artifact", "artifact", False))


def add_association(ask: Ask) -> dict[str, Any]:
    pair = (ask.params["SourceArn"], ask.params["DestinationArn"])
    ask.here.flows.associations[pair] = {
        "SourceArn": pair[0],
        "DestinationArn": pair[1],
        "CreationTime": ask.now,
        "CreatedBy": {},
        "AssociationType": ask.params.get("AssociationType", "AssociatedWith"),
    } | _end(ask, "Source", pair[0])
    ask.here.flows.associations[pair] |= _end(ask, "Destination", pair[1])
    return {"SourceArn": pair[0], "DestinationArn": pair[1]}


def delete_association(ask: Ask) -> dict[str, Any]:
    pair = (ask.params["SourceArn"], ask.params["DestinationArn"])
    if ask.here.flows.associations.pop(pair, None) is None:
        raise Refused("ResourceNotFound", f"Association between '{pair[0]}' and '{pair[1]}' does not exist.")
    return {"SourceArn": pair[0], "DestinationArn": pair[1]}


def list_associations(ask: Ask) -> dict[str, Any]:
    keys = ("SourceArn", "DestinationArn", "SourceType", "DestinationType", "AssociationType")
    rows = [
        row
        for row in ask.here.flows.associations.values()
        if all(ask.params.get(key) in (None, row.get(key, "")) for key in keys)
    ]
    by = ASSOCIATION_SORTS.get(ask.params.get("SortBy", ""), "")
    full = [
        row | {"SourceType": row.get("SourceType", ""), "DestinationType": row.get("DestinationType", "")}
        for row in rows
    ]
    part, more = chosen(ask, full, "SourceArn", {by: by} if by else None)
    return {"AssociationSummaries": [{key: value for key, value in row.items() if value != ""} for row in part]} | more


def _end(ask: Ask, side: str, arn: str) -> dict[str, Any]:
    entity = ask.here.flows.lineage.get(arn)
    if entity is None:
        if any(arn.split(":")[5].startswith(f"{kind.path}/") for kind in KINDS):
            raise Refused("ResourceNotFound", f"{arn} does not exist.")
        return {}
    kind = entity["x_kind"]
    found = {f"{side}Type": entity[f"{kind.noun}Type"]}
    return found | ({f"{side}Name": entity[f"{kind.noun}Name"]} if f"{kind.noun}Name" in entity else {})


def _creator(kind: Kind) -> Handler:
    def create(ask: Ask) -> dict[str, Any]:
        params, book = ask.params, ask.here.flows
        name = params.get(f"{kind.noun}Name")
        uri = params["Source"]["SourceUri"]
        key = name if kind.named else token(ask.account, ask.region, kind.path, uri, params["ArtifactType"], length=32)
        arn = ask.here.arn(kind.path, str(key))
        if arn in book.lineage:
            raise Refused(
                "ValidationException",
                f"{kind.noun} names must be unique within an AWS account and region. {kind.noun} with name "
                f"({name}) already exists."
                if kind.named
                else f"Artifact with source ({uri}) already exists: {arn}.",
            )
        made = {"CreationTime": ask.now, "LastModifiedTime": ask.now, "CreatedBy": {}, "LastModifiedBy": {}}
        about = picked(params, f"{kind.noun}Name", f"{kind.noun}Type", *ABOUT)
        book.lineage[arn] = {f"{kind.noun}Arn": arn, "x_kind": kind} | made | about
        tag(ask, arn)
        return {f"{kind.noun}Arn": arn}

    return create


def _describer(kind: Kind) -> Handler:
    def describe(ask: Ask) -> dict[str, Any]:
        return {key: value for key, value in _entity(ask, kind).items() if not key.startswith("x_")}

    return describe


def _lister(kind: Kind) -> Handler:
    def found(ask: Ask) -> dict[str, Any]:
        params, name = ask.params, f"{kind.noun}Name"
        rows = [
            {name: ""} | row
            for row in ask.here.flows.lineage.values()
            if row["x_kind"] == kind
            and params.get("SourceUri") in (None, row["Source"]["SourceUri"])
            and params.get(f"{kind.noun}Type") in (None, row[f"{kind.noun}Type"])
        ]
        part, more = chosen(ask, rows, name, {"Name": name})
        shown = [picked(row, f"{kind.noun}Arn", name, f"{kind.noun}Type", *SUMMARY) for row in part]
        return {
            f"{kind.noun}Summaries": [{key: value for key, value in row.items() if value != ""} for row in shown]
        } | more

    return found


def _updater(kind: Kind) -> Handler:
    def update(ask: Ask) -> dict[str, Any]:
        entity, params = _entity(ask, kind), ask.params
        entity |= picked(params, "Description", "Status") | {"LastModifiedTime": ask.now}
        if not kind.named:
            entity |= picked(params, "ArtifactName")
        both = entity.get("Properties", {}) | params.get("Properties", {})
        entity["Properties"] = {
            key: value for key, value in both.items() if key not in params.get("PropertiesToRemove", [])
        }
        return {f"{kind.noun}Arn": entity[f"{kind.noun}Arn"]}

    return update


def _deleter(kind: Kind) -> Handler:
    def delete(ask: Ask) -> dict[str, Any]:
        arn = _entity(ask, kind)[f"{kind.noun}Arn"]
        if any(arn in pair for pair in ask.here.flows.associations):
            raise Refused("ValidationException", f"{arn} has associations: delete them first.")
        del ask.here.flows.lineage[arn]
        ask.here.tags.pop(arn, None)
        return {f"{kind.noun}Arn": arn}

    return delete


def _entity(ask: Ask, kind: Kind) -> dict[str, Any]:
    params = ask.params
    if kind.named:
        name = params[f"{kind.noun}Name"]
        arn = name if name.startswith("arn:") else ask.here.arn(kind.path, name)
    elif "ArtifactArn" in params:
        arn = params["ArtifactArn"]
    else:
        uri = params.get("Source", {}).get("SourceUri")
        same = [item for item in ask.here.flows.lineage.values() if item["Source"]["SourceUri"] == uri]
        arn = next((item["ArtifactArn"] for item in same if item["x_kind"] == kind), f"artifact of {uri}")
    if arn not in ask.here.flows.lineage:
        raise Refused("ResourceNotFound", f"{kind.noun} '{arn}' does not exist.")
    return ask.here.flows.lineage[arn]


VERBS: dict[str, Callable[[Kind], Handler]] = {
    "Create{}": _creator,
    "Describe{}": _describer,
    "List{}s": _lister,
    "Update{}": _updater,
    "Delete{}": _deleter,
}
HANDLERS: dict[str, Handler] = {
    verb.format(kind.noun): make(kind) for kind in KINDS for verb, make in VERBS.items()
} | {
    "AddAssociation": add_association,
    "DeleteAssociation": delete_association,
    "ListAssociations": list_associations,
}
MUTATING = {name for name in HANDLERS if not name.startswith(("Describe", "List"))}
