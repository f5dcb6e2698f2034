"""Which runs belong together: jobs whose names differ only in dates, numbers and hashes are one family."""

from __future__ import annotations

import polars as pl

from sagekeeper.core.job_names import RUN_SUFFIX


def family(name: str = "name") -> pl.Expr:
    """The name of the family that the job in column ``name`` belongs to.

    >>> pl.DataFrame({"name": ["house-price-train-2026-11-08-09-30-00-412"]}).select(family())["name"].to_list()
    ['house-price-train']
    """
    return pl.col(name).str.replace(RUN_SUFFIX, "")
