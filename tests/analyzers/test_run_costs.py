"""What a finished run cost: all its days on the bill, else its price, else unknown."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.run_costs import run_costs

M5 = 0.23
"""Dollars an hour of ml.m5.xlarge for training, in the bundled price book."""


def known(rows: SimpleNamespace, job: dict[str, Any], *days: Any, since_days: int = 30) -> dict[str, Any]:
    """The one run of ``job``; ``days``: how many days before now, and what the bill says of it."""
    kind = {"resource_kind": job["kind"], "usage_family": "training"}
    bill = [rows.daily(job["name"], (rows.as_of - timedelta(days=back)).date(), cost, **kind) for back, cost in days]
    facts = rows.facts(jobs=[job], daily_costs=bill)
    (run,) = run_costs(facts, rows.as_of - timedelta(days=since_days)).iter_rows(named=True)
    return run


def test_a_run_over_several_days_has_all_of_them_also_those_before_the_window(rows: SimpleNamespace) -> None:
    job = rows.job("big-train-20261020", "ml.m5.xlarge", rows.as_of - timedelta(days=32), 3 * 24 * 60)
    run = known(rows, job, (32, 4.0), (31, 5.0), (30, 5.0), (29, 1.0))
    assert (run["cost"], run["basis"], run["family"], run["kind"]) == (
        15.0,
        "effective",
        "big-train",
        "training_family",
    )


def test_a_young_run_costs_what_it_ran_times_its_price_until_the_bill_has_it(rows: SimpleNamespace) -> None:
    job = rows.job("t-20261120", "ml.m5.xlarge", rows.as_of - timedelta(hours=12), 600)
    priced = known(rows, job)
    assert priced["cost"] == pytest.approx(10 * (M5 + 30 * 0.14 / 720), rel=1e-3)
    assert (priced["basis"], priced["certainty"], priced["final"]) == ("list", "derived", False)
    assert known(rows, job, (0, 0.4))["cost"] == priced["cost"]  # a part of it
    assert known(rows, job, (0, 9.0))["cost"] == 9.0


def test_what_an_old_run_cost_is_the_bills_word_though_its_price_says_more(rows: SimpleNamespace) -> None:
    job = rows.job("t-20261110", "ml.m5.xlarge", rows.as_of - timedelta(days=10), 600)
    assert known(rows, job, (10, 0.7))["cost"] == 0.7


def test_a_run_without_bill_and_price_is_unknown_not_free(rows: SimpleNamespace) -> None:
    job = rows.job("t-20261110", "ml.unheard.of", rows.as_of - timedelta(days=10), 600)
    assert known(rows, job)["cost"] is None


def test_a_run_that_still_goes_on_or_never_began_is_none(rows: SimpleNamespace) -> None:
    going = rows.job("t-1", "ml.m5.xlarge", rows.as_of - timedelta(days=1), 60) | {"ended_at": None}
    never = rows.job("t-2", "ml.m5.xlarge", rows.as_of - timedelta(days=1), 60) | {"started_at": None}
    assert run_costs(rows.facts(jobs=[going, never]), rows.as_of - timedelta(days=30)).is_empty()
