"""Does the data, or the model, treat a group of people differently? All metrics that SageMaker Clarify reports.

In: what was true, what was predicted (booleans: the outcome that people want), who belongs to the group (facet d; everybody
else is facet a), perhaps a column to compare within, perhaps the other features. Out: a row per metric with an interval from the
multinomial bootstrap. Definitions: Clarify's documentation, "Measure Pre-training Bias" and "Measure Post-training Data and Model
Bias". As Clarify does, 0/0 is 0, x/0 is infinite, and the difference of two infinite ratios is 0: its values are equal to ours.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sagekeeper.analyzers.quality_intervals import Z, of_table

BEFORE = ("CI", "DPL", "KL", "JS", "LP", "TVD", "KS")
AFTER = ("DPPL", "DI", "DCA", "DCR", "RD", "SD", "DAR", "DRR", "AD", "TE", "GE")
IDEAL = {"DI": 1.0}
"""Where nobody is treated differently; of all other metrics it is 0."""
FEWEST = 30
"""Rows of either facet below which no interval is given, and so no alarm raised."""
NEIGHBOUR_ROWS = 512
"""Rows whose distances are computed at once."""
SCHEMA = {
    "stage": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "records": pl.Int64(),
    "why": pl.String(),
}


def bias(
    true: np.ndarray,
    inside: np.ndarray,
    told: np.ndarray | None = None,
    group: np.ndarray | None = None,
    features: np.ndarray | None = None,
) -> pl.DataFrame:
    """[stage, metric, value, low, high, records, why]. ``told`` None: only what the data says before any training.

    ``group``: category codes for CDDL and CDDPL. ``features``: a matrix for the flip test, without facet and label.
    """
    sizes = int(inside.sum()), int((~inside).sum())
    cells = _cells(inside, true, true if told is None else told)
    rows = [_row("pre_training", name, cells, sizes) for name in BEFORE]
    if group is not None:
        rows.append(_conditional("pre_training", "CDDL", inside, true, group, sizes))
    if told is not None:
        rows += [_row("post_training", name, cells, sizes) for name in AFTER]
        if group is not None:
            rows.append(_conditional("post_training", "CDDPL", inside, told, group, sizes))
        if features is not None:
            rows.append(_flips(inside, told, features, sizes))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("stage", "metric", descending=[True, False])


def beyond(found: pl.DataFrame) -> pl.Expr:
    """Whether the interval lies wholly on the far side of what is allowed (``allowed_low``, ``allowed_high`` in ``found``).

    Clarify's rule: a bias alert is raised only if the interval and the allowed range have nothing in common. No interval: null.
    """
    assert {"low", "high", "allowed_low", "allowed_high"} <= set(found.columns)
    return (pl.col("low") > pl.col("allowed_high")) | (pl.col("high") < pl.col("allowed_low"))


def in_facet(values: pl.Series, wanted: str) -> np.ndarray:
    """Facet d: the rows of this value; of a number of more than two values, those above it (Clarify's threshold)."""
    numbers = values.cast(pl.Float64, strict=False)
    try:
        limit: float | None = float(wanted)
    except ValueError:
        limit = None
    numeric = limit is not None and numbers.null_count() == values.null_count()
    if not numeric:
        return (values.cast(pl.String) == wanted).fill_null(value=False).to_numpy()
    hit = numbers > limit if values.n_unique() > 2 else numbers == limit
    return hit.fill_null(value=False).to_numpy()


def _cells(inside: np.ndarray, true: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Counts by facet (a, d), truth and prediction."""
    code = 4 * inside.astype(int) + 2 * true.astype(int) + told.astype(int)
    return np.bincount(code, minlength=8).reshape(2, 2, 2)


def _row(stage: str, name: str, cells: np.ndarray, sizes: tuple[int, int]) -> tuple[object, ...]:
    if not min(sizes):
        return stage, name, None, None, None, sum(sizes), "a facet has no rows"
    value = float(_values(cells[None].astype(float), name)[0])
    few = min(sizes) < FEWEST
    # A resampled table in which a ratio is 0/0 says nothing of it.
    sure = None if few else of_table(cells, lambda drawn: _values(drawn.astype(float), name, np.nan))
    why = f"a facet has {min(sizes)} rows, {FEWEST} are needed for an interval" if few else None
    return stage, name, value, sure and sure[0], sure and sure[1], sum(sizes), why


def _values(cells: np.ndarray, name: str, empty: float = 0.0) -> np.ndarray:
    """A metric of tables [draw, facet, truth, prediction]; ``empty`` is what 0/0 is."""
    n = cells.sum(axis=(2, 3))
    true, told = cells[:, :, 1, :].sum(axis=2), cells[:, :, :, 1].sum(axis=2)
    tn, fp, fn, tp = cells[:, :, 0, 0], cells[:, :, 0, 1], cells[:, :, 1, 0], cells[:, :, 1, 1]
    if name == "CI":
        return np.asarray((n[:, 0] - n[:, 1]) / n.sum(axis=1))
    if name in ("KL", "JS", "LP", "TVD", "KS"):
        return _distance(_over(true, n, empty), name)
    if name == "GE":
        right, over = (tn + tp).sum(axis=1), fp.sum(axis=1)
        whole = n.sum(axis=1)
        mean = (right + 2 * over) / whole
        return np.asarray(((right + 4 * over) / whole / mean**2 - 1) / 2)
    if name == "DI":
        rate = _over(told, n, empty)
        return _over(rate[:, 1], rate[:, 0], empty)
    ratio = {
        "DPL": (true, n),
        "DPPL": (told, n),
        "DCA": (true, told),
        "DCR": (n - true, n - told),
        "RD": (tp, true),
        "SD": (tn, n - true),
        "DAR": (tp, told),
        "DRR": (tn, n - told),
        "AD": (tp + tn, n),
        "TE": (fn, fp),
    }[name]
    both = _over(*ratio, empty)
    a, d = both[:, 0], both[:, 1]
    # These four are told as d minus a.
    return _minus(d, a) if name in ("DCR", "SD", "DRR", "TE") else _minus(a, d)


def _distance(positive: np.ndarray, name: str) -> np.ndarray:
    """Between the label distributions of a and d, each over the two labels."""
    shares = np.stack((1 - positive, positive), axis=2)
    a, d = shares[:, 0], shares[:, 1]
    gaps = np.abs(a - d)
    if name == "LP":
        return np.asarray(np.sqrt((gaps**2).sum(axis=1)))
    if name == "TVD":
        return np.asarray(gaps.sum(axis=1) / 2)
    if name == "KS":
        return np.asarray(gaps.max(axis=1))
    if name == "KL":
        return _kl(a, d)
    middle = (a + d) / 2
    return np.asarray((_kl(a, middle) + _kl(d, middle)) / 2)


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=1))


def _conditional(
    stage: str, name: str, inside: np.ndarray, outcome: np.ndarray, group: np.ndarray, sizes: tuple[int, int]
) -> tuple[object, ...]:
    """Demographic disparity within each group, weighed by its rows."""
    if not min(sizes):
        return stage, name, None, None, None, sum(sizes), "a facet has no rows"
    count = int(group.max()) + 1
    cells = np.bincount(4 * group + 2 * inside.astype(int) + outcome.astype(int), minlength=4 * count)
    table = cells.reshape(count, 2, 2)

    def disparity(tables: np.ndarray) -> np.ndarray:
        d, whole = tables[:, :, 1, :].astype(float), tables.sum(axis=2).astype(float)
        share = np.divide(d, whole, out=np.zeros_like(d), where=whole > 0)
        rows = whole.sum(axis=2)
        return np.asarray(((share[:, :, 0] - share[:, :, 1]) * rows).sum(axis=1) / rows.sum(axis=1))

    sure = of_table(table, disparity) if min(sizes) >= FEWEST else None
    why = None if sure else f"a facet has {min(sizes)} rows, {FEWEST} are needed for an interval"
    return stage, name, float(disparity(table[None])[0]), sure and sure[0], sure and sure[1], sum(sizes), why


def _flips(inside: np.ndarray, told: np.ndarray, features: np.ndarray, sizes: tuple[int, int]) -> tuple[object, ...]:
    """Flip test: would those of facet d have been told otherwise, were they their nearest neighbour of facet a?

    Positive: the model says yes more often than for the neighbours. One neighbour: so Clarify's published values come out.
    """
    stage, name = "post_training", "FT"
    if not min(sizes):
        return stage, name, None, None, None, sum(sizes), "a facet has no rows"
    near, answers = features[~inside].astype(float), told[~inside]
    lengths = (near**2).sum(axis=1)
    like = []
    for first in range(0, sizes[0], NEIGHBOUR_ROWS):
        part = features[inside][first : first + NEIGHBOUR_ROWS].astype(float)
        distance = lengths[None] - 2 * part @ near.T
        like.append(answers[distance.argmin(axis=1)])
    flipped = told[inside].astype(float) - np.concatenate(like)
    value = float(flipped.mean())
    half = Z * float(flipped.std(ddof=1)) / np.sqrt(sizes[0]) if sizes[0] >= FEWEST else None
    why = None if half is not None else f"facet d has {sizes[0]} rows, {FEWEST} are needed for an interval"
    ends = (None, None) if half is None else (value - half, value + half)
    return stage, name, value, *ends, sum(sizes), why


def _over(part: np.ndarray, whole: np.ndarray, empty: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((part == 0) & (whole == 0), empty, part / whole)


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(one) & np.isinf(other), 0.0, one - other)
