"""What AWS refuses of a request for a tuning job, before anything is started.

In: the parameters of CreateHyperParameterTuningJob. Out: nothing, or the refusal with AWS's code. The rules are those of
botocore's documentation of the operation and its quotas (aws-facts 1.3).
"""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.training_jobs import refuse_wrong as refuse_wrong_training
from sagekeeper.simulator.training_outcome import built_in
from sagekeeper.simulator.tuning_plan import cluster_of, definitions_of
from sagekeeper.simulator.tuning_search import Range, ranges_of

MOST_PARALLEL, MOST_JOBS, MOST_RANDOM_JOBS, MOST_RANGES = 100, 750, 10_000, 30
"""AWS's quotas of a tuning job: parallel training jobs, all of them, those of a random search, hyperparameters."""


def refuse_wrong(given: dict[str, Any]) -> None:
    """ValidationException or ResourceLimitExceeded for what breaks a rule."""
    config = given["HyperParameterTuningJobConfig"]
    if ("TrainingJobDefinition" in given) == ("TrainingJobDefinitions" in given):
        _refuse("You must specify either TrainingJobDefinition or TrainingJobDefinitions.")
    _refuse_limits(config)
    if config["Strategy"] == "Hyperband" and config.get("TrainingJobEarlyStoppingType") == "Auto":
        _refuse("TrainingJobEarlyStoppingType must be OFF when you use the Hyperband strategy.")
    if config["Strategy"] != "Hyperband" and "StrategyConfig" in config:
        _refuse(f"StrategyConfig is only for the Hyperband strategy, not for {config['Strategy']}.")
    tuned = given.get("Autotune", {}).get("Mode") == "Enabled"
    definitions = definitions_of(given)
    if len(definitions) > 1 and len({item.get("DefinitionName") for item in definitions}) < len(definitions):
        _refuse("Each of several TrainingJobDefinitions needs a DefinitionName of its own.")
    for definition in definitions:
        _refuse_definition(definition, config["Strategy"], tuned)


def _refuse_limits(config: dict[str, Any]) -> None:
    limits, strategy = config["ResourceLimits"], config["Strategy"]
    most, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if most is not None and parallel > most:
        _refuse(f"MaxParallelTrainingJobs ({parallel}) must not be greater than MaxNumberOfTrainingJobs ({most}).")
    allowed = MOST_RANDOM_JOBS if strategy == "Random" else MOST_JOBS
    for what, wish, bound in (
        ("parallel training jobs per hyperparameter tuning job", parallel, MOST_PARALLEL),
        ("training jobs per hyperparameter tuning job", most or 0, allowed),
    ):
        if wish > bound:
            raise Refused(
                "ResourceLimitExceeded",
                f"The account-level service limit 'Maximum number of {what}' is {bound}, with a request of {wish}. "
                "Please use AWS Service Quotas to request an increase for this quota.",
            )


def _refuse_definition(definition: dict[str, Any], strategy: str, tuned: bool) -> None:
    objective = definition["TuningObjective"]
    if objective is None:
        _refuse("An objective metric is required: HyperParameterTuningJobObjective or TuningObjective.")
    specification = definition["AlgorithmSpecification"]
    if ("TrainingImage" in specification) == ("AlgorithmName" in specification):
        _refuse("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    told = [item["Name"] for item in specification.get("MetricDefinitions", [])]
    if built_in(specification) is None and objective["MetricName"] not in told:
        _refuse(
            f"The objective metric for the hyperparameter tuning job, [{objective['MetricName']}], is not among the "
            f"MetricDefinitions of the training job definition: {told}."
        )
    ranges = ranges_of(definition["HyperParameterRanges"])
    if not ranges and not tuned:
        _refuse("At least one hyperparameter range is required.")
    if len(ranges) > MOST_RANGES:
        _refuse(f"A tuning job searches at most {MOST_RANGES} hyperparameters, not {len(ranges)}.")
    names = [item.name for item in ranges]
    twice = sorted(
        {name for name in names if names.count(name) > 1 or name in definition.get("StaticHyperParameters", {})}
    )
    if twice:
        _refuse(f"Hyperparameters must be named once, in a range or as static: {', '.join(twice)}.")
    if strategy == "Grid" and any(item.kind != "CategoricalParameterRanges" for item in ranges):
        _refuse("The Grid strategy only supports categorical hyperparameter ranges.")
    for item in ranges:
        _refuse_range(item)
    if "ResourceConfig" in definition and "HyperParameterTuningResourceConfig" in definition:
        _refuse("You must specify either ResourceConfig or HyperParameterTuningResourceConfig.")
    refuse_wrong_training(definition | {"ResourceConfig": cluster_of(definition)})


def _refuse_range(item: Range) -> None:
    if "MinValue" not in item.told:
        return
    low, high = item.told["MinValue"], item.told["MaxValue"]
    try:
        wrong = float(low) > float(high)
    except ValueError:
        wrong = True
    if wrong:
        _refuse(f"The range of {item.name} must go from a number up to a number: MinValue {low}, MaxValue {high}.")
    scale = item.told.get("ScalingType", "Auto")
    if scale == "Logarithmic" and float(low) <= 0:
        _refuse(f"Logarithmic scaling needs values greater than 0: {item.name} begins at {low}.")
    if scale == "ReverseLogarithmic" and not (float(low) >= 0 and float(high) < 1):
        _refuse(f"ReverseLogarithmic scaling needs values from 0 to below 1: {item.name} goes from {low} to {high}.")


def _refuse(message: str) -> None:
    raise Refused("ValidationException", message)
