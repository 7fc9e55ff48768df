"""Stores of random protocols: what they write, sync, rename, sweep and look at is drawn.

Most are broken. What matters here is that they ask the disk in many ways: whole files and ranges,
names and listings, sizes, modes, links and inode numbers.
"""

import os
from random import Random

from harness.subjects import Subject


class RandomStore:
    """A file per key, by a protocol drawn from a seed."""

    def __init__(self, directory, seed):
        rng = Random(seed)
        self.directory = directory
        self.temporary = rng.choice(["", ".tmp", ".new"])
        self.shared_temporary = rng.random() < 0.3
        self.sync_file = rng.random() < 0.5
        self.sync_directory = rng.random() < 0.5
        self.links = rng.random() < 0.3
        self.keeps_backup = rng.random() < 0.3
        self.counts = rng.random() < 0.4
        self.chunk = rng.choice([0, 0, 7, 512])
        self.trusts_size = rng.random() < 0.3
        self.sweeps = rng.random() < 0.6
        self.repairs = rng.random() < 0.4
        os.makedirs(directory, exist_ok=True)
        self.recover()

    def path(self, name):
        return os.path.join(self.directory, name)

    def recover(self):
        if self.counts:
            # Writes at every start: crashes in a recovery have something to lose.
            count = self.load("count")
            self.store("count", str(int(count or b"0") + 1).encode())
        for name in self.names():
            if self.sweeps and name.endswith((".tmp", ".new")):
                os.unlink(self.path(name))
            elif self.repairs and name.endswith(".bak"):
                target = self.path(name[:-4])
                if not os.path.exists(target) or not os.path.getsize(target):
                    os.replace(self.path(name), target)

    def names(self):
        with os.scandir(self.directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())

    def load(self, name):
        path = self.path(name)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return None
        if self.trusts_size and not status.st_size:
            return None
        with open(path, "rb", buffering=0 if self.chunk else -1) as file:
            if not self.chunk:
                return file.read()
            parts = []
            while part := file.read(self.chunk):
                parts.append(part)
            return b"".join(parts)

    def store(self, name, content):
        path = self.path(name)
        if self.keeps_backup and os.path.exists(path):
            backup = path + ".bak"
            if os.path.exists(backup):
                os.unlink(backup)
            os.link(path, backup)
        temporary = path
        if self.temporary:
            temporary = self.path("shared" if self.shared_temporary else name) + self.temporary
        with open(temporary, "wb") as file:
            file.write(content)
            if self.sync_file:
                file.flush()
                os.fsync(file.fileno())
        if temporary != path:
            if self.links and not os.path.exists(path):
                os.link(temporary, path)
                os.unlink(temporary)
            else:
                os.replace(temporary, path)
        if self.sync_directory:
            descriptor = os.open(self.directory, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    def write(self, key, value):
        self.store(f"k-{key}", value)

    def read(self, key):
        value = self.load(f"k-{key}")
        if value is None:
            raise KeyError(key)
        return value

    def delete(self, key):
        os.unlink(self.path(f"k-{key}"))

    def list(self):
        return [n[2:] for n in self.names() if n.startswith("k-") and "." not in n]


def random_subject(seed):
    return Subject(f"random-{seed}", lambda directory: RandomStore(directory, seed))
