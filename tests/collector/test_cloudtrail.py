"""Who CloudTrail says it was, in words; and read from a simulated account over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from sagekeeper.collector.cloudtrail import who

ACCOUNT = "arn:aws:sts::123456789012"


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        (
            {
                "type": "AssumedRole",
                "arn": f"{ACCOUNT}:assumed-role/MLEngineer/dana.weiss",
                "sessionContext": {"sessionIssuer": {"userName": "MLEngineer"}},
            },
            "role MLEngineer (dana.weiss)",
        ),
        (
            {
                "type": "AssumedRole",
                "arn": f"{ACCOUNT}:assumed-role/Deploy/botocore-session-17",
                "sessionContext": {"sessionIssuer": {"userName": "Deploy"}},
            },
            "role Deploy",
        ),
        ({"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ana", "userName": "ana"}, "user ana"),
        ({"type": "Root", "arn": "arn:aws:iam::123456789012:root"}, "the root user"),
        ({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, "autoscaling.amazonaws.com"),
        ({}, None),
    ],
)
def test_an_identity_is_said_in_words(identity: dict[str, Any], said: str | None) -> None:
    assert who(identity) == said
