"""What stands in moto's own services beside SageMaker, and what it costs by the hour: one function per service.

In: moto's state of one account and region. Out: what costs by the hour while it stands (`Hourly`), and how much of something
there has been in all (`Counted`). Rates: `neighbour_prices.py`. What requests cost by themselves (reads, writes,
invocations) is `request_counts.py`. Left out, for want of a rate or of a run that moto carries out: EFS, DataBrew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from moto.dynamodb.models import dynamodb_backends
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.glue.models import glue_backends
from moto.kinesis.models import kinesis_backends
from moto.logs.models import logs_backends
from moto.rds.models import rds_backends

from sagekeeper.simulator import neighbour_prices as usd
from sagekeeper.simulator.charges import CLOUDWATCH, HOURS_A_MONTH

KINESIS, DYNAMODB, EC2, EC2_OTHER, ECS, GLUE, RDS, LAMBDA, STATES = (
    "Amazon Kinesis",
    "Amazon DynamoDB",
    "Amazon Elastic Compute Cloud - Compute",
    "EC2 - Other",
    "Amazon Elastic Container Service",
    "AWS Glue",
    "Amazon Relational Database Service",
    "AWS Lambda",
    "AWS Step Functions",
)
PUT_UNIT_BYTES, LEAST_GLUE_SECONDS, GIGABYTE = 25 * 1024, 60, 1024**3


class Hourly(NamedTuple):
    """Something that costs by the hour while it stands; with ``until`` it ends by itself."""

    arn: str
    usage_type: str
    operation: str
    service: str
    per_hour: float
    price: float
    until: datetime | None = None
    spot: bool = False


class Counted(NamedTuple):
    """How much of something there has been in all, up to now; what is new since the last look is billed."""

    arn: str
    usage_type: str
    operation: str
    service: str
    total: float
    price: float


Found = Iterator[Hourly | Counted]


def kinesis(account: str, region: str, _: datetime) -> Found:
    """Shard-hours or stream-hours, and payload units put."""
    for stream in kinesis_backends[account][region].streams.values():
        if stream.stream_mode.get("StreamMode") == "ON_DEMAND":
            yield Hourly(stream.arn, "OnDemand-StreamHour", "OnDemandStreamHr", KINESIS, 1, usd.USD_A_STREAM_HOUR)
            continue
        shards = [shard for shard in stream.shards.values() if shard.is_open]
        yield Hourly(stream.arn, "Storage-ShardHour", "shardHourStorage", KINESIS, len(shards), usd.USD_A_SHARD_HOUR)
        put = [record for shard in stream.shards.values() for record in shard.records.values()]
        # moto keeps the data as base64: three bytes in four letters.
        units = float(sum(-(-max(1, len(record.data) * 3 // 4) // PUT_UNIT_BYTES) for record in put))
        yield Counted(stream.arn, "PutRequestPayloadUnits", "PutRequest", KINESIS, units, usd.USD_A_PUT_UNIT)


def dynamodb(account: str, region: str, _: datetime) -> Found:
    """Provisioned capacity; what the items take is looked at by the hour (`looked_at.py`)."""
    for table in dynamodb_backends[account][region].tables.values():
        if table.billing_mode != "PAY_PER_REQUEST":
            for name, price in (("Write", usd.USD_A_WRITE_UNIT_HOUR), ("Read", usd.USD_A_READ_UNIT_HOUR)):
                count = float(table.throughput.get(f"{name}CapacityUnits") or 0)
                usage = f"{name}CapacityUnit-Hrs"
                yield Hourly(table.table_arn, usage, "CommittedThroughput", DYNAMODB, count, price)


def ec2(account: str, region: str, _: datetime) -> Found:
    """Running instances of known types, on demand or spot, and volumes whether in use or not."""
    backend = ec2_backends[account][region]
    for reservation in backend.reservations.values():
        for instance in reservation.instances:
            price = usd.ec2_usd_per_hour(instance.instance_type)
            if instance.state == "running" and price is not None:
                arn = f"arn:aws:ec2:{region}:{account}:instance/{instance.id}"
                spot = instance.lifecycle == "spot"
                family, rate = ("SpotUsage", round(price * usd.EC2_SPOT_SHARE, 6)) if spot else ("BoxUsage", price)
                usage, operation = (
                    f"{family}:{instance.instance_type}",
                    "RunInstances:SV001" if spot else "RunInstances",
                )
                yield Hourly(arn, usage, operation, EC2, 1, rate, spot=spot)
    for volume in backend.volumes.values():
        if volume.volume_type in usd.USD_EBS_GIGABYTE_MONTH:
            rate = usd.USD_EBS_GIGABYTE_MONTH[volume.volume_type]
            arn = f"arn:aws:ec2:{region}:{account}:volume/{volume.id}"
            usage, size = f"EBS:VolumeUsage.{volume.volume_type}", float(volume.size) / HOURS_A_MONTH
            yield Hourly(arn, usage, f"CreateVolume-{volume.volume_type.title()}", EC2_OTHER, size, rate)


def ecs(account: str, region: str, _: datetime) -> Found:
    """Fargate: what services want to run, and tasks started by themselves; on spot where their strategy says so."""
    backend = ecs_backends[account][region]
    found = [
        (service.arn, service.task_definition, service.desired_count, _provider(service))
        for service in backend.services.values()
    ]
    found += [
        (task.task_arn, task.task_definition_arn, 1, _provider(task))
        for tasks in backend.tasks.values()
        for task in tasks.values()
        if task.last_status != "STOPPED" and task.desired_status != "STOPPED"
    ]
    for arn, definition, count, provider in found:
        if not provider.startswith("FARGATE") or not definition or not count:
            continue
        wish = backend.describe_task_definition(definition)
        vcpu, gigabytes = float(wish.cpu or 0) / 1024 * count, float(wish.memory or 0) / 1024 * count
        spot = provider == "FARGATE_SPOT"
        arm = (getattr(wish, "runtime_platform", None) or {}).get("cpuArchitecture") == "ARM64"
        share = (usd.FARGATE_SPOT_SHARE if spot else 1.0) * (usd.ARM_SHARE if arm else 1.0)
        name = f"{'SpotUsage-' if spot else ''}Fargate-{'ARM-' if arm else ''}"
        for what, amount, rate in (
            ("vCPU-Hours:perCPU", vcpu, usd.USD_A_VCPU_HOUR),
            ("GB-Hours", gigabytes, usd.USD_A_GIGABYTE_HOUR),
        ):
            yield Hourly(arn, f"{name}{what}", "FargateTask", ECS, amount, round(rate * share, 8), spot=spot)


def _provider(thing: Any) -> str:
    strategy = getattr(thing, "capacity_provider_strategy", None) or [{}]
    named = strategy[0].get("capacityProvider") or getattr(thing, "capacity_provider_name", None)
    return str(named or thing.launch_type or "")


def glue(account: str, region: str, now: datetime) -> Found:
    """Runs of jobs: DPUs for as long as moto says that they ran."""
    for told in (run.as_dict() for job in glue_backends[account][region].jobs.values() for run in job.job_runs):
        begun = told["StartedOn"].replace(tzinfo=now.tzinfo)
        seconds = max(LEAST_GLUE_SECONDS, told["ExecutionTime"])
        per_worker = usd.DPU_OF_WORKER.get(told.get("WorkerType") or "", 1)
        units = float(told.get("MaxCapacity") or (told.get("NumberOfWorkers") or 1) * per_worker)
        flex = told.get("ExecutionClass") == "FLEX"
        usage, price = ("ETL-Flex-DPU-Hour", usd.USD_A_FLEX_DPU_HOUR) if flex else ("ETL-DPU-Hour", usd.USD_A_DPU_HOUR)
        arn = f"arn:aws:glue:{region}:{account}:job/{told['JobName']}/{told['Id']}"
        yield Hourly(arn, usage, "Jobrun", GLUE, units, price, begun + timedelta(seconds=seconds))


def logs(account: str, region: str, _: datetime) -> Found:
    """Bytes ingested, and bytes kept."""
    for group in logs_backends[account][region].groups.values():
        gigabytes = sum(stream.stored_bytes for stream in group.streams.values()) / GIGABYTE
        yield Counted(group.arn, "DataProcessing-Bytes", "PutLogEvents", CLOUDWATCH, gigabytes, usd.USD_A_LOG_GIGABYTE)
        kept, rate = gigabytes / HOURS_A_MONTH, usd.USD_A_LOG_GIGABYTE_MONTH
        yield Hourly(group.arn, "TimedStorage-ByteHrs", "HourlyStorageMetering", CLOUDWATCH, kept, rate)


def rds(account: str, region: str, _: datetime) -> Found:
    """Instances while they are available; their storage as long as they are there."""
    for database in rds_backends[account][region].databases.values():
        arn, kind = database.db_instance_arn, database.db_instance_class
        price = usd.rds_usd_per_hour(kind, multi_az=bool(database.multi_az))
        name = "Multi-AZUsage" if database.multi_az else "InstanceUsage"
        if database.status not in ("stopped", "stopping") and price is not None:
            yield Hourly(arn, f"{name}:{kind}", "CreateDBInstance", RDS, 1, price)
        size = float(database.allocated_storage or 0) * (2 if database.multi_az else 1) / HOURS_A_MONTH
        if size and math.isfinite(size):
            yield Hourly(arn, "RDS:GP2-Storage", "CreateDBInstance", RDS, size, usd.USD_RDS_GIGABYTE_MONTH)


SERVICES: dict[str, Callable[[str, str, datetime], Found]] = {
    "kinesis": kinesis,
    "dynamodb": dynamodb,
    "ec2": ec2,
    "ecs": ecs,
    "glue": glue,
    "logs": logs,
    "rds": rds,
}
"""By the name that moto gives the service of a request."""
