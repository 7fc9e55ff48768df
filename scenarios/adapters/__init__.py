"""Real stores from PyPI and the standard library, as subjects.

Nobody here wrote them, and nothing is patched: each adapter only gives a library the shape that the
harness asks of a subject. Each file says which calls the library makes (read in its source, then
seen under strace), which guarantees its own documentation lays claim to, and what the harness is
expected to find, so that a wrong verdict of the harness shows up as a failing test:

- ``PACKAGE``: the requirement, pinned, because a verdict is about one version;
- ``open_store(directory)``: the subject;
- ``EXPECTED[profile][guarantee]``: ``held``, ``violated`` or ``not-exercised``, for the
  guarantees the library claims. A pair that is missing is one where the definition leaves room;
  the docstring says which and why;
- ``UNCLAIMED``: the same for guarantees that the library does not promise, so that nobody reads
  them as its faults. ``harness check --guarantee NAME`` judges them all the same.

Run one with ``harness check scenarios.adapters.cachelib_filesystem:open_store``.
"""

__all__ = ["ADAPTERS"]

ADAPTERS = (
    "atomicwrites_files",
    "beaker_file",
    "boltons_atomic",
    "cachelib_filesystem",
    "dbm_dumb",
    "django_filebased",
    "dotenv_file",
    "fsspec_mapper",
    "keyrings_plaintext",
    "pickleshare_db",
    "simplekv_filesystem",
    "tinydb_caching",
    "tinydb_json",
    "zict_file",
)
"""Module names, in alphabetical order. Importing this package imports none of them."""
