"""The corpus: plans worth running again, in a directory that is fit to be committed.

A round is worth keeping when it found a cause, or when it saw something that no round before it
had: two kinds of system call in a row, a fault and what came of it, what a recovery showed, what it
changed on disk. That is a set of signs for each round; a small set of plans that has all signs is
kept (greedily, the one with most new signs first: Chvatal, A greedy heuristic for the set-covering
problem, 1979), so the corpus grows with what there is to see, not with time.

Files are ``<id>.plan.json``, a step a line, named by their content: two people who find the same
commit the same file. A file that is not understood is never removed.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.report import write_atomically
from harness.stress.plans import RoundPlan, dump_plan, load_plan, plan_cost, plan_id
from harness.stress.records import Stress
from harness.stress.tally import Tally

__all__ = ["corpus_of", "cover", "load_corpus", "save_corpus"]


def load_corpus(directory: Path, subject: str) -> tuple[tuple[RoundPlan, ...], int]:
    """Read a corpus.

    Args:
        directory: Where it is; one that is not there is empty.
        subject: Plans drawn for another store are left alone.

    Returns:
        The plans, sorted by name, and how many were for other stores.

    Raises:
        UsageError: A file is no plan of a version known here.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"corpus {str(directory)!r}: not a directory; give another with --corpus")
    found: dict[str, RoundPlan] = {}
    others = 0
    for path in sorted(directory.glob("*.plan.json")):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        plan = load_plan(data, str(path))
        if plan.subject == subject:
            found[plan_id(plan)] = plan
        else:
            others += 1
    return tuple(found[name] for name in sorted(found)), others


def corpus_of(run: Path, directory: Path | None, subject: str) -> tuple[tuple[RoundPlan, ...], int]:
    """Give the plans a run begins with: those it once began with, where it is resumed.

    Args:
        run: Where the run is kept; the plans are copied there before its first round.
        directory: The corpus; None for none.
        subject: As in `load_corpus`.

    Returns:
        As `load_corpus`.
    """
    copy = run / "corpus"
    if (run / "journal.jsonl").exists():
        return load_corpus(copy, subject)
    plans, others = ((), 0) if directory is None else load_corpus(directory, subject)
    if plans:
        copy.mkdir(parents=True, exist_ok=True)
        for plan in plans:
            write_atomically(copy / f"{plan_id(plan)}.plan.json", dump_plan(plan))
    return plans, others


def cover(rounds: list[tuple[str, list[int], int]]) -> list[str]:
    """Choose few rounds that together saw all that all of them did.

    Args:
        rounds: Key, signs and cost of each.

    Returns:
        Keys, in the order chosen.
    """
    missing = {sign for _, signs, _ in rounds for sign in signs}
    left = [(key, set(signs), cost) for key, signs, cost in rounds]
    chosen = []
    while missing:
        key, signs, _ = max(left, key=lambda one: (len(one[1] & missing), -one[2], one[0]))
        chosen.append(key)
        missing -= signs
        left = [one for one in left if one[0] != key]
    return chosen


def save_corpus(directory: Path, stress: Stress, tally: Tally) -> list[str]:
    """Put the plans worth keeping into a corpus, and take out those they stand for.

    Args:
        directory: The corpus; made if absent.
        stress: The run.
        tally: What it came to.

    Returns:
        Names of the files there now that this run knows.

    Raises:
        UsageError: It cannot be written to.
    """
    plans = {key: stress.drawn(key) for key, _ in tally.new}
    chosen = cover([(key, signs, plan_cost(plans[key])) for key, signs in tally.new])
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"corpus {str(directory)!r}: cannot be made: {error.strerror}") from None
    names = []
    for key in chosen:
        name = f"{plan_id(plans[key])}.plan.json"
        names.append(name)
        path = directory / name
        data = dump_plan(plans[key])
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)
    # Only what this run was given and found superfluous: another one may have added its own.
    for plan in stress.corpus:
        name = f"{plan_id(plan)}.plan.json"
        if name not in names and f"corpus:{plan_id(plan)}" in _run(tally, stress):
            (directory / name).unlink(missing_ok=True)
    return sorted(names)


def _run(tally: Tally, stress: Stress) -> set[str]:
    """Keys of corpus plans that were run: all of them, or none can be missed."""
    if tally.corpus < len(stress.corpus):
        return set()
    return {f"corpus:{plan_id(plan)}" for plan in stress.corpus}
