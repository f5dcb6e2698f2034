"""Frame -> CSV that people open in a spreadsheet: exact numbers, and no text that a spreadsheet would run.

In: any small frame. Out: UTF-8 bytes with a byte order mark (Excel reads names right). A text cell beginning with = +
- @, a tab or a return gets a leading apostrophe (OWASP's rule on CSV injection); number columns are numbers and are
left alone.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.reports.wording import in_cell


def as_csv(frame: pl.DataFrame) -> bytes:
    """The frame as guarded CSV."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    guarded = frame.with_columns(pl.col(name).map_elements(in_cell, return_dtype=pl.String) for name in texts)
    guarded = guarded.rename({name: in_cell(name) for name in frame.columns})
    return b"\xef\xbb\xbf" + guarded.write_csv().encode()
