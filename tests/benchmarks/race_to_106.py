"""Seconds to a test loss of 106.0 nats: the textbook loop against `fit`, side by side.

Both train the 784-400-20 network on grey MNIST and are scored alike: minus the one-sample ELBO,
mean over the 10,000 test digits. The textbook loop is that of PyTorch's own VAE example (dataset
with `ToTensor`, data loader, batches of 128, Adam at 1e-3), typed anew: what most people run.
Loading files counts for neither; evaluation, once an epoch, counts for both.

    python tests/benchmarks/race_to_106.py [--seeds 3]
"""

import argparse
import statistics
import struct
import tempfile
import time
from pathlib import Path

import torch
from record import save_result
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from course_utils.data import load_digits
from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

LINE = 106.0
PLAN = {"epochs": 4, "batch_size": 200, "learning_rate": 1.2e-2}


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


def textbook(seed: int, device: torch.device, root: Path, max_epochs: int = 15) -> list[dict]:
    """The example's loop until the line is crossed: one row per epoch."""
    seed_everything(seed)
    model = VAE(latent_dim=20, hidden_dim=400).to(device)
    sets = [MNIST(root, train=train, transform=ToTensor()) for train in (True, False)]
    train, test = (DataLoader(s, batch_size=128, shuffle=i == 0) for i, s in enumerate(sets))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    rows, start = [], time.perf_counter()
    for epoch in range(1, max_epochs + 1):
        model.train()
        for x, _ in train:
            x = x.to(device).view(-1, 784)
            optimizer.zero_grad()
            mu, log_var = model.encode(x)
            loss = example_loss(model.decode(model.reparameterize(mu, log_var)), x, mu, log_var)
            loss.backward()
            optimizer.step()
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, _ in test:
                x = x.to(device).view(-1, 784)
                mu, log_var = model.encode(x)
                logits = model.decode(model.reparameterize(mu, log_var))
                total += example_loss(logits, x, mu, log_var).item()
        seconds, test_loss = time.perf_counter() - start, total / len(sets[1])
        rows.append({"epoch": epoch, "seconds": seconds, "test_loss": test_loss})
        print(
            f"  textbook, seed {seed}: epoch {epoch}, {seconds:.1f} s, {test_loss:.2f}", flush=True
        )
        if test_loss <= LINE:
            break
    return rows


def ours(seed: int, device: torch.device, digits) -> list[dict]:
    """`fit` with its own plan: one row per epoch."""
    seed_everything(seed)
    model = VAE(latent_dim=20, hidden_dim=400).to(device)
    start = time.perf_counter()
    history = fit(model, digits, **PLAN, progress=False)
    seconds = time.perf_counter() - start
    rows = [{k: row[k] for k in ("epoch", "seconds", "test_loss")} for row in history.rows]
    print(f"  fit, seed {seed}: {seconds:.1f} s, {rows[-1]['test_loss']:.2f}", flush=True)
    return rows


def seconds_to_line(rows: list[dict]) -> float | None:
    """When the test loss first stood at the line or below, None if it never did."""
    return next((row["seconds"] for row in rows if row["test_loss"] <= LINE), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    device, digits = pick_device(), load_digits("mnist")
    runs = []
    with tempfile.TemporaryDirectory() as root:
        write_raw(Path(root), digits)
        for seed in seeds:
            runs.append({"seed": seed, "fit": ours(seed, device, digits)})
            runs[-1]["textbook"] = textbook(seed, device, Path(root))
    pairs = [(seconds_to_line(r["textbook"]), seconds_to_line(r["fit"])) for r in runs]
    ratios = [a / b for a, b in pairs if a and b]
    save_result(
        "race_to_106",
        what="seconds until the test loss (grey pixels, -ELBO in nats) is 106.0 or less",
        plan=PLAN,
        textbook_seconds=[a for a, _ in pairs],
        fit_seconds=[b for _, b in pairs],
        ratios=ratios,
        median_ratio=statistics.median(ratios) if len(ratios) == len(pairs) else None,
        runs=runs,
    )


if __name__ == "__main__":
    main()
