"""The worker against a simulated account: what it does, what it refuses, what it takes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.clock import system_clock
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import ActionRow, RecommendationRow
from sagekeeper.core.ledger.queue import approve_action, request_action, request_undo
from sagekeeper.core.types import Gate, Recommendation
from sagekeeper.lifecycle.plan import make_plan
from sagekeeper.lifecycle.worker import Worker

from .conftest import AwsAccount, action_of, ask, audit_of, delete_wish, settings_for, steps_of, update_wish

pytestmark = pytest.mark.integration

CHANGES = ("DeleteEndpoint", "CreateEndpoint", "UpdateEndpoint")
FAILING = [Gate(name="no seasonal use", state="unknown", why="only 100 days of history")]


def worker_for(ledger: Ledger, lake: Lake, aws: AwsAccount, owner: str = "one", **lifecycle: Any) -> Worker:
    assert aws.settings.aws.endpoint_url is not None
    settings = settings_for(aws.settings.aws.endpoint_url, **lifecycle)
    return Worker(ledger, lake, settings, AwsSessions(settings.aws), aws.clock, owner)


def until(worker: Worker, ledger: Ledger, action_id: int, *states: str, seconds: float = 30) -> str:
    """Rounds until the action is in one of ``states``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        worker.run_once()
        if action_of(ledger, action_id).state in states:
            break
        time.sleep(0.05)
    found = action_of(ledger, action_id)
    assert found.state in states, f"{found.state}: {found.message}"
    return found.state


def changed(aws: AwsAccount, name: str) -> list[str]:
    return aws.operations(name, *CHANGES)[1:]  # the first is the CreateEndpoint of the test itself


def recommendation_state(ledger: Ledger, fingerprint: str) -> str:
    with ledger.reading() as session:
        return session.get_one(RecommendationRow, fingerprint).state


def test_a_plan_changes_nothing_and_names_every_call_with_its_undo(aws: AwsAccount):
    name = aws.endpoint("dry", scaling=True)
    plan = make_plan(delete_wish(aws, name), aws.sessions, aws.clock())
    assert [step.call.operation for step in plan.steps] == ["DeregisterScalableTarget", "DeleteEndpoint"]
    assert [step.call.operation for step in plan.undo_steps] == [
        "CreateModel",  # called only where somebody deleted the model or the configuration meanwhile
        "CreateEndpointConfig",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    assert plan.snapshot["tags"] == {"cost-optimizer": "managed", "team": "fraud"}
    assert all(gate.state == "pass" for gate in plan.checks)
    assert changed(aws, name) == []


def test_a_plan_that_is_not_about_the_count_keeps_what_scaling_has_made_of_it(aws: AwsAccount):
    name = aws.endpoint("scaled-out")
    aws.client().update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
    )
    aws.until_in_service(name)
    plan = make_plan(update_wish(aws, name, count=None), aws.sessions, aws.clock())
    [config] = [step.call for step in plan.steps if step.call.operation == "CreateEndpointConfig"]
    [update] = [step.call for step in plan.steps if step.call.operation == "UpdateEndpoint"]
    assert config.parameters["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"
    assert update.parameters["RetainAllVariantProperties"] is True
    assert "ExcludeRetainedVariantProperties" not in update.parameters


def test_an_approved_deletion_is_applied_audited_and_the_recommendation_marked(
    ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("idle")
    wish = delete_wish(aws, name)
    action = ask(ledger, aws, wish)
    until(worker_for(ledger, lake, aws), ledger, action, "applied")
    assert changed(aws, name) == ["DeleteEndpoint"]
    assert audit_of(ledger, action) == [
        "action requested and approved",
        "state: planned",
        "state: approved",
        "state: applying",
        "do: DeleteEndpoint",
        "state: applied",
    ]
    assert recommendation_state(ledger, wish.fingerprint) == "applied"
    assert action_of(ledger, action).applied_at is not None


def test_nothing_is_applied_without_an_approval(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("unapproved")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name), approve=False)
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "planned")
    for _ in range(3):
        assert worker.run_once() == 0
    assert action_of(sqlite_ledger, action).state == "planned"
    assert changed(aws, name) == []


def test_nothing_is_applied_while_changes_are_switched_off(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("switched-off")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    until(worker_for(sqlite_ledger, lake, aws, enabled=False), sqlite_ledger, action, "refused")
    assert "switched off" in (action_of(sqlite_ledger, action).message or "")
    assert changed(aws, name) == []


def test_a_gate_that_does_not_pass_needs_a_person_who_says_so(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("gated")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name, gates=FAILING), approve=False)
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "planned")
    approve_action(sqlite_ledger, action, "grace", aws.clock())
    until(worker, sqlite_ledger, action, "applied")


def test_an_approval_that_only_the_row_claims_does_not_pass_an_unknown_gate(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("forged")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name, gates=FAILING), approve=False)
    with sqlite_ledger.session() as session:
        row = session.get_one(ActionRow, action)
        row.approved_by, row.approved_at = "nobody", aws.clock()
    until(worker_for(sqlite_ledger, lake, aws), sqlite_ledger, action, "refused")
    assert "no seasonal use" in (action_of(sqlite_ledger, action).message or "")
    assert changed(aws, name) == []


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({"cost-optimizer": "ignore"}, "opt-out tag"),
        ({"team": "fraud"}, "opt-in tag"),
        ({"cost-optimizer": "managed", "terraform": "true"}, "not defined as code"),
        ({"cost-optimizer": "managed", "env": "prod"}, "not production"),
    ],
)
def test_tags_that_forbid_it_are_read_again_before_anything_is_done(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount, tags: dict[str, str], named: str
):
    name = aws.endpoint("tagged", tags=tags)
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    until(worker_for(sqlite_ledger, lake, aws), sqlite_ledger, action, "refused")
    assert named in (action_of(sqlite_ledger, action).message or "")
    assert changed(aws, name) == []


def test_an_endpoint_that_changed_since_the_plan_is_left_alone(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("moved")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name), approve=False)
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "planned")
    aws.simulator.advance(seconds=60)
    aws.client().update_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
    aws.until_in_service(name)
    approve_action(sqlite_ledger, action, "grace", aws.clock())
    until(worker, sqlite_ledger, action, "refused")
    assert "somebody changed it since" in (action_of(sqlite_ledger, action).message or "")
    assert changed(aws, name) == ["UpdateEndpoint"]  # that somebody's


def test_an_endpoint_that_is_asked_for_answers_is_not_deleted(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    action = approved_by_hand(sqlite_ledger, lake, aws, delete_wish(aws, "house-price-regression"))
    until(worker_for(sqlite_ledger, lake, aws), sqlite_ledger, action, "refused")
    assert "it is not idle" in (action_of(sqlite_ledger, action).message or "")
    assert aws.operations("house-price-regression", *CHANGES) == []


def approved_by_hand(ledger: Ledger, lake: Lake, aws: AwsAccount, wish: Recommendation) -> int:
    """The action, approved by a person who has seen the plan (these endpoints are production)."""
    action = ask(ledger, aws, wish, approve=False)
    until(worker_for(ledger, lake, aws), ledger, action, "planned")
    approve_action(ledger, action, "grace", aws.clock())
    return action


def test_an_update_under_which_the_endpoint_stays_healthy_is_kept(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    wish = update_wish(aws, "price-elasticity", instance_type="ml.m5.2xlarge")
    action = approved_by_hand(sqlite_ledger, lake, aws, wish)
    worker = worker_for(sqlite_ledger, lake, aws)
    settle(aws, worker, sqlite_ledger, action, "watching")
    aws.simulator.advance(hours=3)
    worker.run_once()
    found = action_of(sqlite_ledger, action)
    assert found.state == "watching"
    assert found.health is not None and found.health["last"]["state"] == "healthy"
    assert found.health["last"]["periods_with_requests"] >= 30
    aws.simulator.advance(hours=22)
    until(worker, sqlite_ledger, action, "applied")
    assert aws.operations("price-elasticity", *CHANGES) == ["UpdateEndpoint"]


@pytest.mark.parametrize(
    ("fault", "named"), [("latency_after_update", "p95 latency"), ("errors_after_update", "5XX rate")]
)
def test_an_update_under_which_health_falls_is_rolled_back_and_says_what_fell_and_how_far(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount, fault: str, named: str
):
    name = "sentiment-bert"
    before = aws.client().describe_endpoint(EndpointName=name)["EndpointConfigName"]
    done_before = len(aws.operations(name, *CHANGES))
    wish = update_wish(aws, name, instance_type="ml.g5.xlarge")
    action = approved_by_hand(sqlite_ledger, lake, aws, wish)
    aws.simulator.set_fault(name, fault)
    worker = worker_for(sqlite_ledger, lake, aws)
    settle(aws, worker, sqlite_ledger, action, "rolled_back")
    aws.simulator.set_fault(name, None)
    message = action_of(sqlite_ledger, action).message or ""
    assert message.startswith(f"Health fell: {named} of variant AllTraffic was ")
    assert "limit" in message and message.endswith("Everything is as it was before.")
    assert aws.client().describe_endpoint(EndpointName=name)["EndpointConfigName"] == before
    assert aws.operations(name, *CHANGES)[done_before:] == ["UpdateEndpoint", "UpdateEndpoint"]
    assert recommendation_state(sqlite_ledger, wish.fingerprint) == "open"


def test_a_resource_is_changed_at_most_once_in_24_hours(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("restless")
    worker = worker_for(sqlite_ledger, lake, aws, watch_hours=0)
    first = ask(sqlite_ledger, aws, update_wish(aws, name))
    until(worker, sqlite_ledger, first, "applied")
    second = ask(sqlite_ledger, aws, delete_wish(aws, name))
    until(worker, sqlite_ledger, second, "refused")
    assert "one change per 24 hours" in (action_of(sqlite_ledger, second).message or "")
    assert changed(aws, name) == ["UpdateEndpoint"]


def test_a_refused_action_can_be_asked_for_again_but_its_old_approval_is_used_up(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("again")
    wish = delete_wish(aws, name, gates=FAILING)
    action = ask(sqlite_ledger, aws, wish, approve=False)
    approve_action(sqlite_ledger, action, "grace", aws.clock())
    until(worker_for(sqlite_ledger, lake, aws, enabled=False), sqlite_ledger, action, "refused")
    aws.simulator.advance(seconds=60)
    again, made = request_action(sqlite_ledger, wish.fingerprint, wish.version, "ada", aws.clock())
    assert (again.id, made, again.approved_at) == (action, True, None)
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "planned")
    with sqlite_ledger.session() as session:
        session.get_one(ActionRow, action).approved_at = aws.clock()
    until(worker, sqlite_ledger, action, "refused")
    request_action(sqlite_ledger, wish.fingerprint, wish.version, "ada", aws.clock())
    until(worker, sqlite_ledger, action, "planned")
    approve_action(sqlite_ledger, action, "grace", aws.clock())
    until(worker, sqlite_ledger, action, "applied")
    assert changed(aws, name) == ["DeleteEndpoint"]


def test_an_undone_deletion_brings_the_endpoint_back_as_it_was(ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("back", scaling=True, schedule=True)
    before = make_plan(delete_wish(aws, name), aws.sessions, aws.clock()).snapshot
    wish = delete_wish(aws, name)
    action = ask(ledger, aws, wish)
    worker = worker_for(ledger, lake, aws)
    until(worker, ledger, action, "applied")
    request_undo(ledger, action, "ada", aws.clock())
    settle(aws, worker, ledger, action, "undone")
    after = make_plan(delete_wish(aws, name), aws.sessions, aws.clock()).snapshot
    assert after["endpoint_config"] == before["endpoint_config"]
    assert after["tags"] == before["tags"]
    assert [item["target"]["MaxCapacity"] for item in after["scaling"]] == [4]
    assert [policy["PolicyName"] for policy in after["scaling"][0]["policies"]] == [f"{name}-target"]
    assert [item["schedule"]["MonitoringScheduleConfig"] for item in after["monitoring_schedules"]] == [
        item["schedule"]["MonitoringScheduleConfig"] for item in before["monitoring_schedules"]
    ]
    assert changed(aws, name) == ["DeleteEndpoint", "CreateEndpoint"]
    assert recommendation_state(ledger, wish.fingerprint) == "open"


def test_an_undo_makes_model_and_configuration_again_where_somebody_cleaned_up(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("cleaned")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "applied")
    before = aws.client().describe_endpoint_config(EndpointConfigName=f"{name}-config")
    aws.client().delete_endpoint_config(EndpointConfigName=f"{name}-config")
    aws.client().delete_model(ModelName=f"{name}-model")
    request_undo(sqlite_ledger, action, "ada", aws.clock())
    settle(aws, worker, sqlite_ledger, action, "undone")
    after = aws.client().describe_endpoint_config(EndpointConfigName=f"{name}-config")
    assert after["ProductionVariants"] == before["ProductionVariants"]
    assert aws.client().describe_endpoint(EndpointName=name)["EndpointConfigName"] == f"{name}-config"


def test_an_undo_does_not_touch_an_endpoint_that_somebody_else_made_meanwhile(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("taken")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    worker = worker_for(sqlite_ledger, lake, aws)
    until(worker, sqlite_ledger, action, "applied")
    aws.simulator.advance(seconds=60)
    aws.client().create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
    aws.until_in_service(name)
    request_undo(sqlite_ledger, action, "ada", aws.clock())
    until(worker, sqlite_ledger, action, "applied")
    found = action_of(sqlite_ledger, action)
    assert "Somebody has created" in (found.message or "")
    assert found.undo_requested_at is None
    assert changed(aws, name) == ["DeleteEndpoint", "CreateEndpoint"]  # one ours, one that somebody's


def settle(aws: AwsAccount, worker: Worker, ledger: Ledger, action: int, *states: str) -> None:
    """Rounds, with the account's time moving on, until the action is in one of ``states``."""
    for _ in range(60):
        worker.run_once()
        if action_of(ledger, action).state in states:
            return
        time.sleep(0.1)
        aws.simulator.advance(seconds=120)
    found = action_of(ledger, action)
    raise AssertionError(f"{found.state}: {found.message}")


def test_an_update_keeps_everything_but_the_instances_and_is_watched(ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("big", scaling=True)
    wish = update_wish(aws, name)
    action = ask(ledger, aws, wish)
    worker = worker_for(ledger, lake, aws)
    settle(aws, worker, ledger, action, "watching")
    now = aws.client().describe_endpoint(EndpointName=name)
    config = aws.client().describe_endpoint_config(EndpointConfigName=now["EndpointConfigName"])
    [variant] = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 1)
    assert variant["ModelName"] == f"{name}-model"
    tags = aws.client().list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
    assert tags == [{"Key": "purpose", "Value": "test"}]
    targets = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/AllTraffic"]
    )["ScalableTargets"]
    assert len(targets) == 1
    assert [row.name.split()[0] for row in steps_of(ledger, action)] == ["Create", "Take", "Update", "Put", "Put"]
    worker.run_once()
    assert "health unknown" in (action_of(ledger, action).message or "")  # nobody asks this endpoint anything
    aws.simulator.advance(hours=25)
    until(worker, ledger, action, "applied")
    assert changed(aws, name) == ["UpdateEndpoint"]
    assert recommendation_state(ledger, wish.fingerprint) == "applied"


def test_an_update_is_undone_by_hand_to_the_old_configuration(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("there-and-back")
    action = ask(sqlite_ledger, aws, update_wish(aws, name, count=2))
    worker = worker_for(sqlite_ledger, lake, aws)
    settle(aws, worker, sqlite_ledger, action, "watching")
    request_undo(sqlite_ledger, action, "ada", aws.clock())
    settle(aws, worker, sqlite_ledger, action, "undone")
    assert aws.client().describe_endpoint(EndpointName=name)["EndpointConfigName"] == f"{name}-config"
    assert changed(aws, name) == ["UpdateEndpoint", "UpdateEndpoint"]


def test_two_workers_of_different_and_of_equal_name_make_one_operation(ledger: Ledger, lake: Lake, aws: AwsAccount):
    names = [aws.endpoint("contested") for _ in range(3)]
    actions = [ask(ledger, aws, delete_wish(aws, name)) for name in names]
    workers = [worker_for(ledger, lake, aws, owner) for owner in ("one", "two", "two")]
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run_forever, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 30
    while time.monotonic() < end and any(action_of(ledger, action).state != "applied" for action in actions):
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert [action_of(ledger, action).state for action in actions] == ["applied"] * 3
    assert [changed(aws, name) for name in names] == [["DeleteEndpoint"]] * 3


def test_a_configuration_of_the_same_name_with_other_content_stops_the_change_before_anything_is_touched(
    sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount
):
    name = aws.endpoint("impossible", scaling=True)
    wish = update_wish(aws, name)
    planned = make_plan(wish, aws.sessions, aws.clock()).steps[0].call.parameters
    [variant] = planned["ProductionVariants"]
    aws.client().create_endpoint_config(**planned | {"ProductionVariants": [variant | {"InitialInstanceCount": 7}]})
    action = ask(sqlite_ledger, aws, wish)
    until(worker_for(sqlite_ledger, lake, aws), sqlite_ledger, action, "failed", "rolled_back")
    found = action_of(sqlite_ledger, action)
    assert found.state == "failed"
    assert "exists with other content" in (found.message or "")
    assert "Nothing was changed" in (found.message or "")
    assert changed(aws, name) == []
    targets = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/AllTraffic"]
    )["ScalableTargets"]
    assert len(targets) == 1


def test_a_lease_of_another_worker_is_respected_until_it_runs_out(sqlite_ledger: Ledger, lake: Lake, aws: AwsAccount):
    name = aws.endpoint("leased")
    action = ask(sqlite_ledger, aws, delete_wish(aws, name))
    with sqlite_ledger.session() as session:
        row = session.get_one(ActionRow, action)
        row.lease_owner, row.lease_until = "other#1234", system_clock() + timedelta(seconds=60)
    machine: dict[str, Callable[[], Any]] = {"clock": system_clock}
    worker = Worker(
        sqlite_ledger,
        lake,
        aws.settings,
        aws.sessions,
        aws.clock,
        "one",
        machine_clock=lambda: machine["clock"](),
    )
    assert worker.run_once() == 0
    machine["clock"] = lambda: system_clock() + timedelta(seconds=61)
    until(worker, sqlite_ledger, action, "applied")
