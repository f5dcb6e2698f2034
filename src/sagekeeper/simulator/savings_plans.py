"""Savings Plans: what is offered at which rate, what was bought, and buying, queueing, deleting and returning plans.

In: the price list (`price_list.py`) and the plans of the account (`commitments.py`). Out: the `savingsplans` API. A plan
bought for later is queued until then; a plan of at most 100 dollars an hour may be returned within seven days, in the
month it was bought in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sagekeeper.simulator.commitments import PENDING, SavingsPlan, plan_rate
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.savings_plan_offers import (
    AWS_TYPE,
    PRODUCTS,
    covered,
    describe_savings_plans_offering_rates,
    describe_savings_plans_offerings,
    identifier,
    offerings,
    page_of,
    property_of,
    rate_row,
)

HOME = "us-east-1"
RETURNABLE = timedelta(days=7)
RETURNABLE_USD_PER_HOUR = 100.0


def create_savings_plan(ask: Ask) -> dict[str, Any]:
    """Commit, now or at a later moment."""
    wanted = ask.params
    offering = offerings().get(wanted["savingsPlanOfferingId"])
    if offering is None:
        raise Refused("ResourceNotFoundException", "The savings plan offering was not found.")
    bought = wanted.get("purchaseTime") or ask.now
    if bought < ask.now - timedelta(minutes=5):
        raise Refused("ValidationException", "The purchase time must be in the future.")
    commitment = _commitment(wanted["commitment"])
    plans = _plans(ask)
    token = wanted.get("clientToken")
    named = identifier("plan", ask.account, token or f"{ask.now.isoformat()}/{len(plans)}")
    if token and named in plans:
        return {"savingsPlanId": named}
    plan = SavingsPlan(
        f"arn:aws:savingsplans::{ask.account}:savingsplan/{named}",
        offering.type,
        commitment,
        max(bought, ask.now).replace(microsecond=0),
        offering.term_years,
        offering.payment,
        0.0,
        offering.id,
        ask.now,
        None,
        dict(wanted.get("tags", {})),
    )
    plan.upfront = _upfront(plan, wanted.get("upfrontPaymentAmount"))
    plans[named] = plan
    _bill_anew(ask)
    return {"savingsPlanId": named}


def delete_queued_savings_plan(ask: Ask) -> dict[str, Any]:
    """Take back what is queued."""
    plan = _plan(ask)
    if _state(plan, ask.now) != "queued":
        raise Refused("ValidationException", "The savings plan is not queued.")
    plan.cancelled = ask.now
    _bill_anew(ask)
    return {}


def return_savings_plan(ask: Ask) -> dict[str, Any]:
    """Give back a plan that was just bought."""
    plan = _plan(ask)
    if _state(plan, ask.now) != "active":
        raise Refused("ValidationException", "Only active Savings Plans can be returned.")
    if plan.commitment_per_hour > RETURNABLE_USD_PER_HOUR or ask.now >= _returnable_until(plan):
        raise Refused("ValidationException", "The Savings Plan is not eligible for return.")
    plan.cancelled = ask.now
    _bill_anew(ask)
    return {"savingsPlanId": ask.params["savingsPlanId"]}


def describe_savings_plans(ask: Ask) -> dict[str, Any]:
    """What was bought."""
    wanted = ask.params
    found = [_described(plan, ask.now) for plan in _plans(ask).values()]
    for key, member in (
        ("savingsPlanArns", "savingsPlanArn"),
        ("savingsPlanIds", "savingsPlanId"),
        ("states", "state"),
    ):
        if wanted.get(key):
            found = [item for item in found if item[member] in wanted[key]]
    for item in wanted.get("filters", []):
        found = [plan for plan in found if _value(plan, item["name"]) in item["values"]]
    part, more = page_of(found, wanted)
    return {"savingsPlans": part} | more


def describe_savings_plan_rates(ask: Ask) -> dict[str, Any]:
    """What usage costs under a plan of one's own."""
    plan, wanted = _plan(ask), ask.params
    asked = {item["name"]: item["values"] for item in wanted.get("filters", [])}
    rows = (
        rate_row(product, plan_rate(plan, product.usd)) | {"currency": "USD"}
        for product in covered(plan.type)
        if all(property_of(product, name) in values for name, values in asked.items())
    )
    part, more = page_of(rows, wanted)
    return {"savingsPlanId": wanted["savingsPlanId"], "searchResults": part} | more


def list_tags_for_resource(ask: Ask) -> dict[str, Any]:
    """A plan's tags."""
    return {"tags": dict(_by_arn(ask).tags)}


def tag_resource(ask: Ask) -> dict[str, Any]:
    """Tag a plan."""
    _by_arn(ask).tags.update(ask.params["tags"])
    return {}


def untag_resource(ask: Ask) -> dict[str, Any]:
    """Take tags off a plan."""
    plan = _by_arn(ask)
    plan.tags = {key: value for key, value in plan.tags.items() if key not in ask.params["tagKeys"]}
    return {}


def _plans(ask: Ask) -> dict[str, SavingsPlan]:
    return ask.house.world.at(ask.account, HOME).savings_plans


def _plan(ask: Ask) -> SavingsPlan:
    found = _plans(ask).get(ask.params["savingsPlanId"])
    if found is None:
        raise Refused("ResourceNotFoundException", "The savings plan was not found.")
    return found


def _by_arn(ask: Ask) -> SavingsPlan:
    found = [plan for plan in _plans(ask).values() if plan.arn == ask.params["resourceArn"]]
    if not found:
        raise Refused("ResourceNotFoundException", "The savings plan was not found.")
    return found[0]


def _bill_anew(ask: Ask) -> None:
    """A plan holds for usage in all accounts and regions: what was kept of their bills is stale."""
    for here in ask.house.world.standing.values():
        here.version += 1


def _commitment(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d{1,3})?", text) or float(text) < 0.001:
        raise Refused("ValidationException", "The commitment must be at least 0.001, with three decimals at most.")
    return float(text)


def _upfront(plan: SavingsPlan, given: str | None) -> float:
    if given is not None and plan.payment_option != "Partial Upfront":
        raise Refused("ValidationException", "An upfront payment amount goes with the Partial Upfront option only.")
    if plan.payment_option == "All Upfront":
        return plan.total
    if plan.payment_option == "No Upfront":
        return 0.0
    asked = plan.total / 2 if given is None else float(given)
    if not plan.total * 0.5 - 0.01 <= asked <= plan.total * 0.99:
        raise Refused("ValidationException", "The upfront payment must be 50 to 99 percent of the plan's total value.")
    return asked


def _state(plan: SavingsPlan, now: datetime) -> str:
    if plan.cancelled is not None:
        return "queued-deleted" if plan.cancelled < plan.start else "returned"
    if now < plan.start:
        return "queued"
    if now >= plan.end:
        return "retired"
    return "payment-pending" if now < plan.start + PENDING and plan.bought is not None else "active"


def _described(plan: SavingsPlan, now: datetime) -> dict[str, Any]:
    kind = AWS_TYPE[plan.type]
    returnable = plan.cancelled is None and plan.commitment_per_hour <= RETURNABLE_USD_PER_HOUR
    return {
        "offeringId": plan.offering_id or identifier("offering", plan.type, plan.term_years, plan.payment_option),
        "savingsPlanId": plan.arn.rpartition("/")[2],
        "savingsPlanArn": plan.arn,
        "description": f"{plan.term_years} year {plan.payment_option} {kind} Savings Plan",
        "start": _iso(plan.start),
        "end": _iso(plan.end - timedelta(seconds=1)),
        "state": _state(plan, now),
        "savingsPlanType": kind,
        "paymentOption": plan.payment_option,
        "productTypes": PRODUCTS[plan.type],
        "currency": "USD",
        "commitment": f"{plan.commitment_per_hour:.3f}",
        "upfrontPaymentAmount": f"{plan.upfront:.2f}",
        "recurringPaymentAmount": f"{plan.recurring_per_hour:.9f}",
        "termDurationInSeconds": int((plan.end - plan.start).total_seconds()),
        "tags": dict(plan.tags),
    } | ({"returnableUntil": _iso(_returnable_until(plan))} if returnable else {})


def _returnable_until(plan: SavingsPlan) -> datetime:
    month_ends = (plan.start.replace(day=28) + timedelta(days=4)).replace(day=1, hour=0, minute=0, second=0)
    return min(plan.start + RETURNABLE, month_ends)


def _value(plan: dict[str, Any], name: str) -> str:
    """A plan's value for one of the filters of DescribeSavingsPlans."""
    member = {
        "commitment": "commitment",
        "upfront": "upfrontPaymentAmount",
        "term": "termDurationInSeconds",
        "savings-plan-type": "savingsPlanType",
        "payment-option": "paymentOption",
        "start": "start",
        "end": "end",
    }.get(name)
    return str(plan[member]) if member else ""


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


HANDLERS: dict[str, Handler] = {
    "DescribeSavingsPlansOfferings": describe_savings_plans_offerings,
    "DescribeSavingsPlansOfferingRates": describe_savings_plans_offering_rates,
    "CreateSavingsPlan": create_savings_plan,
    "DeleteQueuedSavingsPlan": delete_queued_savings_plan,
    "ReturnSavingsPlan": return_savings_plan,
    "DescribeSavingsPlans": describe_savings_plans,
    "DescribeSavingsPlanRates": describe_savings_plan_rates,
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
MUTATING = {
    "CreateSavingsPlan",
    "DeleteQueuedSavingsPlan",
    "ReturnSavingsPlan",
    "TagResource",
    "UntagResource",
}
