"""Variants of one endpoint beside each other: cost per 1,000 invocations of each.

In: usage days of endpoints (`unit_rows`), requests (`traffic`), what the endpoints are (`endpoints.described`),
prices. Out: rows of `UNIT_COSTS` for one month. An endpoint has one cost on the bill: it is shared by the list
price of its variants' instances, unless it was changed within the month.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.traffic import KEY
from sagekeeper.analyzers.unit_endpoints import INVOCATIONS, NOTHING_READ, last_life
from sagekeeper.analyzers.unit_rows import PLACE, Settings, summed, too_few, too_little
from sagekeeper.core.clock import day_start
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import PriceBook


def per_variant(
    days: pl.DataFrame,
    requests: pl.DataFrame,
    endpoints: pl.DataFrame,
    prices: PriceBook,
    month: date,
    settings: Settings,
) -> pl.DataFrame:
    """One row per variant of the endpoints that have several."""
    shares = _shares(endpoints, prices)
    counted = pl.col("requests").is_not_null()
    changed = pl.col("changed_at") > day_start(month)
    months = (
        days.join(shares, on=KEY, how="inner")
        .join(requests, on=[*KEY, "variant", "day"], how="left")
        .group_by(*PLACE, "variant")
        .agg(
            *summed(counted, pl.col("share")),
            pl.col("changed_at").first(),
            pl.col("share").first(),
            raw=pl.col("requests").sum(),
            found=counted.sum().cast(pl.Int64),
            expected=pl.len().cast(pl.Int64),
            provisional=pl.col("provisional").any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
        .with_columns(counted=pl.lit("days"))
    )
    return months.with_columns(
        quantity=pl.when(pl.col("found") > 0).then(pl.col("raw") / 1000),
        unknown=pl.coalesce(
            pl.when(pl.col("share").is_null()).then(pl.lit("the price of an instance type of it is not known")),
            pl.when(changed).then(pl.lit("it was changed within the month: its variants' shares are not known")),
            pl.when(pl.col("found") == 0).then(pl.lit(NOTHING_READ)),
            too_little(settings, "requests"),
            too_few(settings.least_invocations, "invocations"),
        ),
        certainty=pl.lit("derived"),
        subject_kind=pl.lit("endpoint_variant"),
        subject="name",
        unit=pl.lit(INVOCATIONS),
    )


def _shares(endpoints: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    """[account, region, name, changed_at, variant, share] of endpoints with several variants; null where a price is unknown."""
    running = pl.col("running").list.eval(
        pl.struct(
            name=pl.element().struct.field("VariantName"), count=pl.element().struct.field("CurrentInstanceCount")
        )
    )
    several = last_life(endpoints).filter("real_time", pl.col("variants").list.len() > 1)
    now = (
        several.select(*KEY, running=running)
        .explode("running")
        .select(
            *KEY,
            variant=pl.col("running").struct.field("name"),
            count=pl.col("running").struct.field("count"),
        )
    )
    variants = (
        several.select(*KEY, "changed_at", "variants")
        .explode("variants")
        .select(
            *KEY,
            "changed_at",
            variant=pl.col("variants").struct.field("VariantName"),
            machine=pl.col("variants").struct.field("InstanceType"),
            first=pl.col("variants").struct.field("InitialInstanceCount"),
        )
        .join(now, on=[*KEY, "variant"], how="left")
    )
    costs = variants.join(_price_list(variants, prices), on=["region", "machine"], how="left").with_columns(
        worth=pl.coalesce("count", "first") * pl.col("usd")
    )
    whole = pl.when(pl.col("worth").is_not_null().all().over(KEY)).then(pl.col("worth").sum().over(KEY))
    return costs.select(*KEY, "changed_at", "variant", share=pl.col("worth") / whole)


def _price_list(variants: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    """[region, machine, usd] of the few machines that there are."""
    rows = []
    for region, machine in variants.select("region", "machine").unique().iter_rows():
        try:
            rows.append((region, machine, prices.hourly(machine, "Hosting", region).usd))
        except PriceUnknown:
            continue
    return pl.DataFrame(rows, schema={"region": pl.String, "machine": pl.String, "usd": pl.Float64}, orient="row")
