"""Whose money a budget is about: own scopes by column and name, AWS's filters, as one expression over daily costs.

In: ``{"account": [...], "owner": [...], "endpoint": [...], "family": [...]}``, or CostFilters / CostTypes / FilterExpression and
Metrics of AWS Budgets. Out: a `Scoped`: which rows of `DAILY_COSTS`, which cost, or why it cannot be judged here. AWS's tags are
held against our owner, team and project (which know more than the tags of the line), and the basis says so; what our daily
costs do not know (usage type, availability zone, blended and net costs, single fees) is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from sagekeeper.analyzers.job_families import family

COLUMNS = ("account", "owner", "team", "project", "region", "service", "usage_family")
RESOURCES = ("endpoint", "family", "notebook")
MODEL = "model"
KEYS = (*COLUMNS, *RESOURCES, MODEL)
"""What an own budget may be scoped by."""
DIMENSIONS = {"LINKED_ACCOUNT": "account", "SERVICE": "service", "REGION": "region"}
OLD_FILTERS = {"LinkedAccount": "account", "Service": "service", "Region": "region"}
LEFT_OUT = {"IncludeTax": ("Tax",), "IncludeCredit": ("Credit",)}
"""CostTypes that leave out what has a charge category of its own here (docs/bill-rules.md)."""
LEFT_IN = ("IncludeRefund", "IncludeDiscount", "IncludeUpfront", "IncludeRecurring", "IncludeSubscription")
ALSO_LEFT_IN = ("IncludeOtherSubscription", "IncludeSupport")
NOTIONS: dict[str, Literal["billed", "effective"]] = {"UnblendedCost": "billed", "AmortizedCost": "effective"}


class CannotJudge(Exception):
    """Our daily costs cannot say it: why."""


@dataclass(frozen=True)
class Scoped:
    """``where`` is over `DAILY_COSTS` columns. ``fine``: it needs resources, which the cost cube has not."""

    where: pl.Expr
    notion: Literal["billed", "effective"] = "billed"
    fine: bool = False
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str = ""


def own(scope: Mapping[str, Any]) -> Scoped:
    """An own budget's scope: every key must hold; of a key's values one."""
    terms = [pl.lit(value=True)]
    models: tuple[str, ...] = ()
    for key, given in scope.items():
        values = names(given)
        if not values:
            continue
        if key in COLUMNS:
            terms.append(pl.col(key).is_in(values).fill_null(value=False))
        elif key == MODEL:
            models = tuple(values)
        elif key in RESOURCES:
            terms.append(_resource(key, values))
        else:
            return Scoped(pl.lit(value=False), why_not=f"a budget cannot be scoped by {key}; use {', '.join(KEYS)}")
    if models and len(terms) > 1:
        return Scoped(pl.lit(value=False), why_not="a model's budget can have no other scope beside the model")
    if models:
        # A model is no row of the daily costs: its cost is worked out of those of its endpoints.
        return Scoped(pl.lit(value=False), models=models)
    return Scoped(pl.all_horizontal(terms), fine=any(key in RESOURCES for key in scope))


def names(given: Any) -> list[str]:
    """The values of a key: one or several.

    >>> names("risk"), names(["a", "b"]), names(None)
    (['risk'], ['a', 'b'], [])
    """
    if given is None or given == "":
        return []
    return [given] if isinstance(given, str) else [str(item) for item in given]


def said(scope: Mapping[str, Any]) -> str:
    """An own scope in words; empty: everything."""
    return ", ".join(f"{key} {' or '.join(names(value))}" for key, value in scope.items() if names(value))


def of_aws(document: Mapping[str, Any], tags: Mapping[str, str]) -> Scoped:
    """AWS's filters and cost types. ``tags``: tag key -> the column (owner, team, project) that it fills here."""
    if document.get("BudgetType", "COST") != "COST":
        return Scoped(pl.lit(value=False), why_not=f"a {document['BudgetType']} budget is not about cost")
    notes: list[str] = []
    try:
        terms = [
            _old_filter(key, list(values), tags, notes) for key, values in (document.get("CostFilters") or {}).items()
        ]
        if document.get("FilterExpression"):
            terms.append(_expression(document["FilterExpression"], tags, notes))
        terms += _cost_types(document.get("CostTypes") or {})
        notion = _notion(document)
    except CannotJudge as why:
        return Scoped(pl.lit(value=False), why_not=str(why))
    return Scoped(pl.all_horizontal([pl.lit(value=True), *terms]), notion=notion, notes=tuple(dict.fromkeys(notes)))


def said_of_aws(document: Mapping[str, Any]) -> str:
    """AWS's filters in words; empty: everything the account sees."""
    old = [f"{key} {' or '.join(values)}" for key, values in (document.get("CostFilters") or {}).items()]
    expression = document.get("FilterExpression")
    return ", ".join([*old, *([_words(expression)] if expression else [])])


def _resource(key: str, values: Sequence[str]) -> pl.Expr:
    kind = pl.col("resource_kind")
    if key == "family":
        return (kind.str.ends_with("_job") & family("resource_name").is_in(values)).fill_null(value=False)
    wanted = {"endpoint": "endpoint", "notebook": "notebook_instance"}[key]
    return ((kind == wanted) & pl.col("resource_name").is_in(values)).fill_null(value=False)


def _old_filter(key: str, values: list[str], tags: Mapping[str, str], notes: list[str]) -> pl.Expr:
    if key == "TagKeyValue":
        pairs = [value.removeprefix("user:").split("$", 1) for value in values]
        return pl.any_horizontal([_tag(pair[0], [pair[-1]], tags, notes) for pair in pairs])
    if key not in OLD_FILTERS:
        raise CannotJudge(f"it is filtered by {key}, which the daily costs do not keep")
    return pl.col(OLD_FILTERS[key]).is_in(values).fill_null(value=False)


def _expression(wanted: Mapping[str, Any], tags: Mapping[str, str], notes: list[str]) -> pl.Expr:
    if len(wanted) != 1:
        raise CannotJudge(f"its filter has {len(wanted)} operators at once, which AWS does not define")
    operator, value = next(iter(wanted.items()))
    if operator in ("And", "Or"):
        join = pl.all_horizontal if operator == "And" else pl.any_horizontal
        return join([_expression(item, tags, notes) for item in value])
    if operator == "Not":
        return ~_expression(value, tags, notes)
    options = [option for option in value.get("MatchOptions") or [] if option not in ("EQUALS", "CASE_SENSITIVE")]
    if options:
        raise CannotJudge(f"its filter matches by {', '.join(options)}")
    if operator == "Tags":
        return _tag(str(value.get("Key")), list(value.get("Values") or []), tags, notes)
    key = str(value.get("Key"))
    if operator != "Dimensions" or key not in DIMENSIONS:
        raise CannotJudge(f"it is filtered by {key}, which the daily costs do not keep")
    return pl.col(DIMENSIONS[key]).is_in(list(value["Values"])).fill_null(value=False)


def _tag(key: str, values: list[str], tags: Mapping[str, str], notes: list[str]) -> pl.Expr:
    column = tags.get(key)
    if column is None:
        raise CannotJudge(f"it is filtered by the tag {key}, which names no owner, team or project in the settings")
    notes.append(f"The tag {key} is held against the {column} as found here, also where the line has no such tag.")
    return pl.col(column).is_in(values).fill_null(value=False)


def _cost_types(given: Mapping[str, Any]) -> list[pl.Expr]:
    wrong = [name for name in (*LEFT_IN, *ALSO_LEFT_IN) if given.get(name, True) is False]
    if wrong:
        raise CannotJudge(f"it leaves out what {', '.join(wrong)} stands for, which the daily costs do not keep apart")
    return [
        ~pl.col("charge_category").is_in(categories).fill_null(value=False)
        for name, categories in LEFT_OUT.items()
        if given.get(name, True) is False
    ]


def _notion(document: Mapping[str, Any]) -> Literal["billed", "effective"]:
    types = document.get("CostTypes") or {}
    if types.get("UseBlended"):
        raise CannotJudge("it is about blended cost, which is not collected")
    if types.get("UseAmortized"):
        return "effective"
    metric = (document.get("Metrics") or ["UnblendedCost"])[0]
    if metric not in NOTIONS:
        raise CannotJudge(f"it is about {metric}, which is not collected")
    return NOTIONS[metric]


def _words(wanted: Mapping[str, Any]) -> str:
    operator, value = next(iter(wanted.items()))
    if operator in ("And", "Or"):
        return "(" + f" {operator.lower()} ".join(_words(item) for item in value) + ")"
    if operator == "Not":
        return f"not {_words(value)}"
    return f"{value.get('Key')} {' or '.join(map(str, value.get('Values') or []))}"
