"""How many tokens did captured requests cost: what language models' answers state as their usage.

In: captured lines (`capture_lines.py`). Out: by file, how many answers were captured, how many state their tokens, and how
many those are, prompt and completion together. Read are the usages of OpenAI's and Anthropic's APIs, which model
servers speak (vLLM, LMI, TGI's chat), and of Bedrock's Converse. An answer without one, or one that is streamed or
no JSON, states nothing: unknown, not zero.
"""

from __future__ import annotations

from typing import cast

import duckdb
import polars as pl

from sagekeeper.collector.capture_decoding import decoded

TOKEN_COUNTS = ("token_answers", "token_told", "tokens")
_USAGES = """
WITH told AS (SELECT file, CASE WHEN json_valid(text) THEN json_extract(text, '$.usage') END AS usage FROM answers)
SELECT file, count(*) AS token_answers, count(tokens) AS token_told, coalesce(sum(tokens), 0)::BIGINT AS tokens
FROM (SELECT file, coalesce(
        TRY_CAST(usage->>'$.total_tokens' AS BIGINT),
        TRY_CAST(usage->>'$.totalTokens' AS BIGINT),
        TRY_CAST(usage->>'$.prompt_tokens' AS BIGINT) + TRY_CAST(usage->>'$.completion_tokens' AS BIGINT),
        TRY_CAST(usage->>'$.input_tokens' AS BIGINT) + TRY_CAST(usage->>'$.output_tokens' AS BIGINT)) AS found
      FROM told), LATERAL (SELECT CASE WHEN found >= 0 THEN found END AS tokens)
GROUP BY file
"""


def token_use(lines: pl.DataFrame) -> pl.DataFrame:
    """[file, token_answers, token_told, tokens]. A file in which no answer can state tokens is not there."""
    answers = lines.filter(pl.col("output").is_not_null()).select(
        "file", data="output", encoding="output_encoding", content="output_content"
    )
    may = pl.col("data").str.contains("okens", literal=True) | (pl.col("encoding") == "BASE64").fill_null(value=False)
    answers = answers.filter(may.any().over("file"))
    if answers.is_empty():
        return pl.DataFrame(schema={"file": pl.String, **dict.fromkeys(TOKEN_COUNTS, pl.Int64)})
    with duckdb.connect() as reader:
        reader.register("answers", decoded(answers).select("file", "text").to_arrow())
        return cast(pl.DataFrame, pl.from_arrow(reader.sql(_USAGES).to_arrow_table()))
