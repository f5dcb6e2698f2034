"""Studio's apps: JupyterLab and CodeEditor in spaces, KernelGateway and JupyterServer of users; idle ones stop themselves.

An app is paid for from InService to its deletion (aws-facts 1.6). Where idle shutdown is enabled for the domain or the
user, an app ends once nobody has opened it for the idle time that held when it started (2.12). Opening Studio by a
presigned address is what counts as use here. What `LastUserActivityTimestamp` tells is no evidence of use: health
checks move it too, as in AWS.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Key, Thing, token
from sagekeeper.simulator.world import FOREVER, Standing

START_SECONDS, STOP_SECONDS = 90, 20
HEALTH_CHECK = timedelta(minutes=5)
SHOWN_DELETED = timedelta(hours=24)
"""How long a deleted app is still listed."""
IN_SPACES, IDLE_AWARE = ("JupyterLab", "CodeEditor"), ("JupyterLab", "CodeEditor")
DEFAULT_TYPE = "ml.t3.medium"
"""AWS's default for apps other than JupyterServer, which shares a free instance of the service's own (`system`)."""


def create_app(ask: Ask) -> dict[str, Any]:
    params = ask.params
    holder, kind = _holder(ask), params["AppType"]
    key = _key(params)
    found = ask.here.work.apps.get(ask.now, *key)
    if found is not None and app_status(found, ask.now) != "Deleted":
        raise Refused("ResourceInUse", f"App [{params['AppName']}] already exists.")
    about = picked(params, "UserProfileName", "SpaceName", "RecoveryMode")
    idle = _idle_minutes(ask, holder, kind)
    about |= {"ResourceSpec": _resources(ask, holder, kind), "x_idle_minutes": idle}
    arn = ask.here.arn("app", "/".join((key[0], holder.key[1], kind.lower(), params["AppName"])))
    thing = made(ask, key, arn, about, "Pending", "InService", START_SECONDS)
    thing.runs = [(thing.ready, None)]
    ask.here.work.apps.put(thing)
    return {"AppArn": arn}


def describe_app(ask: Ask) -> dict[str, Any]:
    app = _app(ask)
    found = _row(app, ask.now) | {"AppArn": app.arn} | picked(app.about, "RecoveryMode")
    if found["Status"] == "InService":
        begun = app.runs[0][0]
        check = begun + (ask.now - begun) // HEALTH_CHECK * HEALTH_CHECK
        found |= {"LastHealthCheckTimestamp": check, "LastUserActivityTimestamp": max(check, used_last(app, ask.now))}
    return found


def list_apps(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = [
        _row(app, ask.now)
        for app in ask.here.work.apps.standing(ask.now)
        if params.get("DomainIdEquals") in (None, app.key[0])
        and params.get("UserProfileNameEquals") in (None, app.about.get("UserProfileName"))
        and params.get("SpaceNameEquals") in (None, app.about.get("SpaceName"))
        and ask.now - (paid_until(app) if paid_until(app) <= ask.now else ask.now) < SHOWN_DELETED
    ]
    part, more = chosen(ask, rows, "AppName", order="Ascending")
    return {"Apps": part} | more


def delete_app(ask: Ask) -> dict[str, Any]:
    app = _app(ask)
    if app_status(app, ask.now) in ("Deleted", "Deleting"):
        raise Refused("ResourceInUse", f"App [{app.key[-1]}] is in status {app_status(app, ask.now)}.")
    app.runs = [(app.runs[0][0], ask.now)]
    app.begin("Deleting", "Deleted", ask.now, STOP_SECONDS)
    return {}


def create_presigned_domain_url(ask: Ask) -> dict[str, Any]:
    """The user opens Studio: the apps of that user, or of the space named, have been used now."""
    domain, user = ask.params["DomainId"], ask.params["UserProfileName"]
    found = demand(ask.here.work.domains.get(ask.now, domain), f"Domain [{domain}] does not exist.")
    demand(ask.here.work.profiles.get(ask.now, domain, user), f"UserProfile [{user}] does not exist.")
    for app in ask.here.work.apps.standing(ask.now):
        if app.key[0] == domain and _opened(ask, app, user) and app_status(app, ask.now) == "InService":
            app.change(ask.now, x_used=ask.now)
    mark = token(domain, user, ask.now.isoformat(), length=40)
    return {"AuthorizedUrl": f"{found.about['Url']}/auth?token={mark}"}


def app_status(app: Thing, now: datetime) -> str:
    """Pending, InService, Deleting or Deleted; an app that stopped by itself is Deleted."""
    status = app.status(now)
    if status == "InService" and now >= paid_until(app):
        return "Deleting" if now < paid_until(app) + timedelta(seconds=STOP_SECONDS) else "Deleted"
    return status


def paid_until(app: Thing) -> datetime:
    """When an app ended or, if nobody uses it again, will end by itself."""
    begun, ended = app.runs[0]
    minutes = app.about.get("x_idle_minutes")
    idle = used_last(app, FOREVER) + timedelta(minutes=minutes) if minutes else FOREVER
    return max(min(ended or FOREVER, idle), min(begun, ended or FOREVER))


def used_last(app: Thing, now: datetime) -> datetime:
    """When its user had it open last: at its start at least."""
    uses = [about["x_used"] for at, about in app.history if "x_used" in about and at <= now]
    return max([app.runs[0][0], *uses])


def _opened(ask: Ask, app: Thing, user: str) -> bool:
    if ask.params.get("SpaceName"):
        return bool(app.about.get("SpaceName") == ask.params["SpaceName"])
    if app.about.get("UserProfileName") == user:
        return True
    space = ask.here.work.spaces.get(ask.now, app.key[0], app.about.get("SpaceName", ""))
    return space is not None and space.about.get("OwnershipSettings", {}).get("OwnerUserProfileName") == user


def _holder(ask: Ask) -> Thing:
    """The user or space that an app is made in."""
    params, work = ask.params, ask.here.work
    demand(work.domains.get(ask.now, params["DomainId"]), f"Domain [{params['DomainId']}] does not exist.")
    user, space = params.get("UserProfileName"), params.get("SpaceName")
    if (user is None) == (space is None):
        raise Refused("ValidationException", "Exactly one of UserProfileName and SpaceName must be specified.")
    if user is not None and params["AppType"] in IN_SPACES:
        raise Refused("ValidationException", f"Apps of type {params['AppType']} must be created in a space.")
    shelf, name, what = (work.profiles, user, "UserProfile") if user is not None else (work.spaces, space, "Space")
    holder = demand(shelf.get(ask.now, params["DomainId"], str(name)), f"{what} [{name}] does not exist.")
    if holder.status(ask.now) != "InService":
        raise Refused("ResourceInUse", f"{what} [{name}] is in status {holder.status(ask.now)}, it must be InService.")
    wanted = holder.about.get("SpaceSettings", {}).get("AppType")
    if wanted and wanted != params["AppType"]:
        raise Refused("ValidationException", f"Space [{name}] is of AppType {wanted}, not {params['AppType']}.")
    return holder


def _resources(ask: Ask, holder: Thing, kind: str) -> dict[str, Any]:
    """What the request asks for, else the space, the user, the domain; else AWS's default."""
    member = f"{kind}AppSettings"
    found: dict[str, Any] = {"InstanceType": "system" if kind in ("JupyterServer", "Canvas") else DEFAULT_TYPE}
    for settings in reversed(_settings(ask.here, holder, ask.now)):
        found |= settings.get(member, {}).get("DefaultResourceSpec", {})
    return found | ask.params.get("ResourceSpec", {})


def _idle_minutes(ask: Ask, holder: Thing, kind: str) -> int | None:
    """The idle time that holds for an app started now: enabled by domain or user, set there or in the space."""
    if kind not in IDLE_AWARE:
        return None
    rules: dict[str, Any] = {}
    for settings in reversed(_settings(ask.here, holder, ask.now)):
        rules |= settings.get(f"{kind}AppSettings", {}).get("AppLifecycleManagement", {}).get("IdleSettings", {})
    if rules.get("LifecycleManagement") != "ENABLED" or "IdleTimeoutInMinutes" not in rules:
        return None
    least, most = rules.get("MinIdleTimeoutInMinutes", 60), rules.get("MaxIdleTimeoutInMinutes", 525_600)
    return int(min(max(rules["IdleTimeoutInMinutes"], least), most))


def _settings(here: Standing, holder: Thing, now: datetime) -> list[dict[str, Any]]:
    """Settings from the nearest to the widest: space, its owner or the user, domain."""
    domain, about = here.work.domains.get(now, holder.key[0]), holder.about
    found = [about.get("SpaceSettings", {})]
    user = about.get("OwnershipSettings", {}).get("OwnerUserProfileName", holder.key[1])
    profile = here.work.profiles.get(now, holder.key[0], user)
    found.append(profile.about.get("UserSettings", {}) if profile else {})
    return [*found, domain.about.get("DefaultUserSettings", {}) if domain else {}]


def _app(ask: Ask) -> Thing:
    name, user, space = ask.params["AppName"], ask.params.get("UserProfileName"), ask.params.get("SpaceName")
    if (user is None) == (space is None):
        raise Refused("ValidationException", "Exactly one of UserProfileName and SpaceName must be specified.")
    app = ask.here.work.apps.get(ask.now, *_key(ask.params))
    return demand(app, f"App [{name}] does not exist.")


def _key(params: dict[str, Any]) -> Key:
    holder = params.get("UserProfileName") or f"space/{params.get('SpaceName')}"
    return params["DomainId"], holder, params["AppType"], params["AppName"]


def _row(app: Thing, now: datetime) -> dict[str, Any]:
    names = {"DomainId": app.key[0], "AppType": app.key[2], "AppName": app.key[3]}
    shown = picked(app.about, "UserProfileName", "SpaceName", "ResourceSpec")
    return names | shown | {"Status": app_status(app, now), "CreationTime": app.created}


HANDLERS: dict[str, Handler] = {
    "CreateApp": create_app,
    "DescribeApp": describe_app,
    "ListApps": list_apps,
    "DeleteApp": delete_app,
    "CreatePresignedDomainUrl": create_presigned_domain_url,
}
MUTATING = {"CreateApp", "DeleteApp", "CreatePresignedDomainUrl"}
