"""Recovery: open the subject on an image, read everything back, use it, and open it again.

What a store shows is taken down once for each distinct image; which crash left the image, and what
the store may show then, is the oracle's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from harness.disk import Hooks, Machine, Process, Wait
from harness.errors import CallLimitExceeded, Hung, InternalError, SimulationError
from harness.history import DIRECTORY
from harness.image import BootSource
from harness.intercept import active
from harness.ops import Workload
from harness.quiet import bury
from harness.record import Recorder
from harness.reuse import Asked, Trie, translated
from harness.subjects import Outcome, Raised, Session, Subject
from harness.trace import Record
from harness.watch import watched

__all__ = [
    "FOLLOW_LONG",
    "FOLLOW_SHORT",
    "RESTART",
    "FollowUp",
    "Observation",
    "Prober",
    "Reading",
    "follow_values",
]

T = TypeVar("T")

CALLS_MAX: Final = 200_000
"""System calls that one recovery may make before it counts as never returning."""

CALLS_MAX_LATER: Final = 4_000
"""The same, once two recoveries of a subject have not returned: the point is made."""

RESTART: Final = 1_000_003
"""Added to a run's seed for the machine it restarts on."""

CHECKED_EVERY: Final = 1_000
"""Of so many recoveries that another one stands for, one is run all the same, and compared."""

_ENDLESS_MAX: Final = 2
_endless: Final[Counter[str]] = Counter()

FOLLOW_SHORT: Final = b"\x01follow-up"
FOLLOW_LONG: Final = b"\x02a longer follow-up, over one sector. " * 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What an open store shows.

    Attributes:
        opened: What opening raised, or None.
        names: What list gave, or what it raised.
        values: What reading each key gave: the workload's keys, and any other that was listed.
    """

    opened: Raised | None
    names: tuple[str, ...] | Raised = ()
    values: dict[str, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What a recovered store did when it was used.

    Attributes:
        again: A second recovery, the process having died after the first.
        wrote: Each follow-up write: key, value, and what it raised.
        back: Reading each of those keys back at once.
        closed: What the clean shutdown raised.
        later: The store opened once more after it.
    """

    again: Reading
    wrote: tuple[tuple[str, bytes, Raised | None], ...] = ()
    back: dict[str, Outcome] = field(default_factory=dict)
    closed: Raised | None = None
    later: Reading | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one image led to, and every image that answers alike.

    Attributes:
        number: Different for different observations of one prober.
        first: What the first recovery showed.
        records: What the first recovery changed on disk, inodes numbered by `harness.reuse.Asked`.
        follow: The follow-up, where it was asked for.
    """

    number: int
    first: Reading
    records: list[Record]
    follow: FollowUp | None = None

    def agrees(self, other: Observation) -> bool:
        """Tell whether another run of the same came to the same."""
        return (self.first, self.records, self.follow) == (other.first, other.records, other.follow)


class _Light(Hooks):
    """Keeps what a recovery changes, without asking which line did."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.recording = True

    def record(self, record: Record) -> None:
        if self.recording:
            record.i = len(self.records) + 1
            self.records.append(record)

    def blocked(self, process: Process, wait: Wait) -> None:
        # Everybody else is dead or done: the store waits for ever.
        raise Hung(f"process {process.number} waits for ever for {wait}")


class Prober:
    """Recovers images through one subject.

    Args:
        subject: The store.
        keys: The keys to read, of the workload.
        seed: Of the simulated machines.
        follow: Whether to use the store after it recovered.
        writes: What to write to it then: a short value, and a long one.
        reuse: Whether an image that answers as an earlier one did is taken to lead to the same.

    Attributes:
        executed: Recoveries run.
        reused: Recoveries that another one stood for.
        reusing: Whether that is still done; see `harness.reuse`.
        distrust: Why not, where the subject turned out not to be a function of its disk.
    """

    def __init__(
        self,
        subject: Subject,
        keys: tuple[str, ...],
        *,
        seed: int = 0,
        follow: bool = True,
        reuse: bool = True,
        writes: tuple[bytes, bytes] = (FOLLOW_SHORT, FOLLOW_LONG),
    ) -> None:
        self._subject = subject
        self._keys = keys
        self._writes = writes
        self._seed = seed
        self._follow = follow
        self._trie: Trie[Observation] = Trie()
        self._number = 0
        self.executed = self.reused = 0
        self.reusing = reuse
        self.distrust: str | None = None

    def probe(self, source: BootSource) -> Observation:
        """Recover one image and take down what it shows, or know it already.

        Raises:
            SimulationError: The store did something the simulated machine cannot stand in for.
        """
        return self.numbered(source)[0]

    def numbered(self, source: BootSource) -> tuple[Observation, Asked]:
        """As `probe`, for one who needs the records.

        Returns:
            The observation, and the numbering of inodes that its records use.

        Raises:
            SimulationError: The store did something the simulated machine cannot stand in for.
        """
        asked = Asked(source)
        if self.reusing:
            found = self._trie.find(asked)
            if found is not None:
                self.reuse(found, source)
                return found, asked
            # Its questions are noted afresh, to be held against those that led here.
            asked = Asked(asked)
        observation = self._run(asked)
        if self.reusing and not self._trie.add(asked.notes, observation):
            self._stop(
                "two recoveries that got the same answers from the disk asked it "
                "different questions"
            )
        return observation, asked

    def reuse(self, found: Observation, source: BootSource) -> None:
        """Count an observation that stands for the recovery of another image.

        Every so often that recovery is run all the same, and must show what was expected.
        """
        self.reused += 1
        if self.reused % CHECKED_EVERY == 0 and not self._run(Asked(source)).agrees(found):
            self._stop(
                "a recovery run again on a disk that gave the same answers came to something else"
            )

    def _stop(self, why: str) -> None:
        self.reusing = False
        self.distrust = f"{why}: the store is not deterministic, so every crash state was run"

    def _run(self, asked: Asked) -> Observation:
        self.executed += 1
        self._number += 1
        hooks = _Light()
        machine = Machine(asked, seed=self._seed, hooks=hooks, call_limit=self._calls_max())
        follow = None
        with watched():
            process = machine.process()
            with active(process):
                first, session = self._recover()
                process.kill()
                del session  # what its finalizer does, it does as a dead process
            # Only what the first recovery changes is of interest: the rest runs unwatched, but
            # for a store that waits for ever.
            hooks.recording = False
            if self._follow and first.opened is None:
                follow = self._use(machine)
        bury()
        return Observation(self._number, first, hooks.records, follow)

    def records(self, source: BootSource) -> list[Record]:
        """Recover an image once more, asking which source line makes each call.

        Returns:
            What the recovery changed, inodes numbered as in the image.
        """
        recorder, asked = Recorder(self._subject.files), Asked(source)
        machine = Machine(asked, seed=self._seed, hooks=recorder, call_limit=self._calls_max())
        with watched(), active(machine.process()):
            self._recover()
        return translated(recorder.records, asked, source.first_free())

    def _attempt(self, call: Callable[..., T], *arguments: object) -> T | Raised:
        """Call the subject; an exception is an outcome."""
        try:
            return call(*arguments)
        except (InternalError, SimulationError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit() is an outcome, too
            if isinstance(error, CallLimitExceeded):
                _endless[self._subject.name] += 1
            return self._subject.raised(error)

    def _calls_max(self) -> int:
        return CALLS_MAX if _endless[self._subject.name] < _ENDLESS_MAX else CALLS_MAX_LATER

    def _recover(self) -> tuple[Reading, Session | None]:
        """Open, list and read everything in the active process."""
        subject = self._subject
        session = self._attempt(subject.open, DIRECTORY)
        if isinstance(session, Raised):
            return Reading(session), None
        names = self._attempt(lambda: _names(session))
        keys = self._keys
        if not isinstance(names, Raised):
            keys += tuple(name for name in dict.fromkeys(names) if name not in keys)
        values = {key: self._attempt(subject.read, session, key) for key in keys}
        return Reading(None, names, values), session

    def _use(self, machine: Machine) -> FollowUp:
        """Recover again after a kill, write, read back, shut down, open once more."""
        process = machine.process()
        short, long = self._writes
        writes = [(self._keys[0], short)] if self._keys else []
        if len(self._keys) > 1:
            writes.append((self._keys[-1], long))
        with active(process):
            again, session = self._recover()
            if session is None:
                return FollowUp(again)
            wrote = tuple(
                (key, value, self._attempt(session.write, key, value)) for key, value in writes
            )
            back = {key: self._attempt(self._subject.read, session, key) for key, _ in writes}
            closed = self._attempt(session.close)
            process.exit()
            process.kill()
            del session
        last = machine.process()
        with active(last):
            later, session = self._recover()
            last.kill()
            del session
        return FollowUp(again, wrote, back, closed, later)


def follow_values(subject: Subject, workload: Workload) -> tuple[bytes, bytes]:
    """Give what to write after a recovery: a short value and a long one.

    A store that declares which values it accepts gets its own: the first and the last written.
    """
    values = [op.value for op in (*workload.setup, *workload.operations) if op.value is not None]
    if subject.values is None or not values:
        return FOLLOW_SHORT, FOLLOW_LONG
    return values[0], values[-1]


def _names(session: Session) -> tuple[str, ...]:
    names = tuple(session.list())
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"list names {name!r}, which is no str")
    return names
