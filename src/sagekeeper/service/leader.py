"""One leader among the schedulers that share a ledger: a Postgres advisory lock, or a locked file beside an SQLite
ledger.

Both kinds of lock die with the process that holds them, so after kill -9 a standby gets the lock on its next try and
nothing has to expire. Holding the lock is not proof for ever: a Postgres session can be cut, therefore `held` asks
before each round of work.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from sagekeeper.core.ledger import Ledger

LEADER_KEY = 7_243_202
"""Key of the Postgres advisory lock of the leading scheduler: any number nobody else uses."""


class LeaderLock(Protocol):
    """The right to run the scheduled jobs."""

    def acquire(self) -> bool:
        """Try once, without waiting. True when this process leads now."""

    def held(self) -> bool:
        """Whether this process still leads."""

    def release(self) -> None:
        """Give the lead away."""


def leader_lock(ledger: Ledger) -> LeaderLock:
    """The lock that belongs to this ledger."""
    if ledger.is_postgres:
        return _AdvisoryLock(ledger)
    return _FileLock(Path(f"{ledger.engine.url.database}.leader"))


class _FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        handle = self._path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        self._file = handle
        return True

    def held(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _AdvisoryLock:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        if self._connection is not None:
            return True
        connection = self._ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LEADER_KEY}):
            self._connection = connection
            return True
        connection.close()
        return False

    def held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            # The session was cut, and the lock with it; somebody else may lead by now.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
        return self._connection is not None

    def release(self) -> None:
        if self._connection is not None:
            self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LEADER_KEY})
            self._connection.close()
            self._connection = None
