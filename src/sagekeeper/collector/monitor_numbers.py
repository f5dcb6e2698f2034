"""Numbers as AWS's containers write them: as JSON, or as text, among them NaN and Infinity; 2.348543e108 stands for infinity."""

from __future__ import annotations

import math
from typing import Any

CLOUDWATCH_INFINITY = 2.348543e108
"""CloudWatch takes no infinity: Clarify publishes this instead (monitoring-facts 2.8)."""


def number(value: Any) -> float | None:
    """The number; None for null and NaN. Raises TypeError or ValueError for what is none.

    >>> number("NaN"), number("-Infinity"), number(2.5)
    (None, -inf, 2.5)
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{type(value).__name__} is no number")
    try:
        read = float(value)
    except OverflowError:
        return math.inf if str(value)[0] != "-" else -math.inf
    if math.isnan(read):
        return None
    return math.copysign(math.inf, read) if abs(read) >= CLOUDWATCH_INFINITY else read


def finite(value: Any) -> float | None:
    """As `number`, with infinity unknown too: for figures that a real sample always has."""
    read = number(value)
    return read if read is not None and math.isfinite(read) else None
