"""What students see in a real kernel, and what nbval and nbgrader take for an error."""

import asyncio
import threading
import time

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.slow

LIMIT = "from course_utils.exercises import time_limit\n\ntime_limit.TIME_LIMIT = {}"
RIGHT = 'check("bits_per_dimension", lambda log_p, D: 8 - log_p / D / 0.6931471805599453)'


class Kernel:
    """A notebook that is written and run cell by cell."""

    def __init__(self, client):
        self.client = client

    def run(self, source):
        """The outputs of one more cell."""
        cell = new_code_cell(source)
        self.client.nb.cells.append(cell)
        self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        return cell.outputs

    def interrupt(self):
        """As the stop button does."""
        asyncio.run(self.client.km.interrupt_kernel())


@pytest.fixture(scope="module")
def kernel():
    client = NotebookClient(new_notebook(), allow_errors=True, timeout=300, kernel_name="python3")
    with client.setup_kernel():
        kernel = Kernel(client)
        kernel.run("from course_utils.exercises import check")
        kernel.run(LIMIT.format(60.0))
        yield kernel


def shown(outputs):
    """The text in place of a traceback."""
    (error,) = outputs
    assert (error.output_type, error.ename) == ("error", "CheckFailed")
    text = "\n".join(error.traceback)
    assert text.startswith("┌─ Not yet") and "Traceback" not in text
    return text


def assert_all_is_well(kernel):
    (praise,) = kernel.run(RIGHT)
    assert praise.text.startswith("Well done: 8 bits")


def test_a_kernel_shows_the_box_in_place_of_a_traceback(kernel):
    kernel.run("def f(log_p, D):\n    x = log_p\n\n    return x.x / D")
    text = shown(kernel.run('check("bits_per_dimension", f)'))
    assert "AttributeError in line 4, `return x.x / D`" in text
    assert_all_is_well(kernel)


def test_a_kernel_cuts_a_loop_that_never_ends(kernel):
    kernel.run(LIMIT.format(1.0))
    kernel.run("def endless(log_p, D):\n    while True:\n        pass")
    text = shown(kernel.run('check("bits_per_dimension", endless)'))
    kernel.run(LIMIT.format(60.0))
    assert "Stopped after 1 seconds in line" in text and "never ends?" in text
    assert_all_is_well(kernel)


STUCK = """import threading

locked, say = threading.Lock(), time_limit.TimeLimit.give_up
locked.acquire()

def say_and_unlock(self):
    say(self)
    locked.release()

time_limit.PAUSE, time_limit.TimeLimit.give_up = 0.01, say_and_unlock"""


def test_a_kernel_says_what_it_cannot_cut(kernel):
    """Who waits for a lock is in C code; here it comes free when the line has been printed."""
    kernel.run(LIMIT.format(0.1))
    kernel.run(STUCK)
    line, error = kernel.run('check("bits_per_dimension", lambda log_p, D: locked.acquire())')
    kernel.run("time_limit.PAUSE, time_limit.TimeLimit.give_up = 0.25, say")
    kernel.run(LIMIT.format(60.0))
    assert "cannot be stopped from here: please restart the kernel." in line.text
    assert "Stopped after 0 seconds in line 1" in shown([error])
    assert_all_is_well(kernel)


def test_a_kernel_lets_its_user_interrupt_an_answer(kernel, tmp_path):
    begun = tmp_path / "begun"
    kernel.run(
        f"from pathlib import Path\n\ndef begins(log_p, D):\n    Path({str(begun)!r}).touch()\n"
        "    while True:\n        pass"
    )

    def interrupt_when_begun():
        while not begun.exists():
            time.sleep(0.01)
        kernel.interrupt()

    thread = threading.Thread(target=interrupt_when_begun, daemon=True)
    thread.start()
    (error,) = kernel.run('check("bits_per_dimension", begins)')
    thread.join(60)
    assert error.ename == "KeyboardInterrupt"
    assert_all_is_well(kernel)
