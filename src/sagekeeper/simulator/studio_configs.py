"""Studio's lifecycle configurations and app image configurations: named, listed, deleted unless somebody uses them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sagekeeper.simulator.keeping import chosen, demand, made, picked
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.things import Thing

SORTS = {"LastModifiedTime": "LastModifiedTime"}
IMAGE_SETTINGS = ("KernelGatewayImageConfig", "JupyterLabAppImageConfig", "CodeEditorAppImageConfig")


def create_studio_lifecycle_config(ask: Ask) -> dict[str, Any]:
    name, content = ask.params["StudioLifecycleConfigName"], ask.params["StudioLifecycleConfigContent"]
    if ask.here.work.studio_configs.get(ask.now, name):
        raise Refused("ResourceInUse", f"StudioLifecycleConfig {name} already exists.")
    try:
        base64.b64decode(content, validate=True)
    except binascii.Error as wrong:
        raise Refused("ValidationException", "StudioLifecycleConfigContent is not Base64 encoded.") from wrong
    about = picked(ask.params, "StudioLifecycleConfigContent", "StudioLifecycleConfigAppType")
    arn = ask.here.arn("studio-lifecycle-config", name)
    ask.here.work.studio_configs.put(made(ask, (name,), arn, about, "", "there", 0))
    return {"StudioLifecycleConfigArn": arn}


def describe_studio_lifecycle_config(ask: Ask) -> dict[str, Any]:
    config = _lifecycle(ask)
    return _lifecycle_row(config) | picked(config.about, "StudioLifecycleConfigContent")


def list_studio_lifecycle_configs(ask: Ask) -> dict[str, Any]:
    kind = ask.params.get("AppTypeEquals")
    rows = [
        _lifecycle_row(config)
        for config in ask.here.work.studio_configs.standing(ask.now)
        if kind in (None, config.about["StudioLifecycleConfigAppType"])
    ]
    part, more = chosen(ask, rows, "StudioLifecycleConfigName", SORTS)
    return {"StudioLifecycleConfigs": part} | more


def delete_studio_lifecycle_config(ask: Ask) -> dict[str, Any]:
    config, work = _lifecycle(ask), ask.here.work
    for what, shelf in (("Domain", work.domains), ("UserProfile", work.profiles), ("Space", work.spaces)):
        users = [thing.key[-1] for thing in shelf.standing(ask.now) if config.arn in str(thing.about)]
        if users:
            raise Refused("ResourceInUse", f"StudioLifecycleConfig [{config.key[0]}] is in use by {what} [{users[0]}].")
    config.begin("", "", ask.now, 0)
    return {}


def create_app_image_config(ask: Ask) -> dict[str, Any]:
    name = ask.params["AppImageConfigName"]
    if ask.here.work.app_images.get(ask.now, name):
        raise Refused("ResourceInUse", f"AppImageConfig {name} already exists.")
    arn = ask.here.arn("app-image-config", name)
    ask.here.work.app_images.put(made(ask, (name,), arn, picked(ask.params, *IMAGE_SETTINGS), "", "there", 0))
    return {"AppImageConfigArn": arn}


def describe_app_image_config(ask: Ask) -> dict[str, Any]:
    return _image_row(_image(ask))


def list_app_image_configs(ask: Ask) -> dict[str, Any]:
    rows = [_image_row(config) for config in ask.here.work.app_images.standing(ask.now)]
    part, more = chosen(ask, rows, "AppImageConfigName", SORTS)
    return {"AppImageConfigs": part} | more


def update_app_image_config(ask: Ask) -> dict[str, Any]:
    config = _image(ask)
    config.change(ask.now, **picked(ask.params, *IMAGE_SETTINGS))
    config.begin("", "there", ask.now, 0)
    return {"AppImageConfigArn": config.arn}


def delete_app_image_config(ask: Ask) -> dict[str, Any]:
    _image(ask).begin("", "", ask.now, 0)
    return {}


def _lifecycle(ask: Ask) -> Thing:
    name = ask.params["StudioLifecycleConfigName"]
    found = ask.here.work.studio_configs.get(ask.now, name)
    return demand(found, f"StudioLifecycleConfig [{name}] does not exist.")


def _image(ask: Ask) -> Thing:
    name = ask.params["AppImageConfigName"]
    return demand(ask.here.work.app_images.get(ask.now, name), f"AppImageConfig [{name}] does not exist.")


def _lifecycle_row(config: Thing) -> dict[str, Any]:
    return {
        "StudioLifecycleConfigArn": config.arn,
        "StudioLifecycleConfigName": config.key[0],
        "CreationTime": config.created,
        "LastModifiedTime": config.modified,
        "StudioLifecycleConfigAppType": config.about["StudioLifecycleConfigAppType"],
    }


def _image_row(config: Thing) -> dict[str, Any]:
    return {
        "AppImageConfigArn": config.arn,
        "AppImageConfigName": config.key[0],
        "CreationTime": config.created,
        "LastModifiedTime": config.modified,
    } | config.about


HANDLERS: dict[str, Handler] = {
    "CreateStudioLifecycleConfig": create_studio_lifecycle_config,
    "DescribeStudioLifecycleConfig": describe_studio_lifecycle_config,
    "ListStudioLifecycleConfigs": list_studio_lifecycle_configs,
    "DeleteStudioLifecycleConfig": delete_studio_lifecycle_config,
    "CreateAppImageConfig": create_app_image_config,
    "DescribeAppImageConfig": describe_app_image_config,
    "ListAppImageConfigs": list_app_image_configs,
    "UpdateAppImageConfig": update_app_image_config,
    "DeleteAppImageConfig": delete_app_image_config,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
