"""A parent costs what its children cost, each counted once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.attribution import attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.parents import parents, rolled_up, uppermost

START = datetime(2026, 11, 10, tzinfo=UTC)
PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/retraining"
TUNING = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/search"


def execution(rows: SimpleNamespace, name: str, *steps: tuple[str, bool]) -> dict[str, Any]:
    """One run of the pipeline; steps are ARNs, and whether the step came from the cache."""
    config = {"Steps": [{"StepName": f"s{n}", "Arn": arn, "CacheHit": cached} for n, (arn, cached) in enumerate(steps)]}
    told = {"kind": "pipeline_execution", "parent_arn": PIPELINE, "arn": f"{PIPELINE}/execution/{name}"}
    return rows.job(f"retraining/{name}", "", START, 60) | told | {"config": json.dumps(config), "instance_type": None}


def world(rows: SimpleNamespace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two runs of a pipeline: one prepares ($1) and tunes (two children, $2 and $3); the other reuses what was prepared and
    trains ($5). And a job that somebody started by hand ($7)."""
    arns = {name: rows.arn("training-job", name) for name in ("prepare", "child-1", "child-2", "train", "by-hand")}
    jobs = rows.jobs(
        *(rows.job(name, "ml.m5.xlarge", START, 60) for name in ("prepare", "train", "by-hand")),
        *(rows.job(name, "ml.m5.xlarge", START, 60, parent_arn=TUNING) for name in ("child-1", "child-2")),
        rows.job("search", "", START, 60)
        | {"kind": "hyper_parameter_tuning_job", "arn": TUNING, "instance_type": None},
        execution(rows, "one", (arns["prepare"], False), (TUNING, False)),
        execution(rows, "two", (arns["prepare"], True), (arns["train"], False)),
    )
    amounts = {"prepare": 1.0, "child-1": 2.0, "child-2": 3.0, "train": 5.0, "by-hand": 7.0}
    lines = [rows.bill_line("Train:ml.m5.xlarge", cost, 1, ResourceId=arns[name]) for name, cost in amounts.items()]
    return attribute(rows.costs(*lines), rows.inventory(), jobs, OwnerRules()), parents(jobs)


def test_a_pipeline_costs_the_sum_of_its_runs_and_a_run_the_sum_of_its_jobs(rows: SimpleNamespace) -> None:
    daily, links = world(rows)
    told = rolled_up(daily, links, "billed_cost").select("parent_kind", "parent_name", "cost", "children")
    assert told.rows() == [
        ("pipeline", "retraining", 11.0, 4),
        ("pipeline_execution", "retraining/execution/one", 6.0, 3),
        ("hyper_parameter_tuning_job", "search", 5.0, 2),
        ("pipeline_execution", "retraining/execution/two", 5.0, 1),
    ]


def test_uppermost_parents_and_what_has_none_are_the_whole_bill(rows: SimpleNamespace) -> None:
    daily, links = world(rows)
    tops = rolled_up(daily, links, "billed_cost").filter(pl.col("within").is_null())
    alone = daily.filter(pl.col("parent_arn").is_null())
    assert alone["resource_name"].to_list() == ["by-hand"]
    assert float(tops["cost"].sum()) + float(alone["billed_cost"].sum()) == 18.0
    assert set(daily["parent_name"]) == {"retraining", None}


def test_a_step_from_the_cache_belongs_to_the_run_that_ran_it(rows: SimpleNamespace) -> None:
    _, links = world(rows)
    parent = dict(links.select("key", "parent_arn").rows())[rows.arn("training-job", "prepare")]
    assert parent.endswith("/execution/one")


def test_an_unknown_cost_of_all_children_is_an_unknown_cost_of_the_parent(rows: SimpleNamespace) -> None:
    daily, links = world(rows)
    assert set(rolled_up(daily, links, "list_cost")["cost"]) == {None}


@given(
    tree=st.lists(st.integers(0, 7), min_size=1, max_size=8) | st.just([1, 2, 3, 4, 5, 6, 7]),
    amounts=st.lists(st.integers(0, 1000), min_size=8, max_size=8),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_linked_to_whatever_the_uppermost_add_up_to_what_is_below_them(
    rows: SimpleNamespace, tree: list[int], amounts: list[int]
) -> None:
    # Job n belongs to a later one: no cycles, any depth up to eight.
    names = [rows.arn("training-job", f"j{n}") for n in range(8)]
    jobs = rows.jobs(
        *(
            rows.job(f"j{n}", "ml.m5.xlarge", START, 60, parent_arn=names[above] if above > n else None)
            for n, above in enumerate(tree)
        )
    )
    links = parents(jobs)
    costs = pl.DataFrame({"resource_arn": names, "cost": [float(item) for item in amounts]})
    below = set(uppermost(links)["key"])
    tops = rolled_up(costs, links, "cost").filter(pl.col("within").is_null())
    assert float(tops["cost"].sum()) == sum(cost for name, cost in zip(names, amounts, strict=True) if name in below)


def test_the_day_of_a_job_says_what_started_it(rows: SimpleNamespace) -> None:
    daily, _ = world(rows)
    row = daily.filter(pl.col("resource_name") == "child-1").row(0, named=True)
    assert (row["parent_kind"], row["parent_name"], row["parent_arn"]) == ("pipeline", "retraining", PIPELINE)
    assert row["day"] == date(2026, 11, 10)
