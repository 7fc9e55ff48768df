"""What a person would change to mend a finding, the smallest change first.

One sync more, a call left out or moved, two syncs more, a file replaced by way of a temporary one.
Nothing is tried here: `harness.fix` does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Protocol

from harness.diagnose import Site, Sites
from harness.edits import (
    Change,
    Changed,
    after,
    before,
    dropped,
    flushed,
    linked,
    moved,
    relied_on,
    replaced_whole,
)
from harness.history import Recording
from harness.trace import Call, Close, Fdatasync, Fsync, Rename, Sync, Unlink, Write

__all__ = ["About", "changes", "relying", "syncs", "whole"]


class About(Protocol):
    """What is known of a violation: a `Diagnosis`, or the `Candidate` made of it."""

    @property
    def cause(self) -> str: ...
    @property
    def missing(self) -> Site | None: ...
    @property
    def published(self) -> Site | None: ...
    @property
    def repaired(self) -> Site | None: ...


def syncs(found: About, culprit: Site, recording: Recording) -> Iterator[tuple[str, Change]]:
    """Propose one sync more, the one most likely to help first."""
    at, missing = _at(culprit), found.missing
    publisher = found.published or culprit
    if found.published is not None:
        yield f"flush the file before {at} syncs it", flushed(culprit)
    acts = _acts(culprit, recording)
    own = missing is None or not acts or _publishes(acts, missing, recording)
    text = f"fsync the file before {_at(publisher)}"
    if missing is not None and not own:
        text = f"fsync the file that {_at(missing)} writes before {_at(publisher)}"
    file_first = (text, before(publisher, missing, own=own))
    if found.cause == "reordered":
        yield file_first
    yield f"fsync the directory after {at}", after(culprit, directory=True)
    if found.cause == "reordered" and missing is not None:
        text = f"fsync the directory after {_at(missing)}"
        yield text, after(missing, directory=True)
    renamed = _renamed(culprit, recording)
    if found.cause == "lost" and renamed is not None:
        # One sync there mends what comes too late and what never comes: one change, one cause.
        yield f"fsync the file before {_at(renamed)}", before(renamed, culprit)
    yield f"fsync the file after {at}", after(culprit, file=True)
    if found.cause != "reordered":
        yield file_first


def changes(found: About, culprit: Site, recording: Recording) -> Iterator[tuple[str, Change]]:
    """Propose changes, the smallest first: one call, two calls, a protocol.

    Syncs come before any other order: they forbid crash states and allow no new one.
    """
    at, missing = _at(culprit), found.missing
    acts = _acts(culprit, recording)
    yield from syncs(found, culprit, recording)
    if found.cause == "reordered":
        yield from relying(found, culprit)
    if found.repaired is not None:
        if any(isinstance(one, Unlink) for one in acts):
            yield f"leave out {at}: {_at(found.repaired)} replaces the old file", dropped(culprit)
        if any(isinstance(one, Rename) for one in acts):
            yield f"link instead of renaming at {at}, so that the name stays", linked(culprit)
    for first, second in _neighbours(culprit, recording):
        if _only_syncs(second, recording) and not _only_syncs(first, recording):
            continue  # behind it, what is moved would not be synced any more
        yield f"move {_at(first)} after {_at(second)}", moved(first, second)
    yield (
        f"fsync the file before {at} and the directory after it",
        _both(before(culprit, missing), after(culprit, directory=True)),
    )
    yield (
        f"fsync the file and then its directory after {at}",
        after(culprit, file=True, directory=True),
    )


def relying(found: About, culprit: Site) -> Iterator[tuple[str, Change]]:
    """Propose that what another process left is made durable before it is relied on."""
    at, missing = _at(culprit), found.missing
    if missing is None:
        return
    same = (missing.file, missing.line) == (culprit.file, culprit.line)
    made = f"what {at if same else _at(missing)} made"
    then = "before it acts again" if same else f"before {at}"
    yield f"fsync the directory of {made}, {then}", relied_on(culprit, missing, file=False)
    yield f"fsync {made}, and its directory, {then}", relied_on(culprit, missing, file=True)


def whole(culprit: Site) -> tuple[str, Change]:
    """Propose that the function writes its file by way of a temporary one."""
    text = "write a temporary file, fsync it, rename it into place and fsync the directory in "
    whole = replaced_whole(culprit.file, culprit.function)
    return f"{text}{culprit.function} ({_at(culprit)})", whole


def _acts(site: Site, recording: Recording) -> list[Call]:
    return [
        one
        for one in recording.records
        if isinstance(one, Call) and any((f, n) == (site.file, site.line) for f, n, _ in one.at)
    ]


def _written(site: Site, recording: Recording) -> set[str]:
    """Give the paths of the files that a line writes, or gives their bytes."""
    sites = Sites(recording.records, recording.given)
    return {
        one.path for one in recording.records if isinstance(one, Write) and sites.behind(one, site)
    }


def _publishes(acts: list[Call], missing: Site, recording: Recording) -> bool:
    """Tell whether what a line renames is the file that another line wrote."""
    renamed = {one.src for one in acts if isinstance(one, Rename)}
    written = _written(missing, recording)
    return bool(renamed) and (not written or bool(renamed & written))


def _renamed(site: Site, recording: Recording) -> Site | None:
    """Find the line that renames a file after a line wrote it."""
    sites = Sites(recording.records, recording.given)
    written = set[str]()
    for one in recording.records:
        if isinstance(one, Write) and sites.behind(one, site):
            written.add(one.path)
        elif isinstance(one, Rename) and not one.error and one.src in written:
            return sites.issuer(one)
    return None


def _at(site: Site) -> str:
    return f"{PurePosixPath(site.file).name}:{site.line}"


def _only_syncs(site: Site, recording: Recording) -> bool:
    acts = [one for one in _acts(site, recording) if not isinstance(one, Close)]
    return bool(acts) and all(isinstance(one, Fsync | Fdatasync | Sync) for one in acts)


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

    return Change(f"{first.identity}, {second.identity}", change)


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
