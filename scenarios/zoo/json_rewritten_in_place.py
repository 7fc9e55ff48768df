"""The settings-file classic: json.dump into open(path, "w"). One key written, every key at risk."""

import json
import os

from scenarios.adapters._declare import declares
from scenarios.zoo._base import CRASH, EVERY, Bug, Store, sync_directory
from scenarios.zoo._document import Document

__all__ = ["BUG", "broken", "fixed"]

BUG = Bug(
    name="json_rewritten_in_place",
    guarantee="atomicity",
    profiles=EVERY,
    held=(),
    kind="written in place",
    culprit='with open(self.path(".json"), "w", encoding="utf-8") as file:',
    fix="Write a temporary file, sync it, and rename it over the old one.",
    issue="TencentDB-Agent-Memory 770: a parse error resets the state, and that is then saved",
    since=2,
    also={"durability": EVERY},
)


class _Broken(Document):
    def load(self) -> dict[str, str]:
        try:
            with open(self.path(".json"), encoding="utf-8") as file:
                document: dict[str, str] = json.load(file)
                return document
        except (FileNotFoundError, json.JSONDecodeError):
            return {}  # "start afresh": with every key forgotten

    def store(self, document: dict[str, str]) -> None:
        with open(self.path(".json"), "w", encoding="utf-8") as file:  # culprit
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self.directory)


@declares(guarantees=CRASH)
def broken(directory: str) -> Store:
    """Open the store that rewrites its only file."""
    return _Broken(directory)


def fixed(directory: str) -> Store:
    """Open the store that replaces it."""
    return Document(directory)
