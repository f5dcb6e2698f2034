"""A column of text, each different text looked at once: what it is asked is asked of the different ones, with their counts.

In: a polars series of text. Out: `Words`: the different texts, how many records have each, and which record has which, in
the order of the rows. Text that says there is no value ("", "null", "n/a") is missing; space around a text is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

NOT_THERE = ("", "na", "n/a", "nan", "null", "none")


@dataclass(frozen=True)
class Words:
    """``names``: different texts, none missing; ``counts`` of each; ``codes``: of rows that have one, places in ``names``."""

    names: pl.Series
    counts: NDArray[np.int64]
    codes: NDArray[np.int64]
    records: int

    @property
    def missing(self) -> int:
        """Records without a text."""
        return self.records - len(self.codes)

    def share(self, of: pl.Series) -> float:
        """Share of the records whose text is one for which ``of`` (a truth value per different text) holds."""
        return float(self.counts[of.fill_null(False).to_numpy()].sum()) / max(len(self.codes), 1)

    @property
    def numbers(self) -> pl.Series:
        """Each different text as a number, null where it is none."""
        return self.names.cast(pl.Float64, strict=False)

    def renamed(self, names: pl.Series) -> Words:
        """Every text replaced by another, in the order of ``names``; null: missing. What becomes alike is counted together."""
        different = names.drop_nulls().unique(maintain_order=True)
        place = dict(zip(different.to_list(), range(len(different)), strict=True))
        places = np.array([-1 if name is None else place[name] for name in names.to_list()], dtype=np.int64)
        codes = places[self.codes] if len(places) else self.codes
        codes = codes[codes >= 0]
        return Words(different, np.bincount(codes, minlength=len(different)), codes, self.records)

    def top(self, most: int, rest: str) -> dict[str, int]:
        """Records by text, the rarest put together under ``rest``."""
        order = np.argsort(-self.counts, kind="stable")
        kept = order[:most]
        counts = dict(zip(self.names.gather(kept).to_list(), self.counts[kept].tolist(), strict=True))
        left = len(self.codes) - sum(counts.values())
        return counts | ({rest: left} if left else {})


def words(series: pl.Series) -> Words:
    """Of a column of text or categories."""
    coded = series.drop_nulls().cast(pl.Categorical)
    physical = coded.to_physical().to_numpy()
    # Numbers of categories are shared by all columns: here they count from 0.
    used = np.flatnonzero(np.bincount(physical)) if len(physical) else np.zeros(0, dtype=np.int64)
    dense = np.zeros(int(used[-1]) + 1 if len(used) else 0, dtype=np.int64)
    dense[used] = np.arange(len(used))
    codes = dense[physical] if len(physical) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(codes, minlength=len(used))
    first = np.zeros(len(used), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    names = coded.gather(first).cast(pl.String) if len(used) else pl.Series([], dtype=pl.String)
    whole = Words(names, counts, codes, len(series))
    trimmed = names.str.strip_chars()
    gone = trimmed.str.to_lowercase().is_in(NOT_THERE)
    if bool(gone.any()) or bool((trimmed != names).any()):
        return whole.renamed(trimmed.set(gone, None))
    return whole
