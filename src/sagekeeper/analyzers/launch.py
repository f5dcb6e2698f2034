"""What somebody is about to launch, as metered use with a range: the values that the guard prices before AWS is asked.

A `Work` is one request (a training job, an endpoint configuration, a step of a pipeline ...). Its `Use`s are what AWS meters of
it: so many machines or gigabytes, for so many hours. Every quantity is a `Range`: low, expected, and the ceiling that AWS itself
enforces (MaxRuntimeInSeconds). What cannot be known from the request is in ``unknown`` (no figure holds it) or ``open`` (only its
bounds are known), never zero; how a figure came about is in ``basis``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Range:
    """``low`` <= ``expected`` <= ``high``."""

    low: float
    expected: float
    high: float

    @classmethod
    def of(cls, value: float) -> Range:
        """One value that is sure."""
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __mul__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.of(other)
        return Range(self.low * by.low, self.expected * by.expected, self.high * by.high)

    def at_most(self, limit: float) -> Range:
        """Cut off at ``limit``.

        >>> Range(1, 5, 9).at_most(4)
        Range(low=1, expected=4, high=4)
        """
        return Range(min(self.low, limit), min(self.expected, limit), min(self.high, limit))


NOTHING = Range(0.0, 0.0, 0.0)


def total(parts: Iterable[Range]) -> Range:
    """The sum: all lows, all expectations, all ceilings."""
    return sum(parts, NOTHING)


@dataclass(frozen=True)
class Use:
    """Something that AWS meters. ``size``: instances, or GB of a volume. ``hours`` None: around the clock, until it is ended."""

    usage_type: str  # as on the bill, without the region before it: Train:ml.m5.xlarge
    size: Range
    hours: Range | None
    basis: str

    @property
    def volume(self) -> bool:
        """Whether the size is gigabytes, billed by the month of 730 hours."""
        return "VolumeUsage" in self.usage_type


@dataclass(frozen=True)
class Work:
    """One request, read. ``branch``: the conditions of a pipeline that it stands under, and which outcome lets it run."""

    kind: str
    name: str
    uses: tuple[Use, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # what no figure holds
    open: tuple[str, ...] = ()  # why nothing can be expected between low and high
    tags: dict[str, str] = field(default_factory=dict)
    role: str = ""
    branch: tuple[tuple[str, bool], ...] = ()

    @property
    def standing(self) -> bool:
        """Whether it costs until somebody ends it."""
        return any(use.hours is None for use in self.uses)


class Reading:
    """Collects notes and unknowns while a request is read, and reads its numbers."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.unknown: list[str] = []
        self.open: list[str] = []

    def number(self, document: dict[str, Any], key: str, default: float | None = None) -> float | None:
        """The number at ``key``; ``default`` where there is none, None and a reason where it is not known before the run."""
        value = document.get(key)
        if isinstance(value, Unresolved):
            self.unknown.append(f"{key}: {value.why}")
            return None
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.unknown.append(f"{key} is {value!r}, not a number")
            return None
        return float(value)

    def text(self, document: dict[str, Any], key: str) -> str | None:
        """The text at ``key``, None and a reason where it is not known before the run."""
        value = document.get(key)
        if isinstance(value, Unresolved):
            self.unknown.append(f"{key}: {value.why}")
            return None
        return None if value is None else str(value)

    def part(self, document: dict[str, Any], key: str) -> dict[str, Any]:
        """The members at ``key``; none of them, and a reason, where they are not known before the run."""
        value = document.get(key)
        return {} if value is None else next(iter(self._objects([value], key)), {})

    def parts(self, document: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The list of objects at ``key``, without those, and with a reason for each, that are not known before the run."""
        value = document.get(key)
        if value is None:
            return []
        return self._objects(value if isinstance(value, list) else [value], key)

    def _objects(self, values: list[Any], key: str) -> list[dict[str, Any]]:
        for value in values:
            if not isinstance(value, dict):
                self.unknown.append(
                    f"{key}: {value.why if isinstance(value, Unresolved) else f'{value!r} has no members'}"
                )
        return [value for value in values if isinstance(value, dict)]

    def work(self, kind: str, name: str, uses: Iterable[Use], document: dict[str, Any]) -> Work:
        """What was read, each sentence once. A tag whose value only the run knows is none."""
        tags = document.get("Tags")
        named = [item for item in tags if isinstance(item, dict)] if isinstance(tags, list) else []
        role = document.get("ExecutionRoleArn") or document.get("RoleArn")
        return Work(
            kind,
            name,
            tuple(uses),
            tuple(dict.fromkeys(self.notes)),
            tuple(dict.fromkeys(self.unknown)),
            tuple(dict.fromkeys(self.open)),
            {str(item["Key"]): item["Value"] for item in named if isinstance(item.get("Value"), str) and "Key" in item},
            role if isinstance(role, str) else "",
        )


@dataclass(frozen=True)
class Unresolved:
    """A value that a pipeline gets when it runs only."""

    why: str

    def __str__(self) -> str:
        return "<known when it runs>"
