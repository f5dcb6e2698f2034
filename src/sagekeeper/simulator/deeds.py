"""What people in the account did when something was brought about: CloudTrail tells of it as of any call."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class Deed(NamedTuple):
    """One SageMaker call, and the role and session that it came from."""

    at: datetime
    operation: str
    parameters: dict[str, Any]
    role: str
    session: str
