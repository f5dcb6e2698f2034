"""The Resource Groups Tagging API: everything of the account that has tags, SageMaker's and moto's, in one list.

In: the tags that `tagging` keeps of SageMaker's resources, and moto's own generators for every other service. Out: resources
by tag, type or ARN, in pages; keys and values; tags put onto and taken off many resources at once. Resources that never
had a tag are not listed, as on AWS. Reports of tag policies are not there (501).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.resourcegroupstaggingapi.models import resourcegroupstaggingapi_backends

from sagekeeper.simulator import tagging
from sagekeeper.simulator.operations import Ask, Handler, Refused

SAGEMAKER = ":sagemaker:"
MOST_RESOURCES, MOST_ARNS, USUAL = 100, 100, 50
LEAST_TAGS, MOST_TAGS = 100, 500
Tagged = tuple[str, dict[str, str]]


def get_resources(ask: Ask) -> dict[str, Any]:
    """Resources with their tags, by ARN."""
    params = ask.params
    size, tags = params.get("ResourcesPerPage", USUAL), params.get("TagsPerPage", LEAST_TAGS)
    if not 1 <= size <= MOST_RESOURCES:
        raise _wrong("ResourcesPerPage must be between 1 and 100")
    if not LEAST_TAGS <= tags <= MOST_TAGS:
        raise _wrong("TagsPerPage must be between 100 and 500")
    arns, filters = params.get("ResourceARNList"), params.get("TagFilters") or []
    types = params.get("ResourceTypeFilters") or []
    if arns and (filters or types):
        raise _wrong("ResourceARNList cannot be used together with other filters.")
    found = [item for item in _tagged(ask) if _wanted(item, arns, types, filters)]
    part, token = _page(ask, found, size)
    told = [{"ResourceARN": arn, "Tags": [{"Key": key, "Value": held[key]} for key in held]} for arn, held in part]
    return {"PaginationToken": token, "ResourceTagMappingList": told}


def get_tag_keys(ask: Ask) -> dict[str, Any]:
    """Every key in use."""
    part, token = _page(ask, sorted({key for _, held in _tagged(ask) for key in held}), USUAL)
    return {"PaginationToken": token, "TagKeys": part}


def get_tag_values(ask: Ask) -> dict[str, Any]:
    """Every value in use of a key."""
    key = ask.params["Key"]
    part, token = _page(ask, sorted({held[key] for _, held in _tagged(ask) if key in held}), USUAL)
    return {"PaginationToken": token, "TagValues": part}


def tag_resources(ask: Ask) -> dict[str, Any]:
    """Tags onto resources; those that could not be tagged, with why."""
    tags = ask.params["Tags"]
    if any(key.lower().startswith("aws:") for key in tags):
        raise _wrong("Tag keys cannot start with 'aws:'")
    given = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    others = resourcegroupstaggingapi_backends[ask.account][ask.region].tag_resources
    return _each(ask, "AddTags", given, lambda arns: others(arns, tags))


def untag_resources(ask: Ask) -> dict[str, Any]:
    """Tags off resources."""
    keys = ask.params["TagKeys"]
    others = resourcegroupstaggingapi_backends[ask.account][ask.region].untag_resources
    return _each(ask, "DeleteTags", {"TagKeys": keys}, lambda arns: others(arns, keys))


def _each(ask: Ask, operation: str, given: dict[str, Any], others: Any) -> dict[str, Any]:
    failed: dict[str, Any] = {}
    for arn in ask.params["ResourceARNList"]:
        if SAGEMAKER not in arn:
            failed |= others([arn])
            continue
        try:
            tagging.HANDLERS[operation](
                Ask(ask.house, ask.account, ask.region, {"ResourceArn": arn} | given, ask.now, ask.address)
            )
        except Refused as refused:
            failed[arn] = {
                "StatusCode": 400,
                "ErrorCode": "InvalidParameterException",
                "ErrorMessage": refused.message,
            }
    return {"FailedResourcesMap": failed}


def _tagged(ask: Ask) -> Iterator[Tagged]:
    """All of the account and region that has tags, SageMaker's first."""
    for arn, tags in sorted(ask.here.tags.items()):
        if tags and SAGEMAKER in arn and tagging.stands(ask.here, arn, ask.now):
            yield arn, tags
    backend = resourcegroupstaggingapi_backends[ask.account][ask.region]
    for item in backend._get_resources_generator(tag_filters=None, resource_type_filters=None):
        if SAGEMAKER not in item.arn and item.tags:
            yield item.arn, dict(item.tags)


def _wanted(item: Tagged, arns: list[str] | None, types: list[str], filters: list[dict[str, Any]]) -> bool:
    arn, tags = item
    if arns:
        return arn in arns
    service, rest = arn.split(":")[2], arn.split(":", 5)[-1]
    kind = f"{service}:{rest.partition('/')[0].partition(':')[0]}"
    if types and service not in types and kind not in types:
        return False
    return all(
        wish["Key"] in tags and (not wish.get("Values") or tags[wish["Key"]] in wish["Values"]) for wish in filters
    )


def _page(ask: Ask, found: list[Any], size: int) -> tuple[list[Any], str]:
    token = ask.params.get("PaginationToken") or "0"
    if not token.isdigit() or int(token) > len(found):
        raise Refused("PaginationTokenExpiredException", "The pagination token is expired or was never given out.")
    start = int(token)
    return found[start : start + size], str(start + size) if start + size < len(found) else ""


def _wrong(message: str) -> Refused:
    return Refused("InvalidParameterException", message)


HANDLERS: dict[str, Handler] = {
    "GetResources": get_resources,
    "GetTagKeys": get_tag_keys,
    "GetTagValues": get_tag_values,
    "TagResources": tag_resources,
    "UntagResources": untag_resources,
}
MUTATING = {"TagResources", "UntagResources"}
