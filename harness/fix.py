"""Proving a fix: edit the trace as the change would, and judge every crash state again.

A missing sync is a line that is not there, so the proof puts the call it would make into the trace,
at every place where the culprit's line acts, and looks whether any crash state still breaks the
guarantee. What the store reads from an image does not change, so recoveries already run are reused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from msgspec import structs

from harness.diagnose import Site
from harness.examine import examine
from harness.finding import Candidate
from harness.history import Event, Recording, record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.persistence import Model
from harness.quiet import quiet
from harness.recovery import Prober, follow_values
from harness.report import Fix
from harness.subjects import Subject
from harness.trace import Create, Fsync, Link, Mkdir, Record, Rename, Unlink, Write, is_call

__all__ = ["prove"]


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change to try.

    Attributes:
        text: In words.
        before: Calls to put before a record.
        after: Calls to put after a record.
    """

    text: str
    before: Callable[[Record], list[Record]]
    after: Callable[[Record], list[Record]]


def prove(
    subject: Subject,
    found: Candidate,
    models: dict[str, Model],
    budget: int,
    meter: Meter | None = None,
) -> Fix | None:
    """Look for the smallest change of syncs that mends a finding, and prove it on the trace.

    Args:
        subject: The store.
        found: The finding, with its smallest case.
        models: The persistence models, by name.
        budget: Sets of effects visited for one trace under one profile.
        meter: Says when to stop; nothing is proven then.

    Returns:
        The proven change; None where no sync mends it, or the case is not one of a single trace.
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

        def broken(run: Recording) -> int:
            count = 0
            for model in chosen:
                _, sightings = examine(run, model, prober, budget=budget, mixed=False, meter=meter)
                count += sightings.count(found.guarantee)
            return count

        before = broken(recording)
        if not before:
            return None
        for edit in _edits(found, found.culprit):
            edited = _edited(recording, found.culprit, edit)
            proven = edited is not None and not broken(edited)
            if meter.where is not None:
                return None  # what was judged is not all there is
            if proven:
                return Fix(
                    change=edit.text,
                    verified="trace",
                    violations_before=before,
                    violations_after=0,
                )
    return None


def _edits(found: Candidate, culprit: Site) -> Iterator[_Edit]:
    """Propose changes, the smallest first."""
    at = f"{PurePosixPath(culprit.file).name}:{culprit.line}"
    file_before = _Edit(f"fsync the file before {at}", _sync_source, _nothing)
    file_after = _Edit(f"fsync the file after {at}", _nothing, _sync_file)
    directory_after = _Edit(f"fsync the directory after {at}", _nothing, _sync_directory)
    if found.cause == "reordered":
        yield file_before
    yield directory_after
    yield file_after
    if found.cause != "reordered":
        yield file_before
    yield _Edit(
        f"fsync the file before {at} and the directory after it", _sync_source, _sync_directory
    )
    yield _Edit(
        f"fsync the file and then its directory after {at}",
        _nothing,
        lambda record: _sync_file(record) + _sync_directory(record),
    )


def _nothing(record: Record) -> list[Record]:
    del record
    return []


def _sync_source(record: Record) -> list[Record]:
    """Sync the file that a rename or link is about to publish."""
    return [Fsync(path=record.src)] if isinstance(record, Rename | Link) else []


def _sync_file(record: Record) -> list[Record]:
    """Sync the file that a call changed."""
    if isinstance(record, Write):
        return [Fsync(path=record.path, ino=record.ino)]
    if isinstance(record, Rename):
        return [Fsync(path=record.dst)]
    return []


def _sync_directory(record: Record) -> list[Record]:
    """Sync the directories in which a call changed a name."""
    match record:
        case Rename(src=src, dst=dst):
            paths = [dst, src]
        case Link(dst=path) | Unlink(path=path) | Create(path=path) | Mkdir(path=path):
            paths = [path]
        case _:
            return []
    parents = dict.fromkeys(posixpath.dirname(path) or "." for path in paths)
    return [Fsync(path=parent, dir=True) for parent in parents]


def _edited(recording: Recording, culprit: Site, edit: _Edit) -> Recording | None:
    """Put an edit's calls into a run, wherever the culprit's line acts."""
    records: list[Record] = []
    inserted: list[int] = []
    calls = 0
    for one in recording.records:
        if not is_call(one):
            records.append(one)
            continue
        here = not one.error and any(
            (file, line) == (culprit.file, culprit.line) for file, line, _ in one.at
        )
        before = edit.before(one) if here else []
        after = edit.after(one) if here else []
        # Places in half calls, so that a call put in beside an operation's first or last one is
        # inside it: odd before the next call, even after the last.
        inserted += [2 * calls + 1] * len(before) + [2 * calls + 2] * len(after)
        records += [*before, one, *after]
        calls += 1
    if not inserted:
        return None

    def moved(event: Event) -> Event:
        return replace(
            event,
            invoked=event.invoked + sum(place <= 2 * event.invoked for place in inserted),
            returned=event.returned + sum(place <= 2 * event.returned for place in inserted),
        )

    return replace(
        recording,
        records=[structs.replace(one, i=number) for number, one in enumerate(records, 1)],
        events=[moved(event) for event in recording.events],
    )
