"""Captured lines as profiles of their hours: one function for a chunk of files, wherever it runs.

In: lines (`capture_lines.py`) that know their hour and their variant, and what is known of the endpoint. Out: `Chunk`: rows of
profiles by role, variant, feature and hour (what was asked: capture; what was answered: prediction; the words of
texts in either: words_of_...), counts by hour, and what was
left out. Chunks are put together by `together`: here the next chunk of the same hours, on Spark that of another machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sagekeeper.collector.capture_door import Door
from sagekeeper.collector.capture_payloads import Records, Side, records
from sagekeeper.collector.capture_text import WORDS_OF, measured, texts, words
from sagekeeper.collector.profile import profiles_of, type_of
from sagekeeper.core.feature_profile import FeatureType, Profile, columns
from sagekeeper.core.profile_rows import MEASURED, added

HOUR_SKETCH_K = 512
"""A rank error of about 0.6 % at 99 % confidence, half the bytes of a baseline's; up to 512 numbers an hour is exact."""
HOUR = {"role": pl.String(), "variant": pl.String(), "window_start": pl.Datetime("us", "UTC")}
ROWS = {**HOUR, "feature": pl.String(), **MEASURED}


@dataclass(frozen=True)
class Schema:
    """What is known of an endpoint's features. ``names`` in their order, ``types`` by role and
    feature, ``attribute``: the custom attribute that names the model of a multi-model endpoint, None where there is one model."""

    names: tuple[str, ...] = ()
    types: Mapping[tuple[str, str], FeatureType] = field(default_factory=dict)
    door: Door = field(default_factory=lambda: Door(""))
    attribute: str | None = None


@dataclass(frozen=True)
class Chunk:
    """``rows``: schema `ROWS`. ``counts``: [role, variant, window_start, records]. ``rejected``: [file, line,
    record, side, why]."""

    rows: pl.DataFrame
    counts: pl.DataFrame
    rejected: pl.DataFrame


def profiled(lines: pl.DataFrame, hours: pl.DataFrame, schema: Schema) -> Chunk:
    """``hours``: [file, variant, window_start] of every file in ``lines``."""
    asked = records(lines, "input", schema.names)
    answered = _answers(records(_one_a_line(lines, asked.keys), "output", ()))
    made = [_side(asked, hours, "input", "capture", schema), _side(answered, hours, "output", "prediction", schema)]
    rejected = pl.concat([part.rejected for part in made])
    # A line of which nothing can be read has been met on both sides.
    return Chunk(
        pl.concat([part.rows for part in made]),
        pl.concat([part.counts for part in made]),
        rejected.unique(["file", "line", "record", "why"], keep="first", maintain_order=True).unique(
            ["file", "line", "record", "side"], keep="first", maintain_order=True
        ),
    )


def _side(read: Records, hours: pl.DataFrame, side: Side, role: str, schema: Schema) -> Chunk:
    rejected = read.rejected.with_columns(
        pl.col("line").cast(pl.Int64), pl.col("record").cast(pl.Int64), side=pl.lit(side)
    )
    places = read.keys.join(hours, on="file", how="left", maintain_order="left").select(
        role=pl.lit(role), variant=_variant(schema.attribute), window_start="window_start"
    )
    known = places.unique(maintain_order=True).with_row_index("group")
    group = places.join(known, on=list(HOUR), how="left", maintain_order="left")["group"]
    counts = places.group_by(*HOUR, maintain_order=True).len("records").with_columns(pl.col("records").cast(pl.Int64))
    types = {feature: kind for (of, feature), kind in schema.types.items() if of == role}
    rows = [row for part in _features(schema.door.passed(read.values), role, group, types) for row in part]
    made = pl.DataFrame(rows, schema={"group": pl.UInt32, "role": pl.String, "feature": pl.String, **MEASURED})
    return Chunk(
        made.join(known.drop("role"), on="group", how="left").select(
            pl.col(name).cast(kind) for name, kind in ROWS.items()
        ),
        counts,
        rejected.select("file", "line", "record", "side", "why"),
    )


def _features(
    values: pl.DataFrame, role: str, group: pl.Series, types: Mapping[str, FeatureType]
) -> Sequence[list[dict[str, Any]]]:
    written = texts(values, types)
    found = []
    for name in written:
        each = words(values, name, group)
        found.append(_rows(WORDS_OF + role, name, profiles_of(each["value"], each["group"], "categorical")))
    plain = measured(values, written) if written else values
    for column in plain.iter_columns():
        kind = types.get(column.name) or type_of(column)
        if (kind == "vector") != (column.dtype == pl.List):
            kind = type_of(column)  # a list where there was none, or the other way round
        found.append(_rows(role, column.name, profiles_of(column, group, kind, HOUR_SKETCH_K)))
    return found


def _rows(role: str, feature: str, profiles: Mapping[int, Profile]) -> list[dict[str, Any]]:
    return [
        {"group": group, "role": role, "feature": feature} | columns(profile) for group, profile in profiles.items()
    ]


def _one_a_line(lines: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Answers to many records that stand side by side, as XGBoost's container writes them, one below the other."""
    many = asked.group_by("file", "line").len("asked").filter(pl.col("asked") > 1)
    if many.is_empty():
        return lines
    output = pl.col("output")
    beside = (
        (pl.col("output_encoding") == "CSV")
        & (output.str.strip_chars().str.count_matches(",", literal=True) + 1 == pl.col("asked"))
        & ~output.str.contains(r'["\n]\s*\S')
    )
    told = pl.when(beside).then(output.str.replace_all(",", "\n", literal=True)).otherwise(output)
    return (
        lines.join(many, on=["file", "line"], how="left", maintain_order="left").with_columns(output=told).drop("asked")
    )


def _answers(read: Records) -> Records:
    """Answers without a name are called ``prediction``, or ``prediction_0`` and so on where there are several."""
    if not read.values.columns or any(not name.startswith("_c") for name in read.values.columns):
        return read
    width = read.values.width
    names = [f"prediction_{number}" for number in range(width)] if width > 1 else ["prediction"]
    return Records(read.keys, read.values.rename(dict(zip(read.values.columns, names, strict=True))), read.rejected)


def _variant(attribute: str | None) -> pl.Expr:
    if attribute is None:
        return pl.col("variant")
    told = pl.col("attributes").str.extract(rf'(?:^|[\[",;\s]){attribute}=([^",;\]\s]+)', 1)
    return pl.concat_str("variant", pl.coalesce("target_model", told), separator="/", ignore_nulls=True)


def together(chunks: Sequence[Chunk], known: Mapping[tuple[str, str], FeatureType]) -> Chunk:
    """All chunks as one. A feature that an hour does not have at all, and that is ``known``, is missing in all its records."""
    counts = (
        pl.concat([chunk.counts for chunk in chunks]).group_by(*HOUR, maintain_order=True).agg(pl.col("records").sum())
    )
    rows = added(pl.concat([chunk.rows for chunk in chunks]), [*HOUR, "feature"])
    expected = _expected(rows, counts, known)
    short = expected.join(rows.select(*HOUR, "feature", "records"), on=[*HOUR, "feature"], how="left")
    lacking = pl.col("all") - pl.col("records").fill_null(0)
    absent = short.filter(lacking > 0).select(
        *HOUR,
        "feature",
        "type",
        records=lacking,
        missing=lacking,
        invalid=pl.lit(0, pl.Int64),
        frequent_error=pl.lit(0, pl.Int64),
    )
    filled = pl.concat([rows, absent], how="diagonal").select(pl.col(name).cast(kind) for name, kind in ROWS.items())
    return Chunk(added(filled, [*HOUR, "feature"]), counts, pl.concat([chunk.rejected for chunk in chunks]))


def _expected(rows: pl.DataFrame, counts: pl.DataFrame, known: Mapping[tuple[str, str], FeatureType]) -> pl.DataFrame:
    """[*HOUR, feature, type, all]: what every hour should have. Words have no counts: they are not counted by record."""
    seen = rows.group_by("role", "variant", "feature", maintain_order=True).agg(pl.col("type").first())
    told = pl.DataFrame(
        [{"role": role, "feature": feature, "type": kind} for (role, feature), kind in known.items()],
        schema={"role": pl.String, "feature": pl.String, "type": pl.String},
    )
    everywhere = (
        counts.select("role", "variant").unique().join(told, on="role").select("role", "variant", "feature", "type")
    )
    features = pl.concat([seen, everywhere]).unique(["role", "variant", "feature"], keep="first", maintain_order=True)
    return counts.join(features, on=["role", "variant"]).rename({"records": "all"})
