"""How a processing or transform job passes: kept as its finished self, shown as far as it has come, stopped before it.

In: a job's name, what it was asked for and when. Out: its start, end and status as members named after its kind
(``ProcessingStartTime``). A job runs 4 to 40 minutes by the hash of its name, unless its environment names the seconds
in ``sagekeeper_run_seconds``; ``sagekeeper_failure`` makes it fail half way with that reason and ``sagekeeper_message``
is what the container leaves as its exit message. Where AWS is out of the instances the job waits, then fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.capacity import granted_at
from sagekeeper.simulator.operations import Ask, Refused
from sagekeeper.simulator.training_plan import CAPACITY, CAPACITY_WAIT_SECONDS, chance
from sagekeeper.simulator.world import Standing

PREPARING, STOPPING = timedelta(seconds=150), timedelta(seconds=30)
"""Between request and start: as the monitor's runs (aws-facts 1.4 gives no figure); and between stop and stopped."""
SHORTEST, LONGEST = 240, 2400
DAY_SECONDS = 86_400


def passed(
    here: Standing, name: str, word: str, kinds: set[str], now: datetime, wish: dict[str, str], most: int
) -> dict[str, Any]:
    """The job's times, status and reason; ``word`` begins the members' names, ``most`` is its longest runtime."""
    found: dict[str, Any] = {"CreationTime": now}
    granted = granted_at(here, kinds, now)
    wait = timedelta(seconds=CAPACITY_WAIT_SECONDS)
    if granted is None or granted > now + wait:
        end = now + wait
        return found | _end(word, end, "Failed") | {"FailureReason": CAPACITY}
    seconds = int(wish.get("sagekeeper_run_seconds") or SHORTEST + chance(name, word) * (LONGEST - SHORTEST))
    status, reason = "Completed", wish.get("sagekeeper_failure")
    if reason is not None:
        seconds, status = seconds // 2, "Failed"
        found["FailureReason"] = reason
    if seconds > most:
        # The service takes the job down as a stop would (monitoring's "Stopped: exceeded max runtime").
        seconds, status = most, "Stopped"
        found.pop("FailureReason", None)
    begin = granted + PREPARING
    if "sagekeeper_message" in wish and status != "Stopped":
        found["ExitMessage"] = wish["sagekeeper_message"]
    return found | {f"{word}StartTime": begin} | _end(word, begin + timedelta(seconds=seconds), status)


def as_of(job: dict[str, Any], word: str, now: datetime) -> dict[str, Any]:
    """The job as it looks at ``now``: one that has not ended is in progress, and does not know its end."""
    shown = {key: value for key, value in job.items() if not key.startswith("x_")}
    if job[f"{word}EndTime"] <= now:
        return shown
    for key in (f"{word}EndTime", "FailureReason", "ExitMessage"):
        shown.pop(key, None)
    begun = job.get(f"{word}StartTime", job["CreationTime"])
    shown |= {f"{word}JobStatus": "InProgress", "LastModifiedTime": begun if begun <= now else job["CreationTime"]}
    if begun > now:
        del shown[f"{word}StartTime"]
    if "x_stopping" in job and job["x_stopping"] <= now:
        shown |= {f"{word}JobStatus": "Stopping", "LastModifiedTime": job["x_stopping"]}
    return shown


def stop(job: dict[str, Any], word: str, now: datetime) -> None:
    """Half a minute to stop in, billed where the job had begun. One that does not run is refused."""
    status = as_of(job, word, now)[f"{word}JobStatus"]
    if status != "InProgress":
        raise Refused(
            "ValidationException",
            f"The request was rejected because the {word.lower()} job is in status {status}.",
        )
    for key in ("FailureReason", "ExitMessage"):
        job.pop(key, None)
    if job.get(f"{word}StartTime", now) >= now:
        job.pop(f"{word}StartTime", None)
    job |= _end(word, now + STOPPING, "Stopped") | {"x_stopping": now}


def refuse_unknown_trial(ask: Ask) -> None:
    """AWS's refusal of a job that belongs to a trial that is not there."""
    trial = ask.params.get("ExperimentConfig", {}).get("TrialName")
    if trial is not None and trial not in ask.here.flows.trials:
        raise Refused("ResourceNotFound", f"Trial '{ask.here.arn('experiment-trial', trial)}' does not exist.")


def refuse_known(word: str, arn: str) -> None:
    """AWS's refusal of a second job of a name."""
    raise Refused(
        "ResourceInUse",
        f"Job name must be unique within an AWS account and region, and a {word} job with this name already exists "
        f"({arn})",
    )


def existing(jobs: dict[str, dict[str, Any]], name: str, now: datetime) -> dict[str, Any]:
    """The job of that name, or AWS's refusal."""
    job = jobs.get(name)
    if job is None or job["CreationTime"] > now:
        raise Refused("ValidationException", f"Could not find requested job with name: {name}")
    return job


def _end(word: str, end: datetime, status: str) -> dict[str, Any]:
    return {f"{word}EndTime": end, "LastModifiedTime": end, f"{word}JobStatus": status}
