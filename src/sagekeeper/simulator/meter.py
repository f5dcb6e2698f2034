"""The meter: what stands in the account, by the second, as bill lines. One ledger for every bill the simulator gives.

In: the world and a range of days, and the simulated now. Out: `bill_lines.LINES`, as the bill shows them at that hour:
a bill is refreshed with the hour. Usage arrives six hours late; for 48 hours after its day, what has come is not all of
it, and some of it was estimated too high (`_arriving`): open days are restated up and down. Usage of closed days is kept
per account and region until something changes there, hours are made for the days that are asked for. What the
organisation's terms make of a month's usage is `savings_plan_lines` and `adjustments`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import polars as pl

from sagekeeper.simulator.adjustments import (
    charges_by_day,
    corrected,
    credit_rows,
    discount_rows,
    discounted,
    following,
    midnight,
    months,
    refund_rows,
    tax_rows,
)
from sagekeeper.simulator.bill_lines import DIGITS, MONEY, Step, by_day, empty, lines, rows
from sagekeeper.simulator.charges import USAGE, charges
from sagekeeper.simulator.free_offers import free_shares, with_free
from sagekeeper.simulator.savings_plan_lines import applied, coverable, in_force, plans_of
from sagekeeper.simulator.world import Standing, World

FINAL_AFTER = timedelta(hours=48)
ARRIVAL_LAG = timedelta(hours=6)
OPEN_DAYS = 4
ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)
ESTIMATED_HIGH = 0.15
"""Share of the lines of an open day that are too high at first; by how much: `HIGH_BY` of what the others lack."""
HIGH_BY = 0.3
KEPT_ROWS = 60_000
"""Months of more rows are made anew each time: a large organisation's bill would fill the memory."""
KEPT = pl.Schema({name: pl.Categorical() if kind == pl.String() else kind for name, kind in USAGE.items()})
"""Usage as it is kept: millions of rows have a few thousand different texts."""
Stamp = tuple[int, ...]
BY_THE_HOUR = ("Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee")
SAME = ("account", "region", "service", "usage_type", "operation", "resource_id", "tags")


class Meter:
    """Line items of any range of days."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[tuple[str, str], tuple[int, datetime, pl.DataFrame]] = {}
        self._usage_at: tuple[Stamp, pl.DataFrame] = ((), pl.DataFrame(schema=KEPT))
        self._prints: dict[tuple[str, str], dict[date, int]] = {}
        self._late: dict[tuple[str, str], tuple[tuple[int, datetime], pl.DataFrame]] = {}
        self._settled: dict[date, tuple[Stamp, pl.DataFrame]] = {}
        self._months: dict[date, tuple[Stamp, pl.DataFrame]] = {}
        self._owed: dict[date, tuple[Stamp, pl.DataFrame]] = {}

    def lines(
        self,
        first: date,
        last: date,
        now: datetime,
        step: Step = "day",
        accounts: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """Line items from ``first`` to ``last``, both included, as the bill shows them at ``now``."""
        now = now.replace(minute=0, second=0, microsecond=0)
        with self._world.lock:
            first, last = max(first, self.born(now)), min(last, now.date())
            found = (self._asked(period, first, last, now, step) for period in months(first, last))
            seen = found if accounts is None else (frame.filter(pl.col("account").is_in(accounts)) for frame in found)
            # Month by month: a large organisation's bill is made in parts.
            return pl.concat([lines(empty(), step), *(lines(frame, step) for frame in seen)])

    def _asked(self, period: date, first: date, last: date, now: datetime, step: Step) -> pl.DataFrame:
        """Rows of those days that are in a month."""
        month = self._month(period, now).filter(pl.col("start").dt.date().is_between(first, last))
        if step == "day":
            return month
        by_the_hour = pl.col("record_type").is_in(BY_THE_HOUR)
        hours = self._hours(max(first, period), min(last, following(period) - timedelta(days=1)), now)
        return pl.concat([month.filter(~by_the_hour), hours.filter(by_the_hour)])

    def _month(self, period: date, now: datetime) -> pl.DataFrame:
        """A month's rows by the day."""
        terms, stamp = self._world.commercial, self.stamp(now, period)
        kept = self._months.get(period)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        days = self._charged(period, now)
        self._owed[period] = (stamp, charges_by_day(days))
        whole = pl.concat([days, discount_rows(days, terms.discounts), refund_rows(terms.refunds, period, now)])
        taxes = tax_rows(whole, period, terms) if now.date() >= following(period) else empty()
        whole = pl.concat([whole, taxes, self._credits(period, now)])
        if whole.height <= KEPT_ROWS:
            self._months[period] = (stamp, whole)
        return whole

    def _charged(self, period: date, now: datetime) -> pl.DataFrame:
        """A month's usage and plans by the day, with their net amounts. What is of closed days is kept, of one month."""
        begin, end, opens = midnight(period), min(midnight(following(period)), now - ARRIVAL_LAG), _opens(now)
        stamp, kept = (*self.stamp(now, None)[:-1], int(min(end, opens).timestamp())), self._settled.get(period)
        if kept is None or kept[0] != stamp:
            kept = (stamp, self._days(period, begin, min(end, opens), now))
            self._settled = {period: kept}
        return pl.concat([kept[1], self._days(period, max(begin, opens), end, now)])

    def _days(self, period: date, begin: datetime, end: datetime, now: datetime) -> pl.DataFrame:
        """The same for [begin, end) of it."""
        if begin >= end:
            return empty()
        usage, shares = self._usage_of(period, now)
        usage, plans = usage.filter(pl.col("start") >= begin, pl.col("start") < end), plans_of(self._world)
        if not in_force(plans, begin, end):
            return self._with_terms(as_rows(with_free(usage, shares)), now)
        hours = self._by_hour(begin, end, now, covered=True)
        others = usage.join(hours.select(SAME).unique(), on=SAME, how="anti", nulls_equal=True)
        of_plans, left = applied(with_free(hours, shares), plans, begin, end)
        parts = [as_rows(with_free(others, shares)), by_day(of_plans), by_day(as_rows(left))]
        return self._with_terms(pl.concat(parts), now)

    def _usage_of(self, period: date, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A month's usage, and what is free of it."""
        inside = pl.col("start").is_between(midnight(period), midnight(following(period)), closed="left")
        usage = self._usage(now).filter(inside).cast(pl.Schema(USAGE))
        return usage, free_shares(usage)

    def _hours(self, first: date, last: date, now: datetime) -> pl.DataFrame:
        """Usage and plans of some days of one month by the hour, with their net amounts."""
        begin, end = midnight(first), min(midnight(last) + timedelta(days=1), now - ARRIVAL_LAG)
        if begin >= end:
            return empty()
        _, shares = self._usage_of(first.replace(day=1), now)
        hours = with_free(self._by_hour(begin, end, now, covered=True), shares)
        others = with_free(self._by_hour(begin, end, now, covered=False), shares)
        of_plans, left = applied(hours, plans_of(self._world), begin, end)
        return self._with_terms(pl.concat([of_plans, as_rows(left), as_rows(others)]), now)

    def _with_terms(self, frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
        terms = self._world.commercial
        return discounted(corrected(frame, terms.corrections, now), terms.discounts)

    def _credits(self, period: date, now: datetime) -> pl.DataFrame:
        """Credits of the month: what is left of them depends on all months since the first."""
        credits = [item for item in self._world.commercial.credits if item.begins < following(period)]
        if not any(item.expires > period for item in credits):
            return empty()
        since = min(max(min(item.begins for item in credits), self.born(now)), period)
        owed = pl.concat([self._owing(month, now) for month in months(since, period)])
        return credit_rows(owed, credits).filter(pl.col("start") >= midnight(period))

    def _owing(self, period: date, now: datetime) -> pl.DataFrame:
        """What credits may pay in a month: a few rows, kept."""
        stamp, kept = self.stamp(now, period), self._owed.get(period)
        if kept is None or kept[0] != stamp:
            kept = (stamp, charges_by_day(self._charged(period, now)))
            self._owed[period] = kept
        return kept[1]

    def _by_hour(self, begin: datetime, end: datetime, now: datetime, *, covered: bool) -> pl.DataFrame:
        """Usage by the hour, of what plans may cover or of everything else."""
        there = list(self._world.standing.values())
        found = [
            charges(here, begin, end, "hour", lambda item: coverable(item) == covered, own=not covered)
            for here in there
        ]
        return _arriving(pl.concat(found), now)

    def _usage(self, now: datetime) -> pl.DataFrame:
        """All usage by the day, as far as it has arrived."""
        stamp = self.stamp(now)
        if self._usage_at[0] != stamp:
            there, begin, end = list(self._world.standing.values()), _opens(now), now - ARRIVAL_LAG
            closed = [self._closed(here, begin) for here in there]
            late = pl.concat([self._open(here, begin, end) for here in there])
            self._usage_at = (stamp, pl.concat([*closed, _arriving(late, now).cast(KEPT)]))
        return self._usage_at[1]

    def _closed(self, here: Standing, until: datetime) -> pl.DataFrame:
        """Days older than the last four. A day that closes is added to those that are kept."""
        key, nothing = (here.account, here.region), pl.DataFrame(schema=KEPT)
        version, upto, kept = self._kept.get(key, (-1, ORIGIN, nothing))
        if version != here.version or upto > until:
            upto, kept = ORIGIN, nothing
        if upto < until:
            kept = pl.concat([kept, charges(here, upto, until).cast(KEPT)], rechunk=True)
            self._prints[key] = _prints(kept)
        self._kept[key] = (here.version, until, kept)
        return kept

    def _open(self, here: Standing, begin: datetime, end: datetime) -> pl.DataFrame:
        """The last four days, as they were used."""
        key, stamp = (here.account, here.region), (here.version, end)
        if key not in self._late or self._late[key][0] != stamp:
            self._late[key] = (stamp, charges(here, begin, end))
        return self._late[key][1]

    def born(self, now: datetime) -> date:
        """The first month with anything on the bill."""
        used = self._usage(now)["start"].min()
        begun = [used.date()] if isinstance(used, datetime) else []
        return min([*begun, *(item.first.date() for item in plans_of(self._world)), now.date()]).replace(day=1)

    def stamp(self, now: datetime, period: date | None = None) -> Stamp:
        """Equal as long as the bill, or a month of it, looks the same: an open month looks different every hour."""
        there, terms = self._world.standing.values(), self._world.commercial
        seen = (terms.version, terms.posted(now))
        if period is None or midnight(following(period)) > _opens(now):
            return (len(there), sum(here.version for here in there), *seen, int(now.timestamp()))
        # Whatever was done in the account, a closed month is another one only where its usage or an earlier month's is
        # (credits are used up from month to month), or the plans are.
        self._usage(now)
        used = sum(number for found in self._prints.values() for month, number in found.items() if month <= period)
        return (*seen, used, hash(str(plans_of(self._world))))


def _prints(usage: pl.DataFrame) -> dict[date, int]:
    """A number for each month's usage, another one when any of it is different."""
    lines = usage.select(
        month=pl.col("start").dt.date().dt.truncate("1mo"), number=pl.struct(usage.columns).hash(seed=0)
    )
    return {month: int(number) for month, number in lines.group_by("month").agg(pl.col("number").sum()).iter_rows()}


def late_share(day: date, now: datetime) -> float:
    """What share of a day's usage has reached the bill: all of it after 48 hours."""
    age = now - (midnight(day) + timedelta(days=1))
    if age >= FINAL_AFTER:
        return 1.0
    return 0.965 if age >= timedelta(hours=24) else 0.93


def as_rows(usage: pl.DataFrame) -> pl.DataFrame:
    """Usage at its list price, as rows of the bill."""
    money = [pl.col("cost").alias(name) for name in MONEY]
    return rows(usage.rename({"price": "rate"}).with_columns(money), record_type="Usage")


def _arriving(usage: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Usage of open days as it is known at first: in all, `late_share` of it; line by line, most of it too low."""
    days = [(_opens(now) + timedelta(days=number)).date() for number in range(OPEN_DAYS)]
    shares = [late_share(day, now) for day in days]
    day = pl.col("start").dt.date()
    lacking = 1 - day.replace_strict(days, shares, default=1.0, return_dtype=pl.Float64)
    line = pl.struct(day, "account", "region", "usage_type", "operation", "resource_id").hash(seed=1)
    high = HIGH_BY * lacking
    low = -(lacking + ESTIMATED_HIGH * high) / (1 - ESTIMATED_HIGH)
    known = 1 + pl.when(line % 100 < 100 * ESTIMATED_HIGH).then(high).otherwise(low)
    return usage.with_columns(pl.col("quantity") * known, (pl.col("cost") * known).round(DIGITS))


def _opens(now: datetime) -> datetime:
    """The first moment that is not closed yet."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=OPEN_DAYS - 1)
