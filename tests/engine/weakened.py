"""The reference manager with a step of its write protocol taken out, as subjects.

Not copies: the source of ``harness/reference/hardened_files.py`` with a line changed in place, so
that every other line keeps its number, and findings name the lines of the real file.
"""

from harness.reference import filestore, hardened_files
from harness.reference.manager import CheckpointManager
from harness.reference.subjects import ManagerFactory, hardened

PATH = hardened_files.__file__


def _weakened(name, *changes):
    with open(PATH, encoding="utf-8") as file:
        source = file.read()
    for old, new in changes:
        assert old in source, old
        assert old.count("\n") == new.count("\n")
        source = source.replace(old, new)
    module = dict(vars(hardened_files))
    exec(compile(source, PATH, "exec"), module)
    files = module["HardenedFiles"]

    def opened(directory):
        protocols = filestore._PROTOCOLS
        before = protocols["hardened"]
        protocols["hardened"] = files
        try:
            return CheckpointManager(directory)
        finally:
            protocols["hardened"] = before

    return ManagerFactory(name, opened, hardened.not_found)


no_directory_sync = _weakened(
    "no_directory_sync", ("                os.fsync(directory)\n", "                pass\n")
)
"""Renamed, and the directory never synced."""

no_file_sync = _weakened(
    "no_file_sync",
    ("            os.fsync(fd)\n            if not", "            pass\n            if not"),
)
"""Renamed without having synced the new file."""

in_place = _weakened(
    "in_place",
    (
        "temporary, fd = self._create()\n",
        "temporary = None; fd = os.open(self._prefix + key, os.O_RDWR | os.O_CREAT | os.O_TRUNC)\n",
    ),
    ("os.rename(temporary, self._prefix + key)", "pass"),
    ("if not renamed and not _unlink(temporary)", "if False"),
)
"""Written over the old file, which is truncated first."""
