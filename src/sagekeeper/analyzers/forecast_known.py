"""What of a total needs no forecast: recurring fees of commitments, which are paid whatever runs.

In: bill rows by day with their charge category, as billed, and ``as_of``. Out: `Known`, the part that is taken out of what is
learned from and put back as it is (`apart`, `with_known`). By effective cost a fee is what of the commitment was not used, which
moves with the usage: it is not known, and is learned.

A *Purchase* (FOCUS: fees of Savings Plans and reservations, and one-time charges) is a recurring fee where it was the same on
each of the last 13 weeks' whole days. Before that nothing is fixed: a new plan lowers the usage as it adds its fee, and the sum
of both is steadier than either. A fee that is not on the last whole day has ended. That a plan ends later the bill does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from sagekeeper.analyzers.month_forecast import Forecast
from sagekeeper.analyzers.monthly_cost import FINAL_AFTER

HELD = 91
"""Days a fee must have been the same."""
SAME = 0.005
"""Relative spread below which it is the same: rounding."""
SERIES = ("account", "region", "service", "usage_family", "owner", "team", "project")
DAYS = pl.Schema({"day": pl.Date(), "cost": pl.Float64()})


@dataclass(frozen=True, eq=False)
class Known:
    """``shown``: cost per day on the bill that is not learned from; ``coming``: what is sure to be added, both [day, cost]."""

    shown: pl.DataFrame
    coming: pl.DataFrame

    def within(self, first: date, last: date) -> tuple[float, float]:
        """(shown, coming) of the days from ``first`` to ``last``."""
        inside = pl.col("day").is_between(first, last)
        return float(self.shown.filter(inside)["cost"].sum()), float(self.coming.filter(inside)["cost"].sum())

    def besides(self, shown: pl.DataFrame) -> Known:
        """With more that is ``shown`` [day, cost] and not learned from."""
        return Known(_per_day(pl.concat([self.shown, shown])), self.coming)

    def on_top(self, path: Sequence[float], upto: date) -> list[float]:
        """``path``, the costs of the days after ``upto``, with what is sure to come on each."""
        per_day = dict(self.coming.iter_rows())
        return [cost + per_day.get(upto + timedelta(days=number), 0.0) for number, cost in enumerate(path, start=1)]


NOTHING_KNOWN = Known(DAYS.to_frame(), DAYS.to_frame())


def committed(rows: pl.DataFrame, as_of: datetime, until: date) -> Known:
    """The recurring fees among ``rows`` [day, charge_category, `SERIES`, billed], to come up to ``until``."""
    last = (as_of - FINAL_AFTER).date() - timedelta(days=1)
    fees = (
        rows.filter((pl.col("charge_category") == "Purchase") & (pl.col("day") <= as_of.date()))
        .group_by(*SERIES, "day")
        .agg(cost=pl.col("billed").sum())
    )
    cost = pl.col("cost")
    steady = (
        fees.filter(pl.col("day").is_between(last - timedelta(days=HELD - 1), last))
        .group_by(SERIES)
        .agg(held=pl.len(), least=cost.min(), most=cost.max(), amount=cost.sort_by("day").last())
        .filter((pl.col("held") == HELD) & (pl.col("least") > 0) & (pl.col("most") <= pl.col("least") * (1 + SAME)))
        .select(*SERIES, "amount")
    )
    own = fees.join(steady, on=SERIES, nulls_equal=True)
    ahead = pl.DataFrame({"day": pl.date_range(last + timedelta(days=1), until, eager=True)}, schema={"day": pl.Date()})
    # Days that are not whole may show a part of the fee already.
    coming = (
        steady.join(ahead, how="cross")
        .join(own.drop("amount"), on=[*SERIES, "day"], how="left", nulls_equal=True)
        .with_columns(cost=(pl.col("amount") - cost.fill_null(0.0)).clip(lower_bound=0.0))
    )
    return Known(_as_if_always(_per_day(own), rows, as_of, float(steady["amount"].sum())), _per_day(coming))


def apart(days: pl.DataFrame, known: Known) -> pl.DataFrame:
    """``days`` [day, cost] without what is known, the same days in order."""
    taken = known.shown.rename({"cost": "known"})
    return (
        days.join(taken, on="day", how="left")
        .select("day", cost=pl.col("cost") - pl.col("known").fill_null(0.0))
        .sort("day")
    )


def with_known(rest: Forecast, known: Known) -> Forecast:
    """The forecast of what is left by `apart`, with what is known on top: it moves the range and does not widen it."""
    shown, coming = known.within(rest.first_day, rest.last_day)
    return replace(
        rest,
        spent=rest.spent + shown,
        **{name: getattr(rest, name) + shown + coming for name in ("expected", "low", "high", "low95", "high95")},
        path=tuple(known.on_top(rest.path, rest.upto)),
    )


def _as_if_always(shown: pl.DataFrame, rows: pl.DataFrame, as_of: datetime, amount: float) -> pl.DataFrame:
    """With so much taken from the days before the fee, too, as far as they cost it: what it pays for now was paid as usage then.

    Else what is left drops on the day of the plan. Measured (a plan 95 and 130 days old, usage that varies by 8 %): ranges were
    2.4 times as wide, and the median a seventh further off.
    """
    if not amount:
        return shown
    there = rows.filter((pl.col("day") <= as_of.date()) & pl.col("charge_category").ne_missing("Tax"))
    days = there.group_by("day").agg(whole=pl.col("billed").sum()).join(shown, on="day", how="left")
    paid = pl.col("cost").fill_null(0.0)
    more = pl.min_horizontal(amount - paid, pl.col("whole") - paid).clip(lower_bound=0.0)
    # Days that are not whole lack a part of the fee that is sure to come: nothing is made up for them.
    first_fee = shown["day"].min()
    return _per_day(days.select("day", cost=paid + pl.when(pl.col("day") < first_fee).then(more).otherwise(0.0)))


def _per_day(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("day").agg(pl.col("cost").sum()).sort("day").match_to_schema(DAYS)
