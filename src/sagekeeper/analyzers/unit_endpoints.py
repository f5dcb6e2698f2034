"""Endpoints by what they answer: cost per 1,000 invocations, per million tokens where answers state them, and what
the hours without a request cost.

In: usage days of endpoints (`unit_rows`), traffic (`traffic`), what the endpoints are (`endpoints.described`). Out:
rows of `UNIT_COSTS` for one month.

* A day counts if its requests are known; the cost of the others is left out of the cost per 1,000, and how many
  counted is said.
* A day's cost is spread evenly over its hours. Hours with, without and with unknown requests add up to the
  endpoint's cost. A serverless endpoint is billed by use: it has no such hours.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.traffic import HOURS_OF_DAY, KEY
from sagekeeper.analyzers.unit_rows import AMOUNTS, PLACE, Settings, certainty, summed, too_few, too_little

INVOCATIONS, TOKENS = "1,000 invocations", "1M tokens"
BUSY, QUIET, UNCLEAR = "hours with requests", "hours without requests", "hours with unknown requests"
ASYNCHRONOUS = "an asynchronous endpoint publishes no Invocations, and CloudWatch tells of nothing that it processed"
COMPONENTS = "it hosts inference components: CloudWatch counts requests by component, which is not collected"
NOTHING_READ = "no metrics were collected for it"


def per_invocation(
    days: pl.DataFrame, requests: pl.DataFrame, endpoints: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """One row per endpoint. ``requests``: of `traffic.Traffic`."""
    asked = requests.group_by(*KEY, "day").agg(requests=_whole("requests"))
    kinds, counted = _kinds(endpoints), pl.col("requests").is_not_null()
    # Nothing in the whole month may mean that nothing is published under the endpoint's name.
    told = pl.col("cannot").is_null() | (pl.col("requests").sum().over(KEY) > 0)
    months = (
        days.join(asked, on=[*KEY, "day"], how="left")
        .join(kinds.select(*KEY, "cannot"), on=KEY, how="left")
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


def per_token(days: pl.DataFrame, requests: pl.DataFrame, token_use: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row per endpoint whose captured answers state tokens. ``token_use``: rows of `TOKEN_USE`.

    A day's tokens are its requests times the tokens of a captured answer: captures are a sample.
    """
    asked = requests.group_by(*KEY, "day").agg(requests=_whole("requests"))
    a_day = token_use.group_by("account", "region", "day", name="endpoint").agg(
        pl.col("answers", "told", "tokens").sum()
    )
    stating = a_day.filter(pl.col("told") > 0).select(KEY).unique()
    counted = pl.col("requests").is_not_null() & (pl.col("told") > 0)
    share = pl.col("told") / pl.col("answers")
    partly = pl.format("{} of {} captured answers state their tokens", "told", "answers")
    return (
        days.join(stating, on=KEY, how="semi")
        .join(asked, on=[*KEY, "day"], how="left")
        .join(a_day, on=[*KEY, "day"], how="left")
        .group_by(PLACE)
        .agg(
            *summed(counted),
            raw=(pl.col("requests") * pl.col("tokens") / pl.col("told")).filter(counted).sum(),
            found=counted.sum().cast(pl.Int64),
            expected=pl.len().cast(pl.Int64),
            provisional=pl.col("provisional").any(),
            owner=pl.col("owner").drop_nulls().last(),
            told=pl.col("told").sum(),
            answers=pl.col("answers").sum(),
        )
        .with_columns(counted=pl.lit("days"))
        .with_columns(
            quantity=pl.col("raw") / 1e6,
            unknown=pl.coalesce(
                too_little(settings, "tokens"),
                pl.when(share < settings.least_share).then(partly),
                too_few(settings.least_tokens, "tokens"),
            ),
            certainty=pl.lit("derived"),
            subject_kind=pl.lit("endpoint"),
            subject="name",
            unit=pl.lit(TOKENS),
        )
        .drop("told", "answers")
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
            quiet=pl.when(pl.col("cannot").is_null() | (pl.col("busy").sum().over(KEY) > 0)).then("quiet").otherwise(0)
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
    """[account, region, name, serverless, cannot]: of the last life; why there may be no requests under its name."""
    cannot = pl.when("asynchronous").then(pl.lit(ASYNCHRONOUS)).when("components").then(pl.lit(COMPONENTS))
    return last_life(endpoints).select(*KEY, "serverless", cannot=cannot)


def last_life(endpoints: pl.DataFrame) -> pl.DataFrame:
    """The last one of each name."""
    return endpoints.sort("created_at").unique(KEY, keep="last")
