"""Rot."""

from __future__ import annotations

from harness.pasted.shim.crashes import started
from harness.pasted.shim.disk import SECTOR, lay_out
from harness.pasted.shim.store import MISSING, Session, keys_of


# -- below this line everything goes into the test
def damage_everything(disk, kind, setup, operations, renamed=None, under=None):
    """Damage what is stored, one piece at a time; a value must be one that was written."""
    everything = [*setup, *operations]
    run, _ = started(disk, [], everything)
    image = run.image(run.effects())
    older_run, _ = started(disk, [], everything[:-1])
    older = dict(older_run.image(older_run.effects())[1])
    keys = list(dict.fromkeys([*keys_of(everything), *([under] if under else [])]))
    for path, content in damaged(kind, dict(image[1]), older):
        files = {**dict(image[1]), path: content}
        if kind in ("renamed", "missing"):
            del files[path]
        if kind == "renamed":
            files[renamed] = content
        base = lay_out(disk, (image[0], tuple(sorted(files.items()))))
        try:
            session = Session(base)
        except Exception:
            continue  # noticed
        for key in keys:
            read = session.read(key)
            ever = [one[2] for one in everything if one[:2] == ("write", key)]
            noticed = read == MISSING or not isinstance(read, bytes)
            assert noticed or read in ever, (
                f"{path} {kind}, now {content[:40]!r}: {key!r} reads as {read!r}"
            )


def damaged(kind, files, older):
    """Give each file with one piece of damage of a kind."""
    for path, content in files.items():
        if isinstance(content, str):
            continue  # a symbolic link
        size = len(content)
        if kind in ("renamed", "missing"):
            yield path, content
            continue
        ends = range(SECTOR, size + SECTOR, SECTOR)
        if kind == "flipped":
            for bit in range(8 * size):
                byte = content[bit // 8] ^ 1 << bit % 8
                yield path, content[: bit // 8] + bytes([byte]) + content[bit // 8 + 1 :]
        elif kind == "cut":
            for length in range(size):
                yield path, content[:length]
        elif kind == "garbage":
            for length in (1, 8, SECTOR):
                yield path, content + bytes(n * 73 % 256 for n in range(1, length + 1))
        elif kind in ("zeroed", "garbled"):
            for end in ends:
                part = content[end - SECTOR : end]
                new = bytes(len(part)) if kind == "zeroed" else bytes(255 - b for b in part)
                yield path, content[: end - SECTOR] + new + content[end:]
        elif kind == "deleted":
            for start in range(size):
                for end in range(start + 1, size + 1):
                    yield path, content[:start] + content[end:]
        elif kind == "stale":
            old = older.get(path, b"")
            for end in ends:
                yield path, content[: end - SECTOR] + old[end - SECTOR : end] + content[end:]
        elif kind == "old tail":
            yield path, content + older.get(path, b"")[size:]
        else:
            for other, foreign in files.items():
                if other != path:
                    yield path, foreign
