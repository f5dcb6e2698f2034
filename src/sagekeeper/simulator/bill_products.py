"""What the exports say of the product behind a bill line: SKU, names, place, family.

In: the meter's lines (`bill_lines.LINES`). Out: a frame with one row per product (`KEYS`), to be joined back on. There
are a few hundred products in any month, so Python may look at each of them. Region names are those of botocore's
endpoint data, with Europe written as the price list writes it ("EU (Ireland)"). SKU and attributes are those of the
price list (`price_list.py`), so that a bill can be joined with it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import botocore.session
import polars as pl

from sagekeeper.simulator.price_list import Product, services
from sagekeeper.simulator.price_list import products as price_list

KEYS = ("service", "service_code", "product_family", "region", "usage_type", "operation", "instance_type")
TERM_CODE = "JRTCKXETXF"
"""Offer term of on-demand prices in AWS's price list; the same for every product."""
RATE_CODE = "6YS6EN2CT7"
"""Rate code of a price per unit without tiers; the same for every product."""
SCHEMA = {
    **dict.fromkeys(KEYS, pl.String()),
    **dict.fromkeys(
        ("sku", "rate_code", "rate_id", "location", "location_type", "instance_family", "attributes"), pl.String()
    ),
}
FAMILIES = {
    "t": "General purpose",
    "m": "General purpose",
    "c": "Compute optimized",
    "r": "Memory optimized",
    "p": "GPU instance",
    "g": "GPU instance",
    "inf": "Machine Learning ASIC Instances",
    "trn": "Machine Learning ASIC Instances",
}
STARTS = sorted(FAMILIES, key=len, reverse=True)


def products(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per product of ``lines`` that is sold by the unit; taxes, credits and fees have none."""
    sold = lines.filter(pl.col("unit") != "").select(KEYS).unique(maintain_order=True)
    return pl.DataFrame([_product(row) for row in sold.iter_rows(named=True)], schema=SCHEMA, orient="row")


def with_products(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with the columns of their product; null where the line is no product's."""
    found = lines.with_columns(pl.col("unit").ne("").alias("sold")).join(
        products(lines).with_columns(pl.lit(value=True).alias("sold")),
        on=[*KEYS, "sold"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return found.drop("sold")


def region_name(region: str) -> str | None:
    """The region as AWS writes it on a bill; None for what is nowhere."""
    return _regions().get(region)


def _product(row: dict[str, Any]) -> dict[str, Any]:
    listed = _listed().get((row["service_code"], row["region"], row["usage_type"], row["operation"]))
    sku = (listed or _unlisted(row)).sku
    place = region_name(row["region"])
    family = _instance_family(row["instance_type"])
    told = {
        **(listed.attributes if listed else {}),
        "product_name": row["service"],
        "servicename": row["service"],
        "region": row["region"] if place else None,
        "instance_type_family": row["instance_type"] and row["instance_type"].rsplit(".", 1)[0],
    }
    return row | {
        "sku": sku,
        "rate_code": f"{sku}.{TERM_CODE}.{RATE_CODE}",
        "rate_id": str(int(sku, 16) % 10**12),
        "location": place,
        "location_type": "AWS Region" if place else None,
        "instance_family": family,
        "attributes": json.dumps({key: value for key, value in told.items() if value}),
    }


def _instance_family(kind: str | None) -> str | None:
    if kind is None:
        return None
    name = kind.removeprefix("ml.")
    return next((FAMILIES[start] for start in STARTS if name.startswith(start)), None)


def _unlisted(row: dict[str, Any]) -> Product:
    """What the price list does not have: its SKU is made as the list makes its own."""
    return Product(row["service_code"], "", row["region"], row["usage_type"], row["operation"], "", 0.0, "", {})


@lru_cache(maxsize=1)
def _listed() -> dict[tuple[str, str, str, str], Product]:
    return {
        (item.service, item.region, item.usage_type, item.operation): item
        for code in services()
        for item in price_list(code)
    }


@lru_cache(maxsize=1)
def _regions() -> dict[str, str]:
    partition = botocore.session.get_session().get_data("endpoints")["partitions"][0]
    return {code: str(told["description"]).replace("Europe", "EU", 1) for code, told in partition["regions"].items()}
