"""The corpus: plans worth running again, in a directory that is fit to be committed.

A round is worth keeping when it found a cause, or when it saw something that no round before it
had: two kinds of system call in a row, a fault and what came of it, what a recovery showed, what it
changed on disk. That is a set of signs for each round; a small set of plans that has all signs is
kept (greedily, the one with most new signs first: Chvatal, A greedy heuristic for the set-covering
problem, 1979), so the corpus grows with what there is to see, not with time. Each is made smaller
first (`harness.stress.smaller`), until nothing can go without losing what it is kept for.

Files are ``<id>.plan.json``, a step a line, named by their content: two people who find the same
commit the same file. A file that is not understood is never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.report import write_atomically
from harness.stress.plans import RoundPlan, dump_plan, load_plan, plan_cost, plan_id, portable
from harness.stress.records import Stress
from harness.stress.tally import Tally

__all__ = ["Choice", "chosen_of", "corpus_of", "cover", "load_corpus", "save_corpus"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A round that a corpus keeps.

    Attributes:
        key: Of the round.
        wanted: Signs that it is kept for.
    """

    key: str
    wanted: frozenset[int]


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
        if plan.subject == portable(subject):
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


def cover(rounds: list[tuple[str, list[int], int]], seen: Iterable[int] = ()) -> list[Choice]:
    """Choose few rounds that together saw all that all of them did.

    Args:
        rounds: Key, signs and cost of each.
        seen: Signs that nobody has to see any more.

    Returns:
        The rounds, in the order chosen.
    """
    missing = {sign for _, signs, _ in rounds for sign in signs}.difference(seen)
    left = [(key, set(signs), cost) for key, signs, cost in rounds]
    chosen = []
    while missing:
        key, signs, _ = max(left, key=lambda one: (len(one[1] & missing), -one[2], one[0]))
        chosen.append(Choice(key, frozenset(signs & missing)))
        missing -= signs
        left = [one for one in left if one[0] != key]
    return chosen


def chosen_of(stress: Stress, tally: Tally) -> tuple[list[Choice], list[Choice]]:
    """Choose what a corpus keeps of a run.

    What is in it already stays while it is of any use: a corpus that is committed changes by what
    is new, not by what another round happens to see as well.

    Args:
        stress: The run.
        tally: What it came to.

    Returns:
        Plans of the corpus that stay, and rounds that are new to it.
    """

    def priced(*, old: bool) -> list[tuple[str, list[int], int]]:
        return [
            (key, signs, plan_cost(stress.drawn(key)))
            for key, signs in tally.new
            if key.startswith("corpus:") is old
        ]

    old = priced(old=True)
    staying = cover(old)
    return staying, cover(priced(old=False), {sign for _, signs, _ in old for sign in signs})


def save_corpus(
    directory: Path, stress: Stress, tally: Tally, small: Mapping[str, RoundPlan]
) -> list[str]:
    """Put the plans worth keeping into a corpus, and take out those they stand for.

    Args:
        directory: The corpus; made if absent.
        stress: The run.
        tally: What it came to.
        small: What the rounds that are new to it were made smaller to, by key.

    Returns:
        Names of the files there now that this run knows.

    Raises:
        UsageError: It cannot be written to.
    """
    staying, _ = chosen_of(stress, tally)
    keep = {one.key for one in staying}
    plans = {f"corpus:{plan_id(plan)}": plan for plan in stress.corpus}
    all_run = tally.corpus >= len(plans)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"corpus {str(directory)!r}: cannot be made: {error.strerror}") from None
    names = set()
    for plan in small.values():
        names.add(_name(plan))
        path = directory / _name(plan)
        data = dump_plan(plan)
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)
    for key, plan in plans.items():
        # Only what this run was given, ran, and found superfluous: another one may have added its
        # own. What once found something stays, mended or not: that it comes back is what to know.
        if key in keep or isinstance(plan.found, list) or not all_run:
            names.add(_name(plan))
        elif _name(plan) not in names:
            (directory / _name(plan)).unlink(missing_ok=True)
    return sorted(names)


def _name(plan: RoundPlan) -> str:
    return f"{plan_id(plan)}.plan.json"
