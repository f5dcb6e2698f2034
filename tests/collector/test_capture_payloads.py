"""What endpoints recorded is read in every form it takes, and what cannot be read is counted, never mixed in."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import pytest

from sagekeeper.collector.capture_payloads import batches, named


def line(data: str, encoding: str = "JSON", content: str | None = "application/json") -> str:
    asked = {"observedContentType": content, "mode": "INPUT", "data": data, "encoding": encoding}
    return json.dumps({"captureData": {"endpointInput": asked}, "eventMetadata": {"eventId": "1"}, "eventVersion": "0"})


def read(tmp_path: Path, *lines: str, names: tuple[str, ...] = ()) -> tuple[dict[str, list[str | None]], int, int, int]:
    """Values by feature, records, poison lines, odd records."""
    path = tmp_path / "capture.jsonl"
    path.write_text("\n".join(lines) + "\n")
    found = list(batches([path], names))
    values: dict[str, list[str | None]] = {}
    for batch in found:
        for name, column in batch.values.items():
            values.setdefault(name, []).extend(column.to_list())
    return (
        values,
        sum(batch.records for batch in found),
        sum(batch.poison_lines for batch in found),
        sum(batch.odd_records for batch in found),
    )


def test_csv_requests_of_several_lines_are_several_records(tmp_path: Path) -> None:
    text = '1,2,"Bonn, Rhein"\r\n4,,Paris\n\n'
    values, records, poison, odd = read(tmp_path, line(text, "CSV", "text/csv"), names=("age", "size", "town"))
    assert values == {"age": ["1", "4"], "size": ["2", None], "town": ["Bonn, Rhein", "Paris"]}
    assert (records, poison, odd) == (2, 0, 0)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("[1, 2.5]", {"a": ["1"], "b": ["2.5"]}),
        ("[[1, 2], [3, null]]", {"a": ["1", "3"], "b": ["2", None]}),
        ('{"features": [1, 2]}', {"a": ["1"], "b": ["2"]}),
        ('{"instances": [{"features": [1, 2]}, {"features": [3, 4]}]}', {"a": ["1", "3"], "b": ["2", "4"]}),
        ('{"instances": [[1, 2], [3, 4]]}', {"a": ["1", "3"], "b": ["2", "4"]}),
        ('{"b": "x, y", "a": 1}', {"a": ["1"], "b": ["x, y"]}),
        ('[{"a": 1, "b": "é"}, {"a": 2, "b": true}]', {"a": ["1", "2"], "b": ["é", "true"]}),
        ('{"dataframe_records": [{"a": 1, "b": null}]}', {"a": ["1"], "b": [None]}),
    ],
)
def test_json_requests_of_every_common_shape_are_records(
    payload: str, expected: dict[str, list[str | None]], tmp_path: Path
) -> None:
    values, records, poison, odd = read(tmp_path, line(payload), names=("a", "b"))
    assert values == expected
    assert (records, poison, odd) == (len(expected["a"]), 0, 0)


def test_a_key_with_signs_in_it_is_one_feature(tmp_path: Path) -> None:
    values, *_ = read(tmp_path, line(json.dumps({'Day "Mins".x': 1, "a$b": 2, "": 3})))
    assert values == {'Day "Mins".x': ["1"], "a$b": ["2"], "": ["3"]}


def test_a_content_type_that_was_not_listed_comes_in_base64(tmp_path: Path) -> None:
    plain = base64.b64encode(b"1,2").decode()
    nested = base64.b64encode(b'{"a": 5, "b": 6}').decode()
    values, records, poison, _ = read(
        tmp_path,
        line(plain, "BASE64", "text/html"),
        line(nested, "BASE64", "application/vnd.x+json"),
        line("%%%", "BASE64", "text/csv"),
        names=("a", "b"),
    )
    assert values == {"a": ["1", "5"], "b": ["2", "6"]}
    assert records == 2
    assert poison == 1


def test_lines_that_are_no_capture_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    values, records, poison, _ = read(
        tmp_path,
        "{broken",
        "no json at all",
        "[1, 2]",
        line("[7]"),
        line("{not json"),
        json.dumps({"captureData": {"endpointOutput": {"data": "0.3", "encoding": "CSV"}}}),
        names=("a",),
    )
    assert values == {"a": ["7"]}
    assert (records, poison) == (1, 4)  # output alone is no fault: that endpoint does not record input


def test_a_record_with_another_number_of_values_is_not_mixed_in(tmp_path: Path) -> None:
    csv_lines = [line(text, "CSV", "text/csv") for text in ("1,2", "3,4", "5,6,7", "8")]
    values, records, _, odd = read(tmp_path, *csv_lines, line("[1, 2]"), line("[1]"), line("[3, 4]"), names=("a", "b"))
    assert values == {"a": ["1", "3", "1", "3"], "b": ["2", "4", "2", "4"]}
    assert (records, odd) == (4, 3)


def test_names_are_the_baselines_without_the_output_that_it_also_monitors() -> None:
    assert named(2, ("age", "size")) == ["age", "size"]
    assert named(2, ("prediction", "age", "size")) == ["age", "size"]
    assert named(2, ()) == ["_c0", "_c1"]
    assert named(2, ("one", "two", "three", "four")) == ["_c0", "_c1"]


def test_a_real_csv_capture_has_the_values_of_the_test_set_it_was_made_from(shared_data: Path, tmp_path: Path) -> None:
    found = list(batches([shared_data / "monitor/model_monitor/capture_2022-04-18.jsonl"], ()))
    values = {name: column.to_list() for batch in found for name, column in batch.values.items()}
    asked = [list(row) for row in zip(*values.values(), strict=True)]
    with (shared_data / "monitor/model_monitor/test-dataset-input-cols.csv").open() as text:
        sent = {tuple(float(value) for value in row) for row in csv.reader(text) if row and row[0][0].isdigit()}
    assert len(asked) == 3
    assert all(tuple(float(value) for value in row) in sent for row in asked)


def test_a_real_json_capture_with_two_records_in_one_request_has_both(shared_data: Path) -> None:
    found = list(batches([shared_data / "monitor/samples/datacapture_endpoint_json.jsonl"], ()))
    assert sum(batch.records for batch in found) == 3
    assert [batch.values["_c0"].to_list() for batch in found if batch.records] == [["28", "28", "43"]]
    assert all(len(batch.values) == 14 for batch in found if batch.records)
