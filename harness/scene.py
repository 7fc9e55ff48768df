"""What there is to show of a finding, as plain data: calls, operations, the disk, the source."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.image import Image
from harness.report import Culprit
from harness.source import located
from harness.statelist import show_content

__all__ = [
    "Act",
    "Excerpt",
    "Exhibit",
    "Fate",
    "FileRow",
    "Line",
    "Span",
    "Step",
    "disk_rows",
    "excerpts_of",
]

Fate: TypeAlias = Literal["synced", "kept", "partly", "torn", "lost", "ran", "failed", "never"]
"""What the crash left of a call: certain to be there, there by luck, some of it, cut inside a page,
nothing; it has no effect of its own; it failed; it was never made."""

_AROUND: Final = 3
"""Source lines shown before and after each that matters."""

_GAP: Final = 2
"""Lines between two stretches that are shown rather than left out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One system call.

    Attributes:
        number: Which call of its act, from 1.
        call: As strace would show it.
        place: ``file:line``, or nothing where no line of the subject made it.
        function: The function that line is in.
        source: The line's text.
        sync: Whether it is one that makes things durable.
        fate: What the crash left of it.
        lost: The parts that are not on disk.
        culprit: Whether it comes from the line to blame.
        writer: Who made it, where there are several.
    """

    number: int
    call: str
    place: str
    function: str
    source: str
    sync: bool
    fate: Fate
    lost: tuple[str, ...]
    culprit: bool
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One operation, above the calls that it made.

    Attributes:
        text: The operation.
        first: Its first call, from 1.
        last: Its last; below ``first`` where it made none.
        state: ``returned`` before the crash, ``in flight`` in it, or ``never`` called.
        writer: Who did it, where there are several.
    """

    text: str
    first: int
    last: int
    state: Literal["returned", "in flight", "never"]
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """One run up to a crash.

    Attributes:
        title: Which run.
        spans: The operations, in order.
        steps: The calls, in order.
        crash_after: Calls that had returned at the crash; None where nothing crashed.
        in_call: Whether it struck in the middle of the next call.
        killed_after: Calls after which an earlier process was killed, if one was.
        ending: What struck, in words.
        lanes: The writers, where there are several: each has a lane of the timeline.
        bar: What stands at the end of the timeline, in a word.
    """

    title: str
    spans: tuple[Span, ...]
    steps: tuple[Step, ...]
    crash_after: int | None
    in_call: bool
    killed_after: int | None
    ending: str
    lanes: tuple[str, ...] = ()
    bar: str = "CRASH"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One path on the disk at three moments; None where it was not there.

    Attributes:
        path: Relative to the directory that holds the store's.
        before: Before the run, durably.
        running: As running programs saw it when the crash struck.
        after: On the disk that the crash left.
    """

    path: str
    before: str | None
    running: str | None
    after: str | None

    @property
    def differs(self) -> bool:
        """Whether the crash changed it."""
        return self.running != self.after


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source.

    Attributes:
        number: From 1.
        text: Without its end.
        calls: Numbers of the calls it made, in the last act.
        role: ``culprit``, ``accepts`` where it takes half of a write for the whole, ``lost`` where
            an effect of its calls is, or nothing.
    """

    number: int
    text: str
    calls: tuple[int, ...]
    role: Literal["culprit", "accepts", "lost", ""]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of one file; a gap in their numbers is one in the text."""

    file: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Everything to show about one finding.

    Attributes:
        acts: The run, and the recovery where that crashed as well; of a chain, each life.
        disk: The paths that were there at any of the moments.
        moments: What the columns of ``disk`` are called.
        sources: The source around the lines that matter.
    """

    acts: tuple[Act, ...]
    disk: tuple[FileRow, ...]
    moments: tuple[str, str, str]
    sources: tuple[Excerpt, ...]


# -- disk and source -------------------------------------------------------------------------------


def disk_rows(before: Image, running: Image, after: Image) -> tuple[FileRow, ...]:
    """Put three moments of a disk side by side."""
    images = (before, running, after)
    shown = [_shown(image) for image in images]
    files = [image.files() for image in images]
    rows = []
    for path in sorted({path for one in shown for path in one}):
        texts = [one.get(path) for one in shown]
        contents = [one.get(path) for one in files]
        _tell_apart(texts, contents)
        rows.append(FileRow(path, *texts))
    return tuple(rows)


def _shown(image: Image) -> dict[str, str]:
    found = dict.fromkeys((f"{path}/" for path in image.dirs()), "directory")
    found |= {path: show_content(data) for path, data in image.files().items()}
    return found | {path: f"-> {target}" for path, target in image.symlinks().items()}


def _tell_apart(texts: list[str | None], contents: list[bytes | None]) -> None:
    """Show where the last two contents part, where they look the same by how they begin."""
    running, after = contents[-2:]
    if running is None or after is None or running == after or texts[-2] != texts[-1]:
        return
    at = next(n for n, (one, two) in enumerate(zip(running, after, strict=False)) if one != two)
    for place in (-2, -1):
        rest = contents[place]
        assert rest is not None
        texts[place] = f"{texts[place]} and from byte {at} on {show_content(rest[at:])}"


def excerpts_of(
    acts: list[Act], culprit: Culprit | None, accepted: Culprit | None = None
) -> tuple[Excerpt, ...]:
    """Cut out the lines that made the calls of the operation to blame, and those around them.

    Args:
        acts: The runs.
        culprit: The line to blame.
        accepted: The line of the recovery that takes half of a write for the whole.
    """
    matter: dict[str, dict[int, list[int]]] = {}
    losing: set[tuple[str, int]] = set()
    roles: dict[tuple[str, int], Literal["culprit", "accepts"]] = {}
    if accepted is not None:
        roles[accepted.file, accepted.line] = "accepts"
    if culprit is not None:
        roles[culprit.file, culprit.line] = "culprit"
    for file, number in roles:
        matter.setdefault(file, {})[number] = []
    for act in acts:
        for step in act.steps:
            file, _, line = step.place.rpartition(":")
            if not file or step.fate == "never":
                continue
            matter.setdefault(file, {}).setdefault(int(line), []).append(step.number)
            if step.fate in ("lost", "partly", "torn"):
                losing.add((file, int(line)))
    first = "" if culprit is None else culprit.file
    excerpts = []
    for file in sorted(matter, key=lambda one: (one != first, one)):
        lines = [text.rstrip("\n") for text in linecache.getlines(located(file))]
        shown = _around(sorted(matter[file]), len(lines))
        excerpts.append(
            Excerpt(
                file,
                tuple(
                    Line(
                        number,
                        lines[number - 1],
                        tuple(matter[file].get(number, ())),
                        roles.get((file, number), "lost" if (file, number) in losing else ""),
                    )
                    for number in shown
                ),
            )
        )
    return tuple(one for one in excerpts if one.lines)


def _around(lines: list[int], count: int) -> list[int]:
    """Give the lines to show: those that matter and a few around each, small gaps closed."""
    wanted = sorted(
        {n for line in lines for n in range(line - _AROUND, line + _AROUND + 1) if 1 <= n <= count}
    )
    shown: list[int] = []
    for number in wanted:
        if shown and 1 < number - shown[-1] <= _GAP + 1:
            shown += range(shown[-1] + 1, number)
        shown.append(number)
    return shown
