"""What a stress run leaves on disk, and how: whole or not at all, and durable at once.

======================  ======================================================================
``journal.jsonl``       a line for the run, then one for each round that is done
``found/*.json``        causes as they were found, before their round is done
``settled/*.json``      causes that were shrunk and replayed
``*.repro.json``        what `harness replay` takes: a cause as found, then as shrunk
``*.plan.json``         plans of rounds that ended their process
``small/*.plan.json``   plans made smaller for the corpus
``stress.json`` ...     the report
======================  ======================================================================

A worker writes a cause; the main process, which may die as well, writes the journal. A round is
done when its line is durable. So a cause can be on disk whose round is not: that round runs again,
finds it again, and nothing is counted twice.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.finding import Candidate
from harness.partial import Found, Settled
from harness.report import write_atomically
from harness.stress.plans import RoundPlan, dump_plan, load_plan
from harness.stress.records import SettledFile

__all__ = ["Kept"]


class Kept:
    """The directory of a run.

    Args:
        directory: Made if absent.
    """

    def __init__(self, directory: str) -> None:
        self.path = Path(directory)
        self._found = self.path / "found"
        self._settled = self.path / "settled"
        self._small = self.path / "small"
        self._known: dict[str, tuple[tuple[int, ...], int]] = {}

    def prepare(self) -> None:
        """Make what is missing of it."""
        for directory in (self._found, self._settled):
            directory.mkdir(parents=True, exist_ok=True)

    def recall(self) -> None:
        """Look what is there, so that it is not written again."""
        self._known = {name: one.rank for name, one in self.found().items()}

    def keep(self, order: int, one: Candidate) -> None:
        """Put a cause on disk, unless a simpler case of it is there already."""
        found = Found(order, one)
        known = self._known.get(one.id)
        if known is not None and known <= found.rank:
            return
        self.write_found(found)
        self._known[one.id] = found.rank

    def write_found(self, found: Found) -> None:
        """Put a cause on disk."""
        name = f"{found.candidate.id}.{found.order}.json"
        write_atomically(self._found / name, msgspec.json.encode(found))

    def found(self) -> dict[str, Found]:
        """Read the simplest case of each cause, by its id.

        Of several that are equally simple, the one of the first round: so it does not matter who
        found which, or when.
        """
        best: dict[str, Found] = {}
        for path in sorted(self._found.glob("*.json")):
            try:
                one = msgspec.json.decode(path.read_bytes(), type=Found)
            except (OSError, msgspec.MsgspecError):
                continue  # not one of ours: those are whole
            known = best.get(one.candidate.id)
            if known is None or one.rank < known.rank:
                best[one.candidate.id] = one
        return best

    def tidy(self) -> None:
        """Drop cases that a simpler one of the same cause stands for."""
        best = self.found()
        keep = {f"{name}.{one.order}.json" for name, one in best.items()}
        for path in self._found.glob("*.json"):
            if path.name not in keep:
                path.unlink(missing_ok=True)

    # -- settled -------------------------------------------------------------------------------

    def settled(self, one: Candidate) -> Settled | None:
        """Read what a cause was shrunk to, if this very case was."""
        path = self._settled / f"{one.id}.json"
        try:
            known = msgspec.json.decode(path.read_bytes(), type=SettledFile)
        except (OSError, msgspec.MsgspecError):
            return None
        return known.settled if known.source == _digest(one) else None

    def settle(self, one: Candidate, settled: Settled) -> None:
        """Put on disk what a cause was shrunk to, and the file to replay it by."""
        file = SettledFile(_digest(one), settled)
        write_atomically(self._settled / f"{one.id}.json", msgspec.json.encode(file))
        self.reproduction(settled.candidate)

    def reproduction(self, one: Candidate) -> None:
        """Write the file to replay a cause by."""
        data = msgspec.json.format(msgspec.json.encode(one.reproduction), indent=2)
        write_atomically(self.path / f"{one.id}.repro.json", data)

    # -- plans ---------------------------------------------------------------------------------

    def smaller(self, key: str) -> RoundPlan | None:
        """Read what the plan of a round was made smaller to, if it was."""
        try:
            return load_plan((self._small / _file_of(key)).read_bytes(), key)
        except (OSError, UsageError):
            return None

    def small(self, key: str, plan: RoundPlan) -> RoundPlan:
        """Put on disk what the plan of a round was made smaller to."""
        self._small.mkdir(exist_ok=True)
        write_atomically(self._small / _file_of(key), dump_plan(plan))
        return plan

    def plan(self, key: str, data: bytes) -> str:
        """Write the plan of a round; give the file's name."""
        name = _file_of(key)
        write_atomically(self.path / name, data)
        return name


def _file_of(key: str) -> str:
    return f"round-{key.replace(':', '-')}.plan.json"


def _digest(one: Candidate) -> str:
    """Name a case; how many states show it in this run or that does not matter."""
    bare = msgspec.json.encode([one.weight, one.reproduction, sorted(one.profiles)])
    return hashlib.sha256(bare).hexdigest()[:16]
