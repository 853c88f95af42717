"""An answer that runs too long is cut, in the thread in which it runs.

A second thread watches the clock. When the time is up it interrupts the main thread, as Ctrl-C and
the kernel's stop button do, and a handler that stands in for Python's own while the answer runs
knows which of the two it was. Python hears an interrupt between two of its steps: code that is
stuck in C goes on, and all that can be done is to say so.
"""

import _thread
import signal
import threading
from collections.abc import Callable
from typing import TextIO

TIME_LIMIT = 5.0  # seconds for one check; all of them need well under 2
INTERRUPTS, PAUSE = (
    10,
    0.25,
)  # more than one, because a bare `except:` swallows it; seconds between


class TimeUp(BaseException):
    """Raised in code that runs too long; no `Exception`, which `except Exception` would catch."""

    def __init__(self, seconds: float):
        super().__init__(f"not finished after {seconds:.0f} seconds")
        self.seconds = seconds


class TimeLimit:
    """Runs one piece of work in the main thread, for some seconds at most.

    Attributes:
        seconds: how long it may take.
        screen: where to say that the work cannot be cut; the work may redirect `sys.stdout`.
        time_is_up: whether it took longer.
        over: whether it has ended; from then on nothing is raised.
    """

    def __init__(self, seconds: float, screen: TextIO):
        self.seconds, self.screen = seconds, screen
        self.time_is_up = self.over = False
        self._ended, self._turn = threading.Event(), threading.Lock()

    def run(self, work: Callable[[], None]) -> None:
        """Run work(). What it raises comes out, and `TimeUp`, and a user's KeyboardInterrupt."""
        watcher = threading.Thread(target=self.watch, name="the time limit", daemon=True)
        before = signal.getsignal(signal.SIGINT)
        try:
            signal.signal(signal.SIGINT, self.on_interrupt)
            watcher.start()
            work()
        finally:
            self.over = True  # one step of Python's: no interrupt comes in between
            with self._turn:  # what is being sent arrives now, and nothing is sent any more
                self._ended.set()
            signal.signal(signal.SIGINT, before)

    def on_interrupt(self, signal_number: int, frame: object) -> None:
        """The handler while the work runs: who has interrupted it, the watcher or the user?"""
        if not self.over:
            raise TimeUp(self.seconds) if self.time_is_up else KeyboardInterrupt

    def watch(self) -> None:
        """Wait, then interrupt the work until it ends; say so where that does not help."""
        if self._ended.wait(self.seconds):
            return
        self.time_is_up = True
        for _ in range(INTERRUPTS):
            self._unless_over(_thread.interrupt_main)
            if self._ended.wait(PAUSE):
                return
        self._unless_over(self.give_up)

    def give_up(self) -> None:
        """Say what the user has to do."""
        print(
            f"Not finished after {self.seconds:.0f} seconds, and it cannot be stopped from here: "
            "please restart the kernel. Is there a loop that never ends?",
            file=self.screen,
            flush=True,
        )

    def _unless_over(self, act: Callable[[], None]) -> None:
        with self._turn:
            if not self.over:
                act()


def in_time(work: Callable[[], None], screen: TextIO) -> None:
    """Run work() for `TIME_LIMIT` seconds at most.

    Without a limit outside the main thread, and in a program whose interrupts Python does not
    handle: an interrupt would arrive elsewhere, or nowhere.

    Raises:
        TimeUp: the time was up; raised where the work was.
        KeyboardInterrupt: the user has interrupted it.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is not None:
        TimeLimit(TIME_LIMIT, screen).run(work)
    else:
        work()
