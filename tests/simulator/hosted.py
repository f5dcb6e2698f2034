"""What tests of endpoints have in common: clients, endpoints made through boto3, and the bill of one of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.operations import service_model
from sagekeeper.simulator.process import RunningSimulator

ROLE = "arn:aws:iam::123456789012:role/SageMakerExecution"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


class Hosted:
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

    def config(self, name: str, instance_type: str = "ml.m5.large", count: int = 1, **more: Any) -> str:
        """A model and a configuration of that name."""
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://bucket/{name}.tar.gz"},
        )
        variant: dict[str, Any] = {"VariantName": "main", "ModelName": name}
        if instance_type:
            variant |= {"InstanceType": instance_type, "InitialInstanceCount": count}
        variant |= more.pop("variant", {})
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **more)
        return name

    def endpoint(self, name: str, instance_type: str = "ml.m5.large", count: int = 1, **more: Any) -> str:
        """An endpoint of that name, in service."""
        self.config(name, instance_type, count, **more)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.running.advance(seconds=25)
        return name

    def status(self, name: str) -> str:
        return str(self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])

    def count(self, name: str) -> int:
        return int(self.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentInstanceCount"])

    def bill(self, name: str, day: str, usage: str = "") -> Decimal:
        """What an endpoint cost on a day, of usage types that contain ``usage``."""
        following = f"{day[:8]}{int(day[8:]) + 1:02d}"
        answer = self.client("ce").get_cost_and_usage_with_resources(
            TimePeriod={"Start": day, "End": following},
            Granularity="DAILY",
            Metrics=["UnblendedCost"],
            GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
            Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
        )
        return sum(
            (
                Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
                for row in answer["ResultsByTime"]
                for group in row["Groups"]
                if group["Keys"][0].endswith(f"endpoint/{name}") and usage in group["Keys"][1]
            ),
            Decimal(0),
        )


def refused(code: str, call: Callable[..., Any], match: str | None = None, **parameters: Any) -> str:
    """The call is refused with AWS's code; its message."""
    with pytest.raises(ClientError, match=match) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def conforms(service: str, operation: str, answer: dict[str, Any]) -> None:
    """The answer has no member that AWS's model does not know, and every one that it requires."""
    _conforms(answer, service_model(service).operation_model(operation).output_shape, operation)


def _conforms(found: Any, shape: Any, at: str) -> None:
    if shape.type_name == "structure":
        members = {key: value for key, value in found.items() if key != "ResponseMetadata"}
        assert set(members) <= set(shape.members), f"{at}: unknown {set(members) - set(shape.members)}"
        assert set(shape.required_members) <= set(members), (
            f"{at}: missing {set(shape.required_members) - set(members)}"
        )
        for key, value in members.items():
            _conforms(value, shape.members[key], f"{at}.{key}")
    elif shape.type_name == "list":
        assert shape.metadata.get("min", 0) <= len(found), f"{at} is shorter than AWS allows"
        for item in found:
            _conforms(item, shape.member, f"{at}[]")
    elif shape.type_name == "string" and getattr(shape, "enum", None):
        assert found in shape.enum, f"{at}: {found}"
