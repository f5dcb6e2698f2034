"""What a bill calls things: service codes, product families, units, and the words of a usage line.

In: a line's region, service, usage type, operation and rate. Out: what the price list says of that product
(`price_list.py`); what the list does not have is read off its usage type, as AWS names them (aws-facts sections 1, 5.3).
"""

from __future__ import annotations

import re
from functools import lru_cache

from sagekeeper.simulator.price_list import REGIONS, Product, products, services

CODES = {
    "Amazon SageMaker": "AmazonSageMaker",
    "Amazon Simple Storage Service": "AmazonS3",
    "AmazonCloudWatch": "AmazonCloudWatch",
    "Amazon Elastic Compute Cloud - Compute": "AmazonEC2",
    "EC2 - Other": "AmazonEC2",
    "Amazon Elastic Container Service": "AmazonECS",
    "Amazon EC2 Container Registry (ECR)": "AmazonECR",
    "Amazon Kinesis": "AmazonKinesis",
    "Amazon DynamoDB": "AmazonDynamoDB",
    "Amazon Relational Database Service": "AmazonRDS",
    "Amazon Simple Notification Service": "AmazonSNS",
    "AWS Glue": "AWSGlue",
    "AWS Lambda": "AWSLambda",
    "AWS Step Functions": "AmazonStates",
    "AWS Cost Explorer": "AWSCostExplorer",
    "Savings Plans for AWS Machine Learning": "MachineLearningSavingsPlans",
    "Savings Plans for AWS Compute usage": "ComputeSavingsPlans",
}
"""Cost Explorer's name of a service -> the price list's code of it."""
INSTANCE = re.compile(r"(?:(ml\.[a-z0-9-]+\.[a-z0-9]+)|(?:BoxUsage|InstanceUsage):(\S+))")
SOLD = ("Usage", "SavingsPlanCoveredUsage")
RULES: tuple[tuple[str, str, str], ...] = (
    (r"VolumeUsage", "ML Storage", "GB-Mo"),
    (r"FeatureStore:OnlineStorage|TimedStorage-ByteHrs", "Storage", "GB-Mo"),
    (r"ServerlessInf:(ProvisionedConcurrency-)?Mem", "ML Serverless", "Seconds"),
    (r"Data-Bytes-(In|Out)$", "ML Data Transfer", "GB"),
    (r"DataTransfer-", "Data Transfer", "GB"),
    (r"DataProcessing-Bytes", "Data Payload", "GB"),
    (r"MLflow:TrackingServer", "ML Tracking Server", "Hrs"),
    (r"ReadCapacityUnit-Hrs", "Provisioned IOPS", "ReadCapacityUnit-Hrs"),
    (r"WriteCapacityUnit-Hrs", "Provisioned IOPS", "WriteCapacityUnit-Hrs"),
    (r"ReadRequestUnits", "Amazon DynamoDB PayPerRequest Throughput", "ReadRequestUnits"),
    (r"WriteRequestUnits", "Amazon DynamoDB PayPerRequest Throughput", "WriteRequestUnits"),
    (r"ShardHour", "Kinesis Streams", "ShardHours"),
    (r"StreamHour", "Kinesis Streams", "Hrs"),
    (r"PutRequestPayloadUnits", "Kinesis Streams", "PutRequest"),
    (r"Fargate-vCPU-Hours", "Compute", "hours"),
    (r"Fargate-GB-Hours", "Compute", "hours"),
    (r"DPU-Hour", "AWS Glue", "DPU-Hour"),
    (r"GB-Second", "Serverless", "Lambda-GB-Second"),
    (r"Requests?(-Tier\d)?$", "API Request", "Requests"),
    (r"(CW:)?MetricMonitorUsage", "Metric", "Metrics"),
    (r"(CW:)?AlarmMonitorUsage", "Alarm", "Alarms"),
    (r"StateTransition", "AWS Step Functions", "StateTransitions"),
)
"""Usage type, product family and unit of what the price list does not have."""
WAYS = {
    "Host": "Hosting",
    "AsyncInf": "Asynchronous Inference",
    "Train": "Training",
    "WarmPool": "Training Warm Pool",
    "Processing": "Processing",
    "Tsform": "BatchTransform Job",
    "Notebk": "Notebook",
}


def told_of(
    region: str, service: str, usage_type: str, operation: str, record_type: str, rate: float | None
) -> tuple[str, str, str | None, str]:
    """Family, unit, instance type and description."""
    instance = _instance(usage_type)
    if record_type == "SavingsPlanRecurringFee":
        return "", "Hrs", None, record_type
    if record_type not in SOLD:
        return "", "", instance if record_type == "SavingsPlanNegation" else None, record_type
    listed = _listed().get((CODES.get(service, ""), region, usage_type, operation))
    family, unit = (listed.family, listed.unit) if listed else _by_rule(usage_type, instance)
    return family, unit, instance, _words(region, usage_type, rate, unit, instance, listed)


def _instance(usage_type: str) -> str | None:
    found = INSTANCE.search(usage_type)
    return (found[1] or found[2]) if found else None


def _by_rule(usage_type: str, instance: str | None) -> tuple[str, str]:
    if instance is not None:
        return ("ML Instance" if instance.startswith("ml.") else "Compute Instance"), "Hrs"
    return next(((family, unit) for form, family, unit in RULES if re.search(form, usage_type)), ("", "Units"))


def _words(
    region: str, usage_type: str, rate: float | None, unit: str, instance: str | None, listed: Product | None
) -> str:
    if listed is not None and rate is not None and abs(listed.usd - rate) < 1e-9:
        return listed.description
    price = f"${rate or 0.0:.10f}".rstrip("0").rstrip(".")
    place = REGIONS[region][1] if region in REGIONS else region
    if instance is not None:
        family = usage_type.partition(":")[0].rpartition("-")[2]
        way = WAYS.get(family, "Studio" if family == "Studio" else "On Demand Linux")
        return f"{price} per {way} {instance} hour in {place}"
    return f"{price} per {unit} of {usage_type} in {place}"


@lru_cache(maxsize=1)
def _listed() -> dict[tuple[str, str, str, str], Product]:
    return {
        (item.service, item.region, item.usage_type, item.operation): item
        for code in services()
        for item in products(code)
    }
