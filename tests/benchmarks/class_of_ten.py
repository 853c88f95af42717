"""Ten users of one JupyterHub run start_here at once, against one user alone.

    python tests/benchmarks/class_of_ten.py [--quick]

The real hub and its proxy on loopback, with Unix users and tools/hub/jupyterhub_config.py, as in
tests/tools/test_hub.py: so it takes Linux, and root. MNIST lies in the shared folder. Each once
with the threads that the configuration allows a user, and once without its limit. Then a loop of
plain torch, without the course's `setup`: its steps within some seconds, by all users together.
On two quiet CPU cores about ten minutes; memory is PSS, sampled.
"""

import os
import statistics
import sys
from contextlib import ExitStack

from record import Pieces, options, print_table, save_result

from course_utils.files import CHECKOUT, data_root

USERS, LIMITS = [1, 10], ["one thread for each user", "without the limit"]
PLAN = {"page": "start_here", "loop_seconds": 20}
QUICK = {"page": "its first three cells", "loop_seconds": 2}
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


def measure(users: int, limit: str, plan: dict, quick: bool) -> dict:
    """One class: start all servers at once, then run the page in all, then the loop in all."""
    from helpers.hub import Hub, Kernel, MemoryWatch, cells_of

    cells = cells_of()
    if quick:
        cells = dict(list(cells.items())[:3])
    load, left_out = os.getloadavg()[0], [] if limit == LIMITS[0] else ["OMP_NUM_THREADS"]
    with Hub(users, left_out=left_out, data=shared_data()) as hub, ExitStack() as opened:
        hub.all_at_once(hub.start)

        def kernel_of(student):
            kernel = Kernel(hub, student)
            kernel.run("pass", 1200)
            return kernel

        def run(kernel, code):
            ran = kernel.run(code, 1200)
            assert not ran.error, ran.error
            return ran

        kernels = [opened.enter_context(k) for k in hub.all_at_once(kernel_of)]

        def page(student):
            kernel = kernels[student.number]
            seconds = {name: run(kernel, code).seconds for name, code in cells.items()}
            return seconds, float(run(kernel, CPU).printed)

        with MemoryWatch(hub.students, every=2.0) as memory:
            pages = hub.all_at_once(page)
        # In a process of its own: `setup` has changed the number of threads in the first one.
        loops = [opened.enter_context(k) for k in hub.all_at_once(kernel_of)]
        hub.all_at_once(lambda s: run(loops[s.number], LOOP))
        count = f"print(train({plan['loop_seconds']}))"
        steps = hub.all_at_once(lambda s: int(run(loops[s.number], count).printed))
    slowest = max(((seconds[c], c) for seconds, _ in pages for c in seconds), default=None)
    whole = [sum(seconds.values()) for seconds, _ in pages]
    return {
        "start_seconds": max(student.seconds_to_start for student in hub.students),
        "slowest_cell": slowest[1],
        "slowest_cell_seconds": slowest[0],
        "page_seconds": max(whole),
        "page_cpu_seconds": statistics.median(cpu for _, cpu in pages),
        "memory_mb": statistics.median(memory.peaks.values()) / 1e6,
        "all_memory_mb": memory.together / 1e6,
        "loop_steps_per_second": sum(steps) / plan["loop_seconds"],
        "load_before": load,
    }


def main() -> None:
    sys.path.insert(0, str(CHECKOUT / "tests"))  # what several tests share
    given = options(__doc__)
    plan, users = (QUICK, [2]) if given.quick else (PLAN, USERS)
    pieces, rows = Pieces("class_of_ten", plan, given), []
    for number in users:
        for limit in LIMITS:
            found = pieces.get(
                f"{number} users, {limit}",
                lambda n=number, how=limit: measure(n, how, plan, given.quick),
            )
            rows.append({"users": number, "threads": limit, **(found or {})})
    if not pieces.finished():
        return
    print_table(rows)
    if given.quick:
        return
    shared = max(row["load_before"] for row in rows) >= 0.5
    note = "other programs computed on the same cores" if shared else "nothing else computed"
    save_result("class_of_ten", plan=plan, rows=rows, note=note, published="none found")
    pieces.clear()


if __name__ == "__main__":
    main()
