"""Tags of SageMaker's resources: put onto, listed from and taken off everything that stands in the account.

A resource that does not stand has no tags and gets none. What moto keeps by itself (model cards) is
asked of moto.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.things import Shelf
from sagekeeper.simulator.trial_book import component
from sagekeeper.simulator.world import Standing

MOST_TAGS = 50
RECORDS = {
    "model": "models",
    "endpoint-config": "configs",
    "notebook-instance": "notebooks",
    "training-job": "training",
    "processing-job": "processing",
    "monitoring-schedule": "schedules",
}
JOBS = {
    "transform-job": "transforms",
    "hyper-parameter-tuning-job": "tunings",
    "compilation-job": "compilations",
    "automl-job": "automls",
    "inference-recommendations-job": "recommendations",
}
"""What stands before the name in an ARN -> the record of that name in `Standing`."""
FLOWS = {
    "pipeline": "pipelines",
    "model-package-group": "groups",
    "experiment": "experiments",
    "experiment-trial": "trials",
}


SHELVED = ("domain", "user-profile", "space", "app", "feature-group", "mlflow-tracking-server", "cluster")
"""Kinds of which every resource is on a shelf; of others (inference components) the tags are what is known here."""


def list_tags(ask: Ask) -> dict[str, Any]:
    part, more = page(_shown(_tags(ask)), ask.params)
    return {"Tags": part} | more


def add_tags(ask: Ask) -> dict[str, Any]:
    tags, given = _tags(ask), {item["Key"]: item["Value"] for item in ask.params["Tags"]}
    if any(key.lower().startswith("aws:") for key in given):
        raise Refused("ValidationException", "aws: prefixed tag key names are not allowed for external use.")
    if len(tags | given) > MOST_TAGS:
        raise Refused("ValidationException", f"A resource can have at most {MOST_TAGS} tags.")
    tags.update(given)
    _keep(ask, tags)
    return {"Tags": _shown(tags)}


def delete_tags(ask: Ask) -> dict[str, Any]:
    tags = _tags(ask)
    for key in ask.params["TagKeys"]:
        tags.pop(key, None)
    _keep(ask, tags)
    return {}


def stands(here: Standing, arn: str, now: datetime) -> bool:
    """Whether a resource of ours stands under this ARN."""
    _, _, _, region, account, rest = [*arn.split(":", 5), "", "", "", "", "", ""][:6]
    if (region, account) != (here.region, here.account):
        return False
    kind, _, name = rest.partition("/")
    return KINDS.get(kind, _other)(here, kind, name, arn, now)


def _endpoint(here: Standing, _kind: str, name: str, _arn: str, _now: datetime) -> bool:
    return here.life(name) is not None


def _record(here: Standing, kind: str, name: str, _arn: str, now: datetime) -> bool:
    kept = getattr(here, RECORDS[kind]) if kind in RECORDS else getattr(here.jobs, JOBS[kind])
    record = kept.get(name)
    created = record.get("CreationTime") if isinstance(record, dict) else None
    return record is not None and (created is None or created <= now)


def _flow(here: Standing, kind: str, name: str, arn: str, _now: datetime) -> bool:
    return arn in here.flows.executions if "/execution/" in name else name in getattr(here.flows, FLOWS[kind])


def _component(here: Standing, _kind: str, name: str, _arn: str, now: datetime) -> bool:
    return component(here, name, now) is not None


def _by_arn(here: Standing, _kind: str, _name: str, arn: str, _now: datetime) -> bool:
    return arn in here.flows.packages or arn in here.flows.lineage


def _other(here: Standing, kind: str, _name: str, arn: str, now: datetime) -> bool:
    if kind.endswith("-job-definition"):
        return any(item.get("JobDefinitionArn") == arn for item in here.job_definitions.values())
    shelves = [getattr(here.work, item.name) for item in fields(here.work)]
    things = [thing for shelf in shelves if isinstance(shelf, Shelf) for thing in shelf.standing(now)]
    return any(thing.arn == arn for thing in things) or (kind not in SHELVED and arn in here.tags)


KINDS = (
    {"endpoint": _endpoint, "experiment-trial-component": _component}
    | dict.fromkeys((*RECORDS, *JOBS), _record)
    | dict.fromkeys(FLOWS, _flow)
    | dict.fromkeys(("model-package", "artifact", "context", "action"), _by_arn)
)


def _tags(ask: Ask) -> dict[str, str]:
    arn = ask.params["ResourceArn"]
    if stands(ask.here, arn, ask.now):
        return dict(ask.here.tags.get(arn, {}))
    lent = _lent(ask)
    if lent is None:
        raise Refused("ResourceNotFound", f"Requested resource not found: {arn}")
    return {item["Key"]: item["Value"] for item in lent.tags or []}


def _keep(ask: Ask, tags: dict[str, str]) -> None:
    arn = ask.params["ResourceArn"]
    lent = None if stands(ask.here, arn, ask.now) else _lent(ask)
    if lent is None:
        # In place: what bills an endpoint holds on to the same tags.
        known = ask.here.tags.setdefault(arn, {})
        known.clear()
        known.update(tags)
    else:
        lent.tags = _shown(tags)


def _lent(ask: Ask) -> Any:
    """The resource that moto has under this ARN; None when there is none."""
    rest = ask.params["ResourceArn"].split(":")[-1].split("/")
    if len(rest) != 2 or rest[0] not in ("model-card",):
        return None
    return sagemaker_backends[ask.account][ask.region]._get_resource_from_arn(ask.params["ResourceArn"])


def _shown(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


HANDLERS: dict[str, Handler] = {"ListTags": list_tags, "AddTags": add_tags, "DeleteTags": delete_tags}
MUTATING = {"AddTags", "DeleteTags"}
