"""Texts in other words, and vectors that have moved: what the distribution of no single number tells.

In: daily profiles of the words of a text, or of a vector, and the first of the newest days. Out: a `Meaning`: how far the
newest days are from the first weeks, with a p-value, or why that is unknown. Rules:

* The first weeks (as in `drift_history`) are parted: their older half is the vocabulary, or the centre. Their newer half
  shows how far ordinary days are from it: the words that no vocabulary ever has, and how days wander. A vocabulary is never
  asked of its own days.
* Words: share of the day's words that the vocabulary lacks, the middle of its bounds (`core/profile_distance.py`). Vectors:
  distance of the day's mean from the centre less what chance adds, in units of the spread of single vectors. Only more of
  either is a drift.
* A day is a block: the error is that of days, not of records. Newest days stand together and count as one. Student's t over
  the ordinary days, whose spread is never taken for less than chance alone would make it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.stats import t as student

from sagekeeper.analyzers.distribution_shift import Shift, Unit
from sagekeeper.analyzers.drift_cells import Array
from sagekeeper.analyzers.drift_history import PREDICTION, WEEKS_DAYS
from sagekeeper.core.feature_profile import Profile, merge, of_row
from sagekeeper.core.profile_distance import mean_distance, out_of_vocabulary

WORDS_OF, VECTORS_OF = "words of ", "vectors of "
FEWEST_ORDINARY = 5
"""Days of the newer half: fewer do not show how days differ."""


@dataclass(frozen=True)
class Meaning:
    """``now``: of the newest days together, ``days``: of each day since the first weeks, None where it has too few records; both
    None where ``why`` says what is missing. ``usual``: of ordinary days. ``until``: the day after the first weeks."""

    now: Shift | None
    days: list[tuple[date, Shift | None]]
    usual: float
    until: date | None
    records: int
    why: str


def meant(profiles: pl.DataFrame) -> pl.DataFrame:
    """The words and vectors among ``profiles``, named so that they stand beside the features: [..., feature, day]."""
    words = pl.col("role").str.starts_with("words_of_")
    vectors = (pl.col("type") == "vector") & pl.col("role").is_in(["capture", "prediction"])
    answered = pl.when(pl.col("role").str.ends_with("prediction")).then(pl.lit(PREDICTION)).otherwise(pl.lit(""))
    return profiles.filter(words | vectors).with_columns(
        feature=answered + pl.when(words).then(pl.lit(WORDS_OF)).otherwise(pl.lit(VECTORS_OF)) + pl.col("feature")
    )


def attributed(name: str) -> str:
    """The feature that a model knows, by the name of what is watched of it.

    >>> attributed("words of review"), attributed("review.length"), attributed("income")
    ('review', 'review', 'income')
    """
    return name.removeprefix(WORDS_OF).removeprefix(VECTORS_OF).removesuffix(".length").removesuffix(".words")


def meaning_of(rows: pl.DataFrame, newest: date, fewest: int, fewest_a_day: int) -> Meaning:
    """Of one text or vector. ``fewest``: records (of a text: words) of the newest days, and ``fewest_a_day`` of any."""
    days = {day: merge(of_row(row) for row in many) for day, many in _by_day(rows).items()}
    records = sum(one.present for day, one in days.items() if day >= newest)
    first, last = min(days), max(days)
    whole = [kept for kept in WEEKS_DAYS if (newest - first).days >= kept]
    if not whole:
        why = f"only {(last - first).days + 1} days of it: {WEEKS_DAYS[-1]} are needed before the last ones"
        return Meaning(None, [], 0.0, None, records, why)
    until, half = first + timedelta(days=whole[0]), first + timedelta(days=whole[0] // 2)
    older = [one for day, one in days.items() if day < half and one.present]
    ordinary = [one for day, one in days.items() if half <= day < until and one.present >= fewest_a_day]
    recent = [one for day, one in days.items() if day >= newest and one.present]
    why = ""
    if not older or sum(one.present for one in older) < fewest or len(ordinary) < FEWEST_ORDINARY:
        why = f"too few records in its first {whole[0]} days"
    elif records < fewest:
        why = f"only {records} records in the last days, {fewest} are needed"
    if why:
        return Meaning(None, [], 0.0, until, records, why)
    before = merge(older)
    far = [_far(before, one) for one in ordinary]
    now = _together(before, recent)
    if now is None or any(one is None for one in far):
        return Meaning(None, [], 0.0, until, records, "it is of another length or kind than in its first weeks")
    usual = np.array([one for one in far if one is not None])
    swing = max(float(usual.std(ddof=1)), float(np.median([_chance(before, one.present, usual) for one in ordinary])))

    def shift(value: float, present: int) -> Shift:
        return _shift(value, usual, swing, max(swing, _chance(before, present, usual)), before.type)

    def of_day(one: Profile) -> Shift | None:
        value = _far(before, one) if one.present >= fewest_a_day else None
        return None if value is None else shift(value, one.present)

    since = [(day, of_day(one)) for day, one in days.items() if day >= until]
    return Meaning(shift(now, records), since, float(usual.mean()), until, records, "")


def _by_day(rows: pl.DataFrame) -> dict[date, list[dict[str, object]]]:
    found: dict[date, list[dict[str, object]]] = {}
    for row in rows.sort("window_start").iter_rows(named=True):
        found.setdefault(row["day"], []).append(row)
    return found


def _far(before: Profile, one: Profile) -> float | None:
    """Share of new words, or distance in spreads. None: the two cannot be compared."""
    if before.type != one.type:
        return None
    if before.type != "vector":
        outside = out_of_vocabulary(before, one)
        # Large days name fewer of their words, and both bounds go with that: the middle by half as much, on Zipf's law.
        return None if outside is None else (outside.low + outside.high) / 2
    moved = mean_distance(before, one)
    if moved is None or before.squares is None or one.squares is None or before.squares <= 0:
        return None
    spread = before.squares / before.present
    excess = moved.distance**2 - one.squares / one.present / one.present - spread / before.present
    return float(np.sqrt(max(excess, 0.0) / spread))


def _together(before: Profile, many: list[Profile]) -> float | None:
    """Of several days. Words day by day, as those of ordinary days: many days name fewer of their words than one does."""
    if before.type == "vector":
        return _far(before, merge(many))
    each = [_far(before, one) for one in many]
    known = [value for value in each if value is not None]
    return float(np.average(known, weights=[one.present for one in many])) if len(known) == len(each) else None


def _chance(before: Profile, present: int, usual: Array) -> float:
    """Standard error of a day if its records were independent. The distance of means of one dimension is the least sure."""
    if before.type == "vector":
        return float(1 / np.sqrt(present))
    share = float(np.clip(usual.mean(), 1 / present, 0.5))
    return float(np.sqrt(share * (1 - share) / present))


def _shift(value: float, usual: Array, swing: float, own: float, kind: str) -> Shift:
    unit: Unit = "distance in spreads" if kind == "vector" else "share of new words"
    free = len(usual) - 1
    error = float(np.sqrt(own**2 + swing**2 / len(usual)))
    more = value - float(usual.mean())
    half = float(student.ppf(0.975, free)) * error
    return Shift(
        unit=unit,
        effect=max(more, 0.0),
        low=max(more - half, 0.0),
        high=max(more + half, 0.0),
        p_value=float(student.sf(more / error, free)),
    )
