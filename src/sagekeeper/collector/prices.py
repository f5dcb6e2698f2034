"""The price book as a table: which price was used, from where, and when?

In: the price book that ships with Sagekeeper. Out: one `prices` row per instance type, component and watched region
that has a price, and per other unit. A price that is not known has no row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import polars as pl

from sagekeeper.collector.source import Source, Task
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.lake import Scope
from sagekeeper.core.prices import Component, InstanceSpec, Price, PriceBook
from sagekeeper.core.tables import PRICES

OTHER_UNITS = (
    "endpoint_storage",
    "training_storage",
    "notebook_storage",
    "processing_storage",
    "endpoint_data",
    "serverless_compute",
)


def collect(task: Task) -> int:
    """Write the whole table."""
    rows = [
        {
            "sku": price.sku,
            "region": price.region,
            "effective_on": price.as_of,
            "unit_price": price.usd,
            "unit": price.unit,
            "currency": "USD",
            "quality": price.quality,
            "source": price.source,
        }
        for region in task.settings.aws.regions
        for price in _prices(region)
    ]
    frame = pl.DataFrame(rows, schema=PRICES.columns)
    task.replace(PRICES, frame, Scope())
    return frame.height


def _prices(region: str) -> Iterator[Price]:
    book = PriceBook.bundled()
    for spec in book.specs():
        for component in get_args(Component):
            if _offered(spec, component):
                try:
                    yield book.hourly(spec.instance_type, component, region)
                except PriceUnknown:
                    continue
    for item in OTHER_UNITS:
        try:
            yield book.unit(item, region)
        except PriceUnknown:
            continue


def _offered(spec: InstanceSpec, component: Component) -> bool:
    if component in ("Hosting", "AsyncInf"):
        return spec.hosting
    if component == "Training":
        return spec.training
    return spec.processing if component == "Processing" else spec.training or spec.hosting


PRICE_TABLE = Source(
    name="prices",
    description="the bundled price book, as a table",
    per="payer",
    permissions=(),
    collect=collect,
)
