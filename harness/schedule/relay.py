"""Passing the turn from thread to thread: of all writers of a run, one runs and the others wait.

Whoever has the turn asks who goes next, in its own thread, and gives that one its baton. Who that
is, and why, is decided elsewhere (`harness.schedule.engine`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Final

from harness.errors import Hung, Killed
from harness.intercept import active, real
from harness.intercept.current import ACTIVE
from harness.intercept.sync import SCHEDULED
from harness.schedule.carriers import Baton, Carriers
from harness.schedule.polling import Progress
from harness.schedule.writer import Writer
from harness.watch import watched

__all__ = ["Relay", "never_started"]

_KNOWN_THREADS: Final[dict[int, threading.Thread]] = threading._active  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other way in
_STARTING_THREADS: Final[dict[Any, Any]] = threading._limbo  # type: ignore[attr-defined]  # noqa: SLF001 - a thread that never gets to run never leaves it


class Relay:
    """Lets one writer run at a time.

    Args:
        writers: All of them; more may come.
        progress: Told when one ends.
        decide: Gives who goes next, or None for nobody: the run is over. Told who asks (None if it
            has ended) and the baton that the one who asks waits on.

    Attributes:
        current: Who got the turn last.
        over: Whether nobody gets it any more.
        failure: What the harness itself, or the simulated machine, raised in a writer.
    """

    def __init__(
        self,
        writers: list[Writer],
        progress: Progress,
        decide: Callable[[Writer | None, Baton], Writer | None],
    ) -> None:
        self.current: Writer | None = None
        self.over = False
        self.failure: BaseException | None = None
        self._writers = writers
        self._progress = progress
        self._decide = decide
        self._main = Baton()
        self._carriers: Carriers | None = None

    def run(self, carriers: Carriers) -> None:
        """Let the writers run to their end, or to where they cannot go on.

        Raises:
            Hung: The one that has the turn computes without end.
        """
        self._carriers = carriers
        carriers.provide(len(self._writers))
        with watched():
            if self._pass_on(None, self._main):
                self._main.take()

    def pass_on(self, writer: Writer) -> None:
        """Give the turn to whoever goes next; come back when it is this writer's again, or over."""
        if not self._pass_on(writer, writer.baton):
            self._main.give()
            writer.baton.take()

    def _pass_on(self, writer: Writer | None, baton: Baton) -> bool:
        """Decide who goes next and let it; come back when it is this one's turn again.

        Args:
            writer: Who asks; None if it has ended.
            baton: What it waits on.

        Returns:
            False if nobody goes next: the run is over. True for one that has ended, at once.
        """
        chosen = None if self.over else self._decide(writer, baton)
        if chosen is None:
            self.over = True
            return False
        if chosen is writer:
            return True
        self._let(chosen)
        if writer is not None:
            baton.take()
        return True

    def _let(self, writer: Writer) -> None:
        self.current = writer
        if writer.begun:
            writer.baton.give()
            return
        writer.begun = True
        assert self._carriers is not None
        self._carriers.start(writer.index, lambda: self._body(writer))

    # -- in a writer's thread --------------------------------------------------------------------

    def _body(self, writer: Writer) -> None:
        self._register(writer)
        try:
            if not writer.stop:
                writer.wake = writer.ready = None
                with active(writer.process):
                    assert writer.body is not None
                    writer.body(writer)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to whoever started the run
            if writer.stop or writer.process.dead:
                return  # what a dead process raises while it unwinds says nothing
            self.failure = self.failure or error
            self.over = True
        finally:
            ACTIVE.pop(real.thread.get_ident(), None)
            self._finish(writer)

    def thread(self, writer: Writer, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make what a thread that the store starts runs, so that it waits for its turns.

        Args:
            writer: The one that it is.
            function: What the store wants it to run.
        """

        def run(*arguments: Any, **options: Any) -> None:
            writer.baton.take()
            self._register(writer)
            try:
                if writer.stop:
                    never_started(writer.thread)
                else:
                    function(*arguments, **options)
            except Killed:
                pass
            finally:
                self._finish(writer)

        return run

    def _register(self, writer: Writer) -> None:
        writer.real_ident = real.thread.get_ident()
        if writer.body is not None:
            # What threading finds under the identity that a store is shown.
            carrier = threading.current_thread()
            carrier.name = f"writer-{writer.name}"
            _KNOWN_THREADS[writer.ident()] = carrier
        SCHEDULED[writer.real_ident] = writer

    def _finish(self, writer: Writer) -> None:
        SCHEDULED.pop(writer.real_ident, None)
        if writer.body is not None:
            _KNOWN_THREADS.pop(writer.ident(), None)
        if writer.finished:
            return  # given up long ago: nobody waits for it any more
        writer.finished = True
        self._progress.made()
        if writer.reply is not None:
            writer.reply.give()
        # Its own baton is free now; on the main one somebody else waits already.
        elif not self._pass_on(None, writer.baton):
            self._main.give()

    # -- the end ---------------------------------------------------------------------------------

    def kill(self, doomed: list[Writer], writer: Writer | None, baton: Baton) -> None:
        """Kill writers, and let each of them run to the end of its stack, in order.

        Args:
            doomed: Those that die.
            writer: Who has the turn; if it is one of them, it has to see to its own end.
            baton: What it waits on.
        """
        for one in doomed:
            one.process.kill()
            one.stop = True
        for one in doomed:
            if one is writer:
                continue
            if not one.begun:
                one.finished = True
                continue
            one.reply = baton
            one.baton.give()
            baton.take()

    def interrupt(self, writer: Writer) -> None:
        """Stop a writer that computes without end: only an exception from outside reaches it."""
        self.over = True
        writer.stop = True
        writer.process.kill()
        writer.reply = self._main
        try:
            with watched():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(writer.real_ident), ctypes.py_object(Killed)
                )
                self._main.take()
        except Hung:
            writer.finished = True
            self._abandon()

    def unwind(self) -> None:
        """Kill what is left, once the run is over."""
        self.over = True
        doomed = [one for one in self._writers if not one.finished]
        try:
            with watched():
                self.kill(doomed, None, self._main)
        except Hung:
            for one in doomed:
                one.finished = True
            self._abandon()
        for writer in self._writers:
            SCHEDULED.pop(writer.real_ident, None)

    def _abandon(self) -> None:
        assert self._carriers is not None
        self._carriers.abandon()


def never_started(thread: threading.Thread | None) -> None:
    """Let ``threading`` forget a thread that is being started, and will never get to run."""
    _STARTING_THREADS.pop(thread, None)
