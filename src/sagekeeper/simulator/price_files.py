"""The price list's files, which anyone may read without credentials: AWS's bulk offers, under the account's address.

In: a path such as ``/offers/v1.0/aws/AmazonSageMaker/current/us-east-1/index.json`` (or ``.csv``; a version's number in
place of ``current``). Out: the file, None for a path that is none of these. In the CSV most instance rows leave Instance
Type empty: the usage type tells it (aws-facts section 5.1).
"""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from typing import Any

from sagekeeper.simulator import price_list
from sagekeeper.simulator.own_service import Answer
from sagekeeper.simulator.price_list import PUBLISHED, REGIONS, VERSION, Product
from sagekeeper.simulator.pricing_api import ON_DEMAND, PER_UNIT, attributes_of, term_of

ROOT = "/offers/v1.0/aws/"
DATE = PUBLISHED.strftime("%Y-%m-%dT%H:%M:%SZ")
COLUMNS = (
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "Product Family",
    "serviceCode",
    "Location",
    "Location Type",
    "Instance Type",
    "usageType",
    "operation",
    "Region Code",
    "Component",
)


def price_file(path: str) -> Answer | None:
    """The file of a path, 404 for one that there could be, None for all other paths."""
    if not path.startswith(ROOT):
        return None
    parts = path.removeprefix(ROOT).split("/")
    if parts == ["index.json"]:
        return _json({"formatVersion": "v1.0", "publicationDate": DATE, "offers": _offers()})
    if len(parts) == 3 and parts[1:] == ["current", "region_index.json"] and parts[0] in price_list.services():
        return _json({"formatVersion": "v1.0", "publicationDate": DATE, "regions": _regions(parts[0])})
    if len(parts) != 4 or parts[0] not in price_list.services() or parts[1] not in ("current", VERSION):
        return _nothing()
    made = {"index.json": _as_json, "index.csv": _as_csv}.get(parts[3])
    return made(parts[0], parts[2]) if made and parts[2] in REGIONS else _nothing()


def _offers() -> dict[str, Any]:
    return {
        code: {
            "offerCode": code,
            "currentVersionUrl": f"{ROOT}{code}/current/index.json",
            "currentRegionIndexUrl": f"{ROOT}{code}/current/region_index.json",
        }
        for code in price_list.services()
    }


def _regions(code: str) -> dict[str, Any]:
    return {
        region: {"regionCode": region, "currentVersionUrl": f"{ROOT}{code}/{VERSION}/{region}/index.json"}
        for region in REGIONS
    }


@lru_cache(maxsize=8)
def _as_json(code: str, region: str) -> Answer:
    there = _there(code, region)
    return _json(
        {
            "formatVersion": "v1.0",
            "offerCode": code,
            "version": VERSION,
            "publicationDate": DATE,
            "products": {
                item.sku: {"sku": item.sku, "productFamily": item.family, "attributes": attributes_of(item)}
                for item in there
            },
            "terms": {"OnDemand": {item.sku: {f"{item.sku}.{ON_DEMAND}": term_of(item)} for item in there}},
        }
    )


@lru_cache(maxsize=8)
def _as_csv(code: str, region: str) -> Answer:
    text = io.StringIO()
    for line in (
        ("FormatVersion", "v1.0"),
        ("Disclaimer", "The prices of a simulated account"),
        ("Publication Date", DATE),
        ("Version", VERSION),
        ("OfferCode", code),
        COLUMNS,
        *(_row(item) for item in _there(code, region)),
    ):
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(line)
    return Answer(200, {"Content-Type": "text/csv"}, text.getvalue().encode())


def _row(item: Product) -> tuple[str, ...]:
    has = attributes_of(item)
    return (
        item.sku,
        ON_DEMAND,
        f"{item.sku}.{ON_DEMAND}.{PER_UNIT}",
        "OnDemand",
        item.description,
        PUBLISHED.date().isoformat(),
        "0",
        "Inf",
        item.unit,
        f"{item.usd:.10f}",
        "USD",
        item.family,
        item.service,
        has["location"],
        has["locationType"],
        "",
        item.usage_type,
        item.operation,
        item.region,
        has.get("component", ""),
    )


def _there(code: str, region: str) -> list[Product]:
    return [item for item in price_list.products(code) if item.region == region]


def _json(found: dict[str, Any]) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(found).encode())


def _nothing() -> Answer:
    return Answer(404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>")
