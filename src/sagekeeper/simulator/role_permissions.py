"""IAM's SimulatePrincipalPolicy, which moto lacks: may a role or user do this? SageMaker's SDK asks it before it works.

In: actions and resources. Out: allowed, explicitDeny or implicitDeny for each pair, from the policies that moto keeps for
the principal and those in the request. Statements with conditions allow nothing here: no context is known.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from moto.iam.models import iam_backends

from sagekeeper.simulator.operations import Ask, Handler, Refused

FIRST_PAGE = 100


def simulate_principal_policy(ask: Ask) -> dict[str, Any]:
    """One result per action and resource."""
    params = ask.params
    documents = _policies(ask) + params.get("PolicyInputList", [])
    statements = [item for text in documents for item in _statements(json.loads(text))]
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": _decision(statements, action, resource),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns", ["*"])
    ]
    start, size = int(params.get("Marker") or 0), int(params.get("MaxItems") or FIRST_PAGE)
    more = start + size < len(results)
    part = results[start : start + size]
    return {"EvaluationResults": part, "IsTruncated": more} | ({"Marker": str(start + size)} if more else {})


def _decision(statements: list[dict[str, Any]], action: str, resource: str) -> str:
    effects = {
        item["Effect"]
        for item in statements
        if _concerns(item, "Action", action.lower()) and _concerns(item, "Resource", resource)
    }
    return "explicitDeny" if "Deny" in effects else "allowed" if "Allow" in effects else "implicitDeny"


def _concerns(statement: dict[str, Any], element: str, value: str) -> bool:
    if statement.get("Condition"):
        return False
    wanted, turned = statement.get(element), False
    if wanted is None:
        wanted, turned = statement.get(f"Not{element}", []), True
    patterns = [wanted] if isinstance(wanted, str) else wanted
    if element == "Action":
        patterns = [item.lower() for item in patterns]
    return any(fnmatchcase(value, pattern) for pattern in patterns) != turned


def _policies(ask: Ask) -> list[str]:
    kind, _, name = ask.params["PolicySourceArn"].rpartition(":")[2].partition("/")
    name = name.rpartition("/")[2]
    backend = iam_backends[ask.account]["aws"]
    known = {item.name for item in (backend.roles.values() if kind == "role" else backend.users.values())}
    if name not in known:
        raise Refused("NoSuchEntity", f"The {kind} with name {name} cannot be found.")
    if kind == "role":
        inline = [backend.get_role_policy(name, each)[1] for each in backend.list_role_policies(name)]
        attached, _ = backend.list_attached_role_policies(name)
    else:
        found = [backend.get_user_policy(name, each) for each in backend.list_user_policies(name)]
        inline = [item["policy_document"] for item in found]
        attached, _ = backend.list_attached_user_policies(name)
    return inline + [version.document for policy in attached for version in policy.versions if version.is_default]


def _statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


HANDLERS: dict[str, Handler] = {"SimulatePrincipalPolicy": simulate_principal_policy}
