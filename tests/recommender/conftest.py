"""The analyzers' short rows, for the levers too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

_PATH = Path(__file__).parents[1] / "analyzers" / "conftest.py"


@pytest.fixture
def rows() -> SimpleNamespace:
    """Builders of rows; see tests/analyzers/conftest.py."""
    spec = importlib.util.spec_from_file_location("analyzer_rows", _PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["analyzer_rows"] = module
    spec.loader.exec_module(module)
    return module.builders()  # type: ignore[no-any-return]
