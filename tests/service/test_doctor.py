"""What the doctor advises: not a role's trust policy where nobody answered at all."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from sagekeeper.core.errors import SourceUnavailable
from sagekeeper.service.doctor import NOTHING_ANSWERS, Check, tried

SILENCE = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")


def advice(error: Exception, cause: Exception | None = None) -> str:
    def ask() -> Check:
        raise error from cause

    return tried("aws", "check the trust policy", ask).advice


@pytest.mark.parametrize("error", [SILENCE, ConnectTimeoutError(endpoint_url="http://10.0.0.1")])
def test_where_nothing_answers_rights_are_not_blamed(error: Exception) -> None:
    assert advice(error) == NOTHING_ANSWERS
    assert advice(SourceUnavailable("the role cannot be assumed"), error) == NOTHING_ANSWERS


def test_where_aws_refuses_the_right_that_is_missing_is_named() -> None:
    assert advice(DENIED) == "check the trust policy"
    assert advice(SourceUnavailable("the role cannot be assumed"), DENIED) == "check the trust policy"
