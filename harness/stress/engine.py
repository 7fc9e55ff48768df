"""The engine of a stress run: rounds out to workers, what they find to disk, over and over.

Nothing is in the head of the main process that is not on disk first: kill it, or any worker, at any
moment, start it again with the same words, and it goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from harness.errors import BaselineError, InternalError, UsageError
from harness.finding import Candidate
from harness.partial import Settled
from harness.pool import Death, Event, Pool
from harness.settling import ranked
from harness.stress.journal import Journal, sound_lines
from harness.stress.keeping import Kept
from harness.stress.plans import dump_plan, plan_id
from harness.stress.records import Breakdown, RoundRecord, RunHeader, Stress
from harness.stress.signs import broke_sign, hashed
from harness.stress.tally import InOrder, Tally, sequence
from harness.stress.work import FIRST, Task, start

__all__ = ["Engine", "differences"]

_KILLS_MAX = 3
"""Times that a round is begun again whose worker somebody killed."""


class Engine:
    """One stress run, or what is left of it.

    Args:
        stress: What to run.

    Attributes:
        tally: What has been done.
        resumed: Rounds that an earlier process of this run had done.
        shrinking: Causes still to be shrunk.

    Raises:
        UsageError: The directory holds another run, or somebody is running this one.
    """

    def __init__(self, stress: Stress) -> None:
        self.stress = stress
        self.tally = Tally()
        self.kept = Kept(stress.directory)
        self.resumed = 0
        self.shrinking = 0
        self.lately: set[str] = set()
        self._done: set[str] = set()
        self._order = InOrder(self.tally, sequence(stress))
        self._again: list[str] = []
        self._deaths: dict[str, list[Death]] = {}
        self._before = 0.0
        self._began = time.monotonic()
        self._stopping = False
        try:
            Path(stress.directory).parent.mkdir(parents=True, exist_ok=True)
            self._journal = Journal(stress.directory)
        except BlockingIOError:
            raise UsageError(
                f"{stress.directory}: this run is going on already; wait for it, or give another "
                "directory with --report"
            ) from None
        except OSError as error:
            raise UsageError(
                f"{stress.directory}: cannot be written: {error.strerror}; give another directory "
                "with --report"
            ) from None
        try:
            self._read()
            self.kept.prepare()
        except BaseException:
            self._journal.close()
            raise

    def _read(self) -> None:
        header = self.stress.header
        lines = self._journal.lines()
        first = next(lines, None)
        if first is None:
            self._journal.append(msgspec.json.encode(header))
            return
        known = header_of(first, self.stress.directory)
        told = differences(known, header)
        if told:
            raise UsageError(
                f"{self.stress.directory} holds another run: {told}; give another directory with "
                "--report, or remove it"
            )
        for line in lines:
            record = msgspec.json.decode(line, type=RoundRecord)
            if record.key not in self._done:
                self._done.add(record.key)
                self._order.add(record)
                self._before = max(self._before, record.at)
                self.resumed += 1

    # -- running -------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Wall seconds of this run, earlier processes included."""
        return self._before + time.monotonic() - self._began

    def stop(self) -> None:
        """Begin no more rounds."""
        self._stopping = True

    def pool(self) -> Pool:
        """Make the workers."""
        stress = self.stress
        return Pool(
            stress.workers,
            start,
            stress.bare,
            silence_seconds=stress.silence_seconds,
            recycle=stress.recycle,
            memory_bytes=stress.memory_bytes,
            mute=True,
        )

    def run(self, pool: Pool, told: Callable[[Event | None], None]) -> None:
        """Do rounds until the time, or their number, is up; then shrink.

        Args:
            pool: The workers.
            told: Called after each event, and about once a second without one.

        Raises:
            BaselineError: The subject misbehaves without any fault, from the very first write.
        """
        if not self._done:
            self._try_first(pool)
        keys = sequence(self.stress)

        def feed() -> Task | None:
            if self._again:
                return "round", self._again.pop(0)
            if self._stopping or self._over():
                return None
            key = next((one for one in keys if one not in self._done), None)
            return None if key is None else ("round", key)

        for event in pool.run(feed, lambda: told(None)):
            self._take(event)
            told(event)
        self._order.flush(self.stress)
        self.kept.tidy()

    def _over(self) -> bool:
        return self.stress.seconds is not None and self.elapsed > self.stress.seconds

    def _try_first(self, pool: Pool) -> None:
        tasks = [FIRST]
        for event in pool.run(lambda: tasks.pop() if tasks else None):
            if isinstance(event.value, BaselineError):
                raise event.value
            if event.kind == "died":
                raise BaselineError(
                    f"subject {self.stress.plan.subject}: with no fault injected, a first write "
                    f"ended its process: {event.value.detail}"
                )

    def _take(self, event: Event) -> None:
        key = event.task[1]
        if event.kind == "said":
            self._found(event.value)
            return
        if event.kind == "done":
            record: RoundRecord = event.value
            deaths = self._deaths.pop(key, [])
            seen = [one for one in deaths if one.kind != "killed"]
            if seen and record.broke is None:
                # Once and not again: said all the same, though it proves nothing.
                record.broke = Breakdown(seen[0].kind, seen[0].detail, "1/2")
            self.finish(record)
            return
        death: Death = event.value
        deaths = self._deaths.setdefault(key, [])
        deaths.append(death)
        ours = [one for one in deaths if one.kind == death.kind]
        enough = _KILLS_MAX if death.kind == "killed" else 2
        if len(ours) < enough:
            self._again.append(key)
            return
        del self._deaths[key]
        plan = self.stress.drawn(key)
        self.finish(
            RoundRecord(
                key=key,
                plan=plan_id(plan),
                features=list(plan.features),
                signs=[hashed(broke_sign(death.kind))],
                broke=Breakdown(death.kind, death.detail, f"{len(ours)}/{len(deaths)}"),
            )
        )

    def _found(self, name: str) -> None:
        if name not in self.lately:
            self.lately.add(name)
            best = self.kept.found().get(name)
            if best is not None:
                self.kept.reproduction(best.candidate)

    def finish(self, record: RoundRecord) -> None:
        """Count a round as done: its line is durable first."""
        record.at = round(self.elapsed, 3)
        if record.broke is not None:
            self.kept.plan(record.key, dump_plan(self.stress.drawn(record.key)))
        try:
            self._journal.append(msgspec.json.encode(record))
        except OSError as error:
            raise UsageError(
                f"{self._journal.path}: cannot be written: {error.strerror}; make room and start "
                "again: nothing is lost"
            ) from None
        self._done.add(record.key)
        self._order.add(record)

    # -- shrinking -----------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """Give the causes found, the worst first, each with all its counts."""
        found = self.kept.found()
        causes = []
        for name, counts in self.tally.found.items():
            if name not in found:
                raise InternalError(f"{self.stress.directory}: the case of {name} is gone")
            one = found[name].candidate
            one.profiles = dict(counts)
            causes.append(one)
        return ranked(causes)

    def settle(self, pool: Pool, told: Callable[[Event | None], None]) -> list[Settled]:
        """Shrink and replay what was found, in the order it is reported."""
        causes = self.candidates()
        known = {one.id: self.kept.settled(one) for one in causes}
        waiting = [one for one in causes if known[one.id] is None]
        by_id = {one.id: one for one in causes}
        self.shrinking = len(waiting)

        def feed() -> Task | None:
            return ("settle", waiting.pop(0)) if waiting else None

        for event in pool.run(feed, lambda: told(None)):
            if event.kind == "said":
                continue
            one: Candidate = by_id[event.task[1].id]
            if event.kind == "done":
                settled: Settled = event.value
                self.kept.settle(one, settled)
            else:
                settled = Settled(one, 0)  # it ends the process that shrinks it: shown as found
                self.kept.reproduction(one)
            known[one.id] = settled
            self.shrinking -= 1
            told(event)
        result = []
        for one in causes:
            settled = known[one.id] or Settled(one, 0)
            settled.candidate.profiles = dict(one.profiles)
            result.append(settled)
        return result

    def close(self) -> None:
        """Let go of the directory."""
        self._journal.close()


def header_of(line: bytes, where: str) -> RunHeader:
    """Read the first line of a journal.

    Raises:
        UsageError: It is none.
    """
    try:
        return msgspec.json.decode(line, type=RunHeader)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{where}: not the journal of a stress run: {error}") from None


def differences(one: RunHeader, other: RunHeader, *, shards: bool = True) -> str:
    """Name what keeps two runs from being one; nothing if nothing does."""
    told = []
    for name in ("version", "subject", "seed", "fingerprint", "profiles", "judged", "corpus"):
        first, second = getattr(one, name), getattr(other, name)
        if first != second:
            what = "the subject's source (fingerprint)" if name == "fingerprint" else name
            told.append(f"{what} {_shown(first)} there, {_shown(second)} here")
    if not told and one.plan_hash != other.plan_hash:
        told.append(f"plan {one.plan_hash} there, {other.plan_hash} here")
    if shards and one.shard != other.shard:
        told.append(f"shard {one.shard or 'none'} there, {other.shard or 'none'} here")
    return "; ".join(told)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} ({', '.join(map(str, value[:3]))}{', ...' if len(value) > 3 else ''})"  # noqa: PLR2004
    return str(value)


def records_of(directory: str) -> Iterator[bytes]:
    """Read the lines of a journal without opening it for writing.

    Raises:
        UsageError: There is none.
    """
    path = Path(directory) / "journal.jsonl"
    if not path.is_file():
        raise UsageError(f"{directory}: no journal.jsonl there; give the --report DIR of a run")
    return sound_lines(str(path))
