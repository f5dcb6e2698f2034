"""Usage types of SageMaker at list price: which entry of the price book a bill line's usage type is.

In: the price book, regions and usage types (without the region before them). Out: one row each with the price of a unit, its
uncertainty, and where it is from, or why it is unknown. Usage types: aws-facts section 1.
"""

from __future__ import annotations

import re

import polars as pl

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component, Price, PriceBook

COMPONENTS: dict[str, Component] = {
    "Host": "Hosting",
    "AsyncInf": "AsyncInf",
    "Train": "Training",
    "WarmPool": "Training",
    "Processing": "Processing",
    "Tsform": "BatchTransform",
    "Notebk": "Notebook",
    "Studio:JupyterLab": "studio-jupyterlab",
    "Studio:CodeEditor": "studio-codeeditor",
    "Studio:KernelGateway": "Studio-Notebook",
    "Studio:JupyterServer": "Studio-Notebook",
}
VOLUMES = {
    "Host": "endpoint_storage",
    "AsyncInf": "endpoint_storage",
    "Train": "training_storage",
    "WarmPool": "training_storage",
    "Processing": "processing_storage",
    "Notebk": "notebook_storage",
    "Studio": "notebook_storage",
}
"""Studio's volumes and pools at what the same kind of volume costs elsewhere in SageMaker: the list names them by no other."""
LISTED = {
    "region": pl.String(),
    "usage_type": pl.String(),
    "list_rate": pl.Float64(),
    "list_uncertainty": pl.Float64(),
    "list_basis": pl.String(),
    "why": pl.String(),
}
_MACHINE = re.compile(r"^(\w+(?::[A-Za-z]+)?)[:-](ml\.[\w.-]+)$")
_SERVERLESS = re.compile(r"^ServerlessInf:Mem-(\d+)GB$")


def listed_prices(book: PriceBook, usage: pl.DataFrame) -> pl.DataFrame:
    """`LISTED` rows for ``usage`` [region, usage_type]: a few hundred distinct ones at most."""
    return pl.DataFrame([_row(book, *row) for row in usage.unique().iter_rows()], schema=LISTED, orient="row")


def _row(book: PriceBook, region: str, usage_type: str) -> tuple[str, str, float | None, float | None, str | None, str]:
    try:
        price, units = _price(book, region, usage_type)
    except PriceUnknown as error:
        return region, usage_type, None, None, None, str(error)
    return region, usage_type, price.usd * units, price.uncertainty, price.basis, ""


def _price(book: PriceBook, region: str, usage_type: str) -> tuple[Price, float]:
    """The price, and how many units of it one unit of the usage is."""
    serverless = _SERVERLESS.match(usage_type)
    if serverless:
        return book.unit("serverless_compute", region), float(serverless[1])
    head = usage_type.partition(":")[0]
    if "VolumeUsage" in usage_type and head in VOLUMES:
        return book.unit(VOLUMES[head], region), 1.0
    if "Data-Bytes" in usage_type:
        return book.unit("endpoint_data", region), 1.0
    machine = _MACHINE.match(usage_type)
    if machine and machine[1] in COMPONENTS:
        return book.hourly(machine[2], COMPONENTS[machine[1]], region), 1.0
    raise PriceUnknown(f"The price book has nothing for {usage_type}. Its cost is unknown until it is on the bill.")
