"""What a source of the collector is: its name, the permissions its role needs, and one function from a `Task` to rows in
the lake.

A source reads one account and region (or, for the bill, the payer once), writes only through `Task.replace`, takes
the time from `Task.as_of`, and is idempotent: run again for the same ``as_of`` it changes no row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl
from botocore.exceptions import BotoCoreError, ClientError

from sagekeeper.core.aws import AwsSessions, explain
from sagekeeper.core.errors import Conflict, SourceUnavailable
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.settings import Account, Settings
from sagekeeper.core.tables import Table

WRITE_ATTEMPTS = 5
_writing = threading.Lock()
"""One writer of this process at a time: Delta refuses commits that race on one table."""


@dataclass(frozen=True)
class Task:
    """One run of one source over one account and region."""

    source: str
    sessions: AwsSessions
    lake: Lake
    ledger: Ledger
    settings: Settings
    account: Account
    region: str
    as_of: datetime
    progress: Callable[[str, float], None]
    notes: list[str] = field(default_factory=list)
    """What a person should know although the run went well: kept with the run."""

    def client(self, service: str) -> Any:
        """A reading client for this account and region."""
        return self.sessions.client(service, self.account.id, self.region)

    def note(self, sentence: str) -> None:
        """Remember ``sentence`` once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def replace(self, table: Table, frame: pl.DataFrame, scope: Scope) -> bool:
        """`Lake.replace`, one at a time; tried again when another process wrote the same rows in between."""
        with _writing:
            for _ in range(WRITE_ATTEMPTS - 1):
                try:
                    return self.lake.replace(table, frame, scope)
                except Conflict:
                    continue
            return self.lake.replace(table, frame, scope)

    def keep(self, table: Table, found: pl.DataFrame, known_by: str) -> None:
        """Put ``found`` beside the rows of the same account, region and ``month`` that were read before; of what ``known_by``
        names, the rows read last stand."""
        here = (pl.col("account") == self.account.id) & (pl.col("region") == self.region)
        for month in found["month"].unique().sort().to_list():
            new = found.filter(pl.col("month") == month)
            before = self.lake.scan(table).filter(here & (pl.col("month") == month)).collect()
            rows = pl.concat([before.join(new, on=known_by, how="anti"), new])
            self.replace(table, rows, Scope({"account": self.account.id, "region": self.region, "month": month}))

    def read_upto(self) -> datetime | None:
        """How far this source has been read here, None if never."""
        with self.ledger.reading() as session:
            return watermark(session, self.source, self.account.id, self.region)

    def has_read_upto(self, moment: datetime) -> None:
        """Remember that this source has been read up to ``moment``."""
        with self.ledger.session() as session:
            set_watermark(session, self.source, self.account.id, self.region, moment, self.as_of)


@dataclass(frozen=True)
class Source:
    """Something that can be collected. ``permissions`` are the IAM actions of the reader role that it needs."""

    name: str
    description: str
    per: Literal["payer", "account_region"]
    permissions: tuple[str, ...]
    collect: Callable[[Task], int]


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """AWS's errors as SourceUnavailable, saying what was read."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise SourceUnavailable(
            f"{what}: {explain(error)}. Check the reader role's permissions and the region."
        ) from error


def pages(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Items of all pages of a listing, for the AWS operations that page with NextToken."""
    token: dict[str, str] = {}
    while True:
        answer = getattr(client, operation)(**parameters, **token)
        yield from answer.get(key, [])
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that the resource is not there. SageMaker says so with a ValidationException for most kinds."""
    detail = error.response.get("Error", {})
    code, message = detail.get("Code", ""), detail.get("Message", "").lower()
    missing = ("could not find", "not found", "recordnotfound", "does not exist")
    return code in ("ResourceNotFound", "ResourceNotFoundException", "NoSuchKey", "404") or (
        code == "ValidationException" and any(words in message for words in missing)
    )
