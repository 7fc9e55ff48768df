"""Exploring crash states: counting them, visiting them, building their images."""

from harness.explore.images import ImageKey, View
from harness.explore.reasons import explain
from harness.explore.shortcuts import Shortcuts
from harness.explore.states import BUDGET_DEFAULT, CrashState, Explorer, Torn

__all__ = [
    "BUDGET_DEFAULT",
    "CrashState",
    "Explorer",
    "ImageKey",
    "Shortcuts",
    "Torn",
    "View",
    "explain",
]
