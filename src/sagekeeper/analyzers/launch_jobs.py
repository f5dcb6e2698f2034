"""Jobs that are about to start: how many machines for how long, at least, probably and at most.

In: the parameters of CreateTrainingJob, CreateProcessingJob, CreateTransformJob or CreateHyperParameterTuningJob, and what ran
before. Out: a `Work`. The ceiling is what AWS enforces: MaxRuntimeInSeconds (a day where it is not given, [B StoppingCondition];
over all attempts together). Expected is the median of the family's own runs; where there is none, a share of the limit that is
assumed, and said so. A transform job has no limit of its own: without past runs its cost is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from sagekeeper.analyzers.launch import NOTHING, Range, Reading, Unresolved, Use, Work
from sagekeeper.analyzers.launch_past import SPOT_DISCOUNT, Past, Runs

DEFAULT_LIMIT = 86_400.0
"""MaxRuntimeInSeconds where a request names none: one day (botocore, sagemaker.StoppingCondition)."""
LONGEST_TRAINING = 28 * 86_400.0
LEAST_SECONDS = 60.0


@dataclass(frozen=True)
class Assumptions:
    """What is taken where nothing is known. ``share_of_limit``: of MaxRuntimeInSeconds, as the expected duration."""

    share_of_limit: float = 1.0


def training(document: dict[str, Any], past: Past, assumed: Assumptions, step: str = "") -> Work:
    """CreateTrainingJob."""
    reading = Reading()
    name = _plain(document.get("TrainingJobName"))
    cluster = reading.part(document, "ResourceConfig")
    if document.get("ServerlessJobConfig"):
        reading.unknown.append("serverless training is billed by tokens or by what it used: not known before it ran")
    elif cluster.get("TrainingPlanArn"):
        reading.notes.append("Runs on a training plan that is paid already: its machines cost nothing more.")
    limit = _limit(reading, document)
    runs = past.runs("training_job", name, step)
    hours, basis = _hours(reading, limit, runs, assumed)
    spot = document.get("EnableManagedSpotTraining") is True
    paid = _spot(reading, runs, past) if spot else Range.of(1.0)
    uses: list[Use] = []
    planned = cluster.get("TrainingPlanArn")
    for machine, count in _groups(reading, cluster):
        if hours is None or planned:
            continue
        uses.append(Use(f"Train:{machine}", Range.of(count), hours * paid, basis))
        _compare(reading, runs, machine, count)
    uses += _volume("Train", reading, cluster, uses, hours, basis)
    uses += _warm_pool(reading, cluster, uses)
    return reading.work("training_job", name or step, uses, document)


def processing(document: dict[str, Any], past: Past, assumed: Assumptions, step: str = "") -> Work:
    """CreateProcessingJob, also Clarify's and Model Monitor's checks."""
    reading = Reading()
    name = _plain(document.get("ProcessingJobName"))
    cluster = reading.part(reading.part(document, "ProcessingResources"), "ClusterConfig")
    limit = _limit(reading, document)
    runs = past.runs("processing_job", name, step)
    hours, basis = _hours(reading, limit, runs, assumed)
    uses: list[Use] = []
    for machine, count in _groups(reading, cluster):
        if hours is not None:
            uses.append(Use(f"Processing:{machine}", Range.of(count), hours, basis))
            _compare(reading, runs, machine, count)
    uses += _volume("Processing", reading, cluster, uses, hours, basis)
    return reading.work("processing_job", name or step, uses, document)


def transform(document: dict[str, Any], past: Past, assumed: Assumptions, step: str = "") -> Work:  # noqa: ARG001
    """CreateTransformJob: AWS offers no limit on how long one may run."""
    reading = Reading()
    name = _plain(document.get("TransformJobName"))
    runs = past.runs("transform_job", name, step)
    uses: list[Use] = []
    for machine, count in _groups(reading, reading.part(document, "TransformResources")):
        if runs is None:
            reading.unknown.append(
                "how long it runs: a transform job has no MaxRuntimeInSeconds, and no run of this family is known"
            )
            break
        hours = Range(min(runs.wall) / 3600, median(runs.wall) / 3600, max(runs.wall) / 3600)
        uses.append(Use(f"Tsform:{machine}", Range.of(count), hours, f"{_said(runs)}; AWS enforces no ceiling"))
        _compare(reading, runs, machine, count)
    return reading.work("transform_job", name or step, uses, document)


def tuning(document: dict[str, Any], past: Past, assumed: Assumptions, step: str = "") -> Work:
    """CreateHyperParameterTuningJob: as many training jobs as it may start, within the time that it may take."""
    reading = Reading()
    name = _plain(document.get("HyperParameterTuningJobName"))
    limits = reading.part(reading.part(document, "HyperParameterTuningJobConfig"), "ResourceLimits")
    most = reading.number(limits, "MaxNumberOfTrainingJobs")
    parallel = reading.number(limits, "MaxParallelTrainingJobs", 1.0) or 1.0
    whole = reading.number(limits, "MaxRuntimeInSeconds")
    if most is None:
        reading.unknown.append("how many training jobs it starts: MaxNumberOfTrainingJobs is not given")
    one = reading.part(document, "TrainingJobDefinition")
    definitions = [one] if one else reading.parts(document, "TrainingJobDefinitions")
    if not definitions and not reading.unknown:
        reading.unknown.append("what it trains: neither TrainingJobDefinition nor TrainingJobDefinitions is given")
    each = [_child(reading, item, name or step, past, assumed) for item in definitions]
    if reading.unknown or most is None:
        return reading.work("hyper_parameter_tuning_job", name or step, [], document)
    cap = None if whole is None else parallel * whole / 3600
    uses = [
        Use(
            use.usage_type,
            use.size,
            _times(use.hours or NOTHING, most, cap, first=number == 0, several=len(each) > 1),
            f"up to {most:g} training jobs"
            + ("" if cap is None else f", together at most {cap:,.1f} h")
            + f"; {use.basis}",
        )
        for number, child in enumerate(each)
        for use in child
    ]
    if len(each) > 1:
        reading.notes.append(
            f"{len(each)} definitions share the training jobs: the ceiling lets each of them have them all."
        )
    return reading.work("hyper_parameter_tuning_job", name or step, uses, document)


def _child(reading: Reading, document: dict[str, Any], name: str, past: Past, assumed: Assumptions) -> list[Use]:
    cluster = reading.part(document, "ResourceConfig") or reading.part(document, "HyperParameterTuningResourceConfig")
    limit = reading.number(reading.part(document, "StoppingCondition"), "MaxRuntimeInSeconds", DEFAULT_LIMIT)
    runs = past.children(name) if name else None
    hours, basis = _hours(reading, limit, runs, assumed)
    if hours is None:
        return []
    paid = _spot(reading, runs, past) if document.get("EnableManagedSpotTraining") is True else Range.of(1.0)
    uses = [Use(f"Train:{machine}", Range.of(n), hours * paid, basis) for machine, n in _groups(reading, cluster)]
    return uses + _volume("Train", reading, cluster, uses, hours, basis)


def _limit(reading: Reading, document: dict[str, Any]) -> float | None:
    limit = reading.number(reading.part(document, "StoppingCondition"), "MaxRuntimeInSeconds")
    if limit is None and not reading.unknown:
        reading.notes.append("No MaxRuntimeInSeconds: AWS's default of 1 day is taken as the limit.")
        return DEFAULT_LIMIT
    return limit


def _times(hours: Range, most: float, cap: float | None, first: bool, several: bool) -> Range:
    """Hours of one run -> of all runs. Of several definitions the expected runs are counted once, for the first."""
    share = 1.0 if first or not several else 0.0
    whole = Range(hours.low * share, hours.expected * most * share, hours.high * most)
    return whole if cap is None else whole.at_most(cap)


def _hours(reading: Reading, limit: float | None, runs: Runs | None, assumed: Assumptions) -> tuple[Range | None, str]:
    if limit is None:
        return None, ""
    if limit > LONGEST_TRAINING:
        reading.notes.append(f"MaxRuntimeInSeconds is {limit:,.0f}; AWS allows 28 days at most.")
    ceiling = limit / 3600
    if runs is None:
        share = assumed.share_of_limit
        basis = f"assumed: no run of this family is known, {share:.0%} of the limit of {ceiling:,.2f} h is expected"
        return Range(min(LEAST_SECONDS / 3600, share * ceiling), share * ceiling, ceiling), basis
    usual = Range(min(runs.wall) / 3600, median(runs.wall) / 3600, ceiling).at_most(ceiling)
    return usual, f"{_said(runs)}; ceiling by MaxRuntimeInSeconds {ceiling:,.2f} h"


def _said(runs: Runs) -> str:
    low, high = min(runs.wall) / 3600, max(runs.wall) / 3600
    many = f"{runs.count} past run{'s' if runs.count > 1 else ''}"
    return f"{many} took {low:,.2f} to {high:,.2f} h, median {median(runs.wall) / 3600:,.2f} h"


def _spot(reading: Reading, runs: Runs | None, past: Past) -> Range:
    """Share of the run time that is billed. Spot may also save nothing: the ceiling has the whole price."""
    if runs is not None and runs.paid_share:
        shares = runs.paid_share
        reading.notes.append(f"Managed spot: {len(shares)} past runs paid {median(shares):.0%} of their time.")
        return Range(min(shares), median(shares), 1.0)
    own = past.spot_discount()
    if own is not None:
        reading.notes.append(f"Managed spot: the account's spot jobs saved {own[1]:.0%} (median).")
        return Range(1 - own[0], 1 - own[1], 1.0)
    least, most = SPOT_DISCOUNT
    reading.notes.append(f"Managed spot: a saving of {least:.0%} is assumed, no spot job is known here.")
    return Range(1 - most, 1 - least, 1.0)


def _groups(reading: Reading, cluster: dict[str, Any]) -> list[tuple[str, float]]:
    """[(machine, count)]: one, or several in a heterogeneous cluster; of a choice of types the first is expected."""
    before = len(reading.unknown)
    groups = reading.parts(cluster, "InstanceGroups")
    choice = reading.parts(cluster, "InstancePreferences") or reading.parts(cluster, "InstanceConfigs")
    if len(reading.unknown) > before:
        return []
    if groups:
        rows = groups
    elif choice:
        rows = [{"InstanceCount": cluster.get("InstanceCount", 1)} | choice[0]]
        reading.notes.append("It may run on another of its instance types: the first choice is priced.")
    elif cluster.get("InstanceType") is not None:
        rows = [cluster]
    else:
        reading.unknown.append("which machines it runs on: no InstanceType is given")
        return []
    found = []
    for row in rows:
        machine, count = reading.text(row, "InstanceType"), reading.number(row, "InstanceCount", 1.0)
        if machine is not None and count is not None:
            found.append((machine, count))
    return found


def _volume(
    head: str, reading: Reading, cluster: dict[str, Any], machines: list[Use], hours: Range | None, basis: str
) -> list[Use]:
    size = reading.number(cluster, "VolumeSizeInGB")
    count = sum(use.size.high for use in machines)
    if not size or hours is None or not count:
        return []
    return [Use(f"{head}:VolumeUsage.gp2", Range.of(size * count), hours, basis)]


def _warm_pool(reading: Reading, cluster: dict[str, Any], machines: list[Use]) -> list[Use]:
    """Machines kept for the next job: not at all if it comes at once, at most the whole period."""
    keep = reading.number(cluster, "KeepAlivePeriodInSeconds")
    if not keep:
        return []
    hours = Range(0.0, keep / 3600, keep / 3600)
    basis = f"warm pool, kept up to {keep / 3600:,.2f} h: assumed that no job uses it again"
    return [
        Use(use.usage_type.replace("Train:", "WarmPool:", 1), use.size, hours, basis)
        for use in machines
        if not use.volume
    ]


def _compare(reading: Reading, runs: Runs | None, machine: str, count: float) -> None:
    mine = f"{count:g} x {machine}"
    if runs is not None and mine not in runs.machines:
        reading.notes.append(f"Its past runs were on {', '.join(runs.machines[:3])}: {mine} may take another time.")


def _plain(value: object) -> str:
    return "" if value is None or isinstance(value, Unresolved) else str(value)
