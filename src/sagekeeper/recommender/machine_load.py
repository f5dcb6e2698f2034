"""How busy are the machines of an endpoint's variants? Percent of the whole machine, in the hours that count.

In: hourly maxima of CPU, memory and GPU per variant, already divided by cores and GPUs (the collector does). Out: one `Load` per
variant: the high percentile that says whether a machine is too big, and the very highest hour that its replacement must carry.
A reading that is not there is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sagekeeper.analyzers.facts import Facts

HOUR = 3600
Place = tuple[str, str, str]
"""Account, region, endpoint name."""


@dataclass(frozen=True)
class Load:
    """Percent of the whole machine; None: no such reading. CPU, memory, GPU memory: p99 of the hours, GPU: p95.

    ``..._peak``: the highest hour of all, which a percentile of two weeks leaves out. ``hours`` with a reading.
    """

    requests: float
    cpu: float
    cpu_peak: float
    memory: float | None
    memory_peak: float | None
    gpu: float | None
    gpu_memory: float | None
    gpu_memory_peak: float | None
    hours: int


def busiest(facts: Facts, starts: datetime, ends: datetime) -> dict[Place, dict[str, Load]]:
    """Loads between two full hours, by endpoint and variant. A variant without a CPU reading is absent."""
    metric, statistic, value = pl.col("metric"), pl.col("statistic"), pl.col("value")

    def highest(name: str) -> pl.Expr:
        return value.filter((metric == name) & (statistic == "Maximum"))

    found = (
        facts.metrics.filter(
            (pl.col("resource_kind") == "endpoint")
            & (pl.col("period_seconds") == HOUR)
            & pl.col("start").is_between(starts, ends, closed="left")
        )
        .group_by("account", "region", "resource_name", "variant")
        .agg(
            requests=value.filter((metric == "Invocations") & (statistic == "Sum")).sum(),
            cpu=highest("CPUUtilization").quantile(0.99, "higher"),
            cpu_peak=highest("CPUUtilization").max(),
            memory=highest("MemoryUtilization").quantile(0.99, "higher"),
            memory_peak=highest("MemoryUtilization").max(),
            gpu=highest("GPUUtilization").quantile(0.95, "higher"),
            gpu_memory=highest("GPUMemoryUtilization").quantile(0.99, "higher"),
            gpu_memory_peak=highest("GPUMemoryUtilization").max(),
            hours=highest("CPUUtilization").count(),
        )
        .filter(pl.col("cpu").is_not_null())
    )
    loads: dict[Place, dict[str, Load]] = {}
    for row in found.iter_rows(named=True):
        key = (row.pop("account"), row.pop("region"), row.pop("resource_name"))
        variant = row.pop("variant")
        loads.setdefault(key, {})[variant] = Load(**row)
    return loads
