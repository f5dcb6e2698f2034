"""A feature without a baseline, and what a model answers: judged against the traffic of its own first weeks.

In: the hourly profiles of one feature of one endpoint variant. Out: its `History`: the first four weeks (two where there
are fewer) as the reference, and whether the hours since then raised an alarm against the same hours of the week
(`drift_sequence`): seasons are no drift, and asking every day makes no alarm. Fewer weeks are unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import datasketches
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_sequence import DAY, MONTH, Alarm, SequenceRules, Stream, watch

WEEKS_DAYS = (28, 14)
FEWEST_DAYS_SINCE = 1
CELLS = 32
MISSING = "missing"
PREDICTION = "prediction: "
"""Before the name of what a model answers: it may be called as a feature is."""


@dataclass(frozen=True)
class History:
    """``reference``: rows of the first weeks, none where there are too few. ``alarm``: of the hours since."""

    reference: pl.DataFrame
    until: date | None
    alarm: Alarm | None
    why: str


def asked_and_answered(profiles: pl.DataFrame) -> pl.DataFrame:
    """Captures and predictions; of the latter the feature's name says so."""
    answered = pl.col("role") == "prediction"
    return profiles.filter((pl.col("role") == "capture") | answered).with_columns(
        feature=pl.when(answered).then(PREDICTION + pl.col("feature")).otherwise("feature")
    )


def history_of(rows: pl.DataFrame, features: int, level: float) -> History:
    """Of one feature; ``features``: how many of its model are judged, between whom ``level`` is shared."""
    days = rows["day"].unique().sort()
    first, last = days[0], days[-1]
    fitting = [kept for kept in WEEKS_DAYS if (last - first).days >= kept + FEWEST_DAYS_SINCE]
    if not fitting or days.len() < fitting[0] / 2:
        why = f"there is no baseline of it, and only {days.len()} days of traffic: {WEEKS_DAYS[-1] + 1} are needed"
        return History(rows.clear(), None, None, why)
    until = first + timedelta(days=fitting[0])
    reference = rows.filter(pl.col("day") < until)
    before, now = _streams(reference, rows.filter(pl.col("day") >= until))
    rules = SequenceRules(level=level / max(features, 1))
    alarms = watch(before, {name: stream for name, stream in now.items() if len(stream.hours)}, rules)
    return History(reference, until, alarms[0] if alarms else _never_before(before[MISSING], now[MISSING], rules), "")


def _never_before(before: Stream, now: Stream, rules: SequenceRules) -> Alarm | None:
    """Values go missing that hardly ever were, so that nobody knows how that comes and goes: on so many newest days in a row,
    more than on any day before, that days in any other order would not do it (a permutation test on days)."""
    if before.counts[:, 0].sum() >= rules.fewest_expected or not len(now.hours):
        return None
    days = np.concatenate([before.hours, now.hours]) // DAY
    different, places = np.unique(days, return_inverse=True)
    absent, there = (
        np.bincount(places, np.concatenate([one[:, n] for one in (before.counts, now.counts)])) for n in (0, 1)
    )
    shares = absent / np.maximum(absent + there, 1.0)
    since = np.searchsorted(different, int(now.hours[0]) // DAY)
    lasting = [n for n in range(1, len(shares) - since + 1) if shares[-n:].min() > shares[:-n].max()]
    if not lasting:
        return None
    p_value = float(MONTH / DAY / special.comb(len(shares), lasting[-1]))
    if p_value > rules.level:
        return None
    first = int(different[-lasting[-1]]) * DAY
    low = float(shares[-lasting[-1] :].min() - shares[: -lasting[-1]].max())
    return Alarm(MISSING, (int(different[-1]) + 1) * DAY, first, p_value, low, MISSING)


def _streams(reference: pl.DataFrame, since: pl.DataFrame) -> tuple[dict[str, Stream], dict[str, Stream]]:
    """Of the values and of what is missing, with cells that the reference sets."""
    counted = bool(reference["categories"].drop_nulls().len())
    cells: Any = _names(reference) if counted else _edges(reference)
    found = []
    for rows in (reference, since):
        ordered = rows.sort("window_start")
        at = ordered["window_start"].dt.epoch("s").to_numpy() // 3600
        absent = (ordered["missing"] + ordered["invalid"].fill_null(0)).to_numpy()
        there = ordered["records"].to_numpy() - absent
        streams = {MISSING: _summed(at, np.stack([absent, there], axis=1).astype(np.float64), ordered=False)}
        if cells is not None:
            values = ordered.drop_nulls("categories" if counted else "sketch")
            hours = values["window_start"].dt.epoch("s").to_numpy() // 3600
            counts = _by_name(values, cells) if counted else _by_place(values, cells)
            streams["values"] = _summed(hours, counts, ordered=not counted)
        found.append(streams)
    return found[0], found[1]


def _summed(hours: NDArray[np.int64], counts: Array, ordered: bool) -> Stream:
    """One row per hour, whatever hour was captured in several parts."""
    different, places = np.unique(hours, return_inverse=True)
    whole = np.zeros((len(different), counts.shape[1]))
    np.add.at(whole, places, counts)
    return Stream(different.astype(np.int64), whole, ordered)


def _edges(rows: pl.DataFrame) -> Array | None:
    whole = datasketches.kll_doubles_sketch(1024)
    for item in rows["sketch"].drop_nulls():
        whole.merge(datasketches.kll_doubles_sketch.deserialize(item))
    if whole.is_empty():
        return None
    return np.unique(whole.get_quantiles(np.arange(1, CELLS) / CELLS))


def _by_place(rows: pl.DataFrame, edges: Array) -> Array:
    counts = []
    for item in rows["sketch"]:
        sketch = datasketches.kll_doubles_sketch.deserialize(item)
        below = np.zeros(len(edges) + 1) if sketch.is_empty() else np.asarray(sketch.get_cdf(edges, True)) * sketch.n
        counts.append(np.diff(below, prepend=0.0))
    return np.array(counts).reshape(-1, len(edges) + 1)


def _names(rows: pl.DataFrame) -> list[str]:
    whole: Counter[str] = Counter()
    for document in rows["categories"].drop_nulls():
        whole.update(json.loads(document))
    return [name for name, _ in whole.most_common(CELLS)]


def _by_name(rows: pl.DataFrame, names: list[str]) -> Array:
    documents = [json.loads(document) for document in rows["categories"]]
    named = np.array([[one.get(name, 0) for name in names] for one in documents], dtype=np.float64)
    there = (rows["records"] - rows["missing"] - rows["invalid"].fill_null(0)).to_numpy()
    rest = np.maximum(there - named.reshape(-1, len(names)).sum(axis=1), 0.0)
    return np.concatenate([named.reshape(-1, len(names)), rest[:, None]], axis=1)
