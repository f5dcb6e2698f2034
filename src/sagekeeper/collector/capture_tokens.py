"""How many tokens did captured requests cost: what language models' answers state as their usage.

In: capture files (monitoring-facts 2.6). Out: how many answers were captured, how many state their tokens, and how
many those are, prompt and completion together. Read are the usages of OpenAI's and Anthropic's APIs, which model
servers speak (vLLM, LMI, TGI's chat), and of Bedrock's Converse. An answer without one, or one that is streamed or
no JSON, states nothing: unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import cast

import duckdb
import polars as pl

from sagekeeper.collector.capture_lines import LONGEST_LINE
from sagekeeper.collector.source import Task
from sagekeeper.core.lake import Scope
from sagekeeper.core.tables import TOKEN_USE

MARKS = (b"okens", b'"BASE64"')
"""A file without either states no tokens: it is not taken apart."""
_ANSWERS = f"""
SELECT json_extract_string(line, '$.captureData.endpointOutput.data') AS payload,
       json_extract_string(line, '$.captureData.endpointOutput.encoding') AS encoding
FROM (SELECT CASE WHEN json_valid(line) THEN line END AS line
      FROM read_csv($files, columns={{'line': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='', escape='',
                    strict_mode=false, ignore_errors=true, nullstr='\x02',
                    max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE}))
"""  # noqa: S608 (two numbers of ours)
_USAGES = """
WITH told AS (SELECT CASE WHEN json_valid(payload) THEN json_extract(payload, '$.usage') END AS usage FROM answers)
SELECT count(tokens) AS told, coalesce(sum(tokens), 0) AS tokens
FROM (SELECT coalesce(
        TRY_CAST(usage->>'$.total_tokens' AS BIGINT),
        TRY_CAST(usage->>'$.totalTokens' AS BIGINT),
        TRY_CAST(usage->>'$.prompt_tokens' AS BIGINT) + TRY_CAST(usage->>'$.completion_tokens' AS BIGINT),
        TRY_CAST(usage->>'$.input_tokens' AS BIGINT) + TRY_CAST(usage->>'$.output_tokens' AS BIGINT)) AS tokens
      FROM told)
WHERE tokens >= 0
"""


@dataclass(frozen=True)
class TokenUse:
    """``answers`` captured, of which ``told`` state their tokens, ``tokens`` in all."""

    answers: int = 0
    told: int = 0
    tokens: int = 0

    def __add__(self, other: TokenUse) -> TokenUse:
        return TokenUse(self.answers + other.answers, self.told + other.told, self.tokens + other.tokens)


class DayTokens:
    """The days of one variant in `TOKEN_USE`: what was known, what is now."""

    def __init__(self, task: Task, variant: dict[str, str], first: date, last: date) -> None:
        self._task, self._variant, self._days = task, variant, (first, last)
        here = pl.all_horizontal(pl.col(column) == value for column, value in variant.items())
        rows = task.lake.scan(TOKEN_USE).filter(here & pl.col("day").is_between(first, last)).collect()
        self._known = {row["day"]: TokenUse(row["answers"], row["told"], row["tokens"]) for row in rows.to_dicts()}

    def known(self, day: date) -> TokenUse:
        """What is known of the day."""
        return self._known.get(day, TokenUse())

    def put(self, day: date, use: TokenUse) -> None:
        """What is known of it now."""
        self._known[day] = use

    def keep(self) -> None:
        """Write the days with answers into the lake."""
        found = [
            self._variant | asdict(use) | {"day": day, "observed_at": self._task.as_of}
            for day, use in self._known.items()
            if use.answers
        ]
        rows = pl.DataFrame(found, schema=TOKEN_USE.columns)
        self._task.replace(TOKEN_USE, rows, Scope(self._variant, "day", *self._days))


def token_use(files: Sequence[Path]) -> TokenUse:
    """Of all files together. Files that cannot state tokens count no answers: see `MARKS`."""
    stating = [str(file) for file in files if any(mark in file.read_bytes() for mark in MARKS)]
    if not stating:
        return TokenUse()
    with duckdb.connect() as reader:
        read = cast(pl.DataFrame, pl.from_arrow(reader.sql(_ANSWERS, params={"files": stating}).to_arrow_table()))
        answers = read.filter(pl.col("payload").is_not_null())
        plain = pl.col("payload").str.decode("base64", strict=False).cast(pl.String, strict=False)
        payloads = answers.select(payload=pl.when(pl.col("encoding") == "BASE64").then(plain).otherwise("payload"))
        reader.register("answers", payloads.to_arrow())
        told, tokens = reader.sql(_USAGES).fetchall()[0]
    return TokenUse(answers.height, int(told), int(tokens))
