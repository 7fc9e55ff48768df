"""What a program learns from its surroundings besides files, made the same in every run.

The clock is the machine's virtual one; process numbers, host name, random bytes, temporary names
and time zone are fixed or drawn from the machine's seed and the process's number. What stays: the
``hash`` of strings (PYTHONHASHSEED is set before Python starts) and addresses.

A recovery that boots a second machine with the same seed draws the same names as the run before it
did; give it another seed, as a new process on a real machine has.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import uuid
from _thread import get_ident
from collections.abc import Iterator
from typing import Any, Final

from harness.disk import Process
from harness.intercept import real
from harness.intercept.current import ACTIVE
from harness.intercept.registry import stand_in_class_attribute, stands_for

__all__ = ["randomness", "tick"]

_SOURCES: Final = "randomness"  # kept with the machine, so that it lives as long
_HOST: Final = "simulated"
_NODE: Final = 0x02_00_5E_00_53_01  # locally administered, from the documentation range
_TIME_MODULES: Final = ("time",)
_TEMPORARY: Final = "/tmp"  # noqa: S108 - the path on the simulated machine
_GREGORIAN_100NS: Final = 0x01B21DD213814000  # RFC 4122: 1582-10-15 to 1970-01-01


# -- randomness ------------------------------------------------------------------------------------


def randomness(process: Process) -> random.Random:
    """Return the one source that all random choices of a process come from."""
    machine = process.machine
    sources: dict[int, random.Random] | None = vars(machine).get(_SOURCES)
    if sources is None:
        sources = vars(machine)[_SOURCES] = {}
    source = sources.get(process.number)
    if source is None:
        source = sources[process.number] = _Stream(f"{machine.seed}/{process.number}")
    return source


_real_seed: Final[Any] = random.Random.seed


class _Stream(random.Random):
    """A generator with CPython's own algorithms that never asks the operating system."""

    def seed(self, a: Any = None, version: int = 2) -> None:
        _real_seed(self, 0 if a is None else a, version)


def _bits(process: Process, count: int) -> bytes:
    return randomness(process).randbytes(count)


@stands_for("urandom")
def _urandom(original: Any, size: int, /) -> bytes:
    process = ACTIVE.get(get_ident())
    return original(size) if process is None else _bits(process, size)


@stands_for("getrandom")
def _getrandom(original: Any, size: int, flags: int = 0) -> bytes:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(size, flags)  # type: ignore[no-any-return]
    return _bits(process, size)


def _seed(self: Any, a: Any = None, version: int = 2) -> None:
    """``Random.seed``: without an argument it draws from the process, not from the host."""
    process = ACTIVE.get(get_ident())
    if a is None and process is not None and not isinstance(self, random.SystemRandom):
        a = randomness(process).getrandbits(64)
    _real_seed(self, a, version)


stand_in_class_attribute(random.Random, "seed", _seed)


def _drawing(name: str) -> None:
    """Register the stand-in of a module function of ``random``: the shared generator's method."""

    def draw(original: Any, *arguments: Any, **options: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None:
            return original(*arguments, **options)
        return getattr(randomness(process), name)(*arguments, **options)

    stands_for(name, modules=("random",))(draw)


for _name in (
    "betavariate", "choice", "choices", "expovariate", "gammavariate", "gauss", "getrandbits",
    "getstate", "lognormvariate", "normalvariate", "paretovariate", "randbytes", "randint",
    "random", "randrange", "sample", "seed", "setstate", "shuffle", "triangular", "uniform",
    "vonmisesvariate", "weibullvariate", "binomialvariate",
):  # fmt: skip
    _drawing(_name)


# -- names -----------------------------------------------------------------------------------------


class _Names:
    """The candidates ``tempfile`` tries, drawn from the process that is active."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        process = ACTIVE.get(get_ident())
        assert process is not None
        choose = randomness(process).choice
        return "".join(choose("abcdefghijklmnopqrstuvwxyz0123456789_") for _ in range(8))


_NAMES: Final = _Names()


@stands_for("_get_candidate_names", modules=("tempfile",))
def _candidates(original: Any) -> Any:
    return original() if ACTIVE.get(get_ident()) is None else _NAMES


_host_directories: Final[set[str | None]] = {tempfile.tempdir}


@stands_for("_gettempdir", modules=("tempfile",))
def _gettempdir(original: Any) -> Any:
    if ACTIVE.get(get_ident()) is None:
        _host_directories.add(found := original())
        return found
    # What the program itself set counts; what tempfile found on the host does not.
    chosen = tempfile.tempdir
    return _TEMPORARY if chosen is None or chosen in _host_directories else chosen


@stands_for("uuid1", modules=("uuid",))
def _uuid1(original: Any, node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(node, clock_seq)  # type: ignore[no-any-return]
    stamp = tick(process) // 100 + _GREGORIAN_100NS
    if clock_seq is None:
        clock_seq = randomness(process).getrandbits(14)
    return uuid.UUID(
        fields=(
            stamp & 0xFFFFFFFF,
            (stamp >> 32) & 0xFFFF,
            (stamp >> 48) & 0x0FFF,
            (clock_seq >> 8) & 0x3F,
            clock_seq & 0xFF,
            _NODE if node is None else node,
        ),
        version=1,
    )


@stands_for("getnode", modules=("uuid",))
def _getnode(original: Any) -> int:
    return original() if ACTIVE.get(get_ident()) is None else _NODE


@stands_for("gethostname", modules=("_socket", "socket"))
def _gethostname(original: Any) -> str:
    return original() if ACTIVE.get(get_ident()) is None else _HOST


@stands_for("uname")
def _uname(original: Any) -> Any:
    if ACTIVE.get(get_ident()) is None:
        return original()
    return os.uname_result(("Linux", _HOST, "6.1.0", "#1 SMP", "x86_64"))


@stands_for("getpid")
def _getpid(original: Any) -> int:
    process = ACTIVE.get(get_ident())
    return original() if process is None else process.getpid()


@stands_for("getppid")
def _getppid(original: Any) -> int:
    return original() if ACTIVE.get(get_ident()) is None else 1


@stands_for("get_native_id", modules=("_thread", "threading"))
def _get_native_id(original: Any) -> int:
    process = ACTIVE.get(get_ident())
    return original() if process is None else process.getpid()


# -- the clock -------------------------------------------------------------------------------------

_TICK_NS: Final = 1_000


def tick(process: Process) -> int:
    """Read the virtual clock, in nanoseconds; looking at it takes a microsecond of it.

    So a loop that waits for the time to pass ends, and two looks never tell the same.
    """
    machine = process.machine
    machine.advance(_TICK_NS)
    return machine.clock


_WAITING: Final = frozenset({
    "threading", "queue", "selectors", "sched", "subprocess", "concurrent.futures._base",
    "asyncio.base_events", "multiprocessing.connection", "multiprocessing.synchronize",
})  # fmt: skip


def _caller_waits() -> bool:
    """Tell whether the clock is looked at to wait for another thread.

    Such a wait takes real time; on the virtual clock its timeout would never be reached.
    """
    # Two frames up: the stand-in that asks, and who called that.
    caller = sys._getframe(2)  # noqa: SLF001 - the documented way to see one's caller
    return caller.f_globals.get("__name__") in _WAITING


def _clock(name: str, *, epoch_ns: int, nanoseconds: bool) -> None:
    def clock(original: Any) -> Any:
        process = ACTIVE.get(get_ident())
        if process is None or _caller_waits():
            return original()
        now = tick(process) - epoch_ns
        return now if nanoseconds else now / 1e9

    stands_for(name, modules=_TIME_MODULES)(clock)


_BOOT_NS: Final = 1_699_999_000_000_000_000  # so that monotonic clocks show a machine just booted

for _name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
    _epoch = 0 if _name == "time" else _BOOT_NS
    _clock(_name, epoch_ns=_epoch, nanoseconds=False)
    _clock(_name + "_ns", epoch_ns=_epoch, nanoseconds=True)


def _clock_gettime(original: Any, clk_id: int, /) -> Any:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(clk_id)
    now = tick(process) - (0 if clk_id == real.time.CLOCK_REALTIME else _BOOT_NS)
    return now if original.__name__.endswith("_ns") else now / 1e9


stands_for("clock_gettime", "clock_gettime_ns", modules=_TIME_MODULES)(_clock_gettime)


@stands_for("sleep", modules=_TIME_MODULES)
def _sleep(original: Any, seconds: float, /) -> None:
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(seconds)  # type: ignore[no-any-return]
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    process.sleep(seconds)
    return None


def _civil(original: Any, seconds: float | None = None, /) -> Any:
    """``localtime``, ``gmtime``, ``ctime``: of the virtual clock, and in UTC as on a server."""
    process = ACTIVE.get(get_ident())
    if process is None:
        return original(seconds)
    if seconds is None:
        seconds = tick(process) / 1e9
    if original.__name__ == "ctime":
        return real.time.asctime(real.time.gmtime(seconds))
    return real.time.gmtime(seconds)


stands_for("localtime", "gmtime", "ctime", modules=_TIME_MODULES)(_civil)


@stands_for("asctime", modules=_TIME_MODULES)
def _asctime(original: Any, moment: Any = None, /) -> Any:
    process = ACTIVE.get(get_ident())
    if moment is None and process is not None:
        moment = real.time.gmtime(tick(process) / 1e9)
    return original() if moment is None else original(moment)


@stands_for("strftime", modules=_TIME_MODULES)
def _strftime(original: Any, form: str, moment: Any = None, /) -> Any:
    process = ACTIVE.get(get_ident())
    if moment is None and process is not None:
        moment = real.time.gmtime(tick(process) / 1e9)
    return original(form) if moment is None else original(form, moment)
