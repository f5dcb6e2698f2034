"""Five hundred files that are wrong somehow: each is refused in one clear sentence, or read with what it says; none halfway."""

from __future__ import annotations

import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.tables import COSTS

from .bills import CUR_ROW, FOCUS_ROW, csv_text

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
FILES = 500
AMOUNT = {"focus": "BilledCost", "cur": "lineItem/UnblendedCost"}
TAGS = {"focus": "Tags", "cur": "resourceTags/user:team"}
Damage = Callable[[random.Random, str, list[dict[str, str]]], bytes]


def text_of(rows: list[dict[str, str]]) -> bytes:
    return csv_text(rows).encode()


def cut(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = text_of(rows)
    return whole[: dice.randrange(len(whole))]


def cut_gzip(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = gzip.compress(text_of(rows), mtime=0)
    return whole[: dice.randrange(2, len(whole))]


def flipped_gzip(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = bytearray(gzip.compress(text_of(rows), mtime=0))
    whole[dice.randrange(10, len(whole))] ^= 1 << dice.randrange(8)
    return bytes(whole)


def other_delimiter(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    return text_of(rows).replace(b",", dice.choice([b";", b"\t", b"|"]))


def strange_number(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    rows[dice.randrange(len(rows))][AMOUNT[kind]] = dice.choice(
        ["NaN", "inf", "-Infinity", "1,5", "$3", "0x10", "1e999", "--1", "9" * 400, "", " ", "１２", "1_000", "True"]
    )
    return text_of(rows)


def extreme_number(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    rows[dice.randrange(len(rows))][AMOUNT[kind]] = dice.choice(
        ["-1e12", "9" * 25, "-0", "1e-30", "+.5", "123456789.123456789012345"]
    )
    return text_of(rows)


def header_twice(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    lines = text_of(rows).split(b"\n")
    lines.insert(dice.randrange(1, len(lines)), lines[0])
    return b"\n".join(lines)


def column_twice(_: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    header, _, rest = text_of(rows).partition(b"\n")
    lines = [line + b",7" for line in rest.splitlines()]
    return b"\n".join([header + b"," + AMOUNT[kind].encode(), *lines, b""])


def long_tag(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    value = dice.choice(["x", '"', "é", "{"]) * 100_000
    rows[0][TAGS[kind]] = value
    return text_of(rows)


def mixed_encoding(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    rows[0][TAGS[kind]] = "MARK"
    return text_of(rows).replace(b"MARK", dice.choice([b"\xff\xfe\x41", b"caf\xe9", b"\xc3", b"\xed\xa0\x80"]))


def wide(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    return text_of(rows).decode().encode(dice.choice(["utf-16", "utf-32", "utf-16-be"]))


def bytes_changed(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = bytearray(text_of(rows))
    for _ in range(dice.randrange(1, 6)):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


def column_gone(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    gone = dice.choice(list(rows[0]))
    return text_of([{name: value for name, value in row.items() if name != gone} for row in rows])


def row_shorter_or_longer(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    lines = text_of(rows).splitlines()
    at = dice.randrange(1, len(lines))
    lines[at] = lines[at].rsplit(b",", dice.randrange(1, 4))[0] if dice.random() < 0.5 else lines[at] + b",1"
    return b"\n".join(lines) + b"\n"


def quote_open(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    lines = text_of(rows).splitlines()
    at = dice.randrange(1, len(lines))
    lines[at] = b'"' + lines[at]
    return b"\n".join(lines) + b"\n"


def half_parquet(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    return b"PAR1" + text_of(rows)[: dice.randrange(1, 200)] + dice.choice([b"", b"PAR1", b"\x00\x01\x00\x00PAR1"])


def parquet_of(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_parquet(out)
    return out.getvalue()


def cut_parquet(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = parquet_of(rows)
    return whole[: dice.randrange(4, len(whole))]


def flipped_parquet(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    whole = bytearray(parquet_of(rows))
    for _ in range(dice.randrange(1, 4)):
        whole[dice.randrange(4, len(whole))] ^= 1 << dice.randrange(8)
    return bytes(whole)


def wrong_parquet_value(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    frame = pl.DataFrame(rows).with_columns(pl.col(AMOUNT[kind]).cast(pl.Float64))
    wrong = dice.choice([float("nan"), float("inf"), -float("inf"), None])
    out = io.BytesIO()
    frame.with_columns(
        pl.when(pl.int_range(pl.len()) == dice.randrange(len(rows)))
        .then(wrong)
        .otherwise(AMOUNT[kind])
        .alias(AMOUNT[kind])
    ).write_parquet(out)
    return out.getvalue()


def cut_zip(dice: random.Random, _: str, rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(dice.choice([1, 1, 2])):
            archive.writestr(f"{number}.csv", text_of(rows))
    whole = bytearray(out.getvalue())
    if dice.random() < 0.5:
        return bytes(whole[: dice.randrange(4, len(whole))])
    whole[dice.randrange(30, len(whole))] ^= 1 << dice.randrange(8)
    return bytes(whole)


def strange_time(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    column = {"focus": "ChargePeriodStart", "cur": "lineItem/UsageStartDate"}[kind]
    rows[dice.randrange(len(rows))][column] = dice.choice(
        [
            "",
            "NaN",
            "0",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "1/2/2024",
            "2024-09-18T25:00:00Z",
            "2024",
            "x" * 100_000,
        ]
    )
    return text_of(rows)


def other_currency(dice: random.Random, kind: str, rows: list[dict[str, str]]) -> bytes:
    column = {"focus": "BillingCurrency", "cur": "lineItem/CurrencyCode"}[kind]
    rows[dice.randrange(1, len(rows))][column] = dice.choice(["EUR", "JPY", "CNY", "", "usd"])
    return text_of(rows)


DAMAGES: tuple[Damage, ...] = (
    cut,
    cut_gzip,
    flipped_gzip,
    other_delimiter,
    strange_number,
    extreme_number,
    header_twice,
    column_twice,
    long_tag,
    mixed_encoding,
    wide,
    bytes_changed,
    column_gone,
    row_shorter_or_longer,
    quote_open,
    half_parquet,
    cut_parquet,
    flipped_parquet,
    wrong_parquet_value,
    cut_zip,
    strange_time,
    other_currency,
)


def amounts_written(damage: Damage, kind: str, rows: list[dict[str, str]], path: Path) -> list[Decimal]:
    """What the rows cost, without our reader: before the damage, where the damage is to the file; else as it left them."""
    name = AMOUNT[kind]
    if damage is bytes_changed:
        with path.open(newline="") as file:
            return [Decimal(row[list(rows[0]).index(name)]) for row in list(csv.reader(file, strict=True))[1:]]
    if damage is flipped_parquet:
        return [Decimal(str(value)) for value in pq.read_table(path, columns=[name])[name].to_pylist()]
    return [Decimal(row[name]) for row in rows]


def commits(folder: Path) -> int:
    """How often anything was written to the lake."""
    return len(list((folder / "lake").rglob("_delta_log/*.json")))


@pytest.mark.integration
def test_a_malformed_file_is_refused_in_one_sentence_or_read_whole(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    dice = random.Random(20_261_120)
    refused = 0
    for number in range(FILES):
        kind = dice.choice(["focus", "cur"])
        row = FOCUS_ROW if kind == "focus" else CUR_ROW
        rows = [row | {AMOUNT[kind]: f"{dice.randrange(1, 10**6) / 1000}"} for _ in range(dice.randrange(2, 30))]
        if dice.random() < 0.5:  # where a cut within the last value would be another amount
            rows = [{name: item[name] for name in sorted(item, key=AMOUNT[kind].__eq__)} for item in rows]
        damage = DAMAGES[number % len(DAMAGES)]
        path = tmp_path / f"bill-{number}"
        path.write_bytes(damage(dice, kind, rows))
        said = f"{number} {damage.__name__} {kind}"
        before = commits(tmp_path)
        try:
            report = ingest_file(path, lake, sqlite_ledger, NOW, kind)
        except BadInput as error:
            refused += 1
            assert commits(tmp_path) == before, said
            assert path.name in str(error) and str(error).endswith("Nothing was changed."), (said, str(error))
            assert len(str(error)) < 400 and "Traceback" not in str(error), (said, str(error))
        else:
            there = lake.scan(COSTS).filter(pl.col("x_Dataset") == report.dataset).collect()
            billed = sum((totals.get("BilledCost", Decimal(0)) for totals in report.totals.values()), Decimal(0))
            written = amounts_written(damage, kind, rows, path)
            # A file that is cut between two lines is a shorter file.
            assert report.rows == len(written) or damage is cut, said
            assert billed == sum(written[: report.rows]), said
            assert there.height == report.rows, said
            assert there["BilledCost"].is_finite().all(), said
            assert abs(Decimal(repr(there["BilledCost"].sum())) - billed) <= abs(billed) * Decimal("1e-12"), said
        path.unlink()
    assert refused > FILES / 2
