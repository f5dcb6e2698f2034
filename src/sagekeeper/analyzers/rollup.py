"""Bill rows summed to days: the one expression that runs wherever the rows are.

In: rows in the columns of `COSTS`: a polars frame (eager or lazy), a DuckDB relation, a Spark frame. Out: the same kind with one
row per bill, day and everything else that may decide whose a cost is (`BY`): an hour is no part of that. Names stay those of
`COSTS`, so what takes bill rows takes these. Nothing is fetched: the engine does the work.

An amount that is unknown on every row of a group stays unknown. Tags are told apart as the text they are: what an owner is called
may change in the settings, the sums need not be made again for it.
"""

from __future__ import annotations

from typing import Any, cast

import narwhals as nw
from narwhals.typing import IntoFrameT

from sagekeeper.analyzers import attribution

BY = attribution.COLUMNS
AMOUNTS = (*attribution.AMOUNTS.values(), "ConsumedQuantity")
ESTIMATED = "x_Estimated"
COLUMNS = (*BY, *AMOUNTS, ESTIMATED)
"""What a reader has to decode."""


def rollup(costs: IntoFrameT) -> IntoFrameT:
    """Per `BY`: the sums of `AMOUNTS`, whether any row is estimated (`ESTIMATED`), and the number of rows (``lines``)."""
    # Narwhals types eager and lazy frames apart; what is asked here both can do.
    frame: Any = nw.from_native(cast(Any, costs))
    sums = frame.group_by(*BY).agg(
        nw.len().alias("lines"),
        *(nw.col(name).sum() for name in AMOUNTS),
        *(nw.col(name).count().alias(f"{name}_known") for name in AMOUNTS),
        nw.col(ESTIMATED).max(),
    )
    amounts = [nw.when(nw.col(f"{name}_known") > 0).then(nw.col(name)).alias(name) for name in AMOUNTS]
    return cast(IntoFrameT, sums.select(*BY, *amounts, ESTIMATED, nw.col("lines").cast(nw.Int64)).to_native())
