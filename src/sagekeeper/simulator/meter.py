"""The meter: what stands in the account, by the second, as bill lines. One ledger for every bill the simulator gives.

In: the world and a range of days, and the simulated now. Out: a frame of line items (`COLUMNS`). Days that are closed are kept
until the world changes in them. The last 48 hours arrive late, as on a real bill: `late_share`.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import Component, PriceBook
from sagekeeper.simulator import traffic
from sagekeeper.simulator.world import FOREVER, PAYER, Standing, World, stretches

COLUMNS = {
    "day": pl.Date(),
    "account": pl.String(),
    "region": pl.String(),
    "service": pl.String(),
    "usage_type": pl.String(),
    "operation": pl.String(),
    "record_type": pl.String(),
    "resource_id": pl.String(),
    "tags": pl.String(),
    "quantity": pl.Float64(),
    "cost": pl.Float64(),
}
PREFIX = {"us-east-1": "USE1", "eu-west-1": "EUW1"}
SAGEMAKER = "Amazon SageMaker"
FINAL_AFTER = timedelta(hours=48)
ARRIVAL_LAG = timedelta(hours=6)
TAX_RATE = 0.05
HOURS = 730


class Meter:
    """Line items of any range of days, cached per closed day until the world changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: tuple[int, date, pl.DataFrame] | None = None

    def lines(self, first: date, last: date, now: datetime) -> pl.DataFrame:
        """Line items from ``first`` to ``last``, both included, as the bill shows them at ``now``."""
        with self._world.lock:
            whole = self._all(now)
        return whole.filter(pl.col("day").is_between(first, last))

    def _all(self, now: datetime) -> pl.DataFrame:
        today = now.date()
        if self._kept is None or self._kept[0] != self._world.version or self._kept[1] != today:
            closed = self._metered(date(2020, 1, 1), today - timedelta(days=4), now)
            self._kept = (self._world.version, today, closed)
        open_days = self._metered(today - timedelta(days=3), today, now - ARRIVAL_LAG)
        late = (
            open_days.with_columns(
                share=pl.col("day").map_elements(lambda day: late_share(day, now), return_dtype=pl.Float64)
            )
            .with_columns(pl.col("quantity", "cost") * pl.col("share"))
            .select(COLUMNS.keys())
        )
        usage = pl.concat([self._kept[2], late])
        return pl.concat([usage, _taxes(usage, now), _credits(usage, now)])

    def _metered(self, first: date, last: date, until: datetime) -> pl.DataFrame:
        rows: list[tuple[Any, ...]] = []
        for here in self._world.standing.values():
            bill = Bill(here, first, last, until, rows)
            bill.endpoints()
            bill.training()
            bill.processing()
            bill.notebooks()
            bill.surroundings()
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")


class Bill:
    """Writes the lines of one account and region into ``rows``."""

    def __init__(self, here: Standing, first: date, last: date, until: datetime, rows: list[tuple[Any, ...]]) -> None:
        self._here, self._rows = here, rows
        self._begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self._end = min(datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1), until)
        self._prefix = PREFIX[here.region]
        self._book = PriceBook.bundled()

    def endpoints(self) -> None:
        here = self._here
        for name, lives in here.lives.items():
            arn = here.arn("endpoint", name)
            for life in lives:
                for start, stop, variant, count in stretches(life, here.configs):
                    asynchronous = any("AsyncInferenceConfig" in here.configs[name_] for _, name_ in life.configs)
                    self._variant(arn, "AsyncInf" if asynchronous else "Host", variant, count, start, stop)
            self._data(name, arn)

    def _variant(
        self, arn: str, family: str, variant: dict[str, Any], count: int, start: datetime, stop: datetime
    ) -> None:
        kind = variant.get("InstanceType")
        if not kind:
            return
        self._running(f"{family}:{kind}", "RunInstance", arn, kind, "Hosting", count, start, stop)
        size = float(variant.get("VolumeSizeInGB") or 0)
        self._storage(f"{family}:VolumeUsage.gp2", arn, "endpoint_storage", size * count, start, stop)

    def _data(self, name: str, arn: str) -> None:
        first = self._begin.replace(hour=0)
        days = max(0, (self._end.date() - first.date()).days + 1)
        lives = self._here.lives[name]
        serverless = "ServerlessConfig" in self._here.configs[lives[-1].configs[-1][1]]["ProductionVariants"][0]
        if (self._begin.year < 2021) or days > 20:
            begin = max(first, min(life.created for life in lives).replace(hour=0, minute=0, second=0))
            days = max(0, (self._end.date() - begin.date()).days + 1)
            first = begin
        if not days:
            return
        asked = traffic.requests(self._here, name, first, days, 86400, self._end)
        for number in range(days):
            if asked[number] > 0:
                day = (first + timedelta(days=number)).date()
                gigabytes = float(asked[number]) * 4e-6
                price = self._book.unit("endpoint_data", self._here.region).usd
                self._add(
                    day,
                    f"{'ServerlessInf' if serverless else 'Host'}:Data-Bytes-Out",
                    "Invoke-Endpoint",
                    arn,
                    gigabytes,
                    gigabytes * price,
                )
                if serverless:
                    seconds = float(asked[number]) * 0.12
                    rate = self._book.unit("serverless_compute", self._here.region).usd * 3
                    self._add(day, "ServerlessInf:Mem-3GB", "Invoke-Endpoint", arn, seconds, seconds * rate)

    def training(self) -> None:
        for job in self._here.training.values():
            cluster, start = job["ResourceConfig"], job["TrainingStartTime"]
            # Billed time begins with the run; managed spot shows as fewer billable seconds under the same usage type.
            stop = start + timedelta(seconds=job["BillableTimeInSeconds"])
            arn, kind, count = job["TrainingJobArn"], cluster["InstanceType"], cluster["InstanceCount"]
            self._running(f"Train:{kind}", "RunInstance", arn, kind, "Training", count, start, stop)
            self._storage(
                "Train:VolumeUsage.gp2", arn, "training_storage", cluster["VolumeSizeInGB"] * count, start, stop
            )

    def processing(self) -> None:
        for job in self._here.processing.values():
            cluster = job["ProcessingResources"]["ClusterConfig"]
            start, stop, kind = job["ProcessingStartTime"], job["ProcessingEndTime"], cluster["InstanceType"]
            self._running(
                f"Processing:{kind}",
                "RunInstance",
                job["ProcessingJobArn"],
                kind,
                "Processing",
                cluster["InstanceCount"],
                start,
                stop,
            )

    def notebooks(self) -> None:
        for name, runs in self._here.notebook_runs.items():
            item = self._here.notebooks[name]
            kind, arn = item["InstanceType"], item["NotebookInstanceArn"]
            for start, stop in runs:
                self._running(f"Notebk:{kind}", "RunInstance", arn, kind, "Notebook", 1, start, stop or FOREVER)
            self._storage(
                "Notebk:VolumeUsage.gp2", arn, "notebook_storage", item["VolumeSizeInGB"], item["CreationTime"], FOREVER
            )

    def surroundings(self) -> None:
        """S3 and CloudWatch: lines without a resource, a few per day."""
        if not self._here.lives:
            return
        first = min(life.created for lives in self._here.lives.values() for life in lives)
        day = max(self._begin, first).date()
        while datetime(day.year, day.month, day.day, tzinfo=UTC) < self._end:
            share = min(1.0, (self._end - datetime(day.year, day.month, day.day, tzinfo=UTC)).total_seconds() / 86400)
            gigabytes = 800 + 2.5 * (day - first.date()).days
            storage = gigabytes * 24 / HOURS * share
            price = self._book.unit("s3_standard_storage", self._here.region).usd
            self._add(
                day,
                "TimedStorage-ByteHrs",
                "StandardStorage",
                None,
                storage,
                storage * price,
                "Amazon Simple Storage Service",
            )
            puts = 42_000 * share
            self._add(
                day,
                "Requests-Tier1",
                "PutObject",
                None,
                puts,
                puts / 1000 * self._book.unit("s3_put", self._here.region).usd,
                "Amazon Simple Storage Service",
            )
            logs = 3.2 * share
            self._add(
                day,
                "DataProcessing-Bytes",
                "PutLogEvents",
                None,
                logs,
                logs * self._book.unit("logs_ingestion", self._here.region).usd,
                "AmazonCloudWatch",
            )
            day += timedelta(days=1)

    def _running(
        self,
        usage: str,
        operation: str,
        arn: str,
        kind: str,
        component: Component,
        count: int,
        start: datetime,
        stop: datetime,
    ) -> None:
        try:
            price = self._book.hourly(kind, component, self._here.region).usd
        except PriceUnknown:
            price = 1.0
        for day, seconds in self._split(start, stop):
            hours = seconds / 3600 * count
            self._add(day, usage, operation, arn, hours, hours * price)

    def _storage(self, usage: str, arn: str, item: str, gigabytes: float, start: datetime, stop: datetime) -> None:
        if gigabytes <= 0:
            return
        price = self._book.unit(item, self._here.region).usd
        for day, seconds in self._split(start, stop):
            months = gigabytes * seconds / 3600 / HOURS
            self._add(day, usage, "CreateVolume-Gp2", arn, months, months * price)

    def _split(self, start: datetime, stop: datetime) -> list[tuple[date, float]]:
        start, stop = max(start, self._begin), min(stop, self._end)
        found = []
        while start < stop:
            midnight = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=1)
            upto = min(stop, midnight)
            found.append((start.date(), (upto - start).total_seconds()))
            start = upto
        return found

    def _add(
        self,
        day: date,
        usage: str,
        operation: str,
        arn: str | None,
        quantity: float,
        cost: float,
        service: str = SAGEMAKER,
    ) -> None:
        tags = json.dumps(self._here.tags.get(arn, {})) if arn else "{}"
        name = f"{self._prefix}-{usage}" if service == SAGEMAKER or self._prefix != "USE1" else usage
        self._rows.append(
            (
                day,
                self._here.account,
                self._here.region,
                service,
                name,
                operation,
                "Usage",
                arn,
                tags,
                quantity,
                round(cost, 10),
            )
        )


def late_share(day: date, now: datetime) -> float:
    """What share of a day's usage has reached the bill: all of it after 48 hours."""
    age = now - (datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1))
    if age >= FINAL_AFTER:
        return 1.0
    return 0.965 if age >= timedelta(hours=24) else 0.93


def _taxes(usage: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """One tax line a month and account, dated the first of the month, there once the month is over."""
    closed = usage.filter(pl.col("day") < now.date().replace(day=1))
    monthly = (
        closed.group_by(pl.col("day").dt.truncate("1mo"), "account").agg(pl.col("cost").sum()).sort("day", "account")
    )
    return _plain(monthly, "Tax", pl.col("cost") * TAX_RATE)


def _credits(usage: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """A promotional credit on the payer's bill, on the fifth of each of the last six months."""
    recent = usage.filter(
        (pl.col("account") == PAYER)
        & (pl.col("day").dt.day() == 5)
        & (pl.col("day") > now.date() - timedelta(days=180))
    )
    monthly = recent.group_by("day", "account").agg(pl.col("cost").sum()).sort("day")
    return _plain(monthly, "Credit", pl.lit(-150.0))


def _plain(frame: pl.DataFrame, record_type: str, cost: pl.Expr) -> pl.DataFrame:
    return frame.select(
        pl.col("day"),
        pl.col("account"),
        pl.lit("us-east-1").alias("region"),
        pl.lit(SAGEMAKER).alias("service"),
        pl.lit("USE1-" + record_type).alias("usage_type"),
        pl.lit("").alias("operation"),
        pl.lit(record_type).alias("record_type"),
        pl.lit(None, dtype=pl.String).alias("resource_id"),
        pl.lit("{}").alias("tags"),
        pl.lit(0.0).alias("quantity"),
        cost.round(10).alias("cost"),
    )
