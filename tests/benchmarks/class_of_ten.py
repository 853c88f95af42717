"""Ten users of one JupyterHub run start_here at once, against one user alone.

    python tests/benchmarks/class_of_ten.py [--quick] [--only "page, 10 users"]

The real hub and its proxy on loopback, with Unix users and tools/hub/jupyterhub_config.py, as in
tests/tools/test_hub.py: so it takes Linux, and root. MNIST lies in the shared folder. Each once
with the threads that the configuration allows a user, and once without its limit. Then a loop of
plain torch, without the course's `setup`: its steps within some seconds, by all users together.
On two quiet CPU cores about twelve minutes. Memory is PSS, sampled: what several processes map
counts in parts, also where the others are no users of the hub. `--only` measures the parts whose
name holds these words, and calls the rest not measured.
"""

import itertools
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from record import Pieces, options, print_table, save_result

from course_utils.files import CHECKOUT, data_root

USERS, LIMITS = [1, 10], ["one thread for each user", "without the limit"]
PLAN = {"page": "start_here", "cells": None, "loop_seconds": 20}
QUICK = {"page": "start_here", "cells": 3, "loop_seconds": 2}
FIGURES = {
    "page": [
        "start_seconds",
        "slowest_cell",
        "slowest_cell_seconds",
        "page_seconds",
        "page_cpu_seconds",
        "memory_mb",
        "all_memory_mb",
        "busy_before",
    ],
    "loop": ["loop_steps_per_second"],
}
LIMIT = 1800  # seconds for a cell; a limit, not a measurement
LOOP = """
import time, torch
from torch import nn

model = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 784))
optimizer = torch.optim.Adam(model.parameters())
x = torch.rand(100, 784)


def train(seconds):
    steps, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), x).backward()
        optimizer.step()
        steps += 1
    return steps


train(0.5)
"""
CPU = "import os; print(sum(os.times()[:2]))"  # of the kernel


def shared_data() -> dict[str, bytes]:
    """MNIST, as files of the shared folder; without it the users draw their digits."""
    paths = sorted((data_root() / "MNIST/raw").glob("*ubyte*"))
    return {f"MNIST/raw/{path.name}": path.read_bytes() for path in paths}


@contextmanager
def a_class(users: int, limit: str):
    """A hub with so many users, all of whom have a server: it, and a function that runs code.

    `at_once(code, ...)` runs the pieces one after the other in a new kernel of each user, all
    users at once, and gives a list for each user of what became of them.
    """
    from helpers.hub import Hub, Kernel

    left_out = [] if limit == LIMITS[0] else ["OMP_NUM_THREADS"]
    with Hub(users, left_out=left_out, data=shared_data()) as hub:
        hub.all_at_once(hub.start)

        def run(kernel, code):
            ran = kernel.run(code, LIMIT)
            assert not ran.error, ran.error
            return ran

        kernels = hub.all_at_once(lambda student: Kernel(hub, student))

        def at_once(*codes):
            return hub.all_at_once(lambda s: [run(kernels[s.number], code) for code in codes])

        yield hub, at_once


def busy_now(looks: int = 20) -> float:
    """How many other threads of this machine compute now, in the median of some looks."""
    found = []
    for _ in range(looks):
        found.append(int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1)
        time.sleep(0.1)
    return statistics.median(found)


def measure_page(users: int, limit: str, cells: dict[str, str]) -> dict:
    """All users run the page: how long, and with how much memory."""
    from helpers.hub import MemoryWatch

    busy = busy_now()
    with a_class(users, limit) as (hub, at_once):
        with MemoryWatch(hub.students, every=2.0) as memory:
            ran = at_once(*cells.values(), CPU)
        start = max(student.seconds_to_start for student in hub.students)
    pages = [dict(zip(cells, (cell.seconds for cell in cells_ran))) for *cells_ran, _ in ran]
    slowest, name = max((page[cell], cell) for page in pages for cell in page)
    return {
        "start_seconds": start,
        "slowest_cell": name,
        "slowest_cell_seconds": slowest,
        "page_seconds": max(sum(page.values()) for page in pages),
        "page_cpu_seconds": statistics.median(float(cpu.printed) for *_, cpu in ran),
        "memory_mb": statistics.median(memory.peaks.values()) / 1e6,
        "all_memory_mb": memory.together / 1e6,
        "busy_before": busy,
    }


def measure_loop(users: int, limit: str, seconds: float) -> dict:
    """All users train in a loop of plain torch: steps per second, all together."""
    with a_class(users, limit) as (_, at_once):
        at_once(LOOP)
        steps = [int(ran.printed) for (ran,) in at_once(f"print(train({seconds}))")]
    return {"loop_steps_per_second": sum(steps) / seconds}


def main() -> None:
    sys.path.insert(0, str(CHECKOUT / "tests"))  # what several tests share
    from helpers.hub import cells_of

    given = options(__doc__, only="")
    plan, users = (QUICK, [2]) if given.quick else (PLAN, USERS)
    cells = dict(list(cells_of().items())[: plan["cells"]])
    pieces, seconds, rows = Pieces("class_of_ten", plan, given), plan["loop_seconds"], {}
    for what, work, rest in (("page", measure_page, cells), ("loop", measure_loop, seconds)):
        for number, limit in itertools.product(users, LIMITS):
            key = f"{what}, {number} users, {limit}"

            def measure(work=work, number=number, limit=limit, rest=rest, key=key):
                return work(number, limit, rest) if given.only in key else None

            row = rows.setdefault((number, limit), {"users": number, "threads": limit})
            row |= pieces.get(key, measure) or dict.fromkeys(FIGURES[what], "not measured")
    if not given.only and not pieces.finished():
        return
    rows = list(rows.values())
    print_table(rows)
    if given.quick:
        return
    others = [row["busy_before"] for row in rows if row["busy_before"] != "not measured"]
    shared = max(others, default=0) > 0
    note = "other programs computed on the same cores" if shared else "nothing else computed"
    save_result("class_of_ten", plan=plan, rows=rows, note=note, published="none found")
    if not pieces.missing:
        pieces.clear()


if __name__ == "__main__":
    main()
