"""Tokens are those that answers state; what states nothing is counted as an answer and as no token."""

from __future__ import annotations

import base64
import json

import polars as pl
import pytest

from sagekeeper.collector.capture_lines import read_lines
from sagekeeper.collector.capture_tokens import token_use


def captured(*answers: str, encoding: str = "JSON", name: str = "a.jsonl", more: str = "") -> pl.DataFrame:
    """The lines of a capture file of requests with those answers."""
    lines = [
        {
            "captureData": {
                "endpointInput": {"mode": "INPUT", "data": '{"prompt": "hi"}', "encoding": "JSON"},
                "endpointOutput": {"mode": "OUTPUT", "data": answer, "encoding": encoding},
            },
            "eventMetadata": {"eventId": "e", "inferenceTime": "2026-11-19T10:00:00Z"},
            "eventVersion": "0",
        }
        for answer in answers
    ]
    return read_lines([(name, ("".join(json.dumps(line) + "\n" for line in lines) + more).encode())])


def counts(lines: pl.DataFrame) -> list[tuple[int, int, int]]:
    return token_use(lines).select("token_answers", "token_told", "tokens").rows()


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42},
        {"prompt_tokens": 30, "completion_tokens": 12},
        {"input_tokens": 40, "output_tokens": 2},
        {"inputTokens": 40, "outputTokens": 2, "totalTokens": 42},
    ],
)
def test_prompt_and_completion_are_summed_in_every_dialect(usage: dict[str, int]) -> None:
    assert counts(captured(json.dumps({"choices": [], "usage": usage}))) == [(1, 1, 42)]


def test_answers_that_state_nothing_or_nonsense_are_unknown_not_zero() -> None:
    odd = [
        '{"usage": {"total_tokens": "many"}}',
        '{"usage": null}',
        "tokens, not JSON",
        '{"usage": {"total_tokens": -3}}',
    ]
    lines = captured(json.dumps({"usage": {"total_tokens": 7}}), *odd, more="{broken tokens\n")
    assert counts(lines) == [(5, 1, 7)]


def test_answers_in_base64_as_captured_by_default_are_read() -> None:
    answer = base64.b64encode(json.dumps({"usage": {"total_tokens": 9}}).encode()).decode()
    assert counts(captured(answer, encoding="BASE64")) == [(1, 1, 9)]


def test_files_of_other_models_are_not_taken_apart() -> None:
    numbers = captured("0.7", "0.2", encoding="CSV", name="numbers.jsonl")
    words = captured(json.dumps({"usage": {"total_tokens": 7}}))
    assert counts(numbers) == []
    assert counts(pl.concat([numbers, words])) == [(1, 1, 7)]
