"""Worker processes that may die: each does one task at a time, and its death costs that task only.

A subject under test can end the process it runs in (``os._exit``, a crash of the interpreter), use
up its memory, or never return. A pool that breaks with its first dead worker is no help then, so
every worker here has a pipe of its own, and what becomes of a task is an event: done, or died and
how. Workers die with their parent (PR_SET_PDEATHSIG, prctl(2)), however that ends.

The clock decides one thing only: a worker that has said nothing for ``silence_seconds`` hangs.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import re
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from harness.errors import HarnessError, InternalError

__all__ = ["SILENCE_SECONDS", "Death", "Event", "Pool"]

SILENCE_SECONDS: Final = 300.0
"""A worker that has said nothing for so long hangs. Far above anything a task needs between two
signs of life on the slowest machine: loops are stopped long before, by counting system calls or by
`harness.watch`, inside the worker."""

_PR_SET_PDEATHSIG: Final = 1

Work: TypeAlias = Callable[[Any, Callable[[Any], None]], Any]
"""Does a task; may say things while it does."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended in the middle of a task.

    Attributes:
        kind: ``exit``: it left by itself; ``crash``: by a signal of its own making (SIGSEGV,
            SIGABRT...); ``killed``: by somebody's SIGKILL or SIGTERM; ``hang``: it was silent for
            too long; ``memory``: it had no more; ``error``: the task raised.
        detail: In words.
    """

    kind: Literal["exit", "crash", "killed", "hang", "memory", "error"]
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a task, or was said about it.

    Attributes:
        kind: ``said``, ``done`` or ``died``.
        task: The task.
        value: What was said, the result, or a `Death`.
    """

    kind: Literal["said", "done", "died"]
    task: Any
    value: Any


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    trace: Path
    heard: float
    task: Any = None
    busy: bool = False
    done: int = 0


@dataclass
class Pool:
    """Workers.

    Args:
        count: How many.
        start: Called once in each worker with ``argument``; gives what does the tasks. A function
            of a module, for it is sent by name.
        argument: Anything that can be pickled.
        silence_seconds: See `SILENCE_SECONDS`.
        recycle: Tasks after which a worker is replaced by a fresh one; None for never. Keeps the
            memory of a run of hours flat, whatever a subject leaves behind.
        memory_bytes: Address space that a worker may use (RLIMIT_AS); None for no limit.
        mute: Whether what a worker prints is thrown away.
    """

    count: int
    start: Callable[[Any], Work]
    argument: Any
    silence_seconds: float = SILENCE_SECONDS
    recycle: int | None = None
    memory_bytes: int | None = None
    mute: bool = False
    _workers: list[_Worker] = field(default_factory=list)
    _started: int = 0

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="harness-pool-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            if kind is not None or worker.busy:
                worker.process.kill()
            with suppress(OSError):
                worker.connection.close()  # a worker at rest sees the end and goes
        for worker in self._workers:
            worker.process.join(2)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()
        self._scratch.cleanup()

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers there are."""
        return [worker.process.pid or 0 for worker in self._workers]

    def run(
        self, feed: Callable[[], Any], tick: Callable[[], object] | None = None
    ) -> Iterator[Event]:
        """Do tasks until there are none.

        Args:
            feed: Gives the next task, or None; asked again after each event.
            tick: Called about once a second, however long a task takes.

        Yields:
            Events, in the order in which they happen.

        Raises:
            InternalError: A worker cannot be started.
        """
        while True:
            for _ in range(self.count):
                idle = next((one for one in self._workers if not one.busy), None)
                if idle is None and len(self._workers) >= self.count:
                    break
                task = feed()
                if task is None:
                    break
                self._give(idle or self._hire(), task)
            busy = [worker for worker in self._workers if worker.busy]
            if not busy:
                return
            now = time.monotonic()
            patience = max(min(one.heard + self.silence_seconds for one in busy) - now, 0.0)
            wait([one.connection for one in busy], min(patience, 1.0))
            if tick is not None:
                tick()
            for worker in busy:
                yield from self._hear(worker)

    def _give(self, worker: _Worker, task: Any) -> None:
        worker.task, worker.busy, worker.heard = task, True, time.monotonic()
        # One that died at rest is noticed when it is listened to.
        with suppress(OSError):
            worker.connection.send(task)

    def _hire(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        # Spawned, not forked: the parent may have threads, and a worker must not inherit its state.
        ours, theirs = context.Pipe()
        self._started += 1
        trace = Path(self._scratch.name) / f"{self._started}.trace"
        process = context.Process(
            target=_main,
            args=(theirs, self.start, self.argument, str(trace), self.memory_bytes, self.mute),
            daemon=True,
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours, trace, time.monotonic())
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> Iterator[Event]:
        """Take what a worker says, or notice its end."""
        try:
            while worker.connection.poll():
                kind, value = worker.connection.recv()
                worker.heard = time.monotonic()
                if kind == "said":
                    yield Event("said", worker.task, value)
                    continue
                task, worker.task, worker.busy = worker.task, None, False
                worker.done += 1
                failed = kind == "died"
                if failed or (self.recycle is not None and worker.done >= self.recycle):
                    self._dismiss(worker)
                if kind == "start":
                    raise InternalError(f"a worker could not be started: {value}")
                yield Event("died" if failed else "done", task, value)
                return
        except (EOFError, ConnectionResetError, OSError):
            yield self._mourn(worker, None)
            return
        if worker.busy and time.monotonic() - worker.heard > self.silence_seconds:
            # What it was doing, by its own account, before it is ended.
            with suppress(OSError):
                os.kill(worker.process.pid or 0, signal.SIGUSR1)
            worker.process.join(0.5)
            worker.process.kill()
            told = f"no sign of life for {self.silence_seconds:g} s"
            yield self._mourn(worker, Death("hang", told))

    def _mourn(self, worker: _Worker, known: Death | None) -> Event:
        task, worker.busy = worker.task, False
        worker.process.join(5)
        place = _innermost(worker.trace)
        code = worker.process.exitcode
        if known is None and code is not None and code < 0:
            name = signal.Signals(-code).name
            ours = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            known = Death("killed" if ours else "crash", f"the process was ended by {name}")
        elif known is None:
            known = Death("exit", f"the process left with status {code}")
        self._dismiss(worker)
        return Event("died", task, Death(known.kind, known.detail + place))

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.trace.unlink(missing_ok=True)


_FRAMES: Final = 3
_FRAME: Final = re.compile(r'  File "(?:.*/)?([^/"]+)", line (\d+) in (.+)')


def _innermost(trace: Path) -> str:
    """Give the lines that a dying interpreter was in, from what `faulthandler` wrote.

    Files by their last name alone: the same on every machine.
    """
    try:
        lines = trace.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    frames = [":".join(found.groups()) for found in map(_FRAME.match, lines) if found]
    return f", in {' < '.join(frames[:_FRAMES])}" if frames else ""


# -- in the worker ----------------------------------------------------------------------------


def _main(
    connection: Connection,
    start: Callable[[Any], Work],
    argument: Any,
    trace: str,
    memory_bytes: int | None,
    mute: bool,  # noqa: FBT001 - sent by position
) -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died in between
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt ends
    with Path(trace).open("w", encoding="utf-8") as dump:
        faulthandler.enable(dump)
        faulthandler.register(signal.SIGUSR1, dump, all_threads=False)
        if mute:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        _serve(connection, start, argument)


def _serve(connection: Connection, start: Callable[[Any], Work], argument: Any) -> None:
    try:
        work = start(argument)
    except HarnessError as error:
        connection.send(("start", str(error)))
        return
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            value = work(task, lambda said: connection.send(("said", said)))
        except MemoryError:
            # Nothing is safe any more in a process that ran out of memory: it ends.
            connection.send(("died", Death("memory", "the process ran out of memory")))
            return
        except Exception as error:  # noqa: BLE001 - what a task raises is its outcome
            text = " ".join(f"{type(error).__name__}: {error}".split())
            connection.send(("died", Death("error", text + _raised_at(error))))
            return
        connection.send(("done", value))


def _raised_at(error: BaseException) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    code = traceback.tb_frame.f_code
    return f", in {Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}"
