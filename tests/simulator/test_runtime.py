"""sagemaker-runtime in the simulated account: answers, refusals, captures, and what all that does to the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.simulator.hosted import IMAGE, ROLE, Hosted, refused

from sagekeeper.simulator.process import start
from sagekeeper.simulator.queueing import fails, latency_s, queue


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One account; time stands still but for what tests advance."""
    with start(tmp_path_factory.mktemp("runtime"), speed=0.001) as running:
        yield Hosted(running)


def total(aws: Hosted, metric: str, hours: int = 1, **dimensions: str) -> float:
    """The metric's sum over the last hours."""
    now = aws.running.now()
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=hours),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(row["Sum"] for row in found))


@pytest.mark.integration
def test_an_endpoint_answers_and_its_requests_count(aws: Hosted) -> None:
    aws.endpoint("asked")
    runtime = aws.client("sagemaker-runtime")
    answers = [
        runtime.invoke_endpoint(EndpointName="asked", ContentType="text/csv", Body=b"1,2,3\n4,5,6\n") for _ in range(5)
    ]
    assert answers[0]["InvokedProductionVariant"] == "main"
    said = [answer["Body"].read() for answer in answers]
    assert len(said[0].splitlines()) == 2
    assert len(set(said)) == 1
    aws.running.advance(seconds=120)
    assert total(aws, "Invocations", EndpointName="asked", VariantName="main") == 5


@pytest.mark.integration
def test_json_is_answered_with_json_and_custom_attributes_come_back(aws: Hosted) -> None:
    aws.endpoint("polite")
    answer = aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="polite",
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps({"instances": [1]}).encode(),
        CustomAttributes="trace=1",
    )
    assert json.loads(answer["Body"].read())["predictions"]
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == "trace=1"


@pytest.mark.integration
def test_an_answer_can_be_streamed(aws: Hosted) -> None:
    aws.endpoint("streaming")
    runtime = aws.client("sagemaker-runtime")
    whole = runtime.invoke_endpoint(EndpointName="streaming", ContentType="text/csv", Body=b"1\n2\n3\n4")["Body"].read()
    answer = runtime.invoke_endpoint_with_response_stream(
        EndpointName="streaming", ContentType="text/csv", Body=b"1\n2\n3\n4"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert len(parts) > 1
    assert b"".join(parts) == whole


@pytest.mark.integration
def test_what_is_not_there_is_refused_as_aws_refuses_it(aws: Hosted) -> None:
    runtime = aws.client("sagemaker-runtime")
    refused(
        "ValidationError",
        runtime.invoke_endpoint,
        "Endpoint nowhere of account 123456789012 not found.",
        EndpointName="nowhere",
        Body=b"1",
    )
    aws.endpoint("one-variant")
    refused(
        "ValidationError",
        runtime.invoke_endpoint,
        "other",
        EndpointName="one-variant",
        Body=b"1",
        TargetVariant="other",
    )
    refused(
        "ValidationError",
        runtime.invoke_endpoint,
        "not a multi-model endpoint",
        EndpointName="one-variant",
        Body=b"1",
        TargetModel="a.tar.gz",
    )
    refused(
        "ValidationError",
        runtime.invoke_endpoint_async,
        "not asynchronous",
        EndpointName="one-variant",
        InputLocation="s3://bucket/key",
    )


@pytest.mark.integration
def test_a_model_that_fails_says_so_and_shows_in_the_errors(aws: Hosted) -> None:
    aws.endpoint("failing")
    aws.running.set_fault("failing", "errors")
    runtime = aws.client("sagemaker-runtime")
    codes = []
    for number in range(40):
        try:
            runtime.invoke_endpoint(EndpointName="failing", ContentType="text/csv", Body=f"{number}".encode())
        except runtime.exceptions.ModelError as error:
            codes.append((error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]))
            assert error.response["OriginalStatusCode"] == 500
            assert "/aws/sagemaker/Endpoints/failing" in error.response["LogStreamArn"]
    assert codes
    assert set(codes) == {("ModelError", 424)}
    aws.running.advance(seconds=120)
    assert total(aws, "Invocation5XXErrors", EndpointName="failing", VariantName="main") == len(codes)


@pytest.mark.integration
def test_captures_hold_what_was_asked_and_said(aws: Hosted) -> None:
    aws.client("s3").create_bucket(Bucket="captured")
    wish = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://captured/here",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }
    aws.endpoint("seen", DataCaptureConfig=wish)
    runtime = aws.client("sagemaker-runtime")
    for number in range(3):
        runtime.invoke_endpoint(
            EndpointName="seen", ContentType="text/csv", Body=f"{number},7".encode(), InferenceId=f"id-{number}"
        )
    listed = aws.client("s3").list_objects_v2(Bucket="captured", Prefix="here/seen/main/")["Contents"]
    now = aws.running.now()
    assert listed[0]["Key"].startswith(f"here/seen/main/{now:%Y/%m/%d/%H}/")
    rows = [
        json.loads(line)
        for item in listed
        for line in aws.client("s3").get_object(Bucket="captured", Key=item["Key"])["Body"].read().splitlines()
    ]
    assert [row["captureData"]["endpointInput"]["data"] for row in rows] == ["0,7", "1,7", "2,7"]
    assert rows[0]["captureData"]["endpointInput"]["encoding"] == "CSV"
    assert rows[0]["captureData"]["endpointOutput"]["mode"] == "OUTPUT"
    assert rows[1]["eventMetadata"]["inferenceId"] == "id-1"
    assert rows[0]["eventVersion"] == "0"


@pytest.mark.integration
def test_capture_takes_the_share_that_was_asked_for(aws: Hosted) -> None:
    aws.client("s3").create_bucket(Bucket="sampled")
    wish = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 25,
        "DestinationS3Uri": "s3://sampled/here",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }
    aws.endpoint("sampled-endpoint", DataCaptureConfig=wish)
    runtime = aws.client("sagemaker-runtime")
    for number in range(120):
        runtime.invoke_endpoint(EndpointName="sampled-endpoint", ContentType="text/csv", Body=f"{number}".encode())
    listed = aws.client("s3").list_objects_v2(Bucket="sampled").get("Contents", [])
    rows = sum(
        len(aws.client("s3").get_object(Bucket="sampled", Key=item["Key"])["Body"].read().splitlines())
        for item in listed
    )
    assert 15 <= rows <= 46


@pytest.mark.integration
def test_an_asynchronous_request_is_answered_in_s3(aws: Hosted) -> None:
    aws.client("s3").create_bucket(Bucket="later")
    aws.endpoint("async-one", AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://later/out"}})
    aws.client("s3").put_object(Bucket="later", Key="in.csv", Body=b"1,2\n3,4")
    runtime = aws.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_async(EndpointName="async-one", InputLocation="s3://later/in.csv")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["OutputLocation"].startswith("s3://later/out/")
    key = answer["OutputLocation"].removeprefix("s3://later/")
    assert len(aws.client("s3").get_object(Bucket="later", Key=key)["Body"].read().splitlines()) == 2
    refused("ValidationError", runtime.invoke_endpoint, "asynchronous", EndpointName="async-one", Body=b"1")


@pytest.mark.integration
def test_a_multi_model_endpoint_wants_to_know_which_model(aws: Hosted) -> None:
    aws.client("s3").create_bucket(Bucket="models")
    for name in ("a", "b"):
        aws.client("s3").put_object(Bucket="models", Key=f"many/{name}.tar.gz", Body=b"x")
    aws.sagemaker.create_model(
        ModelName="many",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://models/many/"},
    )
    variant: dict[str, Any] = {
        "VariantName": "main",
        "ModelName": "many",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    aws.sagemaker.create_endpoint_config(EndpointConfigName="many", ProductionVariants=[variant])
    aws.sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many")
    aws.running.advance(seconds=25)
    runtime = aws.client("sagemaker-runtime")
    assert runtime.invoke_endpoint(EndpointName="many", Body=b"1", TargetModel="a.tar.gz")["Body"].read()
    refused("ValidationError", runtime.invoke_endpoint, "TargetModel", EndpointName="many", Body=b"1")
    refused(
        "ValidationError",
        runtime.invoke_endpoint,
        "Failed to download model data",
        EndpointName="many",
        Body=b"1",
        TargetModel="c.tar.gz",
    )
    aws.running.advance(seconds=120)
    assert total(aws, "ModelCacheHit", EndpointName="many", VariantName="main") <= 1
    listed = aws.client("cloudwatch").list_metrics(
        Namespace="/aws/sagemaker/Endpoints", MetricName="LoadedModelCount", Dimensions=[{"Name": "EndpointName"}]
    )["Metrics"]
    assert [item["Dimensions"][0]["Value"] for item in listed] == ["many"]


@pytest.mark.integration
def test_what_was_invoked_is_remembered_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("remembered")
    seen = []
    for turn in range(2):
        with start(folder, speed=0.001) as running:
            aws = Hosted(running)
            if not turn:
                aws.endpoint("remembered")
                for number in range(4):
                    aws.client("sagemaker-runtime").invoke_endpoint(
                        EndpointName="remembered", Body=bytes([number, 255])
                    )
                running.advance(seconds=120)
            seen.append(total(aws, "Invocations", EndpointName="remembered", VariantName="main"))
    assert seen == [4, 4]


def test_a_queue_waits_more_the_busier_it_is() -> None:
    lines = [queue(rate, 2, 0.1) for rate in (1, 10, 18)]
    assert [round(line.utilisation, 2) for line in lines] == [0.05, 0.5, 0.9]
    # Erlang's C for two servers is 2 rho^2 / (1 + rho).
    assert lines[1].waits == pytest.approx(2 * 0.25 / 1.5)
    assert lines[2].waits == pytest.approx(2 * 0.81 / 1.9)
    waiting = [latency_s(line, 0.1, 0.01, 0.5) for line in lines]
    assert waiting[0] <= waiting[1] < waiting[2]


def test_a_queue_beyond_its_servers_refuses_what_is_too_much() -> None:
    line = queue(40, 2, 0.1)
    share = sum(fails(line, number / 1000) for number in range(1000)) / 1000
    assert share == pytest.approx(0.51, abs=0.01)
    assert not fails(queue(5, 2, 0.1), 0.0)
