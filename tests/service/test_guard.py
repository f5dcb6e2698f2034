"""What a file would launch, priced before it is, on the command line: the working, the budgets, the exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.tables import DAILY_COSTS, JOBS, Table
from sagekeeper.service.cli import run

TODAY = datetime.now(UTC)
ROLE = "arn:aws:iam::123456789012:role/train"
JOB: dict[str, Any] = {
    "TrainingJobName": "churn-train-2026-11-20",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 73},
    "StoppingCondition": {"MaxRuntimeInSeconds": 36_000},
}
M5 = 0.23

Guard = Callable[..., tuple[int, dict[str, Any]]]


def rows(table: Table, *items: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(table.columns) | item for item in items], schema=table.columns)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An account with budgets: `all` 1,000 USD, `churn` 40 USD of the owner churn, `euros` 100 EUR. 900 USD are spent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGEKEEPER_CONFIG", raising=False)
    (tmp_path / "sagekeeper.toml").write_text(
        """
        [[aws.accounts]]
        id = "123456789012"
        [[budgets]]
        name = "all"
        amount = 1000
        [[budgets]]
        name = "churn"
        amount = 40
        owner = "churn"
        [[budgets]]
        name = "euros"
        amount = 100
        currency = "EUR"
        account = "210987654321"
        """
    )
    made = Lake(tmp_path / ".sagekeeper" / "lake")
    first = TODAY.date().replace(day=1)
    line = {"day": first, "dataset": "cost-explorer", "account": "123456789012", "region": "us-east-1"}
    line |= {"charge_category": "Usage", "service": "Amazon SageMaker", "currency": "USD", "estimated": False}
    spent = [line | {"owner": "others", "billed_cost": 890.0}, line | {"owner": "churn", "billed_cost": 10.0}]
    made.replace(DAILY_COSTS, rows(DAILY_COSTS, *spent), Scope())
    return made


@pytest.fixture
def guard(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Guard:
    """Run the guard on a document; its exit code and what it says for programs."""

    def called(document: Any, *words: str, name: str = "launch.json") -> tuple[int, dict[str, Any]]:
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / name).write_text(text)
        code = run(["guard", "--file", name, "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return called


def ran(lake: Lake, *hours: float, **more: Any) -> None:
    """Completed runs of churn-train, an hour and a half and so on."""
    start = TODAY - timedelta(days=9)
    job = {"account": "123456789012", "region": "us-east-1", "kind": "training_job", "status": "Completed"}
    job |= {"instance_type": "ml.m5.xlarge", "instance_count": 2, "month": date(start.year, start.month, 1)}
    runs = [
        job
        | {"name": f"churn-train-2026-11-{number:02}", "started_at": start, "ended_at": start + timedelta(hours=took)}
        | {"run_seconds": int(took * 3600), "billable_seconds": int(took * 3600)}
        | more
        for number, took in enumerate(hours, start=1)
    ]
    lake.replace(JOBS, rows(JOBS, *runs), Scope())


def test_a_job_without_past_runs_is_expected_to_take_its_limit_and_said_to_be_assumed(guard: Guard) -> None:
    code, found = guard(JOB)
    volume = 73 * 2 * 10 / 730 * 0.14
    assert found["cost"]["expected"] == pytest.approx(2 * 10 * M5 + volume)
    assert "assumed" in found["documents"][0]["works"][0]["lines"][0]["use"]["basis"]
    assert (code, found["verdict"]) == (0, "fits")
    assert [(item["name"], item["left"]) for item in found["budgets"]] == [("all", pytest.approx(100.0))]


def test_the_familys_own_runs_say_what_to_expect_and_the_limit_what_it_can_cost(guard: Guard, lake: Lake) -> None:
    ran(lake, 1.0, 2.0, 4.0)
    _, found = guard(JOB | {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2}})
    low, expected, high = (found["cost"][name] for name in ("low", "expected", "high"))
    # A bundled price may be 3 % off.
    assert (low, expected, high) == pytest.approx((2 * M5 * 0.97, 4 * M5, 20 * M5 * 1.03))


def test_the_tags_of_a_request_choose_the_budget_and_the_tightest_decides(guard: Guard) -> None:
    big = JOB | {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 20}}
    assert guard(big)[0] == 0
    code, found = guard(big | {"Tags": [{"Key": "Owner", "Value": "churn"}]})
    assert (code, found["budgets"][0]["name"], found["budgets"][0]["left"]) == (1, "churn", pytest.approx(30.0))
    assert found["budgets"][1]["verdict"] == "fits"


def test_the_ceiling_is_asked_for_where_the_expected_cost_is_not_enough(guard: Guard, lake: Lake) -> None:
    ran(lake, 1.0)
    long = JOB | {"StoppingCondition": {"MaxRuntimeInSeconds": 20 * 86_400}}
    assert guard(long)[0] == 0
    assert guard(long, "--ceiling")[0] == 1


def test_a_budget_in_another_currency_is_never_compared(guard: Guard) -> None:
    code, found = guard(JOB, "--budget", "euros")
    assert code == 3
    assert (found["budgets"][0]["left"], found["budgets"][0]["verdict"]) == (None, "cannot be judged")
    assert "EUR" in found["budgets"][0]["why"]


def test_a_machine_without_a_price_cannot_be_judged_and_is_in_no_amount(guard: Guard) -> None:
    code, found = guard(JOB | {"ResourceConfig": {"InstanceType": "ml.zz9.large", "InstanceCount": 1}})
    assert code == 3
    assert found["cost"]["high"] == 0.0
    assert "No price is known for ml.zz9.large" in found["documents"][0]["unknown"][0]


def test_a_list_of_requests_is_summed(guard: Guard) -> None:
    one = guard(JOB)[1]["cost"]["expected"]
    assert guard([JOB, {"CreateTrainingJob": JOB}])[1]["cost"]["expected"] == pytest.approx(2 * one)


def test_yaml_says_the_same_as_json(guard: Guard) -> None:
    text = """
    TrainingJobName: churn-train-1
    ResourceConfig: {InstanceType: ml.m5.xlarge, InstanceCount: 1}
    StoppingCondition: {MaxRuntimeInSeconds: 3600}
    """
    code, found = guard(text, name="job.yaml")
    assert (code, found["cost"]["expected"]) == (0, pytest.approx(M5))
    assert "AWS wants more before it starts this: RoleArn, OutputDataConfig." in found["documents"][0]["notes"][0]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (JOB | {"InstanceTyp": "ml.m5.xlarge"}, "InstanceTyp"),
        (JOB | {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": "two"}}, "InstanceCount"),
        ({"Nothing": 1}, "cannot be told from its members"),
        ([], "holds no request"),
        ("{not json", "is not JSON"),
        ([3], "is an object"),
        ({"Version": "2020-12-01", "Steps": []}, "has no Steps"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(guard: Guard, document: Any, said: str) -> None:
    code, found = guard(document)
    assert code == 2
    assert said in found["error"]["message"]


def test_a_budget_that_is_not_there_is_wrong_input(guard: Guard) -> None:
    code, found = guard(JOB, "--budget", "nobody")
    assert (code, "There is no budget nobody" in found["error"]["message"]) == (2, True)


def test_an_endpoint_costs_until_the_month_ends_and_scales_between_its_limits(guard: Guard) -> None:
    variant = {"VariantName": "blue", "ModelName": "m", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 2}
    documents = [
        {"EndpointConfigName": "c", "ProductionVariants": [variant]},
        {"EndpointName": "e", "EndpointConfigName": "c"},
        {
            "ServiceNamespace": "sagemaker",
            "ResourceId": "endpoint/e/variant/blue",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "MinCapacity": 1,
            "MaxCapacity": 4,
        },
    ]
    _, found = guard(documents)
    month = found["per_month"]
    assert (month["low"], month["expected"], month["high"]) == pytest.approx(
        (730 * M5 * 0.97, 2 * 730 * M5, 4 * 730 * M5 * 1.03)
    )
    assert found["cost"]["expected"] < month["expected"] * 744 / 730


def test_a_serverless_endpoint_fits_only_if_its_ceiling_does(guard: Guard) -> None:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 50}
    variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": config}
    code, found = guard({"EndpointConfigName": "c", "ProductionVariants": [variant]})
    assert "how many requests" in found["documents"][0]["open"][0]
    # 50 at once around the clock is far above what is left, and none is nothing. In the last hours of a month it fits.
    assert code == (3 if found["cost"]["high"] > 100 else 0)


def test_the_text_for_people_shows_the_working(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    guard(JOB)
    assert run(["guard", "--file", "launch.json"]) == 0
    told = capsys.readouterr().out
    assert "2 Train:ml.m5.xlarge" in told
    assert "It fits." in told
