"""``harness replay``: one finding again, exactly as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import debug_option, json_option
from harness.cli.streams import emit, emit_json, side_output_on_stderr
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.replay import ReplayResult

__all__ = ["replay"]


@click.command()
@click.argument("paths", metavar="REPRO.json...", nargs=-1, required=True)
@click.option(
    "--as-test",
    is_flag=True,
    help="Print one finding as a test of plain pytest and pyfakefs, without the harness.",
)
@json_option
@debug_option
def replay(paths: tuple[str, ...], *, as_test: bool, as_json: bool) -> int:
    """Run findings again, from the files that `harness check --report DIR` wrote.

    No random choice is left in such a file: the same operations, the same crash, the same losses.
    Run it from where the check ran, so that the subject is found.

    Exits 1 if any is reproduced, else 2 if any cannot be run, else 0: no longer.
    """
    import msgspec  # noqa: PLC0415 - slow to import

    if as_test:
        if len(paths) != 1 or as_json:
            raise UsageError("--as-test prints one test; give one file, and no --json")
        emit(_as_test(paths[0]))
        return 0
    results = []
    for path in paths:
        with side_output_on_stderr():
            result = _one(path)
        results.append((path, result))
        if not as_json:
            emit(f"{path}: {result.outcome}: {result.detail}")
    if as_json:
        document = msgspec.json.encode(
            [
                {"repro": path, "outcome": one.outcome, "detail": one.detail, "exact": one.exact}
                for path, one in results
            ]
        )
        emit_json(msgspec.json.format(document, indent=2))
    codes = {result.exit_code for _, result in results}
    return 1 if 1 in codes else max(codes)


def _one(path: str) -> ReplayResult:
    """Replay one file; what keeps it from running is a result of its own, not the end of all."""
    from harness import config  # noqa: PLC0415 - see above
    from harness.cli.loading import find_subject  # noqa: PLC0415
    from harness.finding import load_reproduction  # noqa: PLC0415
    from harness.persistence import PROFILES  # noqa: PLC0415
    from harness.replay import ReplayResult  # noqa: PLC0415
    from harness.replay import replay as run_again  # noqa: PLC0415

    try:
        reproduction = load_reproduction(_read(path), path)
        defaults = config.load(Path.cwd())
        subject = find_subject(reproduction.subject, defaults.directory)
        return run_again(subject, reproduction, {**PROFILES, **defaults.custom})
    except UsageError as error:
        return ReplayResult("cannot", str(error), exact=False)


def _as_test(path: str) -> str:
    from harness import config  # noqa: PLC0415 - see above
    from harness.finding import load_reproduction  # noqa: PLC0415
    from harness.pasted import as_test  # noqa: PLC0415
    from harness.persistence import PROFILES  # noqa: PLC0415

    reproduction = load_reproduction(_read(path), path)
    models = {**PROFILES, **config.load(Path.cwd()).custom}
    model = models.get(reproduction.profile)
    if model is None:
        raise UsageError(f"{path}: it names an unknown profile {reproduction.profile!r}")
    text = as_test(reproduction, model)
    _try(path, text)
    return text


def _try(path: str, text: str) -> None:
    """Run a test once on the store as it is: one that does not tell the finding is not printed.

    Raises:
        UsageError: It passes although the finding is there, or fails for another reason.
    """
    from harness.pasted.tried import can_try, outcome  # noqa: PLC0415 - see above

    if not can_try():
        return
    with side_output_on_stderr():
        seen = outcome(text)
        if seen == "fails" or (seen == "passes" and _one(path).outcome != "reproduced"):
            return
    raise UsageError(
        f"{path}: it cannot be told as a test on pyfakefs: with the store as it is, that test "
        f"{seen}; keep the file in a corpus directory instead ([tool.harness] corpus)"
    )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{path}: cannot be read: {reason}; give a *.repro.json that harness check wrote"
        ) from None
