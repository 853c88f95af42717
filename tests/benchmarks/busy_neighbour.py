"""How much a training step suffers from one busy process beside it.

    python tests/benchmarks/busy_neighbour.py [--quick]

Steps of `fit` (784-400-20, grey pixels, 200 rows) in processes of their own: with as many threads
as torch takes; with one, as `setup` leaves it for a notebook's own loops; and with the number that
`fit` picks. Each quiet, and beside one process that computes without end; in turns, so that all
meet the same noise.
"""

import os
import subprocess
import sys

from record import lower_quartile, options, print_table, save_result

WAYS = {
    "torch's default": {"DEFAULT": "1"},
    "one, as `setup` leaves it": {"OMP_NUM_THREADS": "1"},
    "as many as `fit` picks": {},
}
BUSY = "while True: pass"
CHILD = """
import os, sys, time
from course_utils.models import VAE
from course_utils.session import pick_threads, torch_threads
import torch
from tqdm import tqdm
from course_utils.training.steps import Steps, default_loss

batches, rounds = int(sys.argv[1]), int(sys.argv[2])
rows = torch.randint(0, 256, (200 * batches, 784), dtype=torch.uint8)
model = VAE(latent_dim=20, hidden_dim=400)
optimizer = torch.optim.Adam(model.parameters(), fused=True)
steps, found = Steps(model, rows, default_loss, optimizer, 200), []
threads = torch.get_num_threads() if os.environ.get("DEFAULT") else pick_threads()
with tqdm(disable=True) as bar, torch_threads(threads):
    for _ in range(rounds + 1):
        start = time.perf_counter()
        steps.epoch([1e-3] * batches, bar)
        found.append((time.perf_counter() - start) / batches)
print(threads, *found[1:])
"""


def measure(variables: dict[str, str], busy: bool, batches: int, rounds: int) -> tuple:
    """Threads, and seconds a step in each round, in a process with its own environment."""
    environment = {k: v for k, v in os.environ.items() if "OMP" not in k} | variables
    other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
    try:
        command = [sys.executable, "-c", CHILD, str(batches), str(rounds)]
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    finally:
        if other:
            other.kill()
            other.wait()
    threads, *seconds = out.stdout.split()
    return int(threads), [float(s) for s in seconds]


def main() -> None:
    given = options(__doc__)
    batches, rounds, turns = (5, 2, 1) if given.quick else (100, 5, 3)
    found = {(way, busy): [] for way in WAYS for busy in (False, True)}
    threads = {}
    for _ in range(turns):
        for (way, busy), seconds in found.items():
            number, more = measure(WAYS[way], busy, batches, rounds)
            threads.setdefault((way, busy), []).append(number)
            seconds += more
    ms = {key: 1e3 * lower_quartile(seconds) for key, seconds in found.items()}
    default = ms[next(iter(WAYS)), False]
    rows = [
        {
            "threads": way,
            "quiet_ms": ms[way, False],
            "busy_ms": ms[way, True],
            "busy_to_quiet": ms[way, True] / ms[way, False],
            "quiet_to_default": ms[way, False] / default,
            "threads_quiet": threads[way, False],
            "threads_busy": threads[way, True],
        }
        for way in WAYS
    ]
    print_table(rows)
    if not given.quick:
        save_result("busy_neighbour", network="784-400-20, 200 rows a step", rows=rows)


if __name__ == "__main__":
    main()
