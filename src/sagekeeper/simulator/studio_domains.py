"""Studio's domains, and the user profiles and spaces in them: their settings, states and volumes.

A domain keeps what lives in it: it cannot be deleted before its users and spaces, a space or user not before its apps
(aws-facts 1.6). The volume of a space is paid for until the space is deleted, apps or none.
"""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.studio_apps import app_status
from sagekeeper.simulator.things import Thing, merged, token

DOMAIN_SECONDS, MEMBER_SECONDS, UPDATE_SECONDS, DELETE_SECONDS = 180, 20, 30, 20
DEFAULT_VOLUME_GB = 5
"""The smallest volume a space may have, and what it gets when nobody names a size (botocore SpaceEbsVolumeSizeInGb)."""
SORTS = {"LastModifiedTime": "LastModifiedTime"}


def create_domain(ask: Ask) -> dict[str, Any]:
    params = ask.params
    if params.get("VpcId") is None and params.get("AppNetworkAccessType") == "VpcOnly":
        raise Refused("ValidationException", "VpcId and SubnetIds are required when AppNetworkAccessType is VpcOnly.")
    same = [
        thing for thing in ask.here.work.domains.standing(ask.now) if thing.about["DomainName"] == params["DomainName"]
    ]
    if same:
        raise Refused("ResourceInUse", f"Domain {params['DomainName']} already exists with id {same[0].key[0]}.")
    number = sum(len(lives) for lives in ask.here.work.domains.lives.values())
    mark = token(ask.account, ask.region, params["DomainName"], str(number))
    domain_id = f"d-{mark}"
    about = picked(
        params,
        "DomainName",
        "AuthMode",
        "DefaultUserSettings",
        "DomainSettings",
        "SubnetIds",
        "VpcId",
        "HomeEfsFileSystemKmsKeyId",
        "KmsKeyId",
        "AppSecurityGroupManagement",
        "TagPropagation",
        "DefaultSpaceSettings",
    ) | {
        "AppNetworkAccessType": params.get("AppNetworkAccessType", "PublicInternetOnly"),
        "HomeEfsFileSystemCreation": params.get("HomeEfsFileSystemCreation", "Enabled"),
        "TagPropagation": params.get("TagPropagation", "DISABLED"),
        "Url": f"https://{domain_id}.studio.{ask.region}.sagemaker.aws",
    }
    if about["HomeEfsFileSystemCreation"] == "Enabled":
        about["HomeEfsFileSystemId"] = f"fs-{_hexadecimal(mark)}"
    arn = ask.here.arn("domain", domain_id)
    ask.here.work.domains.put(made(ask, (domain_id,), arn, about, "Pending", "InService", DOMAIN_SECONDS))
    return {"DomainArn": arn, "DomainId": domain_id, "Url": about["Url"]}


def describe_domain(ask: Ask) -> dict[str, Any]:
    domain = _domain(ask)
    return _dated(domain, ask) | {"DomainArn": domain.arn, "DomainId": domain.key[0]} | domain.about


def list_domains(ask: Ask) -> dict[str, Any]:
    rows = [
        _dated(domain, ask)
        | {"DomainArn": domain.arn, "DomainId": domain.key[0]}
        | picked(domain.about, "DomainName", "Url")
        for domain in ask.here.work.domains.standing(ask.now)
    ]
    part, more = chosen(ask, rows, "DomainName")
    return {"Domains": part} | more


def update_domain(ask: Ask) -> dict[str, Any]:
    domain = _ready(_domain(ask), ask, "Domain")
    given = picked(
        ask.params,
        "DefaultUserSettings",
        "AppSecurityGroupManagement",
        "DefaultSpaceSettings",
        "SubnetIds",
        "AppNetworkAccessType",
        "TagPropagation",
        "VpcId",
    )
    if "DomainSettingsForUpdate" in ask.params:
        given["DomainSettings"] = ask.params["DomainSettingsForUpdate"]
    domain.change(ask.now, **merged(domain.about, given))
    domain.begin("Updating", "InService", ask.now, UPDATE_SECONDS)
    return {"DomainArn": domain.arn}


def delete_domain(ask: Ask) -> dict[str, Any]:
    domain, work = _domain(ask), ask.here.work
    for shelf, what in ((work.apps, "App"), (work.profiles, "UserProfile"), (work.spaces, "Space")):
        inside = [thing for thing in shelf.standing(ask.now) if thing.key[0] == domain.key[0]]
        if any(shelf is not work.apps or app_status(thing, ask.now) != "Deleted" for thing in inside):
            raise Refused(
                "ResourceInUse", f"Unable to delete Domain [{domain.key[0]}] because {what}(s) are associated with it."
            )
    domain.begin("Deleting", "", ask.now, DELETE_SECONDS)
    return {}


def create_user_profile(ask: Ask) -> dict[str, Any]:
    domain, name = _ready(_domain(ask), ask, "Domain"), ask.params["UserProfileName"]
    shelf = ask.here.work.profiles
    if shelf.get(ask.now, domain.key[0], name):
        raise Refused("ResourceInUse", f"UserProfile {name} already exists.")
    about = picked(ask.params, "SingleSignOnUserIdentifier", "SingleSignOnUserValue", "UserSettings")
    about["HomeEfsFileSystemUid"] = str(200_000 + 5 * len(shelf.lives))
    arn = ask.here.arn("user-profile", f"{domain.key[0]}/{name}")
    shelf.put(made(ask, (domain.key[0], name), arn, about, "Pending", "InService", MEMBER_SECONDS))
    return {"UserProfileArn": arn}


def describe_user_profile(ask: Ask) -> dict[str, Any]:
    profile = _profile(ask)
    return _dated(profile, ask) | _names(profile, "UserProfileName") | {"UserProfileArn": profile.arn} | profile.about


def list_user_profiles(ask: Ask) -> dict[str, Any]:
    rows = [
        _dated(profile, ask) | _names(profile, "UserProfileName")
        for profile in ask.here.work.profiles.standing(ask.now)
        if ask.params.get("DomainIdEquals") in (None, profile.key[0])
        and ask.params.get("UserProfileNameContains", "").lower() in profile.key[1].lower()
    ]
    part, more = chosen(ask, rows, "UserProfileName", SORTS, "Ascending")
    return {"UserProfiles": part} | more


def update_user_profile(ask: Ask) -> dict[str, Any]:
    profile = _ready(_profile(ask), ask, "UserProfile")
    profile.change(ask.now, **merged(profile.about, picked(ask.params, "UserSettings")))
    profile.begin("Updating", "InService", ask.now, MEMBER_SECONDS)
    return {"UserProfileArn": profile.arn}


def delete_user_profile(ask: Ask) -> dict[str, Any]:
    profile = _profile(ask)
    _no_apps(ask, profile, "UserProfileName", "UserProfile")
    owned = [
        space
        for space in ask.here.work.spaces.standing(ask.now)
        if space.key[0] == profile.key[0]
        and space.about.get("OwnershipSettings", {}).get("OwnerUserProfileName") == profile.key[1]
    ]
    if owned:
        raise Refused("ResourceInUse", f"Unable to delete UserProfile [{profile.key[1]}] because it owns Space(s).")
    profile.begin("Deleting", "", ask.now, DELETE_SECONDS)
    return {}


def create_space(ask: Ask) -> dict[str, Any]:
    domain, name = _ready(_domain(ask), ask, "Domain"), ask.params["SpaceName"]
    shelf, owner = ask.here.work.spaces, ask.params.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    if shelf.get(ask.now, domain.key[0], name):
        raise Refused("ResourceInUse", f"Space {name} already exists.")
    if ("OwnershipSettings" in ask.params) != ("SpaceSharingSettings" in ask.params):
        raise Refused("ValidationException", "OwnershipSettings and SpaceSharingSettings must be specified together.")
    if owner is not None:
        demand(ask.here.work.profiles.get(ask.now, domain.key[0], owner), f"UserProfile [{owner}] does not exist.")
    about = picked(ask.params, "SpaceSettings", "OwnershipSettings", "SpaceSharingSettings", "SpaceDisplayName")
    about["HomeEfsFileSystemUid"] = str(300_000 + 5 * len(shelf.lives))
    about["Url"] = f"{domain.about['Url']}/jupyterlab/default/lab?space={name}"
    about["x_volume_gb"] = _volume(about, domain)
    arn = ask.here.arn("space", f"{domain.key[0]}/{name}")
    shelf.put(made(ask, (domain.key[0], name), arn, about, "Pending", "InService", MEMBER_SECONDS))
    return {"SpaceArn": arn}


def describe_space(ask: Ask) -> dict[str, Any]:
    space = _space(ask)
    about = {key: value for key, value in space.about.items() if not key.startswith("x_")}
    return _dated(space, ask) | _names(space, "SpaceName") | {"SpaceArn": space.arn} | about


def list_spaces(ask: Ask) -> dict[str, Any]:
    rows = [
        _dated(space, ask) | _names(space, "SpaceName") | _space_summary(space.about)
        for space in ask.here.work.spaces.standing(ask.now)
        if ask.params.get("DomainIdEquals") in (None, space.key[0])
        and ask.params.get("SpaceNameContains", "").lower() in space.key[1].lower()
    ]
    part, more = chosen(ask, rows, "SpaceName", SORTS, "Ascending")
    return {"Spaces": part} | more


def update_space(ask: Ask) -> dict[str, Any]:
    space, domain = _ready(_space(ask), ask, "Space"), _domain(ask)
    about = merged(space.about, picked(ask.params, "SpaceSettings", "SpaceDisplayName"))
    size = _volume(about, domain)
    if size < space.about["x_volume_gb"]:
        raise Refused("ValidationException", "The EBS volume size of a space can only be increased.")
    space.change(ask.now, **about | {"x_volume_gb": size})
    space.begin("Updating", "InService", ask.now, MEMBER_SECONDS)
    return {"SpaceArn": space.arn}


def delete_space(ask: Ask) -> dict[str, Any]:
    space = _space(ask)
    _no_apps(ask, space, "SpaceName", "Space")
    space.begin("Deleting", "", ask.now, DELETE_SECONDS)
    return {}


def _domain(ask: Ask) -> Thing:
    name = ask.params["DomainId"]
    return demand(ask.here.work.domains.get(ask.now, name), f"Domain [{name}] does not exist.")


def _profile(ask: Ask) -> Thing:
    name = ask.params["UserProfileName"]
    found = ask.here.work.profiles.get(ask.now, _domain(ask).key[0], name)
    return demand(found, f"UserProfile [{name}] does not exist.")


def _space(ask: Ask) -> Thing:
    name = ask.params["SpaceName"]
    return demand(ask.here.work.spaces.get(ask.now, _domain(ask).key[0], name), f"Space [{name}] does not exist.")


def _ready(thing: Thing, ask: Ask, what: str) -> Thing:
    status = thing.status(ask.now)
    if status != "InService":
        raise Refused("ResourceInUse", f"{what} [{thing.key[-1]}] is in status {status}, it must be InService.")
    return thing


def _no_apps(ask: Ask, holder: Thing, member: str, what: str) -> None:
    apps = [
        app
        for app in ask.here.work.apps.standing(ask.now)
        if app.key[0] == holder.key[0]
        and app.about.get(member) == holder.key[1]
        and app_status(app, ask.now) != "Deleted"
    ]
    if apps:
        raise Refused(
            "ResourceInUse", f"Unable to delete {what} [{holder.key[1]}] because App(s) are associated with it."
        )


def _dated(thing: Thing, ask: Ask) -> dict[str, Any]:
    modified = thing.ready if thing.ready <= ask.now else thing.modified
    return {"Status": thing.status(ask.now), "CreationTime": thing.created, "LastModifiedTime": modified}


def _names(thing: Thing, member: str) -> dict[str, Any]:
    return {"DomainId": thing.key[0], member: thing.key[1]}


def _space_summary(about: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = picked(about, "SpaceDisplayName")
    settings = picked(about.get("SpaceSettings", {}), "AppType", "SpaceStorageSettings", "RemoteAccess")
    for name, value in (
        ("SpaceSettingsSummary", settings),
        ("SpaceSharingSettingsSummary", about.get("SpaceSharingSettings")),
        ("OwnershipSettingsSummary", about.get("OwnershipSettings")),
    ):
        if value:
            found[name] = value
    return found


def _volume(about: dict[str, Any], domain: Thing) -> int:
    """Gigabytes: what the space asks for, else the domain's default."""
    settings, default = about.get("SpaceSettings", {}), domain.about.get("DefaultUserSettings", {})
    asked = settings.get("SpaceStorageSettings", {}).get("EbsStorageSettings", {}).get("EbsVolumeSizeInGb")
    usual = default.get("SpaceStorageSettings", {}).get("DefaultEbsStorageSettings", {})
    return int(asked or usual.get("DefaultEbsVolumeSizeInGb") or DEFAULT_VOLUME_GB)


def _hexadecimal(mark: str) -> str:
    return mark.encode().hex()[:17]


HANDLERS: dict[str, Handler] = {
    "CreateDomain": create_domain,
    "DescribeDomain": describe_domain,
    "ListDomains": list_domains,
    "UpdateDomain": update_domain,
    "DeleteDomain": delete_domain,
    "CreateUserProfile": create_user_profile,
    "DescribeUserProfile": describe_user_profile,
    "ListUserProfiles": list_user_profiles,
    "UpdateUserProfile": update_user_profile,
    "DeleteUserProfile": delete_user_profile,
    "CreateSpace": create_space,
    "DescribeSpace": describe_space,
    "ListSpaces": list_spaces,
    "UpdateSpace": update_space,
    "DeleteSpace": delete_space,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
