"""quality and bias on the command line: figures with intervals, what is unknown as a word, what is wrong as a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from sagekeeper.service.cli import run


def given(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """40 answers, 30 of them right, by two regions; ten without a label."""
    path = tmp_path / "answers.csv"
    rows = {
        "prediction": [1] * 20 + [0] * 20 + [1] * 10,
        "label": [1] * 15 + [0] * 5 + [0] * 15 + [1] * 5 + [None] * 10,
        "region": ["north", "south"] * 25,
    }
    pl.DataFrame(rows).write_csv(path)
    return path


def test_quality_counts_labelled_answers_only_and_says_how_many_there_are(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = given(capsys, "quality", "--predictions", str(answers))
    assert (told["problem"], told["coverage"]) == ("binary_classification", 0.8)
    figures = {row["metric"]: row for row in told["rows"] if row["segment"] == ""}
    assert figures["accuracy"]["value"] == pytest.approx(0.75)
    assert figures["accuracy"]["low"] < 0.75 < figures["accuracy"]["high"]


def test_a_segment_with_too_few_labels_is_unknown_and_says_why(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = given(capsys, "quality", "--predictions", str(answers), "--segment", "region")
    south = next(row for row in told["rows"] if row["segment"] == "region=south" and row["metric"] == "accuracy")
    assert south["value"] is None and south["why"]


def test_scores_alone_are_decided_by_the_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scores.csv"
    pl.DataFrame({"score": [0.9] * 20 + [0.4] * 20, "label": [1] * 20 + [1] * 10 + [0] * 10}).write_csv(path)

    def accuracy(threshold: str) -> float:
        told = given(capsys, "quality", "--predictions", str(path), "--threshold", threshold)
        return next(row["value"] for row in told["rows"] if row["metric"] == "accuracy")

    assert (accuracy("0.5"), accuracy("0.3")) == (pytest.approx(30 / 40), pytest.approx(30 / 40))
    assert accuracy("0.95") == pytest.approx(10 / 40)


def test_bias_of_a_group_that_gets_half_as_many_is_half_and_its_interval_holds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "people.csv"
    pl.DataFrame(
        {
            "sex": ["f"] * 100 + ["m"] * 100,
            "label": [1] * 40 + [0] * 60 + [1] * 80 + [0] * 20,
            "prediction": [1] * 30 + [0] * 70 + [1] * 60 + [0] * 40,
        }
    ).write_csv(path)
    asked = ("--label", "label", "--facet", "sex", "--facet-value", "f", "--prediction", "prediction")
    figures = {row["metric"]: row for row in given(capsys, "bias", "--data", str(path), *asked)["rows"]}
    assert figures["DPL"]["value"] == pytest.approx(0.4)
    assert figures["DI"]["value"] == pytest.approx(0.5)
    assert figures["DI"]["low"] < 0.5 < figures["DI"]["high"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("quality", "--predictions", "absent.csv"), "absent.csv is not there"),
        (("bias", "--data", "{answers}", "--label", "x", "--facet", "region", "--facet-value", "north"), "no column x"),
        (
            ("bias", "--data", "{answers}", "--label", "label", "--facet", "region", "--facet-value", "west"),
            "parts the rows",
        ),
        (("quality", "--predictions", "{answers}", "--segment", "town"), "no column town"),
    ],
)
def test_wrong_input_is_one_sentence(
    answers: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, *(part.format(answers=answers) for part in arguments))


def scored(path: Path, shift: float, truth_moved: float, labels: bool = True, seed: int = 1) -> Path:
    chance = np.random.default_rng(seed)
    x = chance.normal(shift, 1, 2000)
    true = (chance.random(2000) < expit(1.5 * x - truth_moved)).astype(int)
    pl.DataFrame({"score": expit(2 * x)} | ({"label": true} if labels else {})).write_csv(path)
    return path


def test_without_labels_quality_is_estimated_from_a_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = scored(tmp_path / "reference.csv", 0.0, 0.0)
    later = scored(tmp_path / "later.csv", -0.8, 0.0, labels=False, seed=4)
    told = given(capsys, "quality", "--estimate", "--reference", str(known), "--predictions", str(later))
    real = scored(tmp_path / "real.csv", -0.8, 0.0, seed=4)
    true = {row["metric"]: row["value"] for row in given(capsys, "quality", "--predictions", str(real))["rows"]}
    found = {row["metric"]: row for row in told["expected"]}
    for metric in ("accuracy", "recall", "f1", "auc"):
        assert found[metric]["low"] <= true[metric] <= found[metric]["high"], metric
    assert told["record"] == []


def test_an_estimate_that_labels_contradict_is_said_not_to_be_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = scored(tmp_path / "reference.csv", 0.0, 0.0)
    later = scored(tmp_path / "later.csv", 0.0, 2.0, seed=3)
    asked = ["quality", "--estimate", "--reference", str(known), "--predictions", str(later)]
    told = given(capsys, *asked)
    doubted = {row["metric"]: row["trusted"] for row in told["verdict"]}
    assert doubted["accuracy"] is False
    assert run(asked) == 0
    assert "The estimate is not to be trusted" in capsys.readouterr().out


def test_an_estimate_without_a_reference_or_a_probability_says_what_is_missing(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("quality", "--estimate", "--predictions", str(answers))
    assert "--estimate needs --reference" in refused(capsys, *asked)
    assert "name its column with --score" in refused(capsys, *asked, "--reference", str(answers))


def merged(path: Path, place: list[int], seed: int) -> Path:
    """Captures with their ground truth, as Model Monitor merges them: two houses a request, with the errors of their place."""
    chance = np.random.default_rng(seed)
    lines = []
    for number in range(0, len(place), 2):
        pair = place[number : number + 2]
        told = chance.normal(3, 1, 2)
        true = told + chance.normal(size=2) * np.array([1.0 if where else 0.2 for where in pair])
        sides = {
            "endpointInput": {"mode": "INPUT", "encoding": "CSV", "data": "\n".join(f"{one},7" for one in pair)},
            "endpointOutput": {"mode": "OUTPUT", "encoding": "CSV", "data": "\n".join(str(one) for one in told)},
        }
        truth = {"encoding": "CSV", "data": "\n".join(str(one) for one in true)}
        event = {"eventId": f"e-{number}", "inferenceTime": "2026-11-20T10:00:00Z"}
        lines.append(json.dumps({"captureData": sides, "groundTruthData": truth, "eventMetadata": event}))
    path.write_text("\n".join(lines))
    return path


def test_errors_of_captured_answers_are_told_by_what_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = merged(tmp_path / "known.jsonl", [number // 2 % 2 for number in range(1200)], seed=1)
    later = merged(tmp_path / "later.jsonl", [1] * 400, seed=2)
    asked = ("quality", "--estimate", "--problem", "regression", "--reference", str(known), "--predictions", str(later))
    told = given(capsys, *asked)
    expected = {row["metric"]: row["value"] for row in told["expected"]}
    assert expected["mae"] == pytest.approx((2 / np.pi) ** 0.5, rel=0.1)  # the mean size of a standard normal error
    assert any("told by 2 features" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("shift", "truth_moved", "told"), [(1.2, 0.0, "the inputs moved"), (0.0, 1.5, "the relation moved")]
)
def test_labels_tell_moved_inputs_from_a_moved_relation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shift: float, truth_moved: float, told: str
) -> None:
    known = scored(tmp_path / "reference.csv", 0.0, 0.0)
    later = scored(tmp_path / "later.csv", shift, truth_moved, seed=4)
    asked = ("quality", "--reference", str(known), "--predictions", str(later))
    found = given(capsys, *asked)["relation"]
    assert (found["within"], found["whole"]["verdict"]) == ("score", told)
    assert len(found["stretches"]) == 8
    assert run(list(asked)) == 0
    assert told.capitalize() in " ".join(capsys.readouterr().out.split())


def test_an_estimate_tells_it_too_where_labels_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = scored(tmp_path / "reference.csv", 0.0, 0.0)
    later = scored(tmp_path / "later.csv", 0.0, 2.0, seed=3)
    found = given(capsys, "quality", "--estimate", "--reference", str(known), "--predictions", str(later))
    assert found["relation"]["whole"]["verdict"] == "the relation moved"


def test_it_is_compared_within_what_was_asked_of_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = merged(tmp_path / "known.jsonl", [number // 2 % 2 for number in range(1200)], seed=1)
    later = merged(tmp_path / "later.jsonl", [1] * 400, seed=2)
    asked = ("quality", "--problem", "regression", "--reference", str(known), "--predictions", str(later))
    found = given(capsys, *asked, "--within", "_c0")["relation"]
    # Only the place that always had large errors is asked for.
    assert (found["within"], found["whole"]["verdict"]) == ("_c0", "the inputs moved")
    assert "no such column" in refused(capsys, *asked, "--within", "street")
