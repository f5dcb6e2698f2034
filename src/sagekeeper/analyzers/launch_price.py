"""What a launch costs: its metered use times the price of a unit, with the working shown.

In: `Work`s, `Quote`s by usage type, how long a standing thing will stand. Out: `PricedWork`s. A quote is the bill's own
effective rate where it has one; where a commitment pays for part of that, more of the same costs the list price, so the rate is
only the low end. Else AWS's list, else the bundled book, with its uncertainty. A use without a price is unknown and in no amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from sagekeeper.analyzers.launch import Range, Use, Work, total
from sagekeeper.analyzers.launch_pipeline import combined
from sagekeeper.analyzers.usage_prices import listed_prices
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.types import HOURS_PER_MONTH


@dataclass(frozen=True)
class Quote:
    """The price of a unit (an hour, a GB-month, a second), and where it is from. ``price`` None: unknown, ``basis`` says why."""

    price: Range | None
    basis: str
    currency: str


@dataclass(frozen=True)
class PricedUse:
    """One line of the working. ``amount`` None: unknown."""

    use: Use
    quote: Quote
    units: Range
    unit: str
    amount: Range | None


@dataclass(frozen=True)
class PricedWork:
    """A request with what it costs. ``month``: of what stands, per 730 hours; None for what ends by itself."""

    work: Work
    lines: tuple[PricedUse, ...]
    cost: Range
    month: Range | None
    unknown: tuple[str, ...]


def quotes(
    rates: pl.DataFrame, book: PriceBook, account: str, region: str, usage_types: Iterable[str]
) -> dict[str, Quote]:
    """A quote per usage type. ``rates``: `effective_rates.RATES`, the newest month first taken."""
    wanted = sorted(set(usage_types))
    here = rates.filter((pl.col("account") == account) & (pl.col("region") == region))
    own = {row["usage_type"]: row for row in here.sort("month").iter_rows(named=True)}
    asked = pl.DataFrame(
        {"region": [region] * len(wanted), "usage_type": wanted},
        schema={"region": pl.String(), "usage_type": pl.String()},
    )
    listed = {row["usage_type"]: row for row in listed_prices(book, asked).iter_rows(named=True)}
    return {name: _quote(own.get(name), listed[name]) for name in wanted}


def price(works: list[Work], given: dict[str, Quote], standing_hours: float) -> list[PricedWork]:
    """Every work with its lines. What stands is priced for ``standing_hours``."""
    return [_priced(work, given, standing_hours) for work in works]


def whole(priced: list[PricedWork]) -> Range:
    """The sum: of a pipeline's conditions one branch each."""
    return combined([(item.work.branch, item.cost) for item in priced])


def _priced(work: Work, given: dict[str, Quote], standing_hours: float) -> PricedWork:
    lines = tuple(_line(use, given[use.usage_type], standing_hours) for use in work.uses)
    priced = [line for line in lines if line.amount is not None]
    month = None
    if work.standing:
        of_month = [_line(use, given[use.usage_type], HOURS_PER_MONTH) for use in work.uses if use.hours is None]
        month = total(line.amount for line in of_month if line.amount is not None)
    unpriced = tuple(f"the price of {line.use.usage_type}: {line.quote.basis}" for line in lines if line.amount is None)
    return PricedWork(
        work,
        lines,
        total(line.amount for line in priced if line.amount is not None),
        month,
        (*work.unknown, *dict.fromkeys(unpriced)),
    )


def _line(use: Use, quote: Quote, standing_hours: float) -> PricedUse:
    hours = Range.of(standing_hours) if use.hours is None else use.hours
    units = use.size * hours * (1 / HOURS_PER_MONTH if use.volume else 1.0)
    unit = "GB-months" if use.volume else "seconds" if use.usage_type.startswith("ServerlessInf") else "hours"
    return PricedUse(use, quote, units, unit, None if quote.price is None else units * quote.price)


def _quote(own: dict[str, object] | None, listed: dict[str, object]) -> Quote:
    by_list, uncertainty = listed["list_rate"], listed["list_uncertainty"]
    if own is not None:
        rate, currency = own["rate"], str(own["currency"])
        assert isinstance(rate, float)
        told = f"effective rate of the bill, {own['month']:%b %Y}"
        if not own["committed"]:
            return Quote(Range.of(rate), told, currency)
        if isinstance(by_list, float) and currency == "USD":
            dear = max(rate, by_list)
            return Quote(
                Range(rate, dear, dear),
                f"{told}, where a commitment pays for part; beyond it {listed['list_basis']}",
                currency,
            )
    if not isinstance(by_list, float):
        return Quote(None, str(listed["why"]), "USD")
    assert isinstance(uncertainty, float)
    spread = Range(by_list * (1 - uncertainty), by_list, by_list * (1 + uncertainty))
    return Quote(spread, str(listed["list_basis"]), "USD")
