"""Labels came and the error is another: have the inputs moved, or the relation between inputs and truth?

In: labelled rows of before and of now in the order of time, with their loss, and what to compare within (the score, the
prediction, or the feature that the model goes by most). Out: a row per stretch of now, `SCHEMA`. Rule: rows are put into
strata (quantiles of before, or categories). With p, q the shares of strata before and now, r, c the mean loss in them,

    loss now - loss before = sum((q - p) r) + sum(q (c - r)) + what lies in strata that before did not have

The first is what moved inputs make of an unchanged relation, the second is the relation itself: other errors given the same
(Kitagawa 1955, Oaxaca and Blinder 1973). Strata that became better may hide in the sum those that became worse: `changed` is
sum(q |c - r|), the signs taken from one half of the rows and the sizes from the other, so that it is 0 on average when
nothing changed. Intervals by bootstrap over blocks of neighbouring rows, because errors come in bursts. It is told apart
within strata only: inputs that move within one, unseen by what it is made of, count as the relation.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from scipy.stats import norm

from sagekeeper.analyzers.drift_cells import Array

BLOCKS = 200
DRAWS = 500
SEED = 20_261_129
LEVEL = 0.01
"""Chance that any stretch is called although nothing moved, shared by its three figures."""
LEAST = 0.05
"""Of the loss before: a smaller change, by the lower end of its interval, is told as none."""
FEWEST = 100
"""Labelled rows of a stretch, or of before."""
FEWEST_IN_STRATUM = 20
"""Of before, below which a stratum is not known."""
MOST_STRATA = 50
MOST_NAMES = 50
Z = float(norm.ppf(0.975))
Verdict = Literal["the inputs moved", "the relation moved", "both moved", "neither moved"]
SCHEMA = {
    "stretch": pl.Int64(),  # from 1, in the order of time
    "records": pl.Int64(),
    "before": pl.Float64(),  # mean loss
    "now": pl.Float64(),
    "inputs": pl.Float64(),  # of the difference
    "inputs_low": pl.Float64(),
    "inputs_high": pl.Float64(),
    "relation": pl.Float64(),
    "relation_low": pl.Float64(),
    "relation_high": pl.Float64(),
    "changed": pl.Float64(),  # mean size of the change of the loss given the same; no part of the difference
    "changed_low": pl.Float64(),
    "changed_high": pl.Float64(),
    "elsewhere": pl.Float64(),  # of the difference: strata that were not there before
    "not_compared": pl.Float64(),  # share of the records that lies in those
    "verdict": pl.String(),
    "why": pl.String(),  # why there is none
}


def concept_drift(before: pl.DataFrame, now: pl.DataFrame, stretches: int = 1) -> pl.DataFrame:
    """`SCHEMA`, a row per stretch. ``before``, ``now``: [loss, within], without missing losses, in the order of time.

    Raises ValueError where ``within`` is numbers in one and not in the other.
    """
    if before["within"].dtype.is_numeric() != now["within"].dtype.is_numeric():
        raise ValueError("what is compared within must be numbers in both, or in neither")
    size = now.height // max(stretches, 1)
    parts = [
        now.slice(number * size, size if number + 1 < stretches else None) for number in range(stretches if size else 0)
    ]
    if before.height < FEWEST or not parts:
        why = f"{before.height} labelled rows of before and {now.height} of now, {FEWEST} of each are needed"
        return pl.DataFrame([{"stretch": 1, "records": now.height, "why": why}], schema=SCHEMA)
    strata, count = _strata(before["within"], now["within"])
    known, of_before = strata[: before.height], before["loss"].to_numpy()
    rng = np.random.default_rng(SEED)
    home = _drawn(known, of_before, count, rng)
    rows: list[dict[str, object]] = []
    start = before.height
    for number, part in enumerate(parts):
        mine = strata[start : start + part.height]
        start += part.height
        row: dict[str, object] = {"stretch": number + 1, "records": part.height}
        if part.height < FEWEST:
            rows.append(row | {"why": f"{part.height} labelled rows, {FEWEST} are needed"})
            continue
        rows.append(row | _compared(home, _drawn(mine, part["loss"].to_numpy(), count, rng), len(parts)))
    return pl.DataFrame(rows, schema=SCHEMA)


def loss_of(*, regression: bool) -> pl.Expr:
    """Of [label, prediction]: absolute error of numbers, or 1 for a wrong class."""
    if regression:
        return (
            pl.col("prediction").cast(pl.Float64, strict=False) - pl.col("label").cast(pl.Float64, strict=False)
        ).abs()
    return (pl.col("prediction") != pl.col("label")).cast(pl.Float64)


def _strata(before: pl.Series, now: pl.Series) -> tuple[np.ndarray, int]:
    """Stratum of every row of both, one after the other, and how many there are. What is missing is a stratum of its own."""
    if before.dtype.is_numeric():
        most = int(np.clip(len(before) // FEWEST, 2, MOST_STRATA))
        numbers = before.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
        edges = np.unique(np.quantile(numbers, np.arange(1, most) / most)) if len(numbers) else np.empty(0)
        whole = pl.concat([before.cast(pl.Float64), now.cast(pl.Float64)]).fill_nan(None)
        places = np.searchsorted(edges, whole.fill_null(0.0).to_numpy(), side="left")
        # Beyond all that was there before is not the last stratum, it is elsewhere.
        outside = (whole < numbers.min()) | (whole > numbers.max()) if len(numbers) else whole.is_not_null()
        places = np.where(outside.fill_null(value=False).to_numpy(), len(edges) + 1, places)
        return np.where(whole.is_null().to_numpy(), len(edges) + 2, places).astype(np.int64), len(edges) + 3
    names = before.cast(pl.String).drop_nulls().value_counts(sort=True).head(MOST_NAMES)[before.name].to_list()
    place = {name: number for number, name in enumerate(names)}
    whole = pl.concat([before.cast(pl.String), now.cast(pl.String)])
    coded = whole.replace_strict(place, default=len(names), return_dtype=pl.Int64)
    return np.where(whole.is_null().to_numpy(), len(names) + 1, coded.to_numpy()).astype(np.int64), len(names) + 2


def _drawn(strata: np.ndarray, loss: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Records and summed loss by stratum, (halves, draws + 1, strata) each: first as they are, then drawn again by blocks.

    Blocks belong to the one half and the other by turns.
    """
    blocks = 2 * (min(len(loss), BLOCKS) // 2)
    cell = np.arange(len(loss)) * blocks // len(loss) * count + strata
    records = np.bincount(cell, minlength=blocks * count).reshape(-1, 2, count).astype(np.float64)
    summed = np.bincount(cell, weights=loss, minlength=blocks * count).reshape(-1, 2, count)
    each = blocks // 2
    times = [np.vstack([np.ones(each), rng.multinomial(each, np.full(each, 1 / each), DRAWS)]) for _ in range(2)]
    return (
        np.stack([times[half] @ records[:, half] for half in range(2)]),
        np.stack([times[half] @ summed[:, half] for half in range(2)]),
    )


def _compared(home: tuple[Array, Array], here: tuple[Array, Array], stretches: int) -> dict[str, object]:
    n, lost, m, lose = (halves.sum(axis=0) for halves in (*home, *here))
    known = n[0] >= FEWEST_IN_STRATUM
    common = np.maximum(m[:, known].sum(axis=1), 1.0)
    was = lost.sum(axis=1) / n.sum(axis=1)
    rate = lost[:, known] / np.maximum(n[:, known], 1.0)
    expected = (m[:, known] * rate).sum(axis=1) / common
    seen = lose[:, known].sum(axis=1) / common
    total = float(lose[0].sum() / m[0].sum())
    share = float(1 - m[0, known].sum() / m[0].sum())
    row: dict[str, object] = {"before": float(was[0]), "now": total, "not_compared": share}
    if m[0, known].sum() < FEWEST:
        return row | {"why": f"{share:.0%} of the rows are where there were hardly any before"}
    figures = {"inputs": expected - was, "relation": seen - expected}
    found = {name: (float(drawn[0]), float(drawn[1:].std(ddof=1))) for name, drawn in figures.items()}
    found["changed"] = _changed(home, here, known)
    moved = {}
    for name, (value, error) in found.items():
        row |= {name: value, f"{name}_low": value - Z * error, f"{name}_high": value + Z * error}
        size, sides = (value, 1) if name == "changed" else (abs(value), 2)
        chance = sides * float(norm.sf(size / max(error, 1e-300)))
        moved[name] = size - Z * error > LEAST * float(was[0]) and chance <= LEVEL / len(found) / stretches
    other = moved["relation"] or moved["changed"]
    verdict: Verdict = (
        ("both moved" if other else "the inputs moved")
        if moved["inputs"]
        else ("the relation moved" if other else "neither moved")
    )
    return row | {"elsewhere": total - float(seen[0]), "verdict": verdict}


def _changed(home: tuple[Array, Array], here: tuple[Array, Array], known: np.ndarray) -> tuple[float, float]:
    """With its standard error. Both halves go together as far as they may: their errors are averaged, not their variances."""
    n, lost, m, lose = (halves[:, :, known] for halves in (*home, *here))
    there = (n > 0) & (m > 0)
    apart = np.where(there, lose / np.maximum(m, 1.0) - lost / np.maximum(n, 1.0), 0.0)
    share = m[:, 0].sum(axis=0) / m[:, 0].sum()
    signs = np.sign(apart[::-1, :1])
    drawn = (share * signs * apart).sum(axis=2)
    return float(drawn[:, 0].mean()), float(drawn[:, 1:].std(axis=1, ddof=1).mean())
