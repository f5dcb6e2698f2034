"""Notebook instances: made, started, stopped, updated and deleted, with the states between, and their lifecycle scripts.

The instance is paid for while it is InService, its volume from creation to deletion, stopped or not (aws-facts 1.7).
Notebooks of the world have habits (`Standing.notebook_runs`, the future too); whoever starts or stops one by hand ends
them. An instance fails where AWS has no more of its type (`Hosting.short`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.capacity import is_short
from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing, token
from sagekeeper.simulator.world import Standing

PENDING, STOPPING, UPDATING, DELETING = 120, 30, 30, 30
DEFAULT_VOLUME_GB = 5
"""VolumeSizeInGB when the request names none (botocore's text of CreateNotebookInstance)."""
SORTS = {"Name": "NotebookInstanceName", "Status": "NotebookInstanceStatus"}
CONFIG_SORTS = {"Name": "NotebookInstanceLifecycleConfigName", "LastModifiedTime": "LastModifiedTime"}
SHOWN = (
    "NotebookInstanceName",
    "NotebookInstanceArn",
    "NotebookInstanceStatus",
    "Url",
    "InstanceType",
    "CreationTime",
    "LastModifiedTime",
    "NotebookInstanceLifecycleConfigName",
    "DefaultCodeRepository",
    "AdditionalCodeRepositories",
)
UPDATABLE = ("InstanceType", "RoleArn", "VolumeSizeInGB", "DefaultCodeRepository", "AdditionalCodeRepositories")
ALSO_UPDATABLE = (
    "AcceleratorTypes",
    "RootAccess",
    "InstanceMetadataServiceConfiguration",
    "IpAddressType",
    "PlatformIdentifier",
)
DISASSOCIATED = {
    "DisassociateLifecycleConfig": "NotebookInstanceLifecycleConfigName",
    "DisassociateAcceleratorTypes": "AcceleratorTypes",
    "DisassociateDefaultCodeRepository": "DefaultCodeRepository",
    "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
}
STUCK = "Status ({status}) not in ([{wanted}]). Unable to transition to ({target}) for Notebook Instance ({arn})"

DUPLICATE_CONFIG = (
    "Unable to create Notebook Instance Lifecycle Config {arn}. "
    "(Details: Notebook Instance Lifecycle Config already exists.)"
)
MISSING_CONFIG = (
    "Unable to describe Notebook Instance Lifecycle Config '{arn}'. "
    "(Details: Notebook Instance Lifecycle Config does not exist.)"
)


def create_notebook_instance(ask: Ask) -> dict[str, Any]:
    params, name = ask.params, ask.params["NotebookInstanceName"]
    arn = ask.here.arn("notebook-instance", name)
    if _there(ask.here, name, ask.now):
        message = f"Cannot create a duplicate Notebook Instance ({arn})"
        raise Refused("ValidationException", message)
    if name in ask.here.notebooks:
        _put_away(ask.here, name)
    about = picked(
        params, "KmsKeyId", "SubnetId", "DefaultCodeRepository", "AdditionalCodeRepositories", "AcceleratorTypes"
    )
    about |= {
        "NotebookInstanceName": name,
        "NotebookInstanceArn": arn,
        "InstanceType": params["InstanceType"],
        "RoleArn": params["RoleArn"],
        "VolumeSizeInGB": params.get("VolumeSizeInGB", DEFAULT_VOLUME_GB),
        "DirectInternetAccess": params.get("DirectInternetAccess", "Enabled"),
        "RootAccess": params.get("RootAccess", "Enabled"),
        "PlatformIdentifier": params.get("PlatformIdentifier", "notebook-al2-v3"),
        "IpAddressType": params.get("IpAddressType", "ipv4"),
        "InstanceMetadataServiceConfiguration": params.get(
            "InstanceMetadataServiceConfiguration", {"MinimumInstanceMetadataServiceVersion": "1"}
        ),
        "Url": f"{name.lower()}-{token(ask.account, name, length=4)}.notebook.{ask.region}.sagemaker.aws",
        "CreationTime": ask.now,
    }
    if params.get("SecurityGroupIds"):
        about["SecurityGroups"] = params["SecurityGroupIds"]
    if params.get("SubnetId"):
        about["NetworkInterfaceId"] = f"eni-{token(arn, ask.now.isoformat(), length=17)}"
    if params.get("LifecycleConfigName"):
        about["NotebookInstanceLifecycleConfigName"] = _config(ask, params["LifecycleConfigName"]).key[0]
    ask.here.notebooks[name] = about
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in params.get("Tags", [])}
    _bring_up(ask, about)
    return {"NotebookInstanceArn": arn}


def describe_notebook_instance(ask: Ask) -> dict[str, Any]:
    return _shown(ask.here, _notebook(ask), ask.now)


def list_notebook_instances(ask: Ask) -> dict[str, Any]:
    params, here = ask.params, ask.here
    rows = [_shown(here, here.notebooks[name], ask.now) for name in here.notebooks if _there(here, name, ask.now)]
    rows = [
        row
        for row in rows
        if params.get("StatusEquals") in (None, row["NotebookInstanceStatus"])
        and params.get("NotebookInstanceLifecycleConfigNameContains", "")
        in row.get("NotebookInstanceLifecycleConfigName", "")
        and params.get("DefaultCodeRepositoryContains", "") in row.get("DefaultCodeRepository", "")
        and params.get("AdditionalCodeRepositoryEquals") in (None, *row.get("AdditionalCodeRepositories", []))
    ]
    part, more = chosen(ask, rows, "NotebookInstanceName", SORTS)
    return {"NotebookInstances": [picked(row, *SHOWN) for row in part]} | more


def start_notebook_instance(ask: Ask) -> dict[str, Any]:
    item = _in_status(ask, "InService", "Stopped", "Failed")
    _bring_up(ask, item)
    return {}


def stop_notebook_instance(ask: Ask) -> dict[str, Any]:
    """Ends the present run. Its owner's later habits end with it: nobody starts it again by itself."""
    item = _in_status(ask, "Stopped", "InService")
    past = [run for run in ask.here.notebook_runs[item["NotebookInstanceName"]] if run[0] <= ask.now]
    ask.here.notebook_runs[item["NotebookInstanceName"]] = [*past[:-1], (past[-1][0], ask.now)]
    _move(item, ask.now, "Stopping", STOPPING)
    return {}


def update_notebook_instance(ask: Ask) -> dict[str, Any]:
    item, params = _in_status(ask, "Updating", "Stopped", "Failed"), ask.params
    if params.get("VolumeSizeInGB", item["VolumeSizeInGB"]) < item["VolumeSizeInGB"]:
        raise Refused("ValidationException", "The volume size of a Notebook Instance cannot be decreased.")
    new = picked(params, *UPDATABLE, *ALSO_UPDATABLE)
    if params.get("LifecycleConfigName"):
        new["NotebookInstanceLifecycleConfigName"] = _config(ask, params["LifecycleConfigName"]).key[0]
    item.setdefault("x_was", []).append((ask.now, item["InstanceType"], item["VolumeSizeInGB"]))
    for flag, member in DISASSOCIATED.items():
        if params.get(flag):
            item.pop(member, None)
    item.update(new)
    _move(item, ask.now, "Updating", UPDATING)
    return {}


def delete_notebook_instance(ask: Ask) -> dict[str, Any]:
    item = _in_status(ask, "Deleting", "Stopped", "Failed")
    past = [run for run in ask.here.notebook_runs.get(item["NotebookInstanceName"], []) if run[0] <= ask.now]
    ask.here.notebook_runs[item["NotebookInstanceName"]] = past
    item["x_deleted"] = ask.now
    _move(item, ask.now, "Deleting", DELETING)
    return {}


def create_presigned_notebook_instance_url(ask: Ask) -> dict[str, Any]:
    item = _notebook(ask)
    status = _status(ask.here, item, ask.now)
    if status != "InService":
        raise Refused(
            "ValidationException",
            f"Status ({status}) not in ([InService]). Unable to create a presigned URL for Notebook Instance "
            f"({item['NotebookInstanceArn']})",
        )
    url = _shown(ask.here, item, ask.now)["Url"]
    return {"AuthorizedUrl": f"https://{url}?authToken={token(url, ask.now.isoformat(), length=40)}"}


def create_notebook_instance_lifecycle_config(ask: Ask) -> dict[str, Any]:
    name = ask.params["NotebookInstanceLifecycleConfigName"]
    arn = ask.here.arn("notebook-instance-lifecycle-config", name)
    if ask.here.work.notebook_configs.get(ask.now, name):
        raise Refused(
            "ValidationException",
            DUPLICATE_CONFIG.format(arn=arn),
        )
    ask.here.work.notebook_configs.put(
        made(ask, (name,), arn, picked(ask.params, "OnCreate", "OnStart"), "", "there", 0)
    )
    return {"NotebookInstanceLifecycleConfigArn": arn}


def describe_notebook_instance_lifecycle_config(ask: Ask) -> dict[str, Any]:
    config = _config(ask, ask.params["NotebookInstanceLifecycleConfigName"])
    return _config_row(config) | config.about


def list_notebook_instance_lifecycle_configs(ask: Ask) -> dict[str, Any]:
    rows = [_config_row(config) for config in ask.here.work.notebook_configs.standing(ask.now)]
    part, more = chosen(ask, rows, "NotebookInstanceLifecycleConfigName", CONFIG_SORTS)
    return {"NotebookInstanceLifecycleConfigs": part} | more


def update_notebook_instance_lifecycle_config(ask: Ask) -> dict[str, Any]:
    config = _config(ask, ask.params["NotebookInstanceLifecycleConfigName"])
    config.change(ask.now, **picked(ask.params, "OnCreate", "OnStart"))
    config.begin("", "there", ask.now, 0)
    return {}


def delete_notebook_instance_lifecycle_config(ask: Ask) -> dict[str, Any]:
    config = _config(ask, ask.params["NotebookInstanceLifecycleConfigName"])
    for name, item in ask.here.notebooks.items():
        if item.get("NotebookInstanceLifecycleConfigName") == config.key[0] and _there(ask.here, name, ask.now):
            message = f"Unable to delete Notebook Instance Lifecycle Config {config.arn}: it is used by Notebook Instance {name}."
            raise Refused("ValidationException", message)
    config.begin("", "", ask.now, 0)
    return {}


def _bring_up(ask: Ask, item: dict[str, Any]) -> None:
    """Pending until it runs; Failed where there are no such instances."""
    name = item["NotebookInstanceName"]
    past = [run for run in ask.here.notebook_runs.get(name, []) if run[0] <= ask.now]
    item["x_failed"] = is_short(ask.here, {item["InstanceType"]}, ask.now)
    begins = ask.now + timedelta(seconds=PENDING)
    ask.here.notebook_runs[name] = past if item["x_failed"] else [*past, (begins, None)]
    _move(item, ask.now, "Pending", PENDING)


def _move(item: dict[str, Any], now: datetime, doing: str, seconds: int) -> None:
    item["x_move"] = (doing, now, now + timedelta(seconds=seconds))


def _status(here: Standing, item: dict[str, Any], now: datetime) -> str:
    doing, _, ready = item.get("x_move", ("", now, now))
    if now < ready:
        return str(doing)
    if item.get("x_failed"):
        return "Failed"
    past = [run for run in here.notebook_runs.get(item["NotebookInstanceName"], []) if run[0] <= now]
    return "InService" if past and (past[-1][1] is None or past[-1][1] > now) else "Stopped"


def _shown(here: Standing, item: dict[str, Any], now: datetime) -> dict[str, Any]:
    name, status = item["NotebookInstanceName"], _status(here, item, now)
    past = [run for run in here.notebook_runs.get(name, []) if run[0] <= now]
    moments = [moment for run in past for moment in run if moment is not None and moment <= now]
    _, begun, ready = item.get("x_move", ("", item["CreationTime"], item["CreationTime"]))
    shown = {key: value for key, value in item.items() if not key.startswith("x_")}
    shown.setdefault("Url", f"{name.lower()}.notebook.{here.region}.sagemaker.aws")
    shown |= {
        "NotebookInstanceStatus": status,
        "LastModifiedTime": max([item["CreationTime"], ready if ready <= now else begun, *moments[-2:]]),
    }
    if status == "Failed":
        kind = item["InstanceType"]
        shown["FailureReason"] = f"We currently do not have sufficient capacity for {kind} instances. Please try again."
    return shown


def _there(here: Standing, name: str, now: datetime) -> bool:
    """Whether there is a notebook of this name, even one that is being deleted."""
    item = here.notebooks.get(name)
    return item is not None and not ("x_deleted" in item and now >= item["x_move"][2])


def _put_away(here: Standing, name: str) -> None:
    """A name is used again: the bill keeps what stood under it before."""
    here.work.past_notebooks.append((here.notebooks.pop(name), here.notebook_runs.pop(name, [])))


def _notebook(ask: Ask) -> dict[str, Any]:
    name = ask.params["NotebookInstanceName"]
    if not _there(ask.here, name, ask.now):
        raise Refused("ValidationException", "RecordNotFound")
    return ask.here.notebooks[name]


def _in_status(ask: Ask, target: str, *wanted: str) -> dict[str, Any]:
    """The notebook asked for, if it is in one of these states."""
    item = _notebook(ask)
    status = _status(ask.here, item, ask.now)
    if status not in wanted:
        arn = item["NotebookInstanceArn"]
        message = STUCK.format(status=status, wanted=", ".join(wanted), target=target, arn=arn)
        raise Refused("ValidationException", message)
    return item


def _config(ask: Ask, name: str) -> Thing:
    arn = ask.here.arn("notebook-instance-lifecycle-config", name)
    found = ask.here.work.notebook_configs.get(ask.now, name)
    missing = MISSING_CONFIG.format(arn=arn)
    return demand(found, missing, "ValidationException")


def _config_row(config: Thing) -> dict[str, Any]:
    return {
        "NotebookInstanceLifecycleConfigName": config.key[0],
        "NotebookInstanceLifecycleConfigArn": config.arn,
        "CreationTime": config.created,
        "LastModifiedTime": config.modified,
    }


HANDLERS: dict[str, Handler] = {
    "CreateNotebookInstance": create_notebook_instance,
    "DescribeNotebookInstance": describe_notebook_instance,
    "ListNotebookInstances": list_notebook_instances,
    "StartNotebookInstance": start_notebook_instance,
    "StopNotebookInstance": stop_notebook_instance,
    "UpdateNotebookInstance": update_notebook_instance,
    "DeleteNotebookInstance": delete_notebook_instance,
    "CreatePresignedNotebookInstanceUrl": create_presigned_notebook_instance_url,
    "CreateNotebookInstanceLifecycleConfig": create_notebook_instance_lifecycle_config,
    "DescribeNotebookInstanceLifecycleConfig": describe_notebook_instance_lifecycle_config,
    "ListNotebookInstanceLifecycleConfigs": list_notebook_instance_lifecycle_configs,
    "UpdateNotebookInstanceLifecycleConfig": update_notebook_instance_lifecycle_config,
    "DeleteNotebookInstanceLifecycleConfig": delete_notebook_instance_lifecycle_config,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Start", "Stop", "Update", "Delete"))} - {
    "CreatePresignedNotebookInstanceUrl"
}
