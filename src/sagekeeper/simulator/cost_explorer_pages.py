"""Pages of Cost Explorer's answers, and the tokens that lead from one to the next.

A token says where its page begins and which request it belongs to: a changed request, or a token that was not given
out, is refused as AWS refuses it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from sagekeeper.simulator.operations import Refused

MOST = 100


def page_of(
    rows: list[Any],
    params: dict[str, Any],
    most: int = MOST,
    *,
    key: str = "NextPageToken",
    size: str = "MaxResults",
) -> tuple[list[Any], dict[str, str]]:
    """The page that the request asks for, and what the answer says about the next one."""
    start, wanted = offset_of(params, key), int(params.get(size) or most)
    if wanted < 1:
        raise Refused("ValidationException", f"{size} must be greater than or equal to 1")
    wanted = min(wanted, most)
    more = {key: token_of(start + wanted, params, key)} if start + wanted < len(rows) else {}
    return rows[start : start + wanted], more


def offset_of(params: dict[str, Any], key: str = "NextPageToken") -> int:
    """Where the page begins that a token asks for; the request must be the one that gave the token."""
    if not params.get(key):
        return 0
    try:
        told = json.loads(base64.urlsafe_b64decode(str(params[key]).encode()))
        offset, same = int(told["from"]), told["of"] == _mark(params, key)
    except (ValueError, KeyError, TypeError) as wrong:
        raise Refused("InvalidNextTokenException", "The pagination token is invalid. Try again without it.") from wrong
    if not same:
        raise Refused("RequestChangedException", "Your request parameters changed between pages. Try again.")
    return offset


def token_of(offset: int, params: dict[str, Any], key: str = "NextPageToken") -> str:
    """A token for the page that begins there."""
    return base64.urlsafe_b64encode(json.dumps({"from": offset, "of": _mark(params, key)}).encode()).decode()


def _mark(params: dict[str, Any], key: str) -> str:
    """What must not change between pages."""
    same = {name: value for name, value in params.items() if name not in (key, "MaxResults", "PageSize")}
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]
