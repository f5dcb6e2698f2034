"""Lost answers and passing errors between the worker and AWS: a proxy in front of the simulated account misbehaves on purpose."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.lifecycle.worker import Worker

from .conftest import AwsAccount, action_of, ask, delete_wish, settings_for, steps_of, update_wish

pytestmark = pytest.mark.integration

BUSY = (400, b'{"__type": "ConcurrentUpdateException", "message": "Try again."}')
FORBIDDEN = (
    400,
    b'{"__type": "AccessDeniedException", "message": "not authorized to perform: sagemaker:DeleteEndpoint"}',
)
Mischief = Callable[[str], str | tuple[int, bytes]]
"""Operation -> ``pass``, ``lose`` (forward, then drop the answer), or an answer given without forwarding."""


@contextmanager
def proxy(target: str, mischief: Mischief) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            what = mischief(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
            if isinstance(what, tuple):
                return self._answer(what[0], what[1], [("Content-Type", "application/x-amz-json-1.1")])
            onward = http.client.HTTPConnection(urlsplit(target).netloc)
            onward.request("POST", self.path, body, dict(self.headers))
            given = onward.getresponse()
            content = given.read()
            if what == "lose":
                self.close_connection = True
                return self.connection.close()
            dropped = ("content-length", "transfer-encoding", "connection", "date", "server")
            return self._answer(given.status, content, [h for h in given.getheaders() if h[0].lower() not in dropped])

        def _answer(self, status: int, content: bytes, headers: list[tuple[str, str]]) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def settled(ledger: Ledger, lake: Lake, aws: AwsAccount, url: str, action: int, *states: str) -> None:
    settings = settings_for(url)
    worker = Worker(ledger, lake, settings, AwsSessions(settings.aws), aws.clock, "one")
    end = time.monotonic() + 60
    while time.monotonic() < end and action_of(ledger, action).state not in states:
        worker.run_once()
        time.sleep(0.05)
    found = action_of(ledger, action)
    assert found.state in states, f"{found.state}: {found.message}"


def first_time(operation: str, what: str | tuple[int, bytes]) -> Mischief:
    left = [operation]
    return lambda asked: what if asked in left and not left.remove(asked) else "pass"  # type: ignore[func-returns-value]


@pytest.mark.parametrize("operation", ["DeleteEndpoint", "DeregisterScalableTarget"])
def test_a_call_whose_answer_is_lost_has_its_effect_once(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount, operation: str
):
    name = aws.endpoint("lossy", scaling=True)
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    with proxy(str(aws.settings.aws.endpoint_url), first_time(operation, "lose")) as url:
        settled(sqlite_ledger, lake, aws, url, action, "applied")
    assert aws.operations(name, "DeleteEndpoint") == ["DeleteEndpoint"]
    assert [step.state for step in steps_of(sqlite_ledger, action)] == ["done", "done"]


def test_an_update_whose_answer_is_lost_is_not_made_twice(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("lossy")
    action = ask(sqlite_ledger, aws, update_wish(aws, name))
    with proxy(str(aws.settings.aws.endpoint_url), first_time("UpdateEndpoint", "lose")) as url:
        settled(sqlite_ledger, lake, aws, url, action, "watching")
    assert aws.operations(name, "UpdateEndpoint") == ["UpdateEndpoint"]


def test_a_passing_error_is_tried_again_and_counted(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("busy", scaling=True)
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    with proxy(str(aws.settings.aws.endpoint_url), first_time("DeregisterScalableTarget", BUSY)) as url:
        settled(sqlite_ledger, lake, aws, url, action, "applied")
    assert [(step.state, step.attempts) for step in steps_of(sqlite_ledger, action)] == [("done", 2), ("done", 1)]


def test_a_refusal_by_aws_takes_back_what_was_done_and_the_ledger_says_why(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("forbidden", scaling=True)
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    always: Mischief = lambda asked: FORBIDDEN if asked == "DeleteEndpoint" else "pass"  # noqa: E731
    with proxy(str(aws.settings.aws.endpoint_url), always) as url:
        settled(sqlite_ledger, lake, aws, url, action, "rolled_back")
    found = action_of(sqlite_ledger, action)
    assert "DeleteEndpoint failed: AccessDeniedException" in (found.message or "")
    assert "Everything is as it was before" in (found.message or "")
    assert aws.operations(name, "CreateEndpoint", "DeleteEndpoint") == ["CreateEndpoint"]  # the test's own
    targets = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/AllTraffic"]
    )["ScalableTargets"]
    assert len(targets) == 1
