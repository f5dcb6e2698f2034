"""Smaller machines: proposed where the busiest hours leave room, and only there."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Recommendation, UpdateEndpoint
from sagekeeper.recommender.run import recommend

TAGS = {"cost-optimizer": "managed", "env": "staging"}


def proposals(
    rows: SimpleNamespace,
    machine: str = "ml.m5.4xlarge",
    cpu: float | None = 8.0,
    memory: float | None = 7.0,
    gpu: float | None = None,
    gpu_memory: float | None = None,
    requests: float = 100.0,
    cost: float | None = None,
    count: int = 1,
    changed_at: datetime | None = None,
    asynchronous: bool = False,
    peaks: dict[str, float] | None = None,
    model: str | None = "busy-model",
) -> list[Recommendation]:
    """What is proposed for one endpoint whose every hour looks the same, but for one: ``peaks`` by metric."""
    monday = rows.as_of - timedelta(days=4, hours=-1)
    readings = {
        ("Invocations", "Sum"): requests,
        ("CPUUtilization", "Maximum"): cpu,
        ("MemoryUtilization", "Maximum"): memory,
        ("GPUUtilization", "Maximum"): gpu,
        ("GPUMemoryUtilization", "Maximum"): gpu_memory,
    }
    metrics = [
        row
        for (metric, statistic), value in readings.items()
        for row in rows.metrics(
            "busy",
            metric,
            statistic,
            lambda at, value=value, metric=metric: (peaks or {}).get(metric, value) if at == monday else value,
        )
    ]
    more = {} if changed_at is None else {"changed_at": changed_at}
    endpoint = rows.endpoint("busy", machine, count, TAGS, asynchronous, model=model, **more)
    costs = [] if cost is None else [rows.daily("busy", date(2026, 11, 4) + timedelta(days=n), cost) for n in range(14)]
    made, errors = recommend(rows.facts(inventory=[endpoint], metrics=metrics, daily_costs=costs), {}, Lifecycle())
    assert errors == {}
    return [item for item in made if item.lever == "smaller_instance"]


def target(item: Recommendation) -> str:
    """The machine proposed; how many of them is left as it is."""
    assert isinstance(item.change, UpdateEndpoint)
    (variant,) = item.change.variants
    assert variant.instance_count is None
    return variant.instance_type


def test_the_cheapest_size_of_the_family_that_keeps_headroom_is_taken_and_the_count_stays(
    rows: SimpleNamespace,
) -> None:
    # 8 % of 16 cores is 64 % of 2; 7 % of 64 GB is 56 % of 8: ml.m5.large fits.
    (item,) = proposals(rows, count=2)
    assert target(item) == "ml.m5.large"
    # 2 x (0.922 - 0.115) x 730
    assert float(item.saving.expected) == pytest.approx(2 * 0.807 * 730)
    assert item.one_click


def test_memory_decides_too(rows: SimpleNamespace) -> None:
    # 12 % of 64 GB is 96 % of ml.m5.large and 48 % of ml.m5.xlarge.
    (item,) = proposals(rows, memory=12.0)
    assert target(item) == "ml.m5.xlarge"
    (refused,) = [one for one in item.alternatives if one.name == "ml.m5.large"]
    assert "memory would reach 96 %" in refused.why_not
    assert refused.cost_per_month == Decimal("83.9500")


@pytest.mark.parametrize(
    ("cpu", "memory", "requests"),
    [(41.0, 7.0, 100.0), (8.0, 51.0, 100.0), (8.0, 7.0, 2.0), (None, 7.0, 100.0), (8.0, None, 100.0)],
)
def test_a_busy_a_hardly_used_or_an_unknown_machine_is_left_alone(
    rows: SimpleNamespace, cpu: float | None, memory: float | None, requests: float
) -> None:
    assert proposals(rows, cpu=cpu, memory=memory, requests=requests) == []


def test_one_busy_hour_a_fortnight_must_fit_too(rows: SimpleNamespace) -> None:
    # 13 % of 16 cores is 104 % of 2 and 52 % of 4; the percentiles of two weeks do not see a single hour.
    (item,) = proposals(rows, peaks={"CPUUtilization": 13.0})
    assert target(item) == "ml.m5.xlarge"
    (refused,) = [one for one in item.alternatives if one.name == "ml.m5.large"]
    assert refused.why_not == "CPU would reach 104 % in its busiest hour"


def test_one_hour_of_full_memory_is_a_crash_on_the_smaller_machine(rows: SimpleNamespace) -> None:
    # 20 % of 64 GB is 160 % of 8, 80 % of 16 and 40 % of 32.
    (item,) = proposals(rows, peaks={"MemoryUtilization": 20.0})
    assert target(item) == "ml.m5.2xlarge"


def test_a_host_of_inference_components_is_not_judged_by_these_rules(rows: SimpleNamespace) -> None:
    assert proposals(rows, model=None) == []


def test_the_smallest_machine_has_no_smaller_one(rows: SimpleNamespace) -> None:
    assert proposals(rows, "ml.m5.large") == []


def test_a_gpu_that_idles_moves_to_a_smaller_gpu_never_to_none(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows, "ml.g5.4xlarge", cpu=5.0, memory=5.0, gpu=6.0, gpu_memory=20.0)
    machine = target(item)
    # 6 % of an A10G is 11 % of a T4 by bandwidth; 20 % of 22.9 GB is 28 % of 16 GB; ml.g4dn.xlarge is the cheapest.
    assert machine == "ml.g4dn.xlarge"
    assert item.confidence == 0.5
    assert any("architecture" in risk for risk in item.risks)


def test_a_gpu_that_works_or_is_full_stays(rows: SimpleNamespace) -> None:
    assert proposals(rows, "ml.g5.4xlarge", cpu=5.0, memory=5.0, gpu=21.0, gpu_memory=20.0) == []
    assert proposals(rows, "ml.g5.4xlarge", cpu=5.0, memory=5.0, gpu=6.0, gpu_memory=60.0) == []
    assert proposals(rows, "ml.g5.4xlarge", cpu=5.0, memory=5.0, gpu=None, gpu_memory=20.0) == []


def test_readings_from_before_the_last_change_say_nothing_about_todays_machine(rows: SimpleNamespace) -> None:
    assert proposals(rows, changed_at=rows.as_of - timedelta(days=3)) == []


def test_an_asynchronous_endpoint_is_not_judged_by_these_rules(rows: SimpleNamespace) -> None:
    assert proposals(rows, asynchronous=True) == []


def test_a_discount_on_the_bill_lowers_the_promise_and_it_never_exceeds_the_cost(rows: SimpleNamespace) -> None:
    half = 0.922 * 24 / 2
    (item,) = proposals(rows, cost=half)
    assert float(item.saving.expected) == pytest.approx(0.807 * 730 / 2, rel=1e-3)
    assert item.saving.high <= item.cost_per_month
    assert item.saving.basis == "effective"


def test_an_estimated_price_widens_the_range(rows: SimpleNamespace) -> None:
    (sure,) = proposals(rows, "ml.m5.4xlarge", memory=12.0)
    (unsure,) = proposals(rows, "ml.c5.9xlarge", cpu=8.0, memory=12.0)  # to ml.c5.2xlarge; 9xlarge's price is estimated
    assert target(unsure) == "ml.c5.2xlarge"

    def width(item: Recommendation) -> float:
        return float((item.saving.high - item.saving.low) / item.saving.expected)

    assert width(unsure) > width(sure) > 0.09


def test_the_prices_that_a_saving_rests_on_say_whether_they_are_bundled(rows: SimpleNamespace) -> None:
    (item,) = proposals(rows)
    prices = {figure.label: figure for figure in item.evidence.figures if figure.label.startswith("Price of")}
    assert {label: figure.value for label, figure in prices.items()} == {
        "Price of ml.m5.4xlarge": 0.922,
        "Price of ml.m5.large": 0.115,
    }
    assert all(figure.basis.startswith("bundled price of 20") for figure in prices.values())
