"""What every notebook does first: seeds, device, plot style, compute budget.

Nothing here is about variational autoencoders; it is in the package so that it stays off the page.
"""

import os
import platform
import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from course_utils import __version__
from course_utils.arguments import count

T = TypeVar("T")

# Okabe and Ito (2008): colours that colour-blind readers can tell apart; the last one is grey.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]

PLOT_STYLE = {
    "figure.figsize": (8, 4),
    "figure.dpi": 110,
    "figure.facecolor": "white",  # stays readable when the page around it is dark
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
}


def pick_device() -> torch.device:
    """The fastest device at hand: cuda, then mps (Apple), then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def budget() -> str:
    """The compute budget, `"cpu"` or `"gpu"`.

    `COURSE_BUDGET` decides; without it, `"gpu"` where there is an accelerator, else `"cpu"`.
    The budget changes how long things run (epochs, sample counts), never which code runs.
    """
    chosen = os.environ.get("COURSE_BUDGET") or ("cpu" if pick_device().type == "cpu" else "gpu")
    if chosen not in ("cpu", "gpu"):
        raise ValueError(f"COURSE_BUDGET: expected 'cpu' or 'gpu', got {chosen!r}")
    return chosen


def by_budget(cpu: T, gpu: T) -> T:
    """`cpu` or `gpu`, whichever the compute budget says: `EPOCHS = by_budget(cpu=12, gpu=80)`."""
    return cpu if budget() == "cpu" else gpu


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device)."""
    seed = count("seed", seed, least=0)
    if seed >= 2**32:  # NumPy takes no others
        raise ValueError(f"seed: expected 0 to 2**32 - 1, got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_shift() -> int:
    """What `COURSE_SEED_SHIFT` adds to the seed of every notebook; 0 where it is not set."""
    text = os.environ.get("COURSE_SEED_SHIFT") or "0"
    if not text.isdecimal():
        raise ValueError(f"COURSE_SEED_SHIFT: expected a whole number from 0 up, got {text!r}")
    return int(text)


def _seed_torch(seed: int) -> None:
    """As `torch.manual_seed`, which keeps a trace of its caller for each accelerator that is not
    in use: milliseconds, where this is called a thousand times.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextmanager
def own_seed(seed: int):
    """Run a block with its own torch seed, and leave torch's streams as they were before it."""
    on_mps = torch.backends.mps.is_available()  # fork_rng looks after the CPU and CUDA only
    mps_state = torch.mps.get_rng_state() if on_mps else None
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            _seed_torch(seed)
            yield
    finally:
        if on_mps:
            torch.mps.set_rng_state(mps_state)


# Torch's number of threads as it was before `setup`: its own choice, or the reader's.
_MOST_THREADS = torch.get_num_threads()


def pick_threads() -> int:
    """How many threads a long computation on the CPU may use: as many as there are free cores.

    Threads wait for each other in a loop that keeps their cores busy. Where another program takes
    turns with them, all wait for the one whose turn is over, and several are slower than one.
    `OMP_NUM_THREADS` in the environment leaves nothing to choose, and no number is larger than
    torch's own, or than the one that `torch.set_num_threads` has set (1 counts as not set: it is
    what `setup` leaves).
    """
    threads = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ:
        return threads
    most = _MOST_THREADS if threads == 1 else threads
    return max(1, min(most, (os.cpu_count() or most) - _busy_programs()))


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """So many threads for torch within a block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _busy_programs(looks: int = 5) -> int:
    """How many other threads of this machine compute now: the median of some looks, 10 ms apart.

    Linux says so; elsewhere 0.
    """
    found = []
    for _ in range(looks):
        try:
            running, _ = Path("/proc/loadavg").read_text().split()[3].split("/")
        except OSError:
            return 0
        found.append(int(running) - 1)  # without the one that asks
        time.sleep(0.01)
    return max(0, sorted(found)[looks // 2])


def setup(seed: int = 0) -> torch.device:
    """Prepare a notebook: seed everything, set the plot style, print one line, return the device.

    On the CPU, torch gets one thread: the steps of a notebook's own loops are so small that
    threads would wait for each other longer than they compute. `fit` and `log_likelihood` pick
    their own number.

    Args:
        seed: base seed. The environment variable `COURSE_SEED_SHIFT` is added to it, so that
            every notebook can be tried with other seeds without an edit.
    Returns:
        The device to compute on: cuda, mps or cpu.
    """
    import matplotlib.pyplot as plt  # slow to import, and only notebooks need it

    seed = count("seed", seed, least=0) + seed_shift()
    seed_everything(seed)
    plt.rcParams.update(PLOT_STYLE)
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=PALETTE)
    # Half a page of warning about a widget that is only a progress bar helps nobody.
    warnings.filterwarnings("ignore", message="IProgress not found")
    device = pick_device()
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(
        f"course_utils {__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}; device {name}, budget {budget()}, seed {seed}"
    )
    return device
