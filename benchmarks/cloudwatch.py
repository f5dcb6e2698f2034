"""The simulated account's CloudWatch: ten million points put (to disk), and 14 days of 500 metrics asked for.

Ours through the operations themselves, in process, and at a smaller number over HTTP through boto3; against moto's own
store at a hundredth of that. Floor: the same numbers written to a file, and summed by numpy. Times of different numbers
of points are shown per million points.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from moto.cloudwatch.models import CloudWatchBackend

from benchmarks.timing import show
from sagekeeper.simulator.clock import SimulatedClock
from sagekeeper.simulator.cloudwatch import get_metric_data
from sagekeeper.simulator.journal import Journal
from sagekeeper.simulator.meter import Meter
from sagekeeper.simulator.metric_log import MetricLog
from sagekeeper.simulator.metric_put import put_metric_data
from sagekeeper.simulator.operations import Ask, House
from sagekeeper.simulator.process import start
from sagekeeper.simulator.world import PAYER, World

POINTS, METRICS = 10_000_000, 500
MINUTES = POINTS // METRICS
IN_MOTO, OVER_HTTP, ONE_BY_ONE = 20_000, 600_000, 100_000
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
STATISTICS = ("Average", "Maximum", "p99", "tm90", "IQM", "PR(1:2)")
TARGET_PUT_S, TARGET_QUERY_S = 60.0, 1.0


def main() -> None:
    """Run it and print the ratios."""
    values = np.random.default_rng(1).lognormal(size=POINTS)
    with tempfile.TemporaryDirectory() as folder:
        ask = _account(Path(folder))
        ten_million = _timed(lambda: _put_all(ask, values))
        many, single, client = _over_http(Path(folder), values)
        seconds = {
            "floor: numbers into a file, synced": _timed(lambda: values.tofile(Path(folder) / "raw")) * 1e6 / POINTS,
            "sagekeeper PutMetricData, 150 values a datum": ten_million * 1e6 / POINTS,
            "sagekeeper PutMetricData, one value a datum": _timed(lambda: _put_single(ask, values[:ONE_BY_ONE]))
            * 1e6
            / ONE_BY_ONE,
            f"the same over HTTP ({OVER_HTTP:,} points, 150 a datum)": many * 1e6 / OVER_HTTP,
            f"the same over HTTP ({ONE_BY_ONE:,} points, one value a datum)": single * 1e6 / ONE_BY_ONE,
            "boto3 alone, one value a datum: the client's processor": client * 1e6 / ONE_BY_ONE,
            f"moto's store ({IN_MOTO:,} points)": _timed(lambda: _in_moto(values[:IN_MOTO])) * 1e6 / IN_MOTO,
        }
        show("Put points into CloudWatch, per million", seconds, "floor: numbers into a file, synced")
        print(f"  {POINTS:,} points in {ten_million:.1f} s; the target is {TARGET_PUT_S:.0f} s")
        for name, took in (("150 values", many / OVER_HTTP), ("one value", single / ONE_BY_ONE)):
            print(f"  {POINTS:,} points over HTTP, {name} a datum: {took * POINTS:.0f} s")
        asked = {stat: _asked(ask, stat) for stat in STATISTICS}
        hours = values.reshape(METRICS, -1)
        found = {"floor: numpy mean of the same values": _timed(lambda: hours.mean(axis=1))} | {
            f"GetMetricData, 500 metrics, 14 days, {stat}": took for stat, (took, _) in asked.items()
        }
        show("Ask for 14 days of 500 metrics by the hour, all pages", found, "floor: numpy mean of the same values")
        slowest = max(longest for _, longest in asked.values())
        print(f"  slowest single call {slowest:.2f} s; the target is {TARGET_QUERY_S:.0f} s")


def _account(folder: Path) -> Ask:
    world = World()
    clock = SimulatedClock(folder / "clock.json", NOW, 0.0)
    house = House(world, clock, Meter(world), Journal(folder / "journal.jsonl"), MetricLog(folder / "metrics.bin"))
    return Ask(house, PAYER, "us-east-1", {}, NOW)


def _put(ask: Ask, data: list[dict[str, Any]]) -> None:
    put_metric_data(Ask(ask.house, ask.account, ask.region, {"Namespace": "bench", "MetricData": data}, ask.now))


def _put_all(ask: Ask, values: Any) -> None:
    """Every metric has a value for each minute of the last 14 days, put in datums of 150 values."""
    begin = NOW - timedelta(minutes=MINUTES)
    rows = values.reshape(METRICS, MINUTES)
    for first in range(0, MINUTES, 300):
        # Two datums of 150 values for each metric: a request of 1,000 datums.
        parts = [rows[:, at : at + 150] for at in (first, first + 150) if at < MINUTES]
        data = [
            {
                "MetricName": f"m{number}",
                "Values": part[number].tolist(),
                "Timestamp": begin + timedelta(minutes=first + 150 * place),
            }
            for place, part in enumerate(parts)
            for number in range(METRICS)
        ]
        _put(ask, data)


def _singles(values: Any) -> list[list[dict[str, Any]]]:
    """Requests of a thousand datums with one value each."""
    numbers = values.tolist()
    return [
        [
            {
                "MetricName": f"single{place % 50}",
                "Value": value,
                "Timestamp": NOW - timedelta(minutes=first // 50 + place // 50),
            }
            for place, value in enumerate(numbers[first : first + 1000])
        ]
        for first in range(0, len(numbers), 1000)
    ]


def _put_single(ask: Ask, values: Any) -> None:
    for data in _singles(values):
        _put(ask, data)


def _over_http(folder: Path, values: Any) -> tuple[float, float, float]:
    """Seconds for 150 values a datum and for one, and what of the latter boto3 itself takes of the processor."""
    with start(folder / "served", scale="small") as account:
        client: Any = boto3.client(
            "cloudwatch",
            region_name="us-east-1",
            endpoint_url=account.url,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )
        rows = values[:OVER_HTTP].reshape(-1, 150).tolist()
        requests = [
            [{"MetricName": f"m{place}", "Values": row} for place, row in enumerate(rows[first : first + 200])]
            for first in range(0, len(rows), 200)
        ]
        singles = _singles(values[:ONE_BY_ONE])
        many = _timed(lambda: [client.put_metric_data(Namespace="bench", MetricData=data) for data in requests])
        own = time.process_time()
        single = _timed(lambda: [client.put_metric_data(Namespace="bench", MetricData=data) for data in singles])
        return many, single, time.process_time() - own


def _in_moto(values: Any) -> None:
    backend = CloudWatchBackend("us-east-1", PAYER)
    data = [{"MetricName": f"m{place % 50}", "Value": value, "Timestamp": NOW} for place, value in enumerate(values)]
    backend.put_metric_data("bench", data)


def _asked(ask: Ask, stat: str) -> tuple[float, float]:
    """Seconds of the whole answer and of its slowest page."""
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {"Metric": {"Namespace": "bench", "MetricName": f"m{number}"}, "Period": 3600, "Stat": stat},
        }
        for number in range(METRICS)
    ]
    params: dict[str, Any] = {"MetricDataQueries": queries, "StartTime": NOW - timedelta(days=14), "EndTime": NOW}
    pages = []
    while True:
        begun = time.perf_counter()
        answer = get_metric_data(Ask(ask.house, ask.account, ask.region, params, NOW))
        pages.append(time.perf_counter() - begun)
        if "NextToken" not in answer:
            return sum(pages), max(pages)
        params = params | {"NextToken": answer["NextToken"]}


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
