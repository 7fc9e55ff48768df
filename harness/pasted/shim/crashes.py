"""Crashes: everywhere, in the recovery from one, and after a kill."""

from __future__ import annotations

from harness.pasted.shim.disk import lay_out
from harness.pasted.shim.judge import Judge
from harness.pasted.shim.run import Run
from harness.pasted.shim.store import Session, keys_of, perform, shown


# -- below this line everything goes into the test
def started(disk, setup, operations):
    """Run operations, watched, on a store that already holds something; give the run."""
    base = lay_out(disk, ((), ()))
    disk.listening = False
    if setup:
        perform(disk, base, setup)
    run = Run(disk, base)
    disk.listening = True
    try:
        done = perform(disk, base, operations)
    finally:
        disk.listening = False
    return run, done


def crash_everywhere(disk, guarantee, setup, operations):
    """Crash after each step of a run, and hold what the store shows against what it promised."""
    run, done = started(disk, setup, operations)
    judge = Judge(disk, guarantee, setup)
    for upto in range(len(disk.steps) + 1):
        for image in run.crash_states(upto):
            wrong = judge.wrong(image, done, upto)
            assert wrong is None, f"{where(done, upto)}: {shown(image)}; then {wrong}"


def crash_in_recovery(disk, setup, operations):
    """Crash, and crash again while the store recovers from that."""
    run, done = started(disk, setup, operations)
    judge = Judge(disk, "durability", setup)
    keys = keys_of([*setup, *operations])
    crashes = [(upto, i) for upto in range(len(disk.steps) + 1) for i in run.crash_states(upto)]
    recovered = {}
    for upto, image in crashes:
        raised, _, first, _ = judge.look(image, keys)
        if raised is not None:
            continue
        if image not in recovered:
            base = lay_out(disk, image)
            inner = Run(disk, base)
            disk.listening = True
            session = Session(base)
            session.names(), [session.read(key) for key in keys]
            disk.listening = False
            states = [one for n in range(len(disk.steps) + 1) for one in inner.crash_states(n)]
            recovered[image] = list(dict.fromkeys(states))
        for second in recovered[image]:
            raised, _, read, _ = judge.look(second, keys)
            bad = {} if raised else {k: v for k, v in read.items() if v != first[k]}
            wrong = raised or judge.values(bad, done, upto)
            assert not wrong, (
                f"{where(done, upto)}: {shown(image)}; a crash in recovery: {shown(second)}; "
                f"then {wrong}"
            )


def power_cut_after_kill(disk, guarantee, setup, operations):
    """Kill the process, let another one recover and write, and cut the power."""
    keys = keys_of([*setup, *operations])
    after = [("list", None, None), *(("read", key, None) for key in keys)]
    after.append(("write", keys[0], b"follow-up"))
    _, done = started(disk, setup, operations)
    for killed in range(1, len(disk.steps) + 1):
        run, done = started(disk, setup, operations)
        base = run.successor(killed)
        disk.listening = True
        try:
            more = perform(disk, base, after, close=False)
        finally:
            disk.listening = False
        # What was cut off may have happened or not, for ever after.
        done = [(o, b, r if r <= killed else 1 << 60) for o, b, r in done if b < killed] + more
        judge = Judge(disk, guarantee, setup)
        for upto in range(killed + 1, len(disk.steps) + 1):
            for image in run.crash_states(upto):
                wrong = judge.wrong(image, done, upto)
                assert wrong is None, (
                    f"killed after step {killed}, then {where(done, upto)}: {shown(image)}; "
                    f"then {wrong}"
                )


def where(done, upto):
    """Say where a crash strikes."""
    for (kind, key, _), began, returned in done:
        if began <= upto < returned:
            return f"a crash after step {upto}, in {kind}({key!r})"
    return f"a crash after step {upto}"
