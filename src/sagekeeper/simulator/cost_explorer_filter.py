"""A filter of Cost Explorer as a condition on the bill's lines, and a group-by as a key of theirs.

In: an ``Expression`` (And, Or, Not, Dimensions, Tags, CostCategories, nested) or a ``GroupDefinition``. Out: polars
expressions over `cost_explorer_lines.Ledger`. What AWS refuses is refused in its words: several roots, dimensions that a
request does not take, match options that it does not take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

import polars as pl

from sagekeeper.simulator.cost_explorer_lines import ENTITY, NOTHING, Ledger
from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.world import PAYER

ROOTS = ("And", "Or", "Not", "Dimensions", "Tags", "CostCategories")
COLUMNS = (
    "SERVICE",
    "SERVICE_CODE",
    "USAGE_TYPE",
    "USAGE_TYPE_GROUP",
    "OPERATION",
    "LINKED_ACCOUNT",
    "LINKED_ACCOUNT_NAME",
    "REGION",
    "RECORD_TYPE",
    "INSTANCE_TYPE",
    "INSTANCE_TYPE_FAMILY",
    "PURCHASE_TYPE",
    "OPERATING_SYSTEM",
    "TENANCY",
    "SAVINGS_PLAN_ARN",
    "SAVINGS_PLANS_TYPE",
    "RESOURCE_ID",
)
"""Dimensions that lines differ in; of the others every line has the same value (`CONSTANT`)."""
CONSTANT = {
    "BILLING_ENTITY": "AWS",
    "LEGAL_ENTITY_NAME": ENTITY,
    "INVOICING_ENTITY": ENTITY,
    "PAYER_ACCOUNT": PAYER,
} | {
    name: NOTHING[name]
    for name in ("AZ", "DATABASE_ENGINE", "CACHE_ENGINE", "DEPLOYMENT_OPTION", "RESERVATION_ID", "SUBSCRIPTION_ID")
}
GROUPABLE = (
    "AZ",
    "INSTANCE_TYPE",
    "LINKED_ACCOUNT",
    "OPERATION",
    "PURCHASE_TYPE",
    "SERVICE",
    "USAGE_TYPE",
    "PLATFORM",
    "TENANCY",
    "RECORD_TYPE",
    "LEGAL_ENTITY_NAME",
    "INVOICING_ENTITY",
    "DEPLOYMENT_OPTION",
    "DATABASE_ENGINE",
    "CACHE_ENGINE",
    "INSTANCE_TYPE_FAMILY",
    "REGION",
    "BILLING_ENTITY",
    "RESERVATION_ID",
    "SAVINGS_PLANS_TYPE",
    "SAVINGS_PLAN_ARN",
    "OPERATING_SYSTEM",
)
DEEPEST, MOST_GROUPS = 10, 2
IN_QUERIES = {
    "Dimensions": ("EQUALS", "CASE_SENSITIVE"),
    "Tags": ("EQUALS", "ABSENT", "CASE_SENSITIVE"),
    "CostCategories": ("EQUALS", "ABSENT", "CASE_SENSITIVE"),
}
"""Match options that GetCostAndUsage and its kin take (the service model says so of ``Filter``)."""
IN_RULES = ("EQUALS", "ABSENT", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "CASE_SENSITIVE", "CASE_INSENSITIVE")
"""And those of a cost category's rules and of account names."""


@dataclass(frozen=True)
class Reader:
    """What names in a filter mean: the ledger's tags and the organisation's cost categories."""

    ledger: Ledger
    explorer: Explorer
    category: Callable[[str], pl.Expr]
    resources: bool = False
    rules: bool = False
    """Whether the expression is a cost category's rule: those match in more ways."""

    def condition(self, wanted: dict[str, Any], depth: int = 0) -> pl.Expr:
        """Which lines an Expression takes."""
        roots = [root for root in ROOTS if root in wanted]
        if len(wanted) > 1:
            raise Refused(
                "ValidationException",
                "Expression has more than one roots. Only one root operator is allowed for each expression: "
                "And, Or, Not, Dimensions, Tags, CostCategories",
            )
        if not roots:
            raise Refused("ValidationException", f"Expression is not supported: {', '.join(wanted) or 'it is empty'}")
        if depth > DEEPEST:
            raise Refused("ValidationException", "Expression is nested too deeply")
        root = roots[0]
        if root in ("And", "Or"):
            parts = wanted[root]
            if len(parts) < 2:
                raise Refused("ValidationException", f"{root} expression must have at least 2 operands")
            return reduce(and_ if root == "And" else or_, [self.condition(part, depth + 1) for part in parts])
        if root == "Not":
            return ~self.condition(wanted[root], depth + 1)
        return self._leaf(root, wanted[root])

    def key(self, group: dict[str, str]) -> pl.Expr:
        """The key of a line's group."""
        kind, name = group.get("Type", "DIMENSION"), group.get("Key", "")
        if not name:
            raise Refused("ValidationException", "Group Definition key is missing.")
        if kind == "DIMENSION":
            allowed = (*GROUPABLE, "RESOURCE_ID") if self.resources else GROUPABLE
            if name not in allowed:
                raise Refused(
                    "ValidationException",
                    f"Group Definition dimension is invalid. Valid values are {', '.join(allowed)}",
                )
            return self.dimension(name)
        if kind == "TAG":
            return pl.lit(name + "$") + self.ledger.tag(name, self.explorer).fill_null("")
        if kind == "COST_CATEGORY":
            return pl.lit(name + "$") + self.category(name).fill_null("")
        raise Refused("ValidationException", f"Group Definition type {kind} is not supported.")

    def dimension(self, name: str) -> pl.Expr:
        """The value of a dimension."""
        if name == "PLATFORM":
            name = "OPERATING_SYSTEM"
        if name in COLUMNS:
            return pl.col(name)
        if name in CONSTANT:
            return pl.lit(CONSTANT[name])
        raise Refused("ValidationException", f"Dimension {name} is not allowed.")

    def _leaf(self, root: str, leaf: dict[str, Any]) -> pl.Expr:
        name, values, options = leaf.get("Key"), leaf.get("Values") or [], leaf.get("MatchOptions") or ["EQUALS"]
        if not name:
            raise Refused("ValidationException", f"{root} key is missing")
        self._matchable(root, name, options)
        if not values and "ABSENT" not in options:
            raise Refused("ValidationException", f"{root} values are missing for key {name}")
        if root == "Dimensions":
            if name == "RESOURCE_ID" and not self.resources:
                raise Refused("ValidationException", "Dimension RESOURCE_ID is not allowed.")
            found = self.dimension(name)
        else:
            found = self.ledger.tag(name, self.explorer) if root == "Tags" else self.category(name)
        if "ABSENT" in options:
            if values and values != [""]:
                raise Refused("ValidationException", "Values must be empty when MatchOptions is ABSENT")
            return found.is_null()
        # An empty value asks for what has none, as in the console's "No tag key".
        return _matching(found if root == "Dimensions" else found.fill_null(""), values, options)

    def _matchable(self, root: str, name: str, options: list[str]) -> None:
        allowed = IN_RULES if self.rules or name == "LINKED_ACCOUNT_NAME" else IN_QUERIES[root]
        wrong = [option for option in options if option not in allowed]
        if wrong:
            raise Refused(
                "ValidationException",
                f"Match option {wrong[0]} is not supported for {root}. Valid values are {', '.join(allowed)}",
            )
        if len([option for option in options if not option.startswith("CASE_")]) > 1:
            raise Refused("ValidationException", "Only one of the match options EQUALS, ABSENT and the like is allowed")


def _matching(found: pl.Expr, values: list[str], options: list[str]) -> pl.Expr:
    way = next((option for option in options if not option.startswith("CASE_")), "EQUALS")
    if "CASE_INSENSITIVE" in options:
        found, values = found.cast(pl.String).str.to_lowercase(), [value.lower() for value in values]
    if way == "EQUALS":
        return found.cast(pl.String).is_in(values)
    text = found.cast(pl.String).str
    one_of = {
        "STARTS_WITH": text.starts_with,
        "ENDS_WITH": text.ends_with,
        "CONTAINS": lambda value: text.contains(value, literal=True),
    }[way]
    return reduce(or_, [one_of(value) for value in values])
