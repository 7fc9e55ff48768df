"""Recovery: open the subject on an image, read everything back, use it, and open it again.

What a store shows is taken down once for each distinct image; which crash left the image, and what
the store may show then, is the oracle's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from harness.disk import Hooks, Machine, Process, Wait
from harness.errors import CallLimitExceeded, HarnessError, Hung, SimulationError
from harness.history import DIRECTORY
from harness.image import Image
from harness.intercept import active
from harness.quiet import bury
from harness.record import Recorder
from harness.subjects import Outcome, Raised, Session, Subject
from harness.trace import Record
from harness.watch import watched

__all__ = ["FOLLOW_LONG", "FOLLOW_SHORT", "RESTART", "FollowUp", "Observation", "Prober", "Reading"]

T = TypeVar("T")

CALLS_MAX: Final = 200_000
"""System calls that one recovery may make before it counts as never returning."""

RESTART: Final = 1_000_003
"""Added to a run's seed for the machine it restarts on."""

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


@dataclass(slots=True)
class Observation:
    """Everything that one image led to.

    Attributes:
        image: The image.
        first: What the first recovery showed.
        records: What the first recovery changed on disk.
        follow: The follow-up, where it was asked for.
    """

    image: Image
    first: Reading
    records: list[Record]
    follow: FollowUp | None = None


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

    Attributes:
        executed: Recoveries run.
    """

    def __init__(
        self, subject: Subject, keys: tuple[str, ...], *, seed: int = 0, follow: bool = True
    ) -> None:
        self._subject = subject
        self._keys = keys
        # Not the recorded run's: a restarted process draws other temporary names than the one
        # that crashed, and must not stumble over its own leftovers.
        self._seed = seed + RESTART
        self._follow = follow
        self.executed = 0

    def probe(self, image: Image) -> Observation:
        """Recover one image and take down what it shows.

        Raises:
            SimulationError: The store did something the simulated machine cannot stand in for.
        """
        self.executed += 1
        hooks = _Light()
        machine = Machine(image, seed=self._seed, hooks=hooks, call_limit=CALLS_MAX)
        with watched():
            process = machine.process()
            with active(process):
                first, session = self._recover()
                process.kill()
                del session  # what its finalizer does, it does as a dead process
            hooks.recording = False
            found = Observation(image, first, hooks.records)
            if self._follow and first.opened is None:
                found.follow = self._use(machine)
        bury()
        return found

    def records(self, image: Image) -> list[Record]:
        """Recover an image once more, asking which source line makes each call."""
        recorder = Recorder(self._subject.files)
        machine = Machine(image, seed=self._seed, hooks=recorder, call_limit=CALLS_MAX)
        with watched(), active(machine.process()):
            self._recover()
        return recorder.records

    def _attempt(self, call: Callable[..., T], *arguments: object) -> T | Raised:
        """Call the subject; an exception is an outcome."""
        try:
            return call(*arguments)
        except (HarnessError, SimulationError):
            raise
        except (Exception, CallLimitExceeded, Hung) as error:  # noqa: BLE001 - any is an outcome
            return self._subject.raised(error)

    def _recover(self) -> tuple[Reading, Session | None]:
        """Open, list and read everything in the active process."""
        subject = self._subject
        session = self._attempt(subject.open, DIRECTORY)
        if isinstance(session, Raised):
            return Reading(session), None
        names = self._attempt(lambda: tuple(session.list()))
        keys = self._keys
        if not isinstance(names, Raised):
            keys += tuple(name for name in dict.fromkeys(names) if name not in keys)
        values = {key: self._attempt(subject.read, session, key) for key in keys}
        return Reading(None, names, values), session

    def _use(self, machine: Machine) -> FollowUp:
        """Recover again after a kill, write, read back, shut down, open once more."""
        process = machine.process()
        writes = [(self._keys[0], FOLLOW_SHORT)] if self._keys else []
        if len(self._keys) > 1:
            writes.append((self._keys[-1], FOLLOW_LONG))
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
