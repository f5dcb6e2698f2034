"""A second opinion on the detector of metrics: NAB's labelled series, by NAB's own rules (standard profile).

Data and labels: ``../shared/data/series/nab`` (numenta/NAB; without its AWSCloudWatch and Tweets folders). Ours:
`metric_anomalies.judge` on the hours of each series, both directions, as it judges an endpoint's metrics; nothing of it was
chosen on these series. Rules (nab/scorer.py, nab/sweeper.py): a window counts by its first detection, earlier is better; a
detection outside costs 0.11, less soon after a window; 15 % of a series is for learning; one threshold for all series, the
best one; 0 is a detector that says nothing, 100 a perfect one. Floor: distance from a running mean in standard deviations
(NAB's windowed Gaussian). Skips where the folder is absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sagekeeper.analyzers.metric_anomalies import judge
from sagekeeper.core.settings import Anomalies

NAB = Path(__file__).parent.parent.parent / "shared" / "data" / "series" / "nab"
FALSE, MISSED = 0.11, 1.0
LEARNED, MOST_ROWS = 0.15, 5000
RESOLUTION = 0.1
"""Of what a series was in its learning time: differences that are nothing."""
HOURS_OF_DAY, GROWS = 24, 1.5

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Series:
    """One file: ``worth`` is what a detection in a row counts, ``window`` its window or -1, ``scores`` a number per row."""

    name: str
    worth: Array
    window: Array
    windows: int
    learned: int


def main() -> None:
    """Score all files and print the two numbers."""
    if not (NAB / "labels" / "combined_windows.json").is_file():
        print("\nNAB: skipped, ../shared/data/series/nab is not here")
        return
    labels: dict[str, list[list[str]]] = json.loads((NAB / "labels" / "combined_windows.json").read_text())
    names = [name for name in labels if (NAB / "data" / name).is_file()]
    rows = {name: pl.read_csv(NAB / "data" / name, try_parse_dates=True) for name in names}
    series = [_series(name, rows[name]["timestamp"].to_numpy(), labels[name]) for name in names]
    windows = sum(one.windows for one in series)
    print(f"\nNAB, standard profile, {len(series)} series, {windows} windows: 0 says nothing, 100 is perfect")
    for title, scores in (("sagekeeper metric_anomalies", _ours(rows)), ("windowed Gaussian", _gaussian(rows))):
        print(f"  {title:<34}{_best(series, scores):6.1f}")


def _series(name: str, times: Array, labelled: list[list[str]]) -> Series:
    moments = times.astype("datetime64[s]")
    worth, window, last = np.full(len(times), -FALSE), np.full(len(times), -1), None
    for number, (begin, end) in enumerate(labelled):
        inside = np.flatnonzero((moments >= np.datetime64(begin[:19], "s")) & (moments <= np.datetime64(end[:19], "s")))
        length, last = len(inside), inside[-1]
        worth[inside] = _sigmoid(-(last - inside + 1) / length) / _sigmoid(-1.0)
        window[inside] = number
        after = np.arange(last + 1, len(times))
        far = (after - last) / max(length - 1, 1)
        worth[after] = FALSE * np.where(far > 3, -1.0, _sigmoid(far))
    return Series(name, worth, window, len(labelled), int(LEARNED * min(len(times), MOST_ROWS)))


def _sigmoid(position: Any) -> Any:
    return 2 / (1 + np.exp(5 * position)) - 1


def _best(series: list[Series], scores: dict[str, Array]) -> float:
    """At the threshold that is best for all files together."""
    usable = np.concatenate([scores[one.name][one.learned :] for one in series])
    thresholds = np.unique(np.quantile(usable, 1 - np.r_[0, np.geomspace(1e-5, 0.3, 250)]))
    windows = sum(one.windows for one in series)
    totals = [sum(_total(one, scores[one.name] >= least) for one in series) for least in thresholds]
    nothing, perfect = -MISSED * windows, float(windows)
    return 100 * (max(totals) - nothing) / (perfect - nothing)


def _total(one: Series, flags: Array) -> float:
    flags = flags & (np.arange(len(flags)) >= one.learned)
    total = float(one.worth[flags & (one.window < 0)].sum())
    for number in range(one.windows):
        hits = np.flatnonzero(flags & (one.window == number))
        total += float(one.worth[hits[0]]) if hits.size else -MISSED
    return total


def _ours(rows: dict[str, pl.DataFrame]) -> dict[str, Array]:
    hours = {}
    for name, frame in rows.items():
        hour = frame.with_row_index("row").group_by(pl.col("timestamp").dt.truncate("1h"), maintain_order=True)
        means = hour.agg(pl.col("value").mean(), pl.col("row").max()).sort("timestamp")
        line = means["timestamp"].to_numpy().astype("datetime64[h]").astype(np.int64)
        hours[name] = (line - line[0], means["value"].to_numpy(), means["row"].to_numpy())
    matrix = np.full((max(int(line[-1]) for line, _, _ in hours.values()) + 1, len(hours)), np.nan)
    resolution = np.zeros(len(hours))
    for column, (line, value, _) in enumerate(hours.values()):
        learning = value[: max(int(LEARNED * len(value)), 2)]
        above = value - min(float(learning.min()), 0.0)
        matrix[line, column] = above
        spread = float(np.quantile(learning, 0.9) - np.quantile(learning, 0.1))
        resolution[column] = RESOLUTION * max(float(np.median(above[: len(learning)])), spread, 1e-9)
    clock = np.arange(len(matrix)).astype("datetime64[h]")
    both = [judge(matrix, clock, resolution, way, Anomalies()).score for way in ("up", "down")]
    told = _told(np.maximum(*both))
    scores = {name: np.zeros(frame.height) for name, frame in rows.items()}
    for column, (name, (line, _, last)) in enumerate(hours.items()):
        scores[name][last] = told[line, column]
    return scores


def _told(score: Array) -> Array:
    """An hour is told if it is half as surprising again as any of the day before: what goes on is no second detection."""
    told = np.zeros_like(score)
    for at in range(len(score)):
        before = score[max(0, at - HOURS_OF_DAY) : at].max(0) if at else 0
        told[at] = np.where(score[at] > GROWS * before, score[at], 0)
    return told


def _gaussian(rows: dict[str, pl.DataFrame]) -> dict[str, Array]:
    scores = {}
    for name, frame in rows.items():
        value = pl.col("value")
        before = value.shift(1)
        mean, spread = before.rolling_mean(6400, min_samples=10), before.rolling_std(6400, min_samples=10)
        scores[name] = frame.select((value - mean).abs() / (spread + 1e-9)).to_series().fill_null(0).to_numpy()
    return scores


if __name__ == "__main__":
    main()
