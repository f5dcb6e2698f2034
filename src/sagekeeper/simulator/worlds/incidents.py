"""Things that go wrong, on demand: each is done to the account as a person would do it, and its truth is written down.

In: a `Scene` (who, where, when, how much). Out: the `Truth`. What a person does through AWS's API goes through the very
same handlers; what happens outside of it (traffic that stops, requests that change, a price that rises) is set in the
world. Money is at the price book's list price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.core.errors import BadInput
from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import Credit
from sagekeeper.simulator.commercial_control import changed
from sagekeeper.simulator.deeds import Deed
from sagekeeper.simulator.hosting import Shortage
from sagekeeper.simulator.operations import Ask, Handler, House, service_model
from sagekeeper.simulator.world import Drift, Fault, PriceChange, Standing, Surge, Traffic
from sagekeeper.simulator.worlds.truth import Truth

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
LOG_GB_PER_DAY = 900.0
"""A debug flag left on: a few hundred times what the account logs on other days."""
ROLE, SESSION = "MLEngineer", "dana.weiss"
"""Whose doing it is, as CloudTrail tells it."""
FORGOTTEN_AFTER = timedelta(days=2)
SCARCE, SHORT_FOR = "ml.g5.2xlarge", timedelta(hours=6)


@dataclass(frozen=True)
class Scene:
    """Where and when an incident happens. ``size`` multiplies what is usual for its kind."""

    house: House
    handlers: dict[str, Handler]
    account: str
    region: str
    at: datetime
    subject: str
    size: float = 1.0

    @property
    def here(self) -> Standing:
        return self.house.world.at(self.account, self.region)

    def do(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One SageMaker API call by a person in the account."""
        answer = self.handlers[operation](Ask(self.house, self.account, self.region, parameters, self.at))
        self.done(operation, parameters)
        self.here.version += 1
        return answer

    def done(self, operation: str, parameters: dict[str, Any]) -> None:
        """CloudTrail tells of it."""
        self.here.deeds.append(Deed(self.at, operation, parameters, ROLE, SESSION))

    def told(self, kind: str, usd_per_day: float | None, detail: str, **more: Any) -> Truth:
        """The truth about this scene."""
        return Truth(kind, self.subject, self.account, self.region, self.at, None, usd_per_day, detail=detail, **more)


def bring_about(kind: str, scene: Scene) -> Truth:
    """Make it happen, and write down the truth. Raises BadInput for a kind or a subject that is not there."""
    if kind not in INCIDENTS:
        raise BadInput(f"There is no incident {kind}: use one of {', '.join(INCIDENTS)}.")
    with scene.house.world.lock:
        truth = INCIDENTS[kind](scene)
        scene.here.version += 1
        scene.house.world.truths.append(truth)
    return truth


def runaway_job(scene: Scene) -> Truth:
    """A training job on eight GPU machines that does not end by itself for five days."""
    kind, count = "ml.g5.12xlarge", max(1, round(8 * scene.size))
    start = (scene.at + timedelta(minutes=3)).replace(microsecond=0)
    seconds = 5 * 86_400
    scene.here.training[scene.subject] = {
        "TrainingJobName": scene.subject,
        "TrainingJobArn": scene.here.arn("training-job", scene.subject),
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "MaxRuntimeExceeded",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{scene.account}:role/SageMakerExecution",
        "OutputDataConfig": {"S3OutputPath": f"s3://ml-artefacts-{scene.account}-{scene.region}/{scene.subject}/"},
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": count, "VolumeSizeInGB": 100},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "CreationTime": scene.at.replace(microsecond=0),
        "TrainingStartTime": start,
        "TrainingEndTime": start + timedelta(seconds=seconds),
        "LastModifiedTime": start + timedelta(seconds=seconds),
        "SecondaryStatusTransitions": [],
        "EnableManagedSpotTraining": False,
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds,
    }
    scene.done("CreateTrainingJob", {"TrainingJobName": scene.subject})
    usd = 24 * count * _hourly(kind, "Training", scene.region)
    return scene.told("runaway_job", usd, f"{count} x {kind} for up to 5 days")


def forgotten_endpoint(scene: Scene) -> Truth:
    """An endpoint made for a trial: used for two days, then by nobody, and never deleted."""
    kind, count = "ml.g5.2xlarge", max(1, round(scene.size))
    _endpoint(scene, kind, count, {})
    scene.here.traffic[scene.subject] = Traffic(per_hour=200.0, until=scene.at + FORGOTTEN_AFTER)
    usd = 24 * count * _hourly(kind, "Hosting", scene.region)
    return scene.told("forgotten_endpoint", usd, f"{count} x {kind}, no request after two days")


def planned_launch(scene: Scene) -> Truth:
    """A new endpoint that people meant: tagged with its change, with traffic from the first hour."""
    kind, count = "ml.g5.2xlarge", max(1, round(2 * scene.size))
    _endpoint(
        scene, kind, count, {"owner": "ben.okafor@example.com", "team": "growth", "change": "CHG-2041", "env": "prod"}
    )
    scene.here.traffic[scene.subject] = Traffic(
        per_hour=15_000.0, cpu_share_per_1000=0.3, gpu_share_per_1000=0.05, gpu_memory_mib=9_000
    )
    usd = 24 * count * _hourly(kind, "Hosting", scene.region)
    return scene.told("planned_launch", usd, f"{count} x {kind}, change CHG-2041", planned=True)


def upsizing(scene: Scene) -> Truth:
    """An endpoint is given four times its instances by an update that nobody announced."""
    life = scene.here.life(scene.subject)
    if life is None:
        raise BadInput(f"There is no endpoint {scene.subject} in {scene.account}, {scene.region}.")
    config = life.deployed[life.serving(scene.at)].config
    variants = [dict(item) for item in config["ProductionVariants"]]
    usd = 0.0
    for variant in variants:
        before = int(variant.get("InitialInstanceCount", 0))
        variant["InitialInstanceCount"] = max(before + 1, round(before * 4 * scene.size))
        more = variant["InitialInstanceCount"] - before
        usd += 24 * more * _hourly(variant["InstanceType"], "Hosting", scene.region)
    name = f"{scene.subject}-config-{scene.at:%Y%m%d%H%M}"
    kept = {key: config[key] for key in ("DataCaptureConfig", "AsyncInferenceConfig") if key in config}
    scene.do("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants, **kept)
    scene.do("UpdateEndpoint", EndpointName=scene.subject, EndpointConfigName=name)
    counts = ", ".join(f"{item['InitialInstanceCount']} x {item['InstanceType']}" for item in variants)
    return scene.told("upsizing", usd, f"now {counts}")


def notebook_left_on(scene: Scene) -> Truth:
    """A large notebook instance is started and stays on over night and weekend."""
    kind = "ml.p3.8xlarge" if scene.size >= 1 else "ml.g4dn.xlarge"
    arn = scene.here.arn("notebook-instance", scene.subject)
    scene.here.notebooks[scene.subject] = {
        "NotebookInstanceName": scene.subject,
        "NotebookInstanceArn": arn,
        "InstanceType": kind,
        "RoleArn": f"arn:aws:iam::{scene.account}:role/SageMakerExecution",
        "VolumeSizeInGB": 100,
        "CreationTime": scene.at,
    }
    scene.here.notebook_runs[scene.subject] = [(scene.at, None)]
    scene.done("CreateNotebookInstance", {"NotebookInstanceName": scene.subject})
    scene.here.tags[arn] = {"owner": "intern@example.com", "team": "search"}
    return scene.told("notebook_left_on", 24 * _hourly(kind, "Notebook", scene.region), kind)


def log_explosion(scene: Scene) -> Truth:
    """A debug flag: the account's log ingestion jumps for three days."""
    until = scene.at + timedelta(days=3)
    gigabytes = LOG_GB_PER_DAY * scene.size
    scene.here.surges.append(Surge("PutLogEvents", scene.at, until, gigabytes))
    usd = gigabytes * PriceBook.bundled().unit("logs_ingestion", scene.region).usd
    return Truth("log_explosion", scene.subject, scene.account, scene.region, scene.at, until, usd)


def price_change(scene: Scene) -> Truth:
    """AWS raises one price in the region: the subject is a usage type without its region. From the next midnight on."""
    start = scene.at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    factor = 1 + 0.25 * scene.size
    for here in scene.house.world.standing.values():
        if here.region == scene.region:
            here.price_changes.append(PriceChange(scene.subject, start.date(), factor))
            here.version += 1
    return Truth("price_change", scene.subject, scene.account, scene.region, start, detail=f"x {factor:g}")


def credit_expiry(scene: Scene) -> Truth:
    """A credit that pays for SageMaker runs out of time: the bill is back at what is used.

    The subject is a credit that the organisation has, which then expires at the next midnight; with any other name the
    credit is granted now, is enough for all SageMaker usage, and expires after a week (times ``size``).
    """
    world, midnight = scene.house.world, scene.at.replace(hour=0, minute=0, second=0, microsecond=0)
    held = [item for item in world.commercial.credits if item.name == scene.subject]
    days = 1 if held else max(1, round(7 * scene.size))
    expiry = midnight + timedelta(days=days)
    week = scene.house.meter.lines(
        (midnight - timedelta(days=10)).date(), (midnight - timedelta(days=4)).date(), scene.at
    )
    if held:
        world.commercial.credits = [
            replace(item, expires=min(item.expires, expiry.date())) if item in held else item
            for item in world.commercial.credits
        ]
        paid = week.filter((pl.col("record_type") == "Credit") & pl.col("description").str.ends_with(scene.subject))
    else:
        paid = week.filter((pl.col("record_type") == "Usage") & (pl.col("service") == SAGEMAKER))
    usd = abs(float(paid["net_cost"].sum())) / 7
    if not held:
        services = (SAGEMAKER,)
        granted = Credit(
            scene.subject, round(2 * days * usd, 2), midnight.date(), expiry.date(), scene.account, services
        )
        world.commercial.credits.append(granted)
    changed(world)
    detail = f"the credit {scene.subject} expires on {expiry:%Y-%m-%d}"
    return Truth(
        "credit_expiry", scene.subject, scene.account, scene.region, expiry, usd_per_day=round(usd, 2), detail=detail
    )


def latency_fault(scene: Scene) -> Truth:
    """The endpoint's model answers six times slower from now on."""
    return _fault(scene, "latency")


def error_fault(scene: Scene) -> Truth:
    """One request in five fails from now on."""
    return _fault(scene, "errors")


def capacity_shortage(scene: Scene) -> Truth:
    """AWS has no more instances of a type in the region for six hours: the subject is the type, a GPU's where none is."""
    kind = scene.subject if scene.subject.startswith("ml.") else SCARCE
    if kind not in service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum:
        raise BadInput(f"SageMaker has no instance type {kind} for endpoints.")
    until = scene.at + SHORT_FOR * scene.size
    for here in scene.house.world.standing.values():
        if here.region == scene.region:
            here.hosting.shortages.append(Shortage(kind, scene.at, until))
            here.version += 1
    detail = "endpoints fail with InsufficientInstanceCapacity, jobs wait and then fail with CapacityError"
    return Truth("capacity_shortage", kind, scene.account, scene.region, scene.at, until, detail=detail)


def _fault(scene: Scene, kind: str) -> Truth:
    if scene.here.life(scene.subject) is None:
        raise BadInput(f"There is no endpoint {scene.subject} in {scene.account}, {scene.region}.")
    scene.here.faults[scene.subject] = Fault(kind, scene.at)
    return scene.told(f"{kind}_fault", None, "until cleared")


def _drift(kind: str) -> Callable[[Scene], Truth]:
    name, said = (f"{kind}_drift", DRIFT_KINDS[kind]) if kind in DRIFT_KINDS else (kind, MODEL_KINDS[kind])

    def happens(scene: Scene) -> Truth:
        life = scene.here.life(scene.subject)
        if life is None or not life.deployed[-1].config.get("DataCaptureConfig"):
            raise BadInput(f"{scene.subject} is no endpoint with data capture in {scene.account}, {scene.region}.")
        scene.here.drifts.setdefault(scene.subject, []).append(Drift(kind, scene.at, scene.size))
        return scene.told(name, None, said)

    happens.__doc__ = f"From now on, {said}."
    return happens


def _endpoint(scene: Scene, kind: str, count: int, tags: dict[str, str]) -> None:
    """Model, configuration and endpoint, all named after the subject."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    scene.do(
        "CreateModel",
        ModelName=scene.subject,
        ExecutionRoleArn=f"arn:aws:iam::{scene.account}:role/SageMakerExecution",
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://ml-artefacts/{scene.subject}/model.tar.gz"},
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": scene.subject,
        "InstanceType": kind,
        "InitialInstanceCount": count,
        "InitialVariantWeight": 1.0,
    }
    scene.do("CreateEndpointConfig", EndpointConfigName=scene.subject, ProductionVariants=[variant], Tags=listed)
    scene.do("CreateEndpoint", EndpointName=scene.subject, EndpointConfigName=scene.subject, Tags=listed)


def _hourly(kind: str, component: Component, region: str) -> float:
    return PriceBook.bundled().hourly(kind, component, region).usd


DRIFT_KINDS = {
    "covariate": "incomes rise and fewer requests come from inland",
    "missing": "a third of the requests has no income",
    "schema": "the number of bedrooms arrives as text, and a category appears that training never saw",
    "unit": "incomes arrive in dollars, not in tens of thousands",
    "label": "dearer houses are asked for: prices and predictions rise together, and the model is as good as before",
    "concept": "requests stay the same, but inland loses value and income counts for less: the model is wrong",
}
MODEL_KINDS = {
    "bias": "a new version of the model predicts inland houses too low",
    "leakage": "a new version of the model has a feature that gives the price away: too good, for another reason",
}
INCIDENTS: dict[str, Callable[[Scene], Truth]] = {
    "runaway_job": runaway_job,
    "forgotten_endpoint": forgotten_endpoint,
    "upsizing": upsizing,
    "notebook_left_on": notebook_left_on,
    "log_explosion": log_explosion,
    "price_change": price_change,
    "credit_expiry": credit_expiry,
    "planned_launch": planned_launch,
    "latency_fault": latency_fault,
    "error_fault": error_fault,
    "capacity_shortage": capacity_shortage,
}
INCIDENTS |= {f"{kind}_drift": _drift(kind) for kind in DRIFT_KINDS} | {kind: _drift(kind) for kind in MODEL_KINDS}
