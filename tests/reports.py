"""The published reports: ``python -m tests.reports`` makes ``reports/`` anew.

One Markdown and one JSON file a store, and an index. No wall clock is in them, so that the same
code gives the same files; `tests/test_reports.py` holds them against what it gives now.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.render.markdown import as_markdown
from harness.report import Report, dump
from harness.runner import REFERENCE, Plan, check
from scenarios.adapters import ADAPTERS

__all__ = ["STORES", "Store", "files_of", "index", "main", "make"]

ROOT = Path(__file__).parent.parent / "reports"

COMMAND = "python -m tests.reports"

STANDARD_LIBRARY = ("dbm_dumb",)
"""Not published: its lines differ from one Python to the next."""


LEFT_OUT = ("isolation",)
"""Guarantees that take too long to judge for a page that is made anew with every change."""


@dataclass(frozen=True)
class Store:
    """One store to publish a report on.

    Attributes:
        name: Of its files.
        subject: As given to ``harness check``.
        title: What it is.
        guarantees: Those to judge; None for what it claims.
        adapter: Module of the adapter, which tells of claims and protocol; None for our own.
    """

    name: str
    subject: str
    title: str
    guarantees: tuple[str, ...] | None = None
    adapter: str | None = None


def _stores() -> Iterator[Store]:
    yield Store("reference-hardened", REFERENCE, "the reference, default mode")
    yield Store(
        "reference-kubelet",
        "harness.reference.subjects:kubelet",
        "the reference, kubelet mode: what a kubelet does, weaknesses included",
    )
    for name in ADAPTERS:
        if name not in STANDARD_LIBRARY:
            module = f"scenarios.adapters.{name}"
            yield Store(name, f"{module}:open_store", name, adapter=module)


STORES = {store.name: store for store in _stores()}


def make(store: Store) -> Report:
    """Check a store, all profiles, and take the time out of the report."""
    claimed = Plan(store.subject, guarantees=store.guarantees, effort="quick").judged
    judged = tuple(name for name in claimed if name not in LEFT_OUT)
    report = check(Plan(store.subject, guarantees=judged, effort="quick")).report
    report.stats.seconds = report.stats.states_per_second = 0.0
    report.findings = [msgspec.structs.replace(one, repro=None) for one in report.findings]
    return report


def files_of(store: Store, report: Report) -> dict[str, bytes]:
    """Give the two files of a report."""
    lines = [f"# {_title(store)}", ""]
    if store.adapter is not None:
        module = importlib.import_module(store.adapter)
        path = store.adapter.replace(".", "/")
        source = f"[`{path}.py`](../{path}.py)"
        claims = (
            f"Package `{module.PACKAGE}`, judged on what its own documentation claims. The claims, "
            "and the write protocol as read from its source and compared with strace by a test, "
            f"are in {source}."
        )
        lines += [claims, ""]
        unclaimed = sorted({g for verdicts in module.UNCLAIMED.values() for g in verdicts})
        if unclaimed:
            fairness = (
                f"Not claimed by it, and so not judged here: {', '.join(unclaimed)}. "
                "The findings below are about these calls on these file systems, and say nothing "
                "of other uses."
            )
            lines += [fairness, ""]
    lines += [
        f"Made by `{COMMAND}`; the same check: `harness check {store.subject} --quick`.",
        "",
        as_markdown(report),
    ]
    text = "\n".join(lines)
    return {f"{store.name}.md": text.encode(), f"{store.name}.json": dump(report)}


def _title(store: Store) -> str:
    if store.adapter is None:
        return store.title
    return str(importlib.import_module(store.adapter).PACKAGE)


def index(reports: Iterable[tuple[Store, Report]]) -> bytes:
    """Give the index: a row a store."""
    lines = [
        "# Published reports",
        "",
        (
            "Checks of the reference, and of stores from PyPI that nobody here wrote, each in the "
            "version named and on the guarantees that its own documentation claims. A verdict is "
            "about what a file system may do with the calls that it makes; each finding names the "
            "line, the smallest workload and what was lost. Several writers at once (isolation) "
            "are left out here; `harness check` judges them."
        ),
        "",
        f"`{COMMAND}` makes them anew; a test holds that they are current.",
        "",
        "| store | profiles | violated | findings |",
        "|---|---|---|---|",
    ]
    for store, report in reports:
        profiles = len({verdict.profile for verdict in report.verdicts})
        broken = list(
            dict.fromkeys(v.guarantee for v in report.verdicts if v.verdict == "violated")
        )
        count = len(report.findings)
        words = ", ".join(broken) or "nothing"
        row = f"[{_title(store)}]({store.name}.md) | {profiles} | {words} | {count}"
        lines.append(f"| {row} |")
    return ("\n".join(lines) + "\n").encode()


def _made(name: str) -> tuple[int, dict[str, bytes]]:
    report = make(STORES[name])
    return len(report.findings), files_of(STORES[name], report)


def main(names: list[str]) -> int:
    """Write the reports asked for, or all of them and the index."""
    unknown = sorted(set(names) - set(STORES))
    if unknown:
        sys.stderr.write(f"{', '.join(unknown)}: no such store; there are {', '.join(STORES)}\n")
        return 2
    ROOT.mkdir(exist_ok=True)
    chosen = names or list(STORES)
    workers = min(os.cpu_count() or 1, len(chosen))
    # Spawned: a store leaves modules and caches behind, and the next one's report is to be its own.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for name, (count, files) in zip(chosen, pool.map(_made, chosen), strict=True):
            for file, data in files.items():
                (ROOT / file).write_bytes(data)
            sys.stderr.write(f"{name}: {count} findings\n")
    saved = [
        (store, msgspec.json.decode((ROOT / f"{name}.json").read_bytes(), type=Report))
        for name, store in STORES.items()
        if (ROOT / f"{name}.json").exists()
    ]
    (ROOT / "README.md").write_bytes(index(saved))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
