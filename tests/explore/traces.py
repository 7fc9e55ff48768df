"""Small random traces that replay, and long plain ones."""

import posixpath
from random import Random

from harness.trace import (
    Close,
    Create,
    Fdatasync,
    Fsync,
    Image,
    Link,
    Mkdir,
    Rename,
    Symlink,
    Sync,
    Truncate,
    Unlink,
    Write,
)

OFFSETS = (0, 0, 100, 600, 1024, 4000, 4096, 5000)
KINDS = (
    *("create", "write", "write", "write", "truncate", "rename", "rename", "unlink", "link"),
    *("mkdir", "symlink", "fsync", "fsync", "dirsync", "fdatasync", "sync", "close"),
)
LENGTHS = (1, 500, 700, 1500, 4096, 5000)


def random_trace(seed, calls=8):
    """Make a trace of a few files in two directories; every call of it can be made."""
    random = Random(seed)
    files = {"t": b"O" * random.choice((0, 700, 5000)), "x/u": b"U" * 600}
    sizes = {path: len(data) for path, data in files.items()}
    homes = ["", "x/"]
    records = [Image(files=files, dirs=["x"])]
    fresh = iter(f"n{k}" for k in range(100))

    def new():
        return random.choice(homes) + next(fresh)

    def existing():
        return random.choice(sorted(sizes))

    def write(path):
        start, data = random.choice(OFFSETS), bytes([97 + len(records)]) * random.choice(LENGTHS)
        sizes[path] = max(sizes[path], start + len(data))
        return Write(path=path, offset=start, data=data)

    def truncate(path):
        sizes[path] = random.choice((0, 100, 600, 4096, 5200))
        return Truncate(path=path, size=sizes[path])

    def rename(src):
        dst = random.choice((existing(), new()))
        size = sizes.pop(src)
        sizes[dst] = size
        return Rename(src=src, dst=dst)

    def one():
        kind = random.choice(KINDS)
        if kind == "create" or not sizes:
            path = new()
            sizes[path] = 0
            return Create(path=path)
        match kind:
            case "write":
                return write(existing())
            case "truncate":
                return truncate(existing())
            case "rename":
                return rename(existing())
            case "unlink":
                path = existing()
                del sizes[path]
                return Unlink(path=path)
            case "link":
                src, dst = existing(), new()
                sizes[dst] = sizes[src]
                return Link(src=src, dst=dst)
            case "mkdir":
                path = next(fresh)
                homes.append(path + "/")
                return Mkdir(path=path)
            case "symlink":
                return Symlink(target="t", path=new())
            case "fsync":
                return Fsync(path=existing())
            case "dirsync":
                return Fsync(path=posixpath.dirname(random.choice(homes)) or ".", dir=True)
            case "fdatasync":
                return Fdatasync(path=existing())
            case "sync":
                return Sync()
        return Close(path=existing(), wrote=True)

    records += [one() for _ in range(calls)]
    for i, record in enumerate(records):
        record.i = i
    return records


def appends(count, *, synced, size=100):
    """Make a trace of appends to one file, each synced or none."""
    records = [Create(path="log", i=1, ino=2)]
    for k in range(count):
        data = bytes([97 + k % 26]) * size
        records.append(Write(path="log", ino=2, offset=k * size, data=data, i=len(records) + 1))
        if synced:
            records.append(Fsync(path="log", ino=2, i=len(records) + 1))
    return records
