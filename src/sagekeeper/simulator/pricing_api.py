"""The Price List API over the simulated account's price list: products by filter, attributes, dated list files.

In: `price_list.py`. Out: `pricing`'s answers in AWS's shapes: each element of ``PriceList`` is a JSON text. The files
that GetPriceListFileUrl names are served by `price_files.py` under the account's own address.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from sagekeeper.simulator import price_list
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.price_list import PUBLISHED, REGIONS, VERSION, Product

FORMAT = "aws_v1"
MOST = 100
MOST_VALUES = 10_000
ON_DEMAND, PER_UNIT = "JRTCKXETXF", "6YS6EN2CT7"
"""Codes of the term and of the rate that AWS gives everything sold on demand."""
LIST_ARN = "arn:aws:pricing:::price-list/aws/{service}/{currency}/{version}/{region}"
FILE_FORMATS = ("json", "csv")


def describe_services(ask: Ask) -> dict[str, Any]:
    """Every service of the list, or one, with the attributes its products have."""
    wanted = ask.params.get("ServiceCode")
    codes = [_known(wanted)] if wanted else price_list.services()
    part, more = _page(ask, codes, MOST)
    found = [{"ServiceCode": code, "AttributeNames": sorted(_attribute_names(code))} for code in part]
    return {"Services": found, "FormatVersion": _format(ask)} | more


def get_attribute_values(ask: Ask) -> dict[str, Any]:
    """All values of one attribute."""
    code, name = _known(ask.params["ServiceCode"]), ask.params["AttributeName"]
    if name not in _attribute_names(code):
        raise Refused("NotFoundException", f"Attribute {name} was not found for service {code}.")
    values = sorted({attributes_of(item)[name] for item in price_list.products(code) if name in attributes_of(item)})
    part, more = _page(ask, values, MOST_VALUES)
    return {"AttributeValues": [{"Value": value} for value in part]} | more


def get_products(ask: Ask) -> dict[str, Any]:
    """The products that pass every filter."""
    code = _known(ask.params["ServiceCode"])
    version = _format(ask)
    filters = ask.params.get("Filters", [])
    found = [item for item in price_list.products(code) if all(_passes(item, one) for one in filters)]
    part, more = _page(ask, found, MOST)
    return {"FormatVersion": version, "PriceList": [json.dumps(document(item)) for item in part]} | more


def list_price_lists(ask: Ask) -> dict[str, Any]:
    """The list in force on a date, per region."""
    wanted = ask.params
    code = _known(wanted["ServiceCode"])
    if wanted["CurrencyCode"] != "USD":
        raise Refused("InvalidParameterException", f"The currency {wanted['CurrencyCode']} is not supported.")
    if wanted.get("RegionCode") and wanted["RegionCode"] not in REGIONS:
        raise Refused("ResourceNotFoundException", f"No price list was found for region {wanted['RegionCode']}.")
    day: datetime = wanted["EffectiveDate"]
    if day > ask.now + timedelta(days=1) or day < PUBLISHED:
        raise Refused("ResourceNotFoundException", "No price list is in effect on that date.")
    found = [
        {
            "PriceListArn": LIST_ARN.format(service=code, currency="USD", version=VERSION, region=region),
            "RegionCode": region,
            "CurrencyCode": "USD",
            "FileFormats": list(FILE_FORMATS),
        }
        for region in REGIONS
        if wanted.get("RegionCode") in (None, region)
    ]
    part, more = _page(ask, found, MOST)
    return {"PriceLists": part} | more


def get_price_list_file_url(ask: Ask) -> dict[str, Any]:
    """Where the file is: under the address that the client asked."""
    parts, form = ask.params["PriceListArn"].split("/"), ask.params["FileFormat"]
    if form.lower() not in FILE_FORMATS:
        raise Refused("InvalidParameterException", f"The file format {form} is not supported.")
    known = len(parts) == 6 and parts[2] in price_list.services() and parts[4] == VERSION and parts[5] in REGIONS
    if not known:
        raise Refused("ResourceNotFoundException", "The price list was not found.")
    return {"Url": f"{ask.address}/offers/v1.0/aws/{parts[2]}/{parts[4]}/{parts[5]}/index.{form.lower()}"}


def attributes_of(item: Product) -> dict[str, str]:
    """A product's attributes, as every element of the list has them."""
    return item.attributes | {
        "regionCode": item.region,
        "location": REGIONS[item.region][1],
        "locationType": "AWS Region",
        "usagetype": item.usage_type,
        "operation": item.operation,
    }


def document(item: Product) -> dict[str, Any]:
    """A product with its terms."""
    return {
        "product": {"productFamily": item.family, "attributes": attributes_of(item), "sku": item.sku},
        "serviceCode": item.service,
        "terms": {"OnDemand": {f"{item.sku}.{ON_DEMAND}": term_of(item)}},
        "version": VERSION,
        "publicationDate": PUBLISHED.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def term_of(item: Product) -> dict[str, Any]:
    """What it costs on demand: one price, however much is used."""
    rate = f"{item.sku}.{ON_DEMAND}.{PER_UNIT}"
    return {
        "priceDimensions": {
            rate: {
                "unit": item.unit,
                "endRange": "Inf",
                "description": item.description,
                "appliesTo": [],
                "rateCode": rate,
                "beginRange": "0",
                "pricePerUnit": {"USD": f"{item.usd:.10f}"},
            }
        },
        "sku": item.sku,
        "effectiveDate": PUBLISHED.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "offerTermCode": ON_DEMAND,
        "termAttributes": {},
    }


def _known(code: str) -> str:
    if code not in price_list.services():
        raise Refused("NotFoundException", f"The service code {code} was not found.")
    return code


def _format(ask: Ask) -> str:
    asked = ask.params.get("FormatVersion", FORMAT)
    if asked != FORMAT:
        raise Refused("InvalidParameterException", f"The format version {asked} is not supported.")
    return FORMAT


def _attribute_names(code: str) -> set[str]:
    return {name for item in price_list.products(code) for name in attributes_of(item)} | {"productFamily"}


def _passes(item: Product, one: dict[str, str]) -> bool:
    name, wish = one["Field"], one["Value"]
    has = {"productFamily": item.family, "ServiceCode": item.service, "sku": item.sku}.get(name)
    has = attributes_of(item).get(name) if has is None else has
    if one["Type"] == "NONE_OF":
        return has not in wish.split(",")
    if has is None:
        return False
    if one["Type"] == "CONTAINS":
        return wish.lower() in has.lower()
    return has in wish.split(",") if one["Type"] == "ANY_OF" else has == wish


def _page(ask: Ask, found: list[Any], most: int) -> tuple[list[Any], dict[str, str]]:
    """Tokens are good for the query that they came from only."""
    query = {key: value for key, value in ask.params.items() if key not in ("NextToken", "MaxResults")}
    mark = hashlib.sha256(repr(sorted(query.items(), key=str)).encode()).hexdigest()[:12]
    token, size = ask.params.get("NextToken", f"{mark}:0"), ask.params.get("MaxResults", most)
    of, _, start = token.partition(":")
    if of != mark or not start.isdigit():
        raise Refused("InvalidNextTokenException", "The NextToken is invalid.")
    begin = int(start)
    return found[begin : begin + size], {"NextToken": f"{mark}:{begin + size}"} if begin + size < len(found) else {}


HANDLERS: dict[str, Handler] = {
    "DescribeServices": describe_services,
    "GetAttributeValues": get_attribute_values,
    "GetProducts": get_products,
    "ListPriceLists": list_price_lists,
    "GetPriceListFileUrl": get_price_list_file_url,
}
