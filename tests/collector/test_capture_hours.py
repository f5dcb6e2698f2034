"""However captured lines are cut into chunks, their hours come out the same; and what is known of an endpoint beforehand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sagekeeper.collector.capture_hours import HOUR, Schema, profiled, together
from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_places import capture_config

NINE, TEN = datetime(2026, 11, 1, 9, tzinfo=UTC), datetime(2026, 11, 1, 10, tzinfo=UTC)
KINDS = {("capture", "size"): "numeric", ("capture", "kind"): "categorical"}
RECORD = st.fixed_dictionaries(
    {}, optional={"size": st.sampled_from([1, 2.5, -3, None, "much"]), "kind": st.sampled_from(["x", "y", "z"])}
)


def chunk(
    requests: list[dict[str, object]], name: str, hour: datetime, attributes: str = "", **known: object
) -> object:
    about = {"eventMetadata": {"customAttributes": [attributes]}}
    lines = [
        json.dumps({"captureData": {"endpointInput": {"data": json.dumps(one), "encoding": "JSON"}}} | about)
        for one in requests
    ]
    hours = pl.DataFrame({"file": [name], "variant": ["v"], "window_start": [hour]})
    return profiled(read_lines([(name, "\n".join(lines).encode())]), hours, Schema(types=KINDS, **known))


@settings(max_examples=12, deadline=None)
@given(st.lists(RECORD.filter(bool), min_size=2, max_size=12), st.data())
def test_chunks_of_an_hour_add_up_to_the_hour(requests: list[dict[str, object]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(requests) - 1))
    whole = together([chunk(requests, "a", NINE)], KINDS)
    parts = together([chunk(requests[:cut], "a", NINE), chunk(requests[cut:], "b", NINE)], KINDS)
    # The sketches hold the same numbers in another order.
    seen = pl.exclude("sketch", "distinct")
    order = [*HOUR, "feature"]
    assert_frame_equal(
        parts.rows.sort(order).select(seen), whole.rows.sort(order).select(seen), check_exact=False, abs_tol=1e-9
    )
    assert set(parts.rows["records"]) == {len(requests)}


def test_hours_and_the_models_of_a_shared_endpoint_are_kept_apart() -> None:
    read = together(
        [
            chunk([{"size": 1}], "a", NINE, "TargetModel=one.tar.gz", attribute="TargetModel"),
            chunk([{"size": 5}], "b", NINE, "", attribute="TargetModel"),
            chunk([{"size": 7}], "c", TEN, "TargetModel=one.tar.gz", attribute="TargetModel"),
        ],
        {},
    )
    assert read.rows.select("variant", "window_start", "mean").sort("variant", "window_start").rows() == [
        ("v", NINE, 5.0),
        ("v/one.tar.gz", NINE, 1.0),
        ("v/one.tar.gz", TEN, 7.0),
    ]


@pytest.mark.parametrize(
    ("endpoint", "rate"),
    [
        ({"DataCaptureConfig": {"EnableCapture": True, "CurrentSamplingPercentage": 5}}, 5),
        ({}, None),
        ({"DataCaptureConfig": {"EnableCapture": False, "CurrentSamplingPercentage": 5}}, "off"),
    ],
)
def test_what_an_endpoint_says_now_counts_before_what_its_configuration_began_with(
    endpoint: dict[str, object], rate: object
) -> None:
    made = {"EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://b/p"}
    found = capture_config({"EndpointConfig": {"DataCaptureConfig": made}} | endpoint)
    assert (found is None) == (rate == "off")
    if found is not None:
        assert found.get("CurrentSamplingPercentage") == rate


def test_answers_to_many_records_may_stand_side_by_side_or_below_each_other() -> None:
    def line(asked: str, answered: str) -> str:
        sides = {
            "endpointInput": {"data": asked, "encoding": "CSV"},
            "endpointOutput": {"data": answered, "encoding": "CSV"},
        }
        return json.dumps({"captureData": sides})

    requests = [
        line("1,2\n3,4", "0.1,0.2"),
        line("1,2\n3,4\n5,6", "0.3,0.4,0.5"),
        line("1,2", "0.6"),
        line("1,2\n3,4", "0.7\n0.8"),
    ]
    hours = pl.DataFrame({"file": ["f"], "variant": ["v"], "window_start": [NINE]})
    read = profiled(read_lines([("f", "\n".join(requests).encode())]), hours, Schema())
    answers = read.rows.filter(pl.col("role") == "prediction")
    assert answers.select("feature", "records", "total").rows() == [("prediction", 8, pytest.approx(3.6))]
    assert read.rejected.is_empty()
