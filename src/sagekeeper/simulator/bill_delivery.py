"""Deliveries of reports and exports into the account's buckets, on the simulated clock.

In: the house and a moment. Done: every run that is over by then, and was not yet, has put its files into S3 as the bill
stood when it began. The open month comes with every run; a closed month once more whenever it looks different from
what was delivered last (restated, corrected, invoiced): always for data exports, for legacy reports only as long as no
invoice is issued, or with RefreshClosedReports. Where the same names are written again, runs that time jumped over
write only what stays. A bucket that is gone, or no longer lets billing write, fails the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import polars as pl
from moto.s3.models import FakeBucket, s3_backends

from sagekeeper.simulator.bill_grain import INVOICED_AFTER, Books, following, invoice_id, midnight
from sagekeeper.simulator.bill_orders import HOME, TAKES, Order, Run
from sagekeeper.simulator.cur_export import Delivered, report_files
from sagekeeper.simulator.data_export import export_files, read_query
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import PAYER, Standing

MISSING, DENIED = "MISSING", "DENIED"
WRITERS = ("billingreports.amazonaws.com", "bcm-data-exports.amazonaws.com")
MONTHS_LOOKED_AT = 3
"""Closed months that each run looks at again: corrections are posted within weeks."""


def bring_up_to(house: House, now: datetime) -> None:
    """Deliver whatever has become due."""
    for (_, region), here in list(house.world.standing.items()):
        if region != HOME:
            continue
        for order in (*here.orders.reports.values(), *here.orders.exports.values()):
            done = order.runs[-1].at if order.runs else order.created
            moments = list(order.due(done, now - TAKES))
            written = _not_written_over(moments) if _overwrites(order) else set(moments)
            for at in moments:
                _run(house, here, order, at, write=at in written)


def problem(account: str, bucket: str) -> str | None:
    """Why billing could not write into a bucket of the account; None when it can.

    A bucket without a policy is written to: permissions of this account are not enforced. One with a policy has to
    let billing in, as AWS demands.
    """
    found = _bucket(account, bucket)
    if found is None:
        return MISSING
    if not found.policy:
        return None
    try:
        statements = json.loads(found.policy).get("Statement", [])
    except ValueError:
        return DENIED
    statements = statements if isinstance(statements, list) else [statements]
    return None if any(_lets_in(statement) for statement in statements) else DENIED


def _not_written_over(moments: list[datetime]) -> set[datetime]:
    """Runs whose files stay: the last one, and of every month the first with the invoice of the month before."""
    firsts: dict[date, datetime] = {}
    for at in moments:
        opened = at.date().replace(day=1)
        if at >= midnight(opened) + INVOICED_AFTER:
            firsts.setdefault(opened, at)
    return {*firsts.values(), *moments[-1:]}


def _run(house: House, here: Standing, order: Order, at: datetime, *, write: bool) -> None:
    target = _destination(order)
    owner = target.get("S3BucketOwner", here.account)
    failed = problem(owner, target["S3Bucket"])
    run = Run(order.run_id(at), at, failed)
    order.runs.append(run)
    if failed or not write:
        return
    books = books_of(house, here.account, at)
    for period, lines in _months(house, order, books):
        for file in _files(order, lines, books, period, run):
            _put(owner, target["S3Bucket"], file, run.done)


def books_of(house: House, account: str, at: datetime) -> Books:
    """Whose bill this account sees."""
    plans = [plan for here in house.world.standing.values() for plan in here.savings_plans.values()]
    return Books(PAYER, account, dict(house.world.accounts), at, tuple(plans))


def _months(house: House, order: Order, books: Books) -> Iterator[tuple[date, pl.DataFrame]]:
    """The months to write, with their lines, and remembered as written."""
    opened = books.now.date().replace(day=1)
    oldest = order.created.date().replace(day=1)
    months = [opened]
    while months[-1] > oldest and len(months) <= MONTHS_LOOKED_AT:
        months.append(_previous(months[-1]))
    looked_at = [period for period in sorted(months) if period == opened or _refreshed(order, period, books.now)]
    refreshed = books.now.replace(minute=0, second=0, microsecond=0)  # As in Cost Explorer: both are the same bill.
    whole = house.meter.lines(looked_at[0], _previous_day(following(opened)), refreshed)
    for period in looked_at:
        lines = whole.filter(pl.col("period") == period)
        state = _state(lines, books, period)
        if period != opened and order.states.get(period) == state:
            continue
        order.states[period] = state
        if _grain(order) == "HOURLY":
            last = _previous_day(following(period))
            lines = house.meter.lines(period, last, refreshed, "hour").filter(pl.col("period") == period)
        yield period, lines


def _state(lines: pl.DataFrame, books: Books, period: date) -> str:
    return f"{lines.height}/{lines.hash_rows(seed=0).sum()}/{invoice_id(books, period)}"


def _refreshed(order: Order, period: date, now: datetime) -> bool:
    """Whether a closed month is still looked at."""
    if "ReportName" not in order.told or order.told.get("RefreshClosedReports"):
        return True
    invoiced = order.states.get(period, "None").rpartition("/")[2] != "None"
    return not invoiced or now < midnight(following(period)) + INVOICED_AFTER


def _files(order: Order, lines: pl.DataFrame, books: Books, period: date, run: Run) -> list[Delivered]:
    if "ReportName" in order.told:
        return report_files(order.told, lines, books, period, run.id)
    return export_files(order.told, lines, books, period, run.id, run.at)


def _grain(order: Order) -> str:
    if "ReportName" in order.told:
        return str(order.told["TimeUnit"])
    query = read_query(order.told["DataQuery"])
    return query.table.grain(query.settings)


def _overwrites(order: Order) -> bool:
    output = order.told.get("ReportVersioning") or _destination(order)["S3OutputConfigurations"]["Overwrite"]
    return bool(output == "OVERWRITE_REPORT")


def _destination(order: Order) -> dict[str, Any]:
    if "ReportName" in order.told:
        return order.told
    found: dict[str, Any] = order.told["DestinationConfigurations"]["S3Destination"]
    return found


def _put(account: str, bucket: str, file: Delivered, at: datetime) -> None:
    key = s3_backends[account]["aws"].put_object(bucket, file.key, file.data)
    key.last_modified = at.replace(tzinfo=None)


def _bucket(account: str, name: str) -> FakeBucket | None:
    return s3_backends[account]["aws"].buckets.get(name)


def _lets_in(statement: dict[str, Any]) -> bool:
    principal, actions = statement.get("Principal", {}), statement.get("Action", [])
    services = principal if isinstance(principal, str) else principal.get("Service", principal.get("AWS", []))
    named = {services} if isinstance(services, str) else set(services)
    asked = {actions} if isinstance(actions, str) else set(actions)
    allowed = statement.get("Effect") == "Allow" and bool(named & {*WRITERS, "*"})
    return allowed and bool(asked & {"s3:PutObject", "s3:*", "*"})


def _previous(period: date) -> date:
    return _previous_day(period).replace(day=1)


def _previous_day(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)
