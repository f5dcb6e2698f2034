"""Our monitor as a process with the layout of a SageMaker Processing job, and the baseline that it compares with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import polars as pl
import pytest

from sagekeeper.collector.monitor_json import parsed, unknown_keys
from sagekeeper.collector.monitor_quality import quality, thresholds
from sagekeeper.collector.monitor_shapes import SHAPES, kind_of
from sagekeeper.collector.monitor_violations import violations
from sagekeeper.service.cli import run
from sagekeeper.simulator.process import RunningSimulator, start

ENDPOINT, SCHEDULE = "prices", "prices-quality"
TOLD = {"sagemaker_endpoint_name": ENDPOINT, "sagemaker_monitoring_schedule_name": SCHEDULE}


def captured(number: int, data: str, answer: str) -> str:
    """A line as data capture writes it."""
    sides = {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": data, "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": answer, "encoding": "CSV"},
    }
    event = {"eventId": f"e-{number}", "inferenceTime": "2026-11-20T10:00:00Z"}
    return json.dumps({"captureData": sides, "eventMetadata": event, "eventVersion": "0"})


def training(path: Path, seed: int = 1) -> Path:
    """Two features of which later data may drift."""
    chance = np.random.default_rng(seed)
    frame = {"income": chance.normal(5, 1, 600).round(4), "place": chance.choice(["inland", "coast"], 600)}
    pl.DataFrame(frame).write_csv(path)
    return path


def baseline(folder: Path) -> None:
    """What `sagekeeper baseline` suggests, where a job finds it."""
    made = folder / "made"
    assert run(["baseline", "--in", str(training(folder / "training.csv")), "--out", str(made), "--json"]) == 0
    for name, place in (("constraints", "constraints"), ("statistics", "stats")):
        target = folder / "opt/ml/processing/baseline" / place / f"{name}.json"
        target.parent.mkdir(parents=True)
        target.write_bytes((made / f"{name}.json").read_bytes())


Asked = tuple[int, dict[str, Any], str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Asked]:
    """Run the container's command: exit code, what it gives, and the exit message that SageMaker would show."""

    def asked(folder: Path, *arguments: str, **told: str) -> Asked:
        for name, value in (TOLD | told).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = run(["monitor-job", "--root", str(folder), *arguments, "--json"])
        message = folder / "opt/ml/output/message"
        return code, json.loads(capsys.readouterr().out), message.read_text() if message.exists() else ""

    return asked


def put_captures(folder: Path, shift: float, rubbish: int = 0) -> None:
    chance = np.random.default_rng(7)
    rows = zip(chance.normal(5 + shift, 1, 500), chance.choice(["inland", "coast"], 500), strict=True)
    lines = [captured(number, f"{income:.4f},{place}", "1.5") for number, (income, place) in enumerate(rows)]
    target = folder / "opt/ml/processing/endpointdata" / ENDPOINT / "AllTraffic/2026/11/20/10/00-00-000-a.jsonl"
    target.parent.mkdir(parents=True)
    target.write_text("\n".join([*lines, *["{rubbish"] * rubbish]) + "\n")


def result(folder: Path, name: str) -> dict[str, Any]:
    return dict(parsed((folder / "opt/ml/processing/resultdata" / name).read_bytes(), name).value)


def test_as_a_process_a_job_finds_the_drifted_feature_and_writes_what_our_reader_reads_whole(tmp_path: Path) -> None:
    baseline(tmp_path)
    put_captures(tmp_path, shift=1.0, rubbish=2)
    command = [str(Path(sys.executable).with_name("sagekeeper")), "monitor-job", "--root", str(tmp_path), "--json"]
    done = subprocess.run(command, env=os.environ | TOLD, capture_output=True, check=True)
    assert json.loads(done.stdout)["violations"] == 1
    assert (tmp_path / "opt/ml/output/message").read_text() == (
        "CompletedWithViolations: Job completed successfully with 1 violations. "
        "2 captured lines or records could not be read and were left out."
    )
    for name, kind in (
        ("statistics", "statistics"),
        ("constraints", "constraints"),
        ("constraint_violations", "violations"),
    ):
        document = result(tmp_path, f"{name}.json")
        assert kind_of(document) == kind
        assert unknown_keys(document, SHAPES[kind]) == []  # type: ignore[index]
    (found,) = violations(result(tmp_path, "constraint_violations.json"))
    assert (found.subject, found.check, found.required) == ("income", "baseline_drift_check", 0.1)
    assert result(tmp_path, "statistics.json")["dataset"]["item_count"] == 500


def test_a_job_on_unchanged_data_completes_without_violations(tmp_path: Path, ask: Callable[..., Asked]) -> None:
    baseline(tmp_path)
    put_captures(tmp_path, shift=0.0)
    code, _, message = ask(tmp_path)
    assert (code, message) == (0, "Completed: Job completed successfully with no violations.")
    assert result(tmp_path, "constraint_violations.json") == {"violations": []}


def test_a_job_without_data_fails_and_says_where_it_looked(tmp_path: Path, ask: Callable[..., Asked]) -> None:
    (tmp_path / "opt/ml/processing/endpointdata").mkdir(parents=True)
    code, told, message = ask(tmp_path)
    assert code == 2
    assert "There is no data" in told["error"]["message"]
    assert message.startswith("Failed: There is no data: no .jsonl")


def test_a_job_whose_baseline_is_broken_says_so(tmp_path: Path, ask: Callable[..., Asked]) -> None:
    baseline(tmp_path)
    put_captures(tmp_path, shift=0.0)
    (tmp_path / "opt/ml/processing/baseline/constraints/constraints.json").write_text("{")
    code, _, message = ask(tmp_path)
    assert code == 2
    assert "constraints.json is no JSON" in message


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("monitored"), scale="small") as running:
        yield running


@pytest.mark.integration
def test_asked_for_it_a_job_reads_captures_from_s3_and_publishes_under_model_monitors_names(
    tmp_path: Path, account: RunningSimulator, ask: Callable[..., Asked]
) -> None:
    baseline(tmp_path)
    keys = {
        "AWS_ENDPOINT_URL": account.url,
        "SAGEKEEPER_CLOCK_URL": f"{account.url}/sagekeeper/clock",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def client(service: str) -> Any:
        given = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=account.url, **given)

    client("s3").create_bucket(Bucket="captures-of-prices")
    hour = account.now() - timedelta(hours=1)
    lines = [captured(number, f"{5 + number % 3},inland", "1.5") for number in range(60)]
    for variant, age in (("AllTraffic", timedelta(0)), ("AllTraffic", timedelta(days=2)), ("Shadow", timedelta(0))):
        key = f"capture/{ENDPOINT}/{variant}/{hour - age:%Y/%m/%d/%H}/00-00-000-a.jsonl"
        client("s3").put_object(Bucket="captures-of-prices", Key=key, Body="\n".join(lines).encode())
    code, told, _ = ask(tmp_path, "--captures", f"s3://captures-of-prices/capture/{ENDPOINT}", "--publish", **keys)
    assert code == 0
    assert result(tmp_path, "statistics.json")["dataset"]["item_count"] == 120  # both variants, the last hour only
    found = client("cloudwatch").list_metrics(Namespace="aws/sagemaker/Endpoints/data-metrics")["Metrics"]
    own = [item for item in found if {"Name": "MonitoringSchedule", "Value": SCHEDULE} in item["Dimensions"]]
    assert {item["MetricName"] for item in own} == {
        *("feature_data_income", "feature_non_null_income", "feature_baseline_drift_income"),
        *("feature_non_null_place", "feature_baseline_drift_place"),
    }
    assert told["metrics"] == len(own)


def put_answers(folder: Path, wrong: int) -> None:
    """300 answers with a probability, and what was true; so many are wrong."""
    place = folder / "opt/ml/processing"
    lines = [captured(number, "1,2", f"{0.9 if number % 2 else 0.1}") for number in range(300)]
    truth = [
        json.dumps(
            {
                "groundTruthData": {"data": str((number % 2) ^ (number < wrong)), "encoding": "CSV"},
                "eventMetadata": {"eventId": f"e-{number}"},
                "eventVersion": "0",
            }
        )
        for number in range(300)
    ]
    for name, content in (("endpointdata/a.jsonl", lines), ("groundtruth/b.jsonl", truth)):
        (place / name).parent.mkdir(parents=True)
        (place / name).write_text("\n".join(content))


def test_a_model_quality_job_breaks_the_line_of_its_baseline(tmp_path: Path, ask: Callable[..., Asked]) -> None:
    answers = {"prediction": [0, 1] * 150, "score": [0.1, 0.9] * 150, "label": [1, 0] * 15 + [0, 1] * 135}
    pl.DataFrame(answers).write_csv(tmp_path / "answers.csv")
    made = tmp_path / "opt/ml/processing/baseline/constraints"
    assert (
        run(["baseline", "--in", str(tmp_path / "answers.csv"), "--out", str(made), "--label", "label", "--json"]) == 0
    )
    rules = {rule.metric: rule for rule in thresholds(json.loads((made / "constraints.json").read_text()))[0]}
    assert rules["accuracy"].comparison == "LessThanThreshold"
    assert 0.85 < (rules["accuracy"].threshold or 0) < 0.9
    put_answers(tmp_path, wrong=90)
    told = {"analysis_type": "MODEL_QUALITY", "problem_type": "BinaryClassification"}
    code, given, _ = ask(tmp_path, **told)
    assert code == 0
    document = result(tmp_path, "statistics.json")
    assert unknown_keys(document, SHAPES["model_quality_statistics"]) == []
    metrics = {item.metric: item for item in quality(document).metrics}
    assert metrics["accuracy"].value == pytest.approx(0.7)
    assert metrics["accuracy"].std == pytest.approx((0.7 * 0.3 / 300) ** 0.5, rel=0.02)
    assert "accuracy" in {item.metric for item in violations(result(tmp_path, "constraint_violations.json"))}
    assert given["violations"] == len(violations(result(tmp_path, "constraint_violations.json")))


def test_real_captures_against_a_real_training_set_break_what_model_monitor_said_in_its_words(
    tmp_path: Path, ask: Callable[..., Asked], shared_data: Path
) -> None:
    """The model answers with a probability where the training set has classes: Model Monitor's own words, letter by letter."""
    real = shared_data / "monitor" / "model_monitor"
    made = tmp_path / "made"
    assert run(["baseline", "--in", str(real / "training-dataset-with-header.csv"), "--out", str(made), "--json"]) == 0
    data = tmp_path / "opt/ml/processing/endpointdata"
    data.mkdir(parents=True)
    (data / "captured.jsonl").write_bytes((real / "capture_2022-04-18.jsonl").read_bytes())
    told = {f"baseline_{name}": str(made / f"{name}.json") for name in ("constraints", "statistics")}
    # A path that is told is a path in the container: below the root that was given.
    code, given, _ = ask(tmp_path, **{name: path.removeprefix(str(tmp_path)) for name, path in told.items()})
    published = pl.read_csv(real / "constraint_violations.csv").filter(pl.col("feature_name") == "Churn").to_dicts()
    assert result(tmp_path, "constraint_violations.json")["violations"] == published
    assert (code, given["violations"]) == (0, 1)
