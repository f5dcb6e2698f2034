"""A price that rose is told with what it alone costs; more use at the same price is not its business."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from sagekeeper.analyzers.price_changes import Settings, find
from sagekeeper.core.types import Finding

RISE = date(2026, 11, 12)  # AS_OF is 20 November, 08:00: final up to 17 November


def told(rows: SimpleNamespace, price: list[float], hours: float = 24.0, busier: float = 1.0) -> list[Finding]:
    """Thirty days up to 19 November at ``price`` before and after the rise."""
    lines = []
    for day in (date(2026, 11, 19) - timedelta(days=n) for n in range(30)):
        after = day >= RISE
        used = hours * (busier if after else 1.0)
        lines.append(rows.bill_line("USE1-Host:ml.m5.4xlarge", used * price[after], used, x_ChargeDate=day))
    return find(rows.facts(costs=lines), Settings())


@pytest.mark.parametrize("busier", [1.0, 3.0])
def test_a_risen_price_is_told_with_quantity_times_rise(rows: SimpleNamespace, busier: float) -> None:
    (finding,) = told(rows, [0.8, 1.0], busier=busier)
    assert finding.stake is not None
    assert (finding.subject.name, finding.stake.cause) == ("USE1-Host:ml.m5.4xlarge", "price")
    assert finding.first_seen.date() == RISE
    # 12 to 19 November: 8 days of 24 hours, 0.20 more each.
    assert float(finding.stake.excess) == pytest.approx(8 * 24 * 0.2 * busier)
    assert float(finding.stake.per_day) == pytest.approx(24 * 0.2 * busier, rel=1e-4)
    assert "from 0.8 to 1 USD a unit on Thursday 12 November 2026" in finding.stake.because


def test_more_use_at_the_same_price_a_lower_price_and_small_money_are_not_told(rows: SimpleNamespace) -> None:
    assert told(rows, [0.8, 0.8], busier=5.0) == []
    assert told(rows, [1.0, 0.8]) == []
    assert told(rows, [0.8, 1.0], hours=0.5) == []
