"""The disk of a pasted test: pyfakefs, watched."""

from __future__ import annotations

import os
import stat

import pytest
from pyfakefs.fake_file import FakeDirectory, FakeDirWrapper, FakeFile, FakeFileWrapper
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen
from pyfakefs.fake_os import FakeOsModule

from harness.pasted.shim.lacking import add_lacking

# -- below this line everything goes into the test
PAGE, SECTOR = 4096, 512
MOST = 3000  # images of one crash that are made by combining all files; beyond, one at a time


class Disk:
    """What pyfakefs is asked to do, step by step."""

    def __init__(self):
        self.steps = []  # ("name", [(directory, name, thing or None)]), ("bytes", thing, old, new)
        self.numbers = {}  # id of a fake object: its number, and the object itself
        self.things = {}
        self.listening = False
        self.group = None  # changes of names that are one call
        self.failing = None  # which call fails: its name, how many before it, the errno
        self.failed = False
        self.part = None  # bytes that a write moves before it fails, or stops
        self.lasting = False  # whether all later calls fail like it
        self.raw = False  # whether os.write is at work
        self.places = 0
        self.process = 1000

    def number(self, thing):
        if id(thing) not in self.numbers:
            self.numbers[id(thing)] = len(self.numbers), thing
            self.things[len(self.numbers) - 1] = thing
        return self.numbers[id(thing)][0]

    def name(self, directory, name, thing):
        if self.listening:
            change = self.number(directory), name, None if thing is None else self.number(thing)
            if self.group is None:
                self.steps.append(("name", [change]))
            else:
                self.group.append(change)

    def end_of_group(self):
        last = {change[:2]: change for change in self.group}
        # The new name before the end of the old one: a file that moves is never without one.
        group = sorted(last.values(), key=lambda change: change[2] is None)
        self.group = None
        if group:
            self.steps.append(("name", group))

    def content(self, thing, old, new):
        if self.listening and (old or b"") != (new or b""):
            self.steps.append(("bytes", self.number(thing), old or b"", new or b""))

    def synced(self, thing):
        if self.listening:
            self.steps.append(("sync", None if thing is None else self.number(thing)))

    def strike(self, call):
        """Let the call fail that is meant to."""
        if self.failing is not None and call in self.failing[0]:
            if self.failing[1] == 0:
                failing, self.failed = self.failing, True
                self.failing = failing if self.lasting else None
                raise OSError(failing[2], os.strerror(failing[2] or 0))
            self.failing = self.failing[0], self.failing[1] - 1, self.failing[2]


@pytest.fixture
def disk(monkeypatch, request):
    """Watch pyfakefs; it is installed last, so that what captured a function early is watched."""
    watched = Disk()

    def instead(owner, name, make):
        monkeypatch.setattr(owner, name, make(getattr(owner, name, None)), raising=False)

    def set_attribute(original):
        def set_(self, key, value):
            if key == "_byte_contents" and not isinstance(self, FakeDirectory):
                old, new = self.__dict__.get(key) or b"", value or b""
                if not watched.raw and old != new and len(new) >= len(old):
                    try:
                        watched.strike("write")  # of a buffer that is flushed
                    except OSError as error:
                        if error.errno:
                            if watched.part is not None:
                                part = new[: len(old) + watched.part]
                                watched.content(self, old, part)
                                original(self, key, part)
                            raise
                watched.content(self, old, value)
            original(self, key, value)

        return set_

    def add_entry(original):
        def add(self, thing):
            original(self, thing)
            watched.name(self, thing.name, thing)

        return add

    def remove_entry(original):
        def remove(self, name, *rest, **more):
            original(self, name, *rest, **more)
            watched.name(self, name, None)

        return remove

    def rename(original):
        def rename_(self, *rest, **more):
            watched.group = []
            try:
                return original(self, *rest, **more)
            finally:
                watched.end_of_group()

        return rename_

    def sync(original):
        def sync_(self, descriptor):
            thing = self.filesystem.get_open_file(descriptor).get_object()
            try:
                watched.strike("fsync")
            except OSError:
                # The kernel reports it once: what was written counts as clean, and is lost.
                watched.steps.append(("dropped", watched.number(thing)))
                raise
            original(self, descriptor)
            watched.synced(thing)

        return sync_

    def striking(name):
        def make(original):
            def call(self, *rest, **more):
                if name == "open" and len(rest) > 1 and not rest[1] & os.O_CREAT:
                    watched.strike("look")
                    return original(self, *rest, **more)
                watched.strike(name)
                return original(self, *rest, **more)

            return call

        return make

    def close(original):
        def close_(self, descriptor):
            if isinstance(self, FakeFileWrapper) and not self._is_open():
                return
            thing = self.get_object()
            try:
                original(self, descriptor)
            except OSError:
                # A file whose last flush fails is closed all the same.
                if self._is_open() and self._closefd:
                    watched.fs.close_open_file(descriptor)
                raise
            try:
                watched.strike("close")  # one that fails has closed, too
            except OSError:
                watched.steps.append(("dropped", watched.number(thing)))
                raise

        return close_

    def lseek(original):
        def lseek_(self, descriptor, position, whence):
            original(self, descriptor, position, whence)
            handle = self.filesystem.get_open_file(descriptor)
            if whence == os.SEEK_END:  # pyfakefs gives no answer
                return handle.get_object().size + position
            return handle.tell()

        return lseek_

    def looking(original):
        def call(self, file, mode="r", *rest, **more):
            if mode.startswith("r") and "+" not in mode:
                watched.strike("look")
            return original(self, file, mode, *rest, **more)

        return call

    monkeypatch.setattr(os, "getpid", lambda: watched.process)
    instead(FakeFileOpen, "call", looking)
    instead(FakeOsModule, "lseek", lseek)
    instead(FakeFileWrapper, "close_fd", close)
    instead(FakeDirWrapper, "close_fd", close)

    def write(original):
        def write_(self, descriptor, content):
            watched.raw = True
            try:
                part = bytes(content)[: watched.part]
                try:
                    watched.strike("write")
                except OSError as error:
                    if watched.part is None:
                        raise
                    made = original(self, descriptor, part)
                    if error.errno:
                        raise
                    return made  # it takes less than it was given, and says so
                return original(self, descriptor, content)
            finally:
                watched.raw = False

        return write_

    instead(FakeOsModule, "write", write)
    add_lacking(watched, lambda name, call: instead(FakeOsModule, name, lambda _: call))
    instead(FakeFile, "__setattr__", set_attribute)
    instead(FakeDirectory, "add_entry", add_entry)
    instead(FakeDirectory, "remove_entry", remove_entry)
    instead(FakeFilesystem, "rename", rename)
    for call in ("open", "rename", "replace", "unlink", "remove", "mkdir"):
        instead(FakeOsModule, call, striking(call))
    instead(FakeOsModule, "fsync", sync)
    instead(FakeOsModule, "fdatasync", sync)
    instead(FakeOsModule, "sync", lambda _: lambda _self: watched.synced(None))
    watched.fs = request.getfixturevalue("fs")
    # A file system of its own, as /tmp is another: a rename between them fails, as it does.
    watched.fs.add_mount_point("/disk")
    return watched


def is_link(thing):
    return stat.S_ISLNK(thing.st_mode)


def lay_out(disk, image):
    """Make a directory that holds an image, symbolic links as text; give its path."""
    disk.places += 1
    base = f"/disk/{disk.places}"
    os.mkdir(base)
    dirs, files = image
    for path in sorted(dirs):
        os.mkdir(f"{base}/{path}")
    for path, content in files:
        if isinstance(content, str):
            os.symlink(content, f"{base}/{path}")
            continue
        with open(f"{base}/{path}", "wb") as file:
            file.write(content)
    return base
