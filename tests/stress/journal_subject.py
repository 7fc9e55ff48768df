"""The journal of stress runs as a store, for the harness to check: a key's last line counts."""

import base64
import json
import os
import zlib

from harness.stress.journal import Journal

GUARANTEES = (
    "atomicity",
    "durability",
    "recovery",
    "listing",
    "integrity",
    "clean-failure",
    "hygiene",
)


class Lines:
    def __init__(self, journal):
        self._journal = journal

    def _state(self):
        found = {}
        for line in self._journal.lines():
            key, value = json.loads(line)
            found[key] = value
        return {key: value for key, value in found.items() if value is not None}

    def write(self, key, value):
        text = base64.b64encode(value).decode()
        self._journal.append(json.dumps([key, text]).encode())

    def read(self, key):
        return base64.b64decode(self._state()[key])

    def delete(self, key):
        if key not in self._state():
            raise KeyError(key)
        self._journal.append(json.dumps([key, None]).encode())

    def list(self):
        return list(self._state())

    def close(self):
        self._journal.close()


def store(directory):
    return Lines(Journal(directory))


store.guarantees = GUARANTEES
store.single_writer = True


# Each with one precaution of the journal left out: the harness has to notice.


class _Unsynced(Journal):
    def append(self, payload):
        os.write(self._fd, b"%08x %s\n" % (zlib.crc32(payload), payload))


def unsynced(directory):
    return Lines(_Unsynced(directory))


class _Unsummed(Lines):
    def _state(self):
        found = {}
        with open(self._journal.path, "rb") as file:
            for line in file:
                key, value = json.loads(line[9:])
                found[key] = value
        return {key: value for key, value in found.items() if value is not None}


def unsummed(directory):
    return _Unsummed(Journal(directory))


class _Untrimmed(Journal):
    def _end(self):
        return os.fstat(self._fd).st_size  # what is torn stays, and the next line joins it


def untrimmed(directory):
    return Lines(_Untrimmed(directory))


unsynced.guarantees = unsummed.guarantees = untrimmed.guarantees = GUARANTEES
unsynced.single_writer = unsummed.single_writer = untrimmed.single_writer = True
