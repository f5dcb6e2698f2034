"""Clarify's analysis.json: bias before and after training by facet, and how much each feature moves the answers.

In: a parsed document (monitoring-facts 2.5). Out: `Bias` and `Attribution` rows. A metric that Clarify could not compute has no
value and says why in ``error``. What cannot be read is named, the rest counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sagekeeper.collector.monitor_numbers import number

STAGES = {"pre_training_bias_metrics": "pre", "post_training_bias_metrics": "post"}


@dataclass(frozen=True)
class Bias:
    """One bias metric of one facet value. ``stage``: pre (of the labels) or post (of the answers)."""

    stage: str
    label: str | None
    label_value: str | None
    facet: str
    facet_value: str | None
    metric: str
    value: float | None
    error: str | None


@dataclass(frozen=True)
class Attribution:
    """Global importance of one feature for one label. ``expected_value``: the model's answer to the reference."""

    method: str
    label: str
    feature: str
    value: float | None
    expected_value: float | None


@dataclass(frozen=True)
class Analysis:
    """What analysis.json says."""

    bias: list[Bias] = field(default_factory=list)
    attributions: list[Attribution] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def analysis(document: dict[str, Any]) -> Analysis:
    """The whole of it."""
    found = Analysis()
    for section, stage in STAGES.items():
        try:
            found.bias.extend(_bias(document.get(section) or {}, stage, found.unread))
        except (AttributeError, TypeError, ValueError):
            found.unread.append(section)
    explained = document.get("explanations")
    for method, labels in explained.items() if isinstance(explained, dict) else ():
        for label, item in labels.items() if isinstance(labels, dict) else ():
            try:
                found.attributions.extend(_attributions(str(method), str(label), item))
            except (AttributeError, TypeError, ValueError):
                found.unread.append(f"{method} {label}")
        if not isinstance(labels, dict):
            found.unread.append(f"explanations {method}")
    if explained is not None and not isinstance(explained, dict):
        found.unread.append("explanations")
    return found


def _bias(section: dict[str, Any], stage: str, unread: list[str]) -> Iterator[Bias]:
    for facet, groups in (section.get("facets") or {}).items():
        for group in groups:
            for item in group.get("metrics") or []:
                try:
                    yield Bias(
                        stage,
                        _text(section.get("label")),
                        _text(section.get("label_value_or_threshold")),
                        str(facet),
                        _text(group.get("value_or_threshold")),
                        str(item["name"]),
                        number(item.get("value")),
                        _text(item.get("error")),
                    )
                except (KeyError, TypeError, ValueError):
                    unread.append(f"{stage} {facet} {item.get('name', '?') if isinstance(item, dict) else '?'}")


def _attributions(method: str, label: str, item: dict[str, Any]) -> Iterator[Attribution]:
    # The expected value of a model with several outputs is a list of one.
    stated = item.get("expected_value")
    expected = number(stated[0] if isinstance(stated, list) and len(stated) == 1 else stated)
    for feature, value in (item.get("global_shap_values") or {}).items():
        yield Attribution(method, label, str(feature), number(value), expected)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
