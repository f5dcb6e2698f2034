"""Frame -> CSV that people open in a spreadsheet: exact numbers, and no text that a spreadsheet would run.

In: any small frame, or a lazy one of any size. Out: UTF-8 bytes with a byte order mark (Excel reads names right), or the
guarded rows. A text cell beginning with = + - @, a tab or a return gets a leading apostrophe (OWASP's rule on CSV
injection); number columns are numbers and are left alone.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.reports.wording import in_cell, in_cells


def as_csv(frame: pl.DataFrame) -> bytes:
    """The frame as guarded CSV."""
    return b"\xef\xbb\xbf" + guarded(frame.lazy()).collect().write_csv().encode()


def guarded(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with every text and every name guarded."""
    schema = frame.collect_schema()
    texts = [name for name, kind in schema.items() if kind == pl.String]
    return frame.with_columns(in_cells(name) for name in texts).rename({name: in_cell(name) for name in schema})
