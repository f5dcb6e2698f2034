"""AWS's own price list: what an instance-hour, a gigabyte-month, a serverless second costs on demand, as published when?

In: the Price List API (GetProducts of AmazonSageMaker) for each watched region, one component at a time, once a day. Out:
`prices` rows under the date of publication, so that a list that was not published anew changes no row. aws-facts 5.1 names
the traps, and each is a rule here: only rows with a component and the unit Hrs are hours (a training plan's upfront fee
is neither, a HyperPod cluster is another component), components are matched whatever their spelling, and where SKUs of one
thing name different prices there is no price: the row has none, and says why.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple, get_args

import polars as pl

from sagekeeper.collector.source import Source, Task, aws_errors
from sagekeeper.core.clock import day_start
from sagekeeper.core.lake import Scope
from sagekeeper.core.prices import LISTED_SOURCE, REFUSED, Component
from sagekeeper.core.tables import PRICES

SERVICE = "AmazonSageMaker"
MOST_PAGES = 60
"""Of one question, 100 products each: several times what a component has in a region. Beyond it something is wrong."""
UNITS = {
    "Host:VolumeUsage.gp2": "endpoint_storage",
    "Train:VolumeUsage.gp2": "training_storage",
    "Notebk:VolumeUsage.gp2": "notebook_storage",
    "Processing:VolumeUsage.gp2": "processing_storage",
    "Host:Data-Bytes-Out": "endpoint_data",
}
"""Usage types, without their region, whose price is kept under the name that the price book has for it."""
SERVERLESS = re.compile(r"ServerlessInf:Mem-(\d+)GB")
"""Priced by the second and memory size: kept by the gigabyte-second."""
PREFIX = re.compile(r"^[A-Z]{2,4}\d?-")
NOT_ON_DEMAND = ("TrainingPlan", "Reserved")
"""Words of usage types that are paid another way, whatever component and unit they may carry."""


class Offer(NamedTuple):
    """One price of one SKU."""

    sku: str
    unit: str
    usd: float
    aws_sku: str
    published_on: date


def collect(task: Task) -> int:
    """Read the list of every watched region, if it was not read today."""
    upto = task.read_upto()
    if upto is not None and upto.date() >= task.as_of.date():
        return 0
    rows: list[dict[str, Any]] = []
    client = task.client("pricing")
    with aws_errors("The Price List API"):
        spelled = _spellings(client)
        absent = sorted(set(get_args(Component)) - set(spelled.values()))
        if absent:
            task.note(f"The price list has no component {', '.join(absent)}: its hours have no listed price.")
        for number, region in enumerate(task.settings.aws.regions):
            task.progress(region, number / len(task.settings.aws.regions))
            rows += price_rows(_offers(task, client, region, spelled), region)
    frame = pl.DataFrame(rows, schema=PRICES.columns)
    for (published, region), part in frame.group_by("effective_on", "region", maintain_order=True):
        assert isinstance(published, date)
        task.replace(PRICES, part, Scope({"effective_on": published, "region": str(region)}))
    refused = frame.filter(pl.col("unit_price").is_null())
    if refused.height:
        named = ", ".join(refused["sku"].head(5)) + (" ..." if refused.height > 5 else "")
        task.note(f"{refused.height} listed prices were refused because SKUs of one thing differ: {named}.")
    task.has_read_upto(day_start(task.as_of.date()))
    return frame.height


def price_rows(offers: Iterable[Offer], region: str) -> list[dict[str, Any]]:
    """`PRICES` rows: one per thing, without a price where its SKUs do not agree on a positive one."""
    found: dict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        found[offer.sku].append(offer)
    rows = []
    for sku, same in sorted(found.items()):
        prices = sorted({offer.usd for offer in same})
        agreed = len(prices) == 1 and prices[0] > 0
        named = ", ".join(sorted({offer.aws_sku for offer in same}))
        told = " and ".join(f"{usd:g}" for usd in prices)
        rows.append(
            {
                "sku": sku,
                "region": region,
                "effective_on": max(offer.published_on for offer in same),
                "unit_price": prices[0] if agreed else None,
                "unit": same[0].unit,
                "currency": "USD",
                "quality": "list" if agreed else REFUSED,
                "source": f"{LISTED_SOURCE} {named}" + ("" if agreed else f": they cost {told} USD"),
            }
        )
    return rows


def offers_of(document: dict[str, Any], spelled: dict[str, Component]) -> Iterator[Offer]:
    """The prices of one element of the list that are for something we know how to use."""
    product = document["product"]
    attributes = product.get("attributes", {})
    usage = PREFIX.sub("", attributes.get("usagetype", ""))
    if any(word in usage for word in NOT_ON_DEMAND):
        return
    published = date.fromisoformat(document["publicationDate"][:10])
    component, instance = spelled.get(attributes.get("component", "")), attributes.get("instanceName", "")
    serverless = SERVERLESS.fullmatch(usage)
    for term in document.get("terms", {}).get("OnDemand", {}).values():
        for rate in term["priceDimensions"].values():
            if "USD" not in rate["pricePerUnit"]:
                continue
            usd, unit = float(rate["pricePerUnit"]["USD"]), rate["unit"]
            if component is not None and instance.startswith("ml.") and unit == "Hrs":
                yield Offer(f"{instance}/{component}", unit, usd, product["sku"], published)
            elif serverless and unit.lower().startswith("second"):
                per_gigabyte = round(usd / int(serverless[1]), 12)
                yield Offer("serverless_compute", "GB-s", per_gigabyte, product["sku"], published)
            elif usage in UNITS:
                yield Offer(UNITS[usage], unit, usd, product["sku"], published)


def _spellings(client: Any) -> dict[str, Component]:
    """AWS's spelling of each component that the price book has: ``Studio-Notebook``, ``studio-jupyterlab`` ..."""
    ours = {_letters(name): name for name in get_args(Component)}
    request: dict[str, Any] = {"ServiceCode": SERVICE, "AttributeName": "component"}
    found: dict[str, Component] = {}
    while True:
        answer = client.get_attribute_values(**request)
        values = [item["Value"] for item in answer["AttributeValues"]]
        found |= {value: ours[_letters(value)] for value in values if _letters(value) in ours}
        if not answer.get("NextToken"):
            return found
        request["NextToken"] = answer["NextToken"]


def _offers(task: Task, client: Any, region: str, spelled: dict[str, Component]) -> Iterator[Offer]:
    questions = [("TERM_MATCH", "component", value) for value in spelled]
    questions += [
        ("CONTAINS", "usagetype", word) for word in ("VolumeUsage.gp2", "Data-Bytes-Out", "ServerlessInf:Mem")
    ]
    for how, field, value in questions:
        wanted = [
            {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
            {"Type": how, "Field": field, "Value": value},
        ]
        for document in _products(task, client, wanted):
            # A volume may carry the component of the job that it is for: it belongs to the question about volumes alone.
            instance = document["product"].get("attributes", {}).get("instanceName")
            if bool(instance) == (field == "component"):
                yield from offers_of(document, spelled)


def _products(task: Task, client: Any, wanted: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {"ServiceCode": SERVICE, "Filters": wanted, "MaxResults": 100}
    for _ in range(MOST_PAGES):
        answer = client.get_products(**request)
        yield from (json.loads(text) for text in answer["PriceList"])
        if not answer.get("NextToken"):
            return
        request["NextToken"] = answer["NextToken"]
    task.note(
        f"The price list for {wanted[1]['Value']} in {wanted[0]['Value']} has more than {MOST_PAGES} pages: cut off."
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


PRICE_LIST = Source(
    name="price_list",
    description="AWS's published prices for SageMaker in the watched regions",
    per="payer",
    permissions=("pricing:GetAttributeValues", "pricing:GetProducts"),
    collect=collect,
)
