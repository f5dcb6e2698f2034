"""The simulated account inside this process: no port, no child, the same application and so the same answers.

For fast tests: ``with library.in_process() as account:`` every client of botocore in this process, old or new, that is
meant for a host of AWS (or any other that is not this machine) talks to the account; nothing reaches the network.
``account`` has the controls of a running one (`client.py`), and `fetch` for addresses the account hands out. moto keeps
its state in its modules: it is emptied on the way in and out, and what we hang into it is taken out again. One account
at a time.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import moto.core.utils
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.request import Request

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.simulator import loopback
from sagekeeper.simulator.client import Simulator
from sagekeeper.simulator.server import DEFAULT_NOW, Simulation

_ONE_AT_A_TIME = threading.Lock()


class LibraryAccount(Simulator):
    """A client of the account in this process."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__("http://127.0.0.1")
        self._simulation = simulation

    def fetch(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """GET an address that the account gave out (price lists, presigned addresses): status, headers, body."""
        return self.answer("GET", url, {}, b"")

    def answer(self, method: str, url: str, headers: Any, body: Any) -> tuple[int, dict[str, str], bytes]:
        """What the server would answer to this request."""
        begun: list[Any] = []
        environ = Request.from_primitives(method, url, headers, _bytes(body)).environ
        with loopback.staying():
            found = self._simulation(environ, lambda *given: begun.append(given))
            content = b"".join(found)
        return int(begun[0][0][:3]), dict(begun[0][1]), content

    def _ask(self, route: str, body: dict[str, Any] | None = None) -> Any:
        method = "GET" if body is None else "POST"
        told = b"" if body is None else json.dumps(body).encode()
        status, _, content = self.answer(method, f"{self.url}/sagekeeper/{route}", {}, told)
        if status != 200:
            raise SourceUnavailable(f"The simulated account refused {route}: {content.decode()}")
        return json.loads(content)


@contextmanager
def in_process(
    state_dir: Path | None = None,
    scale: str = "small",
    now: datetime = DEFAULT_NOW,
    seed: int = 7,
    speed: float = 1.0,
    data: Path | None = None,
) -> Iterator[LibraryAccount]:
    """An account for this process, until the block ends. With ``state_dir`` it is there again the next time."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise BadInput("There is a simulated account in this process already: end it before another one begins.")
    try:
        with tempfile.TemporaryDirectory() as aside, _untouched_moto(), _without_state():
            simulation = Simulation(state_dir or Path(aside), now, seed, scale, speed, data)
            simulation.prepare(lambda *_: None)
            account = LibraryAccount(simulation)
            with _botocore_sends_to(account):
                yield account
            simulation.clock.keep()
    finally:
        _ONE_AT_A_TIME.release()


@contextmanager
def _botocore_sends_to(account: LibraryAccount) -> Iterator[None]:
    """All of botocore's requests go through one method: clients that exist already are reached as well."""
    session: Any = URLLib3Session
    known = session.send

    def send(self: Any, request: AWSPreparedRequest) -> AWSResponse:
        if loopback.is_here(urlsplit(request.url).hostname):
            # A client that was given a server of this machine means that one.
            return known(self, request)
        told: Any
        status, told, content = account.answer(request.method, request.url, request.headers, request.body)
        return AWSResponse(request.url, status, told, _Raw(content))

    session.send = send
    try:
        yield
    finally:
        session.send = known


@contextmanager
def _without_state() -> Iterator[None]:
    _empty()
    try:
        yield
    finally:
        _empty()


def _empty() -> None:
    BackendDict.reset()
    reset_model_data()


@contextmanager
def _untouched_moto() -> Iterator[None]:
    """What the simulator hangs into moto's classes and modules is gone afterwards."""
    before = {owner: dict(vars(owner)) for owner in _owners()}
    code = moto.core.utils.utcnow.__code__
    try:
        yield
    finally:
        moto.core.utils.utcnow.__code__ = code
        for owner, known in before.items():
            for name, value in list(vars(owner).items()):
                if name not in known:
                    if callable(value):
                        delattr(owner, name)
                elif value is not known[name] and callable(known[name]):
                    setattr(owner, name, known[name])


def _owners() -> list[Any]:
    """moto's modules, and the classes of its services, that are loaded."""
    modules = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "moto"]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__.startswith("moto.")
    }
    return [*modules, *classes]


class _Raw(io.BytesIO):
    """A body as urllib3 hands it over."""

    def stream(self, amount: int = 65_536, **_: Any) -> Iterator[bytes]:
        """In pieces."""
        while piece := self.read(amount):
            yield piece

    def read(self, amount: int | None = None, **_: Any) -> bytes:
        return super().read(-1 if amount is None else amount)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())
