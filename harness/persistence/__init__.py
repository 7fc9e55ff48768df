"""Persistence models: which effects of a trace may be on disk after a crash."""

from harness.persistence.deriving import derive
from harness.persistence.effects import Effect, Effects
from harness.persistence.model import Constraints, Model, Node, Rule, constrain
from harness.persistence.profiles import PROFILES, profile, profile_from_mapping

__all__ = [
    "PROFILES",
    "Constraints",
    "Effect",
    "Effects",
    "Model",
    "Node",
    "Rule",
    "constrain",
    "derive",
    "profile",
    "profile_from_mapping",
]
