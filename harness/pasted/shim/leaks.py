"""What repeated crashes and failures leave behind."""

from __future__ import annotations

from harness.pasted.shim.disk import lay_out
from harness.pasted.shim.run import Run
from harness.pasted.shim.store import Session, deleted, perform

# -- below this line everything goes into the test
ROUNDS = 12


def kill_repeatedly(disk, setup, repeated):
    """Kill a process in one operation, at the same step, again and again; files must level off."""
    for step in range(1, 200):
        base = stored(disk, setup)
        counts = []
        for _ in range(ROUNDS):
            disk.process += 1
            run = Run(disk, base)
            disk.listening = True
            perform(disk, base, lasting(repeated), close=False)
            disk.listening = False
            if step > len(disk.steps):
                return
            base = run.successor(step)
            counts.append(files_in(disk, base))
        disk.process += 1
        perform(disk, base, lasting(repeated))
        check(counts, files_in(disk, base), f"a kill at step {step} of {repeated[:2]}", "files")


def fail_repeatedly(disk, calls, error, part, setup, repeated):
    """Let one call of an operation fail, again and again, in one process."""
    for number in range(200):
        base = stored(disk, setup)
        session = Session(base)
        files, held = [], []
        disk.part = part
        for _ in range(ROUNDS):
            disk.failed, disk.failing = False, (calls, number, error)
            attempt(session, repeated)
            disk.failing = None
            if not disk.failed:
                return
            files.append(files_in(disk, base))
            held.append(sum(bool(one) for one in disk.fs.open_files))
        disk.part = None
        attempt(session, repeated)
        place = f"call {number} of {calls} failing in {repeated[:2]}"
        check(files, files_in(disk, base), place, "files")
        check(held, sum(bool(one) for one in disk.fs.open_files), place, "open descriptors")


def lasting(operation):
    """Follow a change by a sync, which does nothing where the store declares none."""
    return [operation] + [("sync", None, None)] * (operation[0] in ("write", "delete"))


def stored(disk, setup):
    """Lay out a store that holds something; give its directory."""
    base = lay_out(disk, ((), ()))
    disk.listening = False
    perform(disk, base, setup)
    return base


def attempt(session, operation):
    kind, key, value = operation
    try:
        if kind == "write":
            session.write(key, value)
            session.sync()
        elif kind == "delete":
            deleted(session, key)
            session.sync()
        elif kind == "read":
            session.read(key)
        else:
            session.names()
    except Exception:
        pass  # raising is what it should do


def files_in(disk, base):
    pending, count = [disk.fs.get_object(base)], 0
    while pending:
        entries = getattr(pending.pop(), "entries", None)
        count += entries is None
        pending += (entries or {}).values()
    return count


def check(counts, settled, place, what):
    growing = all(a < b for a, b in zip(counts[-4:], counts[-3:], strict=False))
    assert not growing or settled <= counts[0] + 1, (
        f"with {place} over and over there are {counts[-1]} {what}, {counts[0]} after the first"
    )
