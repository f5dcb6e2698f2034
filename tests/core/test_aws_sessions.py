"""Clients of many accounts: what they have in common is read once."""

from __future__ import annotations

import pytest

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.settings import Account, Aws


def test_accounts_share_the_model_of_a_service_which_is_the_largest_part_of_a_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    accounts = [Account(id="111111111111"), Account(id="222222222222")]
    sessions = AwsSessions(Aws(accounts=accounts, endpoint_url="http://127.0.0.1:9"))
    one, other = (sessions.client("sagemaker", account.id, "us-east-1") for account in accounts)
    assert one is not other
    assert one.meta.service_model.metadata is other.meta.service_model.metadata
