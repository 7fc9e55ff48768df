"""The journal of stress runs as a store, for the harness to check: a key's last line counts."""

import base64
import json

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
