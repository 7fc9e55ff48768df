"""Exploring crash states: counting them, visiting them, building their images."""

from harness.explore.images import ImageKey
from harness.explore.reasons import explain
from harness.explore.states import BUDGET_DEFAULT, CrashState, Explorer, Torn

__all__ = ["BUDGET_DEFAULT", "CrashState", "Explorer", "ImageKey", "Torn", "explain"]
