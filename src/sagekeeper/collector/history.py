"""What stands, what stood and how it was tagged, over all of time: the observations that say something new; and what prices are.

In: the lake's inventory and prices. Out: `INVENTORY` rows, a `PriceBook`. Old bills are about what is gone, or what was
somebody else's then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from sagekeeper.core.lake import Lake
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import INVENTORY, PRICES

AT_ONCE = 100_000
"""Observations that are read with their configurations: 100 to 200 MB."""
LIFE = ("account", "region", "kind", "name", "created_at")


def inventory_states(
    lake: Lake, today: date, kinds: Sequence[str] = (), since: date | None = None, at_once: int = AT_ONCE
) -> pl.DataFrame:
    """Of everything that ever stood (or of ``kinds``, or was seen ``since`` a day): the first observation of each state (tags,
    last change) and the last of each life.

    What tags a resource had on a day is then the last of its rows up to that day. Of more than ``at_once`` observations, which
    rows those are is found without reading the configurations, by far the largest column.
    """
    rows = lake.scan(INVENTORY).filter(pl.col("observed_on") <= today)
    if since is not None:
        rows = rows.filter(pl.col("observed_on") >= since)
    if kinds:
        rows = rows.filter(pl.col("kind").is_in(list(kinds)))
    if lake.files(INVENTORY)["rows"].sum() <= at_once:
        rows = rows.collect().lazy()  # opening its many small files is most of the work: once
    life, state = pl.struct(LIFE).hash(), pl.struct("tags", "changed_at").hash()
    looks = rows.select("observed_on", life=life, state=state).collect().sort("life", "observed_on")
    other_life = pl.col("life") != pl.col("life").shift(-1)
    began = (pl.col("life") != pl.col("life").shift()) | (pl.col("state") != pl.col("state").shift())
    wanted = looks.filter(began.fill_null(True) | other_life.fill_null(True)).select("life", "observed_on")
    return (
        rows.with_columns(life=life)
        .join(wanted.lazy(), on=["life", "observed_on"], how="semi")
        .sort("observed_on")
        .select(INVENTORY.columns.keys())
        .collect()
    )


def price_book(lake: Lake, today: date) -> PriceBook:
    """AWS's price list as it was last read, over the bundled book."""
    return PriceBook.bundled().with_list(lake.scan(PRICES).filter(pl.col("effective_on") <= today).collect(), today)


def latest_inventory(lake: Lake, today: date) -> pl.DataFrame:
    """What stood when each account and region was last looked at: a resource missing from that look is gone."""
    seen = lake.scan(INVENTORY).filter(pl.col("observed_on") <= today)
    newest = seen.group_by("account", "region").agg(pl.col("observed_on").max())
    return seen.join(newest, on=["account", "region", "observed_on"], how="semi").collect()
