"""Joining the reports of shards into the report of the whole.

A shard of a check keeps ``shard.json`` beside its report: what its units came to, in a form that
can be added up. Joined are only parts of one plan: the same version, subject, source, seed and
workloads; what differs is named. The same goes for the journals of a stress run's shards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from harness.errors import UsageError
from harness.partial import Header, Partial, Settled, joined
from harness.report import write_atomically
from harness.runner import Outcome, conclude
from harness.settling import ranked

__all__ = ["SHARD_FILE", "ShardFile", "check_shards", "load_shard", "merged", "save_shard"]

SHARD_FILE: Final = "shard.json"


class ShardFile(msgspec.Struct, kw_only=True):
    """What one shard of a check keeps for the merge."""

    schema: Literal["checkpoint-harness/shard/1"] = "checkpoint-harness/shard/1"
    header: Header
    effort: str
    units: int
    partial: Partial
    settled: list[Settled]
    seconds: float


@dataclass(frozen=True)
class Part:
    """One directory that is to be joined."""

    where: str
    header: Header
    shard: str | None


def save_shard(directory: Path, file: ShardFile) -> None:
    """Write a shard's part, durably.

    Raises:
        UsageError: It cannot be written.
    """
    write_atomically(directory / SHARD_FILE, msgspec.json.encode(file))


def load_shard(directory: Path) -> ShardFile:
    """Read a shard's part.

    Raises:
        UsageError: There is none, or it is damaged or of another version.
    """
    path = directory / SHARD_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ShardFile)
    except FileNotFoundError:
        raise UsageError(
            f"{directory}: no {SHARD_FILE} there; give the --report DIR of a run with --shard"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: not a shard's part: {error}; run that shard again") from None


def check_shards(names: Sequence[tuple[str, str | None]]) -> int:
    """Make sure that each shard is there once.

    Args:
        names: Directory and ``K/N`` of each.

    Returns:
        How many shards there are.

    Raises:
        UsageError: Some are missing, or there twice, or of different divisions.
    """
    seen: dict[int, str] = {}
    whole = 0
    for where, shard in names:
        if shard is None:
            raise UsageError(f"{where}: not a shard but a whole run; there is nothing to join")
        number, count = map(int, shard.split("/"))
        if whole and count != whole:
            raise UsageError(f"{where}: shard {shard}, but {names[0][0]} is one of {whole}")
        whole = count
        if number in seen:
            raise UsageError(f"shard {shard} is there twice: {seen[number]} and {where}")
        seen[number] = where
    missing = [f"{number}/{whole}" for number in range(1, whole + 1) if number not in seen]
    if missing:
        raise UsageError(f"shard {', '.join(missing)} is missing: run it, or give its directory")
    return whole


def differing(one: Header, other: Header, first: str, second: str) -> None:
    """Make sure that two parts are of one plan.

    Raises:
        UsageError: They are not; it names what differs.
    """
    for name in ("version", "subject", "seed", "fingerprint", "profiles", "judged", "plan_hash"):
        ours, theirs = getattr(one, name), getattr(other, name)
        if ours != theirs:
            what = {
                "fingerprint": "the subject's source (fingerprint)",
                "plan_hash": "the plan",
            }.get(name, name)
            raise UsageError(
                f"{first} and {second} cannot be joined: {what} differs: {_shown(ours)} and "
                f"{_shown(theirs)}; run the shards of one plan"
            )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def merged(
    directories: Sequence[Path], again: Callable[[ShardFile], Callable[[object], Settled]]
) -> Outcome:
    """Join the shards of a check.

    Args:
        directories: Of the shards' reports.
        again: Gives, for a shard's file, what shrinks a cause again: needed where a cause shows
            under more profiles in all shards together than in the one whose case stands for it.

    Raises:
        UsageError: They are not the shards of one plan.
    """
    parts = [(str(one), load_shard(one)) for one in directories]
    for where, part in parts[1:]:
        differing(parts[0][1].header, part.header, parts[0][0], where)
    check_shards([(where, part.header.shard) for where, part in parts])
    parts.sort(key=lambda one: int((one[1].header.shard or "1/1").split("/")[0]))
    owners = {unit: part for _, part in parts for unit in part.partial.units}
    alone = {
        (part.header.shard, one.candidate.id): (
            one,
            sorted(part.partial.found[one.candidate.id].candidate.profiles),
        )
        for _, part in parts
        for one in part.settled
        if one.candidate.id in part.partial.found
    }
    total = joined(part.partial for _, part in parts)
    settled = []
    for cause in ranked(total.candidates()):
        owner = owners[total.found[cause.id].order]
        known = alone.get((owner.header.shard, cause.id))
        if known is None or known[1] != sorted(cause.profiles):
            one = again(owner)(cause)
        else:
            one = known[0]
            one.candidate.profiles = cause.profiles
        settled.append(one)
    header = msgspec.structs.replace(parts[0][1].header, shard=None, units=parts[0][1].units)
    return conclude(header, total, settled, sum(part.seconds for _, part in parts))
