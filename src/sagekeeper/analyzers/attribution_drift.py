"""Do the same features still matter? Clarify's measure of attribution drift: NDCG.

In: global attributions by feature at the baseline and now. Out: 1 where the order is the same, less the more that mattered has
sunk. The gain of a feature is its attribution at the baseline, discounted by its rank now: sum of a(f_i) / log2(i + 1), over
the same in the baseline's own order. Source: SageMaker Developer Guide, "Feature attribution drift". Below 0.9 Clarify alarms.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def ndcg(baseline: Mapping[str, float], now: Mapping[str, float]) -> float | None:
    """Of the features that the baseline has; one that is missing now is last. None: nothing mattered at the baseline.

    >>> round(ndcg({"a": 3.0, "b": 1.0}, {"a": -5.0, "b": 2.0}), 3), round(ndcg({"a": 3.0, "b": 1.0}, {"a": 1.0, "b": 2.0}), 3)
    (1.0, 0.797)
    """
    mattered = {name: abs(value) for name, value in baseline.items()}
    # Names break ties, so that equal attributions have one order.
    order = sorted(mattered, key=lambda name: (-abs(now.get(name, 0.0)), name))
    best = _gained(np.sort(np.array(list(mattered.values())))[::-1])
    return _gained(np.array([mattered[name] for name in order])) / best if best else None


def _gained(values: np.ndarray) -> float:
    return float((values / np.log2(np.arange(len(values)) + 2)).sum())
