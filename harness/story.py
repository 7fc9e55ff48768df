"""A finding in a person's words: what breaks, at which line, and what would mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.chain import describe
from harness.diagnose import Site
from harness.finding import Candidate
from harness.isolation.words import race_fault, race_remedy, race_summary
from harness.report import Culprit, FindingRecord, Fix

__all__ = ["CONTENT", "finding_record"]


def finding_record(
    found: Candidate, profiles: list[str], replays: str, fix: Fix | None
) -> FindingRecord:
    """Write a finding up.

    Args:
        found: The cause and its simplest case.
        profiles: All profiles, in the order to list them.
        replays: How many replays showed it again.
        fix: The change that was proven to mend it, if one was.
    """
    reproduction = found.reproduction
    fault: dict[str, object] = {
        "kind": _fault_kind(found),
        "profile": reproduction.profile,
        "after": found.after,
        "operation": found.operation,
        "in_flight": found.in_flight,
    }
    if reproduction.kill_at is not None:
        fault["killed_after"] = reproduction.kill_at
    if reproduction.fault is not None or reproduction.rot is not None:
        fault = {
            "kind": _fault_kind(found),
            "fault": reproduction.fault or reproduction.rot,
            "operation": found.operation,
        }
    if reproduction.chain is not None:
        fault = {"kind": CHAIN, "fault": describe(reproduction.chain, found.lived)}
    if reproduction.race is not None:
        fault = race_fault(reproduction.race)
    return FindingRecord(
        id=found.id,
        guarantee=found.guarantee,
        kind=found.kind,
        profiles=[name for name in profiles if name in found.profiles],
        severity=found.severity,
        summary=summary(found),
        workload=reproduction.operations,
        fault=fault,
        lost=found.lost,
        culprit=_culprit(found.culprit),
        observed=found.observed,
        allowed=list(found.allowed),
        fix=fix
        or Fix(
            change=suggestion(found),
            verified=None,
            violations_before=sum(found.profiles.values()),
            violations_after=None,
            needs=_needs(found),
            tried=0 if found.unmended is None else found.unmended.tried,
        ),
        repro=f"{found.id}.repro.json",
        replays=replays,
        states=sum(found.profiles.values()),
        workloads=found.workloads,
        missing=_culprit(found.missing),
        accepted=_culprit(found.accepted),
    )


CHAIN: Final = "chain of faults"


def _fault_kind(found: Candidate) -> str:
    if found.reproduction.chain is not None:
        return CHAIN
    if found.reproduction.rot is not None:
        return "rot"
    if found.reproduction.fault is not None:
        if found.guarantee == "recovery":
            return "fault during recovery"
        repeated = found.guarantee == "hygiene"
        full = found.reproduction.fault.startswith("disk:")
        return "repeated fault" if repeated else "full disk" if full else "failing call"
    if found.reproduction.second is not None:
        return "crash during recovery"
    if found.reproduction.kill_at is not None:
        return "power cut after a kill"
    return "process killed" if found.reproduction.profile == "kill" else "power cut"


def _culprit(site: Site | None) -> Culprit | None:
    if site is None:
        return None
    return Culprit(
        file=site.file,
        line=site.line,
        function=site.function,
        call=site.call,
        source=site.source,
    )


def _place(site: Site) -> str:
    # The name is enough in a sentence: the finding gives the whole path beside it.
    return f"{_at(site)} {site.source.rstrip(':') or site.call}"


def _at(site: Site) -> str:
    return f"{Path(site.file).name}:{site.line}"


def _effect(found: Candidate) -> str:
    """What is seen, in a clause."""
    if found.guarantee in ("atomicity", "durability"):
        value = found.observed
        reads = value if value.startswith("raises") else f"reads as {value}"
        return f"key {found.key!r} {reads}"
    return found.observed


def summary(found: Candidate) -> str:
    """Say in one sentence what breaks and why."""
    if found.reproduction.race is not None:
        return race_summary(found, _place)
    effect, culprit = _effect(found), found.culprit
    if found.reproduction.chain is not None:
        at = "" if culprit is None else f"{_place(culprit)} is what the next recovery relies on. "
        key = "" if found.key is None else f"Key {found.key!r}: "
        return f"{at}{key}{found.observed}, with no fault any more."
    injected = found.reproduction.fault or found.reproduction.rot
    if injected is not None:
        return _injected(found, injected)
    profile = found.reproduction.profile
    when = {
        "crash during recovery": f"After a crash during recovery on {profile}",
        "power cut after a kill": f"After a kill, a recovery and a power cut on {profile}",
        "power cut": f"After power loss on {profile}",
        "process killed": "After the process is killed",
    }[_fault_kind(found)]
    if culprit is None:
        return f"{when} {effect}."
    return f"{_cause(found, culprit)} {when} {effect}."


def _cause(found: Candidate, culprit: Site) -> str:
    """Say which effects come in the wrong order, or apart, and what could have kept them together.

    Each form is chosen by what diagnosis computed, not by what kind of store it is.
    """
    place, missing = _place(culprit), found.missing
    if found.published is not None and missing is not None:
        return (
            f"{place} syncs nothing: the bytes of {_place(missing)} reach the kernel only later, "
            f"so {_place(found.published)} may reach disk before them."
        )
    if found.cause == "reordered" and missing is not None:
        what = "file" if any(part.startswith(CONTENT) for _, part in found.lost) else "directory"
        if _same(missing, culprit):
            return f"{place} may reach disk in part: nothing keeps what it changes together."
        return (
            f"{place} may reach disk before {_place(missing)}: nothing syncs the {what} in between."
        )
    if found.cause == "lost":
        what = "file" if any(part.startswith(CONTENT) for _, part in found.lost) else "directory"
        done = f" before {found.operation} returns" if found.operation else " after it"
        return f"{place} may never reach disk: nothing syncs the {what}{done}."
    if found.repaired is not None and not _same(found.repaired, culprit):
        return (
            f"{place} and {_place(found.repaired)} are two steps, and between them the store is "
            "not whole."
        )
    if found.lost:
        if found.accepted is not None:
            takes = f"{_place(found.accepted)} takes half of it for the whole"
            return f"{place} may reach disk in part, and {takes}."
        return f"{place} may reach disk in part: nothing tells half of it from the whole."
    return f"{place} leaves a state that must not be seen."


CONTENT: Final = ("data ", "size ", "cut ", "zeros ")
"""How the parts of a call begin that are about a file's content, not about a name."""


def _same(one: Site, other: Site) -> bool:
    return (one.file, one.line) == (other.file, other.line)


def _injected(found: Candidate, fault: str) -> str:
    """Say what another fault than a crash shows."""
    place = "" if found.culprit is None else f" at {_place(found.culprit)}"
    if found.guarantee == "integrity":
        key = "" if found.key is None else f" (key {found.key!r})"
        return f"Damage is believed{place}: {found.observed}{key}."
    if found.guarantee == "hygiene":
        return f"Something is left behind{place} ({fault}): {found.observed}."
    key = "" if found.key is None else f" key {found.key!r}:"
    says = "returns" if found.severity == "false-ack" else "raises"
    outcome = {
        "false-ack": "is acknowledged all the same",
        "false-answer": "answers all the same",
        "not-clean": f"{says}, and leaves what must not be",
        "unusable": "fails, and the store does not work afterwards",
    }.get(found.kind, "goes wrong")
    return f"With {fault}{place}, {found.operation} {outcome}:{key} {found.observed}."


def _needs(found: Candidate) -> str:
    """Say what kind of change it takes, where no change of syncs and order mends it."""
    race, tried = found.reproduction.race, found.unmended
    if race is not None:
        lossless = found.guarantee == "isolation" and not race.cut
        return "nothing is lost in it, so no sync mends it" if lossless else ""
    if tried is None or found.culprit is None:
        return ""
    said, before = [], tried.before
    each = (
        "the one crash state that shows it holds"
        if before == 1
        else (f"all {before:,} crash states that show it hold")
    )
    sample = ", of a sample" * tried.sampled
    if tried.halves:
        said.append(
            f"{each} half of what {_at(found.culprit)} writes, and none shows it with all or "
            f"nothing of that{sample}"
        )
    if tried.unlisted:
        names = " and ".join(map(repr, tried.unlisted))
        said.append(f"with {names} left out of the list, 0 of {before:,} are left{sample}")
    if found.whole is not None:
        said.append("a temporary file, synced and renamed into place, would do as well")
    syncs = []
    if tried.synced:
        syncs.append(f"with one after every call {tried.synced:,} would be left")
    if tried.tried:
        changes = "changes" if tried.tried > 1 else "change"
        syncs.append(f"{tried.tried} {changes} of syncs and order were tried in vain")
    if syncs:
        said.append(f"{'no sync mends it: ' * bool(tried.synced)}{', and '.join(syncs)}")
    return "; ".join(said)


_REMEDIES: Final = {
    "clean-failure": "let the error at {at} reach the caller, and put back what was begun",
    "integrity": "store a checksum over key, length and value, and check it after {at}",
    "hygiene": "remove or close what {at} leaves when the operation does not end well",
}
_SHORT: Final = "go on until all is moved: {at} takes part of it for the whole"
_REMOVED: Final = (
    "let a later operation remove what {at} leaves, or use one name again: its removal can fail"
)


def _remedy(found: Candidate) -> str:
    """Say what mends what another fault than a crash shows; ``{at}`` stands for the line."""
    fault = found.reproduction.fault or ""
    if found.guarantee == "clean-failure" and " bytes only" in fault:
        return _SHORT  # no error is there to be told of
    if found.guarantee == "hygiene" and "; then " in fault:
        return _REMOVED
    return _REMEDIES[found.guarantee]


def suggestion(found: Candidate) -> str:
    """Propose the change that usually mends such a cause; unproven unless verified."""
    if found.reproduction.race is not None:
        return race_remedy(found)
    culprit, missing = found.culprit, found.missing
    if culprit is not None and found.reproduction.chain is not None:
        at = _at(culprit)
        return f"keep what a recovery needs until what replaces it is durable, at {at}"
    if culprit is not None and found.guarantee in _REMEDIES:
        at = _at(culprit)
        if found.kind == "removal-lost":
            return f"fsync the directory after {at}, or a power cut brings back what it removed"
        return _remedy(found).format(at=at)
    if culprit is not None and found.reproduction.fault is not None:
        return f"let the error at {_at(culprit)} reach the caller, and open all the same afterwards"
    if culprit is None:
        return "make what was acknowledged durable before returning"
    at = _at(culprit)
    if found.cause == "reordered" and missing is not None:
        return f"fsync what {_at(missing)} changes before {at}"
    if found.cause == "lost":
        if any("name " in part for _, part in found.lost[:1]):
            return f"fsync the directory after {at}, before the operation returns"
        return f"fsync the file after {at}, before the operation returns"
    if found.guarantee == "recovery" and found.unmended is not None and found.unmended.halves:
        return f"take away what a crash left half written by {at} before writing again"
    if found.guarantee == "listing":
        return f"leave what {at} makes out of the list until it is whole"
    over = found.unmended is not None and not found.unmended.halves
    if found.cause == "exposed" and found.lost and not over:
        return f"checksum what {at} writes, so that recovery tells half of it from the whole"
    return f"write a temporary file, fsync it and rename it into place instead of {at}"
