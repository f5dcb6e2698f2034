"""What an account and region remembers of its jobs beside training and processing: one field of `Standing`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class JobBook:
    """Jobs by name, each kept as its finished self (`job_lives.py`), and the account's own quotas for jobs."""

    transforms: dict[str, dict[str, Any]] = field(default_factory=dict)
    tunings: dict[str, dict[str, Any]] = field(default_factory=dict)
    compilations: dict[str, dict[str, Any]] = field(default_factory=dict)
    recommendations: dict[str, dict[str, Any]] = field(default_factory=dict)
    automls: dict[str, dict[str, Any]] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)
    """Models of training jobs that have not ended yet, by job."""
    quotas: dict[tuple[str, str], int] = field(default_factory=dict)
    """By usage ("processing job") and instance type."""
