"""Tokens are those that answers state; what states nothing is counted as an answer and as no token."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sagekeeper.collector.capture_tokens import TokenUse, token_use


def captured(folder: Path, *answers: str, encoding: str = "JSON", name: str = "a.jsonl") -> Path:
    """A capture file of requests with those answers."""
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
    file = folder / name
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42},
        {"prompt_tokens": 30, "completion_tokens": 12},
        {"input_tokens": 40, "output_tokens": 2},
        {"inputTokens": 40, "outputTokens": 2, "totalTokens": 42},
    ],
)
def test_prompt_and_completion_are_summed_in_every_dialect(tmp_path: Path, usage: dict[str, int]) -> None:
    assert token_use([captured(tmp_path, json.dumps({"choices": [], "usage": usage}))]) == TokenUse(1, 1, 42)


def test_answers_that_state_nothing_or_nonsense_are_unknown_not_zero(tmp_path: Path) -> None:
    odd = [
        '{"usage": {"total_tokens": "many"}}',
        '{"usage": null}',
        "tokens, not JSON",
        '{"usage": {"total_tokens": -3}}',
    ]
    file = captured(tmp_path, json.dumps({"usage": {"total_tokens": 7}}), *odd)
    file.write_text(file.read_text() + "{broken tokens\n")
    assert token_use([file]) == TokenUse(5, 1, 7)


def test_answers_in_base64_as_captured_by_default_are_read(tmp_path: Path) -> None:
    answer = base64.b64encode(json.dumps({"usage": {"total_tokens": 9}}).encode()).decode()
    assert token_use([captured(tmp_path, answer, encoding="BASE64")]) == TokenUse(1, 1, 9)


def test_files_of_other_models_are_not_taken_apart(tmp_path: Path) -> None:
    numbers = captured(tmp_path, "0.7", "0.2", encoding="CSV", name="numbers.jsonl")
    words = captured(tmp_path, json.dumps({"usage": {"total_tokens": 7}}))
    assert token_use([numbers]) == TokenUse()
    assert token_use([numbers, words]) == TokenUse(1, 1, 7)
