"""The store under test: finding it by name, and one way to call every shape of store.

The subject contract is DESIGN.md section 4.1: a factory called with a directory returns a manager,
a store or a mapping; optional attributes of the factory say what its exceptions mean and which
guarantees it claims.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol, TypeAlias

from harness.errors import HarnessError, SimulationError, UsageError

__all__ = [
    "MISSING",
    "Missing",
    "Outcome",
    "Own",
    "Raised",
    "Session",
    "Subject",
    "load",
    "message_of",
    "owning",
    "worn",
]


class Missing(Enum):
    """The one outcome that says that there is no such key."""

    MISSING = "absent"

    def __repr__(self) -> str:
        return "absent"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception, as far as a verdict may depend on it.

    Attributes:
        type: Name of its class.
        text: Its message, on one line.
        detected: Whether the subject's contract counts it as damage detected.
    """

    type: str
    text: str = field(compare=False, default="")
    detected: bool = True

    def __repr__(self) -> str:
        return f"{self.type}: {self.text}" if self.text else self.type


Outcome: TypeAlias = bytes | Missing | Raised
"""What reading a key gave."""


class CheckpointLike(Protocol):
    """What a manager-shaped subject is given to store (facts: the kubelet's Checkpoint)."""

    def marshal(self) -> bytes:
        """Encode."""

    def unmarshal(self, blob: bytes) -> None:
        """Decode into this object."""

    def verify_checksum(self) -> None:
        """Raise if what was decoded is damaged."""


class CheckpointCodec(Protocol):
    """Turns a drawn value into a checkpoint and back: the factory attribute ``checkpoint``."""

    def encode(self, value: bytes) -> Any:
        """Make a checkpoint that carries a value."""

    def empty(self) -> Any:
        """Make one to read into."""

    def decode(self, checkpoint: Any) -> bytes:
        """Take the value out."""


class _BytesCheckpoint:
    """The plainest checkpoint: the value, and its CRC in front."""

    def __init__(self, value: bytes = b"") -> None:
        self.value = value
        self._sum = 0

    def marshal(self) -> bytes:
        from zlib import crc32  # noqa: PLC0415 - only manager-shaped subjects need it

        return crc32(self.value).to_bytes(4, "big") + self.value

    def unmarshal(self, blob: bytes) -> None:
        if len(blob) < 4:  # noqa: PLR2004
            raise ValueError("checkpoint is corrupted")
        self._sum, self.value = int.from_bytes(blob[:4], "big"), bytes(blob[4:])

    def verify_checksum(self) -> None:
        from zlib import crc32  # noqa: PLC0415

        if crc32(self.value) != self._sum:
            raise ValueError("checkpoint is corrupted")

    # The names that a literal port of the Go interface has.
    marshal_checkpoint = marshal
    unmarshal_checkpoint = unmarshal


class _BytesCodec:
    def encode(self, value: bytes) -> _BytesCheckpoint:
        return _BytesCheckpoint(value)

    def empty(self) -> _BytesCheckpoint:
        return _BytesCheckpoint()

    def decode(self, checkpoint: _BytesCheckpoint) -> bytes:
        return checkpoint.value


class Session(Protocol):
    """An open store, whatever its shape."""

    def write(self, key: str, value: bytes) -> None:
        """Write a value."""

    def read(self, key: str) -> bytes:
        """Read a value."""

    def delete(self, key: str) -> None:
        """Delete a key."""

    def list(self) -> Iterable[str]:
        """Name the keys."""

    def sync(self) -> None:
        """Make earlier writes durable, where the subject declares a method for that."""

    def close(self) -> None:
        """Shut down cleanly, where the subject has a way to."""


class _Common:
    def __init__(self, store: Any, subject: Subject, generator: Iterator[Any] | None) -> None:
        self.store = store
        self._generator = generator
        self.sync: Callable[[], None] = (
            getattr(store, subject.sync) if subject.sync else _do_nothing
        )

    def close(self) -> None:
        if self._generator is not None:
            next(self._generator, None)
        elif callable(close := getattr(self.store, "close", None)):
            close()


def _do_nothing() -> None:
    """Stand for a method that the subject does not have."""


class _StoreSession(_Common):
    def __init__(self, store: Any, subject: Subject, generator: Iterator[Any] | None) -> None:
        super().__init__(store, subject, generator)
        self.write = store.write
        self.read = store.read
        self.delete = store.delete
        self.list = store.list


class _MappingSession(_Common):
    def write(self, key: str, value: bytes) -> None:
        self.store[key] = value

    def read(self, key: str) -> bytes:
        value: bytes = self.store[key]
        return value

    def delete(self, key: str) -> None:
        del self.store[key]

    def list(self) -> Iterable[str]:
        return list(self.store)


class _ManagerSession(_Common):
    def __init__(self, store: Any, subject: Subject, generator: Iterator[Any] | None) -> None:
        super().__init__(store, subject, generator)
        self._codec = subject.checkpoint or _BytesCodec()
        self.delete = store.remove_checkpoint
        self.list = store.list_checkpoints

    def write(self, key: str, value: bytes) -> None:
        self.store.create_checkpoint(key, self._codec.encode(value))

    def read(self, key: str) -> bytes:
        checkpoint = self._codec.empty()
        self.store.get_checkpoint(key, checkpoint)
        return self._codec.decode(checkpoint)


_MANAGER: Final = (
    "create_checkpoint",
    "get_checkpoint",
    "remove_checkpoint",
    "list_checkpoints",
)
_STORE: Final = ("write", "read", "delete", "list")


class Own(Protocol):
    """Modules of each simulated process's own; see `harness.schedule.fresh`."""

    factory: Callable[[str], Any]
    latest: Subject

    def opening(self) -> Subject: ...
    def wear(self) -> None: ...


_own: Own | None = None


@contextmanager
def owning(own: Own) -> Iterator[None]:
    """Open a store as each simulated process has it, for the length of a block."""
    global _own  # noqa: PLW0603 - one store is judged at a time
    before, _own = _own, own
    try:
        yield
    finally:
        _own = before


def _own_of(subject: Subject) -> Own | None:
    return _own if _own is not None and _own.factory is subject.factory else None


def worn() -> None:
    """Say that a fault or a kill struck: the store's modules may hold what no new process meets."""
    if _own is not None:
        _own.wear()


@dataclass(frozen=True, slots=True)
class Subject:
    """A store under test.

    Attributes:
        name: As the user gave it.
        factory: Called with a directory.
        not_found: Exceptions that mean "no such key".
        corrupt: Exceptions that mean "damage detected"; None where every other one does.
        sync: Name of the method that makes earlier writes durable, for a store that promises
            durability only then.
        guarantees: Names of those it claims; None for all.
        single_writer: Whether it asks not to be used by two writers at once.
        checkpoint: How a manager's checkpoints carry a value.
        keys: Hypothesis strategy for the keys it accepts, or None.
        values: The same for values.
        files: Source files that are the subject itself, though in the standard library.
    """

    name: str
    factory: Callable[[str], Any]
    not_found: tuple[type[BaseException], ...] = (KeyError, FileNotFoundError)
    corrupt: tuple[type[BaseException], ...] | None = None
    sync: str | None = None
    guarantees: frozenset[str] | None = None
    single_writer: bool = False
    checkpoint: CheckpointCodec | None = None
    keys: Any = None
    values: Any = None
    files: frozenset[str] = frozenset()

    def open(self, directory: str) -> Session:
        """Open, or recover, the store living in a directory.

        Raises:
            UsageError: What the factory returned has none of the three shapes.
        """
        own = _own_of(self)
        now = self if own is None else own.opening()
        store = now.factory(directory)
        generator: Iterator[Any] | None = None
        if inspect.isgenerator(store):
            generator = store
            store = next(generator)
        if all(hasattr(store, name) for name in _MANAGER):
            return _ManagerSession(store, now, generator)
        if all(hasattr(store, name) for name in _STORE):
            return _StoreSession(store, now, generator)
        if isinstance(store, MutableMapping) or all(
            hasattr(store, name)
            for name in ("__getitem__", "__setitem__", "__delitem__", "__iter__")
        ):
            return _MappingSession(store, now, generator)
        raise UsageError(
            f"subject {self.name}: it returned a {type(store).__name__}, which is neither a "
            f"manager ({', '.join(_MANAGER)}), nor a store ({', '.join(_STORE)}), nor a "
            "MutableMapping"
        )

    def claims(self, guarantee: str) -> bool:
        """Tell whether the store claims a guarantee."""
        return self.guarantees is None or guarantee in self.guarantees

    @property
    def absent(self) -> tuple[type[BaseException], ...]:
        """Exceptions that mean "no such key", those of a process's own modules included."""
        own = _own_of(self)
        return self.not_found if own is None else (*self.not_found, *own.latest.not_found)

    def read(self, session: Session, key: str) -> Outcome:
        """Read a key and classify what came."""
        try:
            value = session.read(key)
        except self.absent:
            return MISSING
        except (HarnessError, SimulationError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged store raises is an outcome
            return self.raised(error)
        if type(value) is bytes:
            return value
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        return Raised(
            "TypeError", f"read returned a {type(value).__name__}, not bytes", detected=False
        )

    def raised(self, error: BaseException) -> Raised:
        """Keep of an exception what a verdict may depend on."""
        own = _own_of(self)
        corrupt = self.corrupt
        if own is not None:
            own.wear()
            if corrupt is not None:
                corrupt += own.latest.corrupt or ()
        detected = corrupt is None or isinstance(error, corrupt)
        return Raised(type(error).__name__, message_of(error), detected)


def message_of(error: BaseException) -> str:
    """Give an exception's message on one line, whatever its ``__str__`` does."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a message nobody can have
        return ""
    return text if len(text) <= _MESSAGE_MAX else f"{text[:_MESSAGE_MAX]}..."


_MESSAGE_MAX: Final = 400
"""Letters of a message that are kept: some carry a whole traceback, and ours are one line."""


def load(name: str) -> Subject:
    """Find a subject.

    Args:
        name: ``module:attribute`` or ``path/to/file.py:attribute``.

    Raises:
        UsageError: There is no such module, file or attribute, or it cannot be called, or one of
            its optional attributes is not what the contract says.
    """
    where, colon, attribute = name.rpartition(":")
    if not colon or not where or not attribute:
        raise UsageError(
            f"subject {name!r}: give it as module:attribute or path/to/file.py:attribute"
        )
    module = _load_file(where, name) if where.endswith(".py") else _load_module(where, name)
    factory: Any = module
    for part in attribute.split("."):
        try:
            factory = getattr(factory, part)
        except AttributeError:
            raise UsageError(
                f"subject {name!r}: {where} has no attribute {attribute!r}; it has {_names(module)}"
            ) from None
    if not callable(factory):
        raise UsageError(
            f"subject {name!r}: {attribute} is a {type(factory).__name__}, not callable; "
            "give a factory that takes a directory and returns the store"
        )
    return _describe(name, factory, module)


def _names(module: ModuleType) -> str:
    found = [
        key
        for key, value in vars(module).items()
        if callable(value)
        and not key.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]
    return ", ".join(found[:6]) if found else "nothing callable of its own"


def _load_module(where: str, name: str) -> ModuleType:
    # The command is a script: what the user means is a module beside where they stand.
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        missing = error.name or where
        if where == missing or where.startswith(missing + "."):
            raise UsageError(
                f"subject {name!r}: no module named {missing!r}; install it, or give a path to "
                "a .py file"
            ) from None
        raise UsageError(
            f"subject {name!r}: importing {where} failed: no module named {missing!r}"
        ) from error
    except Exception as error:
        raise UsageError(
            f"subject {name!r}: importing {where} failed: {type(error).__name__}: {error}"
        ) from error


def _load_file(where: str, name: str) -> ModuleType:
    path = Path(where)
    if not path.is_file():
        raise UsageError(f"subject {name!r}: no file {where!r} here")
    resolved = path.resolve()
    module_name = "harness_subject_" + "_".join(resolved.with_suffix("").parts[1:])
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, resolved)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(resolved.parent) not in sys.path:
        sys.path.insert(0, str(resolved.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise UsageError(
            f"subject {name!r}: running {where} failed: {type(error).__name__}: {error}"
        ) from error
    return module


def _describe(name: str, factory: Callable[[str], Any], module: ModuleType) -> Subject:
    corrupt = _declared(factory, "corrupt")
    guarantees = _declared(factory, "guarantees")
    sync = _declared(factory, "sync")
    if sync is not None and not isinstance(sync, str):
        raise UsageError(f"subject {name!r}: sync must be the name of a method, not {sync!r}")
    if isinstance(guarantees, str):
        raise UsageError(f"subject {name!r}: guarantees must be names, not one string")
    files = _declared(factory, "files") or ()
    return Subject(
        name=name,
        factory=factory,
        not_found=_exceptions(name, "not_found", _declared(factory, "not_found"))
        or (KeyError, FileNotFoundError),
        corrupt=None if corrupt is None else _exceptions(name, "corrupt", corrupt),
        sync=sync,
        guarantees=None if guarantees is None else frozenset(guarantees),
        single_writer=bool(_declared(factory, "single_writer")),
        checkpoint=_declared(factory, "checkpoint"),
        keys=_declared(factory, "keys"),
        values=_declared(factory, "values"),
        files=frozenset({str(getattr(module, "__file__", "")), *files}),
    )


def _declared(factory: Callable[[str], Any], attribute: str) -> Any:
    """Give an optional attribute; None where it is the store's own method.

    A store's class is a factory, too, and may have a ``sync``, as every mapping has ``keys`` and
    ``values``: those say nothing to the harness.
    """
    value = getattr(factory, attribute, None)
    if isinstance(factory, type) and (inspect.isroutine(value) or isinstance(value, property)):
        return None
    return value


def _exceptions(name: str, attribute: str, given: Any) -> tuple[type[BaseException], ...]:
    if given is None:
        return ()
    types = tuple(given) if isinstance(given, Iterable) else (given,)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise UsageError(f"subject {name!r}: {attribute} must be exception types, not {one!r}")
    return types
