"""Which features of which model drift: the verdict on each, with its reason.

In: feature profiles (baseline, and captures by window). Out: a `Verdict` per feature, the stable and the unknown ones too.
A feature drifts when all of this holds for the newest days: the difference is not chance (two-sample tests, false discoveries
bounded over all features), the *lower* bound of its size exceeds what matters in practice, and it was there on at least two of
those days. Too few records is `unknown`, which is neither drift nor its absence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import polars as pl
from pydantic import Field

from sagekeeper.analyzers.distribution_shift import Sample, Shift, false_discovery, missing_shift, value_shift
from sagekeeper.analyzers.drift_history import History, asked_and_answered, history_of
from sagekeeper.analyzers.drift_meaning import Meaning, meaning_of, meant
from sagekeeper.analyzers.drift_naming import Changed, named, since_then
from sagekeeper.analyzers.drift_samples import Worth, sample_of, worth_of
from sagekeeper.analyzers.drift_season import WEEK, without_season
from sagekeeper.analyzers.facts import AnalyzerSettings, Facts

MODEL = ("account", "region", "endpoint", "variant")

LOOKS = 30
"""A month of daily looks, over which `monthly_false_alarms` is spent."""

Status = Literal["drift", "stable", "unknown"]


class Settings(AnalyzerSettings):
    """What counts as drift."""

    window_days: int = Field(
        3, ge=1, le=14, description="newest whole days, and the one under way, that are compared with the baseline"
    )
    persist_days: int = Field(2, ge=1, le=14, description="on how many of them the feature must have moved")
    least_effect: float = Field(
        0.1, ge=0.0, le=1.0, description="smallest total variation that matters; the lower bound counts"
    )
    least_missing: float = Field(0.05, ge=0.0, le=1.0, description="smallest change of the share missing that matters")
    least_new_words: float = Field(
        0.05, ge=0.0, le=1.0, description="smallest rise of the share of words outside the vocabulary that matters"
    )
    least_distance: float = Field(
        0.1, ge=0.0, description="smallest move of the mean of vectors that matters, in spreads of single vectors"
    )
    false_discovery_rate: float = Field(0.05, gt=0.0, le=0.5, description="share of chance among what is called drift")
    monthly_false_alarms: float = Field(
        0.01,
        gt=0.0,
        le=0.5,
        description="of an endpoint's features without baseline: chance of any false alarm a month",
    )
    fewest_records: int = Field(300, ge=30, description="records in the window, below which it is unknown")
    fewest_records_a_day: int = Field(100, ge=30, description="records of a day, below which the day is unknown")


@dataclass(frozen=True)
class Verdict:
    """One feature of one endpoint variant. ``shift`` is the worse of values and missing share, None if ``unknown``."""

    model: tuple[str, str, str, str]
    feature: str
    status: Status
    shift: Shift | None
    records: int
    why: str
    since: date | None
    days: list[tuple[date, Shift | None]]
    """The shift of every captured day, None where it had too few records. Only of features that drift."""
    what: str = ""
    """What happened to the values of a feature that drifts."""


def judge(facts: Facts, settings: Settings) -> list[Verdict]:
    """Every feature that has a baseline or was captured, also the stable and the unknown ones."""
    known = facts.feature_profiles.filter(pl.col("window_end") <= facts.as_of)
    captures, others = asked_and_answered(known), meant(known)
    baselines = known.filter(pl.col("role") == "baseline").sort("window_start")
    found: list[Verdict] = []
    for key, own in captures.group_by(MODEL, maintain_order=True):
        model = (str(key[0]), str(key[1]), str(key[2]), str(key[3]))
        of_endpoint = baselines.filter(
            (pl.col("account") == model[0]) & (pl.col("region") == model[1]) & (pl.col("endpoint") == model[2])
        )
        # A baseline made for this very variant is better than one made for the endpoint.
        mine = of_endpoint.filter(pl.col("variant") == model[3])
        baseline = mine if mine.height else of_endpoint
        newest = baseline.group_by("feature").last() if baseline.height else baseline
        beside = others.filter(*(pl.col(name) == place for name, place in zip(MODEL, model, strict=True)))
        found += _judge_model(facts, settings, model, newest, own, beside["feature"].n_unique())
        found += _judge_meaning(facts, settings, model, beside, own["feature"].n_unique())
    return found


def _judge_model(
    facts: Facts,
    settings: Settings,
    model: tuple[str, str, str, str],
    baseline: pl.DataFrame,
    captures: pl.DataFrame,
    beside: int,
) -> Iterator[Verdict]:
    """``beside``: how many texts and vectors share the month's false alarms."""
    first = facts.as_of.date() - timedelta(days=settings.window_days)
    recent = captures.filter(pl.col("day") >= first)
    features = sorted(set(baseline["feature"]) | set(captures["feature"]))
    # What records of traffic are worth that go together, so are those of a baseline that says nothing of it.
    worth = {str(name): worth_of(rows) for (name,), rows in captures.group_by("feature")}
    before = {
        name: sample_of(baseline.filter(pl.col("feature") == name), worth.get(name)) for name in baseline["feature"]
    }
    now = {str(name): sample_of(rows, worth[str(name)]) for (name,), rows in recent.group_by("feature")}
    past = _past(captures, set(features) - set(before), beside, settings)
    before |= {name: sample_of(one.reference, worth[name]) for name, one in past.items() if not one.why}
    unknown = {name: _unknown_because(before.get(name), now.get(name), settings) for name in features}
    judged = [name for name in features if unknown[name] is None]
    shifts = {name: _shifts(before[name], now[name]) for name in judged}
    called = _called(shifts, settings)
    drifting: dict[str, tuple[Verdict, Changed]] = {}
    for name in features:
        records = now[name].records if name in now else 0
        reason = past[name].why if name in past and past[name].why else unknown[name]
        if reason is not None:
            yield Verdict(model, name, "unknown", None, records, reason, None, [])
            continue
        worst = max(shifts[name], key=lambda one: weight(one, settings))
        if name not in called or (name in past and past[name].alarm is None):
            yield Verdict(model, name, "stable", worst, records, "within what chance and practice allow", None, [])
            continue
        mine = max(called[name], key=lambda one: weight(one, settings))
        own = captures.filter(pl.col("feature") == name)
        days, alike = _days(before[name], own, worth[name], mine, settings)
        verdict = _persistent(model, name, mine, records, days, alike, first, settings)
        if name in past:
            verdict = replace(
                verdict, why=f"{verdict.why}, against its own traffic before {past[name].until:%-d %b %Y}"
            )
        if verdict.since is None:
            yield verdict
            continue
        lately = since_then(own, worth[name], verdict.since, first, settings.fewest_records_a_day)
        drifting[name] = verdict, Changed(before[name], lately, mine.unit)
    what = named({name: changed for name, (_, changed) in drifting.items()})
    yield from (replace(verdict, what=what[name]) for name, (verdict, _) in drifting.items())


def _judge_meaning(
    facts: Facts, settings: Settings, model: tuple[str, str, str, str], rows: pl.DataFrame, beside: int
) -> Iterator[Verdict]:
    """Texts and vectors, against their own first weeks. ``beside``: how many features share the month's false alarms."""
    first = facts.as_of.date() - timedelta(days=settings.window_days)
    level = settings.monthly_false_alarms / LOOKS / max(rows["feature"].n_unique() + beside, 1)
    for (feature,), own in rows.group_by("feature", maintain_order=True):
        name = str(feature)
        found = meaning_of(own, first, settings.fewest_records, settings.fewest_records_a_day)
        if found.now is None:
            yield Verdict(model, name, "unknown", None, found.records, found.why, None, [])
        elif found.now.p_value > level or found.now.low <= least(found.now, settings):
            why = "within what chance and practice allow"
            yield Verdict(model, name, "stable", found.now, found.records, why, None, [])
        else:
            verdict = _persistent(model, name, found.now, found.records, found.days, set(), first, settings)
            why = f"{verdict.why}, against its own traffic before {found.until:%-d %b %Y}"
            yield replace(verdict, why=why, what=_how_meant(found.now, found))


def _how_meant(now: Shift, found: Meaning) -> str:
    if now.unit == "share of new words":
        return f"new words: {found.usual + now.effect:.1%} of the words are outside the vocabulary, usually {found.usual:.1%}"
    return f"vectors moved: their mean is {found.usual + now.effect:.2f} spreads from where it was, usually {found.usual:.2f}"


def _past(captures: pl.DataFrame, features: set[str], beside: int, settings: Settings) -> dict[str, History]:
    """Of features without a baseline."""
    mine = captures.filter(pl.col("feature").is_in(sorted(features)))
    return {
        str(name): history_of(rows, len(features) + beside, settings.monthly_false_alarms)
        for (name,), rows in mine.group_by("feature")
    }


def _persistent(
    model: tuple[str, str, str, str],
    feature: str,
    shift: Shift,
    records: int,
    days: list[tuple[date, Shift | None]],
    alike: set[date],
    first: date,
    settings: Settings,
) -> Verdict:
    every = [(day, _moved(one, settings)) for day, one in days if one is not None]
    moved = without_season(every, alike, settings.persist_days)
    lately = [drifted for day, drifted in moved if day >= first]
    if len(lately) < settings.persist_days:
        why = f"only {len(lately)} of the last days had {settings.fewest_records_a_day} records or more"
        return Verdict(model, feature, "unknown", shift, records, why, None, days)
    if sum(lately) < settings.persist_days <= sum(drifted for day, drifted in every if day >= first):
        why = "it looks as it did on the same days a week before, and not so between: a season"
        return Verdict(model, feature, "stable", shift, records, why, None, days)
    if sum(lately) < settings.persist_days:
        why = f"it moved on {sum(lately)} of the last days, {settings.persist_days} are needed"
        return Verdict(model, feature, "stable", shift, records, why, None, days)
    since = moved[-1][0]
    # Back to the first day of this drift. One quiet day between two moved ones does not end it.
    quiet = 0
    for day, drifted in reversed(moved):
        quiet = 0 if drifted else quiet + 1
        if quiet >= settings.persist_days:
            break
        since = day if drifted else since
    return Verdict(model, feature, "drift", shift, records, f"since {since:%-d %b %Y}", since, days)


def _called(shifts: dict[str, list[Shift]], settings: Settings) -> dict[str, list[Shift]]:
    """Features with the shifts that are neither chance nor too small to matter."""
    every = [(name, one) for name, many in shifts.items() for one in many]
    real = false_discovery([one.p_value for _, one in every], settings.false_discovery_rate)
    called: dict[str, list[Shift]] = {}
    for (name, one), is_real in zip(every, real, strict=True):
        if is_real and one.low > least(one, settings):
            called.setdefault(name, []).append(one)
    return called


def _moved(day: Shift, settings: Settings) -> bool:
    """A day alone has few records: its size must matter and it must not be chance, but its lower bound may lie below."""
    return day.effect > least(day, settings) and day.p_value <= settings.false_discovery_rate


def least(shift: Shift, settings: Settings) -> float:
    """The smallest effect that matters, in the shift's own unit."""
    return {
        "total variation": settings.least_effect,
        "share missing": settings.least_missing,
        "share of new words": settings.least_new_words,
        "distance in spreads": settings.least_distance,
    }[shift.unit]


def weight(shift: Shift, settings: Settings) -> float:
    """How often the lower bound holds what matters, so that shifts of different kinds can be ranked."""
    return shift.low / max(least(shift, settings), 1e-9)


def _shifts(before: Sample, now: Sample) -> list[Shift]:
    return [one for one in (value_shift(before, now), missing_shift(before, now)) if one is not None]


def _unknown_because(before: Sample | None, now: Sample | None, settings: Settings) -> str | None:
    if before is None:
        return "there is no baseline of it"
    if now is None:
        return "it was not captured in the last days"
    if now.records < settings.fewest_records:
        return f"only {now.records} records in the last days, {settings.fewest_records} are needed"
    if before.records < settings.fewest_records:
        return f"its baseline has only {before.records} records, {settings.fewest_records} are needed"
    if before.present and now.present and (before.counts is None) != (now.counts is None):
        return "its baseline holds numbers and the captures do not, or the other way round"
    return None


def _days(
    before: Sample, captures: pl.DataFrame, worth: Worth, like: Shift, settings: Settings
) -> tuple[list[tuple[date, Shift | None]], set[date]]:
    """The shift of each day from the reference, and which days look like the same weekday before."""
    found: list[tuple[date, Shift | None]] = []
    samples: dict[date, Sample] = {}
    alike: set[date] = set()
    for (day,), rows in captures.sort("day").group_by("day", maintain_order=True):
        assert isinstance(day, date)
        sample = sample_of(rows, worth)
        enough = sample.records >= settings.fewest_records_a_day
        same = [one for one in _shifts(before, sample) if one.unit == like.unit] if enough else []
        found.append((day, same[0] if same else None))
        if same:
            samples[day] = sample
            if (past := samples.get(day - WEEK)) is not None:
                apart = [one for one in _shifts(past, sample) if one.unit == like.unit]
                alike |= {day} if apart and not _moved(apart[0], settings) else set()
    return found, alike
