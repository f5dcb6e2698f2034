"""Each change becomes one event with its time, its before and after; a tag from when a thing was made excuses nothing later."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl

from sagekeeper.analyzers.events import events_of
from sagekeeper.analyzers.facts import EVENTS
from sagekeeper.core.tables import ACTIVITY

MADE = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
RESIZED = datetime(2026, 11, 17, 14, 10, tzinfo=UTC)


def look(rows: SimpleNamespace, day: int, name: str = "fraud", **more: Any) -> dict[str, Any]:
    """The endpoint as a look on that November day at 06:00 finds it: made on 3 November unless said."""
    at = datetime(2026, 11, day, 6, tzinfo=UTC)
    found: dict[str, Any] = rows.endpoint(
        name, **({"machine": "ml.g5.2xlarge", "count": 2, "created_at": MADE, "changed_at": MADE} | more)
    )
    return found | {"observed_on": at.date(), "observed_at": at}


def seen(
    rows: SimpleNamespace,
    *looks: dict[str, Any],
    jobs: tuple[dict[str, Any], ...] = (),
    calls: tuple[dict[str, Any], ...] = (),
) -> list[dict[str, Any]]:
    found = events_of(rows.inventory(*looks), rows.jobs(*jobs), rows.frame(ACTIVITY, list(calls)), ("owner",))
    assert found.schema == pl.Schema(EVENTS)
    return found.to_dicts()


def test_an_endpoint_is_made_and_later_resized_at_the_times_that_aws_tells(rows: SimpleNamespace) -> None:
    made, resized = seen(rows, look(rows, 4), look(rows, 18, count=8, changed_at=RESIZED))
    assert (made["kind"], made["at"], made["after"], made["exact"]) == ("created", MADE, "2 x ml.g5.2xlarge", True)
    assert (resized["kind"], resized["at"]) == ("resized", RESIZED)
    assert (resized["before"], resized["after"]) == ("2 x ml.g5.2xlarge", "8 x ml.g5.2xlarge")


def test_another_machine_is_a_resize_and_another_model_on_the_same_machine_is_not(rows: SimpleNamespace) -> None:
    other = json.loads(look(rows, 10)["config"]) | {"EndpointConfigName": "fraud-config-2"}
    found = seen(
        rows,
        look(rows, 4),
        look(rows, 10, changed_at=RESIZED - timedelta(days=8), config=json.dumps(other)),
        look(rows, 18, machine="ml.g5.12xlarge", changed_at=RESIZED),
    )
    assert [event["kind"] for event in found] == ["created", "changed", "resized"]
    assert found[2]["after"] == "2 x ml.g5.12xlarge"


def test_a_change_tag_excuses_the_launch_it_came_with_and_no_later_resize(rows: SimpleNamespace) -> None:
    tags = {"change": "CHG-2041"}
    launch, resize = seen(rows, look(rows, 4, tags=tags), look(rows, 18, tags=tags, count=8, changed_at=RESIZED))
    assert launch["planned"] == "change CHG-2041"
    assert resize["planned"] is None


def test_a_new_change_tag_excuses_the_resize_it_comes_with(rows: SimpleNamespace) -> None:
    before, after = {"Change": "CHG-2041"}, {"Change": "CHG-2077"}
    found = seen(rows, look(rows, 4, tags=before), look(rows, 18, tags=after, count=8, changed_at=RESIZED))
    assert {event["kind"]: event["planned"] for event in found} == {
        "created": "change CHG-2041",
        "resized": "change CHG-2077",
        "retagged": None,
    }


def test_a_stack_that_brought_the_new_configuration_meant_it(rows: SimpleNamespace) -> None:
    bigger = json.loads(look(rows, 18, count=8)["config"]) | {"EndpointConfigName": "fraud-v2"}
    stack = {"aws:cloudformation:stack-name": "scoring"}
    setup = look(rows, 18, name="fraud-v2", tags=stack) | {"kind": "endpoint_config"}
    _, resize = seen(rows, look(rows, 4), look(rows, 18, changed_at=RESIZED, config=json.dumps(bigger)), setup)
    assert (resize["kind"], resize["planned"]) == ("resized", "CloudFormation stack scoring")


def test_what_was_changed_before_the_first_look_at_it_is_a_change_from_what_is_not_known(rows: SimpleNamespace) -> None:
    made, changed = seen(rows, look(rows, 18, count=8, changed_at=RESIZED))
    assert (made["kind"], made["at"]) == ("created", MADE)
    assert (changed["kind"], changed["at"], changed["before"]) == ("changed", RESIZED, None)
    assert changed["after"] == "8 x ml.g5.2xlarge"


def test_more_instances_of_the_same_configuration_are_scaling(rows: SimpleNamespace) -> None:
    more = json.loads(look(rows, 18)["config"])
    more["ProductionVariants"][0]["CurrentInstanceCount"] = 5
    _, scaled = seen(rows, look(rows, 4), look(rows, 18, changed_at=RESIZED, config=json.dumps(more)))
    assert (scaled["kind"], scaled["before"], scaled["after"]) == ("scaled", "2 instances", "5 instances")


def test_what_is_missing_from_a_later_look_at_its_place_was_deleted_some_time_after_it_was_last_seen(
    rows: SimpleNamespace,
) -> None:
    found = seen(rows, look(rows, 4, name="gone"), look(rows, 9, name="gone"), look(rows, 12, name="stays"))
    deleted = [event for event in found if event["kind"] == "deleted"]
    assert [(event["name"], event["at"].date(), event["exact"]) for event in deleted] == [
        ("gone", date(2026, 11, 9), False)
    ]


def test_one_made_anew_under_its_old_name_is_another_life(rows: SimpleNamespace) -> None:
    found = seen(rows, look(rows, 4), look(rows, 18, created_at=RESIZED, changed_at=RESIZED, count=8))
    assert [event["kind"] for event in found] == ["created", "deleted", "created"]


def test_a_change_of_owner_is_told_from_other_tags(rows: SimpleNamespace) -> None:
    found = seen(
        rows,
        look(rows, 4, tags={"owner": "ana"}),
        look(rows, 6, tags={"owner": "ben"}),
        look(rows, 8, tags={"owner": "ben", "env": "prod"}),
    )
    assert [(event["kind"], event["exact"]) for event in found] == [
        ("created", True),
        ("owner_changed", False),
        ("retagged", False),
    ]
    assert (found[1]["before"], found[1]["after"]) == ("ana", "ben")


def test_a_notebook_that_was_switched_on_is_started_and_by_whom_where_studio_says_so(rows: SimpleNamespace) -> None:
    user = {"sagemaker:user-profile-arn": "arn:aws:sagemaker:us-east-1:123456789012:user-profile/d-1/ana"}
    config = json.dumps({"InstanceType": "ml.p3.8xlarge", "RoleArn": "arn:aws:iam::123456789012:role/team/Notebooks"})

    def notebook(day: int, status: str, changed: datetime) -> dict[str, Any]:
        own = {"kind": "notebook_instance", "status": status, "config": config}
        return look(rows, day, name="nb", changed_at=changed, tags=user) | own

    _, started = seen(rows, notebook(4, "Stopped", MADE), notebook(18, "InService", RESIZED))
    assert (started["kind"], started["at"], started["after"]) == ("started", RESIZED, "1 x ml.p3.8xlarge")
    assert (started["by"], started["role"]) == ("user profile ana", "Notebooks")


def test_a_job_of_a_pipeline_was_meant_and_one_of_a_person_was_not(rows: SimpleNamespace) -> None:
    run = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/retrain/execution/abc123"
    alone = rows.job("sweep-9", "ml.g5.12xlarge", RESIZED, 60, instance_count=8)
    led = rows.job("train-1", "ml.m5.xlarge", RESIZED + timedelta(hours=1), 60, parent_arn=run)
    sweep, train = seen(rows, jobs=(alone, led))
    assert (sweep["kind"], sweep["at"], sweep["after"], sweep["planned"]) == (
        "job_started",
        RESIZED,
        "8 x ml.g5.12xlarge",
        None,
    )
    assert train["planned"] == "pipeline retrain/execution/abc123"


def call(operation: str, at: datetime, by: str | None, name: str = "fraud", kind: str = "endpoint") -> dict[str, Any]:
    """A call that CloudTrail has seen."""
    here = {"account": "123456789012", "region": "us-east-1", "resource_kind": kind, "resource_name": name}
    return here | {"operation": operation, "at": at, "by": by}


def test_who_asked_for_a_change_is_who_called_for_it_last_before_it(rows: SimpleNamespace) -> None:
    made, resized = seen(
        rows,
        look(rows, 4),
        look(rows, 18, count=8, changed_at=RESIZED),
        calls=(
            call("CreateEndpoint", MADE, "role Deployer (ci)"),
            call("UpdateEndpoint", RESIZED - timedelta(hours=20), "user ben"),
            call("UpdateEndpoint", RESIZED - timedelta(minutes=9), "role MLEngineer (dana)"),
            call("UpdateEndpoint", RESIZED + timedelta(hours=1), "user late"),
            call("UpdateEndpoint", RESIZED, "user other", name="another"),
        ),
    )
    assert (made["by"], resized["by"]) == ("role Deployer (ci)", "role MLEngineer (dana)")


def test_of_a_change_without_a_call_nobody_is_named(rows: SimpleNamespace) -> None:
    early = call("UpdateEndpoint", RESIZED - timedelta(days=3), "user ben")
    found = seen(rows, look(rows, 4), look(rows, 18, count=8, changed_at=RESIZED), calls=(early,))
    assert [event["by"] for event in found] == [None, None]


def test_nothing_seen_is_no_event(rows: SimpleNamespace) -> None:
    assert seen(rows) == []
