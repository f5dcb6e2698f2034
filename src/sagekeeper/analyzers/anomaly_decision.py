"""Which of the unusual days are told: as many as keep the share of false ones low, certainty weighed by money, each cause once.

In: a scan, amounts. Out: flags and expected amounts (days x series). A day's candidates are the spells that are elevated and not
yet told; each has the smallest chance that its days have shown, divided by a weight that grows with the money it has cost so far.
Benjamini and Hochberg's step-up (1995) over the candidates of the day and the incidents of the last month, against all looks
of that month, with weights as in Genovese, Roeder and Wasserman (2006): of what is told, about `false_share` is by chance. It
needs no later day. A series is told once a month, and again when its excess has grown by half. Where series of one account and
one usage type rise by the same ratio, it is one cause (a price, a tier): the dearest is told.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.analyzers.anomaly_grid import Array
from sagekeeper.analyzers.anomaly_scan import Scan
from sagekeeper.core.settings import Anomalies

GROWS = 1.5
"""What is told is told again within a month on a day whose excess is this many times the largest told."""
MONTH_DAYS = 30
SAME_RATIO = 0.1
"""Logarithms of two rises that differ by less are one ratio."""


def decide(
    found: Scan, amounts: Array, groups: Array, settings: Anomalies, month: int = MONTH_DAYS
) -> tuple[Array, Array]:
    """Flags, expected amounts. ``groups``: a number per series, the same for those that one price could raise.

    ``month``: how many lines of the matrices are a month.
    """
    length, series = amounts.shape
    flags = np.zeros((length, series), bool)
    silent = np.zeros((length, series), bool)
    most, money, largest = np.zeros((3, series), np.float32)
    excess = np.nan_to_num(amounts - found.expected)
    looked = found.judged.sum(1).cumsum()
    told, last = np.zeros(length, np.int64), np.full(series, -month)
    weighed = 10 * settings.least_money
    for at in range(length):
        fresh = found.begun[at] | ~found.spell[at]
        most = np.maximum(np.where(fresh, 0, most), np.where(found.spell[at], found.surprise[at], 0))
        money = np.where(fresh, 0, money) + np.where(found.elevated[at], np.maximum(excess[at], 0), 0)
        largest = np.where(fresh & (at - last >= month), 0, largest)
        news = np.flatnonzero(found.elevated[at] & (money >= settings.least_money) & (excess[at] > GROWS * largest))
        if not news.size:
            continue
        sure = most[news] + settings.money_weight * np.log10(money[news] / weighed)
        recent = told[max(0, at - month + 1) : at].sum()
        looks = looked[at] - (looked[at - month] if at >= month else 0)
        order = np.argsort(-sure)
        limit = -np.log10(settings.false_share * (recent + np.arange(1, news.size + 1)) / max(looks, 1))
        passed = np.flatnonzero(sure[order] >= np.maximum(limit, settings.least_surprise))
        if passed.size:
            some = news[order[: passed[-1] + 1]]
            some = some[sure[order[: passed[-1] + 1]] >= settings.least_surprise]
            first = _one_per_cause(some, groups, found.ratio(at, some, amounts), excess[at])
            told[at] = (largest[first] == 0).sum()
            last[some] = at
            flags[at, first] = True
            silent[at, some] = True
            largest[some] = np.maximum(excess[at, some], largest[some])
    return flags, np.where(silent, found.expected, np.maximum(found.expected, amounts))


def _one_per_cause(some: Array, groups: Array, ratio: Array, excess: Array) -> Array:
    """Of series of one group with nearly the same ratio, the one with the largest excess."""
    if len(np.unique(groups[some])) == some.size:
        return some
    order = np.lexsort((-ratio, groups[some]))
    group, sorted_ratio = groups[some][order], ratio[order]
    apart = np.r_[True, (group[1:] != group[:-1]) | (sorted_ratio[:-1] - sorted_ratio[1:] > SAME_RATIO)]
    cause = np.cumsum(apart)
    dearest = np.lexsort((-excess[some][order], cause))
    return some[order][dearest][np.r_[True, cause[dearest][1:] != cause[dearest][:-1]]]
