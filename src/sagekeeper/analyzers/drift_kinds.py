"""What happened to a feature, in the words of the person who must mend it: the kind of a change.

In: both samples of a feature whose values drifted. Out: the kind of change of its distribution and a phrase that says
it. A kind is named only if undoing it makes the samples agree: numbers multiplied by 100 are a change of unit only
if, divided by 100, they look like the reference again. What no undoing explains is a change of shape. Two features of
which each now looks like the other did are swapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sagekeeper.analyzers.drift_cells import Array, Categories, Numbers, Sample, category_cells, number_cells
from sagekeeper.analyzers.drift_effects import total_variation

Kind = Literal["unit change", "spike", "shift", "scale", "shape", "mix of categories", "swapped columns"]

POINTS = (np.arange(1000) + 0.5) / 1000
EXPLAINED = 0.35
"""Share of the change that may be left after it is undone."""
SAME = 0.05
"""A total variation below which two outlines (1,000 quantiles each) count as alike."""
BIG = 0.2
"""A unit or a column is changed only if most of the values are: smaller changes are shifts."""
FEW_VALUES = 10
MOST_COLUMNS = 60
FACTORS = {
    10: "x10", 100: "x100", 1000: "x1000", 1e4: "x10,000", 1e5: "x100,000",
    1e6: "x1,000,000", 1e9: "x1e9", 60: "x60 (minutes to seconds)",
    3600: "x3600 (hours to seconds)", 24: "x24 (days to hours)", 86400: "x86400 (days to seconds)", 1024: "x1024",
    2.20462: "x2.205 (kg to lb)", 3.28084: "x3.281 (m to ft)", 2.54: "x2.54 (in to cm)", 1.609344: "x1.609 (mi to km)",
    -1: "sign turned",
}  # fmt: skip
"""Of the reference to the current unit; each is tried the other way round, too."""


@dataclass(frozen=True)
class Outline:
    """What is kept of a sample to name its change: quantiles of numbers, or counts of categories."""

    sample: Sample
    distinct: int

    @classmethod
    def of(cls, sample: Sample, distinct: int | None) -> Outline:
        """At most 1,000 values of numbers."""
        if isinstance(sample, Categories):
            return cls(sample, len(sample.counts))
        return cls(Numbers(sample.quantiles(POINTS)), distinct or 0)


@dataclass(frozen=True)
class Named:
    """A kind, and what exactly: ``x100``, ``+0.31 sd``."""

    kind: Kind
    phrase: str


def apart(before: Outline, now: Outline) -> float:
    """Total variation of two outlines; 1 if one has numbers and the other names."""
    one, other = before.sample, now.sample
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return total_variation(number_cells(one, other)).value
    if isinstance(one, Categories) and isinstance(other, Categories):
        return total_variation(category_cells(one, other)).value
    return 1.0


def name(before: Outline, now: Outline) -> Named:
    """The kind of change between two samples that differ."""
    if not isinstance(before.sample, Numbers) or not isinstance(now.sample, Numbers):
        return Named("mix of categories", "the shares of categories changed")
    was, is_now = before.sample.values, now.sample.values
    whole = apart(before, now)
    if whole >= BIG and before.distinct >= FEW_VALUES:
        unit = _unit(was, is_now, whole)
        if unit is not None:
            return Named("unit change", unit)
    spike = _spike(was, is_now, whole)
    if spike is not None:
        return spike
    return _moved(was, is_now)


def _unit(was: Array, is_now: Array, whole: float) -> str | None:
    """The change of unit that explains all, if one does."""
    best, found = min(SAME, EXPLAINED * whole), None
    for phrase, change in _units(was).items():
        left = _left(np.sort(change(was)), is_now)
        if left < best:
            best, found = left, phrase
    return found


def _units(was: Array) -> Mapping[str, Callable[[Array], Array]]:
    units: dict[str, Callable[[Array], Array]] = {}
    for factor, phrase in FACTORS.items():
        units[phrase] = lambda x, by=factor: x * by  # type: ignore[misc]
        if factor > 0:
            units[_reversed(phrase)] = lambda x, by=factor: x / by  # type: ignore[misc]
    units["Celsius to Fahrenheit"] = lambda x: x * 1.8 + 32
    units["Fahrenheit to Celsius"] = lambda x: (x - 32) / 1.8
    units["Celsius to Kelvin"] = lambda x: x + 273.15
    if was[0] > 0:
        units |= {"log": np.log, "log10": np.log10, "log2": np.log2, "inverse": lambda x: 1 / x}
    if was[0] >= 0:
        units |= {"log(1 + x)": np.log1p, "square root": np.sqrt}
    if was[-1] < 300:
        units |= {"exp": np.exp, "10 to the power": lambda x: 10.0**x}
    centre, spread = float(was.mean()), float(was.std())
    if spread > 0:
        units["standardised"] = lambda x: (x - centre) / spread
        units["scaled to 0..1"] = lambda x: (x - was[0]) / (was[-1] - was[0])
    return units


def _reversed(phrase: str) -> str:
    """The phrase of the change back.

    >>> _reversed("x60 (minutes to seconds)")
    '/60 (seconds to minutes)'
    """
    factor, _, words = phrase.removeprefix("x").partition(" (")
    one, _, other = words.removesuffix(")").partition(" to ")
    return f"/{factor} ({other} to {one})" if words else f"/{factor}"


def _left(one: Array, other: Array) -> float:
    return total_variation(number_cells(Numbers(one), Numbers(other))).value


def _spike(was: Array, is_now: Array, whole: float) -> Named | None:
    """One value that much of the change is: a default, a clip, a filled gap."""
    values, counts = np.unique(is_now, return_counts=True)
    places = np.argsort(counts)[-5:]
    gained = counts[places] / len(is_now) - (was == values[places][:, None]).mean(axis=1)
    most = int(np.argmax(gained))
    if gained[most] < 0.6 * whole or gained[most] < 5 / len(is_now) or len(np.unique(was)) < FEW_VALUES:
        return None
    return Named("spike", f"{gained[most]:.0%} of records became {values[places][most]:g}")


def _moved(was: Array, is_now: Array) -> Named:
    low, middle, high = np.quantile(was, [0.25, 0.5, 0.75])
    low_now, middle_now, high_now = np.quantile(is_now, [0.25, 0.5, 0.75])
    wide, wide_now = float(high - low), float(high_now - low_now)
    if wide <= 0 or wide_now <= 0:
        return Named("shape", "the distribution changed")
    by, ratio = float(middle_now - middle) / (wide / 1.349), wide_now / wide
    shifted = _ks(was + (middle_now - middle), is_now)
    scaled = _ks((was - middle) * ratio + middle, is_now)
    both = _ks((was - middle) * ratio + middle_now, is_now)
    before = _ks(was, is_now)
    far, wider = f"{by:+.2g} sd", f"spread x{ratio:.3g}"
    enough = EXPLAINED * before
    # The simpler word, where it says nearly as much as both together.
    if shifted <= enough and shifted <= 1.5 * both + enough / 3:
        return Named("shift", far)
    if scaled <= enough and scaled <= 1.5 * both + enough / 3:
        return Named("scale", wider)
    if both <= enough:
        return Named("shift", f"{far}, {wider}") if abs(by) > abs(np.log(ratio)) else Named("scale", f"{wider}, {far}")
    return Named("shape", f"median {far}, {wider}")


def _ks(one: Array, other: Array) -> float:
    points = np.concatenate([one, other])
    below = np.searchsorted(np.sort(one), points, "right") / len(one)
    return float(np.abs(below - np.searchsorted(np.sort(other), points, "right") / len(other)).max())


def permuted(outlines: Mapping[str, tuple[Outline, Outline]]) -> dict[str, str]:
    """Feature -> the one whose values it holds now, of features that changed places among themselves."""
    names = [one for one, (before, now) in outlines.items() if apart(before, now) >= BIG][:MOST_COLUMNS]
    near = {
        (one, other): distance
        for one in names
        for other in names
        if one != other and (distance := apart(outlines[other][0], outlines[one][1])) <= SAME
    }
    holds: dict[str, str] = {}
    # Two that changed places first: the likeliest accident.
    mutual = sorted((near[pair] + near[pair[::-1]], pair) for pair in near if pair[::-1] in near)
    for _, (one, other) in mutual:
        if one not in holds and other not in holds:
            holds |= {one: other, other: one}
    rest: dict[str, str] = {}
    for (one, other), _ in sorted(near.items(), key=lambda item: item[1]):
        if one not in holds and other not in holds and one not in rest and other not in rest.values():
            rest[one] = other
    return holds | {feature: other for feature, other in rest.items() if _returns(feature, rest)}


def _returns(feature: str, holds: Mapping[str, str]) -> bool:
    """Whether following who holds whom leads back: then nothing was lost, only mixed up."""
    here = holds.get(feature)
    for _ in range(len(holds)):
        if here is None or here == feature:
            break
        here = holds.get(here)
    return here == feature
