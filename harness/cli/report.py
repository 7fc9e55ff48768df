"""``harness report``: a saved report in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness.cli.options import debug_option
from harness.cli.streams import emit_bytes, side_output_on_stderr
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.report import Report
    from harness.scene import Exhibit

__all__ = ["report"]

FORMATS: Final = ("text", "html", "markdown", "junit", "sarif", "badge", "github", "json")


@click.command()
@click.argument("path", metavar="REPORT.json", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to show it; github is annotations for a workflow.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it there instead of printing it.",
)
@debug_option
def report(path: Path, form: str, output: Path | None) -> int:
    """Show a report that `harness check --report DIR` wrote, in another form.

    HTML and SARIF tell of every call if the reproductions are still beside the report and the
    subject can be run from here; otherwise they tell what the report itself holds.
    """
    from harness.render.files import render  # noqa: PLC0415 - slow to import
    from harness.report import write_atomically  # noqa: PLC0415

    loaded = _load(path)
    exhibits: dict[str, Exhibit] = {}
    if form in ("html", "sarif"):
        with side_output_on_stderr():
            exhibits = _exhibits(loaded, path.parent)
    data = render(form, loaded, exhibits, path.parent)
    if output is None:
        emit_bytes(data)
    else:
        write_atomically(output, data)
    return 0


def _load(path: Path) -> Report:
    import msgspec  # noqa: PLC0415 - slow to import

    from harness.report import Report  # noqa: PLC0415

    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}; give a report.json that harness check wrote"
        ) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(
            f"{path}: not a report: {error}; give a report.json that harness check wrote"
        ) from None


def _exhibits(loaded: Report, directory: Path) -> dict[str, Exhibit]:
    """Play again what can be; a subject that is not here takes nothing from the report."""
    from harness import config  # noqa: PLC0415 - see above
    from harness.cli.loading import find_subject  # noqa: PLC0415
    from harness.exhibit import exhibits_of  # noqa: PLC0415
    from harness.persistence import PROFILES  # noqa: PLC0415

    repros = {}
    for finding in loaded.findings:
        beside = directory / Path(finding.repro or "").name
        if finding.repro and beside.is_file():
            repros[finding.id] = beside.read_bytes()
    if not repros:
        return {}
    try:
        defaults = config.load(Path.cwd())
        subject = find_subject(loaded.subject, defaults.directory)
        return exhibits_of(subject, loaded.findings, repros, {**PROFILES, **defaults.custom})
    except HarnessError:
        return {}
