"""Edits of a trace: what a change of the source would make of the calls.

A proposed change is carried out on the recorded calls, wherever its line acts: a sync put in, one
taken out, a call moved or left out, a file replaced by way of a temporary one. An edit is good only
if the run comes to the same disk as before where nothing crashes (`edited` sees to that).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from msgspec import structs

from harness.diagnose import Site, Sites
from harness.errors import HarnessError
from harness.explore import Explorer
from harness.history import Event, Recording
from harness.image import Image
from harness.persistence import constrain, derive
from harness.persistence.profiles import PROFILES
from harness.trace import (
    Call,
    Create,
    Fdatasync,
    Fsync,
    Link,
    Mkdir,
    Record,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
    is_call,
)

__all__ = [
    "SYNCED_THROUGHOUT",
    "Change",
    "Changed",
    "after",
    "before",
    "dropped",
    "edited",
    "flushed",
    "linked",
    "moved",
    "relied_on",
    "replaced_whole",
]

Changed: TypeAlias = list[tuple[Any, int]]
"""Records of an edited trace, each with the number of the original call it stands with."""


@dataclass(frozen=True)
class Change:
    """A change of the source, as it would show in a trace.

    Attributes:
        identity: What is done, and at which lines: equal for changes that a person would make in
            one place and in one way, whatever trace each was tried on.
        carry: Makes the calls of a changed run; None where the change finds nothing to act on.
    """

    identity: str
    carry: Callable[[Recording], Changed | None] = field(compare=False)

    def __call__(self, recording: Recording) -> Changed | None:
        """Make the calls of a changed run."""
        return self.carry(recording)


def _line(site: Site) -> str:
    return f"{site.file}:{site.line}"


_TEMPORARY: Final = ".replacement"


def _calls(recording: Recording) -> list[Call]:
    return [one for one in recording.records if is_call(one) and isinstance(one, Call)]


def _acts(record: Call, site: Site) -> bool:
    return not record.error and any((f, n) == (site.file, site.line) for f, n, _ in record.at)


def before(site: Site, missing: Site | None, *, own: bool = True) -> Change:
    """Sync, before a line acts, the file that it publishes or that another line wrote.

    Args:
        site: The line.
        missing: The line that wrote the file.
        own: Whether it is the file that the line publishes: one change, whichever line wrote it.
    """

    def change(recording: Recording) -> Changed | None:
        result: Changed = []
        dirty: dict[tuple[int | None, str], Fsync] = {}
        found = False
        sites = Sites(recording.records, recording.given)
        # A write publishes nothing of itself; it may publish what another line wrote.
        other = missing is not None and (missing.file, missing.line) != (site.file, site.line)
        for number, one in enumerate(_calls(recording), 1):
            if _acts(one, site) and (other or not isinstance(one, Write)):
                new: list[Record] = list(dirty.values())
                if not new and isinstance(one, Rename | Link):
                    new = [Fsync(path=one.src)]
                result += [(sync, number) for sync in new]
                found = found or bool(new)
                dirty.clear()
            elif isinstance(one, Write) and missing is not None:
                giver = sites.giver(one)
                if _acts(one, missing) or (
                    giver is not None and (giver.file, giver.line) == (missing.file, missing.line)
                ):
                    dirty[one.ino, one.path] = Fsync(path=one.path, ino=one.ino)
            result.append((one, number))
        return result if found else None

    of = "" if own or missing is None else f" {_line(missing)}"
    return Change(f"sync{of} before {_line(site)}", change)


def relied_on(site: Site, missing: Site, *, file: bool) -> Change:
    """Sync, before a line acts, the directories of names that a line made before, or their files.

    Args:
        site: The line that destroys what could stand for them, or relies on them.
        missing: The line whose names, or whose files, are not durable yet.
        file: Whether the files are synced as well.
    """

    def change(recording: Recording) -> Changed | None:
        result: Changed = []
        pending: dict[tuple[str, int | None], Fsync] = {}
        found = False
        for number, one in enumerate(_calls(recording), 1):
            if pending and _acts(one, site):
                result += [(sync, number) for sync in pending.values()]
                found = True
                pending = {}
            result.append((one, number))
            if _acts(one, missing):
                if file and isinstance(one, Create | Truncate | Write):
                    pending[one.path, one.ino] = Fsync(path=one.path, ino=one.ino)
                for sync in _directories(one):
                    assert isinstance(sync, Fsync)
                    pending[sync.path, None] = sync
        return result if found else None

    what = "file and directory" if file else "directory"
    return Change(f"sync {what} of {_line(missing)} before {_line(site)} relies on it", change)


def after(site: Site, *, file: bool = False, directory: bool = False) -> Change:
    """Sync, after a line acts, the file that it changed, or the directory of a name it changed."""

    def change(recording: Recording) -> Changed | None:
        result: Changed = []
        sites = Sites(recording.records, recording.given)
        for number, one in enumerate(_calls(recording), 1):
            result.append((one, number))
            giver = sites.giver(one) if file and isinstance(one, Write) else None
            if _acts(one, site) or (
                giver is not None and (giver.file, giver.line) == (site.file, site.line)
            ):
                new = (_file(one) if file else []) + (_directories(one) if directory else [])
                result += [(sync, number) for sync in new]
        return result if len(result) > len(_calls(recording)) else None

    what = " and ".join(["file"] * file + ["directory"] * directory)
    return Change(f"sync {what} after {_line(site)}", change)


def _file(one: Call) -> list[Record]:
    if isinstance(one, Write):
        return [Fsync(path=one.path, ino=one.ino)]
    return [Fsync(path=one.dst)] if isinstance(one, Rename) else []


def _directories(one: Call) -> list[Record]:
    match one:
        case Rename(src=src, dst=dst):
            paths = [dst, src]
        case Link(dst=path) | Unlink(path=path) | Create(path=path) | Mkdir(path=path):
            paths = [path]
        case _:
            return []
    parents = dict.fromkeys(posixpath.dirname(path) or "." for path in paths)
    return [Fsync(path=parent, dir=True) for parent in parents]


def _throughout(recording: Recording) -> Changed | None:
    """Sync, after every call, all that it changed: what is broken then lacks no sync."""
    result: Changed = []
    for number, one in enumerate(_calls(recording), 1):
        result.append((one, number))
        if one.error or isinstance(one, Fsync | Fdatasync | Sync):
            continue
        if isinstance(one, Create | Truncate):
            result.append((Fsync(path=one.path, ino=one.ino), number))
        result += [(sync, number) for sync in (*_file(one), *_directories(one))]
    return result


SYNCED_THROUGHOUT: Final = Change("sync throughout", _throughout)


def dropped(site: Site, *, syncs: bool = False) -> Change:
    """Leave a line out, or only what it syncs."""

    def change(recording: Recording) -> Changed | None:
        calls = _calls(recording)
        kept: Changed = [
            (one, n)
            for n, one in enumerate(calls, 1)
            if not (_acts(one, site) and (not syncs or isinstance(one, Fsync | Fdatasync | Sync)))
        ]
        return kept if len(kept) < len(calls) else None

    return Change(f"leave out {'syncs at ' * syncs}{_line(site)}", change)


def linked(site: Site) -> Change:
    """Give a file a second name where a line moves it away."""

    def change(recording: Recording) -> Changed | None:
        result: Changed = []
        found, names = False, set[str]()
        for number, one in enumerate(_calls(recording), 1):
            if isinstance(one, Rename) and _acts(one, site):
                if one.dst in names:
                    result.append((Unlink(path=one.dst), number))
                result.append((Link(src=one.src, dst=one.dst), number))
                names.add(one.dst)
                found = True
            else:
                result.append((one, number))
        return result if found else None

    return Change(f"link at {_line(site)}", change)


def flushed(site: Site) -> Change:
    """Let the bytes that a file is given reach the kernel before a line syncs it."""

    def change(recording: Recording) -> Changed | None:
        calls = _calls(recording)
        result: Changed = []
        early: set[int] = set()
        for number, one in enumerate(calls, 1):
            if number in early:
                continue
            if isinstance(one, Fsync | Fdatasync) and _acts(one, site):
                for later in range(number + 1, len(calls) + 1):
                    other = calls[later - 1]
                    if isinstance(other, Fsync) and other.ino == one.ino:
                        break
                    if isinstance(other, Write) and other.ino == one.ino:
                        early.add(later)
                        result.append((other, number))
            result.append((one, number))
        return result if early else None

    return Change(f"flush before {_line(site)}", change)


def moved(first: Site, second: Site) -> Change:
    """Let one statement of a function act after another that follows it."""

    def change(recording: Recording) -> Changed | None:
        calls = _calls(recording)
        bounds = [(e.invoked, e.returned) for e in recording.events if e.returned > e.invoked]
        order = list(range(len(calls)))
        found = False
        for begin, end in bounds:
            ours = [n for n in range(begin, end) if _acts(calls[n], first)]
            theirs = [n for n in range(begin, end) if _acts(calls[n], second)]
            if ours and theirs and ours[-1] < theirs[-1]:
                rest = [n for n in range(ours[0], theirs[-1] + 1) if n not in set(ours)]
                order[ours[0] : theirs[-1] + 1] = rest + ours
                found = True
        if not found:
            return None
        # An operation's calls stay its own: places follow the new order.
        return [(calls[n], place) for place, n in enumerate(order, 1)]

    return Change(f"move {_line(first)} after {_line(second)}", change)


def replaced_whole(file: str, function: str) -> Change:
    """Let a function write a temporary file, sync it, and rename it over the one it writes in."""

    def here(one: Call) -> bool:
        return any((f, name) == (file, function) for f, _, name in one.at)

    def change(recording: Recording) -> Changed | None:
        calls = _calls(recording)
        explorer = _explorer(recording.records, recording)
        gone: dict[int, list[tuple[Record, int]]] = {}
        dropped_: set[int] = set()
        since: dict[int | None, int] = {}  # the call from which on a file is another one
        made = 1 << 40
        for event in recording.events:
            span = range(event.invoked, event.returned)
            paths: dict[str, list[int]] = {}
            for n in span:
                one = calls[n]
                if isinstance(one, Write | Truncate | Create) and here(one):
                    paths.setdefault(one.path, []).append(n)
            if not paths:
                continue
            files = explorer.image(explorer.everything_after(event.returned)).files()
            was = explorer.image(explorer.everything_after(event.invoked)).files()
            for path, places in paths.items():
                if path not in files:
                    continue  # a temporary file of its own
                if was.get(path) == files[path] or (path in was and len(places) == 0):
                    continue
                ino = {getattr(calls[n], "ino", None) for n in places} - {None}
                since |= {one: min(places) for one in ino if one not in since}
                dropped_ |= {
                    n
                    for n in span
                    if getattr(calls[n], "ino", None) in ino
                    and isinstance(calls[n], Write | Truncate | Create | Fsync | Fdatasync)
                }
                made += 1
                temporary = posixpath.join(
                    posixpath.dirname(path), f".{posixpath.basename(path)}{_TEMPORARY}"
                )
                new: list[Record] = [Create(path=temporary, ino=made)]
                if files[path]:
                    new.append(Write(path=temporary, ino=made, offset=0, data=files[path]))
                new += [
                    Fsync(path=temporary, ino=made),
                    Rename(src=temporary, dst=path),
                    Fsync(path=posixpath.dirname(path) or ".", dir=True),
                ]
                gone.setdefault(max(places), []).extend((r, max(places) + 1) for r in new)
        if not gone:
            return None
        result: Changed = []
        for n, one in enumerate(calls):
            if n not in dropped_:
                if n >= since.get(getattr(one, "ino", None), len(calls)):
                    if not isinstance(one, Fsync | Fdatasync | Write | Truncate):
                        continue  # closing what was never opened
                    one = structs.replace(one, ino=None)  # noqa: PLW2901
                result.append((one, n + 1))
            result += gone.get(n, [])
        return result

    return Change(f"replace whole in {file}:{function}", change)


def edited(recording: Recording, change: Change) -> Recording | None:
    """Carry a change out; None where it cannot be, or comes to another disk."""
    made = change(recording)
    if made is None:
        return None
    records = [structs.replace(one, i=number) for number, (one, _) in enumerate(made, 1)]
    homes = [home for _, home in made]

    def position(calls: int) -> int:
        return sum(home <= calls for home in homes)

    def event(one: Event) -> Event:
        return replace(one, invoked=position(one.invoked), returned=position(one.returned))

    # Where a buffered file was given its bytes stays known, under the call's new number.
    given = {
        number: recording.given[one.i]
        for number, (one, _) in enumerate(made, 1)
        if one.i in recording.given
    }
    result = replace(
        recording, records=list(records), events=[event(e) for e in recording.events], given=given
    )
    try:
        ours, theirs = _explorer(recording.records, recording), _explorer(result.records, result)
        for before_, after_ in zip(recording.events, result.events, strict=True):
            if before_.returned == before_.invoked:
                continue
            old = ours.image(ours.everything_after(before_.returned))
            new = theirs.image(theirs.everything_after(after_.returned))
            # A file that is made anew may have another mode, which no guarantee is about.
            if _contents(old) != _contents(new):
                return None
    except HarnessError:
        return None
    return result


def _contents(image: Image) -> object:
    return image.files(), image.dirs(), image.symlinks()


def _explorer(records: list[Record], recording: Recording) -> Explorer:
    return Explorer(constrain(derive(records, recording.base), PROFILES["kill"]))
