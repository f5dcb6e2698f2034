"""Groups of model packages in the registry, and the policies that share them."""

from __future__ import annotations

import json
from typing import Any

from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.sagemaker_models import tag

SUMMARY = (
    *("ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription", "CreationTime"),
    *("ModelPackageGroupStatus", "ManagedConfiguration"),
)
SORTS = {"Name": "ModelPackageGroupName"}


def create_model_package_group(ask: Ask) -> dict[str, Any]:
    name = ask.params["ModelPackageGroupName"]
    arn = ask.here.arn("model-package-group", name)
    if name in ask.here.flows.groups:
        raise Refused("ValidationException", f"Model Package Group already exists: {arn}")
    ask.here.flows.groups[name] = {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": arn,
        "CreationTime": ask.now,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
        "x_versions": 0,
    } | picked(ask.params, "ModelPackageGroupDescription", "ManagedConfiguration")
    tag(ask, arn)
    return {"ModelPackageGroupArn": arn}


def describe_model_package_group(ask: Ask) -> dict[str, Any]:
    return public(group_of(ask))


def list_model_package_groups(ask: Ask) -> dict[str, Any]:
    if ask.params.get("CrossAccountFilterOption") == "CrossAccount":
        return {"ModelPackageGroupSummaryList": []}
    rows = [picked(group, *SUMMARY) for group in ask.here.flows.groups.values()]
    part, more = chosen(ask, rows, "ModelPackageGroupName", SORTS, _order(ask))
    return {"ModelPackageGroupSummaryList": part} | more


def delete_model_package_group(ask: Ask) -> dict[str, Any]:
    """A group goes only when it is empty."""
    group = group_of(ask)
    arn = group["ModelPackageGroupArn"]
    if any(item.get("ModelPackageGroupName") == group["ModelPackageGroupName"] for item in _packages(ask)):
        raise Refused(
            "ConflictException", f"Model Package Group cannot be deleted as it still contains Model Packages: {arn}"
        )
    del ask.here.flows.groups[group["ModelPackageGroupName"]]
    ask.here.tags.pop(arn, None)
    return {}


def put_model_package_group_policy(ask: Ask) -> dict[str, Any]:
    group = group_of(ask)
    try:
        json.loads(ask.params["ResourcePolicy"])
    except ValueError as broken:
        raise Refused("ValidationException", "Invalid resource policy: it is no JSON document.") from broken
    group["x_policy"] = ask.params["ResourcePolicy"]
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_model_package_group_policy(ask: Ask) -> dict[str, Any]:
    return {"ResourcePolicy": _with_policy(ask)["x_policy"]}


def delete_model_package_group_policy(ask: Ask) -> dict[str, Any]:
    del _with_policy(ask)["x_policy"]
    return {}


def group_of(ask: Ask) -> dict[str, Any]:
    """The group that the request names or gives the ARN of."""
    name = ask.params["ModelPackageGroupName"].rpartition("/")[2]
    if name not in ask.here.flows.groups:
        arn = ask.here.arn("model-package-group", name)
        raise Refused("ValidationException", f"ModelPackageGroup {arn} does not exist.")
    return ask.here.flows.groups[name]


def public(record: dict[str, Any]) -> dict[str, Any]:
    """Without what is ours alone."""
    return {key: value for key, value in record.items() if not key.startswith("x_")}


def _with_policy(ask: Ask) -> dict[str, Any]:
    group = group_of(ask)
    if "x_policy" not in group:
        arn = group["ModelPackageGroupArn"]
        raise Refused("ValidationException", f"Cannot find Model Package Group Policy for: {arn}")
    return group


def _packages(ask: Ask) -> list[dict[str, Any]]:
    return list(ask.here.flows.packages.values())


def _order(ask: Ask) -> str:
    return "Ascending" if ask.params.get("SortBy") == "Name" else "Descending"


HANDLERS: dict[str, Handler] = {
    "CreateModelPackageGroup": create_model_package_group,
    "DescribeModelPackageGroup": describe_model_package_group,
    "ListModelPackageGroups": list_model_package_groups,
    "DeleteModelPackageGroup": delete_model_package_group,
    "PutModelPackageGroupPolicy": put_model_package_group_policy,
    "GetModelPackageGroupPolicy": get_model_package_group_policy,
    "DeleteModelPackageGroupPolicy": delete_model_package_group_policy,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Delete", "Put"))}
