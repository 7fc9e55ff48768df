"""What became of each call of a trace, as steps that can be shown."""

from __future__ import annotations

from harness.diagnose import Sites
from harness.explore import CrashState, Explorer
from harness.finding import Crash
from harness.report import Culprit
from harness.scene import Fate, Step
from harness.script import format_call
from harness.trace import Fdatasync, Fsync, Record, Sync

__all__ = ["fates_of", "step_of"]


def fates_of(
    explorer: Explorer, state: CrashState, crash: Crash
) -> dict[int, tuple[Fate, tuple[str, ...]]]:
    """Tell for each call what a crash left of it, and which parts it took.

    Args:
        explorer: Of the trace.
        state: What is on disk.
        crash: Where it struck.
    """
    nodes = explorer.constraints.nodes
    parts: dict[int, list[tuple[str, bool]]] = {}
    synced: dict[int, bool] = {}
    torn: set[int] = set()
    for number, node in enumerate(nodes):
        for effect in node.effects:
            part = explorer.part(state, number, effect)
            parts.setdefault(effect.call, []).append((part, state.holds(number)))
        synced[node.call] = synced.get(node.call, True) and node.durable <= crash.position
        if state.torn is not None and state.torn.node == number:
            torn.add(node.call)
    fates: dict[int, tuple[Fate, tuple[str, ...]]] = {}
    for call, one in enumerate(explorer.constraints.effects.records, 1):
        lost = tuple(part for part, held in parts.get(call, ()) if not held)
        fate: Fate
        if 2 * call - 1 > crash.position:
            fate, lost = "never", ()
        elif one.error is not None:
            fate = "failed"
        elif call not in parts:
            fate = "ran"
        elif call in torn:
            fate = "torn"
        elif not lost:
            fate = "synced" if synced[call] else "kept"
        else:
            fate = "lost" if len(lost) == len(parts[call]) else "partly"
        fates[call] = fate, lost
    return fates


def step_of(
    number: int,
    one: Record,
    fate: Fate,
    lost: tuple[str, ...],
    culprit: Culprit | None,
    sites: Sites,
) -> Step:
    """Write one call down.

    Args:
        number: Which call of its act, from 1.
        one: The call.
        fate: What the crash left of it.
        lost: The parts that it took.
        culprit: The line to blame.
        sites: Names the lines behind calls.
    """
    site = sites.issuer(one)
    file, line, function = ("", 0, "") if site is None else (site.file, site.line, site.function)
    return Step(
        number=number,
        call=format_call(one, numbered=False),
        place=f"{file}:{line}" if file else "",
        function=function,
        source="" if site is None else site.source,
        sync=isinstance(one, Fsync | Fdatasync | Sync),
        fate=fate,
        lost=lost,
        culprit=culprit is not None and (culprit.file, culprit.line) == (file, line),
    )
