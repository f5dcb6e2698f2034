"""Cost categories: create, describe, change, delete and list them. What they do to the bill is in `cost_explorer_named.py`.

A definition holds from its effective month (the present one unless told otherwise, at most twelve months back). Only the
paying account may have them. AWS processes a definition within a day: its status here is APPLIED an hour after.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sagekeeper.simulator.cost_explorer_dates import months_before
from sagekeeper.simulator.cost_explorer_filter import Reader
from sagekeeper.simulator.cost_explorer_lines import explorer_of
from sagekeeper.simulator.cost_explorer_named import INHERITED, REGULAR, current, empty_ledger, no_category
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.cost_explorer_tagging import identifier, tag_new
from sagekeeper.simulator.explorer_state import Category, CategoryVersion, Explorer
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.world import PAYER

MOST_CATEGORIES, MOST_RULES, MONTHS_BACK = 50, 500, 12
PROCESSED_AFTER = timedelta(hours=1)
RULE_VERSION = "CostCategoryExpression.v1"
STAMP = "%Y-%m-%dT00:00:00Z"
RULE_DIMENSIONS = (
    "LINKED_ACCOUNT",
    "LINKED_ACCOUNT_NAME",
    "SERVICE_CODE",
    "RECORD_TYPE",
    "REGION",
    "USAGE_TYPE",
    "BILLING_ENTITY",
)
"""Dimensions that rules may ask for (the service model of CostCategoryRule)."""


def create_cost_category_definition(ask: Ask) -> dict[str, Any]:
    """A new category."""
    explorer, name = _payers(ask), ask.params["Name"]
    if any(item.name == name for item in explorer.categories.values()):
        raise Refused("ValidationException", f"Failed to create Cost Category: a Cost Category {name} already exists.")
    if len(explorer.categories) >= MOST_CATEGORIES:
        raise Refused("ServiceQuotaExceededException", "You have exceeded the maximum number of Cost Categories.")
    version = _version(ask)
    arn = f"arn:aws:ce::{ask.account}:costcategory/{identifier(explorer, name)}"
    explorer.categories[arn] = Category(arn, name, [version])
    tag_new(explorer, arn, ask.params.get("ResourceTags"))
    explorer.changes += 1
    return {"CostCategoryArn": arn, "EffectiveStart": version.effective.strftime(STAMP)}


def describe_cost_category_definition(ask: Ask) -> dict[str, Any]:
    """One category, as it holds now or on a day."""
    found = _category(ask)
    on = _day(ask.params["EffectiveOn"]) if ask.params.get("EffectiveOn") else ask.now.date()
    version = current(found, on)
    if version is None:
        raise Refused("ResourceNotFoundException", f"No Cost Category was effective on {on}: {found.arn}")
    told = {
        "CostCategoryArn": found.arn,
        "EffectiveStart": version.effective.strftime(STAMP),
        "Name": found.name,
        "RuleVersion": RULE_VERSION,
        "Rules": version.rules,
        "ProcessingStatus": _status(version, ask.now),
    }
    later = [item.effective for item in found.versions if item.effective > version.effective]
    if later:
        told["EffectiveEnd"] = (min(later) - timedelta(days=1)).strftime("%Y-%m-%dT23:59:59Z")
    if version.split:
        told["SplitChargeRules"] = version.split
    if version.default is not None:
        told["DefaultValue"] = version.default
    return {"CostCategory": told}


def update_cost_category_definition(ask: Ask) -> dict[str, Any]:
    """New rules, from a month on."""
    found = _category(ask)
    version = _version(ask)
    # What would have held from the same month or later is replaced.
    found.versions = [item for item in found.versions if item.effective < version.effective] + [version]
    explorer_of(ask).changes += 1
    return {"CostCategoryArn": found.arn, "EffectiveStart": version.effective.strftime(STAMP)}


def delete_cost_category_definition(ask: Ask) -> dict[str, Any]:
    """It, and its values on the bill, are gone."""
    found, explorer = _category(ask), explorer_of(ask)
    del explorer.categories[found.arn]
    explorer.resource_tags.pop(found.arn, None)
    explorer.changes += 1
    return {"CostCategoryArn": found.arn, "EffectiveEnd": ask.now.strftime(STAMP)}


def list_cost_category_definitions(ask: Ask) -> dict[str, Any]:
    """Categories that hold now, or on a day."""
    on = _day(ask.params["EffectiveOn"]) if ask.params.get("EffectiveOn") else ask.now.date()
    rows = []
    for found in sorted(explorer_of(ask).categories.values(), key=lambda item: item.name):
        version = current(found, on)
        if version is not None and ask.account == PAYER:
            row = {
                "CostCategoryArn": found.arn,
                "Name": found.name,
                "EffectiveStart": version.effective.strftime(STAMP),
                "NumberOfRules": len(version.rules),
                "ProcessingStatus": _status(version, ask.now),
                "Values": sorted({rule["Value"] for rule in version.rules if "Value" in rule}),
            }
            rows.append(row | ({"DefaultValue": version.default} if version.default is not None else {}))
    part, more = page_of(rows, ask.params, key="NextToken")
    return {"CostCategoryReferences": part} | more


def _payers(ask: Ask) -> Explorer:
    if ask.account != PAYER:
        raise Refused("AccessDeniedException", "Linked account doesn't have access to cost category.")
    return explorer_of(ask)


def _category(ask: Ask) -> Category:
    arn = ask.params["CostCategoryArn"]
    found = _payers(ask).categories.get(arn)
    if found is None:
        raise Refused("ResourceNotFoundException", f"No Cost Categories found with ID {arn.rpartition('/')[2]}")
    return found


def _version(ask: Ask) -> CategoryVersion:
    wanted, this_month = ask.params, ask.now.date().replace(day=1)
    effective = _day(wanted["EffectiveStart"]) if wanted.get("EffectiveStart") else this_month
    if effective.day != 1 or not months_before(ask.now, MONTHS_BACK).date() <= effective <= this_month:
        raise Refused(
            "ValidationException", "EffectiveStart must be the first day of the current month or of one of the last 12."
        )
    rules = wanted["Rules"]
    if not rules or len(rules) > MOST_RULES:
        raise Refused("ValidationException", f"Rules must have between 1 and {MOST_RULES} members.")
    names = {item.name for item in explorer_of(ask).categories.values()}
    for rule in rules:
        _check(ask, rule, names)
    values = {rule["Value"] for rule in rules if "Value" in rule} | {wanted.get("DefaultValue")}
    for split in wanted.get("SplitChargeRules") or []:
        if split["Source"] not in values or not set(split["Targets"]) <= values or split["Source"] in split["Targets"]:
            raise Refused("ValidationException", "Split charge rules must be between different values of the category.")
    return CategoryVersion(
        effective, ask.now, rules, wanted.get("DefaultValue"), list(wanted.get("SplitChargeRules") or [])
    )


def _check(ask: Ask, rule: dict[str, Any], names: set[str]) -> None:
    kind = rule.get("Type", REGULAR)
    if kind == REGULAR and not (rule.get("Value") and rule.get("Rule")):
        raise Refused("ValidationException", "A regular rule must have a value and a rule.")
    if kind == INHERITED and (rule.get("Value") or not rule.get("InheritedValue")):
        raise Refused("ValidationException", "An inherited value rule must have an inherited value and no value.")
    if kind == INHERITED and (rule["InheritedValue"].get("DimensionName") == "TAG") != bool(
        rule["InheritedValue"].get("DimensionKey")
    ):
        raise Refused(
            "ValidationException", "DimensionKey is required for an inherited value of a tag, and only there."
        )
    for root, leaf in _leaves(rule.get("Rule") or {}):
        if root == "Dimensions" and leaf.get("Key") not in RULE_DIMENSIONS:
            raise Refused(
                "ValidationException",
                f"Dimension {leaf.get('Key')} is not allowed. Valid values are {', '.join(RULE_DIMENSIONS)}",
            )
        if root == "CostCategories" and leaf.get("Key") not in names - {ask.params.get("Name")}:
            raise Refused("ValidationException", f"Cost category {leaf.get('Key')} does not exist.")
    if rule.get("Rule"):
        Reader(empty_ledger(), explorer_of(ask), no_category, rules=True).condition(rule["Rule"])


def _leaves(expression: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for root, told in expression.items():
        if root in ("And", "Or"):
            found += [leaf for part in told for leaf in _leaves(part)]
        elif root == "Not":
            found += _leaves(told)
        else:
            found.append((root, told))
    return found


def _status(version: CategoryVersion, now: datetime) -> list[dict[str, str]]:
    done = now >= version.written + PROCESSED_AFTER
    return [{"Component": "COST_EXPLORER", "Status": "APPLIED" if done else "PROCESSING"}]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as wrong:
        raise Refused("ValidationException", f"Invalid date: {text}") from wrong


HANDLERS: dict[str, Handler] = {
    "CreateCostCategoryDefinition": create_cost_category_definition,
    "DescribeCostCategoryDefinition": describe_cost_category_definition,
    "UpdateCostCategoryDefinition": update_cost_category_definition,
    "DeleteCostCategoryDefinition": delete_cost_category_definition,
    "ListCostCategoryDefinitions": list_cost_category_definitions,
}
MUTATING = {"CreateCostCategoryDefinition", "UpdateCostCategoryDefinition", "DeleteCostCategoryDefinition"}
