"""What really happened in the simulated account: kind, start, subject and money, for those who check the product.

It is served beside AWS's routes (``/sagekeeper/truth``), where the product never looks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Truth:
    """One incident. ``usd_per_day`` is what it adds to the bill at list price, None where it moves no money;
    ``planned`` tells a launch that people meant from one that nobody did."""

    kind: str
    subject: str
    account: str
    region: str
    start: datetime
    until: datetime | None = None
    usd_per_day: float | None = None
    planned: bool = False
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values for the control route."""
        plain = asdict(self)
        return plain | {
            "start": self.start.isoformat(),
            "until": self.until.isoformat() if self.until else None,
        }
