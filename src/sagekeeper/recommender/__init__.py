"""The ways to save, in the order they are asked. Adding one: a file, and a line here."""

from sagekeeper.recommender import idle_endpoint, smaller_instance, spot_training
from sagekeeper.recommender.lever import Lever, LeverSettings

LEVERS: tuple[Lever, ...] = (idle_endpoint.LEVER, smaller_instance.LEVER, spot_training.LEVER)

__all__ = ["LEVERS", "Lever", "LeverSettings"]
