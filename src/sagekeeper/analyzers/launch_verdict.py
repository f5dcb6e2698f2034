"""Whether what a launch costs fits into what is left. Unknown is an answer of its own, and never "fits".

In: the cost, what is left, and how much of the cost is known. Out: a `Verdict`. The expected cost decides; where nothing can be
expected but the bounds are known, the ceiling must fit; where something has no figure, what is known may already be too much.
"""

from __future__ import annotations

from typing import Literal

from sagekeeper.analyzers.launch import Range

Verdict = Literal["fits", "does not fit", "cannot be judged"]


def judge(cost: Range, left: float | None, known: bool, bounded: bool) -> Verdict:
    """``known``: all of it has a figure. ``bounded``: all of it has an expected one, not only bounds.

    >>> judge(Range(1, 5, 50), 10.0, known=True, bounded=True)
    'fits'
    >>> judge(Range(1, 5, 50), 10.0, known=False, bounded=True)
    'cannot be judged'
    >>> judge(Range(20, 25, 50), 10.0, known=False, bounded=True)
    'does not fit'
    """
    if left is None:
        return "cannot be judged"
    if cost.low > left:
        return "does not fit"
    if not known:
        return "cannot be judged"
    if not bounded:
        return "fits" if cost.high <= left else "cannot be judged"
    return "fits" if cost.expected <= left else "does not fit"
