"""The two use cases that Sagekeeper began with, in one small account: house prices, and sentiment on hardware that is retired.

In: an empty world, and the data that its person named (`seedling_data.py`; without it, data of the same columns made by
seed). Out: 90 days of it. The models are really trained when the world is made, lie in S3, answer what their endpoints are
asked, and are trained again by CreateTrainingJob and by the pipeline. All of it stands in the payer's account, in one region.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sagekeeper.simulator import boosted_trees
from sagekeeper.simulator.charges import SAGEMAKER
from sagekeeper.simulator.commercial import usual
from sagekeeper.simulator.real_training import hand_out
from sagekeeper.simulator.world import PAYER, World
from sagekeeper.simulator.worlds.place import endpoint, load
from sagekeeper.simulator.worlds.seedling_data import HOUSES, TWEETS, material
from sagekeeper.simulator.worlds.seedling_houses import SERVING, add_houses
from sagekeeper.simulator.worlds.seedling_monitors import watch
from sagekeeper.simulator.worlds.seedling_pipeline import IMAGE, open_programs
from sagekeeper.simulator.worlds.seedling_sentiment import add_sentiment
from sagekeeper.simulator.worlds.truth import Truth

REGION = "us-east-1"
WORKSHOP, WORKSHOP_AGE, WORKSHOP_OVER = "house-price-workshop", timedelta(days=55), timedelta(days=40)
PRICING = {"owner": "deniz.kaya@example.com", "team": "pricing", "project": "house-prices"}
SUPPORT = {"owner": "emil.novak@example.com", "team": "support", "project": "sentiment"}


def settle(world: World, now: datetime, seed: int) -> None:
    """Fill an empty world. Raises BadInput where XGBoost is not installed, or the data cannot be used."""
    boosted_trees.installed()
    world.commercial = usual(PAYER, SAGEMAKER, now)
    world.real_models = True
    world.passing.append(hand_out)
    open_programs(world)
    given, here = material(world.data, seed), world.at(PAYER, REGION)
    about_houses = PRICING | {"data": HOUSES if given.real_houses else f"made-by-seed-{seed}"}
    about_texts = SUPPORT | {"data": TWEETS if given.real_sentences else f"made-by-seed-{seed}"}
    now = now.replace(microsecond=0)
    made = add_houses(world, here, given.houses, about_houses, now)
    serving = [item for item in made if item.registered is not None and item.run.approval == "Approved"][-1]
    watch(world, here, SERVING, given.houses, serving.trained.artefact, serving.run.share, now)
    add_sentiment(world, here, given.sentences, about_texts, now)
    _workshop(world, about_houses, serving.uri, now)


def _workshop(world: World, tags: dict[str, str], artefact: str, now: datetime) -> None:
    """An endpoint that was shown in a workshop, and that nobody has asked since."""
    here, kind, over = world.at(PAYER, REGION), "ml.m5.xlarge", now - WORKSHOP_OVER
    created = (now - WORKSHOP_AGE).replace(minute=13, second=7)
    traffic = load(kind, 1, 300, cpu=0.02, memory=0.2)
    traffic.until = over
    endpoint(here, WORKSHOP, kind, 1, created, traffic, tags | {"env": "dev", "cost-optimizer": "managed"}, image=IMAGE)
    here.models[f"{WORKSHOP}-model"]["PrimaryContainer"]["ModelDataUrl"] = artefact
    world.truths.append(
        Truth(
            "forgotten_endpoint", WORKSHOP, PAYER, REGION, over, usd_per_day=24 * 0.23, detail="a workshop of 15 days"
        )
    )
