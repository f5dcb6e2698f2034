"""What is inside a cost: the models that share an endpoint, and the jobs that a pipeline, schedule or tuning job started.

In: `daily_costs` of one bill over a period, the inventory, the jobs. Out: small frames. Models and what is unallocated are the
endpoint's cost; what is uppermost among parents adds up to the cost of all jobs that were started by something.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.model_costs import REQUESTS, machines, model_costs
from sagekeeper.analyzers.parents import parents, rolled_up
from sagekeeper.collector.history import inventory_states
from sagekeeper.core.lake import Lake
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import DAILY_COSTS, JOBS, MODEL_REQUESTS
from sagekeeper.reports.views.spend import Basis, known

UNALLOCATED = "unallocated"


def models_inside(
    lake: Lake, dataset: str, currency: str, basis: Basis, first: date, last: date, today: date
) -> pl.DataFrame:
    """[account, region, endpoint, model, component, how, cost, share] of endpoints that more than one model shares, or that have
    something unallocated; the dearest endpoint first. ``share`` is of the endpoint."""
    daily = _rows(lake, dataset, currency, first, last).filter(pl.col("resource_kind") == "endpoint").collect()
    stood = inventory_states(lake, today, ("endpoint", "inference_component", "model"))
    found = model_costs(daily, stood, machines(PriceBook.bundled()), counted_requests(lake, first, last))
    place, cost = ["account", "region", "endpoint"], f"{basis}_cost"
    several = (pl.col("model").n_unique() > 1) | (pl.col("component").is_not_null().any())
    shared = found.filter((several | (pl.col("basis") == "no counted request names a model").any()).over(place))
    whole = pl.col("cost").sum().over(place)
    return (
        shared.group_by(*place, "model", "component", how="basis")
        .agg(cost=known(pl.col(cost)))
        .with_columns(
            share=pl.when(whole != 0).then(pl.col("cost") / whole), model=pl.col("model").fill_null(UNALLOCATED)
        )
        .sort(whole, *place, "cost", descending=[True, False, False, False, True], nulls_last=True)
        .select(*place, "model", "component", "how", "cost", "share")
    )


def counted_requests(lake: Lake, first: date, last: date) -> pl.DataFrame:
    """Requests per model of multi-model endpoints, in the schema `REQUESTS`."""
    days = lake.scan(MODEL_REQUESTS).filter(pl.col("day").is_between(first, last))
    return days.select(*REQUESTS).with_columns(pl.col("model").replace("", None)).collect()


def started(lake: Lake, dataset: str, currency: str, basis: Basis, first: date, last: date) -> pl.DataFrame:
    """[kind, name, within, cost, jobs], the dearest first; ``within`` is the uppermost parent's name, null for one that is."""
    costs = (
        _rows(lake, dataset, currency, first, last)
        .filter(pl.col("resource_arn").is_not_null())
        .group_by("resource_arn")
        .agg(cost=known(pl.col(f"{basis}_cost")))
        .collect()
    )
    links = parents(lake.scan(JOBS).select("kind", "arn", "parent_arn", "config").collect())
    found = rolled_up(costs, links, "cost")
    names = found.select(within="parent_arn", within_name="parent_name")
    return found.join(names, on="within", how="left", maintain_order="left").select(
        kind=pl.col("parent_kind").str.replace_all("_", " "),
        name="parent_name",
        within="within_name",
        cost="cost",
        jobs="children",
    )


def _rows(lake: Lake, dataset: str, currency: str, first: date, last: date) -> pl.LazyFrame:
    return lake.scan(DAILY_COSTS).filter(
        (pl.col("dataset") == dataset) & pl.col("day").is_between(first, last) & (pl.col("currency") == currency)
    )
