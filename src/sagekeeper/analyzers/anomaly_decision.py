"""Which of the unusual days are told: certainty weighed by money.

In: a scan, amounts. Out: flags and impact (days x series). A spell is told from the day on which its surprise, and the money it
has cost so far, together reach the level asked for.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_scan import Scan


def decide(found: Scan, amounts: Array, surprise: float, least_money: float) -> tuple[Array, Array]:
    """Flags, expected amounts. Without a flag, what lies inside the ordinary range of a series is what was expected."""
    length, series = amounts.shape
    flags = np.zeros((length, series), bool)
    most, money = np.zeros(series, np.float32), np.zeros(series, np.float32)
    told = np.zeros(series, bool)
    excess = np.nan_to_num(amounts - found.expected)
    for at in range(length):
        fresh = found.begun[at] | ~found.spell[at]
        most = np.maximum(np.where(fresh, 0, most), np.where(found.spell[at], found.surprise[at], 0))
        money = np.where(fresh, 0, money) + np.where(found.elevated[at], np.maximum(excess[at], 0), 0)
        weight = np.log10(np.maximum(money, least_money) / (10 * least_money))
        told = (told & ~fresh) | (found.elevated[at] & (money >= least_money) & (most + weight >= surprise))
        flags[at] = told & found.elevated[at]
    ordinary = np.clip(amounts, np.minimum(found.expected, amounts), np.maximum(found.high, found.expected))
    return flags, np.where(flags, found.expected, ordinary)
