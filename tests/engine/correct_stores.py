"""Five correct stores in five styles, written without a look at the zoo: no alarm may ring.

Each relies on nothing but what fsync(2) and rename(2) promise everywhere.
"""

import json
import os
import shutil
import struct
import zlib
from contextlib import suppress


def sync_directory(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path):
    os.makedirs(path, exist_ok=True)
    sync_directory(os.path.dirname(path))


def write_synced(path, content):
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


CRASHES = ("atomicity", "durability", "recovery", "listing")


class AppendOnlyLog:
    """Every change is a record with a checksum; a torn tail is cut off when opening.

    What is read back after a kill is synced before it is relied on.
    """

    guarantees = CRASHES
    HEADER = struct.Struct(">IIi")

    def __init__(self, directory):
        make_directory(directory)
        self.values = {}
        self.file = open(os.path.join(directory, "log"), "a+b")  # noqa: SIM115 - closed in close()
        self.file.seek(0)
        content = self.file.read()
        end = 0
        while end + self.HEADER.size <= len(content):
            checksum, key_size, size = self.HEADER.unpack_from(content, end)
            stop = end + self.HEADER.size + key_size + max(size, 0)
            body = content[end + 4 : stop]
            if stop > len(content) or zlib.crc32(b"log" + body) != checksum:
                break
            key = body[8 : 8 + key_size].decode()
            self.values.pop(key, None)
            if size >= 0:
                self.values[key] = body[8 + key_size :]
            end = stop
        self.file.truncate(end)
        os.fsync(self.file.fileno())
        sync_directory(directory)

    def append(self, key, value):
        name = key.encode()
        body = struct.pack(">Ii", len(name), -1 if value is None else len(value))
        body += name + (value or b"")
        self.file.write(struct.pack(">I", zlib.crc32(b"log" + body)) + body)
        self.file.flush()
        os.fsync(self.file.fileno())

    def write(self, key, value):
        self.append(key, value)
        self.values[key] = value

    def read(self, key):
        return self.values[key]

    def delete(self, key):
        if key not in self.values:
            raise KeyError(key)
        self.append(key, None)
        del self.values[key]

    def list(self):
        return list(self.values)

    def close(self):
        self.file.close()


class DoubleSlot:
    """Two files a key, written in turn; the newer one whose checksum is right counts."""

    guarantees = CRASHES

    def __init__(self, directory):
        self.directory = directory
        make_directory(directory)
        # A value that is readable now may be all there is after the next power cut.
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), "rb") as file:
                os.fsync(file.fileno())
        sync_directory(directory)

    def slot(self, key, number):
        return os.path.join(self.directory, f"{key}={number % 2}")

    def newest(self, key):
        found = []
        for number in (0, 1):
            content = read_file(self.slot(key, number)) or b""
            if len(content) >= 13 and zlib.crc32(key.encode() + content[4:]) == int.from_bytes(
                content[:4], "big"
            ):
                found.append((int.from_bytes(content[4:12], "big"), content[12:]))
        return max(found, default=(0, b"-"))

    def save(self, key, payload):
        number = self.newest(key)[0] + 1
        body = number.to_bytes(8, "big") + payload
        checksum = zlib.crc32(key.encode() + body).to_bytes(4, "big")
        write_synced(self.slot(key, number), checksum + body)
        sync_directory(self.directory)

    def write(self, key, value):
        self.save(key, b"+" + value)

    def read(self, key):
        payload = self.newest(key)[1]
        if payload[:1] != b"+":
            raise KeyError(key)
        return payload[1:]

    def delete(self, key):
        self.read(key)
        self.save(key, b"-")

    def list(self):
        keys = {name.rpartition("=")[0] for name in os.listdir(self.directory)}
        return [key for key in keys if self.newest(key)[1][:1] == b"+"]


class UndoJournal:
    """Values are changed in place, after what was there has gone to a journal, as sqlite does."""

    guarantees = CRASHES

    def __init__(self, directory):
        self.directory = directory
        make_directory(directory)
        self.journal = os.path.join(directory, "=journal")
        self.roll_back()

    def path(self, key):
        return os.path.join(self.directory, key)

    def roll_back(self):
        content = read_file(self.journal)
        if content is None:
            # Its removal, and what it protected, may be in memory only.
            for name in os.listdir(self.directory):
                with open(self.path(name), "rb") as file:
                    os.fsync(file.fileno())
            sync_directory(self.directory)
            return
        # What a dead process wrote last is readable and may still be nowhere on disk: before the
        # value is touched because of it, it must be.
        with open(self.journal, "rb") as file:
            os.fsync(file.fileno())
        sync_directory(self.directory)
        if len(content) > 8 and zlib.crc32(content[4:]) == int.from_bytes(content[:4], "big"):
            size = int.from_bytes(content[4:8], "big")
            key, there = content[8 : 8 + size].decode(), content[8 + size :][:1]
            old = content[9 + size :]
            if there == b"+":
                write_synced(self.path(key), old)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(self.path(key))
            sync_directory(self.directory)
        # An unfinished journal protects nothing yet.
        self.commit()

    def begin(self, key):
        old = read_file(self.path(key))
        name = key.encode()
        body = len(name).to_bytes(4, "big") + name + (b"-" if old is None else b"+" + old)
        write_synced(self.journal, zlib.crc32(body).to_bytes(4, "big") + body)
        sync_directory(self.directory)

    def commit(self):
        os.unlink(self.journal)
        sync_directory(self.directory)

    def write(self, key, value):
        self.begin(key)
        write_synced(self.path(key), value)
        sync_directory(self.directory)
        self.commit()

    def read(self, key):
        with open(self.path(key), "rb") as file:
            return file.read()

    def delete(self, key):
        if not os.path.exists(self.path(key)):
            raise KeyError(key)
        self.begin(key)
        os.unlink(self.path(key))
        sync_directory(self.directory)
        self.commit()

    def list(self):
        return [name for name in os.listdir(self.directory) if not name.startswith("=")]


class DirectoryPerKey:
    """A directory for each key, made aside and renamed into place under the next number."""

    guarantees = CRASHES

    def __init__(self, directory):
        self.directory = directory
        make_directory(directory)
        # A rename that drop() did not live to sync: until it is durable, the content must stay.
        sync_directory(directory)
        for name in sorted(os.listdir(directory)):
            if name.startswith("=new"):
                shutil.rmtree(os.path.join(directory, name))
        sync_directory(directory)
        self.count = 0

    def versions(self, key):
        found = [
            int(number)
            for name, _, number in (one.rpartition("=") for one in os.listdir(self.directory))
            if name == key
        ]
        return sorted(found)

    def path(self, key, number):
        return os.path.join(self.directory, f"{key}={number:06d}")

    def write(self, key, value):
        old = self.versions(key)
        self.count += 1
        made = os.path.join(self.directory, f"=new{self.count}")
        os.mkdir(made)
        write_synced(os.path.join(made, "value"), value)
        sync_directory(made)
        os.rename(made, self.path(key, old[-1] + 1 if old else 1))
        sync_directory(self.directory)
        self.drop(key, old)

    def drop(self, key, numbers):
        for number in numbers:
            self.count += 1
            gone = os.path.join(self.directory, f"=new{self.count}")
            os.rename(self.path(key, number), gone)
            sync_directory(self.directory)
            shutil.rmtree(gone)

    def read(self, key):
        numbers = self.versions(key)
        if not numbers:
            raise KeyError(key)
        with open(os.path.join(self.path(key, numbers[-1]), "value"), "rb") as file:
            return file.read()

    def delete(self, key):
        numbers = self.versions(key)
        if not numbers:
            raise KeyError(key)
        self.drop(key, numbers)

    def list(self):
        return {name.rpartition("=")[0] for name in os.listdir(self.directory) if name[0] != "="}


class JsonWithBackup:
    """One JSON document, replaced atomically, with the one before kept beside it."""

    guarantees = CRASHES

    def __init__(self, directory):
        make_directory(directory)
        self.directory = directory
        self.path = os.path.join(directory, "data.json")
        # What a dead process renamed last may not be durable yet.
        sync_directory(directory)
        text = read_file(self.path)
        if text is None:
            text = read_file(self.path + ".bak")
        self.values = {k: bytes.fromhex(v) for k, v in json.loads(text or b"{}").items()}

    def save(self, values):
        text = json.dumps({k: v.hex() for k, v in values.items()}).encode()
        write_synced(self.path + ".new", text)
        if os.path.exists(self.path):
            with suppress(FileNotFoundError):
                os.unlink(self.path + ".bak")
            os.link(self.path, self.path + ".bak")
        os.replace(self.path + ".new", self.path)
        sync_directory(self.directory)
        self.values = values

    def write(self, key, value):
        self.save(self.values | {key: value})

    def read(self, key):
        return self.values[key]

    def delete(self, key):
        values = dict(self.values)
        del values[key]
        self.save(values)

    def list(self):
        return sorted(self.values)
