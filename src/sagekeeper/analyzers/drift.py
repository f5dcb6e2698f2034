"""Drift: do the features that a model is asked with still look like those it was made for, and is the model likely hurt?

In: feature profiles (baseline, and captures by window), what the models go by, and their quality beside its line. Out: one
finding per endpoint, its features ranked inside. What drifts is `drift_judge`'s word, how grave it is `drift_harm`'s.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from sagekeeper.analyzers.drift_harm import HIGH_EXPOSURE, LOW_EXPOSURE, Harm, harm, importances, lines
from sagekeeper.analyzers.drift_history import PREDICTION
from sagekeeper.analyzers.drift_judge import Settings, Verdict, judge, least, weight
from sagekeeper.analyzers.facts import Analyzer, Facts
from sagekeeper.analyzers.owners import owner
from sagekeeper.core.clock import day_start
from sagekeeper.core.types import Completeness, Evidence, Figure, Finding, ResourceRef, Series, fingerprint

SHOWN_FEATURES = 6


def find(facts: Facts, settings: Settings) -> list[Finding]:
    """One finding per endpoint with a drifting feature."""
    by_endpoint: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in judge(facts, settings):
        by_endpoint.setdefault(verdict.model[:3], []).append(verdict)
    owners = _owners(facts)
    goes_by, quality = importances(facts.attributions, facts.as_of), lines(facts.model_quality, facts.as_of)
    found = []
    for endpoint, verdicts in sorted(by_endpoint.items()):
        drifting = _drifting(verdicts, settings)
        if drifting:
            lows = {one.feature: 0.0 for one in drifting}
            for one in drifting:
                lows[one.feature] = max(lows[one.feature], one.shift.low if one.shift else 0.0)
            hurt = harm(lows, _since(drifting), goes_by.get(endpoint), quality.get(endpoint, []))
            found.append(_finding(facts, settings, endpoint, verdicts, hurt, owners.get(endpoint)))
    return found


def _drifting(verdicts: list[Verdict], settings: Settings) -> list[Verdict]:
    """Those that drift, the worst first."""
    return sorted(
        (one for one in verdicts if one.status == "drift" and one.shift is not None),
        key=lambda one: -weight(one.shift, settings) if one.shift else 0.0,
    )


def _since(drifting: list[Verdict]) -> date:
    return min(one.since for one in drifting if one.since is not None)


def _finding(
    facts: Facts,
    settings: Settings,
    endpoint: tuple[str, str, str],
    verdicts: list[Verdict],
    hurt: Harm,
    whose: str | None,
) -> Finding:
    drifting = _drifting(verdicts, settings)
    unknown = [one for one in verdicts if one.status == "unknown"]
    since = _since(drifting)
    names = [one.feature for one in drifting]
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb = "have" if len(names) > 1 else "has"
    answers = all(name.startswith(PREDICTION) for name in names)
    last = max(one.days[-1][0] for one in drifting)
    return Finding(
        fingerprint=fingerprint("feature_drift", *endpoint),
        kind="feature_drift",
        subject=ResourceRef(account=endpoint[0], region=endpoint[1], kind="endpoint", name=endpoint[2]),
        severity=hurt.severity,
        title=f"What {endpoint[2]} {'answers' if answers else 'is asked with'} has changed",
        explanation=(
            f"{listed} {verb} looked different from the baseline since {since:%-d %B %Y}, by more than chance explains. "
            f"{hurt.why}"
        ),
        certainty="measured",
        first_seen=day_start(since),
        last_seen=facts.as_of,
        provisional=False,
        evidence=Evidence(
            figures=[*(_figure(one, settings, last) for one in drifting), *_exposed(hurt)],
            series=[_series(one) for one in drifting[:SHOWN_FEATURES]],
        ),
        completeness=Completeness(found=len(verdicts) - len(unknown), expected=len(verdicts)),
        unknowns=[*(f"{one.feature}: {one.why}" for one in unknown), *hurt.unknowns],
        owner=whose,
    )


def _exposed(hurt: Harm) -> list[Figure]:
    if hurt.exposure is None:
        return []
    return [
        Figure(
            label="Drift weighted by what the model goes by",
            value=round(hurt.exposure, 3),
            unit="0 to 1",
            basis=f"share of Clarify's attributions x lower bound of the effect, added up; high from {HIGH_EXPOSURE:g}, "
            f"low below {LOW_EXPOSURE:g}",
        )
    ]


def _figure(one: Verdict, settings: Settings, last: date) -> Figure:
    assert one.shift is not None
    return Figure(
        label=one.feature,
        value=round(one.shift.effect, 3),
        unit=one.shift.unit,
        period=f"{settings.window_days} days to {last:%-d %b %Y}, {one.records:,} records; {one.why}",
        basis=(f"{one.what}; " if one.what else "")
        + f"{one.shift.low:.2f} to {one.shift.high:.2f} at 95 %, p {one.shift.p_value:.1g}; matters above "
        f"{least(one.shift, settings):g}",
    )


def _series(one: Verdict) -> Series:
    assert one.shift is not None

    def points(pick: str) -> list[tuple[datetime, float | None]]:
        return [(day_start(day), None if shift is None else round(getattr(shift, pick), 4)) for day, shift in one.days]

    return Series(
        name=one.feature,
        unit=f"{one.shift.unit} "
        + ("from the baseline" if one.shift.unit in ("total variation", "share missing") else "above the usual"),
        points=points("effect")[-60:],
        low=points("low")[-60:],
        high=points("high")[-60:],
    )


def _owners(facts: Facts) -> dict[tuple[str, str, str], str | None]:
    endpoints = facts.inventory.filter(pl.col("kind") == "endpoint")
    rows = endpoints.select("account", "region", "name", owner=owner("tags", facts.owner_tags)).iter_rows()
    return {(account, region, name): whose for account, region, name, whose in rows}


ANALYZER = Analyzer(
    name="feature_drift",
    kinds=("feature_drift",),
    description="Features that no longer look like the baseline of their model",
    settings=Settings,
    find=find,
)
