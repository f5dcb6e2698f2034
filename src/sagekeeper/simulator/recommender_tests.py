"""What Inference Recommender finds: for every candidate the most requests a minute that it answers in time, and its price.

In: a job's request and a model's name. Out: one `Benchmark` a candidate, with when it was run. A request's service time
follows from the model's name; a candidate serves as many at once as it has vCPUs (or GPUs, eight times as fast), and the
queueing model (`queueing.py`) says how long a request waits at a given load. Costs are the price book's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.queueing import queue
from sagekeeper.simulator.training_plan import chance

PREPARING = timedelta(seconds=180)
DEFAULT_TEST_SECONDS, USUAL_JOB_SECONDS, USUAL_PARALLEL = 1200, 7200, 5
"""A default job is done in about three quarters of an hour (the operation's documentation)."""
CANDIDATES = ("ml.c5.large", "ml.c5.xlarge", "ml.c5.2xlarge", "ml.m5.large", "ml.m5.xlarge", "ml.g4dn.xlarge")
"""What a default job compares where the model does not say what it can run on."""
GPU_SPEED = 8.0
FASTEST_S, SLOWEST_S = 0.004, 0.06
BUSY = 0.9
"""Without a latency to keep, a candidate is loaded up to here."""
WAITS_AT = {"P50": 0.7, "P95": 3.0, "P99": 4.6}
"""Waiting times are spread exponentially: a percentile is so many times the mean."""


class Benchmark(NamedTuple):
    """One candidate's test."""

    number: int
    kind: str
    instances: int
    serverless: dict[str, Any]
    environment: dict[str, str]
    start: datetime
    end: datetime
    per_minute: int
    latency_ms: int
    busy: float
    memory: float
    usd_per_hour: float

    @property
    def usd_per_request(self) -> float:
        return self.usd_per_hour / (60 * max(self.per_minute, 1))


def benchmarks(given: dict[str, Any], model: str, begin: datetime, region: str) -> list[Benchmark]:
    """All tests of a job, in the order in which they are run; what does not fit into the job's time is not run."""
    config = given["InputConfig"]
    limit = config.get("ResourceLimit", {})
    seconds = _test_seconds(config, given["JobType"])
    latest = begin + timedelta(seconds=int(config.get("JobDurationInSeconds", USUAL_JOB_SECONDS)))
    at_once = int(limit.get("MaxParallelOfTests") or (USUAL_PARALLEL if given["JobType"] == "Default" else 1))
    found = []
    wishes = candidates(config)[: int(limit.get("MaxNumberOfTests") or 10**6)]
    for number, wish in enumerate(wishes):
        start = begin + PREPARING + timedelta(seconds=number // at_once * seconds)
        end = min(start + timedelta(seconds=seconds), latest)
        if start < end:
            found.append(_measured(number, wish, given, model, (start, end), region))
    return found


def candidates(config: dict[str, Any]) -> list[dict[str, Any]]:
    """What a job compares: the configurations it names, or the types that the model supports."""
    named = config.get("EndpointConfigurations")
    if named:
        return list(named)
    kinds = config.get("ContainerConfig", {}).get("SupportedInstanceTypes") or CANDIDATES
    return [{"InstanceType": kind} for kind in kinds]


def usd_per_hour(kind: str, region: str) -> float:
    """An hour of hosting on one instance of the type; 0 where the price book does not know it."""
    try:
        return PriceBook.bundled().hourly(kind, "Hosting", region).usd
    except PriceUnknown:
        return 0.0


def most_per_minute(service_s: float, servers: int, told: dict[str, Any]) -> int:
    """The most requests a minute within the latency asked for, by halving the interval."""
    limits = told.get("ModelLatencyThresholds", [])
    low, high = 0.0, BUSY * servers / service_s
    if all(_seconds(high, servers, service_s, item) <= item["ValueInMilliseconds"] / 1000 for item in limits):
        low = high
    for _ in range(40):
        middle = (low + high) / 2
        if all(_seconds(middle, servers, service_s, item) <= item["ValueInMilliseconds"] / 1000 for item in limits):
            low = middle
        else:
            high = middle
    return min(int(low * 60), int(told.get("MaxInvocations", 10**9)))


def _seconds(per_second: float, servers: int, service_s: float, limit: dict[str, Any]) -> float:
    line = queue(per_second, servers, service_s)
    return service_s + line.waits * line.mean_wait_s * WAITS_AT.get(str(limit.get("Percentile", "P95")).upper(), 3.0)


def _measured(
    number: int, wish: dict[str, Any], given: dict[str, Any], model: str, span: tuple[datetime, datetime], region: str
) -> Benchmark:
    serverless, kind = wish.get("ServerlessConfig", {}), wish.get("InstanceType", "")
    spec = PriceBook.bundled().spec(kind)
    service = FASTEST_S + chance(model, "service") * (SLOWEST_S - FASTEST_S)
    servers = int(serverless.get("MaxConcurrency", 0)) or (spec.vcpu if spec else 2)
    if spec is not None and spec.gpus:
        servers, service = spec.gpus, service / GPU_SPEED
    most = most_per_minute(service, servers, given.get("StoppingConditions", {}))
    line = queue(most / 60, servers, service)
    if serverless:
        size = int(serverless["MemorySizeInMB"]) / 1024
        usd = most * 60 * service * size * PriceBook.bundled().unit("serverless_compute", region).usd
    else:
        usd = usd_per_hour(kind, region)
    latency = service + line.waits * line.mean_wait_s * WAITS_AT["P95"]
    values = {
        item["Name"]: item["Value"][0]
        for item in wish.get("EnvironmentParameterRanges", {}).get("CategoricalParameterRanges", [])
    }
    memory = 15 + 60 * chance(model, kind, "memory")
    return Benchmark(
        number,
        kind,
        0 if serverless else 1,
        serverless,
        values,
        *span,
        most,
        max(1, round(latency * 1000)),
        100 * line.utilisation,
        memory,
        usd,
    )


def _test_seconds(config: dict[str, Any], kind: str) -> int:
    pattern = config.get("TrafficPattern", {})
    if kind == "Default" or not pattern:
        return DEFAULT_TEST_SECONDS
    stairs = pattern.get("Stairs")
    if stairs:
        return int(stairs["DurationInSeconds"]) * int(stairs.get("NumberOfSteps", 1))
    return sum(int(item["DurationInSeconds"]) for item in pattern.get("Phases", [])) or DEFAULT_TEST_SECONDS
