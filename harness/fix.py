"""Proving a fix: edit the trace as the change would, and judge every crash state again.

The changes tried are those a person would think of, the smallest first: one sync more, a call left
out or moved, two syncs more, a file replaced by way of a temporary one (`harness.edits`). What the
store reads from an image does not change, so recoveries already run are reused. A power cut after a
kill, and a crash during recovery, are judged with the same change made in every process's calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from harness.diagnose import Site
from harness.edits import (
    Change,
    Changed,
    after,
    before,
    dropped,
    edited,
    flushed,
    linked,
    moved,
    replaced_whole,
)
from harness.errors import HarnessError
from harness.examine import examine
from harness.finding import Candidate
from harness.history import Recording, record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Fix
from harness.subjects import Subject
from harness.trace import Call, Rename, Unlink

__all__ = ["prove"]


def prove(
    subject: Subject,
    found: Candidate,
    models: dict[str, Model],
    budget: int,
    meter: Meter | None = None,
) -> Fix | None:
    """Look for the smallest change that mends a finding, and prove it on the trace.

    Args:
        subject: The store.
        found: The finding, with its smallest case.
        models: The persistence models, by name.
        budget: Sets of effects visited for one trace under one profile.
        meter: Says when to stop; nothing is proven then.

    Returns:
        The proven change; None where none of those tried mends it, or the case is not one of a
        single trace.
    """
    crash, meter = found.reproduction, meter or Meter()
    if crash.fault is not None or crash.rot is not None or crash.chain is not None:
        return None
    if found.culprit is None or crash.kill_at is not None or crash.second is not None:
        return None
    workload = crash.workload()
    chosen = [models[name] for name in models if name in found.profiles]
    with rerouted(), quiet():
        recording = record(subject, workload, seed=crash.seed)
        prober = Prober(
            subject,
            workload.keys,
            seed=crash.seed,
            follow=found.guarantee == "recovery",
            writes=follow_values(subject, workload),
        )

        def broken(run: Recording, *, at_once: bool = False) -> int:
            count = 0
            for model in chosen:
                _, sightings = examine(run, model, prober, budget=budget, mixed=False, meter=meter)
                count += sightings.count(found.guarantee)
                if count and at_once:
                    break
            return count

        violations = broken(recording)
        if not violations:
            return None

        def mends(change: Change) -> bool:
            try:
                run = edited(recording, change)
                mended = run is not None and not broken(run, at_once=True)
            except HarnessError:
                return False
            # Where time ran out, what was judged is not all there is.
            return mended and meter.where is None

        def proven(text: str) -> Fix:
            return Fix(
                change=text, verified="trace", violations_before=violations, violations_after=0
            )

        for text, change in _changes(found, found.culprit, recording):
            if mends(change):
                return proven(text)
        text, change = _whole(found.culprit)
        if mends(change):
            found.whole = found.culprit.file, found.culprit.function
            found.whole_before = violations
            # Where something has to be lost first, a checksum does it as well: that is no proof
            # that the smallest change is this one.
            if found.cause == "exposed" and not found.lost:
                return proven(text)
    return None


def _changes(found: Candidate, culprit: Site, recording: Recording) -> Iterator[tuple[str, Change]]:
    """Propose changes, the smallest first: one call, two calls, a protocol."""
    at, missing = _at(culprit), found.missing
    publisher = found.published or culprit
    if found.published is not None:
        yield f"flush the file before {at} syncs it", flushed(culprit)
    acts = [
        one
        for one in recording.records
        if isinstance(one, Call)
        and any((f, n) == (culprit.file, culprit.line) for f, n, _ in one.at)
    ]
    file_first = (_text_before(publisher, missing, acts), before(publisher, missing))
    directory = (f"fsync the directory after {at}", after(culprit, directory=True))
    file_then = (f"fsync the file after {at}", after(culprit, file=True))
    if found.cause == "reordered":
        yield file_first
    yield directory
    yield file_then
    if found.cause != "reordered":
        yield file_first
    if found.repaired is not None:
        if any(isinstance(one, Unlink) for one in acts):
            yield f"leave out {at}: {_at(found.repaired)} replaces the old file", dropped(culprit)
        if any(isinstance(one, Rename) for one in acts):
            yield f"link instead of renaming at {at}, so that the name stays", linked(culprit)
    for first, second in _neighbours(culprit, recording):
        yield f"move {_at(first)} after {_at(second)}", moved(first, second)
    yield (
        f"fsync the file before {at} and the directory after it",
        _both(before(culprit, missing), after(culprit, directory=True)),
    )
    yield (
        f"fsync the file and then its directory after {at}",
        after(culprit, file=True, directory=True),
    )


def _whole(culprit: Site) -> tuple[str, Change]:
    """Propose that the function writes its file by way of a temporary one."""
    text = "write a temporary file, fsync it, rename it into place and fsync the directory in "
    whole = replaced_whole(culprit.file, culprit.function)
    return f"{text}{culprit.function} ({_at(culprit)})", whole


def _at(site: Site) -> str:
    return f"{PurePosixPath(site.file).name}:{site.line}"


def _text_before(publisher: Site, missing: Site | None, acts: Sequence[Call]) -> str:
    if missing is None or any(isinstance(one, Rename) for one in acts) or not acts:
        return f"fsync the file before {_at(publisher)}"
    return f"fsync the file that {_at(missing)} writes before {_at(publisher)}"


def _both(first: Change, second: Change) -> Change:
    """Carry out two changes that put calls in, the second's after the calls they follow."""

    def change(recording: Recording) -> Changed | None:
        one, two = first(recording), second(recording)
        if one is None or two is None:
            return None
        known = {id(record) for record in recording.records}
        follow: dict[int, Changed] = {}
        last = 0
        for made, home in two:
            if id(made) in known:
                last = id(made)
            else:
                follow.setdefault(last, []).append((made, home))
        result: Changed = []
        for made, home in one:
            result.append((made, home))
            result += follow.get(id(made), [])
        return result

    return change


def _neighbours(culprit: Site, recording: Recording) -> Iterator[tuple[Site, Site]]:
    """Find statements of one function of which one makes the culprit's call, and the next follows.

    The outermost function first: what a person would swap are two steps of the protocol.
    """
    seen = set()
    calls = [one for one in recording.records if isinstance(one, Call) and one.at]
    for number, one in enumerate(calls):
        depth = next(
            (d for d, (f, n, _) in enumerate(one.at) if (f, n) == (culprit.file, culprit.line)),
            None,
        )
        if depth is None:
            continue
        for file, line, function in reversed(one.at[depth:]):
            for later in calls[number + 1 :]:
                other = next(((f, n) for f, n, g in later.at if (f, g) == (file, function)), None)
                if other is None:
                    break
                if other[1] > line and (line, other) not in seen:
                    seen.add((line, other))
                    yield (
                        Site(file, line, function, "", ""),
                        replace(culprit, file=file, line=other[1], function=function),
                    )
                    break
