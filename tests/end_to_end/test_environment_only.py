"""The product with nothing but environment variables: the account's address, keys and roles, in a process without the simulator.

Neither `sagekeeper.simulator` nor moto can be imported there: what it knows of the account came over HTTP.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError

from sagekeeper.simulator.process import start

pytestmark = pytest.mark.integration
ACCOUNT = "123456789012"
PRODUCT_ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "moto" or name.startswith("sagekeeper.simulator"):
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Absent())
from sagekeeper.service.cli import main

commands = [command.split() for command in sys.argv[1:]]
for command in commands:
    sys.argv = ["sagekeeper", *command]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            sys.exit(f"{command}: {ended.code}")
"""


class Ran(NamedTuple):
    """What the product said, and the account it was about."""

    said: str
    sagemaker: Any


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("environment")
    with start(folder / "account", speed=60) as running:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEKEEPER_"))}
        role = f"arn:aws:iam::{ACCOUNT}:role/Sagekeeper"
        given = {
            "AWS_ENDPOINT_URL": running.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAGEKEEPER_DATA_DIR": str(folder / "data"),
            "SAGEKEEPER_CLOCK_URL": f"{running.url}/sagekeeper/clock",
            "SAGEKEEPER_AWS__ACCOUNTS": (
                f'[{{"id": "{ACCOUNT}", "reader_role_arn": "{role}Reader", "applier_role_arn": "{role}Applier"}}]'
            ),
        }

        def product(*commands: str) -> str:
            done = subprocess.run(
                [sys.executable, "-c", PRODUCT_ALONE, *commands],
                env=kept | given,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
            return done.stdout

        said = product("collect", "analyze", "recommend")
        found = re.search(r"^\s*([0-9a-f]{16})\s+idle_endpoint\s+hackathon-demo", said, re.MULTILINE)
        assert found is not None, said
        said += product(f"apply {found[1]} --yes")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        yield Ran(said, boto3.client("sagemaker", region_name="us-east-1", endpoint_url=running.url, **keys))


def test_every_source_is_read(ran: Ran) -> None:
    sources = re.findall(r"^\s*([a-z_]+)\s+\d{12}\s+[a-z0-9-]+\s+(\w+)\s+\d+", ran.said, re.MULTILINE)
    assert len(sources) > 8
    assert {state for _, state in sources} == {"ok"}
    assert {"cloudwatch_metrics", "sagemaker_jobs", "data_capture"} <= {name for name, _ in sources}


def test_what_it_was_told_to_delete_is_gone_and_nothing_else(ran: Ran) -> None:
    with pytest.raises(ClientError, match="Could not find endpoint"):
        ran.sagemaker.describe_endpoint(EndpointName="hackathon-demo")
    assert ran.sagemaker.describe_endpoint(EndpointName="sentiment-bert")["EndpointStatus"] == "InService"
