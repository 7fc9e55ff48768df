"""One finding about a race again: the same steps in the same order, the same losses."""

from __future__ import annotations

from harness.errors import UsageError
from harness.finding import TURNS_COUNTED, Raced, Reproduction, image_hash, state_of, trace_hash
from harness.history import Recording
from harness.isolation.crashing import examination_of, judge_both, recover_again
from harness.isolation.holding import Holding
from harness.isolation.races import Race, race_of
from harness.isolation.racing import HELD, prepared, violations_of
from harness.isolation.runs import Failing
from harness.isolation.staging import run_race
from harness.ops import Operation
from harness.oracle import Violation
from harness.persistence import Model
from harness.recovery import Prober
from harness.report import OperationRecord
from harness.schedule import Schedule
from harness.subjects import Subject

__all__ = ["failing_of", "race_again", "race_in", "schedule_of"]


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
    raced = reproduction.race
    assert raced is not None
    race = race_in(reproduction)
    base, initial = prepared(subject, race, seed=reproduction.seed)
    run = run_race(
        subject,
        race,
        base,
        schedule_of(raced.schedule),
        seed=reproduction.seed,
        failing=failing_of(raced),
    )
    if trace_hash(run.records) != reproduction.trace:
        return None
    if reproduction.guarantee == HELD:
        holding = Holding(subject, race, base, reproduction.seed)
        return [leak.violation for leak in holding.leaks(run)]
    if not raced.cut:
        return violations_of(run, initial)[0]
    recording = Recording(subject, race, base, initial, run.records, [], reproduction.seed)
    prober = Prober(subject, race.keys, seed=reproduction.seed, follow=False)
    examination = examination_of(recording, run, model, prober, budget=20_000, durable=durable)
    state = state_of(examination.explorer, reproduction.crash)
    if state is None:
        return None
    image = examination.explorer.image(state)
    if raced.recovering is not None:
        first, _ = examination.span(state)
        both = recover_again(recording, image, schedule_of(raced.recovering))
        return judge_both(both, {key: examination.allowed(first, key) for key in race.keys})
    if image_hash(image.files(), image.dirs(), image.symlinks()) != reproduction.image:
        return None
    return list(examination.violations(state, examination.observe(state)))


def schedule_of(text: str) -> Schedule:
    """Read a reproduction's schedule.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return Schedule.parse(text)
    except UsageError as error:
        raise UsageError(f"the reproduction's schedule cannot be read: {error}") from None


def failing_of(raced: Raced) -> Failing | None:
    """Give the call of a race that fails, if one does."""
    if raced.failing is None:
        return None
    return Failing(ord(raced.failing[0]) - ord("A"), raced.failing[1])
