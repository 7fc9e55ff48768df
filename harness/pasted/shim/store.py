"""The store of a pasted test, whatever its shape, and the values it may give."""

from __future__ import annotations

import inspect
import zlib

open_store = None

# -- below this line everything goes into the test
# -- the store, whatever its shape -----------------------------------------------------------------

MISSING = "absent"


class Checkpoint:
    """What a checkpoint manager is given to keep."""

    def __init__(self, value=b""):
        self.value = value

    def marshal(self):
        return zlib.crc32(self.value).to_bytes(4, "big") + self.value

    def unmarshal(self, blob):
        self.sum, self.value = int.from_bytes(blob[:4], "big"), bytes(blob[4:])

    def verify_checksum(self):
        if zlib.crc32(self.value) != self.sum:
            raise ValueError("checkpoint is corrupted")

    marshal_checkpoint, unmarshal_checkpoint = marshal, unmarshal


class Session:
    """The store in a directory, opened."""

    def __init__(self, base):
        self.store, self.generator = open_store(f"{base}/store"), None
        if inspect.isgenerator(self.store):
            self.generator = self.store
            self.store = next(self.generator)
        self.manager = hasattr(self.store, "create_checkpoint")
        self.mapping = not self.manager and not hasattr(self.store, "write")
        self.codec = getattr(open_store, "checkpoint", None)

    def write(self, key, value):
        if self.manager:
            made = self.codec.encode(value) if self.codec else Checkpoint(value)
            self.store.create_checkpoint(key, made)
        elif self.mapping:
            self.store[key] = value
        else:
            self.store.write(key, value)

    def delete(self, key):
        if self.manager:
            self.store.remove_checkpoint(key)
        elif self.mapping:
            del self.store[key]
        else:
            self.store.delete(key)

    def names(self):
        if self.manager:
            return list(self.store.list_checkpoints())
        return list(self.store) if self.mapping else list(self.store.list())

    def read(self, key):
        """Give the value, MISSING, or the exception as text."""
        not_found = getattr(open_store, "not_found", None) or (KeyError, FileNotFoundError)
        try:
            if self.manager:
                made = self.codec.empty() if self.codec else Checkpoint()
                self.store.get_checkpoint(key, made)
                return self.codec.decode(made) if self.codec else made.value
            return bytes(self.store[key] if self.mapping else self.store.read(key))
        except not_found:
            return MISSING
        except Exception as error:
            return f"raises {type(error).__name__}: {error}"

    def sync(self):
        getattr(self.store, getattr(open_store, "sync", None) or "", lambda: None)()

    def close(self):
        if self.generator is not None:
            next(self.generator, None)
        elif callable(getattr(self.store, "close", None)):
            self.store.close()


def perform(disk, base, operations, *, close=True):
    """Run operations; give each with the steps made when it began and when it returned."""
    done = []

    def timed(operation, call):
        began = len(disk.steps)
        call()
        done.append((operation, began, len(disk.steps)))

    session = None

    def opened():
        nonlocal session
        session = Session(base)

    timed(("open", None, None), opened)
    for operation in operations:
        kind, key, value = operation
        if kind == "write":
            timed(operation, lambda: session.write(key, value))
        elif kind == "delete":
            timed(operation, lambda: deleted(session, key))
        elif kind == "read":
            timed(operation, lambda: session.read(key))
        elif kind == "list":
            timed(operation, session.names)
        elif kind == "sync":
            timed(operation, session.sync)
        elif kind == "reopen":
            timed(operation, session.close)
            timed(operation, opened)
    if close:
        timed(("close", None, None), session.close)
    return done


def deleted(session, key):
    not_found = getattr(open_store, "not_found", None) or (KeyError, FileNotFoundError)
    try:
        session.delete(key)
    except not_found:
        return False
    return True


def keys_of(operations):
    return list(dict.fromkeys(one[1] for one in operations if one[1] is not None))


def values_of(key, setup, done, upto):
    """Give the values a key may have after a crash, and all that it ever had."""
    allowed, ever = {MISSING}, [MISSING]
    synced = getattr(open_store, "sync", None) is not None
    marks = [(operation, 0, 0) for operation in setup] + done
    last = max(
        (n for n, one in enumerate(marks) if one[0][0] == "sync" and one[2] <= upto), default=-1
    )
    for number, (operation, began, returned) in enumerate(marks):
        kind, of, value = operation
        if of != key or kind not in ("write", "delete") or began > upto:
            continue
        # While the steps do not tell, it had begun and may have done nothing yet.
        value = MISSING if kind == "delete" else value
        certain = returned <= upto and (not synced or number < last or number < len(setup))
        if certain:
            allowed = set()
            if number < len(setup):
                ever = []
        allowed.add(value)
        ever.append(value)
    return allowed, ever


def shown(image):
    dirs, files = image
    listed = ", ".join([f"{path}/" for path in dirs] + [f"{p}: {c[:40]!r}" for p, c in files])
    return f"the crash leaves {{{listed}}}"
