"""What tests of workspaces have in common: clients of one running account, and what a resource costs on the bill."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import boto3

from sagekeeper.simulator.process import RunningSimulator

from .conformance import check_shape

ROLE = "arn:aws:iam::123456789012:role/SageMakerExecution"


class Workplace:
    """A running account, seen by one who has boto3 only."""

    def __init__(self, running: RunningSimulator) -> None:
        self.running = running
        self.sagemaker = self.client("sagemaker")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.running.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call SageMaker; the answer must have the shape of AWS's model."""
        method = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).lstrip("_")
        answer: dict[str, Any] = getattr(self.sagemaker, method)(**parameters)
        check_shape("sagemaker", operation, answer)
        return answer

    def bill(self, resource: str, service: str = "Amazon SageMaker", day: date | None = None) -> dict[str, Decimal]:
        """What a resource (the end of its ARN) has cost by usage type: on one day, or on the twelve before today."""
        today = self.running.now().date()
        first = day or max(date(2026, 11, 20), today - timedelta(days=12))
        end = day + timedelta(days=1) if day else today
        answer = self.client("ce").get_cost_and_usage_with_resources(
            TimePeriod={"Start": first.isoformat(), "End": end.isoformat()},
            Granularity="DAILY",
            Metrics=["UnblendedCost"],
            GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
            Filter={"Dimensions": {"Key": "SERVICE", "Values": [service]}},
        )
        found: dict[str, Decimal] = {}
        for row in answer["ResultsByTime"]:
            for group in row["Groups"]:
                arn, usage = group["Keys"]
                if arn.endswith(resource):
                    found[usage] = found.get(usage, Decimal(0)) + Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        return found


def cents(amount: Decimal | float) -> Decimal:
    """To the cent."""
    return Decimal(amount).quantize(Decimal("0.01"))
