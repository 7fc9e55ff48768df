"""Failing calls."""

from __future__ import annotations

from harness.pasted.shim.crashes import started, where
from harness.pasted.shim.disk import lay_out
from harness.pasted.shim.judge import Judge
from harness.pasted.shim.run import Run
from harness.pasted.shim.store import MISSING, Session, deleted, keys_of, perform, shown

# -- below this line everything goes into the test
NEVER = 1 << 30  # a step that never comes


def fail_everywhere(disk, calls, error, part, setup, operations, *, crashing=False, lasting=False):
    """Let one call after the other fail, and hold the store to what it then says and does.

    Args:
        disk: The watched disk.
        calls: Names of the calls.
        error: The errno they fail with; none where they only move less.
        part: Bytes they move.
        setup: What is done and durable before.
        operations: What is done.
        crashing: Whether the power is cut at each step after the failure, too.
        lasting: Whether later calls of the operation fail as well.
    """
    for number in range(200):
        disk.failed, disk.failing, disk.part, disk.lasting = False, None, part, lasting
        base = lay_out(disk, ((), ()))
        disk.listening = False
        perform(disk, base, setup)
        run = Run(disk, base)
        session, done = Session(base), []
        disk.listening = True
        values = {}
        for kind, key, value in setup:
            if kind in ("write", "delete"):
                values[key] = MISSING if kind == "delete" else value
        planned = calls, number, error
        for kind, key, value in operations:
            if kind not in ("write", "delete"):
                continue
            old, new = values.get(key, MISSING), MISSING if kind == "delete" else value
            began, raised = len(disk.steps), False
            act = (
                (lambda: session.write(key, value))
                if kind == "write"
                else (lambda: deleted(session, key))
            )
            disk.failing = planned
            try:
                act()
            except Exception:
                raised = True
            planned, disk.failing = disk.failing, None
            place = f"call {number} of {calls} fails in {kind}({key!r})"
            read = session.read(key)
            if raised:
                assert disk.failed, f"{kind}({key!r}) raises with no fault"
                assert read in (old, new), f"{place}; it raises, and {key!r} reads as {read!r}"
                anew = opened_anew(disk, run, key)
                assert anew == read, f"{place}; it reads as {read!r}, in a new process as {anew!r}"
                found = act()
                read, anew = session.read(key), opened_anew(disk, run, key)
                assert read == new == anew, (
                    f"{place}; tried again, it reads as {read!r} or {anew!r}"
                )
            else:
                assert read == new, f"{place}; it returns, and {key!r} reads as {read!r}"
            # That a key is gone which could not be deleted promises nothing of a power cut.
            ended = NEVER if raised and found is False else len(disk.steps)
            done.append(((kind, key, value), began, ended))
            values[key] = new
            if disk.failed:
                break
        disk.listening = False
        if not disk.failed:
            return
        judge = Judge(disk, "durability", setup)
        first = began if crashing else len(disk.steps)
        for upto in range(first, len(disk.steps) + 1):
            for image in run.crash_states(upto):
                wrong = judge.wrong(image, done, upto)
                assert wrong is None, f"{place}; then {where(done, upto)}, {shown(image)}: {wrong}"


def opened_anew(disk, run, key):
    """Read a key as a new process would, on a copy: opening may put right what is not."""
    disk.listening = False
    try:
        return Session(lay_out(disk, run.image(run.effects()))).read(key)
    finally:
        disk.listening = True


def fail_in_recovery(disk, calls, error, setup, operations):
    """Crash everywhere, let a call of the recovery from that fail, then recover with no fault."""
    run, done = started(disk, setup, operations)
    keys = keys_of([*setup, *operations])
    judge = Judge(disk, "durability", setup)
    failed = {}
    for upto in range(len(disk.steps) + 1):
        for image in run.crash_states(upto):
            if image not in failed:
                failed[image] = list(recoveries(disk, image, calls, error, keys))
            for place, raised, read in failed[image]:
                wrong = raised or judge.values(read, done, upto)
                assert not wrong, f"{where(done, upto)}: {shown(image)}; {place}; then {wrong}"


def recoveries(disk, image, calls, error, keys):
    """Recover from an image with each call failing in turn; give what is read once it is over."""
    for number in range(200):
        base = lay_out(disk, image)
        disk.failed, disk.failing = False, (calls, number, error)
        during = {}
        try:
            session = Session(base)
            session.names()
            during = {key: session.read(key) for key in keys}
        except Exception:
            pass  # it may refuse to work as long as that lasts
        disk.failing = None
        if not disk.failed:
            return
        place = f"call {number} of {calls} fails in the recovery"
        try:
            session = Session(base)
            read = {key: session.read(key) for key in keys}
        except Exception as problem:
            yield place, f"opening raises {type(problem).__name__}: {problem}", {}
        else:
            for key, value in during.items():
                if value != read[key] and not str(value).startswith("raises"):
                    yield place, f"{key!r} read as {value!r}, and is {read[key]!r}", {}
            yield place, None, read


def fail_reads(disk, calls, error, setup, operations):
    """Let each call of a reading fail in turn: it may raise, and must not answer wrongly."""
    disk.listening = False
    base = lay_out(disk, ((), ()))
    perform(disk, base, [*setup, *operations])
    sound = Session(base)
    expected = {key: sound.read(key) for key in keys_of([*setup, *operations])}
    listed = sorted(sound.names())
    for number in range(200):
        session = Session(base)
        disk.failed, disk.failing = False, (calls, number, error)
        place = f"call {number} of {calls} fails"
        for key, value in expected.items():
            read = session.read(key)
            assert read == value or str(read).startswith("raises"), (
                f"{place}: {key!r} reads as {read!r}, and is {value!r}"
            )
        try:
            names = sorted(session.names())
        except Exception:
            names = listed  # raising is what it should do
        assert names == listed, f"{place}: the list is {names}, and should be {listed}"
        disk.failing = None
        if not disk.failed:
            return
