"""All levers asked once: proposals that are safe to show side by side.

In: facts, settings per lever, the house's safety settings. Out: recommendations, and per failed lever its error. Here the gates
of the house are added (tags say what may be touched at all), what an owner opted out of is left out, a saving is kept within the
cost it comes from and what a commitment leaves of it, and proposals that cannot both be taken name each other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import ValidationError

from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.errors import BadInput, SagekeeperError
from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Recommendation, ResourceRef
from sagekeeper.recommender import LEVERS
from sagekeeper.recommender.commitments import covered_shares, within_commitments
from sagekeeper.recommender.gates import tag_gates
from sagekeeper.recommender.lever import Lever, LeverSettings

log = logging.getLogger(__name__)


def recommend(
    facts: Facts, lever_settings: Mapping[str, Mapping[str, Any]], safety: Lifecycle
) -> tuple[list[Recommendation], dict[str, Exception]]:
    """The proposals of all levers that could answer, largest saving first, and the errors of those that could not."""
    made: list[Recommendation] = []
    errors: dict[str, Exception] = {}
    covered = covered_shares(facts)
    for lever in LEVERS:
        try:
            proposed = list(lever.propose(facts, _settings_of(lever, lever_settings)))
        except SagekeeperError as error:
            errors[lever.name] = error
        except Exception as error:
            # A defect in one lever is its own: the others still answer.
            log.exception("lever %s", lever.name)
            errors[lever.name] = error
        else:
            gated = [_with_house_gates(item, facts, safety) for item in proposed]
            made += [within_commitments(_capped(item), covered) for item in gated if not _opted_out(item)]
    ordered = sorted(made, key=lambda item: (-item.saving.expected, item.fingerprint))
    return _with_conflicts(ordered), errors


def _settings_of(lever: Lever, given: Mapping[str, Mapping[str, Any]]) -> LeverSettings:
    try:
        return lever.settings.model_validate(dict(given.get(lever.name, {})))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadInput(f"Settings of levers.{lever.name} are wrong: {wrong}.") from error


def _with_house_gates(item: Recommendation, facts: Facts, safety: Lifecycle) -> Recommendation:
    endpoints = [subject for subject in item.subjects if subject.kind == "endpoint"]
    house = [gate for subject in endpoints for gate in tag_gates(_tags(facts, subject), safety)]
    return item.model_copy(update={"gates": [*house, *item.gates]})


def _opted_out(item: Recommendation) -> bool:
    """Whoever tagged it to be left alone has answered already."""
    return any(gate.name == "opt-out tag" and gate.state == "fail" for gate in item.gates)


def _tags(facts: Facts, subject: ResourceRef) -> str | None:
    own = facts.inventory.filter(
        (pl.col("kind") == subject.kind)
        & (pl.col("account") == subject.account)
        & (pl.col("region") == subject.region)
        & (pl.col("name") == subject.name)
    )
    found = own["tags"].to_list()
    return str(found[0]) if found and found[0] is not None else None


def _capped(item: Recommendation) -> Recommendation:
    most = item.cost_per_month
    if item.saving.high <= most:
        return item
    saving = item.saving
    within = saving.model_copy(
        update={"low": min(saving.low, most), "expected": min(saving.expected, most), "high": most}
    )
    return item.model_copy(update={"saving": within})


def _with_conflicts(made: list[Recommendation]) -> list[Recommendation]:
    """Two proposals on one subject exclude each other: after one of them the other's facts are gone."""
    by_subject: dict[tuple[str, str, str, str], list[str]] = {}
    for item in made:
        for subject in item.subjects:
            by_subject.setdefault(_identity(subject), []).append(item.fingerprint)
    return [
        item.model_copy(
            update={
                "conflicts_with": sorted(
                    {other for subject in item.subjects for other in by_subject[_identity(subject)]}
                    - {item.fingerprint}
                )
            }
        )
        for item in made
    ]


def _identity(subject: ResourceRef) -> tuple[str, str, str, str]:
    return subject.account, subject.region, subject.kind, subject.name
