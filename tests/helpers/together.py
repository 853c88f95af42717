"""Python in processes of its own: once, or twice at the same moment."""

import os
import subprocess
import sys
from pathlib import Path

import course_utils


def child_environment() -> dict[str, str]:
    """This process's environment, with the package to be found and no progress bars."""
    folder = str(Path(course_utils.__file__).parent.parent)
    return os.environ | {"PYTHONPATH": folder, "TQDM_DISABLE": "1"}


def run_twice_at_once(
    code: str, *arguments: str, second: dict[str, str] | None = None
) -> list[list[str]]:
    """What each of two interpreters prints, as lines, when both run `code` at once.

    The code prints "ready" when it has imported what it needs, then waits for a line. The
    variables in `second` are set for the second interpreter alone.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment() | changes,
        )
        for changes in ({}, second or {})
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return printed
