"""Everything the harness raises on purpose.

HarnessError                     one line: what was wrong and what to do; carries an exit code
├── UsageError            (2)    a bad argument, subject name, trace file, report directory
├── BaselineError         (4)    the subject fails without any fault
└── InternalError        (70)    the harness itself failed
SimulationError                  a subject did what the simulated machine cannot represent
├── EscapeError                  ... wrote outside the simulated tree, or by a way around it
└── CallLimitExceeded            ... made more system calls than an operation may
Killed (BaseException)           the simulated process is dead: nothing it does reaches the disk
"""

__all__ = [
    "BaselineError",
    "CallLimitExceeded",
    "EscapeError",
    "HarnessError",
    "Hung",
    "InternalError",
    "Killed",
    "SimulationError",
    "UsageError",
]


class HarnessError(Exception):
    """A failure with one line for the user and an exit code for the shell."""

    exit_code: int = 70


class UsageError(HarnessError):
    """Something the user gave cannot be used; the message names it and the remedy."""

    exit_code = 2


class BaselineError(HarnessError):
    """The subject misbehaves with no fault injected, so no verdict on faults is possible."""

    exit_code = 4


class InternalError(HarnessError):
    """The harness broke one of its own rules: a bug here, not in the subject."""

    exit_code = 70


class SimulationError(Exception):
    """The subject did something the simulated machine cannot represent faithfully.

    Not an OSError, so that a store's own error handling does not take it for a disk's answer.
    """


class EscapeError(SimulationError):
    """A change would have reached the real machine or gone unrecorded (mmap, sqlite3, ...)."""


class CallLimitExceeded(BaseException):
    """One operation made more system calls than allowed: it is looping.

    A BaseException, so that a retry loop around ``except Exception`` cannot swallow it.
    """


class Hung(BaseException):
    """One operation took longer than the watchdog allows, without making system calls."""


class Killed(BaseException):
    """The process that made this call is dead.

    Raised by the call at which it dies and by each later one, so that ``finally``, ``with``
    and finalizers run but cannot reach the disk.
    """
