"""An answer that never ends is cut, in the main thread and without a trace."""

import _thread
import io
import signal
import sys
import threading
import time

import numpy as np
import pytest
from on_the_page import hint_for

from course_utils.exercises import CHECKS
from course_utils.exercises.time_limit import INTERRUPTS, TimeLimit, TimeUp

# Coverage's collector takes a lock at any line; who is interrupted just then never gives it back.
pytestmark = pytest.mark.no_cover

LIMIT = "course_utils.exercises.time_limit.TIME_LIMIT"
BITS = CHECKS["bits_per_dimension"]


def right(log_p, D):
    return 8 - log_p / D / np.log(2)


@pytest.fixture(params=["heard", "ignored"])
def interrupts(request):
    """Python's own handler; and none, as where a shell runs the tests in the background."""
    assert threading.current_thread() is threading.main_thread(), "nothing could be cut here"
    handler = {"heard": signal.default_int_handler, "ignored": signal.SIG_IGN}[request.param]
    before = signal.signal(signal.SIGINT, handler)
    yield handler
    after = signal.signal(signal.SIGINT, before)
    assert after is handler, "the handler was not put back"


@pytest.fixture
def arrived():
    """The interrupts that arrive when nothing that is limited runs."""
    found = []
    before = signal.signal(signal.SIGINT, lambda number, frame: found.append(number))
    yield found
    signal.signal(signal.SIGINT, before)


def no_watcher_is_left():
    return "the time limit" not in [thread.name for thread in threading.enumerate()]


def for_ever():
    """It ends at last, so that a broken time limit fails a test and does not hang it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        yield


def wait_for(condition):
    """Until the condition holds, however slow the machine is; but not for ever."""
    for _ in for_ever():
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def endless(log_p, D):
    for _ in for_ever():
        try:
            log_p += 1
            print(log_p)
        except Exception:
            pass


@pytest.mark.slow
def test_an_endless_loop_is_cut(interrupts, monkeypatch, capsys):
    monkeypatch.setattr(LIMIT, 1.0)
    hint = hint_for("bits_per_dimension", endless)
    assert "Stopped after 1 seconds in line" in hint and "never ends" in hint
    assert len(capsys.readouterr().out) < 2100
    monkeypatch.setattr(LIMIT, 60.0)
    assert BITS(right)  # and the next check is well


@pytest.mark.slow
def test_a_loop_that_swallows_some_interrupts_is_cut(interrupts, monkeypatch, capsys):
    """As a bare `except:` does."""
    monkeypatch.setattr(LIMIT, 0.1)
    swallowed, listening = [], threading.Event()

    def stubborn(log_p, D):
        while len(swallowed) < 3:
            try:
                listening.set()
                for _ in for_ever():
                    pass
            except BaseException as problem:
                swallowed.append(problem)
        listening.set()
        for _ in for_ever():
            pass

    def when_it_listens(interrupt=_thread.interrupt_main):
        assert listening.wait(60)
        listening.clear()
        interrupt()

    monkeypatch.setattr(_thread, "interrupt_main", when_it_listens)
    assert "Stopped after 0 seconds" in hint_for("bits_per_dimension", stubborn)
    assert [type(problem) for problem in swallowed] == [TimeUp] * 3
    assert "restart the kernel" not in capsys.readouterr().out


def test_a_result_that_never_comes_is_cut_too(monkeypatch):
    monkeypatch.setattr(LIMIT, 0.1)

    class Lazy:
        def __array__(self, *options, **more):
            for _ in for_ever():
                pass

    assert "Stopped after 0 seconds" in hint_for("bits_per_dimension", lambda log_p, D: Lazy())


def test_the_time_is_up_in_a_second_attempt(monkeypatch):
    """That it takes no plain numbers is the lesser trouble."""
    monkeypatch.setattr(LIMIT, 0.1)

    def for_tensors_only(log_p, D):
        log_p.shape  # noqa: B018  raises for a number
        for _ in for_ever():
            pass

    assert "Stopped after 0 seconds" in hint_for("bits_per_dimension", for_tensors_only)


def test_the_user_may_interrupt_an_answer(interrupts):
    """Whatever the handler was before; it is no hint, and no watcher goes on."""
    counted = []

    def counting(log_p, D):
        for _ in for_ever():
            counted.append(None)
            if len(counted) == 1000:
                _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        BITS(counting)
    assert len(counted) >= 1000
    wait_for(no_watcher_is_left)


def test_what_cannot_be_cut_is_left_to_the_user(monkeypatch, capsys):
    """Code that is stuck in C hears no interrupt, as none does here."""
    monkeypatch.setattr(LIMIT, 0.1)
    monkeypatch.setattr("course_utils.exercises.time_limit.PAUSE", 0.01)
    sent = []
    monkeypatch.setattr(_thread, "interrupt_main", lambda: sent.append(None))
    screen = io.StringIO()

    def stuck(log_p, D):
        print("once")
        wait_for(lambda: "restart the kernel" in screen.getvalue())
        return right(log_p, D)

    monkeypatch.setattr(sys, "stdout", screen)
    assert BITS(stuck).startswith("Well done")
    assert len(sent) == INTERRUPTS
    first, *others = screen.getvalue().splitlines()
    assert first == (
        "Not finished after 0 seconds, and it cannot be stopped from here: please restart the "
        "kernel. Is there a loop that never ends?"
    )
    assert set(others) == {"once"}


def test_an_interrupt_that_comes_late_goes_nowhere(monkeypatch, arrived):
    """It is sent when the work has just ended: the one moment at which it could do harm."""
    sending, limit = threading.Event(), TimeLimit(0.01, sys.stdout)

    def when_it_is_over(interrupt=_thread.interrupt_main):
        sending.set()
        wait_for(lambda: limit.over)
        interrupt()

    monkeypatch.setattr(_thread, "interrupt_main", when_it_is_over)
    limit.run(lambda: sending.wait(60))
    assert sending.is_set() and limit.time_is_up
    wait_for(no_watcher_is_left)
    assert arrived == []
    signal.raise_signal(signal.SIGINT)
    wait_for(lambda: arrived)  # the handler is the one before, and hears the next


def test_a_watcher_that_wakes_late_stays_silent(monkeypatch, arrived):
    """The work ends, and the handler is back, just before the watcher has its turn."""
    sent, left, screen = [], threading.Event(), io.StringIO()
    monkeypatch.setattr(_thread, "interrupt_main", lambda: sent.append(None))
    limit = TimeLimit(60.0, screen)
    monkeypatch.setattr(limit._ended, "wait", lambda seconds: not left.wait(60))
    limit.run(lambda: None)
    left.set()
    wait_for(no_watcher_is_left)
    assert limit.time_is_up and not sent and not screen.getvalue()


def test_a_quick_answer_meets_no_interrupt(monkeypatch, arrived):
    sent = []
    monkeypatch.setattr(_thread, "interrupt_main", lambda: sent.append(None))
    assert BITS(right)
    wait_for(no_watcher_is_left)
    assert not sent and not arrived


def slow(log_p, D):
    time.sleep(0.05)
    return right(log_p, D)


def test_in_another_thread_an_answer_has_no_limit(monkeypatch):
    monkeypatch.setattr(LIMIT, 0.0)
    said, handler = [], signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: said.append(BITS(slow)))
    thread.start()
    thread.join(60)
    assert said and said[0].startswith("Well done")
    assert signal.getsignal(signal.SIGINT) is handler


def test_where_python_hears_no_interrupts_an_answer_has_no_limit(monkeypatch):
    """Another program has installed its own handler, which could not be put back from here."""
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as changed:
        changed.setattr(LIMIT, 0.0)
        changed.setattr(signal, "getsignal", lambda number: None)
        assert BITS(slow).startswith("Well done")
    assert signal.getsignal(signal.SIGINT) is handler
