"""SageMaker's Inference Recommender: jobs created, described, listed, stopped, and the steps that they are made of.

A job load-tests a model on candidates (`recommender_tests.py`) and recommends what it measured, cheapest request first.
AWS bills the endpoints that it tests on: here as hosting, on the job's own ARN, from the start of a test to its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.capacity import refuse_over_quota
from sagekeeper.simulator.charges import Run, _hourly, _span, _tags, _unit
from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.recommender_tests import Benchmark, benchmarks, candidates
from sagekeeper.simulator.sagemaker_models import found
from sagekeeper.simulator.training_plan import chance
from sagekeeper.simulator.world import Standing

PENDING, CLOSING, STOPPING = timedelta(seconds=20), timedelta(seconds=30), timedelta(seconds=30)
KEPT = ("JobName", "JobDescription", "JobType", "RoleArn", "InputConfig", "StoppingConditions")
SUMMARY = ("JobName", "JobType", "JobArn", "Status", "CreationTime", "RoleArn", "LastModifiedTime")
SUMMARY_LATER = ("CompletionTime", "FailureReason")


def create_inference_recommendations_job(ask: Ask) -> dict[str, Any]:
    """Its tests are decided at once, and seen when their time comes."""
    name, params = ask.params["JobName"], ask.params
    arn = ask.here.arn("inference-recommendations-job", name)
    if name in ask.here.jobs.recommendations:
        raise Refused("ResourceInUse", f"Inference recommendations job with name {name} already exists ({arn}).")
    _refuse_wrong(ask)
    config = params["InputConfig"]
    model = str(config.get("ModelName") or config.get("ModelPackageVersionArn"))
    tests = benchmarks(params, model, ask.now + PENDING, ask.region)
    for begun in {item.start for item in tests}:
        refuse_over_quota(ask, Counter(item.kind for item in tests if item.kind and item.start == begun))
    end = max(item.end for item in tests) + CLOSING
    ask.here.jobs.recommendations[name] = {key: params[key] for key in KEPT if key in params} | {
        "JobArn": arn,
        "CreationTime": ask.now,
        "CompletionTime": end,
        "LastModifiedTime": end,
        "Status": "COMPLETED",
        "x_tests": tests,
    }
    ask.here.tags[arn] = {item["Key"]: item["Value"] for item in params.get("Tags", [])}
    return {"JobArn": arn}


def describe_inference_recommendations_job(ask: Ask) -> dict[str, Any]:
    """What it recommends once it has completed, cheapest request first."""
    job = _job(ask)
    shown = _as_of(job, ask.now)
    if shown["Status"] != "COMPLETED":
        return shown
    tests = sorted(job["x_tests"], key=lambda item: item.usd_per_request)
    endpoints = [item["EndpointName"] for item in job["InputConfig"].get("Endpoints", []) if "EndpointName" in item]
    shown["InferenceRecommendations"] = [_recommendation(job["JobName"], item) for item in tests]
    if endpoints:
        shown["EndpointPerformances"] = [
            {
                "Metrics": {"MaxInvocations": tests[0].per_minute, "ModelLatency": tests[0].latency_ms},
                "EndpointInfo": {"EndpointName": name},
            }
            for name in endpoints
        ]
    return shown


def list_inference_recommendations_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times, status and model."""
    rows = [_as_of(job, ask.now) for job in ask.here.jobs.recommendations.values()]
    for wish, key in (("ModelNameEquals", "ModelName"), ("ModelPackageVersionArnEquals", "ModelPackageVersionArn")):
        if wish in ask.params:
            rows = [row for row in rows if row["InputConfig"].get(key) == ask.params[wish]]
    part, more = listed(rows, {"SortOrder": "Descending"} | ask.params, "JobName", "Status")
    return {"InferenceRecommendationsJobs": [_summary(row) for row in part]} | more


def stop_inference_recommendations_job(ask: Ask) -> dict[str, Any]:
    """Tests that run are ended, others never begin."""
    job = _job(ask)
    status = _as_of(job, ask.now)["Status"]
    if status not in ("PENDING", "IN_PROGRESS"):
        raise Refused(
            "ValidationException",
            f"The request was rejected because the inference recommendations job is in status {status}.",
        )
    end = ask.now + STOPPING
    job["x_tests"] = [item._replace(end=min(item.end, ask.now)) for item in job["x_tests"] if item.start < ask.now]
    job |= {"CompletionTime": end, "LastModifiedTime": end, "Status": "STOPPED", "x_stopping": ask.now}
    return {}


def list_inference_recommendations_job_steps(ask: Ask) -> dict[str, Any]:
    """One benchmark for each candidate."""
    job, wanted = _job(ask), ask.params.get("Status")
    rows = [_step(job, item, ask.now) for item in job["x_tests"]]
    part, more = page([row for row in rows if wanted in (None, row["Status"])], {"MaxResults": 10} | ask.params)
    return {"Steps": part} | more


def runs(here: Standing) -> Iterator[Run]:
    """What the endpoints cost that are tested on; serverless ones by the seconds that the tests use."""
    for job in here.jobs.recommendations.values():
        arn = job["JobArn"]
        tags = _tags(here, arn)
        for item in job["x_tests"]:
            span = _span(item.start, item.end)
            if item.kind:
                price = _hourly(item.kind, "Hosting", here.region)
                yield Run(*span, f"Host:{item.kind}", "RunInstance", arn, tags, item.instances, price)
            else:
                size = max(1, int(item.serverless["MemorySizeInMB"]) // 1024)
                price = _unit("serverless_compute", here.region) * size
                seconds = item.usd_per_hour / price
                yield Run(*span, f"ServerlessInf:Mem-{size}GB", "Invoke-Endpoint", arn, tags, seconds, price)


def _as_of(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    shown = {key: value for key, value in job.items() if not key.startswith("x_")}
    if now >= job["CompletionTime"]:
        return shown
    del shown["CompletionTime"]
    if "x_stopping" in job:
        return shown | {"Status": "STOPPING", "LastModifiedTime": job["x_stopping"]}
    begun = job["CreationTime"] + PENDING
    if now < begun:
        return shown | {"Status": "PENDING", "LastModifiedTime": job["CreationTime"]}
    return shown | {"Status": "IN_PROGRESS", "LastModifiedTime": begun}


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    config = row["InputConfig"]
    told = {key: config[key] for key in ("ModelName", "ModelPackageVersionArn") if key in config}
    sample = config.get("ContainerConfig", {}).get("PayloadConfig", {}).get("SamplePayloadUrl")
    told |= {"SamplePayloadUrl": sample} if sample else {}
    kept = {key: row[key] for key in SUMMARY} | {key: row[key] for key in SUMMARY_LATER if key in row}
    return kept | told | {"JobDescription": row.get("JobDescription", "")}


def _recommendation(job: str, item: Benchmark) -> dict[str, Any]:
    mark = f"{int(chance(job, str(item.number), 'recommendation') * 16**8):08x}"
    return {"RecommendationId": f"{job}/{mark}"} | _result(job, item)


def _step(job: dict[str, Any], item: Benchmark, now: datetime) -> dict[str, Any]:
    name, over = job["JobName"], now >= item.end
    status = "PENDING" if now < item.start else "IN_PROGRESS" if not over else "COMPLETED"
    if over and "x_stopping" in job and item.end == job["x_stopping"]:
        status = "STOPPED"
    told = _result(name, item)
    if status != "COMPLETED":
        told = {key: told[key] for key in ("EndpointConfiguration", "ModelConfiguration")}
    return {"StepType": "BENCHMARK", "JobName": name, "Status": status, "InferenceBenchmark": told}


def _result(job: str, item: Benchmark) -> dict[str, Any]:
    mark = f"{int(chance(job, str(item.number), 'endpoint') * 16**12):012x}"
    where: dict[str, Any] = {"EndpointName": f"sm-epc-{mark}", "VariantName": f"sm-epc-{mark}"}
    where |= {"ServerlessConfig": item.serverless} if item.serverless else {}
    where |= {"InstanceType": item.kind, "InitialInstanceCount": item.instances} if item.kind else {}
    environment = [{"Key": key, "ValueType": "String", "Value": value} for key, value in item.environment.items()]
    return {
        "Metrics": {
            "CostPerHour": item.usd_per_hour,
            "CostPerInference": item.usd_per_request,
            "MaxInvocations": item.per_minute,
            "ModelLatency": item.latency_ms,
            "CpuUtilization": item.busy,
            "MemoryUtilization": item.memory,
        },
        "EndpointConfiguration": where,
        "ModelConfiguration": {"EnvironmentParameters": environment},
        "InvocationStartTime": item.start,
        "InvocationEndTime": item.end,
    }


def _refuse_wrong(ask: Ask) -> None:
    config, kind = ask.params["InputConfig"], ask.params["JobType"]
    if ("ModelName" in config) == ("ModelPackageVersionArn" in config):
        _refuse("You must specify either ModelName or ModelPackageVersionArn in InputConfig.")
    if "ModelName" in config:
        found(ask.here.models, config["ModelName"], "model", ask)
    if kind == "Advanced" and not config.get("EndpointConfigurations") and not config.get("Endpoints"):
        _refuse("EndpointConfigurations is required for a job of type Advanced.")
    if kind == "Default" and "TrafficPattern" in config:
        _refuse("TrafficPattern is only for a job of type Advanced.")
    for item in candidates(config):
        if ("InstanceType" in item) == ("ServerlessConfig" in item):
            _refuse("An endpoint configuration needs either InstanceType or ServerlessConfig.")
    for item in config.get("Endpoints", []):
        if ask.here.life(item.get("EndpointName", "")) is None:
            arn = ask.here.arn("endpoint", item.get("EndpointName", ""))
            _refuse(f'Could not find endpoint "{arn}".')


def _job(ask: Ask) -> dict[str, Any]:
    name = ask.params["JobName"]
    job = ask.here.jobs.recommendations.get(name)
    if job is None:
        raise Refused("ResourceNotFound", f"Could not find inference recommendations job {name}.")
    return job


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "CreateInferenceRecommendationsJob": create_inference_recommendations_job,
    "DescribeInferenceRecommendationsJob": describe_inference_recommendations_job,
    "ListInferenceRecommendationsJobs": list_inference_recommendations_jobs,
    "StopInferenceRecommendationsJob": stop_inference_recommendations_job,
    "ListInferenceRecommendationsJobSteps": list_inference_recommendations_job_steps,
}
MUTATING = {"CreateInferenceRecommendationsJob", "StopInferenceRecommendationsJob"}
