"""Attribution of one day after the other: most lines of a bill are those of the day before, and are given to the same.

In: sums of lines (`rollup`), in lots of days, in order. Out: what `Attribution.of` gives of each lot, to the last bit. A line
that names its resource is looked up among those of the day before; what was found out about it holds until something that the
resource leads to says something new (`Owners.of`). Attributed are lines that are new, or for which that day has come, and
those that name no resource: they are shared over what ran that day.

Only one day's lines are remembered: memory does not grow with the bill.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.attribution import AMOUNTS, COLUMNS, MEASURED, PARTS, Attribution, summed
from sagekeeper.core.tables import COSTS

LINE = [name for name in COLUMNS if name != "x_ChargeDate"]
"""What tells one line from another on the same day."""
TOLD = {
    "day": "x_ChargeDate",
    "dataset": "x_Dataset",
    "account": "SubAccountId",
    "region": "RegionId",
    "service": "ServiceName",
    "charge_category": "ChargeCategory",
    "resource_arn": "ResourceId",
    "currency": "BillingCurrency",
    "estimated": "x_Estimated",
    **AMOUNTS,
}
"""What a part has from its line."""
FOUND = {name: PARTS[name] for name in PARTS if name not in ("row", *TOLD)}
"""What was found out about it, and for how long that holds."""


class Remembered:
    """An `Attribution`, asked for each lot."""

    def __init__(self, attribution: Attribution) -> None:
        self._attribution = attribution
        self._lines = pl.DataFrame(schema={name: COSTS.columns[name] for name in LINE})
        self._found = pl.DataFrame(schema=FOUND)

    def of(self, sums: pl.DataFrame) -> pl.DataFrame:
        """Rows of `DAILY_COSTS`, in any order. ``sums``: one row per day and `LINE`."""
        return summed(self._parts(sums))

    def _parts(self, sums: pl.DataFrame) -> pl.DataFrame:
        at = self._looked_up(sums)
        rows = pl.int_range(sums.height, dtype=pl.Int64, eager=True)
        new = rows.filter(at.is_null())
        parts = self._attribution.parts(sums[new])
        parts = parts.with_columns(row=new.gather(parts["row"]))
        named, shared = parts.filter(attribution=MEASURED), parts.filter(pl.col("attribution") != MEASURED)
        found = pl.concat([self._found, named.select(*FOUND)])
        at = at.scatter(named["row"], pl.int_range(self._found.height, found.height, dtype=pl.Int64, eager=True))
        whole, found = rows.filter(at.is_not_null()), found[at.drop_nulls()]
        self._remember(sums, whole, found)
        told = sums.select(**TOLD)[whole].with_columns(pl.col("estimated").fill_null(value=False))
        given = pl.concat([told, found], how="horizontal").with_columns(row=whole).select(*PARTS)
        # In one piece: groups of many small pieces cost three times as much.
        return pl.concat([given, shared], rechunk=True)

    def _looked_up(self, sums: pl.DataFrame) -> pl.Series:
        """For each line, which of the remembered ones it is; null: none, or what was found out about that no longer holds."""
        seen = self._lines.with_columns(self._found["since", "until"], at=pl.int_range(pl.len(), dtype=pl.Int64))
        day = pl.col("x_ChargeDate")
        holds = (day >= pl.col("since")).fill_null(value=True) & (day < pl.col("until")).fill_null(value=True)
        lines = sums.select(*LINE, "x_ChargeDate").join(
            seen, on=LINE, how="left", validate="m:1", nulls_equal=True, maintain_order="left"
        )
        return lines.select(pl.when(holds).then("at")).to_series()

    def _remember(self, sums: pl.DataFrame, rows: pl.Series, found: pl.DataFrame) -> None:
        """What was ``found`` of the last day's lines, among these ``rows`` of ``sums``."""
        last = sums.select(pl.col("x_ChargeDate") == pl.col("x_ChargeDate").max()).to_series().gather(rows)
        self._lines, self._found = sums.select(LINE)[rows.filter(last)], found.filter(last)
