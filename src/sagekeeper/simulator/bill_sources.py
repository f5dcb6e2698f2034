"""What the bill knows of besides endpoints and jobs: workspaces, the Feature Store, neighbours, warm pools, transform."""

from __future__ import annotations

from sagekeeper.simulator import (
    charges,
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
        inference_recommender.runs,
    ]
    charges.MORE_DAILY[:] = [feature_charges.daily, neighbours.daily]
