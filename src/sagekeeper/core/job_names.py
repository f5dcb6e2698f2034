"""Which runs belong together: jobs whose names differ only in dates, numbers and hashes are one family."""

from __future__ import annotations

import re

RUN_SUFFIX = r"(?:[-_.](?:\d[\dTZ]*|[0-9a-f]{8,}))+$"


def thing_of(kind: str, name: str) -> tuple[str, str]:
    """Kind and name of the thing whose money it is: of a job its family, of anything else itself.

    >>> thing_of("training_job", "sweep-2026-11-08-09-30-00-412")
    ('training_family', 'sweep')
    """
    if kind.endswith("_job"):
        return kind.removesuffix("_job") + "_family", re.sub(RUN_SUFFIX, "", name)
    return kind, name
