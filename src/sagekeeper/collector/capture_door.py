"""Personal data stops here: features that the settings name are dropped, or only keyed hashes of their values go on.

In: values by feature, in memory, before anything of them is profiled or written. Out: the same without what was named. A hash is
HMAC-SHA256 of the value as it was sent, cut to 64 bits: equal values stay equal, so missing shares, frequent values and new
ones can still be watched, and nobody without the key can try values out. What is hashed is a category, whatever it was; a
list of numbers cannot be hashed to any use and is dropped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import polars as pl

from sagekeeper.core.settings import Collect

DIGITS = 16
NUMBERS = {
    "mean",
    "total",
    "std",
    "minimum",
    "maximum",
    "sketch",
    "buckets",
    "frequent_numbers",
    "vector_sum",
    "is_non_negative",
}
"""What rows say of numbers. They do not name the numbers one by one, so that there is nothing to hash: it is left out."""


@dataclass(frozen=True)
class Door:
    """What one endpoint's features have to leave behind."""

    endpoint: str
    dropped: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    key: bytes = b""

    @staticmethod
    def of(collect: Collect, endpoint: str) -> Door:
        """As the settings say."""
        key = collect.capture_hash_key.get_secret_value() if collect.capture_hash_key else ""
        return Door(endpoint, tuple(collect.capture_drop), tuple(collect.capture_hash), key.encode())

    def drops(self, feature: str) -> bool:
        """Whether nothing of it may be kept."""
        return self._named(feature, self.dropped)

    def hashes(self, feature: str) -> bool:
        """Whether only hashes of it may be kept. Dropping goes before."""
        return self._named(feature, self.hashed) and not self.drops(feature)

    def passed(self, values: pl.DataFrame) -> pl.DataFrame:
        """What may be kept of ``values``."""
        gone = [name for name in values.columns if self.drops(name)]
        hidden = [name for name in values.columns if self.hashes(name)]
        lists = [name for name in hidden if values.schema[name] == pl.List]
        return values.with_columns(self._hashed(values[name]) for name in hidden if name not in lists).drop(gone, lists)

    def passed_rows(self, rows: Iterable[dict[str, Any]], named_by: str = "feature") -> list[dict[str, Any]]:
        """The same for rows that say of a feature's plain values what somebody else counted: baselines, reports, constraints."""
        return [
            self._hidden(row) if self.hashes(row[named_by]) else row for row in rows if not self.drops(row[named_by])
        ]

    def _named(self, feature: str, patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, wanted) for wanted in patterns for name in (feature, f"{self.endpoint}/{feature}"))

    def _hashed(self, values: pl.Series) -> pl.Series:
        plain = values.cast(pl.String)
        different = plain.unique().drop_nulls()
        hidden = pl.Series([self._hash(value) for value in different], dtype=pl.String)
        return plain.replace_strict(different, hidden, default=None, return_dtype=pl.String)

    def _hash(self, value: str) -> str:
        return hmac.new(self.key, value.encode(), hashlib.sha256).hexdigest()[:DIGITS]

    def _hidden(self, row: dict[str, Any]) -> dict[str, Any]:
        hidden = row | dict.fromkeys(NUMBERS & row.keys())
        if hidden.get("type"):
            hidden["type"] = "categorical"
        if row.get("categories"):
            counts = {self._hash(value): count for value, count in json.loads(row["categories"]).items()}
            hidden["categories"] = json.dumps(dict(sorted(counts.items())))
        if row.get("domains"):
            hidden["domains"] = json.dumps(sorted(self._hash(str(value)) for value in json.loads(row["domains"])))
        return hidden
