"""Data capture, baselines and Model Monitor reports in the account's buckets, in the real formats, hour by hour as time
goes on.

The features are those of a house-price model. On the endpoint that drifts, two of them change for good on
`drift_start`: incomes rise by 0.8 standard deviations and fewer requests come from inland.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from moto.s3.models import s3_backends

from sagekeeper.simulator.monitor_job_request import reads_and_writes
from sagekeeper.simulator.organisation import DRIFT_DAYS
from sagekeeper.simulator.organisation_work import add_processing
from sagekeeper.simulator.world import Drift, Standing, World
from sagekeeper.simulator.worlds.drifting import changed
from sagekeeper.simulator.worlds.house_answers import answered

NUMERIC = {
    "median_income": (3.87, 1.9),
    "housing_median_age": (28.6, 12.6),
    "total_rooms": (2636.0, 1180.0),
    "total_bedrooms": (538.0, 210.0),
    "population": (1425.0, 560.0),
    "households": (500.0, 190.0),
}
PLACES = ("INLAND", "<1H OCEAN", "NEAR BAY", "NEAR OCEAN")
USUAL = (0.32, 0.44, 0.11, 0.13)
FEATURES = (*NUMERIC, "ocean_proximity")
RECORDS_AN_HOUR, BASELINE_RECORDS, CAPTURE_DAYS = 90, 8192, 21
SKETCH_LEVEL, MOST_CATEGORIES = 3, 100
DRIFTING = "house-price-regression"
TRUTH = "ground-truth"
"""Prefix in the monitoring bucket: what houses sold for, by endpoint and hour, where a model quality schedule may read it."""
DRIFT_DISTANCE = 0.1
"""Model Monitor's own comparison_threshold (monitoring-facts)."""


class Captures:
    """Writes what has become due, once."""

    def __init__(self, world: World, anchor: datetime) -> None:
        self._world = world
        self._drift_start = (anchor - timedelta(days=DRIFT_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
        self._hour = (anchor - timedelta(days=CAPTURE_DAYS)).replace(minute=0, second=0, microsecond=0)
        self._day = (anchor - timedelta(days=CAPTURE_DAYS + 38)).replace(hour=0, minute=0, second=0, microsecond=0)

    def bring_up_to(self, now: datetime) -> None:
        """Write all hours and daily reports that are over."""
        with self._world.lock:
            capturing = [(here, name) for here in self._world.standing.values() for name in _capturing(here)]
            while self._hour + timedelta(hours=1) <= now:
                for here, name in capturing:
                    self._capture_hour(here, name, self._hour)
                self._hour += timedelta(hours=1)
            while self._day + timedelta(days=1, hours=6) <= now:
                for here in self._world.standing.values():
                    self._report_day(here, self._day)
                self._day += timedelta(days=1)

    def baselines(self) -> None:
        """Buckets, the baseline of every monitored endpoint, and what else the world has in S3."""
        for here in self._world.standing.values():
            for bucket in (f"ml-monitoring-{here.account}-{here.region}", f"ml-artefacts-{here.account}-{here.region}"):
                s3_backends[here.account]["aws"].create_bucket(bucket, here.region)
            for schedule in here.schedules.values():
                endpoint = schedule["EndpointName"]
                if endpoint in here.asked:
                    continue  # Its world has stored a baseline of its own.
                sample = _sample(_seed(endpoint, "baseline"), BASELINE_RECORDS)
                folder = f"baseline/{endpoint}"
                made = schedule["CreationTime"]
                _put(here, f"{folder}/statistics.json", json.dumps(statistics(sample)), made)
                _put(here, f"{folder}/constraints.json", json.dumps(constraints()), made)

        for item in self._world.stored:
            backend = s3_backends[item.account]["aws"]
            if item.bucket not in backend.buckets:
                backend.create_bucket(item.bucket, item.region)
            kept = backend.put_object(item.bucket, item.key, item.data)
            kept.last_modified = item.at.replace(tzinfo=None)
        self._world.stored.clear()

    def _capture_hour(self, here: Standing, name: str, hour: datetime) -> None:
        life = here.life(name)
        if life is None or life.created > hour:
            return
        wish = life.deployed[life.serving(hour)].config.get("DataCaptureConfig")
        if not wish or not wish.get("EnableCapture"):
            return
        seed, drifts = _seed(name, hour.isoformat()), self._drifts(here, name, hour)
        asked = here.asked.get(name)
        if asked is None:
            sample = changed(_sample(seed, RECORDS_AN_HOUR), drifts, seed)
            features, answers = FEATURES, answered(sample, drifts, seed)
        else:
            sample = changed(asked.sample(seed, RECORDS_AN_HOUR), drifts, seed)
            features, answers = asked.features, asked.answered(here, name, hour, sample, drifts)
        prefix = wish["DestinationS3Uri"].removeprefix("s3://").split("/", 1)[1]
        file = f"{hour:%Y/%m/%d/%H}/59-58-{seed % 1000:03d}-{seed:08x}-0000-4000-8000-{seed:012x}.jsonl"
        records = _records(sample, features, answers.predictions, name, hour)
        _put(here, f"{prefix}/{name}/AllTraffic/{file}", "\n".join(records) + "\n")
        _put(here, f"{TRUTH}/{name}/{file}", "\n".join(_truths(answers.labels, seed)) + "\n")

    def _report_day(self, here: Standing, day: datetime) -> None:
        for name, schedule in here.schedules.items():
            if "x_from" in schedule:
                # Made or changed through the API: `monitor_runs.py` runs it.
                continue
            endpoint = schedule["EndpointName"]
            if here.life(endpoint) is None or schedule["MonitoringScheduleStatus"] != "Scheduled":
                continue
            start = day + timedelta(days=1, hours=5, minutes=4)
            job = add_processing(
                here,
                f"model-monitoring-{start:%Y%m%d%H%M}-{_seed(name, start.isoformat()):08x}",
                start,
                380,
                "ml.m5.xlarge",
                schedule["MonitoringScheduleArn"],
                dict(here.tags.get(schedule["MonitoringScheduleArn"], {})),
            )
            here.version += 1
            bucket, folder = (
                f"s3://ml-monitoring-{here.account}-{here.region}",
                f"reports/{endpoint}/{name}/{start:%Y/%m/%d/%H}",
            )
            job |= reads_and_writes(f"{bucket}/capture/{endpoint}", f"{bucket}/{folder}")
            sample = self._sample(here, endpoint, day, RECORDS_AN_HOUR * 24)
            found = violations(sample, _sample(_seed(endpoint, "baseline"), BASELINE_RECORDS))
            job["x_violations"] = len(found["violations"])
            if day < self._hour - timedelta(days=CAPTURE_DAYS):
                continue
            _put(here, f"{folder}/statistics.json", json.dumps(statistics(sample)))
            _put(here, f"{folder}/constraints.json", json.dumps(constraints()))
            _put(here, f"{folder}/constraint_violations.json", json.dumps(found))

    def _sample(self, here: Standing, endpoint: str, moment: datetime, count: int) -> dict[str, Any]:
        """What the endpoint is asked with in the hour or on the day that begins at ``moment``."""
        seed, drifts = _seed(endpoint, moment.isoformat()), self._drifts(here, endpoint, moment)
        return changed(_sample(seed, count), drifts, seed)

    def _drifts(self, here: Standing, endpoint: str, moment: datetime) -> list[Drift]:
        """What is on at that moment."""
        drifts = [item for item in here.drifts.get(endpoint, []) if item.since <= moment]
        if endpoint == DRIFTING and moment >= self._drift_start:
            drifts = [Drift("covariate", self._drift_start), *drifts]
        return drifts


def _capturing(here: Standing) -> list[str]:
    """Endpoints that have data capture in any of their configurations: a few of ten thousand."""
    return [
        name
        for name, lives in here.lives.items()
        if any("DataCaptureConfig" in item.config for item in lives[-1].deployed)
    ]


def statistics(sample: dict[str, Any]) -> dict[str, Any]:
    """statistics.json of Model Monitor for a sample: moments, ten buckets, the quantile sketch, category counts."""
    features: list[dict[str, Any]] = []
    for name in FEATURES:
        column = sample[name]
        if name in NUMERIC:
            if column.dtype == object:
                features.append(_text(name, column))
                continue
            present = column[~np.isnan(column)]
            common = {"num_present": len(present), "num_missing": len(column) - len(present)}
            column = present
            low, high = float(column.min()), float(column.max())
            edges = np.linspace(low, high, 11)
            counts, _ = np.histogram(column, edges)
            kept = np.sort(column)[2**SKETCH_LEVEL // 2 :: 2**SKETCH_LEVEL]
            sketch: dict[str, Any] = {
                "parameters": {"c": 0.64, "k": 2048.0},
                "data": [[] for _ in range(SKETCH_LEVEL)] + [[round(float(item), 4) for item in kept]],
            }
            buckets: list[dict[str, Any]] = [
                {"lower_bound": float(edges[n]), "upper_bound": float(edges[n + 1]), "count": float(counts[n])}
                for n in range(10)
            ]
            features.append(
                {
                    "name": name,
                    "inferred_type": "Fractional",
                    "numerical_statistics": {
                        "common": common,
                        "mean": float(column.mean()),
                        "sum": float(column.sum()),
                        "std_dev": float(column.std()),
                        "min": low,
                        "max": high,
                        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
                    },
                }
            )
        else:
            features.append(_text(name, column))
    return {"version": 0.0, "dataset": {"item_count": len(sample[FEATURES[0]])}, "features": features}


def _text(name: str, column: Any) -> dict[str, Any]:
    values, counts = np.unique(column.astype(str), return_counts=True)
    buckets = [{"value": str(value), "count": int(count)} for value, count in zip(values, counts, strict=True)]
    return {
        "name": name,
        "inferred_type": "String",
        "string_statistics": {
            "common": {"num_present": len(column), "num_missing": 0},
            "distinct_count": float(len(values)),
            "distribution": {"categorical": {"buckets": buckets[:MOST_CATEGORIES]}},
        },
    }


def constraints() -> dict[str, Any]:
    """constraints.json of Model Monitor."""
    features: list[dict[str, Any]] = [
        {"name": name, "inferred_type": "Fractional", "completeness": 1.0, "num_constraints": {"is_non_negative": True}}
        for name in NUMERIC
    ]
    features.append(
        {
            "name": "ocean_proximity",
            "inferred_type": "String",
            "completeness": 1.0,
            "string_constraints": {"domains": list(PLACES)},
        }
    )
    comparison = {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    }
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": comparison,
    }
    return {"version": 0.0, "features": features, "monitoring_config": config}


def violations(sample: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """constraint_violations.json: type, completeness, domain and distance of each feature against the baseline's."""
    found = []
    for name in FEATURES:
        column, before = sample[name], usual[name]
        for check, description in _broken(column, before, name in NUMERIC):
            found.append({"feature_name": name, "constraint_check_type": check, "description": description})
    return {"violations": found}


def _broken(column: Any, before: Any, numeric: bool) -> Iterator[tuple[str, str]]:
    if numeric and column.dtype == object:
        yield (
            "data_type_check",
            "Data type match requirement is not met. Expected data type: Fractional, Expected match: 100.0%. "
            "Observed: Only 0.0% of data is Fractional.",
        )
        return
    if numeric:
        complete = float(np.mean(~np.isnan(column)))
        if complete < 1.0:
            yield "completeness_check", f"Value: {complete} does not meet the constraint requirement! "
        present, grid = np.sort(column[~np.isnan(column)]), np.sort(before)
        old = np.arange(1, len(grid) + 1) / len(grid)
        distance = float(np.abs(old - np.searchsorted(present, grid, side="right") / len(present)).max())
    else:
        values = np.union1d(column, before)
        distance = float(max(abs(np.mean(column == value) - np.mean(before == value)) for value in values))
        strange = [str(value) for value in np.unique(column) if value not in PLACES]
        if strange:
            known = float(np.mean(~np.isin(column, strange)))
            yield "categorical_values_check", f"Value: {known} does not meet the constraint requirement! "
    if distance > DRIFT_DISTANCE:
        yield "baseline_drift_check", f"Baseline drift distance: {distance} exceeds threshold: {DRIFT_DISTANCE}"


def _sample(seed: int, count: int) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    found: dict[str, Any] = {
        name: np.round(np.maximum(chance.normal(mean, spread, count), 0.1), 4)
        for name, (mean, spread) in NUMERIC.items()
    }
    found["ocean_proximity"] = np.array(PLACES)[chance.choice(len(PLACES), count, p=USUAL)]
    return found


def _truths(labels: Any, seed: int) -> list[str]:
    """Ground truth of the records, by their event ids (monitoring-facts 2.7)."""
    return [
        f'{{"groundTruthData":{{"data":"{label:.4f}","encoding":"CSV"}},"eventMetadata":{{"eventId":"{seed:08x}-0000-4000-8000-'
        f'{number:012d}"}},"eventVersion":"0"}}'
        for number, label in enumerate(labels.tolist())
    ]


def _records(
    sample: dict[str, Any], features: tuple[str, ...], predictions: Any, name: str, hour: datetime
) -> list[str]:
    """Capture records, evenly over the hour. Written by hand: there are tens of thousands when a world starts."""
    columns = [sample[feature].tolist() for feature in features]
    step, day = 3600 / len(columns[0]), f"{hour:%Y-%m-%dT%H}"
    mark = _seed(name, hour.isoformat())
    answers = [f"{answer:.4f}" for answer in predictions.tolist()]
    lines = []
    for number, row in enumerate(zip(*columns, strict=True)):
        minute, second = divmod(int(number * step), 60)
        lines.append(
            '{"captureData":{"endpointInput":{"observedContentType":"text/csv","mode":"INPUT","data":"'
            + ",".join(map(_cell, row))
            + '","encoding":"CSV"},"endpointOutput":{"observedContentType":"text/csv; charset=utf-8","mode":"OUTPUT","data":"'
            + f'{answers[number]}","encoding":"CSV"}}}},"eventMetadata":{{"eventId":"{mark:08x}-0000-4000-8000-'
            + f'{number:012d}","inferenceTime":"{day}:{minute:02d}:{second:02d}Z"}},"eventVersion":"0"}}'
        )
    return lines


def _cell(value: object) -> str:
    return "" if value != value else str(value)


def _seed(*parts: str) -> int:
    return zlib.crc32("/".join(parts).encode())


def _put(here: Standing, key: str, text: str, at: datetime | None = None) -> None:
    bucket = f"ml-monitoring-{here.account}-{here.region}"
    kept = s3_backends[here.account]["aws"].put_object(bucket, key, text.encode())
    if at is not None:
        kept.last_modified = at.replace(tzinfo=None)
