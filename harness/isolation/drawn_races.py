"""A Hypothesis strategy for races; imported where it is asked for: Hypothesis is optional."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from harness.isolation.races import Race, compose_race
from harness.strategies import Drawn

__all__ = ["races"]


@st.composite
def races(draw: st.DrawFn, keys: Sequence[str] = (), *, lists: bool = True) -> Race:
    """Draw what several writers do at once; every order of it is tried.

    Args:
        draw: Hypothesis's.
        keys: Keys to use; drawn where there are none.
        lists: Whether the store promises anything about its list.
    """
    return compose_race(Drawn(draw), "drawn", keys, lists=lists)
