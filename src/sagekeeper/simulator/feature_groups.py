"""Feature groups: schema, online and offline store, throughput mode, and descriptions of single features.

States pass with time (Creating, Created, Deleting); a group whose offline bucket does not exist ends CreateFailed. What
AWS lets be changed, and how often: aws-facts 1.10 and 2.17. Records and their units: `feature_records.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing

CREATING, UPDATING, DELETING = 20, 15, 20
ON_DEMAND_EVERY = timedelta(hours=24)
"""A group may go back to OnDemand once in this time."""
SORTS = {"Name": "FeatureGroupName", "FeatureGroupStatus": "FeatureGroupStatus"}
MEMBERS = ("RecordIdentifierFeatureName", "EventTimeFeatureName", "FeatureDefinitions", "RoleArn", "Description")
ON_DEMAND = {"ThroughputMode": "OnDemand"}


def create_feature_group(ask: Ask) -> dict[str, Any]:
    params, name = ask.params, ask.params["FeatureGroupName"]
    if ask.here.work.feature_groups.get(ask.now, name):
        raise Refused(
            "ResourceInUse",
            f"Resource Already Exists: FeatureGroup with name {name} already exists.",
        )
    _refuse_wrong(params)
    arn = ask.here.arn("feature-group", name)
    about = picked(params, *MEMBERS) | {"x_features": {}, "x_throughput": params.get("ThroughputConfig", ON_DEMAND)}
    online, offline = params.get("OnlineStoreConfig", {}), params.get("OfflineStoreConfig")
    if online.get("EnableOnlineStore"):
        about["OnlineStoreConfig"] = {"StorageType": "Standard"} | online
    settled = "Created"
    if offline:
        about["OfflineStoreConfig"], exists = _offline(ask, name, offline)
        settled = "Created" if exists else "CreateFailed"
    ask.here.work.feature_groups.put(made(ask, (name,), arn, about, "Creating", settled, CREATING))
    return {"FeatureGroupArn": arn}


def describe_feature_group(ask: Ask) -> dict[str, Any]:
    group = feature_group(ask)
    definitions, start = group.about["FeatureDefinitions"], int(ask.params.get("NextToken") or 0)
    shown = {key: value for key, value in group.about.items() if not key.startswith("x_")}
    found = shown | _row(group, ask) | {"FeatureDefinitions": definitions[start : start + 2500], "NextToken": ""}
    found["LastModifiedTime"] = max(at for at, _ in group.history)
    found["ThroughputConfig"] = group.about["x_throughput"]
    if start + 2500 < len(definitions):
        found["NextToken"] = str(start + 2500)
    if "x_updating" in group.about:
        done = ask.now >= group.about["x_updating"]
        found["LastUpdateStatus"] = {"Status": "Successful" if done else "InProgress"}
    if found["FeatureGroupStatus"] == "CreateFailed":
        bucket = group.about["OfflineStoreConfig"]["S3StorageConfig"]["S3Uri"]
        found["FailureReason"] = f"The S3 bucket of {bucket} does not exist or cannot be accessed by the role."
    if "OnlineStoreConfig" in group.about:
        book = ask.here.work.records.get(group.arn)
        found["OnlineStoreTotalSizeBytes"] = book.size(ask.now) if book else 0
    return found


def list_feature_groups(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = [
        row
        for group in ask.here.work.feature_groups.standing(ask.now)
        if (row := _row(group, ask))
        and params.get("FeatureGroupStatusEquals") in (None, row["FeatureGroupStatus"])
        and params.get("OfflineStoreStatusEquals") in (None, row.get("OfflineStoreStatus", {}).get("Status"))
    ]
    part, more = chosen(ask, rows, "FeatureGroupName", SORTS)
    return {"FeatureGroupSummaries": part} | more


def update_feature_group(ask: Ask) -> dict[str, Any]:
    """One thing at a time: features, the online store's TTL, or the throughput."""
    group, params = _ready(ask), ask.params
    given = [key for key in ("FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig") if key in params]
    if len(given) != 1:
        wish = "Exactly one of FeatureAdditions, OnlineStoreConfig and ThroughputConfig must be specified."
        raise Refused("ValidationException", wish)
    if ask.now < group.about.get("x_updating", ask.now):
        raise Refused(
            "ValidationException", f"FeatureGroup {group.key[0]} is being updated. Wait until the update is over."
        )
    change: dict[str, Any] = {}
    if "FeatureAdditions" in params:
        change["FeatureDefinitions"] = _with_additions(group, params["FeatureAdditions"])
    elif "OnlineStoreConfig" in params:
        if "OnlineStoreConfig" not in group.about:
            raise Refused("ValidationException", f"FeatureGroup {group.key[0]} has no online store.")
        change["OnlineStoreConfig"] = group.about["OnlineStoreConfig"] | params["OnlineStoreConfig"]
    else:
        change |= _throughput(group, ask)
    group.change(ask.now, **change, x_updating=ask.now + timedelta(seconds=UPDATING))
    return {"FeatureGroupArn": group.arn}


def delete_feature_group(ask: Ask) -> dict[str, Any]:
    group = feature_group(ask)
    if group.status(ask.now) in ("Creating", "Deleting"):
        raise Refused("ValidationException", f"FeatureGroup {group.key[0]} is in status {group.status(ask.now)}.")
    group.begin("Deleting", "", ask.now, DELETING)
    if group.arn in ask.here.work.records:
        ask.here.work.records[group.arn].empty(ask.now)
    return {}


def update_feature_metadata(ask: Ask) -> dict[str, Any]:
    group, name = feature_group(ask), ask.params["FeatureName"]
    told = _metadata(ask, group)
    parameters = {item["Key"]: item["Value"] for item in told.get("Parameters", [])}
    parameters |= {item["Key"]: item["Value"] for item in ask.params.get("ParameterAdditions", [])}
    for key in ask.params.get("ParameterRemovals", []):
        parameters.pop(key, None)
    new = told | picked(ask.params, "Description") | {"LastModifiedTime": ask.now}
    new["Parameters"] = [{"Key": key, "Value": value} for key, value in parameters.items()]
    group.change(ask.now, x_features=group.about["x_features"] | {name: new})
    return {}


def describe_feature_metadata(ask: Ask) -> dict[str, Any]:
    group = feature_group(ask)
    names = {"FeatureGroupArn": group.arn, "FeatureGroupName": group.key[0], "FeatureName": ask.params["FeatureName"]}
    return names | _metadata(ask, group)


def feature_group(ask: Ask) -> Thing:
    """The one asked for, by name or ARN."""
    name = ask.params["FeatureGroupName"].rpartition("/")[2]
    missing = f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}."
    return demand(ask.here.work.feature_groups.get(ask.now, name), missing)


def _refuse_wrong(params: dict[str, Any]) -> None:
    types = {item["FeatureName"]: item["FeatureType"] for item in params["FeatureDefinitions"]}
    if len(types) < len(params["FeatureDefinitions"]):
        raise Refused("ValidationException", "Feature names must be unique.")
    for member in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
        if params[member] not in types:
            raise Refused("ValidationException", f"{member} {params[member]} is not one of the FeatureDefinitions.")
    if types[params["EventTimeFeatureName"]] not in ("String", "Fractional"):
        raise Refused("ValidationException", "The event time feature must be of type String or Fractional.")
    online = params.get("OnlineStoreConfig", {})
    if not online.get("EnableOnlineStore") and "OfflineStoreConfig" not in params:
        raise Refused(
            "ValidationException", "At least one of OnlineStoreConfig and OfflineStoreConfig must be enabled."
        )
    _refuse_wrong_throughput(params.get("ThroughputConfig", ON_DEMAND), online)


def _refuse_wrong_throughput(wish: dict[str, Any], online: dict[str, Any]) -> None:
    units = [key for key in ("ProvisionedReadCapacityUnits", "ProvisionedWriteCapacityUnits") if key in wish]
    if wish["ThroughputMode"] == "Provisioned":
        if len(units) < 2:
            raise Refused("ValidationException", "Provisioned throughput needs read and write capacity units.")
        if online.get("StorageType") == "InMemory":
            raise Refused("ValidationException", "Provisioned throughput is not available for InMemory online stores.")
    elif units:
        raise Refused("ValidationException", "Capacity units can only be given for the Provisioned throughput mode.")


def _offline(ask: Ask, name: str, wish: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The offline store as it is described, and whether its bucket is there."""
    uri = wish["S3StorageConfig"]["S3Uri"].rstrip("/")
    bucket = uri.removeprefix("s3://").split("/")[0]
    stamp = f"{name}-{int(ask.now.timestamp())}"
    resolved = f"{uri}/{ask.account}/sagemaker/{ask.region}/offline-store/{stamp}/data"
    found = {"TableFormat": "Glue", "DisableGlueTableCreation": False} | wish
    found["S3StorageConfig"] = wish["S3StorageConfig"] | {"ResolvedOutputS3Uri": resolved}
    if not found["DisableGlueTableCreation"] and "DataCatalogConfig" not in found:
        table = stamp.replace("-", "_").lower()
        found["DataCatalogConfig"] = {
            "TableName": table,
            "Catalog": "AwsDataCatalog",
            "Database": "sagemaker_featurestore",
        }
    return found, bucket in s3_backends[ask.account]["aws"].buckets


def _ready(ask: Ask) -> Thing:
    group = feature_group(ask)
    if group.status(ask.now) != "Created":
        raise Refused("ValidationException", f"FeatureGroup {group.key[0]} is in status {group.status(ask.now)}.")
    return group


def _with_additions(group: Thing, additions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {item["FeatureName"] for item in group.about["FeatureDefinitions"]}
    twice = [item["FeatureName"] for item in additions if item["FeatureName"] in known]
    if twice:
        raise Refused("ValidationException", f"Feature {twice[0]} already exists in FeatureGroup {group.key[0]}.")
    return [*group.about["FeatureDefinitions"], *additions]


def _throughput(group: Thing, ask: Ask) -> dict[str, Any]:
    wish, before = ask.params["ThroughputConfig"], group.about["x_throughput"]
    wish = {"ThroughputMode": before["ThroughputMode"]} | wish
    _refuse_wrong_throughput(wish, group.about.get("OnlineStoreConfig", {}))
    if wish["ThroughputMode"] == "OnDemand" and before["ThroughputMode"] == "Provisioned":
        last = group.about.get("x_on_demand")
        if last is not None and ask.now - last < ON_DEMAND_EVERY:
            raise Refused("ValidationException", "The throughput mode can be changed to OnDemand once in 24 hours.")
        return {"x_throughput": wish, "x_on_demand": ask.now}
    return {"x_throughput": wish}


def _metadata(ask: Ask, group: Thing) -> dict[str, Any]:
    name = ask.params["FeatureName"]
    types = {item["FeatureName"]: item["FeatureType"] for item in group.about["FeatureDefinitions"]}
    if name not in types:
        raise Refused("ResourceNotFound", f"Feature {name} does not exist in FeatureGroup {group.key[0]}.")
    usual = {"FeatureType": types[name], "CreationTime": group.created, "LastModifiedTime": group.created}
    return usual | group.about["x_features"].get(name, {})


def _row(group: Thing, ask: Ask) -> dict[str, Any]:
    found = {
        "FeatureGroupName": group.key[0],
        "FeatureGroupArn": group.arn,
        "CreationTime": group.created,
        "FeatureGroupStatus": group.status(ask.now),
    }
    if "OfflineStoreConfig" in group.about:
        found["OfflineStoreStatus"] = {"Status": "Active"}
    return found


HANDLERS: dict[str, Handler] = {
    "CreateFeatureGroup": create_feature_group,
    "DescribeFeatureGroup": describe_feature_group,
    "ListFeatureGroups": list_feature_groups,
    "UpdateFeatureGroup": update_feature_group,
    "DeleteFeatureGroup": delete_feature_group,
    "UpdateFeatureMetadata": update_feature_metadata,
    "DescribeFeatureMetadata": describe_feature_metadata,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
