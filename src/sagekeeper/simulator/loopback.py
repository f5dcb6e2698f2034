"""Nothing leaves the machine: connections to anywhere but loopback are refused before a packet goes out.

`stay` holds for the whole process (the server's own: moto would deliver SNS notifications, Firehose records and the
answers of containers by HTTP to whatever address it was given). `staying` holds for the threads that are inside it: in
library mode the simulated account shares a process that has business of its own. What is refused is kept in ``refused``.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

NAMES = ("localhost", "localhost.localdomain", "", "0.0.0.0", "::")  # noqa: S104 (names compared, nothing bound)
WATCHED = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
refused: list[str] = []
"""Hosts that something tried to reach."""


class LeavesLoopback(ConnectionRefusedError):
    """Something wanted to reach a host that is not this machine."""


class _Guard(threading.local):
    """Whether this thread may not leave."""

    watched = False
    depth = 0


_guard = _Guard()


def stay() -> None:
    """From now on, for all of this process."""
    _install()
    _Guard.watched = True


@contextmanager
def staying() -> Iterator[None]:
    """For this thread, until the block ends."""
    _install()
    _guard.depth += 1
    try:
        yield
    finally:
        _guard.depth -= 1


@lru_cache(maxsize=1)
def _install() -> None:
    """An audit hook sees every socket of the interpreter, whoever opens it; it cannot be taken off again, only idle."""
    sys.addaudithook(_audit)


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if event not in WATCHED or not (_guard.watched or _guard.depth):
        return
    host = given[0] if event.startswith("socket.get") else _host(given)
    if host is not None and not is_here(host):
        name = host.decode() if isinstance(host, bytes) else str(host)
        refused.append(name)
        raise LeavesLoopback(f"The simulated account does not leave this machine: {name} was not asked.")


def _host(given: tuple[Any, ...]) -> Any:
    """The host of a socket address; None for sockets that are files."""
    opened, address = given[0], given[1]
    return address[0] if opened.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple) else None


def is_here(host: Any) -> bool:
    """Whether a host is this machine itself."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name in NAMES:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False
