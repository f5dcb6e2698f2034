"""What a training job's metrics come to at its end: one value for every metric that its algorithm reports.

In: the job and how good its model is (0 to 1; by the hash of its hyperparameters where nobody says). Out:
FinalMetricDataList. Scores rise with quality, losses fall; the training set's are a little better than others'. Built-in
algorithms report without being told how (`REPORTED`), others what MetricDefinitions names.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sagekeeper.simulator.training_plan import chance

SCORES = (
    "acc",
    "auc",
    "f1",
    "precision",
    "recall",
    "map",
    "r2",
    "score",
    "reward",
    "iou",
    "throughput",
    "bleu",
    "rouge",
)
REPORTED = {
    "xgboost": ("train:rmse", "validation:rmse"),
    "linear-learner": ("train:objective_loss", "validation:objective_loss"),
    "image-classification": ("train:accuracy", "validation:accuracy"),
    "object-detection": ("validation:mAP",),
    "semantic-segmentation": ("validation:mIOU",),
    "kmeans": ("test:msd",),
    "factorization-machines": ("test:rmse",),
    "forecasting-deepar": ("test:RMSE",),
    "blazingtext": ("validation:accuracy",),
    "ntm": ("validation:total_loss",),
    "knn": ("test:accuracy",),
    "lightgbm": ("validation:rmse",),
    "catboost": ("validation:rmse",),
}
"""What AWS's own algorithms report if asked for nothing else; a part of the image's or algorithm's name."""


def quality_of(job: dict[str, Any]) -> float:
    """How good the model of a job is that nobody tuned."""
    return 0.6 + 0.35 * chance(json.dumps(job.get("HyperParameters", {}), sort_keys=True), job["TrainingJobName"])


def value_of(metric: str, quality: float, *, maximise: bool | None = None) -> float:
    """A metric's value; ``maximise`` where its name does not tell whether more is better."""
    rises = any(word in metric.lower() for word in SCORES) if maximise is None else maximise
    on_training = metric.lower().startswith("train")
    good = min(quality + 0.02 * on_training, 1.0)
    # An objective is exactly as good as its trial: the best trial has the best value.
    spread = 0.004 * (chance(metric, f"{quality:.9f}") - 0.5) if maximise is None else 0.0
    return round(0.5 + 0.48 * good + spread, 6) if rises else round(1.2 - 1.05 * good + spread, 6)


def built_in(specification: dict[str, Any]) -> str | None:
    """The built-in algorithm of a specification; None for a container of one's own."""
    if specification.get("AlgorithmName"):
        return str(specification["AlgorithmName"])
    image = str(specification.get("TrainingImage", ""))
    return next((name for name in REPORTED if name in image), None)


def final_metrics(
    job: dict[str, Any], quality: float, at: datetime, objective: tuple[str, bool] | None = None
) -> list[dict[str, Any]]:
    """FinalMetricDataList; ``objective`` is the metric that a tuning job looks at, and whether more of it is better."""
    specification = job["AlgorithmSpecification"]
    told = [item["Name"] for item in specification.get("MetricDefinitions", [])]
    names = told or list(REPORTED.get(built_in(specification) or "", ()))
    found = {name: value_of(name, quality) for name in names}
    if objective is not None:
        found[objective[0]] = value_of(objective[0], quality, maximise=objective[1])
        found["ObjectiveMetric"] = found[objective[0]]
    return [{"MetricName": name, "Value": value, "Timestamp": at} for name, value in list(found.items())[:40]]
