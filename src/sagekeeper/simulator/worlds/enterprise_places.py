"""Who is who in the large organisation: units, teams, an account for each of a team's environments, names and tags.

Names and tags are people's: each unit has its habit of naming, notebooks leave names that the SDK made, and the habit
of tagging is a good one here and none there, with the misspellings that real accounts have.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime
from typing import NamedTuple

from sagekeeper.core.errors import BadInput

UNITS: dict[str, tuple[str, ...]] = {
    "payments": ("fraud", "aml", "authorisation", "chargebacks", "payouts", "cards", "ledger-anomalies"),
    "retail": ("ranking", "recommendations", "pricing", "demand", "assortment", "reviews", "returns"),
    "travel": ("fares", "hotels", "itineraries", "disruption", "loyalty", "ancillaries", "mapping"),
    "insurance": ("underwriting", "claims", "renewals", "telematics", "documents", "actuarial", "brokers"),
    "media": ("personalisation", "moderation", "subtitles", "thumbnails", "churn", "ads", "search"),
    "logistics": ("routing", "eta", "warehouses", "returns-flow", "customs", "fleet", "packaging"),
    "health": ("triage", "imaging", "scheduling", "pharmacy", "records", "wearables", "outcomes"),
    "support": ("assistants", "routing-desk", "summaries", "quality", "translation", "voice"),
    "energy": ("load-forecast", "outages", "trading", "metering", "solar", "grid"),
    "platform": ("features", "embeddings", "documents-ai", "speech", "vision", "experimentation"),
}
LEAST = 4
"""Accounts: the paying one, and one team's three."""
ENVS = ("prod", "staging", "dev")
REGIONS = ("us-east-1", "eu-west-1")
"""Where the price book knows the prices."""
EUROPEAN = ("travel", "insurance", "energy")
HABITS: dict[str, str] = {
    "payments": "{team}-{model}-{env}",
    "retail": "{env}-{model}-v{version}",
    "travel": "{unit}-{team}-{model}-{number}",
    "insurance": "ins-{model}-{env}-{number:03d}",
    "media": "{Model}Endpoint-{mark}",
    "logistics": "{model}-{team}",
    "health": "{team}-{model}-{env}-v{version}",
    "support": "{model}-{env}",
    "energy": "en-{team}-{model}",
    "platform": "shared-{model}-{mark}",
}
MODELS = (
    "scorer",
    "ranker",
    "classifier",
    "embedder",
    "forecast",
    "detector",
    "matcher",
    "propensity",
    "segmenter",
    "extractor",
    "summariser",
    "uplift",
    "anomaly",
    "router",
    "ocr",
    "similarity",
)
PEOPLE = (
    "ana.ruiz",
    "ben.okafor",
    "chloe.martin",
    "deniz.kaya",
    "emil.novak",
    "fay.lindqvist",
    "goran.ilic",
    "hana.sato",
    "ivo.peters",
    "jana.horak",
    "kofi.mensah",
    "lea.dubois",
)
DISCIPLINE = {"prod": 0.92, "staging": 0.78, "dev": 0.6}
"""Share of endpoints with all tags, by what the account is for."""
MISSPELT = {
    "env": ("Env", "environment", "enviroment"),
    "owner": ("Owner", "onwer", "contact"),
    "team": ("Team", "squad"),
    "project": ("Project", "proj"),
}
OTHER_VALUES = {"prod": ("production", "prd", "PROD"), "staging": ("stage", "stg"), "dev": ("development", "Dev")}
MISSPELT_SHARE, OWNERLESS_SHARE, MANAGED_SHARE, SDK_NAMES = 0.07, 0.08, 0.6, 0.3


class Place(NamedTuple):
    """An account: whose it is, and what for."""

    account: str
    name: str
    unit: str
    team: str
    env: str
    regions: tuple[float, float]
    """Share of what it has in each of `REGIONS`."""
    offset: float


def places(accounts: int, seed: int) -> list[Place]:
    """All accounts but the paying one, team by team, so that fewer accounts are fewer teams."""
    teams = [(unit, names[number]) for number in range(7) for unit, names in UNITS.items() if number < len(names)]
    found = []
    for unit, team in teams:
        for env in ENVS:
            name = f"{unit}-{team}-{env}"
            digest = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")
            chance = random.Random(digest)
            home = 1 if unit in EUROPEAN else 0
            away = chance.choice((0.0, 0.0, 0.0, 0.35))
            shares = (1 - away, away) if home == 0 else (away, 1 - away)
            account = str(2 * 10**11 + digest % (7 * 10**11))
            found.append(Place(account, name, unit, team, env, shares, chance.random()))
    if not LEAST <= accounts <= len(found) + 1:
        raise BadInput(f"The organisation has {LEAST} to {len(found) + 1} accounts, not {accounts}.")
    return found[: accounts - 1]


def named(place: Place, kind: str, number: int, created: datetime, chance: random.Random) -> str:
    """An endpoint's name by the unit's habit, or one that the SDK made of an image and a moment. No two are equal."""
    if kind in ("forgotten", "idle", "office") and place.env == "dev" and chance.random() < SDK_NAMES:
        image = chance.choice(("sagemaker-xgboost", "sagemaker-scikit-learn", "huggingface-pytorch-inference"))
        return f"{image}-{created:%Y-%m-%d-%H-%M-%S}-{number:03d}"
    model = chance.choice(MODELS)
    mark = hashlib.sha256(f"{place.name}/{number}".encode()).hexdigest()[:6]
    told = {
        "unit": place.unit,
        "team": place.team,
        "env": place.env,
        "model": model,
        "Model": model.title(),
        "version": chance.randint(1, 9),
        "number": number,
        "mark": mark,
    }
    name = HABITS[place.unit].format(**told)
    # Where the habit makes the same name twice in an account, people put a number behind it.
    distinct = "{number" in HABITS[place.unit] or "{mark}" in HABITS[place.unit]
    return (name if distinct else f"{name}-{number}")[:63]


def tagged(place: Place, kind: str, chance: random.Random) -> dict[str, str]:
    """Tags as people set them: all, some misspelt, without an owner, or none."""
    tags = tags_of(place, chance)
    careful = DISCIPLINE[place.env] * (0.4 if kind == "forgotten" else 1.0)
    if chance.random() > careful:
        return {} if chance.random() < 0.6 else {"project": tags["project"]}
    if chance.random() < OWNERLESS_SHARE:
        del tags["owner"]
    if chance.random() < MISSPELT_SHARE:
        key = chance.choice([key for key in MISSPELT if key in tags])
        tags[chance.choice(MISSPELT[key])] = tags.pop(key)
    elif chance.random() < MISSPELT_SHARE:
        tags["env"] = chance.choice(OTHER_VALUES[place.env])
    if place.env != "prod" and chance.random() < MANAGED_SHARE:
        tags["cost-optimizer"] = "managed"
    return tags


def tags_of(place: Place, chance: random.Random) -> dict[str, str]:
    """All tags, as they should be."""
    at = sum(map(ord, place.team))
    owner = PEOPLE[(at + chance.randint(0, 2)) % len(PEOPLE)]
    project = f"{place.team}-{chance.choice(('core', 'next', 'lab'))}"
    return {"owner": f"{owner}@example.com", "team": place.team, "project": project, "env": place.env}
