"""One finding about a race again: the same steps in the same order, the same losses."""

from __future__ import annotations

from harness.errors import UsageError
from harness.finding import TURNS_COUNTED, Raced, Reproduction, image_hash, state_of, trace_hash
from harness.history import Recording
from harness.image import Image
from harness.isolation.crashing import (
    RacedExamination,
    examination_of,
    judge_both,
    recover_again,
)
from harness.isolation.holding import Holding
from harness.isolation.races import Race, race_of
from harness.isolation.racing import HELD, prepared, violations_of
from harness.isolation.runs import Failing, Run
from harness.isolation.staging import run_race
from harness.ops import Operation
from harness.persistence import Model
from harness.recovery import Prober
from harness.report import OperationRecord
from harness.schedule import Schedule
from harness.subjects import Subject
from harness.violation import Violation

__all__ = ["Again", "race_again", "race_in"]


def race_in(reproduction: Reproduction) -> Race:
    """Give the race of a reproduction.

    Raises:
        UsageError: Its schedule's turns are counted as another version of the harness did.
    """
    raced = reproduction.race
    assert raced is not None
    if raced.counting != TURNS_COUNTED:
        raise UsageError(
            f"the reproduction's schedule counts turns in another way (number {raced.counting}; "
            f"this version's is {TURNS_COUNTED}), so it would lead elsewhere: check the subject "
            "again for a new one"
        )
    return race_of(
        "replay",
        raced.mode,
        [[_operation(record) for record in writer] for writer in raced.writers],
        reproduction.workload().setup,
        lists=any(record.op == "list" for writer in raced.writers for record in writer)
        or reproduction.kind in ("stray", "ghost", "unlisted"),
    )


def _operation(record: OperationRecord) -> Operation:
    return Operation(record.op, record.key, record.value)  # type: ignore[arg-type]


class Again:
    """A race run once more, by its schedule.

    Args:
        subject: The store.
        reproduction: The finding.

    Attributes:
        raced: What the reproduction says of it.
        race: The race.
        run: The run.
        recording: The same, as what judges crashes has it.

    Raises:
        UsageError: What it says of its schedule cannot be read.
    """

    def __init__(self, subject: Subject, reproduction: Reproduction) -> None:
        assert reproduction.race is not None
        self.raced, seed = reproduction.race, reproduction.seed
        self.race = race = race_in(reproduction)
        base, initial = prepared(subject, race, seed=seed)
        schedule, failing = _schedule_of(self.raced.schedule), _failing_of(self.raced)
        self.run = run_race(subject, race, base, schedule, seed=seed, failing=failing)
        self.recording = Recording(subject, race, base, initial, self.run.records, [], seed)

    def examination(self, model: Model, *, durable: bool = True) -> RacedExamination:
        """Give what judges the crash states of the run.

        Args:
            model: The persistence model.
            durable: Whether what returned has to survive.
        """
        one = self.recording
        prober = Prober(one.subject, one.workload.keys, seed=one.seed, follow=False)
        return examination_of(one, self.run, model, prober, budget=20_000, durable=durable)

    def recovered(self, image: Image) -> Run:
        """Let two processes recover from an image at once, as the finding has it."""
        assert self.raced.recovering is not None
        return recover_again(self.recording, image, _schedule_of(self.raced.recovering))


def race_again(
    subject: Subject, reproduction: Reproduction, model: Model, *, durable: bool
) -> list[Violation] | None:
    """Run a race once more, exactly; None where the store makes other calls than it did.

    Args:
        subject: The store.
        reproduction: The finding.
        model: The persistence model.
        durable: Whether what returned has to survive.

    Raises:
        UsageError: What it says of its schedule cannot be read.
    """
    again = Again(subject, reproduction)
    if trace_hash(again.run.records) != reproduction.trace:
        return None
    if reproduction.guarantee == HELD:
        holding = Holding(subject, again.race, again.recording.base, reproduction.seed)
        return [leak.violation for leak in holding.leaks(again.run)]
    if not again.raced.cut:
        return violations_of(again.run, again.recording.initial)[0]
    examination = again.examination(model, durable=durable)
    state = state_of(examination.explorer, reproduction.crash)
    if state is None:
        return None
    image = examination.explorer.image(state)
    if again.raced.recovering is not None:
        first, _ = examination.span(state)
        keys = again.recording.workload.keys
        return judge_both(
            again.recovered(image), {key: examination.allowed(first, key) for key in keys}
        )
    if image_hash(image.files(), image.dirs(), image.symlinks()) != reproduction.image:
        return None
    return list(examination.violations(state, examination.observe(state)))


def _schedule_of(text: str) -> Schedule:
    """Read a reproduction's schedule.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return Schedule.parse(text)
    except UsageError as error:
        raise UsageError(f"the reproduction's schedule cannot be read: {error}") from None


def _failing_of(raced: Raced) -> Failing | None:
    """Give the call of a race that fails, if one does."""
    if raced.failing is None:
        return None
    return Failing(ord(raced.failing[0]) - ord("A"), raced.failing[1])
