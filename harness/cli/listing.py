"""``harness list``: what there is to choose from."""

from __future__ import annotations

import ast
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit, emit_json
from harness.guarantees import GUARANTEES

__all__ = ["listing"]

_FAULTS: Final = {
    "process killed": "the process dies at any call, or in the middle of a write; the machine "
    "goes on (profile kill)",
    "power cut": "the machine stops at any point; what is on disk is any set of effects that "
    "the profile allows",
    "crash during recovery": "a second crash, at any point of what opening the store after the "
    "first one does",
    "power cut after a kill": "the process dies, a successor recovers on what memory holds and "
    "writes, then the power goes (not with --quick)",
    "failing call": "each call of a run fails with each error it can really give, once and until "
    'cleared, or is cut short: CALL "PATTERN" #N: ERROR after B bytes, once (or: until cleared); '
    'the pattern and the bytes may be left out: write "*.tmp" #2: ENOSPC after 512 bytes, once; '
    "read #1: 3 bytes only, once",
    "failed fsync": "the pages are dropped and the next fsync succeeds; memory keeps them (ext4, "
    "xfs) or goes back (btrfs): fsync #1: EIO, once",
    "full disk": "room for so many bytes or inodes, then freed: disk: full at 8192 bytes; disk: "
    "full at 3 inodes",
    "two failures": "a second call fails in what the store does about the first: fsync #1: EIO, "
    "once; then unlink #1: EIO, once",
    "fault, then power cut": "the power goes while the store deals with a failure, or at any time "
    "after: write #2: EIO, once; power cut after call 9",
    "kill, then fault": "a process dies, a call of the next one fails and is tried again, then the "
    "power goes: killed after call 3; afterwards: fsync #2: EIO, once",
    "fault during recovery": "a crash anywhere, and a failing call or a full disk in the recovery "
    "from it: in recovery: unlink #1: EIO, once; in recovery: disk: full at 8192 bytes",
    "rot": "stored bytes flipped, zeroed, garbled, stale, cut, deleted, appended to, or under "
    "another name, names altered, files and directories gone, after a clean shutdown: "
    '"store/a": bit 3 of byte 17 flipped; "store/a": bytes 0 to 512 zeroed (garbled, stale, '
    "deleted); cut to 9 bytes; garbage of 1 bytes appended; old tail appended; content of "
    '"store/b"; swapped with "store/b"; missing; renamed to "store/c"',
    "repeated fault": "one operation crashes or fails at the same call over and over, directories "
    "listed in either order: repeat operation 0: * #4: killed (power cut); repeat operation 0: * "
    "#4: killed; listed backwards; repeat operation 1: write #1: ENOSPC, once; repeat operation "
    "1: write #1: ENOSPC, once; then unlink #1: EIO, once",
}
"""What there is, with the text of those that --fault takes."""


@click.command("list")
@click.argument("what", type=click.Choice(["profiles", "guarantees", "faults", "scenarios"]))
@json_option
@debug_option
def listing(what: str, *, as_json: bool) -> None:
    """List profiles with their rules, guarantees, faults, or scenarios."""
    if what == "profiles":
        _profiles(as_json=as_json)
        return
    entries = {"guarantees": _guarantees, "faults": _faults, "scenarios": _scenarios}[what]()
    if as_json:
        _emit_document(what, entries)
        return
    for entry in entries:
        _print(entry)
    if what == "faults":
        emit("")
        # Set in, as what is not the name of a fault.
        emit("    harness check --fault F injects one fault alone, in every workload where")
        emit("    it fires. F is as written above. Calls are counted from 1, those of that")
        emit("    name alone (*: of any) whose path matches; a store lives in the directory")
        emit("    store.")


def _emit_document(what: str, entries: list[dict[str, object]]) -> None:
    import msgspec  # noqa: PLC0415 - slow to import

    emit_json(msgspec.json.format(msgspec.json.encode({what: entries}), indent=2))


def _print(entry: dict[str, object]) -> None:
    name, text = str(entry["name"]), str(entry["text"])
    if entry.get("subject"):
        text = f"{text} ({entry['subject']})"
    emit(name)
    lines = textwrap.wrap(
        text,
        80,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        emit(line)


def _profiles(*, as_json: bool) -> None:
    from harness import config  # noqa: PLC0415 - slow to import
    from harness.persistence import PROFILES  # noqa: PLC0415
    from harness.statelist import describe_profiles, profile_table  # noqa: PLC0415

    models = (*PROFILES.values(), *config.load(Path.cwd()).custom.values())
    if as_json:
        _emit_document("profiles", profile_table(models))
    else:
        emit(describe_profiles(models))


def _guarantees() -> list[dict[str, object]]:
    # This version judges all of them; "judged" is for readers of the JSON that know older ones.
    return [{"name": name, "text": text, "judged": True} for name, text in GUARANTEES.items()]


def _faults() -> list[dict[str, object]]:
    return [{"name": name, "text": text} for name, text in _FAULTS.items()]


def _scenarios() -> list[dict[str, object]]:
    """Read the docstrings of the modules under ``scenarios``; importing them takes pytest."""
    spec = find_spec("scenarios")
    entries: list[dict[str, object]] = []
    for root in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(root).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if any(part.startswith("_") for part in parts):
                continue
            tree = ast.parse(path.read_bytes())
            functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
            module = ".".join(("scenarios", *parts))
            opens = next((name for name in ("broken", "open_store") if name in functions), None)
            entries.append(
                {
                    "name": module,
                    "text": (ast.get_docstring(tree) or "(undocumented)").splitlines()[0],
                    "subject": f"{module}:{opens}" if opens else None,
                }
            )
    return sorted(entries, key=lambda entry: (entry["subject"] is not None, str(entry["name"])))
