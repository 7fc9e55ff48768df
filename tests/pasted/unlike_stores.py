"""Stores that use what pyfakefs does not know by itself, each with one mistake, and mended."""

import os
import zlib
from contextlib import ExitStack, suppress


def sync_directory(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sealed(value):
    return zlib.crc32(value).to_bytes(4, "big") + value


def unsealed(raw, key):
    if raw[:4] != zlib.crc32(raw[4:]).to_bytes(4, "big"):
        raise ValueError(f"{key} is damaged")
    return raw[4:]


class Files:
    """A file a key, replaced by rename."""

    single_writer = True
    right = True

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(directory))

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return unsealed(file.read(), key)

    def delete(self, key):
        os.unlink(self.path(key))
        sync_directory(self.directory)

    def list(self):
        return [name for name in os.listdir(self.directory) if "~" not in name]


class Linked(Files):
    """A symbolic link to a file for each version; its name has to be durable before the link's."""

    guarantees = ("atomicity",)

    def write(self, key, value):
        old = os.readlink(self.path(key)) if os.path.lexists(self.path(key)) else None
        new = f"{key}~2" if old == f"{key}~1" else f"{key}~1"
        with open(self.path(new), "wb") as file:
            file.write(sealed(value))
            file.flush()
            os.fsync(file.fileno())
        if self.right:
            sync_directory(self.directory)
        os.symlink(new, self.path("~next"))
        os.replace(self.path("~next"), self.path(key))
        sync_directory(self.directory)
        if old:
            os.unlink(self.path(old))

    def read(self, key):
        if not os.path.lexists(self.path(key)):
            raise KeyError(key)
        try:
            return super().read(key)
        except FileNotFoundError:
            raise ValueError(f"{key} leads nowhere") from None


class Leaking(Files):
    """A buffered file on a descriptor that nobody closes when its flush fails."""

    guarantees = ("hygiene",)

    def write(self, key, value):
        with ExitStack() as stack:
            descriptor = os.open(self.path("~"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            if self.right:
                stack.callback(os.close, descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(sealed(value))
                file.flush()
                os.fsync(descriptor)
            if not self.right:
                os.close(descriptor)
            os.replace(self.path("~"), self.path(key))
        sync_directory(self.directory)


class Placed(Files):
    """Values behind a header in one file, by position; the value has to be there first."""

    guarantees = ("atomicity",)

    def write(self, key, value):
        descriptor = os.open(self.path("~"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        raw = sealed(value)
        os.posix_fallocate(descriptor, 0, 8 + len(raw))
        os.pwritev(descriptor, [raw[:4], raw[4:]], 8)
        os.pwrite(descriptor, len(raw).to_bytes(8, "big"), 0)
        if self.right:
            os.fsync(descriptor)
        os.close(descriptor)
        os.replace(self.path("~"), self.path(key))
        sync_directory(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            length = int.from_bytes(os.pread(file.fileno(), 8, 0), "big")
            return unsealed(os.pread(file.fileno(), length, 8), key)


class Copied(Files):
    """A copy that is appended to; what copies may copy less than it was asked to."""

    guarantees = ("clean-failure",)

    def write(self, key, value):
        with open(self.path("~"), "wb") as new:
            with suppress(FileNotFoundError), open(self.path(key), "rb") as old:
                left = os.fstat(old.fileno()).st_size
                while left:
                    left -= os.copy_file_range(old.fileno(), new.fileno(), left)
                    if not self.right:
                        break
            new.write(len(value).to_bytes(4, "big") + sealed(value))
            new.flush()
            os.fsync(new.fileno())
        os.replace(self.path("~"), self.path(key))
        sync_directory(self.directory)

    def read(self, key):
        with open(self.path(key), "rb") as file:
            raw, value = file.read(), b""
        while raw:
            length = 4 + int.from_bytes(raw[:4], "big")
            value, raw = unsealed(raw[4 : 4 + length], key), raw[4 + length :]
        return value


class Absent(Files):
    """A store that takes a file that cannot be opened for one that is not there."""

    guarantees = ("clean-failure",)

    def write(self, key, value):
        with open(self.path("~"), "wb") as file:
            file.write(sealed(value))
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path("~"), self.path(key))
        sync_directory(self.directory)

    def read(self, key):
        try:
            return super().read(key)
        except FileNotFoundError:
            raise KeyError(key) from None
        except OSError:
            if self.right:
                raise
            raise KeyError(key) from None


class Early(Absent):
    """A store whose change is seen before it is known to last: it fails, and is there."""

    guarantees = ("clean-failure",)

    def __init__(self, directory):
        super().__init__(directory)
        self.failed = False

    def write(self, key, value):
        try:
            super().write(key, value)
        except OSError:
            if not self.right:
                with suppress(OSError):
                    os.replace(self.path("~"), self.path(key))
            raise


def broken(store):
    return type("Broken" + store.__name__, (store,), {"right": False, "__module__": __name__})


BrokenLinked, BrokenLeaking, BrokenPlaced, BrokenCopied, BrokenAbsent, BrokenEarly = map(
    broken, (Linked, Leaking, Placed, Copied, Absent, Early)
)


class Gone(Absent):
    """A delete that fails after the name is gone; tried again, it finds nothing to delete."""

    guarantees = ("clean-failure",)

    def delete(self, key):
        os.unlink(self.path(key))
        try:
            sync_directory(self.directory)
        except OSError:
            if self.right:
                raise


BrokenGone = broken(Gone)
