"""SageMaker Neo's compilation jobs: created, described, listed, stopped, deleted (aws-facts 2.3). They cost nothing.

A job takes 3 to 12 minutes by the hash of its name. A framework version that Neo does not compile for the target fails
it, as AWS does once the job runs; targets that a region does not have are refused at once.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.listing import listed
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.training_plan import chance

STARTING, STOPPING = timedelta(seconds=20), timedelta(seconds=15)
SHORTEST, LONGEST, USUAL_MOST = 180, 720, 900
CLOUD = {
    "MXNET": ("1.8",),
    "ONNX": ("1.7",),
    "KERAS": ("2.2.4",),
    "PYTORCH": ("1.4", "1.5", "1.6", "1.7", "1.8", "1.12", "1.13", "2.0"),
    "TENSORFLOW": ("1.15", "2.9"),
    "XGBOOST": ("1.3.3",),
}
INFERENTIA = {"MXNET": ("1.5", "1.8"), "PYTORCH": ("1.7", "1.8", "1.9"), "TENSORFLOW": ("1.15", "2.5")}
ONLY_IN = {"ml_trn1": "us-east-1", "ml_inf2": "us-east-2"}
SUMMARY = ("CompilationJobName", "CompilationJobArn", "CreationTime", "LastModifiedTime", "CompilationJobStatus")
SUMMARY_LATER = ("CompilationStartTime", "CompilationEndTime")
STATUS = "CompilationJobStatus"


def create_compilation_job(ask: Ask) -> dict[str, Any]:
    """Its end is known at once, and shown when it comes."""
    name, given = ask.params["CompilationJobName"], dict(ask.params)
    arn = ask.here.arn("compilation-job", name)
    if name in ask.here.jobs.compilations:
        raise Refused(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a compilation job with this name already "
            f"exists ({arn})",
        )
    _refuse_wrong(given, ask.region)
    tags = {item["Key"]: item["Value"] for item in given.pop("Tags", [])}
    given["StoppingCondition"] = {"MaxRuntimeInSeconds": USUAL_MOST} | given["StoppingCondition"]
    seconds = round(SHORTEST + chance(name, "compilation") * (LONGEST - SHORTEST))
    most, reason = int(given["StoppingCondition"]["MaxRuntimeInSeconds"]), _failure(given)
    begin = ask.now + STARTING
    end = begin + timedelta(seconds=min(seconds // 3 if reason else seconds, most))
    status = "FAILED" if reason else "STOPPED" if seconds > most else "COMPLETED"
    told = {"S3Uri": "s3://sagemaker-model-packages/model.tar.gz", "Framework": "XGBOOST"}
    # AWS reads a package's input from the package; ours says no more of it than its shape requires.
    ask.here.jobs.compilations[name] = (
        {"InputConfig": told}
        | given
        | {
            "CompilationJobArn": arn,
            "CreationTime": ask.now,
            "CompilationStartTime": begin,
            "CompilationEndTime": end,
            "LastModifiedTime": end,
            STATUS: status,
            "FailureReason": reason,
        }
    )
    ask.here.tags[arn] = tags
    return {"CompilationJobArn": arn}


def describe_compilation_job(ask: Ask) -> dict[str, Any]:
    """As far as it has come; the compiled model once it is there."""
    job = _job(ask)
    shown = _as_of(job, ask.now)
    done: dict[str, Any] = {}
    output, name = job["OutputConfig"]["S3OutputLocation"].rstrip("/"), job["CompilationJobName"]
    artefact = ""
    if shown[STATUS] == "COMPLETED":
        target = job["OutputConfig"].get("TargetDevice", "")
        artefact = f"{output}/{name}-{target or 'platform'}.tar.gz"
        done = {"ModelDigests": {"ArtifactDigest": "sha256:" + hashlib.sha256(artefact.encode()).hexdigest()}}
        if target.startswith("ml_"):
            framework = job["InputConfig"].get("Framework", "model").lower()
            version = job["InputConfig"].get("FrameworkVersion", "latest")
            # sagemaker SDK 2, image_uri_config/inferentia-pytorch.json: the same repository, another tag.
            tag = f"{version}-inf-py3" if target == "ml_inf1" else "latest"
            place = f"dkr.ecr.{ask.region}.amazonaws.com"
            done["InferenceImage"] = f"785573368785.{place}/sagemaker-neo-{framework}:{tag}"
    return shown | done | {"ModelArtifacts": {"S3ModelArtifacts": artefact}}


def list_compilation_jobs(ask: Ask) -> dict[str, Any]:
    """Summaries, newest first; filtered by name, times and status."""
    rows = [_as_of(job, ask.now) for job in ask.here.jobs.compilations.values()]
    part, more = listed(rows, {"SortOrder": "Descending"} | ask.params, "CompilationJobName", STATUS)
    return {"CompilationJobSummaries": [_summary(row) for row in part]} | more


def stop_compilation_job(ask: Ask) -> dict[str, Any]:
    """A quarter of a minute to stop in."""
    job = _job(ask)
    status = _as_of(job, ask.now)[STATUS]
    if status not in ("STARTING", "INPROGRESS"):
        raise Refused(
            "ValidationException", f"The request was rejected because the compilation job is in status {status}."
        )
    end = ask.now + STOPPING
    if job["CompilationStartTime"] > ask.now:
        del job["CompilationStartTime"]
    job |= {"CompilationEndTime": end, "LastModifiedTime": end, STATUS: "STOPPED", "FailureReason": ""}
    job["x_stopping"] = ask.now
    return {}


def delete_compilation_job(ask: Ask) -> dict[str, Any]:
    """Only one that has ended; what it compiled stays."""
    job = _job(ask)
    status = _as_of(job, ask.now)[STATUS]
    if status in ("STARTING", "INPROGRESS", "STOPPING"):
        raise Refused(
            "ValidationException",
            f"The request was rejected because the compilation job is in status {status}. Stop the job, then delete it.",
        )
    del ask.here.jobs.compilations[job["CompilationJobName"]]
    ask.here.tags.pop(job["CompilationJobArn"], None)
    return {}


def _as_of(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    shown = {key: value for key, value in job.items() if not key.startswith("x_")}
    if now >= job["CompilationEndTime"]:
        return shown
    del shown["CompilationEndTime"]
    shown["FailureReason"] = ""
    begun = job.get("CompilationStartTime")
    if "x_stopping" in job:
        return shown | {STATUS: "STOPPING", "LastModifiedTime": job["x_stopping"]}
    if begun is None or begun > now:
        shown.pop("CompilationStartTime", None)
        return shown | {STATUS: "STARTING", "LastModifiedTime": job["CreationTime"]}
    return shown | {STATUS: "INPROGRESS", "LastModifiedTime": begun}


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    target = row["OutputConfig"].get("TargetPlatform", {})
    told = {
        "CompilationTargetDevice": row["OutputConfig"].get("TargetDevice"),
        "CompilationTargetPlatformOs": target.get("Os"),
        "CompilationTargetPlatformArch": target.get("Arch"),
        "CompilationTargetPlatformAccelerator": target.get("Accelerator"),
    }
    kept = {key: row[key] for key in SUMMARY} | {key: row[key] for key in SUMMARY_LATER if key in row}
    return kept | {key: value for key, value in told.items() if value is not None}


def _refuse_wrong(given: dict[str, Any], region: str) -> None:
    output = given["OutputConfig"]
    if ("TargetDevice" in output) == ("TargetPlatform" in output):
        _refuse("You must specify either TargetDevice or TargetPlatform in OutputConfig.")
    if ("InputConfig" in given) == ("ModelPackageVersionArn" in given):
        _refuse("You must specify either InputConfig or ModelPackageVersionArn.")
    target = output.get("TargetDevice", "")
    if ONLY_IN.get(target, region) != region:
        _refuse(f"Target device {target} is only supported in {ONLY_IN[target]}, not in {region}.")
    shapes = given.get("InputConfig", {}).get("DataInputConfig")
    if shapes is not None:
        try:
            json.loads(shapes)
        except ValueError:
            _refuse(f"DataInputConfig is not valid JSON: {shapes}")


def _failure(given: dict[str, Any]) -> str:
    """Why Neo will not compile this; empty where it will."""
    told, target = given.get("InputConfig", {}), given["OutputConfig"].get("TargetDevice", "")
    version = told.get("FrameworkVersion")
    if version is None or not target.startswith("ml_"):
        return ""
    known = (INFERENTIA if target == "ml_inf1" else CLOUD).get(told["Framework"], ())
    if any(version == one or version.startswith(f"{one}.") for one in known):
        return ""
    return f"ClientError: Framework {told['Framework']} {version} is not supported for target device {target}."


def _job(ask: Ask) -> dict[str, Any]:
    name = ask.params["CompilationJobName"]
    job = ask.here.jobs.compilations.get(name)
    if job is None:
        raise Refused("ResourceNotFound", f"Could not find requested job with name: {name}")
    return job


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)


HANDLERS: dict[str, Handler] = {
    "CreateCompilationJob": create_compilation_job,
    "DescribeCompilationJob": describe_compilation_job,
    "ListCompilationJobs": list_compilation_jobs,
    "StopCompilationJob": stop_compilation_job,
    "DeleteCompilationJob": delete_compilation_job,
}
MUTATING = {"CreateCompilationJob", "StopCompilationJob", "DeleteCompilationJob"}
