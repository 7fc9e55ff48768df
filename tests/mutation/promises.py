"""What the reference promises that no fault is needed to break.

Keys that are none, modes that are none, damage by its name, what a store says of itself, and
checkpoints that are somebody else's: with the three methods alone, or holding something before.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zlib
from typing import Any

from harness.reference.cpu import CPUManagerCheckpoint
from harness.reference.envelope import HEADER_SIZE, MAGIC, wrap
from harness.reference.errors import CorruptCheckpointError, InvalidKeyError
from harness.reference.subjects import CPUCodec

__all__ = ["promised"]

BAD_KEYS = ("", ".", "..", "a/b", "../a", ".tmp-0", "a\0b", "a" * 251)


class Plain:
    """A checkpoint with the three methods and nothing more."""

    def __init__(self, value: str = "") -> None:
        self.value, self.sum = value, len(value)

    def marshal(self) -> bytes:
        return json.dumps([self.value, self.sum]).encode()

    def unmarshal(self, blob: bytes) -> None:
        self.value, self.sum = json.loads(blob)

    def verify_checksum(self) -> None:
        if self.sum != len(self.value):
            raise ValueError("the sum does not match")


def promised(store: Any) -> str | None:
    """Tell which promise a module of the reference's stores breaks, if any.

    Args:
        store: Has ``FileStore`` and ``CheckpointManager``.
    """
    with tempfile.TemporaryDirectory() as directory:
        for number, ask in enumerate((_keys, _modes, _damaged, _plain, _reused, _refused)):
            where = os.path.join(directory, str(number))
            try:
                broken = ask(store, where)
            except Exception as error:  # noqa: BLE001 - a mutant may raise anything
                broken = type(error).__name__
            if broken:
                return f"a promise about {ask.__name__[1:]}: {broken}"
    return None


def _keys(store: Any, where: str) -> str | None:
    files = store.FileStore(where)
    before, held = sorted(os.listdir(where)), len(os.listdir("/proc/self/fd"))
    for key in BAD_KEYS:
        for call in (lambda k: files.write(k, b"x"), files.read, files.delete):
            try:
                call(key)
            except InvalidKeyError:
                continue
            except Exception as error:  # noqa: BLE001 - any other is the wrong one
                return f"{key!r} raises {type(error).__name__}"
            return f"{key!r} is taken"
    if len(os.listdir("/proc/self/fd")) != held:
        return "a descriptor is left"
    return None if sorted(os.listdir(where)) == before else "a file is left"


def _modes(store: Any, where: str) -> str | None:
    for mode in ("hardened", "kubelet"):
        files = store.FileStore(where, mode)
        if (files.directory, files.mode) != (where, mode):
            return "it says otherwise"
    try:
        store.FileStore(where, "other")
    except ValueError as error:
        return None if "hardened" in str(error) else "it does not say which there are"
    return "one that there is not"


def _damaged(store: Any, where: str) -> str | None:
    """Each sort of damage is told by its name: whoever has to find out why reads that."""
    files = store.FileStore(where)
    whole = wrap("a", b"value")
    head, rest = struct.Struct("<8sHQ"), whole[HEADER_SIZE:]

    def sealed(magic: bytes, name_size: int, value_size: int) -> bytes:
        start = head.pack(magic, name_size, value_size)
        return start + struct.pack("<I", zlib.crc32(rest, zlib.crc32(start))) + rest

    assert sealed(MAGIC, 1, 5) == whole
    for content, told in (
        (whole[:3], "too short"),
        (sealed(b"\x89CKPT\r\n\x02", 1, 5), "magic"),
        (sealed(MAGIC, 1, 6), "the envelope says"),
        (whole[:-1] + b"?", "CRC"),
        (wrap("b", b"value"), "another key, 'b'"),
    ):
        with open(os.path.join(where, "a"), "wb") as file:
            file.write(content)
        try:
            files.read("a")
        except CorruptCheckpointError as error:
            if told in error.detail:
                continue
        return f"not told that {told}"
    return None if store.is_wrapped(whole) and not store.is_wrapped(rest) else "is_wrapped lies"


def _plain(store: Any, where: str) -> str | None:
    manager = store.CheckpointManager(where)
    manager.create_checkpoint("a", Plain("value"))
    mine = Plain()
    manager.get_checkpoint("a", mine)
    return None if mine.value == "value" else "not what was stored"


def _reused(store: Any, where: str) -> str | None:
    """What a caller's object held before is not merged into what it reads."""
    manager, codec = store.CheckpointManager(where), CPUCodec()
    manager.create_checkpoint("a", codec.encode(b"value"))
    mine = codec.encode(b"before")
    mine.entries = {**mine.entries, "other": {"container": "1-2"}}
    manager.get_checkpoint("a", mine)
    return None if codec.decode(mine) == b"value" else "merged with what was there"


def _refused(store: Any, where: str) -> str | None:
    """An envelope that is whole says nothing about a checkpoint that was stored damaged."""
    manager, codec = store.CheckpointManager(where), CPUCodec()
    damaged = codec.encode(b"value").marshal().replace(b"static", b"statid")
    with open(os.path.join(where, "a"), "wb") as file:
        file.write(wrap("a", damaged))
    mine = CPUManagerCheckpoint()
    before = mine.marshal()
    try:
        manager.get_checkpoint("a", mine)
    except Exception:  # noqa: BLE001 - any is detection
        return None if mine.marshal() == before else "the caller's object is touched"
    return "damage is believed"
