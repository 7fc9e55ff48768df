"""The corpus under pytest: each reproduction a test that fails while it is reproduced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.corpus import entries

__all__ = ["CorpusFile", "put_first"]


class Reproduced(Exception):  # noqa: N818 - a verdict, shown as it is
    """What a test says that fails."""


class CorpusFile(pytest.File):
    """One reproduction file."""

    def collect(self) -> Iterator[pytest.Item]:
        yield CorpusItem.from_parent(self, name="replay")


class CorpusItem(pytest.Item):
    """Replays it."""

    def runtest(self) -> None:
        from harness import config  # noqa: PLC0415 - only where a corpus is run
        from harness.cli.loading import find_subject  # noqa: PLC0415
        from harness.errors import HarnessError  # noqa: PLC0415
        from harness.finding import load_reproduction  # noqa: PLC0415
        from harness.persistence import PROFILES  # noqa: PLC0415
        from harness.replay import replay  # noqa: PLC0415

        root, here = self.config.rootpath, Path.cwd()
        os.chdir(root)  # subjects are named as seen from where the configuration is
        try:
            reproduction = load_reproduction(self.path.read_bytes(), self.path.name)
            defaults = config.load(root)
            subject = find_subject(reproduction.subject, defaults.directory)
            result = replay(subject, reproduction, {**PROFILES, **defaults.custom})
        except HarnessError as error:
            raise Reproduced(f"{self.path.name}: cannot: {error}") from None
        finally:
            os.chdir(here)
        if result.outcome != "no longer":
            raise Reproduced(
                f"{reproduction.subject} breaks {reproduction.guarantee} "
                f"({reproduction.profile}): {result.outcome}: {result.detail}"
            )
        self.user_properties.append(("harness-corpus-fixed", self._shown()))

    def _shown(self) -> str:
        return os.path.relpath(self.path, self.config.rootpath)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Reproduced):
            return f"{excinfo.value}\nharness replay {self._shown()}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"corpus: {self.path.name}"


def put_first(directory: Path, session: pytest.Session, items: list[pytest.Item]) -> None:
    """Put the corpus before all other tests, whether or not it was collected already.

    Args:
        directory: The corpus.
        session: The session.
        items: Its tests, changed in place.
    """
    known = [item for item in items if isinstance(item, CorpusItem)]
    items[:] = [item for item in items if not isinstance(item, CorpusItem)]
    there = {item.path for item in known}
    for path in entries(directory):
        if path not in there:
            file = CorpusFile.from_parent(session, path=path)
            known.append(CorpusItem.from_parent(file, name="replay"))
    items[:0] = sorted(known, key=lambda item: item.nodeid)
