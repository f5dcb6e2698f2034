"""constraint_violations.json of every monitor and every version, as rows.

In: a parsed document (monitoring-facts 2.3; AWS's docs spell the file ``constraints_violations.json``). Out: `Violation`s, with
the observed and the required figure as far as the description states them. Descriptions changed over the years and are for
people: a number belongs to the word before it (``Expected ... 100.0%``, ``exceeds threshold 0.9``), a percentage is a share.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|Infinity|NaN)(?![\w])(?P<percent>\s*%)?")
REQUIRED = re.compile(
    r"expected|expectation|requirement(?! (?:is|was) not met)|threshold|baseline constraint|should be|at least|at most",
    re.IGNORECASE,
)
OBSERVED = re.compile(r"observed|only|value|distance|drift|\bwith\b|current|actual|found", re.IGNORECASE)


@dataclass(frozen=True)
class Violation:
    """``subject``: the feature; for bias its facet and metric, else the label or metric. None: not stated."""

    subject: str
    check: str
    description: str
    observed: float | None
    required: float | None
    metric: str | None = None
    facet: str | None = None
    facet_value: str | None = None
    label: str | None = None


def violations(document: Any) -> list[Violation]:
    """All of them; several of one subject and check become one. Raises ValueError for what is no such document."""
    found = document.get("violations", []) if isinstance(document, dict) else None
    if not isinstance(found, list | None) or not isinstance(document, dict):
        raise ValueError("its violations are no list")
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in found or []:
        if not isinstance(item, dict):
            raise ValueError("one of its violations is no object")
        grouped[subject(item), str(item.get("constraint_check_type", "unknown"))].append(item)
    return [_violation(name, check, items) for (name, check), items in grouped.items()]


def figures(description: str, subject: str = "") -> tuple[float | None, float | None]:
    """What was observed and what is required.

    >>> figures("Metric value 0.37 doesn't meet the baseline constraint requirement 0.28")
    (0.37, 0.28)
    >>> figures("Expected match: 100.0%. Observed: Only 99.5% of data is Integral.")
    (0.995, 1.0)
    """
    # Names may hold numbers of their own.
    text = re.sub(rf"(?<!\w){re.escape(subject)}(?!\w)", " ", description) if subject else description
    observed: float | None = None
    required: float | None = None
    for value, needs in _numbers(text):
        if needs and required is None:
            required = value
        elif not needs and observed is None:
            observed = value
    return observed, required


def subject(item: dict[str, Any]) -> str:
    """The feature; for bias the facet and its metric, for explanations and model quality the label or metric."""
    if item.get("feature_name") is not None:
        return str(item["feature_name"])
    facet = f"{item['facet']}={item.get('facet_value', '')}" if "facet" in item else item.get("label")
    return " ".join(str(part) for part in (facet, item.get("metric_name")) if part) or "(dataset)"


def _violation(name: str, check: str, items: list[dict[str, Any]]) -> Violation:
    said = list(dict.fromkeys(str(item.get("description", "")).strip() for item in items))
    observed, required = figures(said[0], name)
    first = items[0]
    return Violation(
        name,
        check,
        " | ".join(said),
        observed,
        required,
        metric=_text(first.get("metric_name")),
        facet=_text(first.get("facet")),
        facet_value=_text(first.get("facet_value")),
        label=_text(first.get("label")),
    )


def _numbers(text: str) -> Iterator[tuple[float, bool]]:
    """Every number with whether the word before it asks for it rather than reports it."""
    for found in NUMBER.finditer(text):
        before = text[: found.start()]
        asks = max((word.end() for word in REQUIRED.finditer(before)), default=-1)
        reports = max((word.end() for word in OBSERVED.finditer(before)), default=-1)
        percent = found.group("percent")
        value = float(found.group().removesuffix(percent or "").replace("Infinity", "inf"))
        if not math.isnan(value):
            yield value / 100 if percent else value, asks > reports


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
