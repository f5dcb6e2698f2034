"""Where the hours of one captured folder lie in the lake: what is there, and a batch of hours put in place of what was there.

In: the profiles, counts and rejects of some hours. Out: `feature_hours`, the days of `feature_profiles`, `capture_rejects`,
`token_use`, and last of all `capture_hours`, by which an hour counts as read. All are replaced, never added to.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from sagekeeper.collector.capture_hours import Chunk
from sagekeeper.collector.capture_places import Captured
from sagekeeper.collector.capture_tokens import TOKEN_COUNTS
from sagekeeper.collector.source import Task
from sagekeeper.core.feature_profile import FeatureType
from sagekeeper.core.lake import Scope
from sagekeeper.core.profile_rows import FEATURE, merged
from sagekeeper.core.tables import CAPTURE_HOURS, CAPTURE_REJECTS, FEATURE_HOURS, FEATURE_PROFILES, TOKEN_USE, Table

REMEMBERED = timedelta(days=7)
"""A feature that was not captured for so long is forgotten: until then it is missing."""
MOST_REJECTS = 1000
"""Kept by place for an hour; all are counted."""
ROLES = ("capture", "prediction", "words_of_capture", "words_of_prediction")


class Shelves:
    """The lake's rows of ``source``."""

    def __init__(self, task: Task, source: Captured) -> None:
        self._task, self._source = task, source
        self._endpoint = {"account": task.account.id, "region": task.region, "endpoint": source.endpoint}
        self._folder = {**self._endpoint, "folder": source.folder}
        oldest = task.as_of.date() - timedelta(days=task.settings.collect.capture_days + 1)
        there = (
            task.lake.scan(CAPTURE_HOURS)
            .filter(Scope(self._folder).expression() & (pl.col("day") >= oldest))
            .select("window_start", "contents", "files", "sampling_percent")
        )
        self._known = {row[0].astimezone(UTC): row[1:] for row in there.collect().iter_rows()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it was read lately."""
        return not self._known

    def has(self, hour: datetime, contents: str, files: int) -> bool:
        """Whether the hour was read with these contents, or with more files than there are now."""
        known = self._known.get(hour)
        return known is not None and (known[0] == contents or known[1] > files)

    def types(self, before: datetime) -> dict[tuple[str, str], FeatureType]:
        """Features that were captured in the days before that hour, by role and name."""
        rows = self._task.lake.scan(FEATURE_HOURS).filter(
            Scope(self._endpoint).expression()
            & self._own()
            & (pl.col("day") >= (before - REMEMBERED).date())
            & (pl.col("window_start") < before)
            & (pl.col("missing") < pl.col("records"))
        )
        newest = rows.select("role", "feature", "type", "window_start").sort("window_start").collect()
        drops = self._source.schema.door.drops
        return {(role, feature): kind for role, feature, kind, _ in newest.iter_rows() if not drops(feature)}

    def put(self, read: Chunk, counts: pl.DataFrame, hours: pl.DataFrame, files: pl.DataFrame) -> None:
        """``hours``: [window_start, files, bytes, contents] that ``read`` is of. ``counts``: [window_start, requests,
        tokens ...]. ``files``: [file, window_start]."""
        starts = hours["window_start"].to_list()
        days = min(starts).date(), max(starts).date()
        rates = pl.DataFrame(
            {"window_start": starts, "sampling_percent": [self._sampling(start) for start in starts]},
            schema={"window_start": pl.Datetime("us", "UTC"), "sampling_percent": pl.Float64},
        )
        self._put_profiles(read.rows.join(rates, on="window_start", how="left"), starts, days)
        self._put_rejects(read.rejected.join(files, on="file", how="left"), starts, days)
        records = read.counts.group_by("window_start").agg(
            pl.col("records").filter(pl.col("role") == role).sum().alias(role) for role in ROLES[:2]
        )
        left_out = (
            read.rejected.join(files, on="file", how="left")
            .group_by("window_start")
            .agg(
                poison_lines=pl.col("record").is_null().sum().cast(pl.Int64),
                left_out=pl.col("record").is_not_null().sum().cast(pl.Int64),
            )
        )
        made = hours.join(rates, on="window_start", how="left")
        for more in (counts, records, left_out):
            made = made.join(more, on="window_start", how="left")
        made = made.rename({"capture": "records", "prediction": "answers"}).with_columns(
            pl.col("requests", "records", "answers", "poison_lines", "left_out", *TOKEN_COUNTS).fill_null(0),
            estimated_requests=pl.col("requests") * 100 / pl.col("sampling_percent"),
        )
        whole = self._with_others(CAPTURE_HOURS, self._framed(made, self._folder), self._folder, starts, days)
        self._put_tokens(whole, days)
        self._task.replace(CAPTURE_HOURS, whole, Scope(self._folder, "day", *days))
        self._known |= {
            row["window_start"]: (row["contents"], row["files"], row["sampling_percent"])
            for row in made.iter_rows(named=True)
        }

    def _put_profiles(self, rows: pl.DataFrame, starts: list[datetime], days: tuple[date, date]) -> None:
        new = self._framed(rows, self._endpoint).with_columns(window_end=pl.col("window_start") + timedelta(hours=1))
        before = self._range(FEATURE_HOURS, self._endpoint, days)
        others = before.filter(~(self._own() & pl.col("window_start").is_in(starts)))
        hours = pl.concat([others, new.select(FEATURE_HOURS.columns.keys())])
        self._task.replace(FEATURE_HOURS, hours, Scope(self._endpoint, "day", *days))
        by_day = merged(hours, [*FEATURE, "day"]).with_columns(
            window_start=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            observed_at=pl.lit(self._task.as_of).cast(pl.Datetime("us", "UTC")),
        )
        for role in ROLES:
            scope = {**self._endpoint, "role": role}
            mine = by_day.filter(pl.col("role") == role).select(FEATURE_PROFILES.columns.keys())
            # Days whose hours this lake does not have were profiled when days were all it kept.
            kept = self._range(FEATURE_PROFILES, scope, days).join(hours, on="day", how="anti")
            self._task.replace(FEATURE_PROFILES, pl.concat([kept, mine]), Scope(scope, "day", *days))

    def _put_rejects(self, rejected: pl.DataFrame, starts: list[datetime], days: tuple[date, date]) -> None:
        some = rejected.group_by("window_start", maintain_order=True).head(MOST_REJECTS)
        named = some.with_columns(file=f"s3://{self._source.bucket}/" + pl.col("file"))
        rows = self._with_others(CAPTURE_REJECTS, self._framed(named, self._folder), self._folder, starts, days)
        self._task.replace(CAPTURE_REJECTS, rows, Scope(self._folder, "day", *days))

    def _put_tokens(self, hours: pl.DataFrame, days: tuple[date, date]) -> None:
        """By variant, which may have several folders."""
        variant = self._source.folder.split("/", 1)[0]
        beside = self._range(CAPTURE_HOURS, self._endpoint, days).filter(
            (pl.col("folder") != self._source.folder) & (pl.col("folder").str.split("/").list.first() == variant)
        )
        place = {**self._endpoint, "variant": variant}
        told = (
            pl.concat([hours, beside])
            .group_by("day")
            .agg(answers=pl.col("token_answers").sum(), told=pl.col("token_told").sum(), tokens=pl.col("tokens").sum())
        )
        rows = self._framed(told.filter(pl.col("answers") > 0), place).select(TOKEN_USE.columns.keys())
        kept = self._range(TOKEN_USE, place, days).join(told, on="day", how="anti")
        self._task.replace(TOKEN_USE, pl.concat([kept, rows]), Scope(place, "day", *days))

    def _framed(self, rows: pl.DataFrame, place: dict[str, str]) -> pl.DataFrame:
        day = [] if "day" in rows.columns else [pl.col("window_start").dt.date().alias("day")]
        at = pl.lit(self._task.as_of).cast(pl.Datetime("us", "UTC")).alias("observed_at")
        return rows.with_columns(*day, at, *(pl.lit(value).alias(name) for name, value in place.items()))

    def _with_others(
        self, table: Table, new: pl.DataFrame, place: dict[str, str], starts: list[datetime], days: tuple[date, date]
    ) -> pl.DataFrame:
        others = self._range(table, place, days).filter(~pl.col("window_start").is_in(starts))
        return pl.concat([others, new.select(pl.col(name).cast(kind) for name, kind in table.columns.items())])

    def _range(self, table: Table, place: dict[str, str], days: tuple[date, date]) -> pl.DataFrame:
        return self._task.lake.scan(table).filter(Scope(place, "day", *days).expression()).collect()

    def _own(self) -> pl.Expr:
        """Rows of this folder's variant, and of the models it serves."""
        variant = pl.col("variant") == self._source.folder
        if self._source.schema.attribute is None:
            return variant
        return variant | pl.col("variant").str.starts_with(f"{self._source.folder}/")

    def _sampling(self, start: datetime) -> float | None:
        """As it was when the hour was read first: an endpoint tells only what is current."""
        known = self._known.get(start)
        return known[2] if known is not None else self._source.sampling
