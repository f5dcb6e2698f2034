"""What the bill knows of besides endpoints and jobs: workspaces, clusters, AutoML, neighbours, warm pools and more."""

from __future__ import annotations

from sagekeeper.simulator import (
    automl_jobs,
    charges,
    clusters,
    feature_charges,
    inference_recommender,
    neighbours,
    training_charges,
    transform_jobs,
    workspace_charges,
)


def bill_everything() -> None:
    """Hang what other files bill into the charges of every account."""
    charges.MORE_RUNS[:] = [
        workspace_charges.runs,
        feature_charges.runs,
        neighbours.runs,
        training_charges.runs,
        transform_jobs.runs,
        automl_jobs.runs,
        clusters.runs,
        inference_recommender.runs,
    ]
    charges.MORE_DAILY[:] = [feature_charges.daily, neighbours.daily]
