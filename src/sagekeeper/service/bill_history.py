"""Keeping what each bill said when: after every reading of a bill, the months that were read anew are compared with what
they said before (`analyzers/bill_versions.py`), and what moved is kept beside what it was.

In: the lake. Out: the months that have moved. One month of one bill at a time; a repeated run writes nothing.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.analyzers.bill_versions import period_of, versions
from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.runs import set_watermark, watermark
from sagekeeper.core.tables import BILL_VERSIONS, COSTS

MARK = ("bill_versions", "*", "*")


def remember_versions(lake: Lake, ledger: Ledger, as_of: datetime) -> int:
    """Compare every month read since the last time. Returns how many months have moved."""
    with ledger.reading() as session:
        done_upto = watermark(session, *MARK)
    read = (
        lake.scan(COSTS)
        .group_by(dataset="x_Dataset", period=period_of())
        .agg(pl.col("x_ObservedAt").max().alias("seen_at"))
        .collect()
        .sort("dataset", "period")
    )
    # The moment itself is looked at again: another bill may have been read at it since.
    due = read if done_upto is None else read.filter(pl.col("seen_at") >= done_upto)
    moved = 0
    for dataset, period, seen_at in due.iter_rows():
        scope = Scope({"dataset": dataset, "period": period})
        kept = lake.scan(BILL_VERSIONS).filter(scope.expression()).collect()
        rows = lake.scan(COSTS).filter((pl.col("x_Dataset") == dataset) & (period_of() == period))
        moved += lake.replace(BILL_VERSIONS, versions(kept, rows, seen_at), scope)
    newest = read["seen_at"].max()
    if isinstance(newest, datetime):
        with ledger.session() as session:
            set_watermark(session, *MARK, newest, as_of)
    return moved
