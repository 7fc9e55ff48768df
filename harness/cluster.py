"""Rounds on many machines: Dask distributed, from the extra ``checkpoint-harness[cluster]``.

Every round is a task. What it finds and what came of it go back together, so the machines need
nothing in common but the installed harness and the subject's source; the run, its journal and its
causes are kept where the command was given. Dask runs the tasks of a lost worker again; a round is
counted when its line is in the journal, and a second answer to it is dropped.

A task runs in a process of its own below the Dask worker (`harness.pool`), so that a subject that
ends its process costs its round and not the worker.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from harness import __version__
from harness.errors import HarnessError, UsageError
from harness.finding import Candidate
from harness.fingerprint import fingerprint
from harness.partial import Found
from harness.pool import Death, Event, Pool
from harness.stress.keeping import Kept
from harness.stress.records import Stress
from harness.stress.rounds import run_round
from harness.stress.work import start

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClusterPool", "connected", "remote"]

_IN_FLIGHT = 3
_PAUSE_SECONDS = 0.2
"""Between two looks for results, while somebody wants to be told that none came."""
"""Tasks given out for each thread of the cluster: enough that nobody waits for the scheduler."""


@contextmanager
def connected(where: str, stress: Stress) -> Iterator[ClusterPool]:
    """Connect to a cluster, or start a local one.

    Args:
        where: ``tcp://host:port`` (or ``tls://``) of a scheduler, or ``local:N``.
        stress: The run.

    Raises:
        UsageError: The extra is not installed, nobody answers, or workers have another version.
    """
    local = re.fullmatch(r"local:([1-9]\d*)", where)
    if local is None and re.fullmatch(r"(tcp|tls|ucx|ws|wss)://.+", where) is None:
        raise UsageError(f"--cluster {where!r}: give tcp://host:port of a scheduler, or local:N")
    try:
        import distributed  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "--cluster needs Dask: pip install 'checkpoint-harness[cluster]'"
        ) from None
    _settings()
    cluster = None
    try:
        if local is not None:
            cluster = distributed.LocalCluster(
                n_workers=int(local[1]),
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=50,
            )
        client = distributed.Client(cluster or where, timeout=10)
    except OSError as error:
        raise UsageError(f"--cluster {where}: no scheduler answers: {error}") from None
    try:
        _agree(client, stress)
        yield ClusterPool(client, stress)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _settings() -> None:
    """A task that killed its workers so often is the subject's doing, and reported as such."""
    import dask  # noqa: PLC0415 - an extra

    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 3,
            "distributed.comm.timeouts.connect": "10s",
            # Workers below a worker: a pool of ours.
            "distributed.worker.daemon": False,
        }
    )


def _agree(client: Client, stress: Stress) -> None:
    """Make sure that every worker has this version of the harness, and this subject.

    Raises:
        UsageError: One has not.
    """
    found: dict[str, Any] = client.run(_told, stress.plan.subject, on_error="return")
    if not found:
        raise UsageError("--cluster: the scheduler has no workers; start some, then try again")
    mine = fingerprint(stress.plan.loaded)
    for worker, answer in sorted(found.items()):
        if isinstance(answer, BaseException):
            text = " ".join(f"{type(answer).__name__}: {answer}".split())
            raise UsageError(
                f"--cluster: worker {worker} cannot run the harness ({text}); install "
                f"checkpoint-harness {__version__} there"
            )
        version, source, error = answer
        if version != __version__:
            raise UsageError(
                f"--cluster: worker {worker} has checkpoint-harness {version}, this is "
                f"{__version__}; install the same version on both"
            )
        if error:
            raise UsageError(f"--cluster: worker {worker}: {error}")
        if source != mine:
            raise UsageError(
                f"--cluster: worker {worker} has another source of {stress.plan.subject} "
                f"({source}, here {mine}); bring them to the same state"
            )


def _told(subject: str) -> tuple[str, str, str]:
    """On a worker: say which version and which source it has."""
    import harness  # noqa: PLC0415 - the worker's
    from harness.subjects import load  # noqa: PLC0415

    try:
        return harness.__version__, fingerprint(load(subject)), ""
    except HarnessError as error:
        return harness.__version__, "", str(error)


# -- on a worker ------------------------------------------------------------------------------


def begin(stress: Stress) -> Callable[[Any, Callable[[Any], None]], Any]:
    """In the process below a worker: as `harness.stress.work.start`, but keep nothing here.

    Args:
        stress: The run; its directory is on another machine.
    """
    elsewhere = start(replace(stress, directory="."))

    def work(task: Any, say: Callable[[Any], None]) -> Any:
        what, about = task
        if what != "round":
            return elsewhere(task, say)
        found: list[Found] = []

        def keep(order: int, one: Candidate) -> None:
            # Copied: the round goes on counting in it.
            found.append(Found(order, replace(one, profiles=dict(one.profiles))))

        return run_round(stress, about, keep), found

    return work


_pools: dict[str, Pool] = {}


def remote(stress: Stress, task: Any) -> tuple[str, Any]:
    """On a worker: do a task in a process of its own.

    Args:
        stress: The run.
        task: As of `harness.stress.work`.

    Returns:
        ``done`` and the result, or ``died`` and how.
    """
    name = repr((stress.header, stress.silence_seconds, stress.memory_bytes))
    pool = _pools.get(name)
    if pool is None:
        for old in list(_pools):
            _pools.pop(old).__exit__(None, None, None)
        pool = Pool(
            1,
            begin,
            stress.bare,
            silence_seconds=stress.silence_seconds,
            recycle=stress.recycle,
            memory_bytes=stress.memory_bytes,
            mute=True,
        )
        _pools[name] = pool.__enter__()
    tasks = [task]
    for event in pool.run(lambda: tasks.pop() if tasks else None):
        if event.kind != "said":
            return event.kind, event.value
    return "died", Death("error", "the task came to nothing")


# -- at the client ----------------------------------------------------------------------------


@dataclass
class ClusterPool:
    """What `harness.pool.Pool` is for one machine, for a cluster.

    Args:
        client: The connection.
        stress: The run.
    """

    client: Client
    stress: Stress
    _kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self._kept = Kept(self.stress.directory)

    def __enter__(self) -> Self:
        self._kept.recall()
        return self

    def __exit__(self, *problem: object) -> None:
        del problem

    def _threads(self) -> int:
        return max(sum(dict[str, int](self.client.nthreads()).values()), 1)

    def run(
        self, feed: Callable[[], Any], tick: Callable[[], object] | None = None
    ) -> Iterator[Event]:
        """Do tasks until there are none, as `Pool.run`."""
        import distributed  # noqa: PLC0415 - an extra

        shared = self.client.scatter(self.stress.bare, broadcast=True, hash=False)
        running = distributed.as_completed(raise_errors=False)
        tasks: dict[str, Any] = {}
        while True:
            while len(tasks) < _IN_FLIGHT * self._threads():
                task = feed()
                if task is None:
                    break
                # Not pure: the same round may have to be done again.
                future = self.client.submit(remote, shared, task, pure=False)
                tasks[future.key] = task
                running.add(future)
            if not tasks:
                return
            while tick is not None and not running.has_ready():
                tick()
                time.sleep(_PAUSE_SECONDS)
            future = next(running)
            task = tasks.pop(future.key)
            yield from self._answer(future, task)

    def _answer(self, future: Any, task: Any) -> Iterator[Event]:
        if future.status != "finished":
            # Its workers died under it, again and again: nothing below them can have done that.
            error = future.exception()
            text = " ".join(f"{type(error).__name__}: {error}".split())
            yield Event("died", task, Death("killed", text))
            return
        kind, value = future.result()
        if kind == "done" and isinstance(value, tuple) and task[0] == "round":
            record, found = value
            for one in found:
                # On disk before the round counts, as a worker here would have put it.
                self._kept.keep(one.order, one.candidate)
                yield Event("said", task, one.candidate.id)
            yield Event("done", task, record)
            return
        yield Event("died" if kind == "died" else "done", task, value)
