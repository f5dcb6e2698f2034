"""sagemaker-runtime: InvokeEndpoint, its streaming form and InvokeEndpointAsync on the endpoints of the simulated account.

A request is refused as AWS refuses it, or answered with what a model would say, after a time drawn from the variant's
queue (`queueing.py`) under the world's traffic. It counts in the metrics beside that traffic, is captured where capture
is on (`runtime_capture.py`), and waits in S3 where the endpoint is asynchronous and has no instance.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from moto.s3.models import s3_backends

from sagekeeper.core.prices import PriceBook
from sagekeeper.simulator import answers
from sagekeeper.simulator.boosted_trees import WrongRows
from sagekeeper.simulator.demand import requests
from sagekeeper.simulator.hosting import Invoked, Waiting
from sagekeeper.simulator.lives import Setting, status_of
from sagekeeper.simulator.operations import Ask, Handler, Refused
from sagekeeper.simulator.own_service import without_bytes
from sagekeeper.simulator.queueing import fails, latency_s, queue
from sagekeeper.simulator.runtime_capture import capture
from sagekeeper.simulator.sagemaker_models import containers, multi_model
from sagekeeper.simulator.traffic import OVERHEAD_US
from sagekeeper.simulator.world import Standing, Traffic

WARM = timedelta(minutes=10)
COLD_S, LOAD_S = 3.2, 7.5
"""Seconds to start a serverless container, and to load a model of a multi-model endpoint."""
SERVERLESS_LIMIT_MB = 4_194_304
"""A serverless request has at most 4 MiB (SageMaker developer guide, serverless endpoints)."""
SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")


class Served(NamedTuple):
    """Where a request goes."""

    name: str
    config: dict[str, Any]
    variant: dict[str, Any]
    setting: Setting
    component: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Under which it is counted."""
        return ("", f"component:{self.component}") if self.component else (self.name, str(self.variant["VariantName"]))


def invoke_endpoint(ask: Ask) -> dict[str, Any]:
    served = _served(ask)
    if "AsyncInferenceConfig" in served.config:
        _refuse(f"Endpoint {served.name} of account {ask.account} is asynchronous: use InvokeEndpointAsync.")
    body = _body(ask)
    try:
        kind, said = answers.said(ask, served.variant.get("ModelName"), body)
    except WrongRows as wrong:
        _count(ask.here, served.key, ask.now, Invoked(requests=1, client_errors=1))
        _keep(ask)
        raise _model_error(ask, served, 400, str(wrong)) from wrong
    _answer_or_fail(ask, served, body)
    capture(ask, served.name, served.config, str(served.variant["VariantName"]), (body, said, kind))
    answer = {
        "Body": said,
        "ContentType": kind,
        "InvokedProductionVariant": served.variant["VariantName"],
    }
    if ask.params.get("CustomAttributes"):
        answer["CustomAttributes"] = ask.params["CustomAttributes"]
    return answer


def invoke_endpoint_with_response_stream(ask: Ask) -> dict[str, Any]:
    """The same answer in parts."""
    answer = invoke_endpoint(ask)
    said = answer["Body"]
    size = max(1, -(-len(said) // 4))
    return answer | {"Body": [said[at : at + size] for at in range(0, len(said), size)]}


def invoke_endpoint_async(ask: Ask) -> dict[str, Any]:
    served = _served(ask)
    if "AsyncInferenceConfig" not in served.config:
        _refuse(f"Endpoint {served.name} of account {ask.account} is not asynchronous: use InvokeEndpoint.")
    if not ask.params.get("InputLocation") and not ask.params.get("Body"):
        _refuse("Either InputLocation or Body is required.")
    output = served.config["AsyncInferenceConfig"]["OutputConfig"]
    mark = _mark(ask, served, "async")
    path = output.get("S3OutputPath") or f"s3://sagemaker-{ask.region}-{ask.account}/async-endpoint-outputs"
    failures = output.get("S3FailurePath") or f"{path}-failures"
    name = ask.params.get("Filename") or f"{mark}.out"
    where = f"{path.rstrip('/')}/{name}"
    _count(ask.here, served.key, ask.now, Invoked(requests=1))
    failure = f"{failures.rstrip('/')}/{mark}-error.out"
    try:
        written = where, answers.said(ask, served.variant.get("ModelName"), _input(ask))[1]
    except WrongRows as wrong:
        written = failure, str(wrong).encode()
    ask.here.hosting.waiting.append(Waiting(served.name, ask.now, *written))
    work_off(ask.here, ask.now)
    return {
        "InferenceId": ask.params.get("InferenceId") or str(mark),
        "OutputLocation": where,
        "FailureLocation": failure,
    }


def work_off(here: Standing, now: datetime) -> None:
    """Write the answers of asynchronous requests for which there is an instance."""
    left = []
    for item in here.hosting.waiting:
        life = here.life(item.endpoint)
        if life is None:
            continue
        number = life.serving(now)
        variant = life.deployed[number].config["ProductionVariants"][0]
        if life.setting(number, variant, now).serving > 0:
            _put(here, item.where, item.answer)
        else:
            left.append(item)
    here.hosting.waiting = left


def _served(ask: Ask) -> Served:
    name = ask.params["EndpointName"]
    life = ask.here.life(name)
    if life is None or status_of(life, ask.now) not in SERVING:
        raise Refused("ValidationError", f"Endpoint {name} of account {ask.account} not found.")
    number = life.serving(ask.now)
    config = life.deployed[number].config
    variants = config["ProductionVariants"]
    settings = {item["VariantName"]: life.setting(number, item, ask.now) for item in variants}
    wanted = ask.params.get("TargetVariant")
    if wanted is not None and wanted not in settings:
        _refuse(f"Variant {wanted} was not found on endpoint {name} of account {ask.account}.")
    chosen = wanted or _drawn(ask, {key: setting.weight for key, setting in settings.items()})
    variant = next(item for item in variants if item["VariantName"] == chosen)
    served = Served(name, config, variant, settings[chosen])
    if not variant.get("ModelName"):
        return _component(ask, served)
    if ask.params.get("InferenceComponentName"):
        _refuse(f"Endpoint {name} does not host inference components.")
    _model_of(ask, served)
    return served


def _component(ask: Ask, served: Served) -> Served:
    told = ask.params.get("InferenceComponentName")
    if told is None:
        _refuse(
            "Inference Component Name header is required for endpoints to which you plan to deploy inference "
            "components. Please include Inference Component Name header or consider using SageMaker models."
        )
    component = ask.here.hosting.component(str(told))
    if component is None or component.endpoint != served.name:
        _refuse(f"Inference Component {told} of account {ask.account} not found.")
    elif component.count(ask.now).placed == 0:
        _count(ask.here, ("", f"component:{told}/none"), ask.now, Invoked(requests=1))
        _keep(ask)
        _refuse(
            "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
            "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
        )
    return served._replace(component=str(told))


def _model_of(ask: Ask, served: Served) -> None:
    """A multi-model endpoint is told which of its models; others are not."""
    model = ask.here.models.get(served.variant["ModelName"], {})
    target = ask.params.get("TargetModel")
    if not multi_model(model):
        if target:
            _refuse(f"Target model header is not allowed: endpoint {served.name} is not a multi-model endpoint.")
        return
    if not target:
        _refuse(f"Endpoint {served.name} hosts several models: TargetModel is required.")
    prefix = next(item["ModelDataUrl"] for item in containers(model) if item.get("Mode") == "MultiModel")
    bucket, _, folder = prefix.removeprefix("s3://").partition("/")
    key = f"{folder.rstrip('/')}/{target}".lstrip("/")
    there = s3_backends[ask.account]["aws"].buckets.get(bucket)
    if there is None or key not in there.keys:
        _refuse(
            f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located "
            "at the URL and that the role passed to CreateModel has permissions to download the model."
        )
    ask.here.hosting.loaded.setdefault(served.name, {})


def _answer_or_fail(ask: Ask, served: Served, body: bytes) -> None:
    """Count the request with its latency, or refuse it as a model that fails does."""
    profile = ask.here.traffic.get(f"component:{served.component}" if served.component else served.name, Traffic())
    service = profile.model_latency_us / 1e6
    line = queue(_rate(ask, served), _servers(ask, served), service)
    one, two, three = _chances(ask, served, 3)
    cold = _cold(ask, served)
    taken = latency_s(line, service, one, two)
    if "ServerlessConfig" in served.variant and len(body) > SERVERLESS_LIMIT_MB:
        _refuse("The request's body is larger than the 4 MB that a serverless endpoint takes.")
    fault = ask.here.faults.get(served.name)
    broken = fault is not None and fault.kind == "errors" and three < 0.2
    failed = broken or three < profile.error_rate / 2 or fails(line, three)
    seconds = taken + cold
    told = Invoked(1, 0, int(failed), taken * 1e6, OVERHEAD_US + cold * 1e6, seconds, int(cold > 0))
    _count(ask.here, served.key, ask.now, told)
    if failed:
        _keep(ask)
        raise _model_error(ask, served, 500, '{"error": "prediction failed"}')


def _keep(ask: Ask) -> None:
    """A request that is refused, but counted, is journalled too: what comes after it depends on it."""
    ask.house.journal.write(
        "call",
        ask.now,
        service="sagemaker-runtime",
        operation="InvokeEndpoint",
        account=ask.account,
        region=ask.region,
        resource=ask.params["EndpointName"],
        parameters=without_bytes(ask.params),
    )


def _model_error(ask: Ask, served: Served, status: int, said: str) -> Refused:
    sort = "client" if status < 500 else "server"
    address = f"https://{ask.region}.console.aws.amazon.com/cloudwatch/home?region={ask.region}"
    group = f"/aws/sagemaker/Endpoints/{served.name}"
    refused = Refused(
        "ModelError",
        f'Received {sort} error ({status}) from primary with message "{said}". See {address}#logEventViewer:group={group} in '
        f"account {ask.account} for more information.",
    )
    told = refused.__dict__
    told["OriginalStatusCode"], told["OriginalMessage"] = status, said
    told["LogStreamArn"] = f"arn:aws:logs:{ask.region}:{ask.account}:log-group:{group}"
    return refused


def _rate(ask: Ask, served: Served) -> float:
    """Requests a second that come to the variant in this minute, those of the runtime included."""
    begin = ask.now.timestamp() // 60 * 60
    if served.component:
        return ask.here.hosting.invoked.get(served.key, {}).get(int(begin // 60), Invoked()).requests / 60
    ahead = ask.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return float(requests(ask.here, served.name, str(served.variant["VariantName"]), begin, 1, 60, ahead)[0]) / 60


def _servers(ask: Ask, served: Served) -> int:
    if "ServerlessConfig" in served.variant:
        return int((served.setting.serverless or served.variant["ServerlessConfig"])["MaxConcurrency"])
    if served.component:
        found = ask.here.hosting.component(served.component)
        return found.count(ask.now).placed if found else 0
    spec = PriceBook.bundled().spec(served.variant.get("InstanceType", ""))
    each = (spec.gpus or spec.accelerators or spec.vcpu) if spec else 4
    return max(served.setting.serving, 0) * each


def _cold(ask: Ask, served: Served) -> float:
    """Seconds until a serverless container, or a model of a multi-model endpoint, is there."""
    if "ServerlessConfig" in served.variant:
        kept = (served.setting.serverless or {}).get("ProvisionedConcurrency", 0)
        what, seconds, first = "", COLD_S, not kept
    elif ask.params.get("TargetModel"):
        what, seconds, first = str(ask.params["TargetModel"]), LOAD_S, True
    else:
        return 0.0
    loaded = ask.here.hosting.loaded.setdefault(served.name, {})
    before = loaded.get(what)
    loaded[what] = ask.now
    stays = what or (before is not None and ask.now - before < WARM)
    return seconds if first and (before is None or not stays) else 0.0


def _count(here: Standing, key: tuple[str, str], now: datetime, more: Invoked) -> None:
    rows = here.hosting.invoked.setdefault(key, {})
    minute = int(now.timestamp() // 60)
    rows[minute] = rows.get(minute, Invoked()).plus(more)


def _body(ask: Ask) -> bytes:
    body = ask.params.get("Body") or b""
    return body if isinstance(body, bytes) else str(body).encode()


def _input(ask: Ask) -> bytes:
    """An asynchronous request's input, from S3 when it lies there."""
    bucket, _, key = str(ask.params.get("InputLocation") or "").removeprefix("s3://").partition("/")
    there = s3_backends[ask.account]["aws"].buckets.get(bucket)
    if there is not None and key in there.keys:
        return bytes(there.keys[key].value)
    return _body(ask)


def _put(here: Standing, where: str, body: bytes) -> None:
    bucket, _, key = where.removeprefix("s3://").partition("/")
    if bucket in s3_backends[here.account]["aws"].buckets:
        s3_backends[here.account]["aws"].put_object(bucket, key, body)


def _drawn(ask: Ask, weights: dict[str, float]) -> str:
    """A variant by its weight."""
    whole = sum(weights.values()) or 1.0
    at = _digest(ask, "variant", len(ask.here.hosting.invoked)) * whole
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return name
    return next(iter(weights))


def _chances(ask: Ask, served: Served, count: int) -> list[float]:
    done = sum(row.requests for row in ask.here.hosting.invoked.get(served.key, {}).values())
    return [_digest(ask, served.name, done, number) for number in range(count)]


def _mark(ask: Ask, served: Served, what: str) -> UUID:
    done = sum(row.requests for row in ask.here.hosting.invoked.get(served.key, {}).values())
    told = "/".join((ask.account, served.name, what, str(done), ask.now.isoformat()))
    return UUID(bytes=hashlib.sha256(told.encode()).digest()[:16], version=4)


def _digest(ask: Ask, *told: Any) -> float:
    text = "/".join(map(str, (ask.account, ask.region, ask.now.isoformat(), *told)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _refuse(message: str) -> NoReturn:
    raise Refused("ValidationError", message)


HANDLERS: dict[str, Handler] = {
    "InvokeEndpoint": invoke_endpoint,
    "InvokeEndpointWithResponseStream": invoke_endpoint_with_response_stream,
    "InvokeEndpointAsync": invoke_endpoint_async,
}
MUTATING = set(HANDLERS)
