"""What a model costs on an endpoint that it shares, and what of the endpoint nobody uses."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.attribution import AMOUNTS
from sagekeeper.analyzers.model_costs import MACHINES, MODEL_COST, REQUESTS, model_costs
from sagekeeper.core.tables import DAILY_COSTS

DAY = date(2026, 11, 10)
BORN = datetime(2026, 11, 1, tzinfo=UTC)
SPECS = pl.DataFrame(
    [("ml.g5.12xlarge", 48.0, 196608.0, 4.0, 7.09), ("ml.m5.xlarge", 4.0, 16384.0, 0.0, 0.23)],
    schema=MACHINES,
    orient="row",
)
NONE = pl.DataFrame(schema=REQUESTS)


def host(rows: SimpleNamespace, name: str, *variants: dict[str, Any], running: int = 1, **more: Any) -> dict[str, Any]:
    """An endpoint; a variant without a model is for inference components."""
    config = {
        "EndpointConfig": {"ProductionVariants": list(variants)},
        "ProductionVariants": [
            {"VariantName": item["VariantName"], "CurrentInstanceCount": running} for item in variants
        ],
    }
    row: dict[str, Any] = rows.endpoint(name) | {"config": json.dumps(config), "created_at": BORN} | more
    return row


def variant(machine: str, model: str | None = None, name: str = "main", count: int = 1) -> dict[str, Any]:
    told = {"VariantName": name, "InstanceType": machine, "InitialInstanceCount": count}
    return told | ({"ModelName": model} if model else {})


def component(rows: SimpleNamespace, name: str, copies: int = 1, model: str = "", **needs: float) -> dict[str, Any]:
    """One inference component on variant main of endpoint shared."""
    names = {
        "cpu": "NumberOfCpuCoresRequired",
        "chips": "NumberOfAcceleratorDevicesRequired",
        "memory": "MinMemoryRequiredInMb",
    }
    more = {key: needs.pop(key) for key in list(needs) if key not in names}
    config = {
        "EndpointName": "shared",
        "VariantName": "main",
        "Specification": {
            "ModelName": model or f"{name}-model",
            "ComputeResourceRequirements": {names[key]: value for key, value in needs.items()},
        },
        "RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies},
    }
    row: dict[str, Any] = rows.endpoint(name) | {
        "kind": "inference_component", "config": json.dumps(config), "created_at": BORN,
    } | more  # fmt: skip
    return row


def bill(rows: SimpleNamespace, cost: float, name: str = "shared", day: date = DAY, **more: Any) -> pl.DataFrame:
    return rows.frame(DAILY_COSTS, [rows.daily(name, day, cost, **more)])


def told(found: pl.DataFrame) -> dict[str | None, float]:
    return {
        model: round(cost, 6) for model, cost in found.group_by("model").agg(pl.col("billed_cost").sum()).iter_rows()
    }


def test_components_pay_for_the_accelerators_they_reserve_and_the_rest_is_unallocated(rows: SimpleNamespace) -> None:
    # Two machines of four GPUs: 2 copies of 1 and 1 copy of 4, together 6 of 8.
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.g5.12xlarge"), running=2),
        component(rows, "small", copies=2, chips=1, memory=1024),
        component(rows, "large", copies=1, chips=4, memory=1024),
    )
    found = model_costs(bill(rows, 80.0, list_cost=160.0), inventory, SPECS, NONE)
    assert found.select("model", "component", "basis", "share", "billed_cost", "list_cost").rows() == [
        ("large-model", "large", "accelerators reserved", 0.5, 40.0, 80.0),
        ("small-model", "small", "accelerators reserved", 0.25, 20.0, 40.0),
        (None, None, "reserved by no inference component", 0.25, 20.0, 40.0),
    ]
    assert found.schema == MODEL_COST


def test_without_accelerators_the_larger_part_of_cpu_and_memory_counts(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.m5.xlarge")),
        component(rows, "busy", cpu=2, memory=1024),  # half of the cores
        component(rows, "big", cpu=0.5, memory=4096),  # a quarter of the memory
    )
    assert told(model_costs(bill(rows, 8.0), inventory, SPECS, NONE)) == {
        "busy-model": 4.0,
        "big-model": 2.0,
        None: 2.0,
    }


def test_parts_that_exceed_the_machine_are_cut_alike(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.m5.xlarge")),
        component(rows, "busy", cpu=3, memory=1024),  # 0.75
        component(rows, "big", cpu=0.5, memory=12288),  # 0.75
    )
    assert told(model_costs(bill(rows, 8.0), inventory, SPECS, NONE)) == {"busy-model": 4.0, "big-model": 4.0}


def test_a_component_of_half_a_day_has_half_and_one_that_is_gone_has_nothing(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.m5.xlarge")),
        component(rows, "noon", cpu=4, created_at=datetime(2026, 11, 10, 12, tzinfo=UTC)),
        component(
            rows, "gone", cpu=4, observed_on=date(2026, 11, 8), observed_at=datetime(2026, 11, 8, 8, tzinfo=UTC)
        ),
    )  # fmt: skip
    assert told(model_costs(bill(rows, 8.0), inventory, SPECS, NONE)) == {"noon-model": 4.0, None: 4.0}


def test_reservations_are_those_of_the_day(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.m5.xlarge"), observed_on=date(2026, 11, 2)),
        host(rows, "shared", variant("ml.m5.xlarge")),
        component(rows, "c", copies=1, cpu=1, observed_on=date(2026, 11, 2)),
        component(rows, "c", copies=3, cpu=1, observed_on=date(2026, 11, 12)),
        component(rows, "c", copies=3, cpu=1),
    )
    days = pl.concat([bill(rows, 4.0), bill(rows, 4.0, day=date(2026, 11, 13))])
    found = model_costs(days, inventory, SPECS, NONE).filter(pl.col("model").is_not_null())
    assert found.select("day", "billed_cost").rows() == [(DAY, 1.0), (date(2026, 11, 13), 3.0)]


def test_a_multi_model_endpoint_is_shared_by_the_requests_that_name_their_model(rows: SimpleNamespace) -> None:
    model = rows.endpoint("many") | {"kind": "model", "config": '{"PrimaryContainer": {"Mode": "MultiModel"}}'}
    inventory = rows.inventory(host(rows, "shared", variant("ml.m5.xlarge", "many")), model)
    place = {"account": rows.account, "region": rows.region, "endpoint": "shared", "variant": "main", "day": DAY}
    asked = pl.DataFrame(
        [place | {"model": name, "requests": n} for name, n in (("a.tar.gz", 60), ("b.tar.gz", 20), (None, 20))],
        schema=REQUESTS,
    )
    assert told(model_costs(bill(rows, 10.0), inventory, SPECS, asked)) == {"a.tar.gz": 6.0, "b.tar.gz": 2.0, None: 2.0}
    silent = model_costs(bill(rows, 10.0), inventory, SPECS, NONE)
    assert silent.select("model", "basis", "billed_cost").rows() == [(None, "no counted request names a model", 10.0)]


def test_one_model_has_all_of_its_variant_and_variants_share_by_what_their_machines_cost(rows: SimpleNamespace) -> None:
    # 2 x 0.23 against 7.09 an hour.
    inventory = rows.inventory(
        host(rows, "shared", variant("ml.m5.xlarge", "old", "a"), variant("ml.g5.12xlarge", "new", "b"), running=1)
    )
    found = model_costs(bill(rows, 73.2), inventory, SPECS, NONE)
    assert told(found) == {"old": 2.3, "new": 70.9}
    assert set(found["basis"]) == {"only model"}


@pytest.mark.parametrize("machine", ["ml.unknown.xlarge", None])
def test_what_is_not_known_of_machine_or_endpoint_is_unallocated_not_guessed(
    rows: SimpleNamespace, machine: str | None
) -> None:
    stands = [host(rows, "shared", variant(machine)), component(rows, "c", cpu=1)] if machine else []
    found = model_costs(bill(rows, 5.0), rows.inventory(*stands), SPECS, NONE)
    assert told(found) == {None: 5.0}


@given(
    parts=st.lists(st.tuples(st.integers(0, 4), st.floats(0.25, 8), st.integers(0, 4)), max_size=4),
    machine=st.sampled_from(["ml.g5.12xlarge", "ml.m5.xlarge", "ml.unknown.xlarge"]),
    count=st.integers(0, 3),
    cost=st.floats(0, 1000),
    listed=st.none() | st.floats(0, 1000),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_models_and_what_is_unallocated_are_the_endpoints_cost_whatever_is_reserved(
    rows: SimpleNamespace,
    parts: list[tuple[int, float, int]],
    machine: str,
    count: int,
    cost: float,
    listed: float | None,
) -> None:
    inventory = rows.inventory(
        host(rows, "shared", variant(machine), variant("ml.m5.xlarge", "lone", "other"), running=count),
        *(component(rows, f"c{n}", copies, cpu=cpu, chips=chips) for n, (copies, cpu, chips) in enumerate(parts)),
    )
    daily = bill(rows, cost, list_cost=listed)
    found = model_costs(daily, inventory, SPECS, NONE)
    for name in AMOUNTS:
        assert float(found[name].sum()) == pytest.approx(float(daily[name].sum()), abs=1e-9), name
    assert found["list_cost"].null_count() == (found.height if listed is None else 0)
    assert (found["share"] >= 0).all()
