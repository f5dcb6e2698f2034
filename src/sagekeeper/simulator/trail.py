"""CloudTrail's event history of SageMaker: who changed what, for 90 days.

In: the journal's calls, what people did in the account (`deeds.py`). Out: `LookupEvents` beside moto's own trails. An event's
body is JSON as CloudTrail writes it: parameters with small first letters, who under ``userIdentity``. Only calls that change
something are kept here; other services' are not. Source: SageMaker developer guide, "Log Amazon SageMaker AI API calls".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.deeds import Deed
from sagekeeper.simulator.operations import Ask, Handler, Refused, page

KEPT = timedelta(days=90)
MOST = 50
SOURCE = "sagemaker.amazonaws.com"
UNKNOWN_USER = "test"
"""Whose keys are no session's."""


def lookup_events(ask: Ask) -> dict[str, Any]:
    """The events of this account and region in a time, by one attribute, the latest first."""
    start, end = ask.params.get("StartTime", ask.now - KEPT), ask.params.get("EndTime", ask.now)
    if start > end:
        raise Refused("InvalidTimeRangeException", "The start time must be before the end time.")
    asked = ask.params.get("LookupAttributes", [])
    if len(asked) > 1:
        raise Refused("InvalidLookupAttributesException", "You can only specify one attribute.")
    if not str(ask.params.get("NextToken") or "0").isdigit():
        raise Refused("InvalidNextTokenException", "The token is invalid.")
    found = [
        event
        for deed in _deeds(ask)
        if max(start, ask.now - KEPT) <= deed.at <= end
        for event in [_event(ask, deed)]
        if all(_value(event, item["AttributeKey"]) == item["AttributeValue"] for item in asked)
    ]
    found.sort(key=lambda event: event["EventTime"], reverse=True)
    part, more = page(found, ask.params, MOST)
    return {"Events": part} | more


def _deeds(ask: Ask) -> Iterator[Deed]:
    yield from ask.here.deeds
    for entry in ask.house.journal.entries:
        called = entry["sort"] == "call" and entry["service"] == "sagemaker"
        if called and (entry["account"], entry["region"]) == (ask.account, ask.region):
            role, session = entry.get("by") or ("", UNKNOWN_USER)
            yield Deed(datetime.fromisoformat(entry["at"]), entry["operation"], entry["parameters"], role, session)


def _event(ask: Ask, deed: Deed) -> dict[str, Any]:
    at = deed.at.replace(microsecond=0)
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{ask.account} {ask.region} {deed.at} {deed.operation} {deed.parameters}")
    told = {
        "eventVersion": "1.11",
        "userIdentity": _identity(ask.account, deed),
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": SOURCE,
        "eventName": deed.operation,
        "awsRegion": ask.region,
        "requestParameters": {key[:1].lower() + key[1:]: value for key, value in deed.parameters.items()},
        "eventID": str(name),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ask.account,
        "eventCategory": "Management",
    }
    return {
        "EventId": str(name),
        "EventName": deed.operation,
        "ReadOnly": "false",
        "EventTime": at,
        "EventSource": SOURCE,
        "Username": deed.session,
        "Resources": [],
        "CloudTrailEvent": json.dumps(told, default=str),
    }


def _identity(account: str, deed: Deed) -> dict[str, Any]:
    if not deed.role:
        arn = f"arn:aws:iam::{account}:user/{deed.session}"
        return {"type": "IAMUser", "arn": arn, "accountId": account, "userName": deed.session}
    issuer = {
        "type": "Role",
        "arn": f"arn:aws:iam::{account}:role/{deed.role}",
        "accountId": account,
        "userName": deed.role,
    }
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account}:assumed-role/{deed.role}/{deed.session}",
        "accountId": account,
        "sessionContext": {"sessionIssuer": issuer},
    }


def _value(event: dict[str, Any], attribute: str) -> str | None:
    found = event.get(attribute)
    return found if isinstance(found, str) else None


HANDLERS: dict[str, Handler] = {"LookupEvents": lookup_events}
