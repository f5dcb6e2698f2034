"""MLflow tracking servers in the simulated account: states in time, and hours paid for by size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagekeeper.simulator.process import start
from sagekeeper.simulator.workspace_charges import MLFLOW_USD_PER_HOUR

from .hosted import refused
from .workplace import ROLE, Workplace, cents

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with start(tmp_path_factory.mktemp("mlflow")) as running:
        yield Workplace(running)


def server(place: Workplace, name: str, size: str = "Small") -> dict[str, str]:
    """A tracking server that runs."""
    which = {"TrackingServerName": name}
    place.ask(
        "CreateMlflowTrackingServer",
        **which,
        ArtifactStoreUri="s3://runs/mlflow",
        RoleArn=ROLE,
        TrackingServerSize=size,
    )
    place.running.advance(seconds=1510)
    return which


def status(place: Workplace, which: dict[str, str]) -> tuple[str, str]:
    found = place.ask("DescribeMlflowTrackingServer", **which)
    return found["TrackingServerStatus"], found["IsActive"]


def test_a_server_is_created_stopped_started_and_deleted_in_time(place: Workplace) -> None:
    which, api = {"TrackingServerName": "living"}, place.sagemaker
    place.ask("CreateMlflowTrackingServer", **which, ArtifactStoreUri="s3://runs/mlflow", RoleArn=ROLE)
    assert status(place, which) == ("Creating", "Inactive")
    refused("ConflictException", api.stop_mlflow_tracking_server, **which)
    place.running.advance(seconds=1510)
    assert status(place, which) == ("Created", "Active")
    refused("ConflictException", api.start_mlflow_tracking_server, **which)
    place.ask("StopMlflowTrackingServer", **which)
    assert status(place, which) == ("Stopping", "Inactive")
    place.running.advance(seconds=310)
    assert status(place, which) == ("Stopped", "Inactive")
    refused("ConflictException", api.create_presigned_mlflow_tracking_server_url, **which)
    place.ask("StartMlflowTrackingServer", **which)
    place.running.advance(seconds=310)
    assert status(place, which) == ("Started", "Active")
    assert place.ask("CreatePresignedMlflowTrackingServerUrl", **which)["AuthorizedUrl"].startswith("https://t-")
    place.ask("DeleteMlflowTrackingServer", **which)
    assert status(place, which) == ("Deleting", "Inactive")
    place.running.advance(seconds=310)
    refused("ResourceNotFound", api.describe_mlflow_tracking_server, **which)


def test_the_bill_counts_the_hours_that_a_server_ran_at_its_size(place: Workplace) -> None:
    which = server(place, "billed", "Medium")
    place.running.advance(hours=5)
    place.ask("StopMlflowTrackingServer", **which)
    place.running.advance(days=1)
    place.ask("StartMlflowTrackingServer", **which)
    place.running.advance(seconds=300)
    place.running.advance(hours=2)
    place.ask("UpdateMlflowTrackingServer", **which, TrackingServerSize="Large")
    place.running.advance(hours=3)
    place.ask("StopMlflowTrackingServer", **which)
    place.running.advance(days=4)
    bill = place.bill("mlflow-tracking-server/billed")
    # The first run began 10 s before the five hours.
    assert float(bill["USE1-MLflow:TrackingServer-Medium"]) == pytest.approx(
        7 * MLFLOW_USD_PER_HOUR["Medium"], abs=0.005
    )
    assert cents(bill["USE1-MLflow:TrackingServer-Large"]) == cents(3 * MLFLOW_USD_PER_HOUR["Large"])


def test_servers_are_listed_by_state(place: Workplace) -> None:
    first, second = server(place, "one"), server(place, "two")
    place.ask("StopMlflowTrackingServer", **second)
    place.running.advance(seconds=310)
    stopped = place.ask("ListMlflowTrackingServers", TrackingServerStatus="Stopped")["TrackingServerSummaries"]
    assert "two" in [row["TrackingServerName"] for row in stopped]
    assert first["TrackingServerName"] not in [row["TrackingServerName"] for row in stopped]


def test_wrong_requests_are_refused_with_the_codes_of_aws(place: Workplace) -> None:
    api = place.sagemaker
    refused("ResourceNotFound", api.delete_mlflow_tracking_server, TrackingServerName="nobody")
    given = {"ArtifactStoreUri": "s3://runs/mlflow", "RoleArn": ROLE}
    refused("ValidationException", api.create_mlflow_tracking_server, **given | {"TrackingServerName": "-wrong-"})
    refused(
        "ValidationException",
        api.create_mlflow_tracking_server,
        TrackingServerName="a",
        TrackingServerSize="Huge",
        **given,
    )


def test_an_mlflow_app_lives_and_is_listed_by_the_domain_that_uses_it(place: Workplace) -> None:
    given = {"ArtifactStoreUri": "s3://runs/app", "RoleArn": ROLE}
    made = place.ask("CreateMlflowApp", Name="shared", DefaultDomainIdList=["d-one"], **given)["Arn"]
    assert place.ask("DescribeMlflowApp", Arn=made)["Status"] == "Creating"
    place.running.advance(seconds=130)
    assert [row["Arn"] for row in place.ask("ListMlflowApps", DefaultForDomainId="d-one")["Summaries"]] == [made]
    assert place.ask("ListMlflowApps", DefaultForDomainId="d-two")["Summaries"] == []
    place.ask("DeleteMlflowApp", Arn=made)
    place.running.advance(seconds=130)
    refused("ResourceNotFound", place.sagemaker.describe_mlflow_app, Arn=made)
