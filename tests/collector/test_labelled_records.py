"""Labels find their predictions: in Model Monitor's own files, in tables, late, twice, or never."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sagekeeper.collector.labelled_records import labelled
from sagekeeper.core.errors import BadInput

NAMES = {"identity": "id", "prediction": "prediction", "score": "score", "label": "label"}


def capture(event: str, data: str, inference: str | None = None, coding: str = "CSV") -> str:
    about = {"eventId": event, "inferenceTime": "2026-11-01T10:00:00Z"} | (
        {"inferenceId": inference} if inference else {}
    )
    output = {
        "observedContentType": "text/csv" if coding == "CSV" else "application/x",
        "mode": "OUTPUT",
        "data": data,
        "encoding": coding,
    }
    return json.dumps({"eventVersion": "0", "eventMetadata": about, "captureData": {"endpointOutput": output}})


def truth(event: str, data: str, coding: str = "CSV") -> str:
    return json.dumps(
        {
            "groundTruthData": {"data": data, "encoding": coding},
            "eventMetadata": {"eventId": event},
            "eventVersion": "0",
        }
    )


def files(folder: Path, captures: list[str], truths: list[str]) -> tuple[Path, Path]:
    both = folder / "captures.jsonl", folder / "truth.jsonl"
    for path, lines in zip(both, (captures, truths), strict=True):
        path.write_text("\n".join(lines))
    return both


def test_the_inference_id_counts_before_the_event_id(tmp_path: Path) -> None:
    told, true = files(
        tmp_path,
        [capture("e1", "0.7", "mine-1"), capture("e2", "0.2")],
        [truth("mine-1", "1"), truth("e1", "0"), truth("e2", "0")],
    )
    rows = labelled(told, true, NAMES).rows
    assert rows.select("identity", "prediction", "label").rows() == [("mine-1", "0.7", "1"), ("e2", "0.2", "0")]


def test_each_record_of_a_request_has_its_own_label(tmp_path: Path) -> None:
    told, true = files(
        tmp_path, [capture("e1", "0.1\n0.9")], [truth("e1", '{"instances": [{"label": 0}, {"label": 1}]}', "JSON")]
    )
    assert labelled(told, true, NAMES).rows.select("record", "prediction", "label").rows() == [
        (0, "0.1", "0"),
        (1, "0.9", "1"),
    ]


def test_a_corrected_label_replaces_the_first_and_a_missing_one_stays_unknown(tmp_path: Path) -> None:
    told, true = files(tmp_path, [capture("e1", "1"), capture("e2", "1")], [truth("e1", "0"), truth("e1", "1")])
    assert labelled(told, true, NAMES).rows["label"].to_list() == ["1", None]


def test_lines_that_are_nothing_known_are_counted_and_left_out(tmp_path: Path) -> None:
    told, true = files(tmp_path, [capture("e1", "1"), "{broken", '{"other": 1}', ""], [truth("e1", "1")])
    read = labelled(told, true, NAMES)
    assert (read.rows.height, read.poison) == (1, 2)


@pytest.mark.parametrize(("data", "coding"), [('{"predictions": [', "JSON"), ("%%%", "BASE64")])
def test_a_payload_that_cannot_be_read_is_counted_too(tmp_path: Path, data: str, coding: str) -> None:
    told, true = files(tmp_path, [capture("e1", "1"), capture("e2", data, coding=coding)], [truth("e1", "1")])
    read = labelled(told, true, NAMES)
    assert (read.rows["identity"].to_list(), read.poison) == (["e1"], 1)


def test_base64_that_holds_json_is_read_as_json(tmp_path: Path) -> None:
    answer = base64.b64encode(b'{"predictions": [{"predicted_label": 1, "score": 0.9}]}').decode()
    told, true = files(tmp_path, [capture("e1", answer, coding="BASE64")], [truth("e1", "1")])
    assert labelled(told, true, NAMES).rows.select("prediction", "score", "label").rows() == [("1", "0.9", "1")]


def test_tables_are_joined_by_their_column(tmp_path: Path) -> None:
    told, true = tmp_path / "told.csv", tmp_path / "true.csv"
    told.write_text("id,prediction\n1,2.5\n2,3.5\n")
    true.write_text("id,label\n2,3.0\n")
    assert labelled(told, true, NAMES).rows["label"].to_list() == [None, 3.0]


def test_files_without_a_way_to_join_them_are_refused(tmp_path: Path) -> None:
    told, true = tmp_path / "told.csv", tmp_path / "true.csv"
    told.write_text("prediction\n2.5\n")
    true.write_text("label\n3.0\n")
    with pytest.raises(BadInput, match="joined by id"):
        labelled(told, true, NAMES)


def test_real_files_of_the_sdk_and_of_clarify_are_read_completely(shared_data: Path, tmp_path: Path) -> None:
    samples = shared_data / "monitor/samples"
    read = labelled(samples / "sdk_capture.jsonl", samples / "sdk_actuals.jsonl", NAMES)
    assert (read.rows.height, read.rows["label"].null_count(), read.poison) == (
        len((samples / "sdk_capture.jsonl").read_text().split()),
        0,
        0,
    )
    merged = labelled(samples / "merged_groundtruth_record.json", None, NAMES)
    assert (merged.rows.height, merged.rows["label"].null_count(), merged.poison) == (334, 0, 0)
    assert merged.rows.select("prediction", "score", "label").row(0) == ("1", "0.9899773597717285", "0")
    batch = labelled(
        samples / "batchtransform_output_with_inference_id.json",
        shared_data / "monitor/model_monitor/clarify_batch_cell76.json",
        NAMES,
    )
    assert (batch.rows.height, batch.rows["label"].null_count()) == (334, 0)
