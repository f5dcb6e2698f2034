"""What stands in moto's own services beside SageMaker, and what it costs by the hour: one function per service.

After every changing request the service's state is looked at (`observe`); what has come since is billed from then on,
what has gone no longer. Rates: aws-facts 5.3 (and its table 5.2 for EC2). Left out, for want of a rate or of a run that
moto carries out: RDS, EBS and EFS volumes, DataBrew, Step Functions transitions, Lambda invocations, DynamoDB reads and
storage, and EC2 types that the table does not have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from moto.dynamodb.models import dynamodb_backends
from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends
from moto.glue.models import glue_backends
from moto.kinesis.models import kinesis_backends
from moto.logs.models import logs_backends

from sagekeeper.simulator.charges import CLOUDWATCH, DAY, HOURS_A_MONTH, Daily, Run, _span
from sagekeeper.simulator.world import FOREVER, Standing

KINESIS, DYNAMODB, EC2, ECS, GLUE = (
    "Amazon Kinesis",
    "Amazon DynamoDB",
    "Amazon Elastic Compute Cloud - Compute",
    "Amazon Elastic Container Service",
    "AWS Glue",
)
USD_A_SHARD_HOUR, USD_A_STREAM_HOUR, USD_A_PUT_UNIT, PUT_UNIT_BYTES = 0.015, 0.04, 0.014e-6, 25 * 1024
USD_A_WRITE_UNIT_HOUR, USD_A_READ_UNIT_HOUR, USD_A_WRITE = 0.00065, 0.00013, 0.625e-6
USD_A_VCPU_HOUR, USD_A_GIGABYTE_HOUR = 0.04048, 0.004445
USD_A_DPU_HOUR, DPU_OF_WORKER = 0.44, {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "Standard": 1}
LEAST_GLUE_SECONDS = 60
USD_A_LOG_GIGABYTE, USD_A_LOG_GIGABYTE_MONTH, GIGABYTE = 0.50, 0.03, 1024**3
EC2_USD_PER_HOUR = {
    "t2.medium": 0.0464,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "m5.large": 0.096,
    "m5.xlarge": 0.192,
    "m5.2xlarge": 0.384,
    "m5.4xlarge": 0.768,
    "c5.large": 0.085,
    "c5.xlarge": 0.17,
    "c5.2xlarge": 0.34,
    "g4dn.xlarge": 0.526,
    "g5.xlarge": 1.006,
    "p3.2xlarge": 3.06,
    "inf2.xlarge": 0.7582,
}
WRITES = ("PutItem", "UpdateItem", "DeleteItem")


class Hourly(NamedTuple):
    """Something that costs by the hour while it stands; with ``until`` it ends by itself."""

    arn: str
    usage_type: str
    operation: str
    service: str
    per_hour: float
    price: float
    until: datetime | None = None


class Counted(NamedTuple):
    """How much of something there has been in all, up to now; what is new since the last look is billed."""

    arn: str
    usage_type: str
    operation: str
    service: str
    total: float
    price: float


def kinesis(account: str, region: str, _: datetime) -> Iterator[Hourly | Counted]:
    """Shard-hours or stream-hours, and payload units put."""
    for stream in kinesis_backends[account][region].streams.values():
        if stream.stream_mode.get("StreamMode") == "ON_DEMAND":
            yield Hourly(stream.arn, "OnDemand-StreamHour", "OnDemandStreamHr", KINESIS, 1, USD_A_STREAM_HOUR)
            continue
        shards = [shard for shard in stream.shards.values() if shard.is_open]
        yield Hourly(stream.arn, "Storage-ShardHour", "shardHourStorage", KINESIS, len(shards), USD_A_SHARD_HOUR)
        put = [record for shard in stream.shards.values() for record in shard.records.values()]
        # moto keeps the data as base64: three bytes in four letters.
        units = float(sum(-(-max(1, len(record.data) * 3 // 4) // PUT_UNIT_BYTES) for record in put))
        yield Counted(stream.arn, "PutRequestPayloadUnits", "PutRequest", KINESIS, units, USD_A_PUT_UNIT)


def dynamodb(account: str, region: str, _: datetime) -> Iterator[Hourly | Counted]:
    """Provisioned capacity."""
    for table in dynamodb_backends[account][region].tables.values():
        if table.billing_mode != "PAY_PER_REQUEST":
            for name, price in (("Write", USD_A_WRITE_UNIT_HOUR), ("Read", USD_A_READ_UNIT_HOUR)):
                count = float(table.throughput.get(f"{name}CapacityUnits") or 0)
                usage = f"{name}CapacityUnit-Hrs"
                yield Hourly(table.table_arn, usage, "CommittedThroughput", DYNAMODB, count, price)


def ec2(account: str, region: str, _: datetime) -> Iterator[Hourly | Counted]:
    """Running instances of known types."""
    for reservation in ec2_backends[account][region].reservations.values():
        for instance in reservation.instances:
            price = EC2_USD_PER_HOUR.get(instance.instance_type)
            if instance.state == "running" and price is not None:
                arn = f"arn:aws:ec2:{region}:{account}:instance/{instance.id}"
                yield Hourly(arn, f"BoxUsage:{instance.instance_type}", "RunInstances", EC2, 1, price)


def ecs(account: str, region: str, _: datetime) -> Iterator[Hourly | Counted]:
    """Fargate: what services want to run, and tasks started by themselves."""
    backend = ecs_backends[account][region]
    found = [
        (service.arn, service.task_definition, service.desired_count, service.launch_type)
        for service in backend.services.values()
    ]
    found += [
        (task.task_arn, task.task_definition_arn, 1, task.launch_type)
        for tasks in backend.tasks.values()
        for task in tasks.values()
        if task.last_status != "STOPPED" and task.desired_status != "STOPPED"
    ]
    for arn, definition, count, launch in found:
        if launch == "FARGATE" and definition and count:
            wish = backend.describe_task_definition(definition)
            vcpu, gigabytes = float(wish.cpu or 0) / 1024 * count, float(wish.memory or 0) / 1024 * count
            yield Hourly(arn, "Fargate-vCPU-Hours:perCPU", "FargateTask", ECS, vcpu, USD_A_VCPU_HOUR)
            yield Hourly(arn, "Fargate-GB-Hours", "FargateTask", ECS, gigabytes, USD_A_GIGABYTE_HOUR)


def glue(account: str, region: str, now: datetime) -> Iterator[Hourly | Counted]:
    """Runs of jobs: DPUs for as long as moto says that they ran."""
    for told in (run.as_dict() for job in glue_backends[account][region].jobs.values() for run in job.job_runs):
        begun = told["StartedOn"].replace(tzinfo=now.tzinfo)
        seconds = max(LEAST_GLUE_SECONDS, told["ExecutionTime"])
        per_worker = DPU_OF_WORKER.get(told.get("WorkerType") or "", 1)
        units = float(told.get("MaxCapacity") or (told.get("NumberOfWorkers") or 1) * per_worker)
        arn = f"arn:aws:glue:{region}:{account}:job/{told['JobName']}/{told['Id']}"
        yield Hourly(arn, "ETL-DPU-Hour", "Jobrun", GLUE, units, USD_A_DPU_HOUR, begun + timedelta(seconds=seconds))


def logs(account: str, region: str, _: datetime) -> Iterator[Hourly | Counted]:
    """Bytes ingested, and bytes kept."""
    for group in logs_backends[account][region].groups.values():
        gigabytes = sum(stream.stored_bytes for stream in group.streams.values()) / GIGABYTE
        yield Counted(group.arn, "DataProcessing-Bytes", "PutLogEvents", CLOUDWATCH, gigabytes, USD_A_LOG_GIGABYTE)
        kept = gigabytes / HOURS_A_MONTH
        yield Hourly(
            group.arn, "TimedStorage-ByteHrs", "HourlyStorageMetering", CLOUDWATCH, kept, USD_A_LOG_GIGABYTE_MONTH
        )


SERVICES: dict[str, Callable[[str, str, datetime], Iterator[Hourly | Counted]]] = {
    "kinesis": kinesis,
    "dynamodb": dynamodb,
    "ec2": ec2,
    "ecs": ecs,
    "glue": glue,
    "logs": logs,
}
"""By the name that moto gives the service of a request."""


def observe(here: Standing, service: str, operation: str, parameters: dict[str, Any], now: datetime) -> None:
    """Look at a service after a change: begin and end what is billed there."""
    if service not in SERVICES:
        return
    books, there = here.work.neighbours, set()
    for found in SERVICES[service](here.account, here.region, now):
        entry = books.setdefault((found.arn, found.usage_type), Entry(service))
        there.add((found.arn, found.usage_type))
        if isinstance(found, Counted):
            entry.count(found, now)
        else:
            entry.stand(found, now)
    for key, entry in books.items():
        if entry.of == service and key not in there:
            entry.end(now)
    if service == "dynamodb" and operation in WRITES:
        _written(here, parameters, now)
    here.version += 1


class Entry:
    """One line of a neighbour's bill over time."""

    def __init__(self, of: str) -> None:
        self.of = of
        self.stays: list[tuple[datetime, datetime | None, Hourly]] = []
        self.counts: list[tuple[float, float]] = []
        self.counted: Counted | None = None

    def stand(self, found: Hourly, now: datetime) -> None:
        """It costs this from now on."""
        if self.stays and self.stays[-1][1] is None:
            begun, _, before = self.stays[-1]
            if before == found:
                return
            self.stays[-1] = (begun, now, before)
        if found.until is None:
            self.stays.append((now, None, found))
        elif not self.stays:
            self.stays.append((now, found.until, found))

    def count(self, found: Counted, now: datetime) -> None:
        """So much there has been by now."""
        new = found.total - (self.counted.total if self.counted else 0.0)
        self.counted = found
        if new > 0:
            self.counts.append((now.timestamp(), new))

    def end(self, now: datetime) -> None:
        """It is there no longer."""
        if self.stays and self.stays[-1][1] is None:
            self.stays[-1] = (self.stays[-1][0], now, self.stays[-1][2])
        if self.counted is not None:
            self.counted = self.counted._replace(total=0.0)


def runs(here: Standing) -> Iterator[Run]:
    """What stands, and stood."""
    for entry in here.work.neighbours.values():
        for start, stop, cost in entry.stays:
            span = _span(start, stop or FOREVER)
            yield Run(*span, cost.usage_type, cost.operation, cost.arn, "{}", cost.per_hour, cost.price, cost.service)


def daily(here: Standing, begin: datetime, end: datetime) -> Iterator[Daily]:
    """What was counted, by the day."""
    for entry in here.work.neighbours.values():
        found = entry.counted
        if found is None or not entry.counts:
            continue
        at, quantity = np.array(entry.counts).T
        there = (at >= begin.timestamp()) & (at < end.timestamp())
        if there.any():
            number = (at[there] // DAY).astype(int)
            sums = np.bincount(number - number.min(), quantity[there])
            told = found.service, found.usage_type, found.operation, found.arn
            yield Daily(int(number.min()), sums, *told, "{}", found.price)


def _written(here: Standing, parameters: dict[str, Any], now: datetime) -> None:
    """A write to a table on demand: a unit for each kilobyte begun."""
    name = str(parameters.get("TableName", "")).rpartition("/")[2]
    table = dynamodb_backends[here.account][here.region].tables.get(name)
    if table is None or table.billing_mode != "PAY_PER_REQUEST":
        return
    item = parameters.get("Item") or parameters.get("Key") or {}
    entry = here.work.neighbours.setdefault((table.table_arn, "WriteRequestUnits"), Entry("requests"))
    before = entry.counted.total if entry.counted else 0.0
    units = float(max(1, -(-len(json.dumps(item)) // 1024)))
    told = (table.table_arn, "WriteRequestUnits", "PutItem", DYNAMODB)
    entry.count(Counted(*told, before + units, USD_A_WRITE), now)
