"""Which tests of the simulated account belong to the unit tier: those of pure functions over numbers and words."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
PURE = {"test_metric_math.py", "test_metric_search.py", "test_metric_statistics.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All others build a world, and count as integration."""
    for item in items:
        if item.path.parent == HERE and item.path.name not in PURE:
            item.add_marker(pytest.mark.integration)
