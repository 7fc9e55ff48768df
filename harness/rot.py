"""Rot: stored bytes change by themselves, and the guarantee `integrity` is about what reads give.

Damage is done to the disk that a workload left after a clean shutdown, one piece at a time: every
bit flipped; each sector zeroed, garbled, or as it was before its last write; the file cut at every
length, or with garbage or the tail of its older self behind it; a contiguous range gone; one file's
content under another's name; every bit of every name flipped, of a directory too, where that makes
a valid one; a file or a directory gone, or in another directory. The store opens on that and reads
its keys, and after damage to a name what it lists as well, for a name may have become another
key's. Each gives a value that was written under that key, an older one too, or raises, or says that
there is no such key; an open that raises is detection as well. What list names is not judged.

Exhaustive where the damages of a kind are fewer than the budget, evenly spread where not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from harness.disk import Hooks, Process, Verdict, Wait
from harness.errors import Hung, UsageError
from harness.history import Recording
from harness.image import ROOT, Image
from harness.live import images_of, read_back
from harness.oracle import Judge
from harness.record import Recorder
from harness.subjects import MISSING, Outcome, Raised
from harness.trace import Frame
from harness.violation import Violation, show

__all__ = [
    "Damage",
    "Stored",
    "apply",
    "damages",
    "judge_damage",
    "parse_damage",
    "reader_of",
    "stored",
]

Kind: TypeAlias = Literal[
    "flipped", "zeroed", "garbled", "stale", "deleted", "cut", "garbage", "old tail", "copied",
    "swapped", "missing", "renamed",
]  # fmt: skip

SECTOR: Final = 512
"""Bytes that a disk loses or garbles together."""

_GARBAGE: Final = bytes((index * 73 + 41) % 256 for index in range(SECTOR))


@dataclass(frozen=True, slots=True)
class Damage:
    """One piece of damage.

    Attributes:
        path: The file, or for ``missing`` and ``renamed`` the directory.
        kind: What happened to it.
        start: First byte concerned, the new length for ``cut``, the length of ``garbage``; for
            ``flipped`` the bit, counted from the first byte's lowest.
        end: The byte after the last one concerned.
        other: The file whose content it has, or the path it has got.
    """

    path: str
    kind: Kind
    start: int = 0
    end: int = 0
    other: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "flipped":
                what = f"bit {self.start % 8} of byte {self.start // 8} flipped"
            case "cut":
                what = f"cut to {self.start} bytes"
            case "garbage":
                what = f"garbage of {self.start} bytes appended"
            case "old tail":
                what = "old tail appended"
            case "copied":
                what = f'content of "{self.other}"'
            case "swapped":
                what = f'swapped with "{self.other}"'
            case "missing":
                what = "missing"
            case "renamed":
                what = f'renamed to "{self.other}"'
            case _:
                what = f"bytes {self.start} to {self.end} {self.kind}"
        return f'"{self.path}": {what}'

    def strikes(self, left: Stored) -> bool:
        """Tell whether there is anything that it can be done to."""
        if self.kind in ("missing", "renamed"):
            return any(path == self.path for path, _ in left.image.walk())
        content = left.files.get(self.path)
        if content is None or (self.other and self.other not in left.files):
            return False
        size = len(content)
        match self.kind:
            case "flipped":
                return self.start < 8 * size
            case "cut":
                return self.start < size
            case "zeroed" | "garbled" | "deleted":
                return self.start < self.end <= size
            case "stale":
                return bool(left.older.get(self.path, b"")[self.start : self.end])
            case "old tail":
                return len(left.older.get(self.path, b"")) > size
            case _:
                return True


_TEXT: Final = re.compile(
    r'"(?P<path>[^"]+)": (?:bit (?P<bit>[0-7]) of byte (?P<byte>\d+) flipped'
    r"|cut to (?P<cut>\d+) bytes|garbage of (?P<garbage>\d+) bytes appended|(?P<tail>old tail)"
    r' appended|content of "(?P<copied>[^"]+)"|swapped with "(?P<swapped>[^"]+)"'
    r'|(?P<missing>missing)|renamed to "(?P<renamed>[^"]+)"'
    r"|bytes (?P<start>\d+) to (?P<end>\d+) (?P<kind>zeroed|garbled|stale|deleted))"
)


def parse_damage(text: str) -> Damage:
    """Read a damage back.

    Raises:
        UsageError: It is none.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise UsageError(
            f"rot {text!r}: not understood; write it like '\"store/a\": bit 3 of byte 17 flipped' "
            "(`harness list faults`)"
        )
    path = found["path"]
    if found["bit"]:
        return Damage(path, "flipped", 8 * int(found["byte"]) + int(found["bit"]))
    if found["cut"]:
        return Damage(path, "cut", int(found["cut"]))
    if found["garbage"]:
        return Damage(path, "garbage", int(found["garbage"]))
    if found["tail"]:
        return Damage(path, "old tail")
    if found["missing"]:
        return Damage(path, "missing")
    if found["renamed"]:
        return Damage(path, "renamed", other=found["renamed"])
    if found["copied"]:
        return Damage(path, "copied", other=found["copied"])
    if found["swapped"]:
        return Damage(path, "swapped", other=found["swapped"])
    kind: Any = found["kind"]
    return Damage(path, kind, int(found["start"]), int(found["end"]))


@dataclass(frozen=True, slots=True)
class Stored:
    """What a workload left.

    Attributes:
        image: The disk after a clean shutdown.
        files: Path to content.
        older: Path to what it held before its last change, where it held something.
    """

    image: Image
    files: Mapping[str, bytes]
    older: Mapping[str, bytes]


def stored(recording: Recording) -> Stored:
    """Find what a workload left, and what was there before."""
    older: dict[str, bytes] = {}
    files: dict[str, bytes] = {}
    image = recording.base
    for image in images_of(recording):
        now = image.files()
        older |= {p: held for p, held in files.items() if held and now.get(p, held) != held}
        files |= now
    files = image.files()
    return Stored(image, files, {path: older[path] for path in files if path in older})


def damages(left: Stored, budget: int) -> tuple[list[Damage], int]:
    """List the damages to do.

    Args:
        left: What there is.
        budget: Damages of one kind to one file at most.

    Returns:
        Them, and how many there would be without a budget.
    """
    chosen: list[Damage] = []
    possible = 0
    for path, content in sorted(left.files.items()):
        for every in _kinds(path, content, left):
            possible += len(every)
            chosen += every if len(every) <= budget else _spread(every, budget)
    for every in _names(left.image):
        possible += len(every)
        chosen += every if len(every) <= budget else _spread(every, budget)
    return chosen, possible


def _spread(every: _Lazy, budget: int) -> list[Damage]:
    return [every[number * len(every) // budget] for number in range(budget)]


class _Lazy(list[Damage]):
    """A list of damages of one kind."""


class _Ranges(_Lazy):
    """All contiguous ranges of a file, made when asked for: they grow with the square."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__()
        self._path, self._size = path, size

    def __len__(self) -> int:
        return max(self._size * (self._size + 1) // 2 - 1, 0)

    def __getitem__(self, number: Any) -> Any:
        start, rest = 0, number
        while rest >= self._size - start:
            rest -= self._size - start
            start += 1
        return Damage(self._path, "deleted", start, start + rest + 1)

    def __iter__(self) -> Iterator[Damage]:
        for start in range(self._size):
            for end in range(start + 1, self._size + 1):
                if end - start < self._size:
                    yield Damage(self._path, "deleted", start, end)


def _kinds(path: str, content: bytes, left: Stored) -> Iterator[_Lazy]:
    size = len(content)
    sectors = [(at, min(at + SECTOR, size)) for at in range(0, size, SECTOR)]
    old = left.older.get(path, b"")
    yield _Lazy(
        Damage(path, "copied", other=other) for other in sorted(left.files) if other != path
    )
    yield _Lazy(
        Damage(path, "swapped", other=other) for other in sorted(left.files) if other > path
    )
    yield _Lazy(
        Damage(path, kind, start, end)
        for kind in ("zeroed", "garbled", "stale")
        for start, end in sectors
        if kind != "stale" or old[start:end]
    )
    yield _Lazy(
        [Damage(path, "garbage", 1), Damage(path, "garbage", SECTOR)]
        + ([Damage(path, "old tail")] if len(old) > size else [])
    )
    yield _Lazy(Damage(path, "flipped", bit) for bit in range(8 * size))
    yield _Lazy(Damage(path, "cut", length) for length in range(size))
    yield _Ranges(path, size)


def _names(image: Image) -> Iterator[_Lazy]:
    """List the damages to names, of one kind to one file or directory at a time."""
    paths = [path for path, _ in image.walk()]
    directories = ["", *image.dirs()]
    for path in paths:
        above, _, name = path.rpartition("/")
        yield _Lazy([Damage(path, "missing")])
        yield _Lazy(
            Damage(path, "renamed", other=other)
            for other in _flipped_names(above, name)
            if other not in paths
        )
        yield _Lazy(
            Damage(path, "renamed", other=other)
            for directory in directories
            if directory != above and not f"{directory}/".startswith(f"{path}/")
            for other in [f"{directory}/{name}".lstrip("/")]
            if other not in paths
        )


def _flipped_names(above: str, name: str) -> Iterator[str]:
    """Flip each bit of a name, where a name in UTF-8 comes of it."""
    raw = name.encode()
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with suppress(UnicodeDecodeError):
            other = changed.decode()
            # A quote would not parse back.
            if not set(other) & {"/", "\0", '"'} and other not in (".", ".."):
                yield f"{above}/{other}".lstrip("/")


def _renamed(image: Image, damage: Damage) -> Image:
    """Take a name away, and put another in its place."""
    directories = {ino: dict(names) for ino, names in image.directories.items()}
    inodes = {"": ROOT, **dict(image.walk())}
    above, _, name = damage.path.rpartition("/")
    moved = directories[inodes[above]].pop(name)
    if damage.other:
        above, _, name = damage.other.rpartition("/")
        directories[inodes[above]][name] = moved
    return Image(directories, image.contents, image.targets, image.modes, image.link_counts)


def apply(damage: Damage, left: Stored) -> Image:
    """Give the damaged disk.

    Raises:
        UsageError: What is to be damaged is not there.
    """
    image, files = left.image, left.files
    there = files if damage.kind not in ("missing", "renamed") else dict(image.walk())
    if damage.path not in there or (damage.kind in ("copied", "swapped") and (
        damage.other not in files
    )):  # fmt: skip
        raise UsageError(f"rot {str(damage)!r}: the workload leaves no such file")
    if damage.kind in ("missing", "renamed"):
        return _renamed(image, damage)
    contents = dict(image.contents)
    inodes = dict(image.walk())
    content = files[damage.path]
    if damage.other:
        contents[inodes[damage.path]] = files[damage.other]
        if damage.kind == "swapped":
            contents[inodes[damage.other]] = content
    else:
        contents[inodes[damage.path]] = _damaged(damage, content, left.older.get(damage.path, b""))
    return Image(image.directories, contents, image.targets, image.modes, image.link_counts)


def _damaged(damage: Damage, content: bytes, old: bytes) -> bytes:
    start, end = damage.start, damage.end
    match damage.kind:
        case "flipped":
            changed = bytearray(content)
            changed[start // 8] ^= 1 << start % 8
            return bytes(changed)
        case "zeroed":
            return content[:start] + bytes(end - start) + content[end:]
        case "garbled":
            return content[:start] + _GARBAGE[: end - start] + content[end:]
        case "stale":
            kept = old[start:end]
            return content[:start] + kept + content[start + len(kept) :]
        case "deleted":
            return content[:start] + content[end:]
        case "cut":
            return content[:start]
        case "garbage":
            return content + _GARBAGE[:start]
        case _:
            return content + old[len(content) :]


def judge_damage(recording: Recording, left: Stored, damage: Damage) -> Iterator[Violation]:
    """Open the store on a damaged disk and judge what it reads."""
    image = apply(damage, left)
    if (image.contents, image.directories) == (left.image.contents, left.image.directories):
        return  # the damage changed nothing: a sector of zeros zeroed
    reading = read_back(
        recording.subject,
        image,
        recording.workload.keys,
        seed=recording.seed,
        listed=damage.kind == "renamed",
    )
    judge = Judge(recording.events, recording.initial)
    opened = reading.opened
    if opened is not None:
        if opened.type in _ENDLESS:
            yield _violation("hangs", None, f"with {damage}, opening never returns", ("an error",))
        return
    # What the setup overwrote was written under its key, too.
    before: dict[str, list[Outcome]] = {}
    for operation in recording.workload.setup:
        if operation.key is not None and operation.value is not None:
            before.setdefault(operation.key, []).append(operation.value)
    ever: dict[str, tuple[Outcome, ...]] = {
        key: (*before.get(key, ()), *(version.value for version in judge.versions(key)))
        for key in (*recording.workload.keys, *reading.values)
    }
    everywhere = {value for values in ever.values() for value in values}
    for key, value in reading.values.items():
        mine = ever[key]
        if value is MISSING or value in mine:
            continue
        allowed = (*(show(one) for one in mine[-1:]), "an error", "no such key")
        if isinstance(value, Raised):
            if value.type in _ENDLESS:
                yield _violation("hangs", key, f"with {damage}, read never returns", allowed)
            elif not value.detected:
                yield _violation("crashes", key, f"with {damage}, read raises {value}", allowed)
            continue
        kind = "foreign" if damage.other and value in everywhere else "altered"
        yield _violation(kind, key, f"with {damage}, it reads {show(value)}", allowed)


_ENDLESS: Final = ("CallLimitExceeded", "Hung")


def _violation(kind: str, key: str | None, observed: str, allowed: tuple[str, ...]) -> Violation:
    severity: Any = "silent-corruption" if kind in ("altered", "foreign") else "unavailable"
    return Violation("integrity", kind, severity, key, observed, allowed, 0)


class _Readers(Hooks):
    """Notes which line read a file last."""

    def __init__(self, recorder: Recorder, path: str) -> None:
        self.at: tuple[Frame, ...] = ()
        self.call = ""
        self._recorder, self._path = recorder, path

    def before(self, process: Process, call: str, **details: Any) -> Verdict | None:
        del process
        if self._path in details["paths"] and call in ("read", "readinto", "pread", "readv"):
            self.at, self.call = self._recorder.at(), f"{call}({self._path!r})"
        return None

    def blocked(self, process: Process, wait: Wait) -> None:
        raise Hung(f"process {process.number} waits for ever for {wait}")


def reader_of(
    recording: Recording, left: Stored, damage: Damage, key: str | None
) -> tuple[tuple[Frame, ...], str]:
    """Find the line that read the damaged bytes and believed them."""
    for path in (damage.path, damage.other):
        hooks = _Readers(Recorder(recording.subject.files), path)
        keys = recording.workload.keys if key is None else (key,)
        image = apply(damage, left)
        listed = damage.kind == "renamed"
        read_back(recording.subject, image, keys, seed=recording.seed, hooks=hooks, listed=listed)
        if hooks.at:
            return hooks.at, hooks.call
    return (), ""
