"""Bill rows summed to days: the one expression that runs wherever the rows are.

In: rows in the columns of `COSTS`: a polars frame (eager or lazy), a DuckDB relation, a Spark frame. Out: the same kind with
one row per bill, day, account, service, usage type, charge category and currency. Nothing is fetched: the engine does the work.
An amount that is unknown on every row of a group stays unknown.
"""

from __future__ import annotations

from typing import Any, cast

import narwhals as nw
from narwhals.typing import IntoFrameT

BY = ("x_Dataset", "x_ChargeDate", "SubAccountId", "ServiceName", "x_UsageType", "ChargeCategory", "BillingCurrency")
AMOUNTS = ("BilledCost", "EffectiveCost", "ConsumedQuantity")


def rollup(costs: IntoFrameT) -> IntoFrameT:
    """Sums of `AMOUNTS` and the number of rows (``lines``) per `BY`."""
    # Narwhals types eager and lazy frames apart; what is asked here both can do.
    frame: Any = nw.from_native(cast(Any, costs))
    known = [nw.col(name).count().alias(f"{name}_known") for name in AMOUNTS]
    sums = frame.group_by(*BY).agg(nw.len().alias("lines"), *(nw.col(name).sum() for name in AMOUNTS), *known)
    amounts = [nw.when(nw.col(f"{name}_known") > 0).then(nw.col(name)).alias(name) for name in AMOUNTS]
    return cast(IntoFrameT, sums.select(*BY, "lines", *amounts).to_native())
