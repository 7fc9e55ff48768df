"""Any code on a disk that crashes: for functions that save something and are no store.

A directory is mounted from the simulated machine: every path below it, whether absolute or relative
to it, and whenever it was computed, is on the simulated disk while the code under test runs. First
the code runs once and is recorded; then, for each disk image that a crash in it can leave, the
caller's loop body runs on a machine that booted from that image.

    disk = CrashDisk(Path("/somewhere"))
    disk.setup(lambda: save(path, old))
    for crash in disk.crashes(lambda: save(path, new), profile="ext4"):
        assert load(path) in (old, new)

Simulated calls are those of the thread that runs the loop, and only while it is in an action or in
the loop body. CPython drops a loop's iterator as soon as the loop is left, by an exception too, so
nothing that looks at a failure afterwards runs on the simulated machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from harness.crashpoint import CallFailure, CrashPoint, Run, line_of
from harness.disk import Machine, Process
from harness.errors import EscapeError, Killed, UsageError
from harness.explore import Explorer
from harness.fault_hooks import FaultHooks
from harness.faults import Fault, faults_of
from harness.finding import image_hash
from harness.givers import GivingRecorder
from harness.image import EMPTY, Image, from_tree
from harness.intercept import active, rerouted
from harness.persistence import PROFILES, Model, constrain, derive, profile
from harness.record import Recorder
from harness.recovery import RESTART
from harness.trace import is_call

__all__ = ["BUDGET", "CrashDisk"]

T = TypeVar("T")

BUDGET: Final = 2_000
"""Sets of lost effects looked at for each profile before sampling begins."""


class CrashDisk:
    """A directory on a disk that crashes.

    Args:
        path: The directory, which need not be empty: what is in it is on the disk at first.
        profiles: Names of the persistence models that `crashes` takes by default; none means all.
        custom: Persistence models of one's own, by name.
        seed: Of the simulated machine, and of the draws where there are too many crashes.
        only: Token of the one crash to show (`CrashPoint.token`); None for all.

    Attributes:
        path: The directory.
        last: The crash or failure that a loop was left at before its end; None after a whole loop.
        states: Crash states that the last `crashes` showed so far.
        met: Whether the crash of ``only`` was shown.
        pending: Loops that were asked for and never begun.
    """

    def __init__(
        self,
        path: Path,
        *,
        profiles: Iterable[str] = (),
        custom: Mapping[str, Model] | None = None,
        seed: int = 0,
        only: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.last: CrashPoint | CallFailure | None = None
        self.states = 0
        self.met = False
        self.pending = 0
        self._profiles = tuple(profiles)
        self._custom = dict(custom or {})
        self._seed = seed
        self._only = only
        self._aliases: list[tuple[str, str]] = [(str(self.path), Machine.MOUNT)]
        self._base: Image | None = None
        self._used = False
        self._exhaustive: bool | None = None
        self._inside: ExitStack | None = None
        self._installed = ExitStack()

    @property
    def exhaustive(self) -> bool:
        """Whether the last `crashes` shows every crash there is, or a sample.

        Raises:
            UsageError: There was none yet.
        """
        if self._exhaustive is None:
            raise UsageError("harness_disk.exhaustive: call crashes() first")
        return self._exhaustive

    def mount(self, directory: str | Path) -> None:
        """Put another directory on the simulated disk too, empty at first.

        For code with an absolute path of its own, as a module's constant.

        Args:
            directory: Absolute; it need not exist, and is not touched.

        Raises:
            UsageError: It is not absolute, or ``setup`` or ``crashes`` came before.
        """
        text = str(Path(directory))
        if not text.startswith("/") or text == "/":
            raise UsageError(f"harness_disk.mount({text!r}): give an absolute path, not the root")
        if self._base is not None:
            raise UsageError(f"harness_disk.mount({text!r}): mount before setup() and crashes()")
        self._aliases.append((text, f"{Machine.MOUNT}/{text.strip('/').replace('/', '-')}"))

    def setup(self, action: Callable[[], T]) -> T:
        """Run code whose outcome is durable before anything fails.

        Several setups follow one another; the first one after a loop begins with a new disk.

        Args:
            action: The code.

        Returns:
            What it returned.
        """
        self._outside("setup")
        if self._used:
            self._base, self._used = None, False
        machine = Machine(self._disk(), seed=self._seed)
        result = self._act(machine, action)
        self._base = machine.image()
        return result

    def crashes(
        self,
        action: Callable[[], object],
        profile: str | Iterable[str] | None = None,
        *,
        budget: int = BUDGET,
    ) -> Iterator[CrashPoint]:
        """Run code once, then show every disk that a crash in it can leave.

        The loop body runs on that disk: it sees what a restarted program sees, and what it
        writes is gone with the next round. Equal disks are shown once, for all profiles.

        Args:
            action: The code.
            profile: Name of a persistence model, or several; by default those configured, or all.
            budget: Sets of lost effects looked at for each profile before sampling begins.

        Returns:
            An iterator of the crashes.

        Raises:
            UsageError: The code asked nothing of the simulated disk, or there is no such profile.
            EscapeError: It wrote elsewhere.
        """
        self._outside("crashes")
        models = self._models(profile)
        base = self._disk()
        recorder = GivingRecorder()
        with recorder.listening():
            self._act(Machine(base, seed=self._seed, hooks=recorder), action)
        self._used = True
        run = Run([one for one in recorder.records if is_call(one)], recorder.given)
        explorers = [
            Explorer(constrain(derive(run.records, base), model), budget=budget, seed=self._seed)
            for model in models
        ]
        if not any(explorer.constraints.nodes for explorer in explorers):
            raise UsageError(
                f"harness_disk.crashes: the function changed nothing below {self.path}, so no "
                "crash can lose anything; let it write there, or mount() where it writes"
            )
        self.states, self._exhaustive, self.last = 0, True, None
        self.pending += 1
        return self._walk(run, explorers)

    def failures(self, action: Callable[[], object]) -> Iterator[CallFailure]:
        """Run code again and again, each time with one failing system call.

        Each error that each call can give, for once and for good, and full disks in the middle of
        each write. The loop body runs in the same process, once the fault is over.

        Args:
            action: The code.

        Returns:
            An iterator of the failures; those that the code never noticed are among them.

        Raises:
            UsageError: The code made no system call on the simulated disk.
        """
        self._outside("failures")
        base = self._disk()
        looking = FaultHooks()
        self._act(Machine(base, seed=self._seed, hooks=looking), action)
        self._used = True
        faults = [fault for one in looking.seen for fault in faults_of(one)]
        if not faults:
            raise UsageError(
                f"harness_disk.failures: the function asked nothing of {self.path}, so nothing "
                "can fail; let it work there, or mount() where it works"
            )
        self.last = None
        self.pending += 1
        return self._fail(base, faults, action)

    def leave(self) -> None:
        """Leave the simulated machine, wherever the loop body was."""
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.close()

    def close(self) -> None:
        """Leave, and take the rerouting out of the interpreter."""
        self.leave()
        self._installed.close()

    # -- inside ------------------------------------------------------------------------------------

    def _outside(self, name: str) -> None:
        if self._inside is not None:
            raise UsageError(
                f"harness_disk.{name}() inside a loop over crashes: leave the loop first"
            )

    def _models(self, asked: str | Iterable[str] | None) -> list[Model]:
        names = [asked] if isinstance(asked, str) else list(asked or self._profiles)
        names = names or [*PROFILES, *self._custom]
        return [self._custom[n] if n in self._custom else profile(n) for n in dict.fromkeys(names)]

    def _disk(self) -> Image:
        """Give the disk that the next action finds."""
        if self._base is None:
            mounted = [inside.removeprefix(f"{Machine.MOUNT}/") for _, inside in self._aliases[1:]]
            self._base = _copied(self.path, mounted)
        return self._base

    def _install(self) -> None:
        """Put the rerouting in place, once: it stays until `close`, and does nothing outside."""
        if self._installed._exit_callbacks:  # type: ignore[attr-defined]  # noqa: SLF001
            return
        self._installed.enter_context(rerouted())
        self._installed.enter_context(_dead_are_silent())

    def _act(self, machine: Machine, action: Callable[[], T]) -> T:
        self._install()
        machine.aliases = tuple(self._aliases)
        process = machine.process()
        try:
            with active(process):
                result = action()
        except EscapeError as error:
            raise self._escape(str(error)) from error
        finally:
            process.kill()
        if machine.escapes:
            raise self._escape(machine.escapes[0])
        return result

    def _escape(self, what: str) -> EscapeError:
        what = what.replace("the store directory", f"{self.path}, the directory that is simulated")
        return EscapeError(
            f"harness_disk: {what}; use a path below harness_disk.path, or "
            "harness_disk.mount() its directory"
        )

    @contextmanager
    def _on(self, machine: Machine, process: Process) -> Iterator[None]:
        """Run a loop body on a machine."""
        machine.aliases = tuple(self._aliases)
        self._inside = ExitStack()
        self._inside.callback(process.kill)
        self._inside.enter_context(active(process))
        try:
            yield
        finally:
            self.leave()
        if machine.escapes:
            raise self._escape(machine.escapes[0])

    def _walk(self, run: Run, explorers: list[Explorer]) -> Iterator[CrashPoint]:
        self.pending -= 1
        seen: set[tuple[str, bool]] = set()
        calls = len(run.records)
        for explorer in explorers:
            for state in explorer.states():
                self._exhaustive = self._exhaustive and explorer.exhaustive
                image = explorer.image(state)
                files, returned = image.files(), state.possible_after(calls)
                key = image_hash(files, image.dirs(), image.symlinks()), returned
                if key in seen:
                    continue
                seen.add(key)
                after = calls if returned else state.after
                name = explorer.constraints.model.name
                point = CrashPoint(name, after, calls, returned, files, run, explorer, state)
                if self._only is not None and point.token != self._only:
                    continue
                self.met = self.met or self._only is not None
                self.states += 1
                machine = Machine(image, seed=self._seed + RESTART)
                self.last = point
                with self._on(machine, machine.process()):
                    yield point
            self._exhaustive = self._exhaustive and explorer.exhaustive
        self.last = None

    def _fail(
        self, base: Image, faults: list[Fault], action: Callable[[], object]
    ) -> Iterator[CallFailure]:
        self.pending -= 1
        for fault in faults:
            hooks = FaultHooks(fault, Recorder())
            machine = Machine(base, seed=self._seed, hooks=hooks)
            process = machine.process()
            with self._on(machine, process):
                raised = None
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - any is an outcome
                    raised = error
                hooks.clear()
                if not hooks.fired:
                    continue
                at = line_of(hooks.at[0]) if hooks.at else ""
                self.last = failure = CallFailure(str(fault), raised, at)
                yield failure
        self.last = None


# -- helpers ---------------------------------------------------------------------------------------


def _copied(path: Path, mounted: list[str]) -> Image:
    """Take a real directory onto the simulated disk: its files and directories."""
    files: dict[str, bytes] = {}
    dirs = list(mounted)
    if path.is_dir():
        for one in sorted(path.rglob("*")):
            name = str(one.relative_to(path))
            if one.is_dir():
                dirs.append(name)
            elif one.is_file():
                files[name] = one.read_bytes()
    return from_tree(files, dirs) if files or dirs else EMPTY


@contextmanager
def _dead_are_silent() -> Iterator[None]:
    """Let what a crashed program left open go without a word of its finalizers."""
    hook = sys.unraisablehook

    def unraisable(problem: Any) -> None:
        if not isinstance(problem.exc_value, Killed):
            hook(problem)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        if sys.unraisablehook is unraisable:
            sys.unraisablehook = hook
