"""Joining the shards of a stress run: their journals are one journal, their causes one set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.finding import Candidate
from harness.merging import check_shards
from harness.partial import Found, Settled
from harness.settling import ranked
from harness.stress.engine import differences, header_of, records_of
from harness.stress.keeping import Kept
from harness.stress.records import RoundRecord, RunHeader, StressReport
from harness.stress.report import made
from harness.stress.tally import Tally

__all__ = ["Joined", "is_stress", "join"]


@dataclass(frozen=True)
class Joined:
    """The shards of one run, joined.

    Attributes:
        header: Of the whole.
        tally: All their rounds.
        causes: What they found, the worst first, with all counts.
        settled: Those of them that a shard has shrunk, by id.
        seconds: Wall time of all shards together.
    """

    header: RunHeader
    tally: Tally
    causes: list[Candidate]
    settled: dict[str, Settled]
    seconds: float

    def report(self, settled: Sequence[Settled]) -> StressReport:
        """Make the report of the whole."""
        return made(self.header, self.tally, list(settled), self.seconds)


def is_stress(directory: Path) -> bool:
    """Tell whether a directory holds a stress run."""
    return (directory / "journal.jsonl").is_file()


def join(directories: Sequence[Path]) -> Joined:
    """Join the shards of a stress run.

    Raises:
        UsageError: They are not the shards of one run.
    """
    headers: list[tuple[str, RunHeader]] = []
    records: dict[str, RoundRecord] = {}
    seconds = 0.0
    for directory in directories:
        where = str(directory)
        lines = records_of(where)
        first = next(lines, None)
        if first is None:
            raise UsageError(f"{where}: the run has not begun")
        header = header_of(first, where)
        if headers:
            told = differences(headers[0][1], header, shards=False)
            if told:
                raise UsageError(
                    f"{headers[0][0]} and {where} cannot be joined: {told}; join the shards of "
                    "one run"
                )
        headers.append((where, header))
        last = 0.0
        for line in lines:
            record = msgspec.json.decode(line, type=RoundRecord)
            records.setdefault(record.key, record)
            last = max(last, record.at)
        seconds += last
    check_shards([(where, header.shard) for where, header in headers])
    places = {f"corpus:{name}": number for number, name in enumerate(headers[0][1].corpus)}
    tally = Tally()
    for key in sorted(
        records, key=lambda key: (0, places[key]) if key in places else (1, int(key))
    ):
        tally.add(records[key])
    causes, settled = _causes(directories, tally)
    return Joined(
        msgspec.structs.replace(headers[0][1], shard=None), tally, causes, settled, seconds
    )


def _causes(
    directories: Sequence[Path], tally: Tally
) -> tuple[list[Candidate], dict[str, Settled]]:
    best: dict[str, tuple[Found, Kept]] = {}
    for directory in directories:
        kept = Kept(str(directory))
        for name, one in kept.found().items():
            known = best.get(name)
            if known is None or one.rank < known[0].rank:
                best[name] = one, kept
    causes, settled = [], {}
    for name, counts in tally.found.items():
        if name not in best:
            raise UsageError(f"the case of {name} is in none of the directories; give all of them")
        found, kept = best[name]
        cause = found.candidate
        # What it was shrunk to there counts only if no other shard saw it under more profiles.
        cause.profiles = dict(counts)
        done = kept.settled(cause)
        if done is not None:
            done.candidate.profiles = dict(counts)
            settled[name] = done
        causes.append(cause)
    return ranked(causes), settled
