"""The price book: what an hour, a gigabyte-month or a request costs at list price, where that is from and as of when.

What AWS's Price List said when it was last read (`PRICES` rows, `collector/price_list.py`) goes before the bundled fallback:
us-east-1, USD, Linux, on demand. Each price says how good it is: ``list`` (read from AWS's Price List or an AWS price table),
``published`` (agreeing third-party tables) or ``estimated`` (EC2's price times the ratio observed for the family; another
region by its observed ratio), and whether it is bundled: a bundled price may be out of date, and a saving that rests on it
has a wider range. A price that is not known, or that the list names in two ways, raises PriceUnknown: the amount is
unknown, never zero.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import polars as pl

from sagekeeper.core.errors import PriceUnknown

Component = Literal[
    "Hosting",
    "AsyncInf",
    "Training",
    "Processing",
    "BatchTransform",
    "Notebook",
    "Studio-Notebook",
    "studio-jupyterlab",
    "studio-codeeditor",
]
"""AWS's own names in the price list, in the spelling of aws-facts 5.1."""
Quality = Literal["list", "published", "estimated"]

REGION_RATIO = {"us-east-1": 1.0, "us-east-2": 1.0, "us-west-2": 1.0, "eu-west-1": 1.117}
"""A region's ml.* price over that of us-east-1. eu-west-1: 0.257 / 0.230 for ml.m5.xlarge on the bill that AWS published
for December 2023 (aws-facts section 1); the American regions share one price. Others are not known here."""

UNCERTAINTY: dict[Quality, float] = {"list": 0.0, "published": 0.05, "estimated": 0.12}
"""Relative error to allow for. Estimated: largest deviation of the family ratio from the known prices of that family."""
BUNDLED_UNCERTAINTY = 0.03
"""Relative error to allow for at least when a price is a bundled one: AWS may have changed it since. A default of ours; cuts
of whole generations are larger (ml.p4d.24xlarge: 37.69 in April 2025, 25.25 in July 2026) and are seen in the list only."""
LISTED_SOURCE = "AWS Price List, SKU"
"""How the source of a price read from AWS begins."""
REFUSED = "refused"
"""Quality of a listed price whose SKUs contradict each other: a row without an amount."""


@dataclass(frozen=True)
class Price:
    """A unit price and its provenance."""

    sku: str
    region: str
    unit: str
    usd: float
    quality: Quality
    source: str
    as_of: date
    bundled: bool = True

    @property
    def uncertainty(self) -> float:
        """Relative error to allow for when a saving is computed from this price."""
        return max(UNCERTAINTY[self.quality], BUNDLED_UNCERTAINTY if self.bundled else 0.0)

    @property
    def basis(self) -> str:
        """Where it is from and as of when, for people.

        >>> PriceBook.bundled().hourly("ml.m5.xlarge", "Hosting", "us-east-1").basis
        'bundled price of 2026-11-23 (AWS Price List as read by public projects (Processing 2026))'
        """
        if self.bundled:
            return f"bundled price of {self.as_of} ({self.source})"
        return f"AWS Price List, published {self.as_of}"


@dataclass(frozen=True)
class InstanceSpec:
    """What an ``ml.*`` type is made of. Counts, MiB; ``gpus`` 0 for none."""

    instance_type: str
    vcpu: int
    memory_mib: int
    gpus: int
    gpu: str
    gpu_memory_mib_each: int
    accelerators: int
    arch: str
    hosting: bool
    training: bool
    processing: bool

    @property
    def family(self) -> str:
        """``g5`` of ``ml.g5.2xlarge``."""
        return self.instance_type.split(".")[1]


class PriceBook:
    """Prices and specifications by instance type. ``listed``: by SKU (``ml.m5.xlarge/Hosting``, ``endpoint_storage``) and
    region what AWS's list says; a text where that was refused says why."""

    def __init__(
        self,
        hourly: dict[str, Price],
        specs: dict[str, InstanceSpec],
        units: dict[str, Price],
        listed: dict[tuple[str, str], Price | str] | None = None,
    ) -> None:
        self._hourly = hourly
        self._specs = specs
        self._units = units
        self._listed = listed or {}

    @classmethod
    def bundled(cls) -> PriceBook:
        """The price book that ships with Sagekeeper.

        >>> PriceBook.bundled().hourly("ml.m5.xlarge", "Hosting", "us-east-1").usd
        0.23
        """
        return _bundled()

    def with_list(self, rows: pl.DataFrame, on: date) -> PriceBook:
        """This book with ``rows`` (`PRICES`) before it: of each SKU and region what was published last up to day ``on``."""
        newest = (
            rows.filter((pl.col("effective_on") <= on) & pl.col("source").str.starts_with(LISTED_SOURCE))
            .sort("effective_on")
            .group_by("sku", "region", maintain_order=True)
            .last()
        )
        listed = {(row["sku"], row["region"]): _listed(row) for row in newest.iter_rows(named=True)}
        return PriceBook(self._hourly, self._specs, self._units, listed)

    def hourly(self, instance_type: str, component: Component, region: str) -> Price:
        """Price of one instance-hour: AWS's list, else the bundled book. There, components of one type have one price, as on
        the bills seen; HyperPod's differ.

        Raises PriceUnknown for a type or region that is not in the book.
        """
        listed = self._from_list(f"{instance_type}/{component}", region)
        if listed is not None:
            return listed
        base = self._hourly.get(instance_type)
        ratio = REGION_RATIO.get(region)
        if base is None or ratio is None:
            what = f"{instance_type} ({component})" if base is None else f"region {region}"
            raise PriceUnknown(f"No price is known for {what}. Amounts that need it are shown as unknown.")
        return Price(
            sku=f"{instance_type}/{component}",
            region=region,
            unit="Hrs",
            usd=base.usd if ratio == 1.0 else round(base.usd * ratio, 4),
            quality=base.quality if ratio == 1.0 else "estimated",
            source=base.source if ratio == 1.0 else f"{base.source}; us-east-1 x {ratio}",
            as_of=base.as_of,
        )

    def unit(self, item: str, region: str) -> Price:
        """Price of a unit that is not an instance-hour (``endpoint_storage``, ``endpoint_data``, ``serverless_compute`` ...)."""
        listed = self._from_list(item, region)
        if listed is not None:
            return listed
        base, ratio = self._units.get(item), REGION_RATIO.get(region)
        if base is None or ratio is None:
            raise PriceUnknown(f"No price is known for {item} in {region}. Amounts that need it are shown as unknown.")
        usd = base.usd if ratio == 1.0 else round(base.usd * ratio, 7)
        return Price(
            item,
            region,
            base.unit,
            usd,
            base.quality if ratio == 1.0 else "estimated",
            base.source,
            base.as_of,
        )

    def spec(self, instance_type: str) -> InstanceSpec | None:
        """What the type is made of, None when unknown."""
        return self._specs.get(instance_type)

    def instance_types(self) -> list[str]:
        """All types with a known price somewhere, sorted."""
        listed = {sku.partition("/")[0] for (sku, _), price in self._listed.items() if isinstance(price, Price)}
        return sorted({*self._hourly, *(name for name in listed if name.startswith("ml."))})

    def specs(self) -> list[InstanceSpec]:
        """All known types."""
        return list(self._specs.values())

    def _from_list(self, sku: str, region: str) -> Price | None:
        found = self._listed.get((sku, region))
        if isinstance(found, str):
            raise PriceUnknown(f"AWS's list names several prices for {sku} in {region} ({found}): none is taken.")
        return found


def _listed(row: dict[str, object]) -> Price | str:
    """A row of `PRICES` as a price, or why it is none."""
    usd, published = row["unit_price"], row["effective_on"]
    if usd is None:
        return str(row["source"])
    assert isinstance(usd, float) and isinstance(published, date)
    return Price(
        sku=str(row["sku"]),
        region=str(row["region"]),
        unit=str(row["unit"]),
        usd=usd,
        quality="list",
        source=str(row["source"]),
        as_of=published,
        bundled=False,
    )


@lru_cache(maxsize=1)
def _bundled() -> PriceBook:
    hourly: dict[str, Price] = {}
    specs: dict[str, InstanceSpec] = {}
    for row in _rows("sagemaker_instances.csv"):
        name = row["instance_type"]
        specs[name] = InstanceSpec(
            instance_type=name,
            vcpu=int(row["vcpu"] or 0),
            memory_mib=int(row["memory_mib"] or 0),
            gpus=int(row["gpus"] or 0),
            gpu=row["gpu"],
            gpu_memory_mib_each=int(row["gpu_memory_mib_each"] or 0),
            accelerators=int(row["accelerators"] or 0),
            arch=row["arch"],
            hosting=row["hosting"] == "true",
            training=row["training"] == "true",
            processing=row["processing"] == "true",
        )
        if row["usd_per_hour"]:
            hourly[name] = Price(
                sku=name,
                region="us-east-1",
                unit="Hrs",
                usd=float(row["usd_per_hour"]),
                quality=row["quality"],  # type: ignore[arg-type]
                source=row["source"],
                as_of=date.fromisoformat(row["as_of"]),
            )
    units = {
        row["item"]: Price(
            row["item"],
            "us-east-1",
            row["unit"],
            float(row["usd"]),
            "published",
            row["source"],
            date.fromisoformat(row["as_of"]),
        )
        for row in _rows("other_prices.csv")
    }
    return PriceBook(hourly, specs, units)


def _rows(name: str) -> list[dict[str, str]]:
    with (files("sagekeeper.core") / "bundled" / name).open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))
