"""Training jobs that really train, in a world that has real models: from their channels in S3 to their model.tar.gz.

In: a request of CreateTrainingJob. XGBoost's image trains on the CSV of its ``train`` channel and is scored on that of
``validation``; Hugging Face's on JSON lines of ``text`` and ``label``, scored on ``test``. Out: the model and its metrics,
the reason for which the job fails, or nothing where its channels do not lie in the account: then it passes as in every other
world. The model appears in S3 when the simulated job has ended.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator import boosted_trees, word_model
from sagekeeper.simulator.artefacts import under
from sagekeeper.simulator.boosted_trees import Trained, WrongRows
from sagekeeper.simulator.world import Standing, World

TEXT_IMAGE = "huggingface"


def really_trained(world: World, here: Standing, given: dict[str, Any]) -> Trained | str | None:
    """The model of a job, or why it fails, or None: nothing is really trained."""
    image = str(given["AlgorithmSpecification"].get("TrainingImage", ""))
    channels = _channels(here, given)
    if not world.real_models or "train" not in channels:
        return None
    try:
        if "xgboost" in image:
            settings = given.get("HyperParameters", {})
            return boosted_trees.trained(channels["train"], channels.get("validation"), settings)
        if TEXT_IMAGE in image:
            return word_model.trained(_sentences(channels["train"]), _sentences(channels.get("test", b"")))
    except WrongRows as wrong:
        return f"AlgorithmError: {wrong}, exit code: 1"
    return None


def hand_out(world: World, now: datetime) -> None:
    """Put the models of jobs that have ended where their requests say."""
    for here in world.standing.values():
        ended = [name for name in here.jobs.artefacts if here.training[name]["TrainingEndTime"] <= now]
        for name in ended:
            job, data = here.training[name], here.jobs.artefacts.pop(name)
            bucket, _, prefix = job["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").partition("/")
            backend = s3_backends[here.account]["aws"]
            if job["TrainingJobStatus"] == "Completed" and bucket in backend.buckets:
                backend.put_object(bucket, f"{prefix.rstrip('/')}/{name}/output/model.tar.gz".lstrip("/"), data)


def told_metrics(metrics: dict[str, float], at: datetime) -> list[dict[str, Any]]:
    """FinalMetricDataList of a really trained model."""
    return [{"MetricName": name, "Value": value, "Timestamp": at} for name, value in metrics.items()]


def _channels(here: Standing, given: dict[str, Any]) -> dict[str, bytes]:
    """The objects of each channel, one after the other."""
    found = {}
    for channel in given.get("InputDataConfig", []):
        uri = channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        objects = under(here.account, uri) if uri.startswith("s3://") else []
        if objects:
            found[channel["ChannelName"]] = b"".join(objects)
    return found


def _sentences(data: bytes) -> list[tuple[str, bool]]:
    """Sentences and whether they are positive. Raises WrongRows."""
    try:
        rows = [json.loads(line) for line in data.splitlines() if line.strip()]
        return [(str(row["text"]), bool(int(row["label"]))) for row in rows]
    except (ValueError, KeyError, TypeError) as wrong:
        raise WrongRows(f"a line is no JSON object with text and label: {wrong}") from wrong
