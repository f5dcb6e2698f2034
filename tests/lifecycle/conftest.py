"""A simulated account with endpoints of the test's own, and actions on them as a click would ask for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.clock import http_clock
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.findings import record_recommendations
from sagekeeper.core.ledger.models import ActionRow, AuditRow, StepRow
from sagekeeper.core.ledger.queue import request_action
from sagekeeper.core.settings import Account, Aws, Lifecycle, Settings
from sagekeeper.core.types import (
    DeleteEndpoint,
    Gate,
    Money,
    Recommendation,
    ResourceRef,
    Saving,
    UpdateEndpoint,
    VariantTarget,
    fingerprint,
)

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/SageMakerExecution"
PASS = [Gate(name="test gate", state="pass", why="given")]
_numbers = itertools.count(1)


@dataclass
class AwsAccount:
    """The simulated account, as tests use it."""

    simulator: Any
    settings: Settings
    sessions: AwsSessions
    state_dir: Path

    @property
    def clock(self) -> Callable[[], Any]:
        assert self.settings.clock_url is not None
        return http_clock(self.settings.clock_url)

    def client(self, service: str = "sagemaker") -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.settings.aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def operations(self, name: str, *wanted: str) -> list[str]:
        """Operations of the account's journal that name this endpoint and were accepted, in order."""
        found = []
        for entry in self.simulator.journal():
            named = entry.get("parameters", {}).get("EndpointName")
            if entry["operation"] in wanted and named == name:
                found.append(entry["operation"])
        return found

    def endpoint(
        self,
        prefix: str,
        *,
        instance_type: str = "ml.m5.xlarge",
        count: int = 1,
        tags: dict[str, str] | None = None,
        scaling: bool = False,
        schedule: bool = False,
    ) -> str:
        """A new endpoint, in service, with a name of its own."""
        name = f"{prefix}-{next(_numbers)}"
        client = self.client()
        client.create_model(
            ModelName=f"{name}-model",
            PrimaryContainer={
                "Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/xgb:1",
                "ModelDataUrl": "s3://models/m.tar.gz",
            },
            ExecutionRoleArn=ROLE,
        )
        client.create_endpoint_config(
            EndpointConfigName=f"{name}-config",
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": f"{name}-model",
                    "InstanceType": instance_type,
                    "InitialInstanceCount": count,
                    "InitialVariantWeight": 1.0,
                }
            ],
            Tags=[{"Key": "purpose", "Value": "test"}],
        )
        given = {"cost-optimizer": "managed", "team": "fraud"} if tags is None else tags
        client.create_endpoint(
            EndpointName=name,
            EndpointConfigName=f"{name}-config",
            Tags=[{"Key": key, "Value": value} for key, value in given.items()],
        )
        self.until_in_service(name)
        if scaling:
            self._scale(name)
        if schedule:
            self._monitor(name)
        return name

    def until_in_service(self, name: str) -> None:
        for _ in range(50):
            if self.client().describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService":
                return
            self.simulator.advance(seconds=30)
        raise AssertionError(f"{name} does not come into service")

    def _scale(self, name: str) -> None:
        client = self.client("application-autoscaling")
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{name}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        client.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
        client.put_scaling_policy(
            **target,
            PolicyName=f"{name}-target",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            },
        )

    def _monitor(self, name: str) -> None:
        self.client().create_monitoring_schedule(
            MonitoringScheduleName=f"{name}-monitor",
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
                "MonitoringJobDefinition": {
                    "MonitoringInputs": [
                        {"EndpointInput": {"EndpointName": name, "LocalPath": "/opt/ml/processing/input"}}
                    ],
                    "MonitoringOutputConfig": {
                        "MonitoringOutputs": [
                            {"S3Output": {"S3Uri": "s3://monitor/out", "LocalPath": "/opt/ml/processing/output"}}
                        ]
                    },
                    "MonitoringResources": {
                        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
                    },
                    "MonitoringAppSpecification": {"ImageUri": "analyzer"},
                    "RoleArn": ROLE,
                },
            },
        )


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccount]:
    """The simulated account, small, in its own process."""
    process = pytest.importorskip("sagekeeper.simulator.process", reason="the simulator is not in this checkout")
    state_dir = tmp_path_factory.mktemp("account")
    with pytest.MonkeyPatch.context() as environment, process.start(state_dir, scale="small", speed=60) as started:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        settings = settings_for(started.url)
        yield AwsAccount(started, settings, AwsSessions(settings.aws), state_dir)


def settings_for(url: str, **lifecycle: Any) -> Settings:
    """Settings that point at the simulated account."""
    return Settings(
        aws=Aws(
            endpoint_url=url,
            accounts=[
                Account(
                    id=number,
                    name=name,
                    reader_role_arn=f"arn:aws:iam::{number}:role/SagekeeperReader",
                    applier_role_arn=f"arn:aws:iam::{number}:role/SagekeeperApplier",
                )
                for number, name in ((ACCOUNT, "platform"), ("210987654321", "research"))
            ],
            regions=[REGION, "eu-west-1"],
        ),
        clock_url=f"{url}/sagekeeper/clock",
        lifecycle=Lifecycle(**({"lease_seconds": 5, "poll_seconds": 0.05} | lifecycle)),
    )


def delete_wish(
    aws: AwsAccount, endpoint: str, *, gates: list[Gate] | None = None, per_month: float = 167.90
) -> Recommendation:
    """ "Delete this endpoint", as the idle lever would say it."""
    ref = ResourceRef(account=ACCOUNT, region=REGION, kind="endpoint", name=endpoint)
    return _wish(aws, "idle_endpoint", ref, DeleteEndpoint(endpoint=ref), gates, per_month)


def update_wish(
    aws: AwsAccount,
    endpoint: str,
    *,
    instance_type: str = "ml.m5.large",
    count: int | None = 1,
    gates: list[Gate] | None = None,
) -> Recommendation:
    """ "Run this endpoint on a smaller instance"; ``count`` None: as many as run then."""
    ref = ResourceRef(account=ACCOUNT, region=REGION, kind="endpoint", name=endpoint)
    target = VariantTarget(variant_name="AllTraffic", instance_type=instance_type, instance_count=count)
    return _wish(aws, "smaller_instance", ref, UpdateEndpoint(endpoint=ref, variants=[target]), gates)


def _wish(
    aws: AwsAccount,
    lever: str,
    ref: ResourceRef,
    change: Any,
    gates: list[Gate] | None,
    per_month: float = 167.90,
) -> Recommendation:
    return Recommendation(
        fingerprint=fingerprint(lever, ref.name),
        version=fingerprint(ref.name, "1"),
        lever=lever,
        subjects=[ref],
        title=f"Change {ref.name}",
        explanation="A test wants it.",
        current=[],
        proposed=[],
        cost_per_month=Money.of(per_month).amount,
        saving=Saving(
            low=Money.of(per_month * 0.98).amount,
            expected=Money.of(per_month).amount,
            high=Money.of(per_month * 1.02).amount,
            basis="billed",
            certainty="measured",
        ),
        gates=PASS if gates is None else gates,
        confidence=0.95,
        reversible=True,
        change=change,
        as_of=aws.clock() - timedelta(minutes=5),
    )


def ask(ledger: Ledger, aws: AwsAccount, wish: Recommendation, *, approve: bool = True) -> int:
    """The recommendation recorded and clicked. Returns the action's number."""
    now = aws.clock()
    with ledger.session() as session:
        record_recommendations(session, [], [wish])
    action, _ = request_action(ledger, wish.fingerprint, wish.version, "ada", now, approve=approve)
    return action.id


def action_of(ledger: Ledger, action_id: int) -> ActionRow:
    """The action as the ledger tells it now."""
    with ledger.reading() as session:
        return session.get_one(ActionRow, action_id)


def steps_of(ledger: Ledger, action_id: int, direction: str = "do") -> list[StepRow]:
    """The action's steps of one direction, in order."""
    with ledger.reading() as session:
        rows = session.query(StepRow).filter_by(action_id=action_id, direction=direction)
        return list(rows.order_by(StepRow.position))


def audit_of(ledger: Ledger, action_id: int) -> list[str]:
    """The events of the action's audit lines, in order."""
    with ledger.reading() as session:
        return [row.event for row in session.query(AuditRow).filter_by(action_id=action_id).order_by(AuditRow.id)]
