"""What a model answers that is asked through the runtime: its real predictions where its artefact is a real model.

In: the container that serves, and a request's body. Out: content type and body. A model.tar.gz in the account's S3 that
holds trees of XGBoost's or a word model is asked; any other model answers a number for each row, always the same for the
same row. What a real container refuses is `WrongRows`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sagekeeper.simulator import boosted_trees, word_model
from sagekeeper.simulator.artefacts import lying_at
from sagekeeper.simulator.boosted_trees import Trees, WrongRows
from sagekeeper.simulator.operations import Ask
from sagekeeper.simulator.sagemaker_models import containers
from sagekeeper.simulator.word_model import Words

CSV, JSON = "text/csv; charset=utf-8", "application/json"


def said(ask: Ask, model_name: str | None, body: bytes) -> tuple[str, bytes]:
    """Content type and body of the answer. Raises WrongRows for what a real model refuses."""
    accept = str(ask.params.get("Accept") or ask.params.get("ContentType") or "text/csv")
    model = model_of(ask, model_name) if ask.house.world.real_models else None
    if isinstance(model, Trees):
        return _prices(model, body, accept)
    if isinstance(model, Words):
        return _moods(model, body, str(ask.params.get("ContentType") or ""), accept)
    lines = [line for line in body.splitlines() if line.strip()] or [b""]
    numbers = [round(int.from_bytes(hashlib.sha256(line).digest()[:4], "big") / 2**32, 4) for line in lines]
    return _numbers(numbers, accept)


def model_of(ask: Ask, name: str | None) -> Trees | Words | None:
    """The real model behind a model of the account; None where its artefact is none."""
    told = containers(ask.here.models.get(name or "", {}))
    package = ask.here.flows.packages.get(told[0].get("ModelPackageName", "")) if told else None
    if package is not None:
        told = package.get("InferenceSpecification", {}).get("Containers", [])
    return model_at(ask.account, str(told[0].get("ModelDataUrl") or "")) if told else None


def model_at(account: str, uri: str) -> Trees | Words | None:
    """The real model in the artefact at an S3 address."""
    data = lying_at(account, uri)
    return None if data is None else boosted_trees.loaded(data) or word_model.loaded(data)


def _prices(model: Trees, body: bytes, accept: str) -> tuple[str, bytes]:
    lines = [line for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        raise WrongRows("No data in request")
    return _numbers([round(float(price), 6) for price in model.answers(lines)], accept)


def _moods(model: Words, body: bytes, kind: str, accept: str) -> tuple[str, bytes]:
    text = body.decode("utf-8", "replace")
    if "json" in kind:
        try:
            inputs: Any = json.loads(text)["inputs"]
        except (ValueError, KeyError, TypeError) as wrong:
            raise WrongRows("Body needs to provide an inputs key") from wrong
    else:
        inputs = [line for line in text.splitlines() if line.strip()]
    sentences = [str(item) for item in (inputs if isinstance(inputs, list) else [inputs])]
    found = model.answers(sentences)
    if "csv" in accept:
        return CSV, "\n".join(f"{label},{score}" for label, score in found).encode()
    return JSON, json.dumps([{"label": label, "score": score} for label, score in found]).encode()


def _numbers(numbers: list[float], accept: str) -> tuple[str, bytes]:
    if "json" in accept:
        return JSON, json.dumps({"predictions": [{"score": number} for number in numbers]}).encode()
    return CSV, "\n".join(str(number) for number in numbers).encode()
