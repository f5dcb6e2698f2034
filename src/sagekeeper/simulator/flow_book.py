"""What is kept of pipelines and their executions in one account and region; `pipelines.py` and `pipeline_runs.py` change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OVER = ("Succeeded", "Failed", "Stopped")


@dataclass
class Version:
    """One definition of a pipeline, as it was uploaded."""

    number: int
    definition: str
    created: datetime
    display: str
    description: str | None = None
    aliases: list[str] = field(default_factory=list)
    last_execution: str | None = None


@dataclass
class Pipeline:
    """A pipeline: what it is called and who runs it, and its definitions, oldest first."""

    name: str
    arn: str
    created: datetime
    modified: datetime
    about: dict[str, Any]
    versions: list[Version]
    last_run: datetime | None = None


@dataclass
class StepRun:
    """A step of an execution from its start on."""

    name: str
    begun: datetime
    status: str = "Starting"
    due: datetime | None = None
    """When the next thing happens to it, where that is not the end of its job."""
    attempts: int = 0
    job: str = ""
    """The name of the job that it waits for."""
    ended: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """What other steps may refer to, once it has succeeded."""
    signature: str = ""
    """What of its arguments a cached result must agree with."""
    failure: str = ""
    cached_from: str = ""
    reused_from: str = ""
    outcome: bool = True
    waiting: bool = False
    """Between two attempts, or for an answer from outside."""


@dataclass
class Execution:
    """One run of a pipeline."""

    arn: str
    key: str
    pipeline: Pipeline
    version: Version
    created: datetime
    modified: datetime
    parameters: dict[str, Any]
    about: dict[str, Any]
    given: list[dict[str, str]]
    """Parameters as the request sent them and the definition completes them."""
    at: datetime
    """Up to where it has been run."""
    status: str = "Executing"
    failure: str = ""
    steps: dict[str, StepRun] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    selected: frozenset[str] | None = None
    """The steps of a selective execution; None: all."""
    ending: bool = False
    """A Fail step was reached: nothing new begins."""

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self.status in OVER


@dataclass
class FlowBook:
    """All pipelines and executions, those that have gone too; tokens make a repeated request the same request."""

    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    active: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    callbacks: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Callback token -> execution and step that wait for it."""
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The model registry: groups by name, packages by ARN."""
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Trial components that were made, and what was changed of those of jobs."""
    components_gone: set[str] = field(default_factory=set)
    members: dict[tuple[str, str], datetime] = field(default_factory=dict)
    members_gone: set[tuple[str, str]] = field(default_factory=set)
    metrics: dict[str, dict[str, list[tuple[datetime, int, float]]]] = field(default_factory=dict)
    """Trial component -> metric -> (time, step, value)."""
    lineage: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Contexts, artifacts and actions by ARN."""
    associations: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
