"""The container's probe."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from sagekeeper.service.health import Pulse, health_server

pytestmark = pytest.mark.integration


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_process_that_does_its_rounds_is_alive_and_tells_its_figures() -> None:
    with health_server(0, Pulse(stale_seconds=60), lambda: {"leading": 1.0}) as port:
        status, body = ask(port, "/healthz")
        assert (status, json.loads(body)["alive"]) == (200, True)
        assert "sagekeeper_leading 1.0\n" in ask(port, "/metrics")[1]
        assert ask(port, "/else")[0] == 404


def test_a_process_without_a_recent_round_is_not_alive() -> None:
    with health_server(0, Pulse(stale_seconds=-1), dict) as port:
        assert ask(port, "/healthz")[0] == 503
