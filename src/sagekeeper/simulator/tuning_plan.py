"""How a tuning job passes: which training jobs it starts when, which it stops early, and when it is at its end.

In: the tuning job's request and time. Out: its children, real training jobs put into the account (`training_jobs.py`), of
which those whose time has not come are not seen yet, and how it ends. A child starts when a place of
MaxParallelTrainingJobs is free and no completion criterion is met. Criteria and early stopping: aws-facts 1.3.
"""

from __future__ import annotations

import copy
import hashlib
import heapq
import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator.training_jobs import begin, halt
from sagekeeper.simulator.training_outcome import value_of
from sagekeeper.simulator.tuning_search import Trial, combinations, ranges_of, trial
from sagekeeper.simulator.world import Standing

STARTING, CLOSING = timedelta(seconds=15), timedelta(seconds=5)
KEPT = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)
USUAL_MOST = 100
"""Training jobs where neither the request nor a grid says how many: the largest number that stays plausible."""
ATTEMPTS = 5
NO_SUCCESS = (
    "No training job succeeded after 5 attempts. For additional details, please take a look at the training job failures "
    "by listing training jobs for the hyperparameter tuning job."
)
ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."
JUDGED_AFTER = 3
"""Early stopping needs this many results to compare with."""
CONVERGED_AFTER, CONVERGED_BY = 10, 0.002
"""Without a better result by this much in so many trials the search has converged: AWS tells no figure."""


@dataclass
class Child:
    """One training job of a tuning job, as far as the plan looks at it."""

    trial: Trial
    job: dict[str, Any]
    definition: dict[str, Any]

    @property
    def end(self) -> datetime:
        end: datetime = self.job["TrainingEndTime"]
        return end

    @property
    def failed(self) -> bool:
        return bool(self.job["TrainingJobStatus"] == "Failed")


def definitions_of(given: dict[str, Any]) -> list[dict[str, Any]]:
    """All training definitions, each with the objective and ranges that hold for it."""
    config = given["HyperParameterTuningJobConfig"]
    one = given.get("TrainingJobDefinition")
    listed = [one] if one else given.get("TrainingJobDefinitions", [])
    return [
        {
            "TuningObjective": config.get("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": config.get("ParameterRanges", {}),
        }
        | item
        for item in listed
    ]


def most_children(given: dict[str, Any]) -> int:
    """How many training jobs there will be at most."""
    config = given["HyperParameterTuningJobConfig"]
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        grid = sum(combinations(ranges_of(item["HyperParameterRanges"])) for item in definitions_of(given))
        return min(most or grid, grid)
    return int(most or USUAL_MOST)


def carry_out(
    here: Standing, given: dict[str, Any], now: datetime, tags: dict[str, str], known: list[Trial]
) -> dict[str, Any]:
    """Start all children; ``known`` are the trials of a warm start's parents. What `tuning_jobs.py` keeps of it."""
    config, name = given["HyperParameterTuningJobConfig"], given["HyperParameterTuningJobName"]
    limits = config["ResourceLimits"]
    deadline = now + timedelta(seconds=int(limits.get("MaxRuntimeInSeconds", 10**9)))
    free = [now + STARTING] * int(limits["MaxParallelTrainingJobs"])
    children: list[Child] = []
    kept: dict[str, Any] = {}
    for number in range(1, most_children(given) + 1):
        at = heapq.heappop(free)
        ended = [child for child in children if child.end <= at]
        over = _over(config, ended)
        if at >= deadline or over:
            kept |= over or {"x_over": deadline}
            _halt_running(children, min(at, deadline))
            break
        definition = definitions_of(given)[(number - 1) % len(definitions_of(given))]
        of_it = [child.trial for child in ended if child.definition == definition and not child.failed]
        child = _child(here, config, definition, (name, number, at, tags), [*known, *of_it])
        _judge(config, child, [one for one in ended if one.definition == definition and not one.failed])
        children.append(child)
        heapq.heappush(free, child.end)
    _halt_running(children, deadline)
    end = max((child.end for child in children), default=now + STARTING) + CLOSING
    failed = all(child.failed for child in children)
    if failed and "FailureReason" not in kept:
        kept["FailureReason"] = ALL_FAILED
    return kept | {
        "x_children": [child.job["TrainingJobName"] for child in children],
        "x_trials": {child.job["TrainingJobName"]: child.trial for child in children},
        "HyperParameterTuningEndTime": end,
        "HyperParameterTuningJobStatus": "Failed" if failed else "Completed",
    }


def _child(
    here: Standing,
    config: dict[str, Any],
    definition: dict[str, Any],
    told: tuple[str, int, datetime, dict[str, str]],
    before: list[Trial],
) -> Child:
    name, number, at, tags = told
    seed = f"{name}/{config.get('RandomSeed', '')}"
    specification, objective = definition["AlgorithmSpecification"], definition["TuningObjective"]
    algorithm = str(specification.get("AlgorithmName") or specification.get("TrainingImage"))
    tried = trial(algorithm, seed, number, ranges_of(definition["HyperParameterRanges"]), config["Strategy"], before)
    mark = hashlib.sha256(f"{here.account}/{seed}/{number}".encode()).hexdigest()[:8]
    given = copy.deepcopy({key: definition[key] for key in KEPT if key in definition})
    given |= {
        "TrainingJobName": f"{name}-{number:03d}-{mark}",
        "TuningJobArn": here.arn("hyper-parameter-tuning-job", name),
        "ResourceConfig": cluster_of(definition),
        "HyperParameters": definition.get("StaticHyperParameters", {})
        | tried.values
        | {"_tuning_objective_metric": objective["MetricName"]},
        "x_tuned": tried.values,
        "x_definition": definition.get("DefinitionName"),
    }
    aim = objective["MetricName"], objective["Type"] == "Maximize"
    return Child(tried, begin(here, given, at, dict(tags), tried.quality, aim), definition)


def cluster_of(definition: dict[str, Any]) -> dict[str, Any]:
    """The instances of a definition, however it names them; the first of several choices."""
    if "ResourceConfig" in definition:
        return copy.deepcopy(dict(definition["ResourceConfig"]))
    told = definition.get("HyperParameterTuningResourceConfig", {})
    choice = (told.get("InstanceConfigs") or [told])[0]
    keys = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
    return {key: choice[key] for key in keys if key in choice} | {
        key: told[key] for key in ("VolumeKmsKeyId",) if key in told
    }


def _judge(config: dict[str, Any], child: Child, ended: list[Child]) -> None:
    """Stop a child early that does worse than the others did: than their median, with Hyperband than their best third."""
    results = sorted(one.trial.quality for one in ended)
    early, hyperband = config.get("TrainingJobEarlyStoppingType") == "Auto", config["Strategy"] == "Hyperband"
    start = child.job.get("TrainingStartTime")
    if not (early or hyperband) or len(results) < JUDGED_AFTER or child.failed or start is None:
        return
    bar = results[-(len(results) // 3)] if hyperband else statistics.median(results)
    if child.trial.quality < bar:
        halt(child.job, start + (child.end - start) / (3 if hyperband else 2))
        child.job["x_early"] = True


def _halt_running(children: list[Child], at: datetime) -> None:
    for child in children:
        if child.end > at > child.job["CreationTime"]:
            halt(child.job, at)


def _over(config: dict[str, Any], ended: list[Child]) -> dict[str, Any]:
    """Why no more children are started; empty where there is no reason."""
    results = sorted((one for one in ended if not one.failed), key=lambda one: one.end)
    if len(ended) >= ATTEMPTS and not results:
        return {"x_over": ended[-1].end, "FailureReason": NO_SUCCESS}
    criteria = config.get("TuningJobCompletionCriteria", {})
    if not results or not criteria:
        return {}
    last = results[-1].end
    if "TargetObjectiveMetricValue" in criteria and any(_reached(one, criteria) for one in results):
        return {"x_over": last}
    waited = not_improving([one.trial.quality for one in results])
    patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if patience is not None and waited >= patience:
        return {"x_over": last}
    if criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled":
        best = [one.trial.quality for one in results]
        gained = max(best) - max(best[:-CONVERGED_AFTER], default=-1.0)
        if len(best) > CONVERGED_AFTER and gained < CONVERGED_BY:
            return {"x_over": last, "x_converged": last}
    return {}


def not_improving(qualities: list[float]) -> int:
    """How many results came since the best one."""
    return len(qualities) - 1 - qualities.index(max(qualities)) if qualities else 0


def _reached(child: Child, criteria: dict[str, Any]) -> bool:
    objective, target = child.definition["TuningObjective"], criteria["TargetObjectiveMetricValue"]
    rises = objective["Type"] == "Maximize"
    value = value_of(objective["MetricName"], child.trial.quality, maximise=rises)
    return bool(value >= target if rises else value <= target)
