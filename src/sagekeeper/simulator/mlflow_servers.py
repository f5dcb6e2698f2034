"""MLflow on SageMaker: tracking servers, paid for by the hour of their size while they run, and serverless MLflow apps.

States and what they allow: botocore's TrackingServerStatus; a stopped server keeps its data and costs no compute
(aws-facts 1.8).
"""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing, token

CREATING, STARTING, STOPPING, UPDATING, DELETING = 1500, 300, 300, 600, 300
"""Seconds; AWS says up to 25 minutes for a new server."""
APP_SECONDS = 120
DEFAULT_VERSION, DEFAULT_SIZE, DEFAULT_WINDOW = "2.16.2", "Small", "Tue:03:30"
STEADY = {"Created", "Updated", "Started"}
SORTS = {"Name": "TrackingServerName", "Status": "TrackingServerStatus"}
APP_SORTS = {"Name": "Name", "Status": "Status"}
APP_MEMBERS = (
    "Name",
    "ArtifactStoreUri",
    "ModelRegistrationMode",
    "WeeklyMaintenanceWindowStart",
    "AccountDefaultStatus",
)


def create_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    params, name = ask.params, ask.params["TrackingServerName"]
    if ask.here.work.mlflow_servers.get(ask.now, name):
        raise Refused("ValidationException", f"Tracking server {name} already exists.")
    _artifacts(params["ArtifactStoreUri"])
    about = picked(params, "ArtifactStoreUri", "RoleArn", "S3BucketOwnerAccountId", "S3BucketOwnerVerification") | {
        "TrackingServerSize": params.get("TrackingServerSize", DEFAULT_SIZE),
        "MlflowVersion": params.get("MlflowVersion", DEFAULT_VERSION),
        "AutomaticModelRegistration": params.get("AutomaticModelRegistration", False),
        "WeeklyMaintenanceWindowStart": params.get("WeeklyMaintenanceWindowStart", DEFAULT_WINDOW),
        "TrackingServerUrl": f"https://t-{token(ask.account, name)}.{ask.region}.experiments.sagemaker.aws",
    }
    arn = ask.here.arn("mlflow-tracking-server", name)
    server = made(ask, (name,), arn, about, "Creating", "Created", CREATING)
    server.runs = [(server.ready, None)]
    ask.here.work.mlflow_servers.put(server)
    return {"TrackingServerArn": arn}


def describe_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    server = _server(ask)
    return _server_row(server, ask) | server.about | {"CreatedBy": {}, "LastModifiedBy": {}}


def list_mlflow_tracking_servers(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = [
        row
        for server in ask.here.work.mlflow_servers.standing(ask.now)
        if (row := _server_row(server, ask))
        and params.get("TrackingServerStatus") in (None, row["TrackingServerStatus"])
        and params.get("MlflowVersion") in (None, row["MlflowVersion"])
    ]
    part, more = chosen(ask, rows, "TrackingServerName", SORTS)
    return {"TrackingServerSummaries": part} | more


def update_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    server = _in_states(ask, "updated", STEADY)
    given = ("ArtifactStoreUri", "TrackingServerSize", "AutomaticModelRegistration", "WeeklyMaintenanceWindowStart")
    new = picked(ask.params, *given, "S3BucketOwnerAccountId", "S3BucketOwnerVerification")
    if "ArtifactStoreUri" in new:
        _artifacts(new["ArtifactStoreUri"])
    server.change(ask.now, **new)
    server.begin("Updating", "Updated", ask.now, UPDATING)
    return {"TrackingServerArn": server.arn}


def start_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    server = _in_states(ask, "started", {"Stopped", "StartFailed"})
    server.begin("Starting", "Started", ask.now, STARTING)
    server.runs.append((server.ready, None))
    return {"TrackingServerArn": server.arn}


def stop_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    server = _in_states(ask, "stopped", STEADY)
    _end_run(server, ask)
    server.begin("Stopping", "Stopped", ask.now, STOPPING)
    return {"TrackingServerArn": server.arn}


def delete_mlflow_tracking_server(ask: Ask) -> dict[str, Any]:
    server = _in_states(ask, "deleted", STEADY | {"Stopped", "CreateFailed"})
    _end_run(server, ask)
    server.begin("Deleting", "", ask.now, DELETING)
    return {"TrackingServerArn": server.arn}


def create_presigned_mlflow_tracking_server_url(ask: Ask) -> dict[str, Any]:
    server = _in_states(ask, "opened", STEADY)
    mark = token(server.arn, ask.now.isoformat(), length=40)
    return {"AuthorizedUrl": f"{server.about['TrackingServerUrl']}/auth?authToken={mark}"}


def create_mlflow_app(ask: Ask) -> dict[str, Any]:
    params, shelf = ask.params, ask.here.work.mlflow_apps
    if any(app.about["Name"] == params["Name"] for app in shelf.standing(ask.now)):
        raise Refused("ValidationException", f"MLflow App {params['Name']} already exists.")
    _artifacts(params["ArtifactStoreUri"])
    about = picked(params, *APP_MEMBERS, "RoleArn", "KmsKeyId", "DefaultDomainIdList")
    about |= {
        "MlflowVersion": "3.4",
        "WeeklyMaintenanceWindowStart": about.get("WeeklyMaintenanceWindowStart", DEFAULT_WINDOW),
    }
    arn = ask.here.arn(
        "mlflow-app", f"app-{token(ask.account, ask.region, params['Name'], str(len(shelf.lives))).upper()}"
    )
    shelf.put(made(ask, (arn,), arn, about, "Creating", "Created", APP_SECONDS))
    return {"Arn": arn}


def describe_mlflow_app(ask: Ask) -> dict[str, Any]:
    app = _app(ask)
    return _app_row(app, ask) | app.about


def list_mlflow_apps(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = [
        _app_row(app, ask)
        for app in ask.here.work.mlflow_apps.standing(ask.now)
        if params.get("Status") in (None, app.status(ask.now))
        and params.get("MlflowVersion") in (None, app.about["MlflowVersion"])
        and params.get("AccountDefaultStatus") in (None, app.about.get("AccountDefaultStatus"))
        and params.get("DefaultForDomainId") in (None, *app.about.get("DefaultDomainIdList", []))
    ]
    part, more = chosen(ask, rows, "Name", APP_SORTS)
    return {"Summaries": part} | more


def update_mlflow_app(ask: Ask) -> dict[str, Any]:
    app = _steady_app(ask)
    app.change(ask.now, **picked(ask.params, *APP_MEMBERS, "DefaultDomainIdList"))
    app.begin("Updating", "Updated", ask.now, APP_SECONDS)
    return {"Arn": app.arn}


def delete_mlflow_app(ask: Ask) -> dict[str, Any]:
    app = _steady_app(ask)
    app.begin("Deleting", "", ask.now, APP_SECONDS)
    return {"Arn": app.arn}


def create_presigned_mlflow_app_url(ask: Ask) -> dict[str, Any]:
    app = _app(ask)
    mark, secret = app.arn.rpartition("/")[2].lower(), token(app.arn, ask.now.isoformat(), length=40)
    return {"AuthorizedUrl": f"https://{mark}.mlflow.{ask.region}.app.sagemaker.aws/auth?authToken={secret}"}


def _server(ask: Ask) -> Thing:
    name = ask.params["TrackingServerName"]
    found = ask.here.work.mlflow_servers.get(ask.now, name)
    return demand(found, f"Tracking server with name {name} not found.")


def _in_states(ask: Ask, done: str, states: set[str]) -> Thing:
    server = _server(ask)
    status = server.status(ask.now)
    if status not in states:
        message = f"Tracking server {server.key[0]} is in status {status} and cannot be {done}."
        raise Refused("ConflictException", message)
    return server


def _end_run(server: Thing, ask: Ask) -> None:
    """What is paid for ends now."""
    if server.runs and server.runs[-1][1] is None:
        server.runs[-1] = (server.runs[-1][0], ask.now)


def _server_row(server: Thing, ask: Ask) -> dict[str, Any]:
    status = server.status(ask.now)
    active = status in STEADY | {"Updating"}
    return {
        "TrackingServerArn": server.arn,
        "TrackingServerName": server.key[0],
        "CreationTime": server.created,
        "LastModifiedTime": server.ready if server.ready <= ask.now else server.modified,
        "TrackingServerStatus": status,
        "IsActive": "Active" if active else "Inactive",
        "MlflowVersion": server.about["MlflowVersion"],
    }


def _app(ask: Ask) -> Thing:
    arn = ask.params["Arn"]
    return demand(ask.here.work.mlflow_apps.get(ask.now, arn), f"MLflow App {arn} not found.")


def _steady_app(ask: Ask) -> Thing:
    app = _app(ask)
    if app.status(ask.now) not in ("Created", "Updated"):
        raise Refused("ConflictException", f"MLflow App {app.arn} is in status {app.status(ask.now)}.")
    return app


def _app_row(app: Thing, ask: Ask) -> dict[str, Any]:
    return {
        "Arn": app.arn,
        "Name": app.about["Name"],
        "Status": app.status(ask.now),
        "CreationTime": app.created,
        "LastModifiedTime": app.ready if app.ready <= ask.now else app.modified,
        "MlflowVersion": app.about["MlflowVersion"],
    }


def _artifacts(uri: str) -> None:
    if not uri.startswith("s3://"):
        raise Refused("ValidationException", f"ArtifactStoreUri {uri} is not an S3 address.")


HANDLERS: dict[str, Handler] = {
    "CreateMlflowTrackingServer": create_mlflow_tracking_server,
    "DescribeMlflowTrackingServer": describe_mlflow_tracking_server,
    "ListMlflowTrackingServers": list_mlflow_tracking_servers,
    "UpdateMlflowTrackingServer": update_mlflow_tracking_server,
    "StartMlflowTrackingServer": start_mlflow_tracking_server,
    "StopMlflowTrackingServer": stop_mlflow_tracking_server,
    "DeleteMlflowTrackingServer": delete_mlflow_tracking_server,
    "CreatePresignedMlflowTrackingServerUrl": create_presigned_mlflow_tracking_server_url,
    "CreateMlflowApp": create_mlflow_app,
    "DescribeMlflowApp": describe_mlflow_app,
    "ListMlflowApps": list_mlflow_apps,
    "UpdateMlflowApp": update_mlflow_app,
    "DeleteMlflowApp": delete_mlflow_app,
    "CreatePresignedMlflowAppUrl": create_presigned_mlflow_app_url,
}
MUTATING = {
    name
    for name in HANDLERS
    if name.startswith(("Create", "Start", "Stop", "Update", "Delete")) and "Presigned" not in name
}
