"""SageMaker HyperPod's clusters: created, described, listed, changed in size, deleted, with their nodes (`Cluster:` usage).

A new cluster needs a quarter of an hour; its instances are paid for from then on until its deletion is asked for. HyperPod
has prices of its own that are not in the price book (aws-facts 1): training's are the stand-in. Health checks, software
updates and orchestrators are not modelled; operations on single nodes answer 501.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sagekeeper.simulator.charges import Run, _hourly, _span
from sagekeeper.simulator.keeping import chosen, demand, made, picked, tags_of
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing, token
from sagekeeper.simulator.world import Standing

CREATING, UPDATING, DELETING = 900, 300, 300
MEMBERS = ("VpcConfig", "NodeRecovery", "Orchestrator", "NodeProvisioningMode", "ClusterRole")
SORTS = {"NAME": "ClusterName"}


def create_cluster(ask: Ask) -> dict[str, Any]:
    """A cluster of its groups."""
    name, groups = ask.params["ClusterName"], ask.params.get("InstanceGroups", [])
    if ask.here.work.clusters.get(ask.now, name):
        raise Refused("ResourceInUse", f"Resource Already Exists: Cluster with name {name} already exists.")
    if not groups:
        raise Refused("ValidationException", "At least one instance group is required.")
    arn = ask.here.arn("cluster", token(ask.account, ask.region, name, ask.now.isoformat()))
    about = picked(ask.params, *MEMBERS) | {"ClusterName": name, "groups": groups}
    ask.here.work.clusters.put(made(ask, (name,), arn, about, "Creating", "InService", CREATING))
    return {"ClusterArn": arn}


def describe_cluster(ask: Ask) -> dict[str, Any]:
    """With how many instances each group has."""
    cluster = _cluster(ask)
    status = cluster.status(ask.now)
    told = {key: value for key, value in cluster.about.items() if key != "groups"}
    groups = [_group(item, status) for item in cluster.about["groups"]]
    return _row(cluster, ask.now) | told | {"InstanceGroups": groups}


def list_clusters(ask: Ask) -> dict[str, Any]:
    """Summaries."""
    rows = [_row(cluster, ask.now) for cluster in ask.here.work.clusters.standing(ask.now)]
    part, more = chosen(ask, rows, "ClusterName", SORTS, order="Ascending")
    return {"NextToken": "", "ClusterSummaries": part} | more


def list_cluster_nodes(ask: Ask) -> dict[str, Any]:
    """One row an instance."""
    cluster = _cluster(ask)
    status = "Pending" if cluster.status(ask.now) == "Creating" else "Running"
    rows = [
        {
            "InstanceGroupName": group["InstanceGroupName"],
            "InstanceId": f"i-{token(cluster.arn, group['InstanceGroupName'], str(number), length=17)}",
            "InstanceType": group["InstanceType"],
            "LaunchTime": cluster.created,
            "InstanceStatus": {"Status": status},
            "CreationTime": cluster.created,
        }
        for group in cluster.about["groups"]
        if ask.params.get("InstanceGroupNameContains", "") in group["InstanceGroupName"]
        for number in range(group["InstanceCount"])
    ]
    part, more = chosen(ask, rows, "InstanceId")
    return {
        "NextToken": "",
        "ClusterNodeSummaries": [{key: row[key] for key in row if key != "CreationTime"} for row in part],
    } | more


def update_cluster(ask: Ask) -> dict[str, Any]:
    """Groups as the request names them; those that it does not name stay as they are."""
    cluster = _cluster(ask)
    if cluster.status(ask.now) != "InService":
        raise Refused("ConflictException", f"Cluster {cluster.arn} is in status {cluster.status(ask.now)}.")
    gone = set(ask.params.get("InstanceGroupsToDelete", []))
    given = {item["InstanceGroupName"]: item for item in ask.params.get("InstanceGroups", [])}
    kept = {item["InstanceGroupName"]: item for item in cluster.about["groups"]}
    if gone - set(kept):
        raise Refused("ValidationException", f"Instance groups {sorted(gone - set(kept))} do not exist.")
    groups = [item for name, item in (kept | given).items() if name not in gone]
    cluster.change(ask.now, groups=groups)
    cluster.begin("Updating", "InService", ask.now, UPDATING)
    return {"ClusterArn": cluster.arn}


def delete_cluster(ask: Ask) -> dict[str, Any]:
    """It takes some minutes; its instances cost nothing from now on."""
    cluster = _cluster(ask)
    if cluster.status(ask.now) in ("Creating", "Updating", "Deleting"):
        raise Refused("ConflictException", f"Cluster {cluster.arn} is in status {cluster.status(ask.now)}.")
    cluster.begin("Deleting", "", ask.now, DELETING)
    return {"ClusterArn": cluster.arn}


def runs(here: Standing) -> Iterator[Run]:
    """Instances of every cluster, from the moment it is in service."""
    for cluster in here.work.clusters.ever():
        tags = json.dumps(tags_of(here, cluster))
        for start, stop, about in cluster.stays():
            begun = max(start.timestamp(), cluster.created.timestamp() + CREATING)
            for group in about["groups"]:
                kind, (_, until) = group["InstanceType"], _span(start, stop)
                price = _hourly(kind, "Training", here.region)
                count = group["InstanceCount"]
                yield Run(begun, until, f"Cluster:{kind}", "RunInstance", cluster.arn, tags, count, price)


def _group(item: dict[str, Any], status: str) -> dict[str, Any]:
    told = {key: value for key, value in item.items() if key not in ("InstanceCount", "MinInstanceCount")}
    count = 0 if status == "Creating" else item["InstanceCount"]
    return {"CurrentCount": count, "TargetCount": item["InstanceCount"], "ThreadsPerCore": 1} | told


def _row(cluster: Thing, now: datetime) -> dict[str, Any]:
    return {
        "ClusterArn": cluster.arn,
        "ClusterName": cluster.key[0],
        "CreationTime": cluster.created,
        "ClusterStatus": cluster.status(now),
    }


def _cluster(ask: Ask) -> Thing:
    wanted = ask.params["ClusterName"]
    name = next((item.key[0] for item in ask.here.work.clusters.standing(ask.now) if item.arn == wanted), wanted)
    return demand(
        ask.here.work.clusters.get(ask.now, name), f"Cluster with name {wanted} does not exist.", "ResourceNotFound"
    )


HANDLERS: dict[str, Handler] = {
    "CreateCluster": create_cluster,
    "DescribeCluster": describe_cluster,
    "ListClusters": list_clusters,
    "ListClusterNodes": list_cluster_nodes,
    "UpdateCluster": update_cluster,
    "DeleteCluster": delete_cluster,
}
MUTATING = {"CreateCluster", "UpdateCluster", "DeleteCluster"}
