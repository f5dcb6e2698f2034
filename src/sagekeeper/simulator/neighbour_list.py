"""SageMaker's neighbours in the price list: EC2, Fargate, Lambda, DynamoDB, Kinesis, Glue, RDS and more, at the meter's rates.

In: `neighbour_prices.py`. Out: rows of (service code, family, usage type, operation, unit, dollars, attributes), of us-east-1,
which `price_list.py` makes products of. What is a stand-in says so in its description.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sagekeeper.simulator import neighbour_prices as usd


class Row(NamedTuple):
    """A product before it has a region."""

    service: str
    family: str
    usage_type: str
    operation: str
    unit: str
    usd: float
    stand_in: bool = False
    attributes: dict[str, str] = {}


def rows() -> Iterator[Row]:
    """All of them."""
    yield from _ec2()
    yield from _fargate()
    yield from OTHERS
    for kind, rate in usd.USD_EBS_GIGABYTE_MONTH.items():
        usage, operation = f"EBS:VolumeUsage.{kind}", f"CreateVolume-{kind.title()}"
        yield Row("AmazonEC2", "Storage", usage, operation, "GB-Mo", rate, stand_in=True)
    for usage, operation, rate in usd.USD_S3_GIGABYTE_MONTH.values():
        if usage != "TimedStorage-ByteHrs":  # The price book has that one.
            yield Row("AmazonS3", "Storage", usage, operation, "GB-Mo", rate)


def _ec2() -> Iterator[Row]:
    same = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    for kind, rate in usd.ec2_prices().items():
        told = same | {"instanceType": kind, "servicename": "Amazon Elastic Compute Cloud"}
        yield Row("AmazonEC2", "Compute Instance", f"BoxUsage:{kind}", "RunInstances", "Hrs", rate, attributes=told)


def _fargate() -> Iterator[Row]:
    for chip, share in (("", 1.0), ("ARM-", usd.ARM_SHARE)):
        for what, rate in (("vCPU-Hours:perCPU", usd.USD_A_VCPU_HOUR), ("GB-Hours", usd.USD_A_GIGABYTE_HOUR)):
            price = round(rate * share, 8)
            yield Row("AmazonECS", "Compute", f"Fargate-{chip}{what}", "FargateTask", "hours", price)


OTHERS = (
    Row("AWSLambda", "Serverless", "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", usd.USD_A_GB_SECOND),
    Row("AWSLambda", "Serverless", "Lambda-GB-Second-ARM", "Invoke", "Lambda-GB-Second", usd.USD_AN_ARM_GB_SECOND),
    Row("AWSLambda", "Serverless", "Request", "Invoke", "Requests", usd.USD_AN_INVOCATION),
    Row("AWSLambda", "Serverless", "Request-ARM", "Invoke", "Requests", usd.USD_AN_INVOCATION),
    Row("AmazonDynamoDB", "Throughput", "WriteRequestUnits", "PutItem", "WriteRequestUnits", usd.USD_A_WRITE),
    Row("AmazonDynamoDB", "Throughput", "ReadRequestUnits", "GetItem", "ReadRequestUnits", usd.USD_A_READ),
    Row(
        "AmazonDynamoDB",
        "Database Storage",
        "TimedStorage-ByteHrs",
        "StandardStorage",
        "GB-Mo",
        usd.USD_A_TABLE_GIGABYTE_MONTH,
    ),
    Row(
        "AmazonKinesis", "Kinesis Streams", "Storage-ShardHour", "shardHourStorage", "ShardHours", usd.USD_A_SHARD_HOUR
    ),
    Row("AmazonKinesis", "Kinesis Streams", "OnDemand-StreamHour", "OnDemandStreamHr", "Hrs", usd.USD_A_STREAM_HOUR),
    Row("AmazonKinesis", "Kinesis Streams", "PutRequestPayloadUnits", "PutRequest", "PutRequest", usd.USD_A_PUT_UNIT),
    Row("AWSGlue", "AWS Glue", "ETL-DPU-Hour", "Jobrun", "DPU-Hour", usd.USD_A_DPU_HOUR),
    Row("AWSGlue", "AWS Glue", "ETL-Flex-DPU-Hour", "Jobrun", "DPU-Hour", usd.USD_A_FLEX_DPU_HOUR),
    Row("AmazonStates", "AWS Step Functions", "StateTransition", "", "StateTransitions", usd.USD_A_TRANSITION),
    Row(
        "AmazonRDS",
        "Database Storage",
        "RDS:GP2-Storage",
        "CreateDBInstance",
        "GB-Mo",
        usd.USD_RDS_GIGABYTE_MONTH,
        True,
    ),
    Row("AmazonS3", "Data Transfer", "DataTransfer-Out-Bytes", "GetObject", "GB", usd.USD_A_GIGABYTE_OUT, True),
)
