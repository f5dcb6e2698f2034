"""Studio in the simulated account: what lives in what, states in time, idle shutdown, and what it all costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator.process import start

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration
MEDIUM = PriceBook.bundled().hourly("ml.t3.medium", "Notebook", "us-east-1").usd
LARGE = PriceBook.bundled().hourly("ml.m5.large", "Notebook", "us-east-1").usd
STORAGE = PriceBook.bundled().unit("notebook_storage", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("studio")) as running:
        yield Workplace(running)


def domain(place: Workplace, name: str, idle_minutes: int | None = None) -> str:
    """A domain with a user `ana` and her space `lab`, all in service."""
    settings: dict[str, object] = {"ExecutionRole": ROLE}
    if idle_minutes:
        idle = {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": idle_minutes, "MaxIdleTimeoutInMinutes": 240}
        settings["JupyterLabAppSettings"] = {"AppLifecycleManagement": {"IdleSettings": idle}}
    made = place.ask("CreateDomain", DomainName=name, AuthMode="IAM", DefaultUserSettings=settings)["DomainId"]
    place.running.advance(seconds=200)
    place.ask("CreateUserProfile", DomainId=made, UserProfileName="ana")
    place.running.advance(seconds=30)
    place.ask(
        "CreateSpace",
        DomainId=made,
        SpaceName="lab",
        OwnershipSettings={"OwnerUserProfileName": "ana"},
        SpaceSharingSettings={"SharingType": "Private"},
        SpaceSettings={
            "AppType": "JupyterLab",
            "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 100}},
        },
    )
    place.running.advance(seconds=30)
    return str(made)


def lab(place: Workplace, made: str, **more: object) -> dict[str, str]:
    """A JupyterLab app in the space."""
    which = {"DomainId": made, "SpaceName": "lab", "AppType": "JupyterLab", "AppName": "default"}
    place.ask("CreateApp", **which, **more)
    place.running.advance(seconds=100)
    return which


def test_a_domain_comes_into_service_after_a_while_and_can_be_changed(place: Workplace) -> None:
    made = place.ask("CreateDomain", DomainName="growing", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": ROLE})
    identity = made["DomainId"]
    assert place.ask("DescribeDomain", DomainId=identity)["Status"] == "Pending"
    refused("ResourceInUse", place.sagemaker.create_user_profile, DomainId=identity, UserProfileName="early")
    place.running.advance(seconds=200)
    assert place.ask("DescribeDomain", DomainId=identity)["Status"] == "InService"
    app = {"DefaultResourceSpec": {"InstanceType": "ml.m5.large"}}
    place.ask("UpdateDomain", DomainId=identity, DefaultUserSettings={"JupyterLabAppSettings": app})
    found = place.ask("DescribeDomain", DomainId=identity)
    assert found["Status"] == "Updating"
    assert found["DefaultUserSettings"] == {"ExecutionRole": ROLE, "JupyterLabAppSettings": app}
    assert found["HomeEfsFileSystemId"].startswith("fs-")
    assert identity in [row["DomainId"] for row in place.ask("ListDomains")["Domains"]]


def test_what_lives_in_a_domain_has_to_go_first(place: Workplace) -> None:
    made = domain(place, "full")
    app = lab(place, made)
    api = place.sagemaker
    refused("ResourceInUse", api.delete_domain, DomainId=made)
    refused("ResourceInUse", api.delete_space, DomainId=made, SpaceName="lab")
    refused("ResourceInUse", api.delete_user_profile, DomainId=made, UserProfileName="ana")
    place.ask("DeleteApp", **app)
    assert place.ask("DescribeApp", **app)["Status"] == "Deleting"
    place.running.advance(seconds=30)
    assert place.ask("DescribeApp", **app)["Status"] == "Deleted"
    place.ask("DeleteSpace", DomainId=made, SpaceName="lab")
    place.running.advance(seconds=30)
    place.ask("DeleteUserProfile", DomainId=made, UserProfileName="ana")
    place.running.advance(seconds=30)
    place.ask("DeleteDomain", DomainId=made, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    assert place.ask("DescribeDomain", DomainId=made)["Status"] == "Deleting"
    place.running.advance(seconds=30)
    refused("ResourceNotFound", api.describe_domain, DomainId=made)


def test_wrong_requests_are_refused_with_the_codes_of_aws(place: Workplace) -> None:
    made, api = domain(place, "strict"), place.sagemaker
    refused("ResourceNotFound", api.describe_user_profile, DomainId=made, UserProfileName="nobody")
    refused("ResourceNotFound", api.describe_space, DomainId="d-unknown", SpaceName="lab")
    refused("ResourceInUse", api.create_space, DomainId=made, SpaceName="lab")
    which = {"DomainId": made, "AppType": "JupyterLab", "AppName": "default"}
    refused("ValidationException", api.create_app, **which)
    refused("ValidationException", api.create_app, UserProfileName="ana", **which)
    refused("ResourceNotFound", api.delete_app, SpaceName="lab", **which)
    wrong = which | {"ResourceSpec": {"InstanceType": "ml.huge"}, "SpaceName": "lab"}
    refused("ValidationException", api.create_app, **wrong)


def test_the_bill_of_an_app_is_its_hours_in_service_and_the_volume_outlives_it(place: Workplace) -> None:
    made = domain(place, "billed")
    app = lab(place, made, ResourceSpec={"InstanceType": "ml.m5.large"})
    place.running.advance(hours=10)
    place.ask("DeleteApp", **app)
    place.running.advance(days=4)
    bill = place.bill(f"app/{made}/lab/jupyterlab/default")
    # In service 10 s before the ten hours began: a hundredth of a cent.
    assert {usage: cents(cost) for usage, cost in bill.items()} == {
        "USE1-Studio:JupyterLab-ml.m5.large": cents(10 * LARGE)
    }
    gone_for_days = place.running.now().date() - timedelta(days=3)
    volume = place.bill(f"space/{made}/lab", day=gone_for_days)["USE1-Studio:VolumeUsage.gp3"]
    assert cents(volume) == cents(100 * STORAGE * 24 / 730)


def test_an_idle_app_ends_by_itself_after_the_idle_time_and_is_paid_until_then(place: Workplace) -> None:
    made = domain(place, "idle", idle_minutes=120)
    app = lab(place, made)
    place.running.advance(hours=1.9)
    assert place.ask("DescribeApp", **app)["Status"] == "InService"
    place.running.advance(hours=0.2)
    assert place.ask("DescribeApp", **app)["Status"] == "Deleted"
    place.running.advance(days=4)
    assert cents(place.bill(f"app/{made}/lab/jupyterlab/default")["USE1-Studio:JupyterLab-ml.t3.medium"]) == cents(
        2 * MEDIUM
    )
    assert made not in str(place.ask("ListApps", DomainIdEquals=made)["Apps"])


def test_opening_studio_keeps_an_app_from_being_idle(place: Workplace) -> None:
    made = domain(place, "used", idle_minutes=60)
    app = lab(place, made)
    place.running.advance(hours=50 / 60)
    place.ask("CreatePresignedDomainUrl", DomainId=made, UserProfileName="ana", SpaceName="lab")
    place.running.advance(hours=50 / 60)
    assert place.ask("DescribeApp", **app)["Status"] == "InService"
    place.running.advance(hours=15 / 60)
    assert place.ask("DescribeApp", **app)["Status"] == "Deleted"


def test_idle_settings_hold_for_apps_started_after_the_change(place: Workplace) -> None:
    made = domain(place, "later")
    app = lab(place, made)
    idle = {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}
    settings = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": idle}}}
    place.ask("UpdateDomain", DomainId=made, DefaultUserSettings=settings)
    place.running.advance(hours=3)
    assert place.ask("DescribeApp", **app)["Status"] == "InService"
    place.ask("DeleteApp", **app)
    place.running.advance(seconds=60)
    lab(place, made)
    place.running.advance(hours=1.1)
    assert place.ask("DescribeApp", **app)["Status"] == "Deleted"


def test_health_checks_move_the_last_activity_of_an_app_that_nobody_uses(place: Workplace) -> None:
    made = domain(place, "checked")
    app = lab(place, made)
    place.running.advance(hours=5)
    found = place.ask("DescribeApp", **app)
    assert found["LastUserActivityTimestamp"] == found["LastHealthCheckTimestamp"]
    assert place.running.now() - found["LastUserActivityTimestamp"] < timedelta(minutes=6)


def test_lifecycle_configurations_are_kept_and_not_deleted_while_used(place: Workplace) -> None:
    made = place.ask(
        "CreateStudioLifecycleConfig",
        StudioLifecycleConfigName="stop-idle",
        StudioLifecycleConfigContent="ZWNobyBoaQ==",
        StudioLifecycleConfigAppType="JupyterLab",
    )["StudioLifecycleConfigArn"]
    settings = {"ExecutionRole": ROLE, "JupyterLabAppSettings": {"LifecycleConfigArns": [made]}}
    place.ask("CreateDomain", DomainName="scripted", AuthMode="IAM", DefaultUserSettings=settings)
    name = {"StudioLifecycleConfigName": "stop-idle"}
    assert place.ask("DescribeStudioLifecycleConfig", **name)["StudioLifecycleConfigContent"] == "ZWNobyBoaQ=="
    assert place.ask("ListStudioLifecycleConfigs", AppTypeEquals="CodeEditor")["StudioLifecycleConfigs"] == []
    refused("ResourceInUse", place.sagemaker.delete_studio_lifecycle_config, **name)


def test_spaces_are_listed_in_pages(place: Workplace) -> None:
    made = domain(place, "paged")
    for number in range(3):
        place.ask("CreateSpace", DomainId=made, SpaceName=f"more-{number}")
    first = place.ask("ListSpaces", DomainIdEquals=made, MaxResults=3)
    rest = place.ask("ListSpaces", DomainIdEquals=made, MaxResults=3, NextToken=first["NextToken"])
    assert [row["SpaceName"] for row in first["Spaces"] + rest["Spaces"]] == ["lab", "more-0", "more-1", "more-2"]
    assert "NextToken" not in rest
    assert first["Spaces"][0]["SpaceSettingsSummary"]["AppType"] == "JupyterLab"
