"""Which features drifted between two data sets, how much, how sure, and what happened to them; ranked.

In: the comparisons of all features. Out: `FeatureDrift`s. A feature drifts when one of its aspects does: it is not
chance (its p-value, joined over the aspects of the feature by weights, survives the false-discovery control over all
features), *and* the lower end of its effect's 95 % interval lies above what matters in practice. So no number of rows
makes nothing into drift, and few rows are `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sagekeeper.analyzers.drift_cells import Numbers
from sagekeeper.analyzers.drift_columns import Pair
from sagekeeper.analyzers.drift_compare import Aspect, Rules, aspects, enough, how_moved
from sagekeeper.analyzers.drift_effects import Moved
from sagekeeper.analyzers.drift_kinds import Outline, name, permuted
from sagekeeper.analyzers.drift_tests import adjusted

Status = Literal["drift", "stable", "unknown"]

WEIGHTS = {"values": 0.8, "length": 0.4, "shape": 0.4, "missing": 0.06, "new values": 0.05}
WEIGHT = 0.04
"""Of any other aspect. Those that a type can have add up to 1 or less: Bonferroni with weights."""
KINDS = {
    "missing": "missing rate",
    "wrong type": "type change",
    "new values": "new categories",
    "vanished values": "vanished categories",
    "range": "range",
    "length": "text length",
    "shape": "text shape",
}
ORDER = ("wrong type", "new values", "vanished values", "missing", "values", "range", "length", "shape")
"""The more telling kinds first: what is of another type needs no word on its shape."""


@dataclass(frozen=True)
class Compared:
    """One feature as compared, small: what is left once the column itself is let go."""

    pair: Pair
    aspects: list[Aspect]
    outlines: tuple[Outline, Outline] | None
    moved: Moved | None
    why_unknown: str

    @property
    def p_value(self) -> float:
        """Of 'nothing about this feature changed'."""
        return min([1.0, *(one.p_value / WEIGHTS.get(one.name, WEIGHT) for one in self.aspects)])


@dataclass(frozen=True)
class FeatureDrift:
    """The verdict on one feature.

    ``lead``: the aspect that its effect and interval are of; None where nothing could be asked.
    """

    feature: str
    type: str
    status: Status
    kinds: list[str]
    detail: str
    lead: Aspect | None
    p_value: float | None
    adjusted_p_value: float | None
    records: tuple[int, int]
    missing: tuple[float, float]
    aspects: list[Aspect] = field(default_factory=list)
    moved: Moved | None = None
    severity: float | None = None
    """How much of the model's reliance lies on what changed: effect times the share of importance, if these are given."""


def compare(pair: Pair, rules: Rules) -> Compared:
    """Everything that can be asked of one feature."""
    before, now = pair.reference, pair.current
    found = aspects(pair, rules)
    outlines = moved = None
    if before.sample is not None and now.sample is not None and enough(before, now, rules):
        outlines = (Outline.of(before.sample, before.distinct), Outline.of(now.sample, now.distinct))
        if isinstance(before.sample, Numbers) and isinstance(now.sample, Numbers):
            moved = how_moved(before.sample, now.sample)
    return Compared(_without_values(pair), found, outlines, moved, _unknown(pair, rules))


def _without_values(pair: Pair) -> Pair:
    return replace(
        pair,
        reference=replace(pair.reference, sample=None, parts={}),
        current=replace(pair.current, sample=None, parts={}),
    )


def _unknown(pair: Pair, rules: Rules) -> str:
    """Why the values cannot be judged, or nothing."""
    if pair.type == "empty":
        return "the reference has no value"
    for which, one in (("reference", pair.reference), ("current", pair.current)):
        worth = one.sample.effective if one.sample is not None else float(one.present)
        if worth < rules.fewest_records:
            return f"the {which} data are worth {worth:.0f} independent records, {rules.fewest_records} are needed"
    return ""


def verdicts(
    compared: Iterable[Compared], rules: Rules, importances: Mapping[str, float] | None = None
) -> list[FeatureDrift]:
    """All features, those that drifted first, the largest change first."""
    every = list(compared)
    p_values = [one.p_value for one in every]
    after = adjusted(p_values, rules.dependence)
    rejected = sum(p <= rules.level for p in after)
    # Within a feature, an aspect must hold at the level at which the feature was chosen (Benjamini and Bogomolov 2014).
    bar = rules.level * rejected / max(len(every), 1)
    called = {
        one.pair.feature: [
            aspect
            for aspect in one.aspects
            if aspect.p_value / WEIGHTS.get(aspect.name, WEIGHT) <= bar and aspect.effect.low > aspect.floor
        ]
        for one in every
    }
    changed = {
        one.pair.feature: one.outlines
        for one in every
        if one.outlines is not None and any(aspect.name == "values" for aspect in called[one.pair.feature])
    }
    places = permuted(changed)
    whole = sum(importances.values()) if importances else 0.0
    found = []
    for one, after_all in zip(every, after, strict=True):
        weight = None if not whole or importances is None else importances.get(one.pair.feature, 0.0) / whole
        found.append(_verdict(one, called[one.pair.feature], after_all, places.get(one.pair.feature), weight))
    return sorted(found, key=_rank)


def _rank(one: FeatureDrift) -> tuple[int, float, float, str]:
    drifted = {"drift": 0, "stable": 1, "unknown": 2}[one.status]
    size = 0.0 if one.lead is None else one.lead.effect.low if one.status == "drift" else one.lead.effect.value
    return drifted, -(one.severity or 0.0), -size, one.feature


def _verdict(
    one: Compared, called: list[Aspect], after: float, holds: str | None, weight: float | None
) -> FeatureDrift:
    before, now = one.pair.reference, one.pair.current
    called = sorted(called, key=lambda aspect: ORDER.index(aspect.name))
    status: Status = "drift" if called else "unknown" if one.why_unknown else "stable"
    kinds, details = _kinds(one, called, holds) if called else ([], [one.why_unknown] if one.why_unknown else [])
    lead = _lead(one, called, kinds)
    return FeatureDrift(
        feature=one.pair.feature,
        type=one.pair.type,
        status=status,
        kinds=kinds,
        detail="; ".join(details),
        lead=lead,
        p_value=one.p_value if one.aspects else None,
        adjusted_p_value=after if one.aspects else None,
        records=(before.records, now.records),
        missing=(_part(before.missing, before.records), _part(now.missing, now.records)),
        aspects=one.aspects,
        moved=one.moved,
        severity=None if weight is None or lead is None else weight * lead.effect.value if called else 0.0,
    )


def _lead(one: Compared, called: list[Aspect], kinds: list[str]) -> Aspect | None:
    """What the feature's effect is of: its values where they say it all or nothing drifted, else the largest change."""
    values = next((aspect for aspect in one.aspects if aspect.name == "values"), None)
    if values is not None and (not called or kinds[0] in ("unit change", "swapped columns")):
        return values
    return max(called or one.aspects, key=lambda aspect: (aspect.effect.low, aspect.effect.value), default=None)


def _part(count: int, of: int) -> float:
    return count / of if of else float("nan")


def _kinds(one: Compared, called: list[Aspect], holds: str | None) -> tuple[list[str], list[str]]:
    if holds is not None:
        return ["swapped columns"], [f"it holds what {holds} held"]
    kinds, details = [], []
    names = {aspect.name for aspect in called}
    named = name(*one.outlines) if one.outlines is not None and "values" in names else None
    if named is not None and named.kind == "unit change":
        return [named.kind], [named.phrase]
    explained = {"new values", "vanished values"} & names
    for aspect in called:
        if aspect.name != "values":
            kinds.append(KINDS[aspect.name])
            details.append(_told(aspect, one))
        elif named is not None and not (explained and named.kind == "mix of categories" and _all_of_it(called)):
            kinds.append(named.kind)
            details.append(named.phrase)
    return kinds, details


def _all_of_it(called: list[Aspect]) -> bool:
    """Whether categories that came or went are most of the change of the mix."""
    values = next(aspect.effect.value for aspect in called if aspect.name == "values")
    return (
        max(aspect.effect.value for aspect in called if aspect.name in ("new values", "vanished values")) > values / 2
    )


def _told(aspect: Aspect, one: Compared) -> str:
    before, now = one.pair.reference, one.pair.current
    if aspect.name == "missing":
        return f"missing {_part(before.missing, before.records):.2%} -> {_part(now.missing, now.records):.2%}"
    if aspect.name == "wrong type":
        there = (before.present + before.wrong, now.present + now.wrong)
        return f"not of type {one.pair.type}: {_part(before.wrong, there[0]):.2%} -> {_part(now.wrong, there[1]):.2%}"
    if aspect.names:
        shown = ", ".join(aspect.names[:3]) + (f" and {len(aspect.names) - 3} more" if len(aspect.names) > 3 else "")
        return f"{shown}: {abs(aspect.signed):.2%} of records"
    if aspect.name == "range":
        return f"{aspect.signed:.2%} of records lie outside all that the reference had"
    return f"{aspect.name} of texts changed"
