"""Endpoints by what they answer: cost per 1,000 invocations, of each variant too, and what the hours without a
request cost.

In: usage days of endpoints (`unit_rows`), traffic (`traffic`), what the endpoints are (`endpoints.described`). Out:
rows of `UNIT_COSTS` for one month.

* A day counts if its requests are known; the cost of the others is left out of the cost per 1,000, and how many
  counted is said.
* An endpoint of several variants has one cost on the bill: it is shared by the list price of their instances,
  unless it was changed within the month.
* A day's cost is spread evenly over its hours. Hours with, without and with unknown requests add up to the
  endpoint's cost. A serverless endpoint is billed by use: it has no such hours.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.traffic import HOURS_OF_DAY, KEY
from sagekeeper.analyzers.unit_rows import AMOUNTS, PLACE, Settings, certainty, summed, too_few, too_little
from sagekeeper.core.clock import day_start
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import PriceBook

INVOCATIONS = "1,000 invocations"
BUSY, QUIET, UNCLEAR = "hours with requests", "hours without requests", "hours with unknown requests"
ASYNCHRONOUS = "an asynchronous endpoint publishes no Invocations, and CloudWatch tells of nothing that it processed"
COMPONENTS = "its requests are counted per inference component, which is not collected"
NOTHING_READ = "no metrics were collected for it"


def per_invocation(
    days: pl.DataFrame, requests: pl.DataFrame, endpoints: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """One row per endpoint. ``requests``: of `traffic.Traffic`."""
    asked = requests.group_by(*KEY, "day").agg(requests=_whole("requests"))
    kinds, counted = _kinds(endpoints), pl.col("requests").is_not_null()
    # Of an asynchronous endpoint nothing in the whole month may mean that nothing is published.
    told = ~pl.col("asynchronous").fill_null(value=False) | (pl.col("requests").sum().over(KEY) > 0)
    months = (
        days.join(asked, on=[*KEY, "day"], how="left")
        .join(kinds.select(*KEY, "asynchronous"), on=KEY, how="left")
        .with_columns(requests=pl.when(told).then("requests"))
        .group_by(PLACE)
        .agg(
            *(name.name.suffix("_counted") for name in summed(counted)),
            *summed(),
            raw=pl.col("requests").sum(),
            found=counted.sum().cast(pl.Int64),
            expected=pl.len().cast(pl.Int64),
            certainty=certainty(pl.col("certainty")),
            provisional=pl.col("provisional").any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
        .with_columns(counted=pl.lit("days"))
        .join(kinds, on=KEY, how="left")
    )
    nothing = pl.when(pl.col("found") == 0).then(pl.coalesce("cannot", pl.lit(NOTHING_READ)))
    enough = too_little(settings, "requests").is_null() & (pl.col("found") > 0)
    return months.with_columns(
        *(pl.when(enough).then(f"{name}_counted").otherwise(name).alias(name) for name in AMOUNTS),
        quantity=pl.when(enough).then(pl.col("raw") / 1000),
        unknown=pl.coalesce(
            nothing, too_little(settings, "requests"), too_few(settings.least_invocations, "invocations")
        ),
        subject_kind=pl.lit("endpoint"),
        subject="name",
        unit=pl.lit(INVOCATIONS),
    )


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


def hours_of_service(days: pl.DataFrame, hours: pl.DataFrame, endpoints: pl.DataFrame) -> pl.DataFrame:
    """Up to three rows per endpoint: `BUSY`, `QUIET`, `UNCLEAR`; their costs add up to its own. ``hours``: of `Traffic`."""
    kinds = _kinds(endpoints)
    spread = (
        days.join(hours, on=[*KEY, "day"], how="left")
        .join(kinds, on=KEY, how="left")
        .filter(~pl.col("serverless").fill_null(value=False))
        .with_columns(pl.col("hours").fill_null(HOURS_OF_DAY), pl.col("busy", "quiet").fill_null(0))
        .with_columns(
            quiet=pl.when(~pl.col("asynchronous").fill_null(value=False) | (pl.col("busy").sum().over(KEY) > 0))
            .then("quiet")
            .otherwise(0)
        )
        .with_columns(unclear=pl.col("hours") - pl.col("busy") - pl.col("quiet"))
    )
    rows = [_hours_of(spread, column, unit) for column, unit in (("busy", BUSY), ("quiet", QUIET))]
    unclear = _hours_of(spread, "unclear", UNCLEAR).with_columns(
        unknown=pl.coalesce("cannot", pl.lit("for these hours no metrics say whether a request came"))
    )
    return pl.concat([*rows, unclear], how="diagonal").filter(pl.col("quantity") > 0)


def _hours_of(spread: pl.DataFrame, column: str, unit: str) -> pl.DataFrame:
    return (
        spread.group_by(*PLACE, "cannot")
        .agg(
            *summed(weight=pl.col(column) / pl.col("hours")),
            quantity=pl.col(column).sum().cast(pl.Float64),
            found=(pl.col("busy") + pl.col("quiet")).sum(),
            expected=pl.col("hours").sum(),
            provisional=pl.col("provisional").any(),
            owner=pl.col("owner").drop_nulls().last(),
        )
        .with_columns(
            counted=pl.lit("hours"),
            certainty=pl.lit("derived"),
            subject_kind=pl.lit("endpoint"),
            subject="name",
            unit=pl.lit(unit),
        )
    )


def _whole(column: str) -> pl.Expr:
    """The sum over variants; unknown where one of them is."""
    return pl.when(pl.col(column).is_not_null().all()).then(pl.col(column).sum())


def _kinds(endpoints: pl.DataFrame) -> pl.DataFrame:
    """[account, region, name, serverless, asynchronous, cannot]: of the last life; why requests cannot be counted."""
    no_model = pl.element().struct.field("ModelName").is_null()
    hosts = pl.col("variants").list.eval(no_model).list.any()
    cannot = pl.when("asynchronous").then(pl.lit(ASYNCHRONOUS)).when(hosts).then(pl.lit(COMPONENTS))
    return _last(endpoints).select(*KEY, "serverless", "asynchronous", cannot=cannot)


def _last(endpoints: pl.DataFrame) -> pl.DataFrame:
    return endpoints.sort("created_at").unique(KEY, keep="last")


def _shares(endpoints: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    """[account, region, name, changed_at, variant, share] of endpoints with several variants; null where a price is unknown."""
    running = pl.col("running").list.eval(
        pl.struct(
            name=pl.element().struct.field("VariantName"), count=pl.element().struct.field("CurrentInstanceCount")
        )
    )
    several = _last(endpoints).filter("real_time", pl.col("variants").list.len() > 1)
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
