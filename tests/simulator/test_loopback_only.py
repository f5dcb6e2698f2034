"""Nothing ever leaves the machine, whatever host a client is made for: every service of botocore is asked, with its own
host names (dual-stack, FIPS, ``*.api.aws``, account endpoints, virtual hosts of S3, presigned addresses), while an audit
hook of the interpreter refuses and records every connection that is not to loopback.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointResolutionError, NoAuthTokenError
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

from sagekeeper.simulator import loopback
from sagekeeper.simulator.library import LibraryAccount, in_process
from sagekeeper.simulator.process import RunningSimulator, start

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
READS = ("List", "Describe", "Get", "Search", "Batch", "Query")
STUMBLES = {
    "datapipeline",
    "dynamodbstreams",
    "ebs",
    "ecs",
    "kinesisanalytics",
    "kinesisanalyticsv2",
    "meteringmarketplace",
    "workspaces-web",
}
"""Services in which moto itself fails over what does not exist: AWS's form of that failure is all that is asked."""
REWRITTEN = ("cloudsearchdomain",)
"""boto3 sends another method than the model has: which of the services of that signing name is meant cannot be told."""
NAMED = {"string": "name", "integer": 1, "long": 1, "boolean": True, "double": 1.0, "float": 1.0, "blob": b"x"}


@pytest.fixture(scope="module")
def account() -> Iterator[LibraryAccount]:
    with in_process() as inside:
        loopback.refused.clear()
        yield inside


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that clients would have connected to."""
    seen: list[str] = []
    answered = LibraryAccount.answer

    def answer(self: LibraryAccount, method: str, url: str, headers: Any, body: Any) -> Any:
        seen.append(str(urlsplit(url).hostname))
        return answered(self, method, url, headers, body)

    monkeypatch.setattr(LibraryAccount, "answer", answer)
    return seen


def client(service: str, region: str = "us-east-1", session: boto3.Session | None = None, **more: Any) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False, **more)
    # A session of its own: boto3's default one would keep the model of every service in memory.
    return (session or boto3.Session()).client(service, region_name=region, config=config, **KEYS)


def least(shape: Any, depth: int = 0) -> Any:
    """The smallest value of a shape: what is required, and nothing else."""
    kind = shape.type_name
    if kind == "structure":
        return {name: least(shape.members[name], depth + 1) for name in shape.required_members} if depth < 6 else {}
    if kind == "list":
        return [least(shape.member, depth + 1)]
    if kind == "map":
        return {}
    if kind == "timestamp":
        return 1_700_000_000
    return shape.enum[0] if getattr(shape, "enum", None) else NAMED[kind]


def one_read(service: str, session: boto3.Session) -> tuple[str, dict[str, Any]]:
    """An operation of the service that only looks, and parameters for it."""
    model = session._session.get_service_model(service)
    names = [name for name in model.operation_names if name.startswith(READS)] or list(model.operation_names)
    usual = [name for name in names if not model.operation_model(name).has_event_stream_output]
    shape = model.operation_model(usual[0]).input_shape
    return usual[0], least(shape) if shape else {}


@pytest.mark.scale
@pytest.mark.integration
@pytest.mark.parametrize("part", range(8))
def test_every_service_is_answered_here(account: LibraryAccount, hosts: list[str], part: int) -> None:
    session = boto3.Session()  # one a part: each would read the list of all hosts anew
    services = sorted(set(session.get_available_services()) - set(REWRITTEN))[part::8]
    for kept in (get_service_model, get_service_router):
        kept.cache_clear()
    wrong = [found for service in services if (found := trouble(service, session))]
    assert wrong == []
    assert len(hosts) > len(services) * 0.9
    assert loopback.refused == []


@pytest.mark.integration
def test_services_with_hosts_of_other_kinds_are_answered_here(account: LibraryAccount, hosts: list[str]) -> None:
    asked = ("bcm-data-exports", "freetier", "billing", "invoicing", "s3vectors", "pricing", "sagemaker-runtime", "iam")
    session = boto3.Session()
    assert [found for service in asked if (found := trouble(service, session))] == []
    assert sum(host.endswith(".api.aws") for host in hosts) >= 3
    assert loopback.refused == []


@pytest.mark.integration
def test_dual_stack_and_fips_hosts_are_answered_here(account: LibraryAccount, hosts: list[str]) -> None:
    client("sagemaker", use_fips_endpoint=True).list_endpoints()
    client("s3", use_dualstack_endpoint=True).list_buckets()
    client("ce", use_dualstack_endpoint=True).get_dimension_values(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"}, Dimension="SERVICE"
    )
    client("lambda", "eu-west-1", use_dualstack_endpoint=True).list_functions()
    assert hosts == [
        "api-fips.sagemaker.us-east-1.amazonaws.com",
        "s3.dualstack.us-east-1.amazonaws.com",
        "ce.us-east-1.api.aws",
        "lambda.eu-west-1.api.aws",
    ]
    assert loopback.refused == []


@pytest.mark.integration
def test_hosts_that_begin_with_an_account_are_answered_here(account: LibraryAccount, hosts: list[str]) -> None:
    table = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_account_id="123456789012",
        config=Config(account_id_endpoint_mode="required"),
        **KEYS,
    )
    assert table.list_tables()["TableNames"] == []
    client("s3control").list_access_points(AccountId="123456789012")
    assert hosts == ["123456789012.ddb.us-east-1.amazonaws.com", "123456789012.s3-control.us-east-1.amazonaws.com"]
    assert loopback.refused == []


@pytest.mark.integration
def test_buckets_in_the_host_and_presigned_addresses_are_answered_here(
    account: LibraryAccount, hosts: list[str]
) -> None:
    s3 = client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})
    s3.create_bucket(Bucket="loop-back")
    s3.put_object(Bucket="loop-back", Key="deep/key", Body=b"here")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "loop-back", "Key": "deep/key"})
    assert urlsplit(address).hostname == "loop-back.s3.amazonaws.com"
    status, _, body = account.fetch(address)
    assert (status, body) == (200, b"here")
    caller = client("sts").generate_presigned_url("get_caller_identity")
    status, _, body = account.fetch(caller)
    assert status == 200
    assert b"<Account>123456789012</Account>" in body
    assert "loop-back.s3.us-east-1.amazonaws.com" in hosts or "loop-back.s3.amazonaws.com" in hosts
    assert loopback.refused == []


@pytest.mark.integration
def test_what_moto_would_send_out_by_itself_is_refused(account: LibraryAccount) -> None:
    sns = client("sns")
    topic = sns.create_topic(Name="outward")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://hooks.example.com/x")
    with pytest.raises(ClientError):
        sns.publish(TopicArn=topic, Message="hello")
    assert loopback.refused == ["hooks.example.com"]
    loopback.refused.clear()


@pytest.fixture
def heard() -> Iterator[tuple[list[str], int]]:
    """A web server on every address of this machine, and what it was sent."""
    paths: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield paths, server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with start(tmp_path_factory.mktemp("account")) as found:
        yield found


def own_address() -> str:
    """This machine's address on a network. Choosing a route sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


@pytest.mark.integration
def test_the_server_reaches_loopback_and_no_other_address(
    running: RunningSimulator, heard: tuple[list[str], int]
) -> None:
    paths, port = heard
    sns = boto3.client("sns", region_name="us-east-1", endpoint_url=running.url, **KEYS)
    for host, name in (("127.0.0.1", "near"), (own_address(), "far")):
        topic = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://{host}:{port}/{name}")
        with contextlib.suppress(ClientError):
            sns.publish(TopicArn=topic, Message="hello")
    assert set(paths) == {"/near"}


@pytest.mark.integration
def test_the_server_answers_for_the_hosts_of_aws(running: RunningSimulator) -> None:
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=running.url, **KEYS)
    s3.create_bucket(Bucket="hosted")
    s3.put_object(Bucket="hosted", Key="key", Body=b"here", ACL="public-read")
    assert sent(running, "/key", {"Host": "hosted.s3.us-east-1.amazonaws.com"}) == (200, b"here")
    target = {"X-Amz-Target": "AWSFreeTierService.GetAccountPlanState", "Content-Type": "application/x-amz-json-1.0"}
    status, body = sent(running, "/", target | {"Host": "freetier.us-east-1.api.aws"}, b"{}")
    assert (status, json.loads(body)["accountPlanType"]) == (200, "PAID")
    status, _ = sent(running, "/v1/anything", {"Host": "oidc.us-east-1.amazonaws.com"}, b"{}")
    assert status == 501


def sent(running: RunningSimulator, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(running.url + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def trouble(service: str, session: boto3.Session) -> str | None:
    """What is wrong with how one read of the service is answered."""
    operation, asked = one_read(service, session)
    try:
        client(service, session=session)._make_api_call(operation, asked)
    except (NoAuthTokenError, EndpointResolutionError):
        return None
    except ClientError as refused:
        error = refused.response
        told = (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"])
        fine = told[0] in range(400, 500) or told == (501, "NotImplemented")
        if not fine and not (told == (500, "InternalFailure") and service in STUMBLES):
            return f"{service}.{operation}: {error['Error']}"
    return None
