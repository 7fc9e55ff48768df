"""What real filesystems were seen to hold, as data: the loader of fs-outcomes.json."""

import base64
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.explore import Explorer
from harness.explore.reasons import losses
from harness.persistence import constrain, derive, profile
from harness.trace import load_lines

FILE = Path(__file__).with_name("fs-outcomes.json")
FILESYSTEMS = ("ext4", "ext4-dioread-lock", "xfs", "btrfs")


def content(runs):
    return b"".join((b"\0" if one == "zero" else one.encode()) * count for one, count in runs)


@dataclass(frozen=True)
class Tree:
    """Files and directories found on a disk; hashable, so that trees make sets."""

    files: tuple[tuple[str, bytes], ...]
    dirs: tuple[str, ...]

    @classmethod
    def of(cls, files, dirs):
        parents = {path.rsplit("/", n)[0] for path in files for n in range(1, path.count("/") + 1)}
        return cls(tuple(sorted(files.items())), tuple(sorted({*dirs, *parents})))

    def __str__(self):
        shown = [f"{path}={summary(data)}" for path, data in self.files]
        shown += [f"{path}/" for path in self.dirs]
        return " ".join(sorted(shown)) or "(nothing)"


def summary(data):
    """A content by its runs: N*8192 0*2048."""
    runs = []
    for byte in data:
        if runs and runs[-1][0] == byte:
            runs[-1][1] += 1
        else:
            runs.append([byte, 1])
    return "+".join(f"{chr(one) if one else '0'}*{count}" for one, count in runs) or "empty"


@dataclass(frozen=True)
class Outcome:
    tree: Tree
    first: int
    """Fewest calls that had returned when it was seen."""
    last: int
    """Most of them."""


@dataclass(frozen=True)
class Program:
    name: str
    title: str
    lines: tuple[str, ...]
    calls: int
    observed: dict[str, tuple[Outcome, ...]]


def _line(record):
    record = dict(record)
    if record["op"] == "image":
        record["files"] = {
            path: base64.b64encode(content(runs)).decode() for path, runs in record["files"].items()
        }
    if "fill" in record:
        record["data"] = base64.b64encode(content([record.pop("fill")])).decode()
    return json.dumps(record)


def _programs():
    for name, one in json.loads(FILE.read_text("utf-8"))["programs"].items():
        steps = [0, *one["steps_to_ops"]]
        calls = sum(record["op"] != "image" for record in one["program"])
        observed = {
            filesystem: tuple(
                Outcome(
                    Tree.of({p: content(runs) for p, runs in seen["files"].items()}, seen["dirs"]),
                    *(steps[n] for n in seen["crash_window"]),
                )
                for seen in outcomes
            )
            for filesystem, outcomes in one["observed"].items()
        }
        yield Program(name, one["title"], tuple(map(_line, one["program"])), calls, observed)


PROGRAMS = {program.name: program for program in _programs()}


@dataclass
class Possible:
    """A tree that a model allows: when, and by which kinds of loss most simply."""

    tree: Tree
    span: set[int]
    kinds: tuple[str, ...]


@cache
def possible(program, model):
    explorer = Explorer(
        constrain(derive(load_lines(PROGRAMS[program].lines, program)), profile(model)),
        budget=400_000,
    )
    end = 2 * PROGRAMS[program].calls
    found = {}
    for state in explorer.states():
        one = found.get(state.key)
        if one is None:
            image = explorer.image(state)
            one = found[state.key] = Possible(Tree.of(image.files(), image.dirs()), set(), ())
        one.span.update(range(state.first, min(state.last, end) + 1))
        if state.torn is None:
            kinds = tuple(sorted({loss for _, loss, _ in losses(explorer, state)}))
            if not one.kinds or (len(kinds), kinds) < (len(one.kinds), one.kinds):
                one.kinds = kinds
        elif not one.kinds:
            one.kinds = ("torn",)
    assert explorer.exhaustive, f"{program} under {model} needs a larger budget"
    return [*found.values()]


def allowed(program, model):
    """What a model allows: each tree with the half-call positions at which a crash can leave it."""
    return {one.tree: one.span for one in possible(program, model)}
