"""The model registry: model packages, alone or as versions of a group, their approval, and models made of them.

A version belongs to its group: it has the group's tags and none of its own. A package that is to be validated is not
Completed before that has passed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.keeping import chosen, picked
from sagekeeper.simulator.model_groups import group_of, public
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.sagemaker_models import tag

VALIDATION_SECONDS = 600
KEPT = (
    *("ModelPackageDescription", "InferenceSpecification", "ValidationSpecification", "SourceAlgorithmSpecification"),
    *("MetadataProperties", "ModelMetrics", "Domain", "Task", "SamplePayloadUrl", "CustomerMetadataProperties"),
    *("DriftCheckBaselines", "AdditionalInferenceSpecifications", "SkipModelValidation", "SourceUri"),
    *("SecurityConfig", "ModelCard", "ModelLifeCycle", "ModelPackageRegistrationType", "ManagedStorageType"),
)
UPDATED = (
    *("ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification", "SourceUri", "ModelCard"),
    *("ModelLifeCycle", "ModelPackageRegistrationType"),
)
SUMMARY = (
    *("ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn"),
    *("ModelPackageDescription", "CreationTime", "ModelPackageStatus", "ModelApprovalStatus", "ModelLifeCycle"),
    "ModelPackageRegistrationType",
)
BATCH = (
    *("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription", "CreationTime"),
    *("InferenceSpecification", "ModelPackageStatus", "ModelApprovalStatus", "ModelPackageRegistrationType"),
)


def create_model_package(ask: Ask) -> dict[str, Any]:
    """A package of its own name, or the next version of a group."""
    params, book = ask.params, ask.here.flows
    if ("ModelPackageName" in params) == ("ModelPackageGroupName" in params):
        raise Refused("ValidationException", "Either ModelPackageName or ModelPackageGroupName must be specified.")
    if "InferenceSpecification" in params and "SourceAlgorithmSpecification" in params:
        raise Refused(
            "ValidationException", "InferenceSpecification and SourceAlgorithmSpecification can not both be specified."
        )
    record: dict[str, Any] = {"CreationTime": ask.now, "CreatedBy": {}} | picked(params, *KEPT)
    if "ModelPackageGroupName" in params:
        if params.get("Tags"):
            raise Refused("ValidationException", "Tags can not be specified for a versioned model package.")
        group = group_of(ask)
        group["x_versions"] += 1
        name = group["ModelPackageGroupName"]
        record |= {
            "ModelPackageName": name,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": group["x_versions"],
            "ModelApprovalStatus": params.get("ModelApprovalStatus", "PendingManualApproval"),
        }
        arn = ask.here.arn("model-package", f"{name}/{group['x_versions']}")
    else:
        name = params["ModelPackageName"]
        arn = ask.here.arn("model-package", name)
        if arn in book.packages:
            raise Refused("ConflictException", f"Model Package already exists: {arn}")
        if "ModelApprovalStatus" in params:
            raise Refused("ValidationException", "ModelApprovalStatus is only for versioned model packages.")
        record |= {"ModelPackageName": name, "CertifyForMarketplace": params.get("CertifyForMarketplace", False)}
        tag(ask, arn)
    validated = "ValidationSpecification" in params and params.get("SkipModelValidation") != "All"
    record["x_ready"] = ask.now + timedelta(seconds=VALIDATION_SECONDS if validated else 0)
    book.packages[arn] = record | {"ModelPackageArn": arn}
    return {"ModelPackageArn": arn}


def describe_model_package(ask: Ask) -> dict[str, Any]:
    return as_of(package_of(ask, ask.params["ModelPackageName"]), ask.now)


def batch_describe_model_package(ask: Ask) -> dict[str, Any]:
    found: dict[str, Any] = {}
    broken = {}
    for arn in ask.params["ModelPackageArnList"]:
        if arn in ask.here.flows.packages:
            found[arn] = picked(as_of(ask.here.flows.packages[arn], ask.now), *BATCH)
            found[arn].setdefault("InferenceSpecification", {"Containers": []})
        else:
            broken[arn] = {"ErrorCode": "ValidationException", "ErrorResponse": f"ModelPackage {arn} does not exist."}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": broken}


def list_model_packages(ask: Ask) -> dict[str, Any]:
    """Versions of a group where one is named; else packages of their own name, unless the type says otherwise."""
    params = ask.params
    group = group_of(ask)["ModelPackageGroupName"] if "ModelPackageGroupName" in params else None
    kind = params.get("ModelPackageType", "Versioned" if group else "Unversioned")
    rows = [
        as_of(item, ask.now)
        for item in ask.here.flows.packages.values()
        if (kind == "Both" or (kind == "Versioned") == ("ModelPackageVersion" in item))
        and (group is None or item.get("ModelPackageGroupName") == group)
        and params.get("ModelApprovalStatus") in (None, item.get("ModelApprovalStatus"))
    ]
    rows.sort(key=lambda row: row.get("ModelPackageVersion", 0), reverse=params.get("SortOrder") != "Ascending")
    part, more = chosen(ask, rows, "ModelPackageName", {"Name": "ModelPackageName"})
    return {"ModelPackageSummaryList": [picked(row, *SUMMARY) for row in part]} | more


def update_model_package(ask: Ask) -> dict[str, Any]:
    """Approval, description of it, metadata, and what may be added to a version."""
    package, params = package_of(ask, ask.params["ModelPackageArn"]), ask.params
    if "ModelApprovalStatus" in params and "ModelPackageVersion" not in package:
        raise Refused("ValidationException", "ModelApprovalStatus is only for versioned model packages.")
    package |= picked(params, *UPDATED)
    about = package.get("CustomerMetadataProperties", {}) | params.get("CustomerMetadataProperties", {})
    gone = params.get("CustomerMetadataPropertiesToRemove", [])
    if about:
        package["CustomerMetadataProperties"] = {key: value for key, value in about.items() if key not in gone}
    if "AdditionalInferenceSpecificationsToAdd" in params:
        known = package.get("AdditionalInferenceSpecifications", [])
        package["AdditionalInferenceSpecifications"] = known + params["AdditionalInferenceSpecificationsToAdd"]
    package |= {"LastModifiedTime": ask.now, "LastModifiedBy": {}}
    return {"ModelPackageArn": package["ModelPackageArn"]}


def delete_model_package(ask: Ask) -> dict[str, Any]:
    arn = package_of(ask, ask.params["ModelPackageName"])["ModelPackageArn"]
    del ask.here.flows.packages[arn]
    ask.here.tags.pop(arn, None)
    return {}


def package_of(ask: Ask, name: str) -> dict[str, Any]:
    """The package of that name or ARN, or AWS's refusal."""
    arn = name if name.startswith("arn:") else ask.here.arn("model-package", name)
    if arn not in ask.here.flows.packages:
        raise Refused("ValidationException", f"ModelPackage {arn} does not exist.")
    return ask.here.flows.packages[arn]


def as_of(package: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Its record with the state that it is in."""
    done = now >= package["x_ready"]
    validations = [
        {"Name": item["ProfileName"], "Status": "Completed" if done else "InProgress"}
        for item in package.get("ValidationSpecification", {}).get("ValidationProfiles", [])
    ]
    return public(package) | {
        "ModelPackageStatus": "Completed" if done else "InProgress",
        "ModelPackageStatusDetails": {"ValidationStatuses": validations, "ImageScanStatuses": []},
    }


HANDLERS: dict[str, Handler] = {
    "CreateModelPackage": create_model_package,
    "DescribeModelPackage": describe_model_package,
    "BatchDescribeModelPackage": batch_describe_model_package,
    "ListModelPackages": list_model_packages,
    "UpdateModelPackage": update_model_package,
    "DeleteModelPackage": delete_model_package,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
