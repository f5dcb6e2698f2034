"""Do monitors stay silent for 90 days of healthy endpoints, and what do they say of sick ones?

Requests of the simulated house-price endpoint, and of others that are hard to judge (seasons, bursts, few records, many
categories, identifiers), by the hour; profiled and added up as the collector does it; then asked of the product's own
analyzer on each of 90 days, as a run of it knows them (the last 45 days). Every finding about a healthy endpoint is a false
alarm. Then each kind of drift, on an endpoint of its own: the days until it is told, of which features, and as what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.analyzers import drift
from sagekeeper.analyzers.data_quality import columns as read_columns
from sagekeeper.analyzers.data_quality import statistics
from sagekeeper.analyzers.drift_judge import Settings
from sagekeeper.analyzers.facts import Facts
from sagekeeper.collector.capture_hours import HOUR_SKETCH_K
from sagekeeper.collector.monitor_statistics import profiles
from sagekeeper.collector.profile import profiles_of, type_of
from sagekeeper.core.feature_profile import columns
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.profile_rows import FEATURE, merged
from sagekeeper.core.tables import (
    COSTS,
    DAILY_COSTS,
    FEATURE_HOURS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    METRICS,
    MONITOR_VIOLATIONS,
)
from sagekeeper.service.facts import PROFILE_DAYS
from sagekeeper.simulator.captures import NUMERIC, PLACES, USUAL
from sagekeeper.simulator.world import Drift
from sagekeeper.simulator.worlds.drifting import changed
from sagekeeper.simulator.worlds.house_answers import answered

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
WATCHED = 90
DAYS = PROFILE_DAYS + WATCHED
SICK_DAYS = 20
"""How long a drift is waited for."""
BASELINE_RECORDS = 8192
ACCOUNT, REGION = "123456789012", "us-east-1"

Values = dict[str, Any]
Draw = Callable[[np.random.Generator, Any], Values]


@dataclass(frozen=True)
class Endpoint:
    """``records`` an hour at hours since the first; ``draw``: values of records, each at its hour."""

    name: str
    records: Callable[[Any], Any]
    draw: Draw
    baseline: bool
    sick: Callable[[Values, np.random.Generator], Values] | None = None


def houses(chance: np.random.Generator, at: Any) -> Values:
    """As the simulated endpoint is asked (`simulator/captures.py`)."""
    found: Values = {
        name: np.round(np.maximum(chance.normal(mean, spread, len(at)), 0.1), 4)
        for name, (mean, spread) in NUMERIC.items()
    }
    return found | {"ocean_proximity": np.array(PLACES)[chance.choice(len(PLACES), len(at), p=USUAL)]}


def seasonal(chance: np.random.Generator, at: Any) -> Values:
    """Other people ask at night and at weekends: incomes lie a standard deviation lower on these days."""
    found = houses(chance, at)
    weekend, night = (at // 24) % 7 >= 5, (at % 24 < 8)
    found["median_income"] = found["median_income"] - 1.9 * weekend - 0.5 * night
    inland = weekend & (chance.random(len(at)) < 0.5)
    return found | {"ocean_proximity": np.where(inland, "INLAND", found["ocean_proximity"])}


def swinging(chance: np.random.Generator, at: Any) -> Values:
    """Every hour has a place of its own that goes with the hours before, and requests come in sessions of eight alike."""
    found = houses(chance, at)
    swing = np.zeros(DAYS * 24)
    for hour in range(1, len(swing)):
        swing[hour] = 0.8 * swing[hour - 1] + 0.15 * 0.6 * chance.normal()
    found["median_income"] = found["median_income"] + 1.9 * swing[at]
    alike = np.arange(len(at)) // 8 * 8
    return {
        name: values[alike] if name in ("population", "ocean_proximity") else values for name, values in found.items()
    }


def awkward(chance: np.random.Generator, at: Any) -> Values:
    """Heavy tails, zeros, counts, a flag, missing values, many categories, and a name that every request has for itself."""
    size = len(at)
    gone = chance.random(size) < 0.05
    ranks = np.arange(1, 5001)
    shares = 1 / ranks
    return {
        "amount": np.exp(chance.normal(0, 2, size)),
        "refund": np.where(chance.random(size) < 0.9, 0.0, chance.gamma(2, 10, size)),
        "visits": chance.poisson(2, size).astype(float),
        "flag": np.array(["yes", "no"])[chance.integers(0, 2, size)],
        "age": np.where(gone, np.nan, chance.normal(40, 12, size)),
        "city": np.char.add("c", chance.integers(0, 50, size).astype(str)),
        "product": np.char.add("p", chance.choice(ranks, size, p=shares / shares.sum()).astype(str)),
        "merchant": np.char.add("m", chance.integers(0, 5000, size).astype(str)),
        "request": np.char.add("r", chance.integers(0, 2**40, size).astype(str)),
    }


def steady(records: int) -> Callable[[Any], Any]:
    """The same at every hour."""
    return lambda hours: np.full(len(hours), records)


def busy(records: int) -> Callable[[Any], Any]:
    """By day and on working days more."""
    return lambda hours: (
        records * (1 + 0.8 * np.sin(2 * np.pi * (hours - 8) / 24)) * (1 - 0.5 * ((hours // 24) % 7 >= 5))
    ).round()


TRAFFIC: dict[str, tuple[Callable[[Any], Any], Draw]] = {
    "houses, 90 an hour": (steady(90), houses),
    "houses, 5 an hour": (steady(5), houses),
    "houses, by day": (busy(90), houses),
    "other people at weekends": (busy(90), seasonal),
    "swings and sessions": (busy(90), swinging),
    "awkward features": (steady(90), awkward),
    "awkward features, 8 an hour": (steady(8), awkward),
}


def _change(kind: str) -> Callable[[Values, np.random.Generator], Values]:
    def made(values: Values, chance: np.random.Generator) -> Values:
        return changed(values, [Drift(kind, FIRST)], int(chance.integers(2**31)))

    return made


def _mean(values: Values, _: np.random.Generator) -> Values:
    return values | {"housing_median_age": values["housing_median_age"] + 0.5 * 12.6}


def _scale(values: Values, _: np.random.Generator) -> Values:
    age = values["housing_median_age"]
    return values | {"housing_median_age": 28.6 + 2 * (age - 28.6)}


def _hundred(values: Values, _: np.random.Generator) -> Values:
    return values | {"households": values["households"] * 100}


def _swapped(values: Values, _: np.random.Generator) -> Values:
    return values | {"population": values["total_rooms"], "total_rooms": values["population"]}


def _new(values: Values, chance: np.random.Generator) -> Values:
    island = chance.random(len(values["ocean_proximity"])) < 0.15
    return values | {"ocean_proximity": np.where(island, "ISLAND", values["ocean_proximity"])}


def _gone(values: Values, _: np.random.Generator) -> Values:
    place = values["ocean_proximity"]
    return values | {"ocean_proximity": np.where(place == "NEAR OCEAN", "NEAR BAY", place)}


def _spike(values: Values, chance: np.random.Generator) -> Values:
    filled = chance.random(len(values["population"])) < 0.3
    return values | {"population": np.where(filled, 1000.0, values["population"])}


SICK: dict[str, tuple[Callable[[Values, np.random.Generator], Values], str]] = {
    "mean +0.5 sd": (_mean, "shift of housing_median_age"),
    "spread x2": (_scale, "scale of housing_median_age"),
    "unit x100": (_hundred, "unit change of households"),
    "columns swapped": (_swapped, "population and total_rooms swapped"),
    "a new category, 15 %": (_new, "new category of ocean_proximity"),
    "a category gone": (_gone, "vanished category of ocean_proximity"),
    "30 % get one value": (_spike, "spike of population"),
    "covariate_drift": (_change("covariate"), "shift of median_income (and of the answers), mix of ocean_proximity"),
    "missing_drift": (_change("missing"), "missing median_income"),
    "schema_drift": (
        _change("schema"),
        "type of total_bedrooms, new category of ocean_proximity (8 %: too little to matter)",
    ),
    "unit_drift": (_change("unit"), "unit change of median_income (and of the answers)"),
    "label_drift": (_change("label"), "shift of median_income and of the answers"),
    "concept_drift": (_change("concept"), "nothing: only quality falls"),
    "leakage": (_change("leakage"), "nothing: only attributions move"),
}


def profiled(one: Endpoint, days: int, sick_from: int | None = None, seed: int = 7) -> pl.DataFrame:
    """Rows of `feature_profiles`, hours added up to days as the collector does it, the answers with them."""
    chance = np.random.default_rng([seed, *one.name.encode()])
    hours = np.arange(days * 24)
    counts = np.maximum(one.records(hours), 0).astype(int)
    at = np.repeat(hours, counts)
    values = one.draw(chance, at)
    if one.sick is not None and sick_from is not None:
        late = at >= sick_from * 24
        early = {name: column[~late] for name, column in values.items()}
        ill = one.sick({name: column[late] for name, column in values.items()}, chance)
        values = {name: np.concatenate([early[name].astype(object), ill[name].astype(object)]) for name in values}
    answers = _answers(values, int(chance.integers(2**31)))
    roles = [("capture", values)] + ([("prediction", answers)] if answers else [])
    rows = [row for role, of in roles for row in _hourly(one, role, of, at)]
    by_hour = pl.DataFrame(rows, schema={**FEATURE_HOURS.columns}).select(FEATURE_HOURS.columns.keys())
    by_day = merged(by_hour, [*FEATURE, "day"]).with_columns(
        window_start=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), observed_at=pl.col("window_end")
    )
    made = [by_day.select(FEATURE_PROFILES.columns.keys())]
    if one.baseline:
        made.append(_baseline(one, chance))
    return pl.concat(made)


def _answers(values: Values, seed: int) -> Values:
    if "median_income" not in values:
        return {}
    sample = values | {"median_income": values["median_income"].astype(float)}
    return {"prediction": np.round(answered(sample, [], seed).predictions, 4)}


def _text(column: Any) -> pl.Series:
    """As captured: nothing stands where a number is missing."""
    return pl.Series([None if value != value else str(value) for value in column.tolist()], dtype=pl.String)


def _hourly(one: Endpoint, role: str, values: Values, at: Any) -> Iterator[dict[str, Any]]:
    group = pl.Series(at, dtype=pl.UInt32)
    for name, column in values.items():
        captured = _text(column)
        for hour, profile in profiles_of(captured, group, type_of(captured), HOUR_SKETCH_K).items():
            start = FIRST + timedelta(hours=int(hour))
            yield (
                _place(one)
                | columns(profile)
                | {
                    "variant": "AllTraffic",
                    "role": role,
                    "feature": name,
                    "window_start": start,
                    "window_end": start + timedelta(hours=1),
                    "day": start.date(),
                }
            )


def _place(one: Endpoint) -> dict[str, Any]:
    return {"account": ACCOUNT, "region": REGION, "endpoint": one.name}


def _baseline(one: Endpoint, chance: np.random.Generator) -> pl.DataFrame:
    """Of the rows it was trained with: of all hours of a week, as Model Monitor writes and the collector reads it."""
    hours = np.arange(168)
    weight = np.maximum(one.records(hours), 0)
    values = one.draw(chance, np.sort(chance.choice(hours, BASELINE_RECORDS, p=weight / weight.sum())))
    frame = pl.DataFrame({name: _text(column) for name, column in values.items()})
    made = FIRST - timedelta(days=1)
    found = [
        row | _place(one) | {"variant": "AllTraffic", "role": "baseline", "window_start": made, "window_end": made}
        for row in profiles(statistics(read_columns(frame)))[0]
    ]
    return pl.DataFrame([row | {"day": made.date()} for row in found], schema=FEATURE_PROFILES.columns)


def known(profiles: pl.DataFrame, as_of: datetime) -> Facts:
    """As the product would load it on that day."""
    back = as_of.date() - timedelta(days=PROFILE_DAYS)
    inside = (pl.col("role") == "baseline") | pl.col("day").is_between(back, as_of.date())
    return Facts(
        as_of=as_of,
        costs=COSTS.empty(),
        daily_costs=DAILY_COSTS.empty(),
        metrics=METRICS.empty(),
        inventory=INVENTORY.empty(),
        jobs=JOBS.empty(),
        feature_profiles=profiles.filter(inside),
        violations=MONITOR_VIOLATIONS.empty(),
        prices=PriceBook.bundled(),
        owner_tags=(),
    )


def told(profiles: pl.DataFrame, day: int) -> list[tuple[str, str]]:
    """Feature and what is said of it, of a run on the morning after so many days."""
    as_of = FIRST + timedelta(days=day, hours=6)
    found = drift.find(known(profiles, as_of), Settings())
    return [(figure.label, (figure.basis or "").split("; ")[0]) for one in found for figure in one.evidence.figures]


def healthy() -> int:
    """Print findings about healthy endpoints; returns how many runs had one."""
    print(f"\nHealthy endpoints, {WATCHED} days, asked every day: days on which drift was told")
    whole = 0
    for name, (records, draw) in TRAFFIC.items():
        for baseline in (True, False):
            one = Endpoint(name, records, draw, baseline)
            profiles = profiled(one, DAYS)
            said = {day: told(profiles, day) for day in range(PROFILE_DAYS + 1, DAYS + 1)}
            alarms = {day: of for day, of in said.items() if of}
            whole += len(alarms)
            features = sorted({feature for of in alarms.values() for feature, _ in of})
            how = "with a baseline" if baseline else "without"
            print(f"  {name:30}{how:18}{len(alarms):>4}  {', '.join(features)}", flush=True)
    return whole


def sick() -> None:
    """Print when each drift is told, of what, and as what."""
    print("\nDrifts that begin on a Monday: days until they are told, and what is said (in brackets: what was done)")
    for name, (change, truth) in SICK.items():
        for baseline in (True, False):
            one = Endpoint(name, steady(90), houses, baseline, change)
            profiles = profiled(one, PROFILE_DAYS + 4 + SICK_DAYS, PROFILE_DAYS + 4)
            days = range(PROFILE_DAYS + 5, PROFILE_DAYS + 5 + SICK_DAYS)
            first = next(((day, of) for day in days if (of := told(profiles, day))), None)
            how = "with a baseline" if baseline else "without"
            after = "never" if first is None else f"{first[0] - PROFILE_DAYS - 4} d"
            words = "" if first is None else "; ".join(f"{feature}: {what}" for feature, what in first[1])
            print(f"  {name:24}{how:18}{after:>6}  {words}  ({truth})", flush=True)


def main() -> None:
    """Print both tables."""
    healthy()
    sick()


if __name__ == "__main__":
    main()
