"""The pytest plugin: options, fixtures, and the report of a run of the scenarios.

Loaded by every pytest run of an environment that has the harness installed, so it imports nothing
before a scenario asks. Under pytest-xdist each worker judges its share; verdicts travel in the test
reports' properties, and the controller writes one report.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.crashdisk import CrashDisk
    from harness.gate import Gate, GateResult
    from harness.plan import Plan

__all__: list[str] = []

_PROPERTY = "checkpoint-harness"
_DISK: pytest.StashKey[CrashDisk] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("harness", "checkpoint-harness: fault injection for stores")
    group.addoption(
        "--harness-subject",
        metavar="SUBJECT",
        help="the store under test: module:attribute or path.py:attribute (default: the "
        "reference manager)",
    )
    group.addoption(
        "--harness-profile",
        action="append",
        default=[],
        metavar="P",
        help="a persistence model; repeat for several (default: all)",
    )
    group.addoption(
        "--harness-guarantee",
        action="append",
        default=[],
        metavar="G",
        help="a guarantee; repeat for several (default: those the subject claims)",
    )
    group.addoption(
        "--harness-effort",
        choices=("quick", "default", "thorough"),
        default="default",
        help="how much to look at",
    )
    group.addoption("--harness-seed", type=int, default=0, metavar="N", help="seed of every draw")
    group.addoption(
        "--harness-report",
        metavar="DIR",
        help="write report.json and a reproduction of each finding there",
    )
    group.addoption(
        "--harness-crash",
        metavar="NAME",
        help="show tests with harness_disk this one crash only, as a failure named it",
    )


def _plan(config: pytest.Config) -> Plan:
    """Make the plan that the options ask for, once."""
    from harness.errors import HarnessError  # noqa: PLC0415 - see the module's docstring
    from harness.plan import REFERENCE, Plan  # noqa: PLC0415

    known: Plan | None = getattr(config, "_harness_plan", None)
    if known is None:
        try:
            known = Plan(
                subject=config.getoption("--harness-subject") or REFERENCE,
                profiles=tuple(config.getoption("--harness-profile")),
                guarantees=tuple(config.getoption("--harness-guarantee")) or None,
                effort=config.getoption("--harness-effort"),
                seed=config.getoption("--harness-seed"),
            )
            _ = known.loaded, known.models, known.judged
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        config._harness_plan = known  # type: ignore[attr-defined]  # noqa: SLF001
    return known


def _corpus(config: pytest.Config) -> Path | None:
    """Give the corpus directory of the project, if its configuration names one."""
    import tomllib  # noqa: PLC0415 - see the module's docstring

    path = config.rootpath / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # not ours to complain about
    section = document.get("tool", {}).get("harness", {})
    name = section.get("corpus") if isinstance(section, dict) else None
    return config.rootpath / name if isinstance(name, str) else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a reproduction of the corpus where it is named."""
    if not file_path.name.endswith(".repro.json") or file_path.parent != _corpus(parent.config):
        return None
    from harness.corpus_items import CorpusFile  # noqa: PLC0415

    return CorpusFile.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Put the corpus first, where pytest was not told what to run."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    directory = _corpus(config)
    if directory is not None and directory.is_dir():
        from harness.corpus_items import put_first  # noqa: PLC0415

        put_first(directory, session, items)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say of each mended finding that it is kept no longer for a reason."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == "harness-corpus-fixed":
                terminalreporter.write_line(f"corpus: {value} is no longer reproduced: remove it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each scenario a test for every profile asked for: ``test_atomicity[ext4]``."""
    if "harness_profile" in metafunc.fixturenames:
        names = [model.name for model in _plan(metafunc.config).models]
        metafunc.parametrize("harness_profile", names)


@pytest.fixture
def harness_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CrashDisk]:
    """A simulated disk in place of ``tmp_path``, for any code that saves something.

    ``harness_disk.setup(function)`` runs code whose outcome is durable. Then
    ``for crash in harness_disk.crashes(function, profile="ext4")`` runs code once and the loop
    body on every disk that a crash in it can leave; ``harness_disk.failures(function)`` does the
    same for failing calls. See `harness.crashdisk`.
    """
    from harness import config  # noqa: PLC0415 - see the module's docstring
    from harness.crashdisk import CrashDisk  # noqa: PLC0415
    from harness.errors import HarnessError  # noqa: PLC0415

    options = request.config
    try:
        defaults = config.load(options.rootpath)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    disk = CrashDisk(
        tmp_path,
        profiles=tuple(options.getoption("--harness-profile")) or defaults.profiles,
        custom=defaults.custom,
        seed=options.getoption("--harness-seed"),
        only=options.getoption("--harness-crash"),
    )
    request.node.stash[_DISK] = disk
    yield disk
    disk.leave()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Leave the simulated disk with the test, and say which crash a failure is about."""
    try:
        result = yield
    except Exception as error:
        disk = pyfuncitem.stash.get(_DISK, None)
        if disk is not None:
            disk.leave()
            if type(error).__name__ == "EscapeError" and "harness_disk" not in str(error):
                error.add_note(
                    f"harness_disk: only {disk.path} and below is simulated; use a path below "
                    "harness_disk.path, or harness_disk.mount() the directory"
                )
            if disk.last is not None:
                error.add_note(_about(pyfuncitem, disk))
        raise
    disk = pyfuncitem.stash.get(_DISK, None)
    if disk is not None:
        disk.leave()
        if disk.pending:
            pytest.fail(
                "harness_disk: crashes() or failures() was called and its loop never begun, so "
                "nothing was checked; write: for crash in harness_disk.crashes(...)",
                pytrace=False,
            )
        only = pyfuncitem.config.getoption("--harness-crash")
        if only is not None and not disk.met:
            pytest.fail(
                f"harness_disk: no crash of this test is named {only!r}: the code makes other "
                "calls now, or other profiles are asked for; run it without --harness-crash",
                pytrace=False,
            )
    return result


def _about(item: pytest.Function, disk: CrashDisk) -> str:
    from harness.crashpoint import CrashPoint  # noqa: PLC0415 - see the module's docstring

    assert disk.last is not None
    text = f"harness_disk: {disk.last}"
    if isinstance(disk.last, CrashPoint):
        text += f"\n  again pytest '{item.nodeid}' --harness-crash {disk.last.token}"
    return text


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Take the rerouting out after all fixtures: monkeypatch puts back what it found."""
    try:
        return (yield)
    finally:
        disk = item.stash.get(_DISK, None)
        if disk is not None:
            disk.close()


@pytest.fixture(scope="session")
def harness_gate(pytestconfig: pytest.Config) -> Gate:
    """The gate of this session's plan."""
    from harness.gate import Gate  # noqa: PLC0415

    return Gate(_plan(pytestconfig))


@pytest.fixture
def harness_judge(request: pytest.FixtureRequest, harness_gate: Gate, harness_profile: str) -> Any:
    """A function that judges one guarantee under the test's profile and fails the test if broken.

    It takes the guarantee's name and, optionally, a property: a function of the gate, the guarantee
    and the profile that draws further workloads and raises AssertionError where one breaks it.
    """
    from harness.errors import BaselineError, HarnessError  # noqa: PLC0415
    from harness.intercept import rerouted  # noqa: PLC0415

    def judge(guarantee: str, draws: Any = None) -> None:
        if not harness_gate.claims(guarantee):
            pytest.skip(f"the subject does not claim {guarantee}")
        try:
            # Installed once for all of it: putting it in place costs more than a small workload.
            with rerouted():
                if harness_gate.planned(guarantee, harness_profile) and draws is not None:
                    # What breaks is kept by the gate and written up below.
                    with suppress(AssertionError):
                        draws(harness_gate, guarantee, harness_profile)
                result = harness_gate.conclude(guarantee, harness_profile)
        except (BaselineError, HarnessError) as error:
            pytest.fail(str(error), pytrace=False)
        packed = _packed(result) | {"spent": harness_gate.spent()}
        request.node.user_properties.append((_PROPERTY, packed))
        if result.verdict.verdict != "held":
            pytest.fail(_story(result), pytrace=False)

    return judge


def _packed(result: GateResult) -> dict[str, Any]:
    """Make plain data of a result: it travels between processes as JSON."""
    import msgspec  # noqa: PLC0415

    return {
        "verdict": msgspec.to_builtins(result.verdict),
        "findings": msgspec.to_builtins(result.findings),
        "repros": {name: data.decode() for name, data in result.repros.items()},
    }


def _story(result: GateResult) -> str:
    verdict = result.verdict
    lines = [f"{verdict.guarantee} under {verdict.profile}: {verdict.verdict}"]
    if verdict.note:
        lines.append(verdict.note)
    for finding in result.findings:
        operations = ", ".join(
            f"{op.op}({op.key!r}, {len(op.value)} bytes)"
            if op.value is not None
            else f"{op.op}({'' if op.key is None else repr(op.key)})"
            for op in finding.workload
        )
        lines += [
            "",
            f"{finding.id} ({finding.severity}, {finding.states} crash states)",
            f"  {finding.summary}",
            f"  workload: {operations}",
            f"  observed: {finding.observed}; allowed: {' or '.join(finding.allowed)}",
        ]
        if finding.fix is not None:
            lines.append(f"  fix: {finding.fix.change}")
    return "\n".join(lines)


class _Collector:
    """Gathers what the scenarios found; on the controller, whoever ran them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._packed: list[dict[str, Any]] = []
        self._seconds = 0.0
        self._durations: list[tuple[str, float]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, value in report.user_properties:
                if name == _PROPERTY and isinstance(value, dict):
                    self._packed.append(value)
                    self._seconds += report.duration
                    self._durations.append((report.nodeid, report.duration))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Share scenarios out by cost, where nothing else was asked for."""
        ours = "scenarios" in config.invocation_params.args
        if not ours and not config.getoption("--harness-subject"):
            return None
        if config.getoption("dist") != "load":
            return None
        from harness.balance import Balanced  # noqa: PLC0415 - see the module's docstring

        return Balanced(config, log)

    def pytest_sessionfinish(self) -> None:
        cache = getattr(self._config, "cache", None)
        if self._durations and cache is not None and self._config.getoption("numprocesses", None):
            from harness.balance import CACHE, costs_of  # noqa: PLC0415

            cache.set(CACHE, {**cache.get(CACHE, {}), **costs_of(self._durations)})
        where = self._config.getoption("--harness-report")
        if where and self._packed:
            self._write(Path(where))

    def _write(self, directory: Path) -> None:
        from harness.errors import UsageError  # noqa: PLC0415
        from harness.gathering import gather  # noqa: PLC0415
        from harness.report import check_directory, dump, write_atomically  # noqa: PLC0415

        try:
            check_directory(directory)
            report, repros = gather(_plan(self._config), self._packed, self._seconds)
            for name, data in repros.items():
                write_atomically(directory / f"{name}.repro.json", data)
            write_atomically(directory / "report.json", dump(report))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the reports, except in a worker: its controller does."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "checkpoint-harness-collector")
