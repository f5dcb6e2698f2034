"""Whose a resource is: by the tags it had that day, or by those of what it belongs to, and the rule that decided is told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers.attribution import attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.analyzers.parents import parents
from sagekeeper.analyzers.whose import Owners

DAY = date(2026, 11, 10)
ROLE = "arn:aws:iam::123456789012:role/FraudTraining"
PROFILE = "arn:aws:sagemaker:us-east-1:123456789012:user-profile/d-1/Ana"


def thing(
    rows: SimpleNamespace, kind: str, name: str, tags: dict[str, str], seen: date = DAY, **config: Any
) -> dict[str, Any]:
    """One observation of something."""
    arn = rows.arn(kind.replace("_", "-"), name)
    told = {"kind": kind, "arn": arn, "tags": json.dumps(tags), "config": json.dumps(config), "observed_on": seen}
    return rows.endpoint(name) | told


def chain(rows: SimpleNamespace, **tags: dict[str, str]) -> pl.DataFrame:
    """An endpoint with its configuration, model, role and the person who made it; tags by kind."""
    return rows.inventory(
        thing(rows, "endpoint", "e", tags.get("endpoint", {}), EndpointConfigName="c"),
        thing(rows, "endpoint_config", "c", tags.get("config", {}), ProductionVariants=[{"ModelName": "m"}]),
        thing(rows, "model", "m", tags.get("model", {}), ExecutionRoleArn=ROLE),
        thing(rows, "execution_role", "FraudTraining", tags.get("role", {})) | {"arn": ROLE},
        thing(rows, "user_profile", "d-1/Ana", tags.get("profile", {})) | {"arn": PROFILE},
    )


def told(
    rows: SimpleNamespace, inventory: pl.DataFrame, arn: str, rules: OwnerRules, *jobs: dict[str, Any], day: date = DAY
) -> dict[str, Any]:
    """What is said of one resource on one day."""
    asked = pl.DataFrame({"key": [arn.lower()], "day": [day]})
    known = rows.jobs(*jobs)
    return Owners(inventory, known, parents(known), rules).of(asked).row(0, named=True)


MADE_BY_ANA = {"sagemaker:user-profile-arn": PROFILE}


@pytest.mark.parametrize(
    ("tags", "owner", "basis"),
    [
        ({"endpoint": {"owner": "ana"}, "model": {"owner": "ben"}}, "ana", "endpoint tag owner"),
        ({"config": {"team": "risk"}, "model": {"owner": "ben"}}, "risk", "endpoint config tag team"),
        ({"model": {"owner": "ben"}, "role": {"owner": "cy"}}, "ben", "model tag owner"),
        ({"role": {"owner": "cy"}, "endpoint": MADE_BY_ANA}, "cy", "execution role tag owner"),
        ({"endpoint": MADE_BY_ANA, "profile": {"owner": "dan"}}, "dan", "user profile tag owner"),
        ({"endpoint": MADE_BY_ANA}, "Ana", "user profile name"),
        ({}, None, None),
    ],
)
def test_an_endpoint_is_its_own_tags_owners_else_its_configurations_models_roles_makers(
    rows: SimpleNamespace, tags: dict[str, dict[str, str]], owner: str | None, basis: str | None
) -> None:
    found = told(rows, chain(rows, **tags), rows.arn("endpoint", "e"), OwnerRules())
    assert (found["owner"], found["basis"]) == (owner, basis)


def test_the_order_of_fallbacks_is_a_setting_and_one_that_is_left_out_is_not_followed(rows: SimpleNamespace) -> None:
    inventory = chain(rows, model={"owner": "ben"}, endpoint=MADE_BY_ANA)
    arn = rows.arn("endpoint", "e")
    first = OwnerRules(fallbacks=("user_profile", "endpoint_config", "model"))
    assert told(rows, inventory, arn, first)["owner"] == "Ana"
    assert told(rows, inventory, arn, OwnerRules(fallbacks=("endpoint_config",)))["owner"] is None


def test_a_role_may_be_given_to_somebody_by_name(rows: SimpleNamespace) -> None:
    found = told(rows, chain(rows), rows.arn("endpoint", "e"), OwnerRules(roles={"FraudTraining": "risk"}))
    assert (found["owner"], found["basis"]) == ("risk", "execution role name")


def test_owner_team_and_project_may_come_from_different_places(rows: SimpleNamespace) -> None:
    inventory = chain(rows, endpoint={"project": "atlas"}, config={"owner": "ana"}, model={"team": "risk"})
    found = told(rows, inventory, rows.arn("endpoint", "e"), OwnerRules(owner=("owner",)))
    assert (found["owner"], found["team"], found["project"]) == ("ana", "risk", "atlas")


@pytest.mark.parametrize(
    ("day", "owner"),
    [
        (date(2026, 10, 1), "ana"),  # before the first look: as first seen
        (date(2026, 11, 4), "ana"),
        (date(2026, 11, 5), "ben"),
        (date(2026, 11, 9), "ana"),  # and back
        (date(2026, 12, 1), "ana"),  # gone since the 9th
    ],
)
def test_the_owner_is_the_one_that_the_tags_named_on_that_day_also_of_what_is_gone(
    rows: SimpleNamespace, day: date, owner: str
) -> None:
    inventory = rows.inventory(
        *(
            thing(rows, "endpoint", "e", {"owner": name}, date(2026, 11, seen))
            for seen, name in ((2, "ana"), (5, "ben"), (7, "ben"), (9, "ana"))
        ),
        thing(rows, "endpoint", "other", {}, date(2026, 11, 20)),
    )
    assert told(rows, inventory, rows.arn("endpoint", "e"), OwnerRules(), day=day)["owner"] == owner


def test_all_days_of_a_month_asked_at_once_are_as_each_asked_alone(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        thing(rows, "endpoint", "e", {}, date(2026, 11, 1), EndpointConfigName="old"),
        thing(rows, "endpoint", "e", {}, date(2026, 11, 20), EndpointConfigName="new"),
        *(
            thing(rows, "endpoint_config", "old", {"owner": name}, date(2026, 11, seen))
            for seen, name in ((1, "ana"), (5, "ben"), (9, "ana"))
        ),
        thing(rows, "endpoint_config", "new", {"owner": "cy"}, date(2026, 11, 20)),
    )
    days = [date(2026, 11, n) for n in range(1, 31)]
    asked = pl.DataFrame({"key": [rows.arn("endpoint", "e")] * len(days), "day": days})
    found = Owners(inventory, rows.jobs(), parents(rows.jobs()), OwnerRules()).of(asked).sort("day")["owner"].to_list()
    assert found == ["ana"] * 4 + ["ben"] * 4 + ["ana"] * 11 + ["cy"] * 11


def test_a_model_that_was_exchanged_was_another_owners_before(rows: SimpleNamespace) -> None:
    inventory = rows.inventory(
        thing(rows, "endpoint", "e", {}, date(2026, 11, 1), EndpointConfigName="old"),
        thing(rows, "endpoint", "e", {}, date(2026, 11, 6), EndpointConfigName="new"),
        thing(rows, "endpoint_config", "old", {"owner": "ana"}, date(2026, 11, 1)),
        thing(rows, "endpoint_config", "new", {"owner": "ben"}, date(2026, 11, 6)),
    )
    names = [
        told(rows, inventory, rows.arn("endpoint", "e"), OwnerRules(), day=date(2026, 11, day))["owner"]
        for day in (5, 6)
    ]
    assert names == ["ana", "ben"]


def test_a_monitoring_job_is_its_endpoints_owners_through_its_schedule(rows: SimpleNamespace) -> None:
    schedule = thing(rows, "monitoring_schedule", "drift", {}, EndpointName="e")
    inventory = rows.inventory(schedule, thing(rows, "endpoint", "e", {"owner": "ana"}))
    run = rows.job("run", "ml.m5.xlarge", datetime(2026, 11, 10, tzinfo=UTC), 10, parent_arn=schedule["arn"])
    found = told(rows, inventory, run["arn"], OwnerRules(), run)
    assert (found["owner"], found["basis"]) == ("ana", "endpoint tag owner")


def test_a_studio_app_that_was_never_looked_at_is_its_user_profiles(rows: SimpleNamespace) -> None:
    profile = thing(rows, "user_profile", "d-1/Ana", {}) | {"arn": PROFILE}
    app = rows.arn("app", "d-1/Ana/JupyterLab/default")
    found = told(rows, rows.inventory(profile), app, OwnerRules())
    assert (found["owner"], found["basis"]) == ("Ana", "user profile name")
    assert told(rows, rows.inventory(), app, OwnerRules())["owner"] is None  # a space, for all that is known


def test_what_was_made_in_a_space_is_the_one_of_whom_the_space_is(rows: SimpleNamespace) -> None:
    space = "arn:aws:sagemaker:us-east-1:123456789012:space/d-1/lab"
    config = {"DomainId": "d-1", "OwnershipSettings": {"OwnerUserProfileName": "Ana"}}
    inventory = rows.inventory(thing(rows, "studio_space", "d-1/lab", {}, **config) | {"arn": space})
    job = rows.job(
        "j", "ml.m5.xlarge", datetime(2026, 11, 10, tzinfo=UTC), 10, tags=json.dumps({"sagemaker:space-arn": space})
    )
    found = told(rows, inventory, job["arn"], OwnerRules(), job)
    assert (found["owner"], found["basis"]) == ("Ana", "user profile name")


def test_things_that_refer_to_each_other_end_the_search(rows: SimpleNamespace) -> None:
    one, other = rows.arn("training-job", "one"), rows.arn("training-job", "other")
    start = datetime(2026, 11, 10, tzinfo=UTC)
    jobs = (
        rows.job("one", "ml.m5.xlarge", start, 10, parent_arn=other),
        rows.job("other", "ml.m5.xlarge", start, 10, parent_arn=one),
    )
    assert told(rows, rows.inventory(), one, OwnerRules(), *jobs)["owner"] is None


def test_two_currencies_of_tags_are_one_owner_by_the_rules(rows: SimpleNamespace) -> None:
    # Until October the key was CostOwner with the old names of teams, since then it is owner with the new ones.
    rules = OwnerRules(owner=("owner", "CostOwner"), same={"risk": ("Risk & Fraud", "ml-risk")})
    before = rows.bill_line(
        "Host:ml.m5.large", 3.0, ResourceId=rows.arn("endpoint", "gone"), Tags='{"user:costowner": "ml-risk"}',
        x_ChargeDate=date(2026, 9, 30),
    )  # fmt: skip
    since = rows.bill_line("Host:ml.m5.large", 4.0, ResourceId=rows.arn("endpoint", "here"), Tags='{"Owner": "risk"}')
    daily = attribute(rows.costs(before, since), rows.inventory(), rows.jobs(), rules)
    assert daily.sort("day").select("owner", "owner_basis", "billed_cost").rows() == [
        ("risk", "bill tag user:costowner", 3.0),
        ("risk", "bill tag Owner", 4.0),
    ]


@pytest.mark.parametrize("written", ["Risk Team", "risk team", " RISK_TEAM ", "risk-team"])
def test_spellings_of_a_name_are_one_where_a_setting_says_so(written: str) -> None:
    assert OwnerRules().spell(written) == written
    assert OwnerRules(fold_names=True).spell(written) == "risk-team"
    assert OwnerRules(fold_names=True, same={"Risk": ("risk team",)}).spell(written) == "Risk"


def test_an_address_keeps_its_underscores() -> None:
    assert OwnerRules(fold_names=True).spell("Ana_Ruiz@Example.com") == "ana_ruiz@example.com"


def test_the_resources_own_tags_come_before_the_bills_and_those_before_the_fallbacks(rows: SimpleNamespace) -> None:
    arn = rows.arn("endpoint", "e")

    def told_by(tags: str, **chained: dict[str, str]) -> tuple[str, str]:
        line = rows.bill_line("Host:ml.m5.large", 1.0, ResourceId=arn, Tags=tags)
        daily = attribute(rows.costs(line), chain(rows, **chained), rows.jobs(), OwnerRules())
        return daily.select("owner", "owner_basis").row(0)

    assert told_by('{"owner": "bill"}', endpoint={"owner": "own"}) == ("own", "endpoint tag owner")
    assert told_by('{"owner": "bill"}', model={"owner": "model"}) == ("bill", "bill tag owner")
    assert told_by("{}", model={"owner": "model"}) == ("model", "model tag owner")
