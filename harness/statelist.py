"""The crash states of a trace, one a line: the engine of ``harness states``.

A state is shown by what it is, not by how it came about: images are distinct, whichever effects
were lost to reach them. Each names the first such loss that was met. `list_states` gives the lines
of the contract (DESIGN.md section 4.4), `show_state` the same for people; why each loss is possible
is worked out in `harness.explore.reasons`.
"""

from __future__ import annotations

import textwrap
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final

from harness.errors import UsageError
from harness.explore import Explorer, ImageKey, reasons
from harness.persistence import PROFILES, Model, constrain, derive, profile
from harness.trace import load_lines

__all__ = [
    "STATES_BUDGET",
    "describe_profiles",
    "list_states",
    "profile_table",
    "show_content",
    "show_state",
]

STATES_BUDGET: Final = 200_000
"""Sets of effects visited before the listing is no longer exhaustive."""

_WIDTH: Final = 80
_RUNS_MAX: Final = 4
_SHOWN_BYTES_MAX: Final = 24
_ZERO: Final = b"\0"


def list_states(
    lines: Iterable[str],
    name: str,
    model: Model | str,
    after: int | None = None,
    *,
    budget: int = STATES_BUDGET,
    explained: bool = False,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """List the distinct disk images that crashes in a trace can leave.

    Args:
        lines: The trace, as JSON lines.
        name: What to call it in error messages.
        model: The persistence model, or the name of a profile that ships.
        after: Only crashes between this many returned calls and the next call.
        budget: Sets of effects visited before sampling begins.
        explained: Whether each state also has ``why``: the losses in words, as
            `harness.explore.explain` gives.
        limit: Images listed at the most.

    Returns:
        An iterator of one dict a state, and a last one with ``total``, ``exhaustive`` and
        ``possible``: the number of distinct images where all were listed, else the number of sets
        of effects, which bounds it from above, and None where even those cannot be counted.
        ``after`` of a state is the fewest calls that have returned when a crash can leave it.

    Raises:
        UsageError: The trace is malformed, there is no such profile, or ``after`` is beyond its
            end. Before the first state, never in between.
    """
    if isinstance(model, str):
        model = profile(model)
    effects = derive(_named(lines, name))
    if after is not None and not 0 <= after <= effects.calls:
        calls = "1 call" if effects.calls == 1 else f"{effects.calls} calls"
        raise UsageError(
            f"{name}: after {after}: the trace has {calls}; give a number from 0 to {effects.calls}"
        )
    constraints = constrain(effects, model)
    at = None if after is None else 2 * after
    explorer = Explorer(constraints, budget=budget, at=at)
    earliest = {} if at is None else _earliest(Explorer(constraints, budget=budget), at)
    return _listed(explorer, earliest, explained=explained, limit=limit)


def _named(lines: Iterable[str], name: str) -> Iterator[Any]:
    """Read the records of a trace; put its name before what is said about one of them."""
    try:
        yield from load_lines(lines, name)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text ({error.reason}); give a trace") from None


def _earliest(explorer: Explorer, position: int) -> dict[ImageKey, int]:
    """Find the fewest calls after which each image can be there, in a walk up to a position."""
    found: dict[ImageKey, int] = {}
    for state in explorer.states():
        if state.first - state.committed > position:
            break
        found[state.key] = min(state.after, found.get(state.key, state.after))
    return found


def _listed(
    explorer: Explorer, earliest: dict[ImageKey, int], *, explained: bool, limit: int | None
) -> Iterator[dict[str, Any]]:
    seen: set[ImageKey] = set()
    cut_short = False
    for state in explorer.states():
        if state.key in seen:
            continue
        if limit is not None and len(seen) >= limit:
            cut_short = True
            break
        seen.add(state.key)
        image = explorer.image(state)
        line: dict[str, Any] = {
            "state": len(seen),
            "after": min(state.after, earliest.get(state.key, state.after)),
            "lost": [list(one) for one in explorer.lost(state)],
            "files": {path: b64encode(content).decode() for path, content in image.files().items()},
            "dirs": image.dirs(),
        }
        links = image.symlinks()
        if links:
            line["symlinks"] = links
        if explained:
            line["why"] = reasons.explain(explorer, state)
        yield line
    exhaustive = explorer.exhaustive and not cut_short
    possible = len(seen) if exhaustive else explorer.count()
    yield {"total": len(seen), "exhaustive": exhaustive, "possible": possible}


def show_state(state: dict[str, Any]) -> str:
    """Show a line of `list_states` to people: several lines of at most 80 columns.

    Args:
        state: A state, or the last line's counts.
    """
    if "total" in state:
        return _show_total(state)
    calls = "1 call" if state["after"] == 1 else f"{state['after']} calls"
    lines = [f"state {state['state']}, after {calls}"]
    lost = ", ".join(f"#{i} {part}" for i, part in state["lost"]) or "nothing"
    lines += _wrap(f"lost: {lost}", "  ", "    ")
    for reason in state.get("why", ()):
        lines += _wrap(reason, "  - ", "    ")
    rows = [(path, "directory") for path in state["dirs"]]
    rows += [(path, show_content(b64decode(data))) for path, data in state["files"].items()]
    rows += [(path, f"-> {target}") for path, target in state.get("symlinks", {}).items()]
    for path, text in sorted(rows):
        lines += _wrap(f"{path}: {text}", "    ", "      ")
    if not rows:
        lines.append("    (nothing)")
    return "\n".join(lines)


def _show_total(counts: dict[str, Any]) -> str:
    total = counts["total"]
    images = "1 image" if total == 1 else f"{total:,} images"
    if counts["exhaustive"]:
        return f"{images}, all there are"
    if counts["possible"] is None:
        return f"{images}, not all; too many sets of effects to count"
    return f"{images}, not all; {counts['possible']:,} sets of effects are possible"


def show_content(data: bytes) -> str:
    """Show a content by its runs of one byte, where these are few, else by how it begins."""
    if not data:
        return "empty"
    size = f"{len(data)} byte{'s' * (len(data) != 1)}"
    runs: list[tuple[bytes, int]] = []
    at = 0
    while at < len(data) and len(runs) <= _RUNS_MAX:
        one = data[at : at + 1]
        length = len(data) - at - len(data[at:].lstrip(one))
        runs.append((one, length))
        at += length
    if len(data) > _SHOWN_BYTES_MAX and len(runs) <= _RUNS_MAX:
        shown = ", ".join(
            f"{repr(one)[1:] if one != _ZERO else 'zero'} x {length}" for one, length in runs
        )
        return f"{size}: {shown}"
    if len(data) <= _SHOWN_BYTES_MAX:
        return f"{size}: {repr(data)[1:]}"
    return f"{size}: {repr(data[:_SHOWN_BYTES_MAX])[1:]}..."


def _wrap(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def profile_table(models: Iterable[Model] = PROFILES.values()) -> list[dict[str, Any]]:
    """Give the rules of persistence models as data for JSON: name, title, rules with sources."""
    return [
        {
            "name": model.name,
            "title": model.title,
            "rules": [{"rule": rule.text, "source": rule.source} for rule in model.rules],
        }
        for model in models
    ]


def describe_profiles(models: Iterable[Model] = PROFILES.values()) -> str:
    """Show the rules of persistence models, each with its source, in at most 80 columns."""
    lines: list[str] = []
    for model in models:
        lines += ["", *_wrap(f"{model.name}: {model.title}", "", "    ")]
        for rule in model.rules:
            lines += _wrap(rule.text, "  - ", "    ")
            lines += _wrap(f"[{rule.source}]", "    ", "     ")
    return "\n".join(lines[1:])
