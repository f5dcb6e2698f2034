"""The roles that users create: exactly what the sources and actuators say they need, and nothing that destroys data."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from sagekeeper.collector import SOURCES, capture_window
from sagekeeper.lifecycle import ACTUATORS, publish_monitor_metrics

TEMPLATE = Path(__file__).parents[2] / "deploy" / "iam-roles.yaml"
FORBIDDEN = (
    "s3:DeleteObject",
    "s3:PutObject",
    "savingsplans:CreateSavingsPlan",
    "sagemaker:DeleteModel",
    "iam:AttachRolePolicy",
)


class _Cloudformation(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, kept as plain values."""


def _plain(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node)  # type: ignore[arg-type]


_Cloudformation.add_multi_constructor("!", _plain)


def granted(role: str) -> list[str]:
    template = yaml.load(TEMPLATE.read_text(), Loader=_Cloudformation)
    statements = [
        statement
        for policy in template["Resources"][role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    return [action for statement in statements for action in statement["Action"]]


def missing(needed: set[str], role: str) -> list[str]:
    allowed = granted(role)
    return sorted(action for action in needed if not any(fnmatchcase(action, pattern) for pattern in allowed))


def test_the_reader_may_do_what_every_source_needs() -> None:
    assert missing({action for source in SOURCES for action in source.permissions}, "Reader") == []


def test_the_applier_may_do_what_every_actuator_needs() -> None:
    assert missing({action for actuator in ACTUATORS for action in actuator.permissions}, "Applier") == []


def test_the_reader_may_read_what_plans_need() -> None:
    assert missing({action for actuator in ACTUATORS for action in actuator.reads}, "Reader") == []


def test_the_monitoring_job_may_do_what_its_program_does_and_change_nothing_else() -> None:
    assert missing({*capture_window.PERMISSIONS, publish_monitor_metrics.PERMISSION, "s3:PutObject"}, "Monitor") == []
    assert [action for action in granted("Monitor") if action.startswith(("sagemaker:", "iam:"))] == []
    assert not any(fnmatchcase("s3:DeleteObject", pattern) for pattern in granted("Monitor"))


def test_no_role_may_destroy_data_or_buy_anything() -> None:
    for role in ("Reader", "Applier"):
        allowed = granted(role)
        assert not [action for action in FORBIDDEN if any(fnmatchcase(action, pattern) for pattern in allowed)], role


def test_the_reader_changes_nothing() -> None:
    verbs = ("Create", "Update", "Delete", "Put", "Stop", "Start", "Register", "Deregister", "Add")
    assert not [action for action in granted("Reader") if action.split(":")[1].startswith(verbs)]
