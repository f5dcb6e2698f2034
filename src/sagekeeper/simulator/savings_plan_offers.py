"""What Savings Plans are on offer, and at which rate each usage is billed under each of them.

In: the price list (`price_list.py`) and the discounts of `commitments.py`. Out: the offerings' half of the `savingsplans`
API, and the rows that `savings_plans.py` gives for a plan once it is bought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from sagekeeper.simulator import price_list
from sagekeeper.simulator.commitments import DISCOUNT, YEAR, Payment, PlanType, covers, offered_rate
from sagekeeper.simulator.operations import Ask, Refused
from sagekeeper.simulator.price_list import Product

AWS_TYPE: dict[PlanType, str] = {"MachineLearning": "SageMaker", "Compute": "Compute"}
PRODUCTS: dict[PlanType, list[str]] = {"MachineLearning": ["SageMaker"], "Compute": ["EC2", "Fargate", "Lambda"]}
COMPUTE = {
    "AmazonEC2": ("EC2", "BoxUsage:"),
    "AmazonECS": ("Fargate", "Fargate-"),
    "AWSLambda": ("Lambda", "Lambda-GB-Second"),
}
"""What a Compute plan covers: service code -> product type, and how its usage types begin."""
RATE_UNITS = {
    "Fargate-GB-Hours": "GB-Hours",
    "Fargate-ARM-GB-Hours": "GB-Hours",
    "Lambda-GB-Second": "Lambda-GB-Second",
}
MOST = 1000


class Offering(NamedTuple):
    """What can be bought."""

    id: str
    type: PlanType
    term_years: int
    payment: Payment

    @property
    def seconds(self) -> int:
        """Its term as the API tells it."""
        return int((YEAR * self.term_years).total_seconds())

    @property
    def description(self) -> str:
        """In AWS's words."""
        return f"{self.term_years} year {self.payment} {AWS_TYPE[self.type]} Savings Plan"


@lru_cache(maxsize=1)
def offerings() -> dict[str, Offering]:
    """Every offering, by its identifier."""
    found = (Offering(identifier("offering", *key), *key) for key in DISCOUNT)
    return {item.id: item for item in found}


def describe_savings_plans_offerings(ask: Ask) -> dict[str, Any]:
    """What can be bought, filtered."""
    wanted = ask.params
    found: list[dict[str, Any]] = [
        {
            "offeringId": item.id,
            "productTypes": PRODUCTS[item.type],
            "planType": AWS_TYPE[item.type],
            "description": item.description,
            "paymentOption": item.payment,
            "durationSeconds": item.seconds,
            "currency": "USD",
            "serviceCode": "SageMakerSavingsPlans" if item.type == "MachineLearning" else "ComputeSavingsPlans",
            "usageType": f"{AWS_TYPE[item.type]}SP:{item.term_years}yr{item.payment.replace(' ', '')}",
            "operation": "",
            "properties": [],
        }
        for item in offerings().values()
        if _chosen(wanted, item, plan_types="planTypes", payments="paymentOptions", ids="offeringIds")
    ]
    for key, member in (
        ("durations", "durationSeconds"),
        ("currencies", "currency"),
        ("descriptions", "description"),
        ("serviceCodes", "serviceCode"),
        ("usageTypes", "usageType"),
        ("operations", "operation"),
    ):
        if wanted.get(key):
            found = [item for item in found if item[member] in wanted[key]]
    if wanted.get("productType"):
        found = [item for item in found if wanted["productType"] in item["productTypes"]]
    # Offers bound to a region or family are those of EC2 Instance plans: none here.
    found = [] if wanted.get("filters") else found
    part, more = page_of(found, wanted)
    return {"searchResults": part} | more


def describe_savings_plans_offering_rates(ask: Ask) -> dict[str, Any]:
    """What each usage costs under each offering."""
    wanted = ask.params
    chosen = [
        item
        for item in offerings().values()
        if _chosen(
            wanted,
            item,
            plan_types="savingsPlanTypes",
            payments="savingsPlanPaymentOptions",
            ids="savingsPlanOfferingIds",
        )
    ]
    rows = (
        {
            "savingsPlanOffering": {
                "offeringId": item.id,
                "paymentOption": item.payment,
                "planType": AWS_TYPE[item.type],
                "durationSeconds": item.seconds,
                "currency": "USD",
                "planDescription": item.description,
            }
        }
        | rate_row(product, offered_rate(item.type, item.term_years, item.payment, product.usd))
        for item in chosen
        for product in covered(item.type)
        if _is_wanted(product, wanted)
    )
    part, more = page_of(rows, wanted)
    return {"searchResults": part} | more


def _chosen(wanted: dict[str, Any], item: Offering, *, plan_types: str, payments: str, ids: str) -> bool:
    given = ((plan_types, AWS_TYPE[item.type]), (payments, item.payment), (ids, item.id))
    return all(value in wanted[key] for key, value in given if wanted.get(key))


def covered(kind: PlanType) -> Iterator[Product]:
    """The products that plans of a type cover."""
    if kind == "MachineLearning":
        return (item for item in price_list.products("AmazonSageMaker") if covers(kind, item.usage_type))
    return (
        item
        for code, (_, begins) in COMPUTE.items()
        for item in price_list.products(code)
        if item.usage_type.startswith(begins)
    )


def _is_wanted(product: Product, wanted: dict[str, Any]) -> bool:
    given = (("products", type_of(product)), ("serviceCodes", product.service), ("usageTypes", product.usage_type))
    if not all(value in wanted[key] for key, value in given if wanted.get(key)):
        return False
    if wanted.get("operations") and product.operation not in wanted["operations"]:
        return False
    return all(property_of(product, item["name"]) in item["values"] for item in wanted.get("filters", []))


def property_of(product: Product, name: str) -> str:
    """A product's value for one of the API's filters."""
    kind = instance_of(product)
    return {
        "region": product.region,
        "instanceType": kind,
        "instanceFamily": kind.removeprefix("ml.").partition(".")[0],
        "productType": type_of(product),
        "serviceCode": product.service,
        "usageType": product.usage_type,
        "operation": product.operation,
    }.get(name, "")


def type_of(product: Product) -> str:
    """The API's product type."""
    return COMPUTE.get(product.service, ("SageMaker", ""))[0]


def instance_of(product: Product) -> str:
    """The instance type; "" of what is none."""
    return product.attributes.get("instanceName") or product.attributes.get("instanceType", "")


def rate_row(product: Product, usd: float) -> dict[str, Any]:
    """A product and what it costs under a plan."""
    return {
        "rate": f"{usd:g}",
        "unit": RATE_UNITS.get(product.usage_type, RATE_UNITS.get(product.unit, "Hrs")),
        "productType": type_of(product),
        "serviceCode": product.service,
        "usageType": product.usage_type,
        "operation": product.operation,
        "properties": [
            {"name": "region", "value": product.region},
            *([{"name": "instanceType", "value": instance_of(product)}] if instance_of(product) else []),
        ],
    }


def page_of(found: Iterable[dict[str, Any]], wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """One page, and the token of the next."""
    token, size = wanted.get("nextToken", "0"), wanted.get("maxResults") or MOST
    if not token.isdigit():
        raise Refused("ValidationException", "The nextToken is not valid.")
    start = int(token)
    part = list(islice(found, start, start + size + 1))
    return part[:size], {"nextToken": str(start + size)} if len(part) > size else {}


def identifier(*told: object) -> str:
    """A UUID of the form that AWS's patterns ask for, the same every time."""
    digest = hashlib.sha256(repr(told).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
