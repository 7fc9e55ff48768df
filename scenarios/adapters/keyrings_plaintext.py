"""keyrings.alt's PlaintextKeyring, the ``keyring`` backend of machines without a desktop.

Package: keyrings.alt 5.0.2. What it claims: "Simple File Keyring with no encryption". It keeps
passwords, all in one file; that setting one leaves the others alone is the least of it, so
``atomicity``, ``recovery`` and ``listing`` are judged. Its documentation speaks of no power cut, so
``durability`` is not claimed.

Write protocol (``Keyring._write_config_value``, keyrings/alt/file_base.py; confirmed by strace)::

    open(path, "w"); close; chmod 0o600        openat(O_CREAT), where it is not there
    config.read(path)                          openat(O_RDONLY); read ...
    open(path, "w")                            openat(O_WRONLY|O_TRUNC): all passwords are gone
    config.write(file)                         write ...; close

There is no fsync and no rename: the file is written where it stays.

Expected
- ``atomicity`` violated on every profile: between O_TRUNC and the write the file is empty, and so
  are all passwords in it, that of another service too. Culprit:
  ``with open(self.file_path, 'w', encoding='utf-8') as config_file:``.
- ``durability`` violated on every profile but ``kill``, were it claimed.
- ``recovery`` held under ``kill`` and ``ordered``: a prefix of the file, cut at a sector, parses.
  Under ``posix`` violated: a file of zeros makes ``config.read`` raise MissingSectionHeaderError,
  from ``set_password`` too, until somebody removes the file.
- ``listing`` held: where the file can be read, what it lists can be.

Values are text there, so the adapter writes them in base64; there is no call that lists users, so
it reads the file's own section, which is a configparser's.
"""

from __future__ import annotations

import base64
import configparser
import os
from collections.abc import Iterable

from keyrings.alt.escape import unescape  # type: ignore[import-untyped]
from keyrings.alt.file import PlaintextKeyring  # type: ignore[import-untyped]

from scenarios.adapters._declare import Expected, declares

__all__ = ["EXPECTED", "PACKAGE", "UNCLAIMED", "open_store"]

PACKAGE = "keyrings.alt==5.0.2"

EXPECTED: Expected = {
    "kill": {"atomicity": "violated", "recovery": "held", "listing": "held"},
    "ordered": {"atomicity": "violated", "recovery": "held", "listing": "held"},
    "posix": {"atomicity": "violated", "recovery": "violated", "listing": "held"},
}
UNCLAIMED: Expected = {
    "ordered": {"durability": "violated"},
    "posix": {"durability": "violated"},
}

_SERVICE = "service"


class Store:
    """One service's passwords, by user name."""

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._keyring = PlaintextKeyring()
        self._keyring.file_path = os.path.join(directory, PlaintextKeyring.filename)

    def write(self, key: str, value: bytes) -> None:
        self._keyring.set_password(_SERVICE, key, base64.b64encode(value).decode())

    def read(self, key: str) -> bytes:
        text = self._keyring.get_password(_SERVICE, key)
        if text is None:
            raise KeyError(key)
        return base64.b64decode(text, validate=True)

    def delete(self, key: str) -> None:
        if self._keyring.get_password(_SERVICE, key) is None:
            raise KeyError(key)
        self._keyring.delete_password(_SERVICE, key)

    def list(self) -> Iterable[str]:
        config = configparser.RawConfigParser()
        config.read(self._keyring.file_path, encoding="utf-8")
        if not config.has_section(_SERVICE):
            return []
        return [unescape(name) for name in config.options(_SERVICE)]


@declares(
    guarantees=("atomicity", "recovery", "listing"),
    single_writer=True,
)
def open_store(directory: str) -> Store:
    """Open the keyring in a directory."""
    return Store(directory)
