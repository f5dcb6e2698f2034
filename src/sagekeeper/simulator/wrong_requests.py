"""Listings of S3 that moto lets pass (a negative number of keys) or trips over (a token that it never gave), refused as S3
refuses them.

In: a request. Out: the refusal, None for a right one and for all other requests. moto forgets its tokens with the process:
one from before a restart is refused too, and the client lists anew.
"""

from __future__ import annotations

from moto.core.request import Request
from moto.s3.models import s3_backends

from sagekeeper.simulator.own_service import Answer, account_of, scope_of

MOST_KEYS = 2**31 - 1
ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>{}</Message></Error>'


def wrong_listing(request: Request) -> Answer | None:
    """The answer to a ListObjectsV2 that S3 would not carry out."""
    scope = scope_of(request)
    if scope is None or scope.signing_name != "s3" or request.args.get("list-type") != "2":
        return None
    asked, token = request.args.get("max-keys"), request.args.get("continuation-token")
    if asked is not None and not (asked.isdigit() and int(asked) <= MOST_KEYS):
        return _refused(f"Argument maxKeys must be an integer between 0 and {MOST_KEYS}")
    if token is not None and token not in s3_backends[account_of(request)]["aws"]._pagination_tokens:
        return _refused("The continuation token provided is incorrect")
    return None


def _refused(message: str) -> Answer:
    return Answer(400, {"Content-Type": "application/xml"}, ERROR.format(message).encode())
