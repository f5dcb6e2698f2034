"""What endpoints recorded is read in every form it takes, and what cannot be read is counted, never mixed in."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import pytest

from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_payloads import Records, records
from sagekeeper.collector.capture_tables import named


def line(data: str, encoding: str = "JSON", content: str | None = "application/json") -> str:
    asked = {"observedContentType": content, "mode": "INPUT", "data": data, "encoding": encoding}
    return json.dumps({"captureData": {"endpointInput": asked}, "eventMetadata": {"eventId": "1"}, "eventVersion": "0"})


def read(*lines: str, names: tuple[str, ...] = ()) -> Records:
    return records(read_lines([("file", ("\n".join(lines) + "\n").encode())]), "input", names)


def columns(found: Records) -> dict[str, list[object]]:
    return found.values.to_dict(as_series=False)


def in_order(found: Records) -> dict[str, list[object]]:
    """As they were asked: files with several shapes are read shape by shape."""
    places = found.keys.with_row_index("place").sort("line", "record")["place"]
    return found.values[places].to_dict(as_series=False)


def counts(found: Records) -> tuple[int, int, int]:
    return found.keys.height, found.poison, found.odd


def real(path: Path) -> Records:
    return records(read_lines([(path.name, path.read_bytes())]), "input", ())


def test_csv_requests_of_several_lines_are_several_records() -> None:
    text = '1,2,"Bonn, Rhein"\r\n4,,Paris\n\n'
    found = read(line(text, "CSV", "text/csv"), names=("age", "size", "town"))
    assert columns(found) == {"age": ["1", "4"], "size": ["2", None], "town": ["Bonn, Rhein", "Paris"]}
    assert counts(found) == (2, 0, 0)
    assert found.keys["record"].to_list() == [0, 1]


def test_a_line_end_within_quotes_ends_no_record() -> None:
    found = read(line('1,"so\ngood"\n2,bad', "CSV", "text/csv"), names=("stars", "text"))
    assert columns(found) == {"stars": ["1", "2"], "text": ["so good", "bad"]}


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
        ('{"a": 1, "b": NaN}\n{"a": 2, "b": 3}', {"a": ["1", "2"], "b": ["NaN", "3"]}),
        ('{"inputs": ["good", "bad \\"film\\""]}', {"inputs": ["good", 'bad "film"']}),
        ('{"inputs": "alone"}', {"inputs": ["alone"]}),
        ('[["a\\"b", 1], ["c", 2]]', {"a": ['a"b', "c"], "b": ["1", "2"]}),
        ('{"id": "k", "vector": [0.5, 1, 2]}', {"id": ["k"], "vector": [[0.5, 1.0, 2.0]]}),
    ],
)
def test_json_requests_of_every_common_shape_are_records(payload: str, expected: dict[str, list[object]]) -> None:
    found = read(line(payload), names=("a", "b"))
    assert in_order(found) == expected
    assert counts(found) == (len(next(iter(expected.values()))), 0, 0)


def test_requests_of_several_shapes_in_one_file_are_all_read() -> None:
    shapes = ('{"b": 2, "a": 1}', '{"instances": [[3, 4]]}', '{"a": 5}', "[7, 8]", '{"a": 9, "instances": [[1, 1]]}')
    found = read(*(line(shape) for shape in shapes), names=("a", "b"))
    rows = sorted(zip(found.keys["line"], *(found.values[name] for name in "ab"), strict=True))
    assert rows == [(1, "1", "2"), (2, "3", "4"), (3, "5", None), (4, "7", "8"), (5, "1", "1")]


def test_a_key_with_signs_in_it_is_one_feature() -> None:
    strange = {'Day "Mins".x': 1, "a$b": 2, "": 3, "x/y~z": 4, "it's": 5}
    found = columns(read(line(json.dumps(strange))))
    assert found == {key: [str(value)] for key, value in sorted(strange.items())}


def test_a_content_type_that_was_not_listed_comes_in_base64() -> None:
    plain = base64.b64encode(b"1,2").decode()
    nested = base64.b64encode(b'{"a": 5, "b": 6}').decode()
    found = read(
        line(plain, "BASE64", "text/html"),
        line(nested, "BASE64", "application/vnd.x+json"),
        line(nested, "BASE64", None),
        line("%%%", "BASE64", "text/csv"),
        line(base64.b64encode(b"\xff\xd8\xff").decode(), "BASE64", "image/jpeg"),
        names=("a", "b"),
    )
    assert columns(found) == {"a": ["1", "5", "5"], "b": ["2", "6", "6"]}
    assert found.rejected.select("line", "why").rows() == [(4, "payload is not base64"), (5, "payload is not text")]


def test_lines_that_are_no_capture_are_told_with_their_place_and_the_rest_is_read() -> None:
    found = read(
        "{broken",
        "no json at all",
        "[1, 2]",
        line("[7]"),
        line("{not json"),
        json.dumps({"captureData": {"endpointOutput": {"data": "0.3", "encoding": "CSV"}}}),
        line("", "CSV", "text/csv"),
        line('{"instances": []}'),
        names=("a",),
    )
    assert columns(found) == {"a": ["7"]}
    assert found.rejected.select("line", "why").rows() == [
        (1, "line is not JSON"),
        (2, "line is not JSON"),
        (3, "line is no capture record"),
        (5, "payload is not JSON"),
        (7, "payload is empty"),
        (8, "payload holds no record"),
    ]  # output alone is no fault: that endpoint does not record input


def test_a_file_that_ends_within_a_line_is_read_up_to_there_and_says_so() -> None:
    whole = line("[1, 2]")
    found = records(read_lines([("cut", f"{whole}\n{whole[:40]}".encode())]), "input", ("a", "b"))
    assert columns(found) == {"a": ["1"], "b": ["2"]}
    assert found.rejected.rows() == [("cut", 2, None, "file ends within the line")]
    assert records(read_lines([("whole", whole.encode())]), "input", ("a", "b")).keys.height == 1


def test_a_payload_that_is_nested_without_end_spoils_no_other() -> None:
    found = read(line("[" * 3000 + "]" * 3000), line("[[1]]"), line("[[2]]"), names=("a",))
    assert columns(found) == {"a": ["1", "2"]}
    assert found.rejected.select("line", "why").rows() == [(1, "payload is nested too deeply")]


def test_keys_that_are_identities_do_not_become_features_without_end() -> None:
    strange = {f"id-{number:05}": number for number in range(2100)}
    found = read(*(line(json.dumps({"a": 1, "b": 2})) for _ in range(2)), line(json.dumps(strange)))
    assert found.values.width == 2000
    assert found.values["a"].to_list() == ["1", "1", None]
    assert "too many" in found.rejected["why"][0]


def test_a_record_with_another_number_of_values_is_not_mixed_in() -> None:
    csv_lines = [line(text, "CSV", "text/csv") for text in ("1,2", "3,4", "5,6,7", "8", '9" tall,3')]
    found = read(*csv_lines, line("[1, 2]"), line("[1]"), line("[3, 4]"), names=("a", "b"))
    assert columns(found) == {"a": ["1", "3", "1", "3"], "b": ["2", "4", "2", "4"]}
    assert counts(found) == (4, 0, 4)


def test_names_are_the_baselines_without_the_output_that_it_also_monitors() -> None:
    assert named(2, ("age", "size")) == ["age", "size"]
    assert named(2, ("prediction", "age", "size")) == ["age", "size"]
    assert named(2, ()) == ["_c0", "_c1"]
    assert named(2, ("one", "two", "three", "four")) == ["_c0", "_c1"]


def test_a_real_csv_capture_has_the_values_of_the_test_set_it_was_made_from(shared_data: Path) -> None:
    found = real(shared_data / "monitor/model_monitor/capture_2022-04-18.jsonl")
    with (shared_data / "monitor/model_monitor/test-dataset-input-cols.csv").open() as text:
        sent = {tuple(float(value) for value in row) for row in csv.reader(text) if row and row[0][0].isdigit()}
    assert counts(found) == (3, 0, 0)
    assert all(tuple(float(value) for value in row) in sent for row in found.values.rows())


def test_a_real_json_capture_with_two_records_in_one_request_has_both(shared_data: Path) -> None:
    found = real(shared_data / "monitor/samples/datacapture_endpoint_json.jsonl")
    assert counts(found) == (3, 0, 0)
    assert found.values["_c0"].to_list() == ["28", "28", "43"]
    assert found.values.width == 14


def test_answers_of_a_real_json_capture_are_read_as_requests_are(shared_data: Path) -> None:
    path = shared_data / "monitor/samples/datacapture_endpoint_json.jsonl"
    found = records(read_lines([(path.name, path.read_bytes())]), "output", ())
    assert found.values["predicted_label"].to_list() == ["1", "1", "1"]
    assert found.values["score"].to_list()[:2] == ["0.9899773597717285"] * 2
    assert found.keys["record"].to_list() == [0, 0, 1]
