"""A simulated process: every system call as a method, and how it ends."""

from __future__ import annotations

from errno import EBADF, ENOENT, ENOTDIR

from harness.disk.attributes import AttributeCalls
from harness.disk.constants import MOUNT, TICK_NS
from harness.disk.core import Path, failure
from harness.disk.data import DataCalls
from harness.disk.descriptors import DescriptorCalls
from harness.disk.locks import LockCalls
from harness.disk.names import NameCalls
from harness.disk.nodes import Directory

__all__ = ["Process"]


class Process(DescriptorCalls, DataCalls, NameCalls, AttributeCalls, LockCalls):
    """One process of the simulated machine; made by `Machine.process`.

    One method a system call. Paths are str or bytes, absolute or relative to the current directory
    or ``dir_fd``. A call raises the OSError that CPython would: subclass, errno, text, file names.
    """

    __slots__ = ()

    def umask(self, mask: int) -> int:
        """Set the file mode creation mask; return the old one."""
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("umask", self._set_umask, mask)  # type: ignore[no-any-return]
        return self._set_umask(mask)

    def _set_umask(self, mask: int) -> int:
        old, self._umask = self._umask, mask & 0o777
        return old

    def getcwd(self) -> str:
        """Give the absolute path of the current directory.

        Raises:
            OSError: ENOENT when it was removed.
        """
        self.calls += 1
        if self.calls > self._limit:
            return self._watched("getcwd", self._getcwd)  # type: ignore[no-any-return]
        return self._getcwd()

    def _getcwd(self) -> str:
        directory = self._cwd
        if directory is self.machine.main.root:
            return MOUNT
        if not directory.links:
            raise failure(ENOENT)
        return self.machine.absolute_of(directory)

    def chdir(self, path: Path) -> None:
        """Change the current directory."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("chdir", self._chdir, path)
        else:
            self._chdir(path)

    def _chdir(self, path: Path) -> None:
        node = self._node(path, None, (path,), follow=True)
        if type(node) is not Directory:
            raise failure(ENOTDIR, path)
        self._cwd = node

    def fchdir(self, fd: int) -> None:
        """Change the current directory to an open one."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("fchdir", self._fchdir, fd)
        else:
            self._fchdir(fd)

    def _fchdir(self, fd: int) -> None:
        description = self.fds.get(fd)
        if description is None:
            raise failure(EBADF)
        if type(description.node) is not Directory:
            raise failure(ENOTDIR)
        self._cwd = description.node

    def getpid(self) -> int:
        """Give the process's number among the machine's processes, as a pid. Not a system call."""
        return self.pid

    def sleep(self, seconds: float) -> None:
        """Sleep, on the virtual clock."""
        self.calls += 1
        if self.calls > self._limit:
            self._watched("sleep", self._sleep, seconds)
        else:
            self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.machine.advance(max(TICK_NS, round(seconds * 1e9)))

    # -- the end -------------------------------------------------------------------------------

    def exit(self) -> None:
        """End in good order: descriptors are closed from the lowest, and locks go with them."""
        for fd in sorted(self.fds):
            self._close(fd)
        self.dead = True
        self.rearm()
        self._mourned()

    def kill(self) -> None:
        """Die: every later call raises Killed, and nothing more reaches the disk.

        The kernel closes its files without a trace of it; what it wrote stays in the page cache.
        """
        self.dead = True
        self.rearm()
        for fd in sorted(self.fds):
            description = self._detach(fd)
            if description is not None:
                self._let_go(description)
        self._mourned()

    def _mourned(self) -> None:
        self.bereft = self.bereft or bool(self.mourners)
        for wake in list(self.mourners):
            wake()
