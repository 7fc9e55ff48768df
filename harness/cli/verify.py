"""``harness verify``: checkpoint files of a real kubelet, whole or damaged."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit, emit_json

if TYPE_CHECKING:
    from harness.reference.verify import Verdict, VerifyMode

__all__ = ["verify"]


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--mode",
    type=click.Choice(["kubelet", "strict"]),
    default="kubelet",
    show_default=True,
    help="What counts as damage: kubelet accepts what a kubelet does, a missing checksum too.",
)
@json_option
@debug_option
def verify(paths: tuple[str, ...], mode: VerifyMode, *, as_json: bool) -> int:
    """Tell what checkpoint files are, and whether they are whole.

    Reads the state files of kubelets (cpu_manager_state, memory_manager_state,
    kubelet_internal_checkpoint, ...) and those of the reference store. Prints each one's kind,
    version, verdict and both checksums.

    Exits 1 if any is damaged, else 2 if any is not a checkpoint, else 0.
    """
    import msgspec  # noqa: PLC0415 - slow to import

    from harness.reference.verify import exit_code, verify_paths  # noqa: PLC0415

    verdicts = verify_paths(paths, mode)
    if as_json:
        document = msgspec.json.encode({"mode": mode, "files": verdicts})
        emit_json(msgspec.json.format(document, indent=2))
    else:
        for verdict in verdicts:
            _print(verdict)
    return exit_code(verdicts)


def _print(verdict: Verdict) -> None:
    emit(f"{verdict.path}: {verdict.verdict}")
    facts = []
    if verdict.kind is not None:
        facts.append(f"{verdict.kind} {verdict.version or 'of unknown version'}")
    if verdict.envelope:
        facts.append("in a hardened store's envelope")
    if verdict.stored is not None or verdict.computed is not None:
        facts.append(f"checksum stored {_sum(verdict.stored)}, computed {_sum(verdict.computed)}")
    if facts:
        emit(f"    {'; '.join(facts)}")
    for line in textwrap.wrap(verdict.explanation, 76, break_long_words=False):
        emit(f"    {line}")


def _sum(value: int | None) -> str:
    return "none" if value is None else str(value)
