"""Where people work, and what they keep there: Studio, notebooks' past, feature groups, MLflow, clusters, monitoring, neighbours.

The state of one account and region beside `Standing`'s own fields; handlers change it, `workspace_charges.py` bills it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sagekeeper.simulator.things import Shelf


@dataclass
class Workspaces:
    """All shelves."""

    domains: Shelf = field(default_factory=Shelf)
    profiles: Shelf = field(default_factory=Shelf)
    spaces: Shelf = field(default_factory=Shelf)
    apps: Shelf = field(default_factory=Shelf)
    studio_configs: Shelf = field(default_factory=Shelf)
    app_images: Shelf = field(default_factory=Shelf)
    past_notebooks: list[tuple[dict[str, Any], list[Any]]] = field(default_factory=list)
    notebook_configs: Shelf = field(default_factory=Shelf)
    feature_groups: Shelf = field(default_factory=Shelf)
    mlflow_servers: Shelf = field(default_factory=Shelf)
    mlflow_apps: Shelf = field(default_factory=Shelf)
    clusters: Shelf = field(default_factory=Shelf)
    records: dict[str, Any] = field(default_factory=dict)
    executions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    neighbours: dict[tuple[str, str], Any] = field(default_factory=dict)
