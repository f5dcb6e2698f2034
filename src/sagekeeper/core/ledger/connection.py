"""Opening the ledger: one engine per process, migrations applied once, SQLite set up so that readers never block the writer."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from sagekeeper.core.errors import SourceUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_243_201
"""Key of the Postgres advisory lock held while migrating: any number nobody else uses."""


class Ledger:
    """A database with the ledger's tables in it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_postgres(self) -> bool:
        """Whether this is the shared production database (advisory locks, row locks) rather than an embedded file."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back when anything is raised inside."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads: takes no write lock, sees one consistent state."""
        with Session(self.engine.execution_options(read_only=True), expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_ledger(url: str) -> Ledger:
    """Connect to ``url`` (``sqlite:///...`` or ``postgresql+psycopg://...``), migrate if needed.

    Raises SourceUnavailable, without the password in the message, when the database does not answer.
    """
    shown = make_url(url).render_as_string(hide_password=True)
    try:
        engine = _engine(url)
        _migrate(engine, url)
    except OperationalError as error:
        raise SourceUnavailable(
            f"The ledger at {shown} cannot be opened: {error.orig}. Check SAGEKEEPER_LEDGER_URL and that the server runs."
        ) from error
    except SQLAlchemyError as error:
        raise SourceUnavailable(f"The ledger at {shown} could not be brought to this version: {error}.") from error
    return Ledger(engine)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        # Transactions start with BEGIN IMMEDIATE (below): two writers wait for each other instead of failing half-way.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        reads = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _migrate(engine: Engine, url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    parsed = make_url(url)
    in_a_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    file_lock = _locked_file(f"{parsed.database}.migrating") if in_a_file else nullcontext()
    with file_lock, engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
        try:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
                connection.commit()


@contextmanager
def _locked_file(path: str) -> Iterator[IO[str]]:
    with Path(path).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
