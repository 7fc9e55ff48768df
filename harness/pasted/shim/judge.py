"""What must hold after a crash."""

from __future__ import annotations

from harness.pasted.shim.disk import lay_out
from harness.pasted.shim.store import MISSING, Session, keys_of, values_of

open_store = None

# -- below this line everything goes into the test
# -- what must hold --------------------------------------------------------------------------------


class Judge:
    """Opens the store on what a crash left, once for each image, and says what is wrong."""

    def __init__(self, disk, guarantee, setup):
        self.disk, self.guarantee, self.setup = disk, guarantee, setup
        self.seen, self.used = {}, {}

    def look(self, image, keys):
        """Open, list and read: (what was raised, names, values)."""
        if image not in self.seen:
            base = lay_out(self.disk, image)
            try:
                session = Session(base)
                names = session.names()
            except Exception as error:
                self.seen[image] = f"{type(error).__name__}: {error}", [], {}, base
            else:
                read = {key: session.read(key) for key in keys}
                self.seen[image] = None, names, read, base
        return self.seen[image]

    def wrong(self, image, done, upto):
        """Say what the store shows on an image that it must not show after a crash there."""
        operations = [*self.setup, *(one[0] for one in done)]
        keys = keys_of(operations)
        raised, names, read, base = self.look(image, keys)
        if raised is not None:
            return f"opening raises {raised}" if self.guarantee == "recovery" else None
        if self.guarantee in ("atomicity", "durability"):
            return self.values(read, done, upto)
        if self.guarantee == "listing":
            missing = [key for key in names if read.get(key) == MISSING or key not in keys]
            unlisted = [key for key, v in read.items() if isinstance(v, bytes) and key not in names]
            if missing or unlisted or len(set(names)) < len(names):
                return f"list gives {sorted(names)}, reading gives {read}"
            return None
        if image not in self.used:
            self.used[image] = follow_up(base, keys, read, operations)
        return self.used[image]

    def values(self, read, done, upto):
        for key, value in read.items():
            allowed, ever = values_of(key, self.setup, done, upto)
            # What goes back to an older value of the key breaks durability, not atomicity.
            fine = allowed if self.guarantee == "durability" else [*allowed, *ever]
            if value not in fine:
                return f"{key!r} reads as {value!r}, where {[*allowed]} was possible"
        return None


def follow_up(base, keys, read, operations):
    """Recover again, write, read back, shut down, and open once more."""
    written = [one[2] for one in operations if one[2] is not None]
    given = getattr(open_store, "values", None) is not None and not isinstance(open_store, type)
    short, long = (written[0], written[-1]) if given else (b"follow-up", b"a longer one. " * 60)
    follow = {keys[0]: short, keys[-1]: long} if len(keys) > 1 else {keys[0]: short}
    try:
        session = Session(base)
        again = {key: session.read(key) for key in keys}
        if again != read:
            return f"a second recovery reads {again}, the first {read}"
        for key, value in follow.items():
            session.write(key, value)
        for key, value in follow.items():
            if session.read(key) != value:
                return f"a write after recovery reads back as {session.read(key)!r}"
        session.close()
        session = Session(base)
        later = {key: session.read(key) for key in keys}
    except Exception as error:
        return f"the recovered store does not work: {type(error).__name__}: {error}"
    wanted = {**again, **follow}
    return None if later == wanted else f"the next open reads {later}, not {wanted}"
