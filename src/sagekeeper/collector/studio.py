"""Studio's apps, which are paid for by the hour, its spaces, whose volumes are paid for while they stand, and whose they are.

In: ListApps, ListSpaces and ListUserProfiles, and a Describe of each for its ARN. Out: `inventory` rows of the kinds
``studio_app``, ``studio_space`` and ``user_profile``, named ``<domain>/<user or space>/<type>/<app>``, ``<domain>/<space>``
and ``<domain>/<user>``: an app's own name is unique within its space only. Apps that are deleted stay in AWS's list for a
day; they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from sagekeeper.collector.inventory_rows import DESCRIBERS, as_json, blank_row, tags_of
from sagekeeper.collector.source import Task, is_gone, pages

APP_KEY = ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")
SPACE_KEY = ("DomainId", "SpaceName")
PROFILE_KEY = ("DomainId", "UserProfileName")
GONE = ("Deleted", "Deleting")


def studio_rows(task: Task) -> list[dict[str, Any]]:
    """Everything of Studio that stands now."""
    client = task.client("sagemaker")
    apps = [app for app in pages(client, "list_apps", "Apps", MaxResults=100) if app["Status"] not in GONE]
    spaces = [space for space in pages(client, "list_spaces", "Spaces", MaxResults=100) if space["Status"] not in GONE]
    profiles = list(pages(client, "list_user_profiles", "UserProfiles", MaxResults=100))
    return [
        *_described(task, "user_profile", profiles, PROFILE_KEY, client.describe_user_profile, "UserProfileArn"),
        *_described(task, "studio_app", apps, APP_KEY, client.describe_app, "AppArn"),
        *_described(task, "studio_space", spaces, SPACE_KEY, client.describe_space, "SpaceArn"),
    ]


def _described(
    task: Task, kind: str, listed: list[dict[str, Any]], key: tuple[str, ...], describe: Callable[..., Any], arn: str
) -> Iterator[dict[str, Any]]:
    def row(item: dict[str, Any]) -> dict[str, Any] | None:
        named = {part: item[part] for part in key if part in item}
        name = "/".join(named.values())
        try:
            answer = {key: value for key, value in describe(**named).items() if key != "ResponseMetadata"}
        except ClientError as error:
            if not is_gone(error):
                raise
            task.note(f"{kind} {name} vanished while it was read and is left out.")
            return None
        created = answer.get("CreationTime")
        return blank_row(task) | {
            "kind": kind,
            "name": name,
            "arn": answer[arn],
            "status": answer["Status"],
            "created_at": created,
            "changed_at": answer.get("LastModifiedTime") or created,
            # When a health check last came by says nothing and differs at every look.
            "config": as_json({name: value for name, value in answer.items() if name != "LastHealthCheckTimestamp"}),
            "tags": as_json(tags_of(task, answer[arn])),
        }

    with ThreadPoolExecutor(DESCRIBERS) as pool:
        yield from (found for found in pool.map(row, listed) if found is not None)
