"""How a training job will pass: its phases with times, what of them is training and what is billed, from its request.

A job runs as long as the hash of its name and image says, between 5 and 60 minutes, unless the hyperparameter
``sagekeeper_run_seconds`` names the seconds; ``sagekeeper_failure`` makes it fail half way with that reason, and
``sagekeeper_interruptions`` sets how often managed spot is interrupted. Billed are the seconds from download to upload;
managed spot bills a share of them under the same usage type (aws-facts 1 and 2.1). Without checkpoints an interrupted
job begins again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

START_SECONDS, WARM_START_SECONDS, DOWNLOAD_SECONDS, UPLOAD_SECONDS = 120, 8, 30, 20
SPOT_WAIT_SECONDS, RESTART_SECONDS, STOP_SECONDS = 600, 60, 30
SHORTEST, LONGEST = 300, 3600
INTERRUPTED_SHARE = 0.12
"""One managed spot job in eight is interrupted: a stand-in, AWS publishes no figure for its training fleet."""
WORKING = ("Downloading", "Training", "Uploading")
CAPACITY_WAIT_SECONDS = 3600
"""How long a job on demand waits for instances where it does not say: a stand-in, AWS publishes no figure."""
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type "
    "or after some time."
)
MESSAGES = {
    "Pending": "Waiting for the requested instances",
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job interrupted",
    "Restarting": "Restarting the training job",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "Training job waited longer than MaxWaitTimeInSeconds",
}


class Phase(NamedTuple):
    """The job was in ``status`` from ``start`` to ``end``."""

    status: str
    start: datetime
    end: datetime


def planned(
    params: dict[str, Any], now: datetime, warm: bool, granted: datetime | None, fails: str | None
) -> tuple[list[Phase], str]:
    """The phases of a job created ``now``, and the secondary status it ends in; ``fails`` is why it fails, if it does.

    ``granted`` is when AWS has its instances (None: nobody knows). On demand it waits MaxPendingTimeInSeconds for them,
    or an hour, and fails; on spot, MaxWaitTimeInSeconds.
    """
    name, given = params["TrainingJobName"], params.get("HyperParameters", {})
    spot, limits = bool(params.get("EnableManagedSpotTraining")), params["StoppingCondition"]
    seconds = int(given.get("sagekeeper_run_seconds") or SHORTEST + chance(name, "run") * (LONGEST - SHORTEST))
    ending = "Completed" if fails is None else "Failed"
    most = int(limits["MaxRuntimeInSeconds"])
    run = seconds // 2 if ending == "Failed" else seconds
    if run > most:
        run, ending = most, "MaxRuntimeExceeded"
    wait = int(limits.get("MaxWaitTimeInSeconds" if spot else "MaxPendingTimeInSeconds", CAPACITY_WAIT_SECONDS))
    if granted is None or granted > now + timedelta(seconds=wait):
        waiting = [Phase("Pending", now, now + timedelta(seconds=wait))]
        return waiting, "MaxWaitTimeExceeded" if spot else "Failed"
    steps = [("Starting", WARM_START_SECONDS if warm else START_SECONDS), ("Downloading", DOWNLOAD_SECONDS)]
    for _ in range(_interruptions(name, given) if spot else 0):
        lost = run // 2
        steps += [("Training", lost), ("Interrupted", SPOT_WAIT_SECONDS), ("Restarting", RESTART_SECONDS)]
        run -= lost if "CheckpointConfig" in params else 0
    steps += [("Training", run), *([("Uploading", UPLOAD_SECONDS)] if ending != "Failed" else [])]
    phases, at = [Phase("Pending", now, granted)] if granted > now else [], granted
    for status, length in steps:
        phases.append(Phase(status, at, at + timedelta(seconds=length)))
        at += timedelta(seconds=length)
    latest = now + timedelta(seconds=int(limits.get("MaxWaitTimeInSeconds", 0)))
    if spot and at > latest:
        return cut(phases, latest), "MaxWaitTimeExceeded"
    return phases, ending


def cut(phases: list[Phase], at: datetime) -> list[Phase]:
    """What of the phases lies before a moment."""
    return [phase._replace(end=min(phase.end, at)) for phase in phases if phase.start < at]


def worked(phases: list[Phase]) -> int:
    """Seconds of work: waiting for instances is none."""
    return round(sum((item.end - item.start).total_seconds() for item in phases if item.status in WORKING))


def billable(name: str, phases: list[Phase], spot: bool) -> int:
    """Seconds that are billed: of managed spot 28 to 45 in a hundred, the share that the families of the demo world have."""
    seconds = worked(phases)
    return round(seconds * (0.28 + 0.17 * chance(name, "discount"))) if spot else seconds


def transitions(phases: list[Phase], ending: str) -> list[dict[str, Any]]:
    """SecondaryStatusTransitions of the whole of a job."""
    last = phases[-1].end
    return [
        {"Status": status, "StartTime": start, "EndTime": end, "StatusMessage": MESSAGES[status]}
        for status, start, end in [*phases, Phase(ending, last, last)]
    ]


def chance(*told: str) -> float:
    """A number in [0, 1), always the same for the same words."""
    return int(hashlib.sha256("/".join(told).encode()).hexdigest()[:13], 16) / 16**13


def _interruptions(name: str, given: dict[str, str]) -> int:
    if "sagekeeper_interruptions" in given:
        return int(given["sagekeeper_interruptions"])
    return int(chance(name, "interrupted") < INTERRUPTED_SHARE)
