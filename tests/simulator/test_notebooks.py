"""Notebook instances in the simulated account: their life, their scripts, and the volume that is paid for when stopped."""

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
XLARGE = PriceBook.bundled().hourly("ml.m5.xlarge", "Notebook", "us-east-1").usd
STORAGE = PriceBook.bundled().unit("notebook_storage", "us-east-1").usd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("notebooks")) as running:
        yield Workplace(running)


def notebook(place: Workplace, name: str, **more: object) -> dict[str, str]:
    """A notebook instance in service."""
    place.ask("CreateNotebookInstance", NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=ROLE, **more)
    place.running.advance(seconds=130)
    return {"NotebookInstanceName": name}


def status(place: Workplace, name: dict[str, str]) -> str:
    return str(place.ask("DescribeNotebookInstance", **name)["NotebookInstanceStatus"])


def stopped(place: Workplace, name: dict[str, str]) -> None:
    place.ask("StopNotebookInstance", **name)
    place.running.advance(seconds=40)


def test_a_notebook_goes_through_all_its_states(place: Workplace) -> None:
    given = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE}
    name = {"NotebookInstanceName": "living"}
    place.ask("CreateNotebookInstance", **name, **given)
    seen = [status(place, name)]
    for operation, seconds in (
        ("", 130),
        ("StopNotebookInstance", 40),
        ("UpdateNotebookInstance", 40),
        ("StartNotebookInstance", 130),
        ("StopNotebookInstance", 40),
        ("DeleteNotebookInstance", 0),
    ):
        if operation:
            place.ask(operation, **name)
            seen.append(status(place, name))
        place.running.advance(seconds=seconds)
        seen.append(status(place, name))
    place.running.advance(seconds=40)
    message = refused("ValidationException", place.sagemaker.describe_notebook_instance, **name)
    assert message == "RecordNotFound"
    assert seen == [
        *("Pending", "InService", "Stopping", "Stopped", "Updating", "Stopped", "Pending", "InService"),
        *("Stopping", "Stopped", "Deleting", "Deleting"),
    ]


def test_what_a_state_does_not_allow_is_refused(place: Workplace) -> None:
    name, api = notebook(place, "strict"), place.sagemaker
    message = refused("ValidationException", api.delete_notebook_instance, **name)
    assert message.startswith("Status (InService) not in ([Stopped, Failed])")
    refused("ValidationException", api.start_notebook_instance, **name)
    refused("ValidationException", api.update_notebook_instance, **name, InstanceType="ml.m5.xlarge")
    refused("ValidationException", api.create_notebook_instance, **name, InstanceType="ml.t3.medium", RoleArn=ROLE)
    stopped(place, name)
    refused("ValidationException", api.stop_notebook_instance, **name)
    refused("ValidationException", api.create_presigned_notebook_instance_url, **name)
    refused(
        "ValidationException", api.create_notebook_instance, NotebookInstanceName="x", InstanceType="ml.x", RoleArn=ROLE
    )


def test_a_stopped_notebook_pays_for_its_volume_alone(place: Workplace) -> None:
    name = notebook(place, "quiet", VolumeSizeInGB=200)
    place.running.advance(hours=6)
    stopped(place, name)
    off = place.running.now().date() + timedelta(days=1)
    place.running.advance(days=4)
    bill = place.bill("notebook-instance/quiet")
    assert cents(bill["USE1-Notebk:ml.t3.medium"]) == cents(6 * MEDIUM)
    after = place.bill("notebook-instance/quiet", day=off)
    assert {usage: cents(cost) for usage, cost in after.items()} == {
        "USE1-Notebk:VolumeUsage.gp2": cents(200 * STORAGE * 24 / 730)
    }


def test_a_bigger_type_and_volume_are_billed_from_the_update_on(place: Workplace) -> None:
    name = notebook(place, "growing", VolumeSizeInGB=50)
    place.running.advance(hours=4)
    stopped(place, name)
    place.ask("UpdateNotebookInstance", **name, InstanceType="ml.m5.xlarge", VolumeSizeInGB=500)
    place.running.advance(seconds=40)
    refused("ValidationException", place.sagemaker.update_notebook_instance, **name, VolumeSizeInGB=100)
    place.ask("StartNotebookInstance", **name)
    place.running.advance(seconds=130)
    place.running.advance(hours=3)
    stopped(place, name)
    place.running.advance(days=4)
    bill = place.bill("notebook-instance/growing")
    assert cents(bill["USE1-Notebk:ml.t3.medium"]) == cents(4 * MEDIUM)
    assert cents(bill["USE1-Notebk:ml.m5.xlarge"]) == cents(3 * XLARGE)
    whole = place.running.now().date() - timedelta(days=3)
    volume = place.bill("notebook-instance/growing", day=whole)["USE1-Notebk:VolumeUsage.gp2"]
    assert cents(volume) == cents(500 * STORAGE * 24 / 730)


def test_a_deleted_notebook_costs_nothing_more_but_stays_on_past_bills(place: Workplace) -> None:
    name = notebook(place, "brief", VolumeSizeInGB=1000)
    place.running.advance(hours=24)
    stopped(place, name)
    place.ask("DeleteNotebookInstance", **name)
    place.running.advance(seconds=40)
    notebook(place, "brief", VolumeSizeInGB=5)
    stopped(place, name)
    place.running.advance(days=4)
    after = place.running.now().date() - timedelta(days=3)
    small = place.bill("notebook-instance/brief", day=after)["USE1-Notebk:VolumeUsage.gp2"]
    assert cents(small) == cents(5 * STORAGE * 24 / 730)
    assert cents(place.bill("notebook-instance/brief")["USE1-Notebk:ml.t3.medium"]) == cents(24 * MEDIUM)


def test_a_lifecycle_configuration_is_kept_and_not_deleted_while_used(place: Workplace) -> None:
    api, name = place.sagemaker, {"NotebookInstanceLifecycleConfigName": "auto-stop"}
    refused(
        "ValidationException",
        api.create_notebook_instance,
        NotebookInstanceName="unscripted",
        InstanceType="ml.t3.medium",
        RoleArn=ROLE,
        LifecycleConfigName="auto-stop",
    )
    place.ask("CreateNotebookInstanceLifecycleConfig", **name, OnStart=[{"Content": "ZWNobyBoaQ=="}])
    scripted = notebook(place, "scripted", LifecycleConfigName="auto-stop")
    assert place.ask("DescribeNotebookInstance", **scripted)["NotebookInstanceLifecycleConfigName"] == "auto-stop"
    refused("ValidationException", api.delete_notebook_instance_lifecycle_config, **name)
    stopped(place, scripted)
    place.ask("UpdateNotebookInstance", **scripted, DisassociateLifecycleConfig=True)
    place.ask("DeleteNotebookInstanceLifecycleConfig", **name)
    assert place.ask("ListNotebookInstanceLifecycleConfigs")["NotebookInstanceLifecycleConfigs"] == []


def test_the_presigned_address_is_of_the_instance(place: Workplace) -> None:
    name = notebook(place, "opened")
    url = place.ask("DescribeNotebookInstance", **name)["Url"]
    assert place.ask("CreatePresignedNotebookInstanceUrl", **name)["AuthorizedUrl"].startswith(
        f"https://{url}?authToken="
    )


def test_a_list_names_notebooks_by_state_and_name_in_pages(place: Workplace) -> None:
    for number in range(3):
        notebook(place, f"listed-{number}")
    found = []
    asked = {"NameContains": "listed", "MaxResults": 2, "SortBy": "Name", "SortOrder": "Ascending"}
    while True:
        answer = place.ask("ListNotebookInstances", StatusEquals="InService", **asked)
        found += [row["NotebookInstanceName"] for row in answer["NotebookInstances"]]
        if "NextToken" not in answer:
            break
        asked["NextToken"] = answer["NextToken"]
    assert found == ["listed-0", "listed-1", "listed-2"]
    assert place.ask("ListNotebookInstances", StatusEquals="Failed", NameContains="listed")["NotebookInstances"] == []
