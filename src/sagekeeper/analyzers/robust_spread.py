"""How far figures usually lie from their middle, whatever a few of them did: the median absolute deviation.

In: the distances from the middle. Out: it times 1.4826, which of normal figures is their standard deviation (Rousseeuw and Croux
1993).
"""

from __future__ import annotations

import polars as pl

MAD_TO_STD = 1.4826


def robust_spread(apart: pl.Expr) -> pl.Expr:
    """Of ``apart``, the signed distances from the middle, in their unit; an aggregation: over a group or a window.

    >>> pl.DataFrame({"cost": [1.0, 2.0, 3.0, 4.0, 500.0]}).select(robust_spread(pl.col("cost") - 3)).item()
    1.4826
    """
    return apart.abs().median() * MAD_TO_STD
