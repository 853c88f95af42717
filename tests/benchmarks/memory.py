"""Peak memory of training, scoring and judging, each in a process of its own.

    python tests/benchmarks/memory.py [--quick]

What `fit`, `evaluate` and `log_likelihood` add to a process that has imported the course, loaded
the digits and built the 784-400-20 model: the peak of its resident memory on a CPU (on Linux), of
what torch has allocated on a GPU; and PyTorch's own example loop beside. On two CPU cores: two
minutes.
"""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from race_to_106 import textbook_epoch, textbook_loaders, write_raw
from record import Pieces, digits_for, first, options, print_table, save_by_device

from course_utils.data import binarize
from course_utils.models import VAE
from course_utils.objectives import iwae_bound, log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import evaluate, fit

IMAGES, JUDGED = 20_000, 200
QUICK = {"images": 1_000, "judged": 5}


def _train(model, digits, **plan) -> None:
    fit(model, digits, 1, progress=False, **plan)


def _textbook(model, digits) -> None:
    with tempfile.TemporaryDirectory() as root:
        write_raw(Path(root), digits)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        loader = textbook_loaders(Path(root))[0]
        device = next(model.parameters()).device
        for batches, _ in enumerate(textbook_epoch(model, optimizer, loader, device), 1):
            if batches * loader.batch_size >= len(digits.train_images):
                return


def _judge(model, digits, images: int, samples: int) -> None:
    x = binarize(digits.test_images[:images], seed=0).to(next(model.parameters()).device)
    log_likelihood(model, x, samples, progress=False)


WORK = {
    "fit, batches of 100": lambda m, d, n: _train(m, d, batch_size=100),
    "fit, batches of 1,000": lambda m, d, n: _train(m, d, batch_size=1_000),
    "fit, IWAE, K = 50, batches of 100": lambda m, d, n: _train(
        m, d, batch_size=100, loss=lambda model, x: -iwae_bound(model, x, 50)
    ),
    "evaluate, 10,000 digits": lambda m, d, n: evaluate(
        m, d.test_images.flatten(1).to(next(m.parameters()).device)
    ),
    "log_likelihood, 5,000 samples": lambda m, d, n: _judge(m, d, n, 5_000),
    "the example's loop": lambda m, d, n: _textbook(m, d),
}


class Peak:
    """Highest use of memory since it was made, less the use at that time, in bytes.

    On a GPU what torch has allocated there, on a CPU the process's resident memory, which only
    Linux can count anew.
    """

    def __init__(self, device: torch.device):
        self.cuda = device.type == "cuda"
        gc.collect()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # see proc(5): the peak starts here
            self.before = self.resident("VmRSS")

    def resident(self, name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

    def added(self) -> int:
        high = torch.cuda.max_memory_allocated() if self.cuda else self.resident("VmHWM")
        return high - self.before


def child(name: str, images: int, judged: int, given) -> None:
    """What runs in the process that is measured: prints its memory before, and what work adds."""
    device, digits = pick_device(), digits_for(given)
    digits = first(digits, images, len(digits.test_images))
    seed_everything(0)
    model = VAE(latent_dim=20, hidden_dim=400).to(device)
    model.loss(torch.rand(2, 784, device=device)).mean().backward()  # libraries are loaded
    peak = Peak(device)
    WORK[name](model, digits, judged)
    print(json.dumps({"before_mb": peak.before / 1e6, "added_mb": peak.added() / 1e6}))


def measure(name: str, quick: bool) -> dict:
    """Run one piece of work in a new process."""
    command = [sys.executable, __file__, "--child", name, *(["--quick"] if quick else [])]
    return json.loads(subprocess.check_output(command, text=True).splitlines()[-1])


def main() -> None:
    given = options(__doc__, child="")
    if given.child:
        sizes = QUICK if given.quick else {"images": IMAGES, "judged": JUDGED}
        return child(given.child, **sizes, given=given)
    device, work = pick_device(), list(WORK)[::4] if given.quick else list(WORK)
    pieces = Pieces("memory", [IMAGES, JUDGED], given)
    rows = [
        {"work": n, **(pieces.get(n, lambda n=n: measure(n, given.quick)) or {})} for n in work
    ]
    if not pieces.finished():
        return None
    print_table(rows)
    if given.quick:
        return None
    plan = {"images": IMAGES, "judged": JUDGED}
    save_by_device("memory", device, {"rows": rows}, plan=plan, seed=0, published="none found")
    pieces.clear()
    return None


if __name__ == "__main__":
    main()
