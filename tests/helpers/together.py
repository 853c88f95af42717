"""Two processes that do the same at the same moment."""

import subprocess
import sys


def run_twice_at_once(code: str, *arguments: str, env: dict[str, str]) -> list[list[str]]:
    """What each of two interpreters prints, as lines, when both run `code` at once.

    The code prints "ready" when it has imported what it needs, then waits for a line.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return printed
