"""A change of order that mends one run is refused where it breaks another."""

import os
from collections.abc import Iterable

from harness.diagnose import Site
from harness.edits import after, moved
from harness.elsewhere import Elsewhere
from harness.history import record
from harness.intercept import rerouted
from harness.meter import Meter
from harness.ops import Workload, write
from harness.persistence import PROFILES
from harness.quiet import quiet
from harness.recovery import Prober
from harness.subjects import load
from harness.trials import CrashTrial


class Linked:
    """A file for each version, and a symbolic link to the current one; the old one goes last."""

    guarantees = ("atomicity",)

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(directory))

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def write(self, key: str, value: bytes) -> None:
        old = os.readlink(self.path(key)) if os.path.lexists(self.path(key)) else None
        new = f"{key}.2" if old == f"{key}.1" else f"{key}.1"
        with open(self.path(new), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self.directory)
        os.symlink(new, self.path("next"))
        os.replace(self.path("next"), self.path(key))
        sync_directory(self.directory)  # the move goes behind this
        if old is not None:
            os.unlink(self.path(old))

    def read(self, key: str) -> bytes:
        try:
            with open(self.path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            if os.path.lexists(self.path(key)):
                raise
            raise KeyError(key) from None

    def delete(self, key: str) -> None:
        old = os.readlink(self.path(key))
        os.unlink(self.path(key))
        sync_directory(self.directory)
        os.unlink(self.path(old))

    def list(self) -> Iterable[str]:
        return [name for name in os.listdir(self.directory) if "." not in name and name != "next"]


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def site(text: str) -> Site:
    with open(__file__, encoding="utf-8") as file:
        line = next(number for number, line in enumerate(file, 1) if text in line)
    return Site("tests/engine/test_elsewhere.py", line, "write", "", "")


def test_a_move_that_loses_what_is_overwritten_is_refused() -> None:
    """On a first write nothing depends on the name being durable; later the old file goes."""
    replaced, synced = site('os.replace(self.path("next")'), site("# the move goes behind this")
    with rerouted(), quiet():
        subject = load("tests.engine.test_elsewhere:Linked")
        recording = record(subject, Workload("first", (write("a", b"1"),)))
        prober = Prober(subject, ("a",), seed=0, writes=(b"2", b"3"))
        trial = CrashTrial(recording, [PROFILES["posix"]], prober, "atomicity", 2000, Meter())
        move = moved(replaced, synced)
        assert trial.broken() == 0
        assert trial.broken(move) == 0
        elsewhere = Elsewhere(trial)
        assert elsewhere.broken_by(move)
        assert not elsewhere.broken_by(after(replaced, directory=True))
