"""AWS sessions: a client per service, account, region and role, every call counted with its price.

A reader client can only come from an account's reader role, an applier client only from its applier role, so no code path
that collects can change anything. Retries are botocore's adaptive mode (SageMaker's Describe and List throttle easily).
What Sagekeeper itself costs is summed in `ApiMeter` and bounded: past the limit a further priced call raises.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.settings import Account, Aws

Role = Literal["reader", "applier"]

REQUEST_PRICE_USD = {
    ("ce", "*"): Decimal("0.01"),  # $0.01 a request and page: aws-facts 4.1
    ("cloudwatch", "GetMetricData"): Decimal("0.00001"),  # $0.01 per 1,000 metrics requested: aws-facts 1.22
    ("cloudwatch", "ListMetrics"): Decimal("0.00001"),  # $0.01 per 1,000 requests
    ("s3", "GetObject"): Decimal("0.0000004"),  # $0.0004 per 1,000 GET
    ("s3", "ListObjectsV2"): Decimal("0.000005"),  # $0.005 per 1,000 LIST
}
"""List price of one billed unit, us-east-1, as of 2026-11; operations not named are free of charge."""


@dataclass
class Use:
    """Calls made, units billed, and what they cost."""

    calls: int = 0
    units: int = 0
    cost_usd: Decimal = Decimal(0)


class ApiMeter:
    """Counts what Sagekeeper asks of AWS, thread-safe. ``limit_usd`` bounds what one run may spend."""

    def __init__(self, limit_usd: Decimal | None = None) -> None:
        self._limit = limit_usd
        self._lock = threading.Lock()
        self._use: dict[tuple[str, str, str], Use] = defaultdict(Use)

    def count(self, account: str, service: str, operation: str, units: int = 1) -> None:
        """Count one call. Raises SourceUnavailable when its price would pass the limit."""
        price = REQUEST_PRICE_USD.get((service, operation)) or REQUEST_PRICE_USD.get((service, "*"), Decimal(0))
        cost = price * units
        with self._lock:
            if cost and self._limit is not None and self.total_usd + cost > self._limit:
                raise SourceUnavailable(
                    f"{service} {operation} was not called: this run's own AWS cost would pass {self._limit} USD. "
                    "Raise collect.own_cost_limit_usd_per_day or collect less."
                )
            use = self._use[account, service, operation]
            use.calls, use.units, use.cost_usd = use.calls + 1, use.units + units, use.cost_usd + cost

    @property
    def total_usd(self) -> Decimal:
        """What all counted calls cost."""
        return sum((use.cost_usd for use in self._use.values()), Decimal(0))

    def drain(self) -> dict[tuple[str, str, str], Use]:
        """Everything counted since the last drain, by (account, service, operation)."""
        with self._lock:
            counted = {key: use for key, use in self._use.items() if use.calls}
            self._use = defaultdict(Use)
            return counted


class AwsSessions:
    """Clients for all configured accounts. One object per process; safe to share between threads."""

    def __init__(self, aws: Aws, meter: ApiMeter | None = None) -> None:
        self._aws = aws
        self.meter = meter or ApiMeter()
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, Role], boto3.Session] = {}
        self._clients: dict[tuple[str, str, str, Role], Any] = {}

    @property
    def accounts(self) -> list[Account]:
        """The accounts to watch."""
        return self._aws.accounts

    @property
    def regions(self) -> list[str]:
        """The regions to watch."""
        return self._aws.regions

    def client(self, service: str, account_id: str, region: str, role: Role = "reader") -> Any:
        """A boto3 client. Raises BadInput for an unknown account or one without an applier role when one is asked for."""
        key = (service, account_id, region, role)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(service, account_id, region, role)
            return self._clients[key]

    def _make(self, service: str, account_id: str, region: str, role: Role) -> Any:
        if (account_id, role) not in self._sessions:
            self._sessions[account_id, role] = self._session(account_id, role)
        client = self._sessions[account_id, role].client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=self._aws.endpoint_url,
            # A change is never repeated blindly: its answer may be lost after its effect. lifecycle looks first.
            config=_client_config(self._aws, attempts=1 if role == "applier" else 8),
        )

        def count(params: dict[str, Any], model: Any, **_: Any) -> None:
            units = len(params.get("MetricDataQueries", [])) or 1
            self.meter.count(account_id, service, model.name, units)

        client.meta.events.register("provide-client-params", count)
        return client

    def _session(self, account_id: str, role: Role) -> boto3.Session:
        account = next((item for item in self._aws.accounts if item.id == account_id), None)
        if account is None:
            raise BadInput(f"Account {account_id} is not in the settings (aws.accounts). Add it there.")
        arn = account.reader_role_arn if role == "reader" else account.applier_role_arn
        if arn is None and role == "applier":
            raise BadInput(
                f"Account {account_id} has no applier role: Sagekeeper may not change anything there. "
                "Set applier_role_arn in aws.accounts to allow it."
            )
        base = boto3.Session(botocore_session=_bare(self._aws.profile))
        return base if arn is None else _assumed(base, self._aws, arn, account.external_id)


def _bare(profile: str | None = None) -> Session:
    """A session of botocore that reads the models of services where all others do: two hundred accounts need them once."""
    session = Session(profile=profile)
    session.register_component("data_loader", _models())
    return session


@lru_cache(maxsize=1)
def _models() -> Loader:
    return create_loader(Session().get_config_variable("data_path"))


def _client_config(aws: Aws, attempts: int = 8) -> Config:
    return Config(
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        max_pool_connections=max(aws.max_workers * 2, 10),
        connect_timeout=5,
        read_timeout=60,
        user_agent_extra="sagekeeper",
        s3={"addressing_style": "path"} if aws.endpoint_url else None,
    )


def _assumed(base: boto3.Session, aws: Aws, arn: str, external_id: str | None) -> boto3.Session:
    sts = base.client("sts", region_name=aws.regions[0], endpoint_url=aws.endpoint_url, config=_client_config(aws))
    request: dict[str, Any] = {"RoleArn": arn, "RoleSessionName": "sagekeeper", "DurationSeconds": 3600}
    if external_id:
        request["ExternalId"] = external_id

    def refresh() -> dict[str, str]:
        try:
            given = sts.assume_role(**request)["Credentials"]
        except (ClientError, BotoCoreError) as error:
            raise SourceUnavailable(
                f"Role {arn} cannot be assumed: {error}. Check its trust policy and that the base credentials are valid."
            ) from error
        expiry = given["Expiration"]
        if aws.endpoint_url and expiry <= datetime.now(UTC):
            expiry = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": expiry.isoformat(),
        }

    session = _bare()
    session._credentials = RefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]
        metadata=refresh(), refresh_using=refresh, method="sts-assume-role"
    )
    return boto3.Session(botocore_session=session)


def explain(error: ClientError | BotoCoreError) -> str:
    """An AWS error as one sentence: code, message, and the operation that failed."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return f"{error.operation_name} failed: {detail.get('Code', 'unknown')}: {detail.get('Message', '')}".strip()
    return f"{type(error).__name__}: {error}"
