"""Is the model likely hurt by what has drifted? The severity of a drift, and why.

In: what drifted (name and lower bound of its effect) and since when, what the model goes by (Clarify's attributions), and its
quality beside its line. Out: a `Harm`: severity and sentences for people. Rules:

* Where attributions are known, the exposure is the sum over drifted features of their share of all attributions x the lower bound
  of their effect: a strong drift of what the model hardly looks at is a small one. A drifted feature without an attribution keeps
  the severity from being low: its share is unknown, not zero.
* Where none are known, that is said, and severity goes by the size of the drift alone.
* Answers that have drifted, too, raise it by one. A quality line that is crossed in a run since the drift began raises it by one,
  and at least to high: then labels (or an estimate, which is said) show the harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.drift_history import PREDICTION
from sagekeeper.analyzers.drift_meaning import attributed
from sagekeeper.core.types import Severity

ENDPOINT = ("account", "region", "endpoint")
STRONG_EFFECT = 0.3
"""Without attributions: a lower bound from here on is high by itself, as are more than two features."""
HIGH_EXPOSURE = 0.1
"""All that the model goes by has moved by the smallest effect that matters, or a third of it by a strong one."""
LOW_EXPOSURE = 0.02
HOLDS = timedelta(days=31)
"""How long the word of a quality monitor's run is taken for true."""
STEPS: tuple[Severity, ...] = ("low", "medium", "high", "critical")


@dataclass(frozen=True)
class Importances:
    """What a model goes by: share of all attributions by feature (their sum is 1), of the run at ``at``."""

    shares: Mapping[str, float]
    at: datetime


@dataclass(frozen=True)
class Line:
    """A metric beside its quality line, in the newest run of its schedule."""

    metric: str
    value: float
    threshold: float
    broken: bool
    basis: str
    at: datetime


@dataclass(frozen=True)
class Harm:
    """``exposure``: see above, None where it is not known. ``why``: sentences; ``unknowns``: what would have told more."""

    severity: Severity
    why: str
    exposure: float | None
    unknowns: list[str]


def importances(attributions: pl.DataFrame, as_of: datetime) -> dict[tuple[str, str, str], Importances]:
    """Of every endpoint, its newest explainability run that has any; several labels count alike.

    ``attributions``: `ATTRIBUTIONS`. A label whose attributions are all nought, and an attribution without a value, say nothing.
    """
    known = attributions.filter(
        (pl.col("endpoint") != "") & pl.col("value").is_finite() & (pl.col("execution_time") <= as_of)
    )
    label = [*ENDPOINT, "schedule", "method", "label"]
    size = pl.col("value").abs()
    newest = (
        known.filter(size.sum().over([*label, "execution_time"]) > 0)
        .filter(pl.col("execution_time") == pl.col("execution_time").max().over(ENDPOINT))
        .with_columns(share=size / size.sum().over(label))
        .group_by(*ENDPOINT, "feature")
        .agg(share=pl.col("share").sum(), at=pl.col("execution_time").max())
        .with_columns(share=pl.col("share") / pl.col("share").sum().over(ENDPOINT))
        .sort(*ENDPOINT, "feature")
    )
    return {
        (str(key[0]), str(key[1]), str(key[2])): Importances(
            dict(rows.select("feature", "share").iter_rows()), rows["at"][0]
        )
        for key, rows in newest.group_by(ENDPOINT, maintain_order=True)
    }


def lines(quality: pl.DataFrame, as_of: datetime) -> dict[tuple[str, str, str], list[Line]]:
    """Of every endpoint, each metric that has a line, in the newest run of its schedule. ``quality``: `MODEL_QUALITY`."""
    known = quality.filter(
        (pl.col("endpoint") != "")
        & (pl.col("segment") == "")
        & pl.col("value").is_finite()
        & pl.col("threshold").is_not_null()
        & pl.col("execution_time").is_between(as_of - HOLDS, as_of)
    )
    newest = known.filter(
        pl.col("execution_time") == pl.col("execution_time").max().over([*ENDPOINT, "schedule"])
    ).with_columns(
        broken=pl.when(pl.col("comparison") == "LessThanThreshold")
        .then(pl.col("value") < pl.col("threshold"))
        .otherwise(pl.col("value") > pl.col("threshold"))
    )
    told = newest.select(*ENDPOINT, "metric", "value", "threshold", "broken", "basis", at="execution_time")
    found: dict[tuple[str, str, str], list[Line]] = {}
    for account, region, endpoint, *line in told.sort(*ENDPOINT, "metric", "at").iter_rows():
        found.setdefault((account, region, endpoint), []).append(Line(*line))
    return found


def harm(drifting: Mapping[str, float], since: date, goes_by: Importances | None, quality: list[Line]) -> Harm:
    """``drifting``: lower bound of the effect, 0 to 1, by feature; answers by their name with `PREDICTION` before it."""
    asked = [name for name in drifting if not name.startswith(PREDICTION)]
    # A text may drift by its length and by its words, and is one feature to the model.
    features = {name: max(drifting[one] for one in asked if attributed(one) == name) for name in map(attributed, asked)}
    step, why, exposure, unknowns = _by_features(features, goes_by)
    if not features:
        step, why, exposure, unknowns = STEPS.index(_by_size(drifting)), ["What it answers has moved."], None, []
    elif len(asked) < len(drifting):
        step, why = step + 1, [*why, "What it answers has moved, too."]
    told = [line for line in quality if line.at.date() >= since]
    broken = [line for line in told if line.broken]
    if broken:
        step, why = max(step + 1, STEPS.index("high")), [*why, *_crossed(broken)]
    elif told:
        why = [*why, f"Its quality has kept its line so far ({', '.join(_beside(line) for line in told[:3])})."]
    return Harm(STEPS[min(step, len(STEPS) - 1)], " ".join(why), exposure, unknowns)


def _by_features(
    features: Mapping[str, float], goes_by: Importances | None
) -> tuple[int, list[str], float | None, list[str]]:
    if goes_by is None:
        said = "What the model goes by is not known (no attributions of it), so neither is how much this hurts it."
        missing = ["what the model goes by: no explainability run of the last weeks"]
        return STEPS.index(_by_size(features)), [said], None, missing if features else []
    known = {name: goes_by.shares[name] for name in features if name in goes_by.shares}
    rest = [name for name in features if name not in goes_by.shares]
    exposure = sum(share * min(features[name], 1.0) for name, share in known.items())
    step = 2 if exposure >= HIGH_EXPOSURE else 1 if exposure >= LOW_EXPOSURE or rest else 0
    word = ("it is hardly hurt", "it may be hurt", "it is likely hurt")[step]
    moved = sum(known.values())
    said = f"{_they(len(known), len(rest))} {moved:.0%} of what the model goes by (Clarify, {goes_by.at:%-d %b %Y}): {word}."
    if not known:
        said = f"How much the model goes by {_named(rest)} is not known (not among the attributions of {goes_by.at:%-d %b %Y})."
    elif rest:
        said += f" Of {_named(rest)} it is not known."
    return step, [said], exposure if known else None, [f"{name}: what the model makes of it" for name in rest]


def _they(known: int, rest: int) -> str:
    if rest:
        return f"{known} of these {'make' if known > 1 else 'makes'} up"
    return "They make up" if known > 1 else "It makes up"


def _by_size(drifting: Mapping[str, float]) -> Severity:
    return "high" if len(drifting) > 2 or any(low >= STRONG_EFFECT for low in drifting.values()) else "medium"


def _crossed(broken: list[Line]) -> list[str]:
    measured = [line for line in broken if line.basis != "estimate"]
    told = measured or broken
    listed = ", ".join(_beside(line) for line in told[:3])
    last = max(line.at for line in told)
    by = "labels show it" if measured else "an estimate without labels expects it"
    return [f"Its quality is beyond its line ({listed}; run of {last:%-d %b %Y}): {by}."]


def _beside(line: Line) -> str:
    return f"{line.metric} {line.value:.3g}, line {line.threshold:.3g}"


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
