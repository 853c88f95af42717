"""Seconds to a test loss of 106.0 nats: the textbook loop against `fit`, side by side.

All train the 784-400-20 network on grey MNIST and are scored alike: minus the one-sample ELBO,
mean over the 10,000 test digits. The textbook loop is that of PyTorch's own VAE example (dataset
with `ToTensor`, data loader, batches of 128, Adam at 1e-3), typed anew: what most people run.
`fit` runs with float32 matrix products as torch does them by default ("highest"), as fast as the
device has them ("medium"), and, where it has instructions for them, with products of bfloat16
numbers; its models start at the mean image (`VAE.start_at_mean`, whose time counts). The plan was
chosen on 10,000 training digits that did not train, with other seeds. Loading files counts for
none; evaluation, once an epoch, counts for all (`fit` scores 10,000 training images besides). A
short run before warms up. With `--beside` a folder that holds another version of the course, that
version's `fit` takes part with its own plan, in a process of its own.

    python tests/benchmarks/race_to_106.py [--seeds 5] [--beside FOLDER] [--minutes 7.5] [--quick]

On two CPU cores: a quarter of an hour; run the same command again to go on.
"""

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from record import Pieces, digits_for, options, precisions, print_table, save_result
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

LINE = 106.0
PLAN = {"epochs": 3, "batch_size": 250, "learning_rate": 0.014}
FITS = {"fit": "highest", "fit medium": "medium", "fit bfloat16": "bfloat16"}
PUBLISHED = {  # test losses by epoch, of public runs of the example
    "source": "pytorch/examples, vae, default options",
    "test_loss": [127.3, 115.8, 112.2, 109.6, 108.5, 107.7, 107.1, 106.7, 106.0, 105.6],
}


def example_loss(logits, x, mu, log_var):
    """Summed binary cross-entropy plus KL, as in the example."""
    bce = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="sum")
    return bce - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())


def write_raw(folder: Path, digits) -> None:
    """The four unpacked files, where torchvision looks for them under a data root."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, images, labels in [
        ("train", digits.train_images, digits.train_labels),
        ("t10k", digits.test_images, digits.test_labels),
    ]:
        header = struct.pack(">IIII", 2051, *images.shape)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">II", 2049, len(labels))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(labels.tolist()))


def textbook_loaders(root: Path) -> list[DataLoader]:
    """The example's data: PIL images, one by one, from torchvision's data set."""
    sets = [MNIST(root, train=train, transform=ToTensor()) for train in (True, False)]
    return [DataLoader(s, batch_size=128, shuffle=i == 0) for i, s in enumerate(sets)]


def textbook_epoch(model: VAE, optimizer, loader: DataLoader, device: torch.device):
    """The example's training loop over one epoch; yields the size of each batch once trained."""
    model.train()
    for x, _ in loader:
        x = x.to(device).view(-1, 784)
        optimizer.zero_grad()
        mu, log_var = model.encode(x)
        loss = example_loss(model.decode(model.reparameterize(mu, log_var)), x, mu, log_var)
        loss.backward()
        optimizer.step()
        yield len(x)


def textbook(seed: int, device: torch.device, root: Path, max_epochs: int = 15) -> list[dict]:
    """The example's loop until the line is crossed: one row per epoch."""
    seed_everything(seed)
    model = VAE(latent_dim=20, hidden_dim=400).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    train, test = textbook_loaders(root)
    rows, start = [], time.perf_counter()
    for epoch in range(1, max_epochs + 1):
        for _ in textbook_epoch(model, optimizer, train, device):
            pass
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, _ in test:
                x = x.to(device).view(-1, 784)
                mu, log_var = model.encode(x)
                logits = model.decode(model.reparameterize(mu, log_var))
                total += example_loss(logits, x, mu, log_var).item()
        seconds, test_loss = time.perf_counter() - start, total / len(test.dataset)
        rows.append({"epoch": epoch, "seconds": seconds, "test_loss": test_loss})
        print(
            f"  textbook, seed {seed}: epoch {epoch}, {seconds:.1f} s, {test_loss:.2f}", flush=True
        )
        if test_loss <= LINE:
            break
    return rows


def ours(seed: int, device: torch.device, digits, precision: str) -> list[dict]:
    """`fit` with its own plan: one row per epoch."""
    seed_everything(seed)
    model = VAE(latent_dim=20, hidden_dim=400).to(device)
    start = time.perf_counter()
    model.start_at_mean(digits.train_images)
    before = time.perf_counter() - start
    history = fit(model, digits, **PLAN, precision=precision, progress=False)
    rows = [{k: row[k] for k in ("epoch", "seconds", "test_loss")} for row in history.rows]
    return [row | {"seconds": before + row["seconds"]} for row in rows]


BESIDE = """
import json, sys
sys.path.insert(0, "tests/benchmarks")
import race_to_106 as race
from course_utils.data import load_digits
device, digits = race.pick_device(), load_digits("mnist")
race.warm_up(device, digits)
rows = race.ours(int(sys.argv[1]), device, digits, "highest")
print(json.dumps({"plan": race.PLAN, "rows": rows}))
"""


def of_another_version(seed: int, folder: str) -> dict:
    """Plan and rows of the `fit` of the course in a folder, as its own race runs it."""
    found = subprocess.run(
        [sys.executable, "-c", BESIDE, str(seed)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": folder},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(found.stdout.splitlines()[-1])


def warm_up(device: torch.device, digits) -> None:
    """What a process does once: libraries are loaded, kernels chosen."""
    few = digits.train_images[:4_000], digits.test_images[:1_000]
    for precision in precisions(device):
        fit(VAE(20, 400).to(device), few, 1, 80, precision=precision, progress=False)


def seconds_to_line(rows: list[dict]) -> float | None:
    """When the test loss first stood at the line or below, None if it never did."""
    return next((row["seconds"] for row in rows if row["test_loss"] <= LINE), None)


def side_by_side(given, device: torch.device, pieces: Pieces) -> list[dict]:
    """One dict for each seed: its number, and the rows of every loop."""
    digits, runs = digits_for(given), []
    seeds, max_epochs = (range(1), 1) if given.quick else (range(given.seeds), 15)
    warm_up(device, digits)
    with tempfile.TemporaryDirectory() as root:
        write_raw(Path(root), digits)
        for seed in seeds:
            races = {"textbook": partial(textbook, seed, device, Path(root), max_epochs)}
            for name, precision in FITS.items():
                if precision in precisions(device):
                    races[name] = partial(ours, seed, device, digits, precision)
            if given.beside:
                races["fit before"] = partial(of_another_version, seed, given.beside)
            run = {name: pieces.get(f"{name}, {seed}", race) for name, race in races.items()}
            runs.append({"seed": seed} | run)
    return runs


def main() -> None:
    given = options(__doc__, seeds=5, beside="")
    device = pick_device()
    pieces = Pieces("race_to_106", [PLAN, given.beside], given)
    runs = side_by_side(given, device, pieces)
    if not pieces.finished():
        return
    before = {}
    if given.beside:
        version = subprocess.run(
            ["git", "-C", given.beside, "rev-parse", "--short", "HEAD"],
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()
        before = {"version_before": version, "plan_before": runs[0]["fit before"]["plan"]}
        for run in runs:
            run["fit before"] = run["fit before"]["rows"]
    names = list(runs[0])[1:]
    seconds = {name: [seconds_to_line(run[name]) for run in runs] for name in names}
    ratios = {
        other: {
            name: [a / b if a and b else None for a, b in zip(seconds[other], seconds[name])]
            for name in names
            if name not in (other, "textbook")
        }
        for other in ("textbook", "fit before", "fit")
        if other in names
    }
    print_table(
        [
            {
                "loop": name,
                "seed": run["seed"],
                "epochs": len(run[name]),
                "test loss": run[name][-1]["test_loss"],
                "seconds in all": run[name][-1]["seconds"],
                "seconds to 106.0": seconds_to_line(run[name]),
            }
            for run in runs
            for name in names
        ]
    )
    print(f"published, by epoch: {PUBLISHED['test_loss']}")
    if given.quick:
        return
    save_result(
        "race_to_106",
        what="seconds until the test loss (grey pixels, -ELBO in nats) is 106.0 or less",
        plan=PLAN,
        **before,
        chosen="on 10,000 training digits that did not train, seeds 100 to 102",
        published=PUBLISHED,
        not_measured=[name for name in FITS if name not in names],
        seconds=seconds,
        ratios=ratios,
        median_ratios={
            other: {n: statistics.median(r) if all(r) else None for n, r in found.items()}
            for other, found in ratios.items()
        },
        runs=runs,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
