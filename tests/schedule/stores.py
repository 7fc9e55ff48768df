"""Small stores for the scheduler's own tests: each waits, races or hangs in one way."""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time

from tests.schedule.conftest import Plain


class Flocked(Plain):
    """Holds flock on a file beside while it writes."""

    def write(self, key, value):
        lock = os.open(os.path.join(self.directory, ".lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().write(key, value)
        finally:
            os.close(lock)


class Posix(Plain):
    """Holds a POSIX record lock, released by closing any descriptor of the file."""

    def write(self, key, value):
        lock = os.open(os.path.join(self.directory, ".lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            super().write(key, value)
        finally:
            os.close(lock)


class LockFile(Plain):
    """Makes a file that must not be there, and sleeps while it is."""

    def write(self, key, value):
        path = os.path.join(self.directory, ".lock")
        while True:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                time.sleep(0.05)
            else:
                break
        try:
            super().write(key, value)
        finally:
            os.unlink(path)


class Spinning(Plain):
    """The same without sleeping."""

    def write(self, key, value):
        path = os.path.join(self.directory, ".lock")
        while True:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            break
        try:
            super().write(key, value)
        finally:
            os.unlink(path)


class Crossed(Plain):
    """Takes two flocks, in an order that depends on the key."""

    def write(self, key, value):
        names = [".one", ".two"] if key == "a" else [".two", ".one"]
        held = []
        for name in names:
            held.append(os.open(os.path.join(self.directory, name), os.O_RDWR | os.O_CREAT))
            fcntl.flock(held[-1], fcntl.LOCK_EX)
        super().write(key, value)
        for descriptor in held:
            os.close(descriptor)


class CrossedThreads(Plain):
    """The same with two locks of threading."""

    def __init__(self, directory):
        super().__init__(directory)
        self.one, self.two = threading.Lock(), threading.RLock()

    def write(self, key, value):
        first, second = (self.one, self.two) if key == "a" else (self.two, self.one)
        with first, second:
            super().write(key, value)


class Locked(Plain):
    """One lock around everything."""

    def __init__(self, directory):
        super().__init__(directory)
        self.lock = threading.Lock()

    def write(self, key, value):
        with self.lock:
            super().write(key, value)


class Flusher(Plain):
    """A thread of the store's own does the writing; writers wait for it."""

    def __init__(self, directory):
        super().__init__(directory)
        self.jobs = queue.Queue()
        self.thread = threading.Thread(target=self._flush, daemon=True)
        self.thread.start()

    def _flush(self):
        while (job := self.jobs.get()) is not None:
            key, value, done = job
            super().write(key, value)
            done.set()

    def write(self, key, value):
        done = threading.Event()
        self.jobs.put((key, value, done))
        done.wait()

    def close(self):
        self.jobs.put(None)
        self.thread.join()


class Forgotten(Plain):
    """A background thread that nobody ends."""

    def __init__(self, directory):
        super().__init__(directory)
        self.stopped = threading.Event()
        threading.Thread(target=self._tick).start()

    def _tick(self):
        while not self.stopped.wait(10):
            super().list()


class Primitives(Plain):
    """Every primitive of threading and queue, each used by two writers."""

    def __init__(self, directory):
        super().__init__(directory)
        self.semaphore = threading.BoundedSemaphore(1)
        self.condition = threading.Condition()
        self.barrier = threading.Barrier(2)
        self.simple = queue.SimpleQueue()
        self.local = threading.local()
        self.turn = 0

    def write(self, key, value):
        self.local.key = key
        self.barrier.wait()
        with self.semaphore:
            super().write(key, value)
        with self.condition:
            self.turn += 1
            self.condition.notify_all()
            self.condition.wait_for(lambda: self.turn == 2)
        self.simple.put(key)
        assert self.simple.get() in ("a", "b")
        assert self.local.key == key


class Polite(Plain):
    """Gives up waiting after a time."""

    def __init__(self, directory):
        super().__init__(directory)
        self.lock = threading.Lock()

    def write(self, key, value):
        if not self.lock.acquire(timeout=5):
            raise TimeoutError("the lock is taken")
        super().write(key, value)  # and never gives it back


class Endless(Plain):
    """Computes for ever, in silence."""

    def write(self, key, value):
        super().write(key, value)
        while key == "b":
            pass


class Counter(Plain):
    """Reads a number, adds one, writes it back."""

    def write(self, key, value):
        del key, value
        try:
            number = int(self.read("n"))
        except FileNotFoundError:
            number = 0
        super().write("n", b"%d" % (number + 1))
