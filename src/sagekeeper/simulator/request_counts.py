"""What requests to the account's services cost by themselves: S3, DynamoDB, Lambda, Step Functions, CloudWatch, Cost Explorer.

In: every request that was answered, with the size of its answer. Out: counts on the bill (`neighbours.add`). What changes
something is journalled anyway and counted again at a restart; what only reads is written down here from time to time, by
the hour, so that a kill loses seconds of it. Nothing runs in a function: how long an invocation took follows from its
number. What leaves S3 is billed as data transfer to the internet: whoever asks is outside of AWS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from moto.awslambda.utils import get_backend
from moto.dynamodb.models import dynamodb_backends
from moto.stepfunctions.models import stepfunctions_backends

from sagekeeper.simulator import neighbour_prices as usd
from sagekeeper.simulator.charges import CLOUDWATCH, S3
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.neighbour_kinds import DYNAMODB, GIGABYTE, LAMBDA, STATES, Counted
from sagekeeper.simulator.neighbours import add
from sagekeeper.simulator.world import World

COST_EXPLORER = "AWS Cost Explorer"
WRITES, READS = ("PutItem", "UpdateItem", "DeleteItem"), ("GetItem", "Query", "Scan")
WRITE_BYTES, READ_BYTES = 1024, 4096
SHORTEST_MS, LONGEST_MS = 20, 380


class Asked(NamedTuple):
    """A request that was answered."""

    account: str
    region: str
    service: str
    operation: str
    parameters: dict[str, Any]
    path: str
    answered_bytes: int


Counts = Iterator[tuple[Counted, float]]
Row = tuple[str, str, Counted, datetime]


def _s3(asked: Asked) -> Counts:
    bucket = asked.path.strip("/").partition("/")[0]
    arn = f"arn:aws:s3:::{bucket}" if bucket else ""
    reads = asked.operation in ("GetObject", "HeadObject", "HeadBucket")
    if asked.operation.startswith("Delete"):  # free of charge
        return
    told = ("Requests-Tier2", "GetObject", usd.USD_S3_GET) if reads else ("Requests-Tier1", "PutObject", usd.USD_S3_PUT)
    yield Counted(arn, told[0], told[1], S3, 0.0, told[2]), 1.0
    if asked.operation == "GetObject" and asked.answered_bytes:
        out = Counted(arn, "DataTransfer-Out-Bytes", "GetObject", S3, 0.0, usd.USD_A_GIGABYTE_OUT)
        yield out, asked.answered_bytes / GIGABYTE


def _dynamodb(asked: Asked) -> Counts:
    given = asked.parameters
    tables = dynamodb_backends[asked.account][asked.region].tables
    table = tables.get(str(given.get("TableName", "")).rpartition("/")[2])
    if table is None or table.billing_mode != "PAY_PER_REQUEST":
        return
    if asked.operation in WRITES:
        item = given.get("Item") or given.get("Key") or {}
        units = float(max(1, -(-len(json.dumps(item)) // WRITE_BYTES)))
        yield Counted(table.table_arn, "WriteRequestUnits", "PutItem", DYNAMODB, 0.0, usd.USD_A_WRITE), units
    elif asked.operation in READS:
        consistent = 1.0 if given.get("ConsistentRead") else 0.5
        units = max(1, -(-asked.answered_bytes // READ_BYTES)) * consistent
        yield Counted(table.table_arn, "ReadRequestUnits", "GetItem", DYNAMODB, 0.0, usd.USD_A_READ), units


def _lambda(asked: Asked) -> Counts:
    if asked.operation not in ("Invoke", "InvokeAsync"):
        return
    name = asked.path.partition("/functions/")[2].partition("/")[0].rpartition(":")[2]
    found = get_backend(asked.account, asked.region).get_function(name)
    arm = "arm64" in (found.architectures or [])
    arn, number = found.function_arn, int(hashlib.sha256(repr(asked.parameters).encode()).hexdigest()[:8], 16)
    seconds = (SHORTEST_MS + number % (LONGEST_MS - SHORTEST_MS)) / 1000
    usage, price = (
        ("Lambda-GB-Second-ARM", usd.USD_AN_ARM_GB_SECOND) if arm else ("Lambda-GB-Second", usd.USD_A_GB_SECOND)
    )
    yield Counted(arn, "Request-ARM" if arm else "Request", "Invoke", LAMBDA, 0.0, usd.USD_AN_INVOCATION), 1.0
    yield Counted(arn, usage, "Invoke", LAMBDA, 0.0, price), seconds * int(found.memory_size) / 1024


def _states(asked: Asked) -> Counts:
    """moto carries nothing out: an execution is billed as once through every state, its start included."""
    if asked.operation != "StartExecution":
        return
    arn = str(asked.parameters.get("stateMachineArn", ""))
    machine = stepfunctions_backends[asked.account][asked.region].describe_state_machine(arn)
    steps = len(json.loads(machine.definition).get("States", {})) + 1
    yield Counted(arn, "StateTransition", "", STATES, 0.0, usd.USD_A_TRANSITION), float(steps)


def _cloudwatch(asked: Asked) -> Counts:
    if asked.operation == "GetMetricData":
        metrics = sum("MetricStat" in item for item in asked.parameters.get("MetricDataQueries", []))
        if metrics:
            told = Counted("", "CW:GMD-Metrics", "GetMetricData", CLOUDWATCH, 0.0, usd.USD_A_METRIC_ASKED)
            yield told, float(metrics)


def _cost_explorer(asked: Asked) -> Counts:
    if asked.operation.startswith("Get"):
        told = Counted("", "APIRequest", asked.operation, COST_EXPLORER, 0.0, usd.USD_A_COST_EXPLORER_CALL)
        yield told, 1.0


RULES: dict[str, Callable[[Asked], Counts]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "awslambda": _lambda,
    "stepfunctions": _states,
    "cloudwatch": _cloudwatch,
    "ce": _cost_explorer,
}
"""By the name that moto gives the service."""
ONLY_COUNTED = {"dynamodb": (*WRITES, *READS), "awslambda": ("Invoke", "InvokeAsync")}
"""Requests after which nothing stands that did not stand before."""


class RequestCounts:
    """Counts of requests in a world, with those of reads that are not written down yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._unkept: dict[tuple[str, str, Counted, datetime], float] = {}

    def count(self, asked: Asked, now: datetime, *, keep: bool) -> None:
        """Put a request on the bill; ``keep``: nothing else remembers it."""
        found = list(RULES[asked.service](asked)) if asked.service in RULES else []
        with self._world.lock:
            for told, amount in found:
                add(self._world.at(asked.account, asked.region), told, amount, now)
                if keep:
                    key = (asked.account, asked.region, told, now.replace(minute=0, second=0, microsecond=0))
                    self._unkept[key] = self._unkept.get(key, 0.0) + amount

    def keep(self, journal: Journal, now: datetime) -> None:
        """Write down what is only remembered here."""
        with self._world.lock:
            rows = [
                [account, region, list(told), hour.isoformat(), amount]
                for (account, region, told, hour), amount in self._unkept.items()
            ]
            self._unkept.clear()
        if rows:
            journal.write("counted", now, rows=rows)

    def again(self, entry: dict[str, Any]) -> None:
        """At start: what was written down."""
        for account, region, told, hour, amount in entry["rows"]:
            at = datetime.fromisoformat(hour).astimezone(UTC)
            add(self._world.at(account, region), Counted(*told), amount, at)
