"""What sketches alone do not say of two times: words that were not in use before, and how far vectors have moved.

In: profiles of words (`feature_hours`, roles words_of_...) or of vectors. Out: rates and distances, None where they are unknown.
Whether a distance matters is the analyzers' question.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sagekeeper.core.feature_profile import Profile


@dataclass(frozen=True)
class Unknown:
    """Share of the words that are outside the vocabulary: between ``low`` and ``high``, as only frequent words are named.
    ``before``: the same share at the reference itself, whose rare words are outside, too. Compare with that, not with zero."""

    low: float
    high: float
    before: float
    vocabulary: int


def out_of_vocabulary(reference: Profile, now: Profile) -> Unknown | None:
    """The vocabulary is what ``reference`` has by name: its most frequent words. None without any words on either side.

    >>> before = Profile("categorical", 10, 0, frequent={"good": 6, "bad": 4})
    >>> out_of_vocabulary(before, Profile("categorical", 4, 0, frequent={"good": 1, "slop": 3}))
    Unknown(low=0.75, high=0.75, before=0.0, vocabulary=2)
    """
    if not reference.present or not now.present:
        return None
    named = sum(now.frequent.values())
    inside = sum(count for word, count in now.frequent.items() if word in reference.frequent)
    # Words without a name are no more frequent than `frequent_error` each: so much of them may be in the vocabulary.
    hidden = sum(1 for word in reference.frequent if word not in now.frequent) * now.frequent_error
    most = min(now.present, inside + min(now.present - named, hidden))
    return Unknown(
        low=1 - most / now.present,
        high=1 - inside / now.present,
        before=1 - sum(reference.frequent.values()) / reference.present,
        vocabulary=len(reference.frequent),
    )


@dataclass(frozen=True)
class Moved:
    """``distance`` of the mean vectors (Euclidean), ``cosine`` between them, and ``standardised``: the distance in units of what
    chance alone would make of it, given both spreads and sizes; about 1 where nothing has moved."""

    distance: float
    cosine: float | None
    standardised: float | None


def mean_distance(reference: Profile, now: Profile) -> Moved | None:
    """How far the mean of a vector feature has moved. None for other features, empty ones, and vectors of unlike length.

    The expected squared distance of two means of independent samples from one distribution is the sum over dimensions of
    variance x (1/n + 1/m); ``squares / n`` is that sum of variances.
    """
    if reference.vector_sum is None or now.vector_sum is None or len(reference.vector_sum) != len(now.vector_sum):
        return None
    if not reference.present or not now.present:
        return None
    before, after = reference.vector_sum / reference.present, now.vector_sum / now.present
    distance = float(np.linalg.norm(after - before))
    length = float(np.linalg.norm(before) * np.linalg.norm(after))
    standardised = None
    if reference.squares is not None and now.squares is not None:
        total = reference.present + now.present
        if total > 2:
            variance = (reference.squares + now.squares) / (total - 2)
            chance = math.sqrt(variance * (1 / reference.present + 1 / now.present))
            standardised = distance / chance if chance > 0 else None
    return Moved(distance, float(before @ after) / length if length > 0 else None, standardised)
