"""Is this process alive and working? ``/healthz`` for the container's probe, ``/metrics`` as plain text, for serve
and worker.

In: a function that gives the figures. Out: a small HTTP server in a thread. A process that has done no round for
longer than ``stale_seconds`` answers 503, so that an orchestrator starts it anew.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Pulse:
    """When the process last showed that it works."""

    def __init__(self, stale_seconds: float) -> None:
        self.stale_seconds = stale_seconds
        self._last = time.monotonic()

    def beat(self) -> None:
        """Work was done just now."""
        self._last = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """How long ago that was."""
        return time.monotonic() - self._last

    @property
    def alive(self) -> bool:
        """Whether that is recent enough."""
        return self.age_seconds <= self.stale_seconds


@contextmanager
def health_server(port: int, pulse: Pulse, figures: Callable[[], Mapping[str, float]]) -> Iterator[int]:
    """Answer on ``port`` (0: any free one) until the block ends; yields the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                body = json.dumps({"alive": pulse.alive, "last_round_seconds_ago": round(pulse.age_seconds, 1)})
                self._send(200 if pulse.alive else 503, "application/json", body)
            elif self.path == "/metrics":
                lines = {"last_round_age_seconds": pulse.age_seconds, **figures()}
                body = "".join(f"sagekeeper_{name} {value}\n" for name, value in lines.items())
                self._send(200, "text/plain; version=0.0.4", body)
            else:
                self._send(404, "text/plain", "Ask for /healthz or /metrics.\n")

        def _send(self, status: int, kind: str, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """A probe every few seconds is not worth a line."""

    server = ThreadingHTTPServer(("", port), Answer)
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
