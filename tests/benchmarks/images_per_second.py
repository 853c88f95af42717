"""Training images per second against batch size, and the share of the matrix-multiply peak.

    python tests/benchmarks/images_per_second.py [--minutes 7.5] [--quick]

The 784-400-20 network on grey MNIST, steps of `fit` (no scoring), with float32 products as torch
does them by default ("highest"), as fast as the device has them ("medium"), and, where it has
instructions for them, with products of bfloat16 numbers; PyTorch's own example loop beside. The
peak is measured too: the best of several large square products. On two CPU cores: three minutes.
"""

import tempfile
from pathlib import Path

import torch
from race_to_106 import textbook_epoch, textbook_loaders, write_raw
from record import (
    Pieces,
    digits_for,
    lower_quartile,
    matmul_peak,
    options,
    precisions,
    print_table,
    save_by_device,
    seconds_of,
    wait_for,
)
from tqdm import tqdm

from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training.steps import Steps, default_loss

BATCHES = (50, 100, 200, 400, 800, 1_600)
BATCHES_GPU = (100, 200, 400, 800, 1_600, 3_200, 6_400)
LAYERS = [(784, 400), (400, 40), (20, 400), (400, 784)]
# Two operations per weight forward, four backward; the first layer's input needs no gradient.
FLOP_PER_IMAGE = sum(6 * n * m for n, m in LAYERS) - 2 * LAYERS[0][0] * LAYERS[0][1]


def stepper(rows: torch.Tensor, batch_size: int, precision: str) -> Steps:
    """A fresh model's steps, as `fit` takes them."""
    seed_everything(0)
    model = VAE(latent_dim=20, hidden_dim=400).to(rows.device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    compiled = rows.device.type == "cuda"
    how = {"precision": precision, "compiled": compiled}
    return Steps(model, rows, default_loss, optimizer, batch_size, **how)


def measure(pixels: torch.Tensor, batch_size: int, images: int, trials: int) -> dict[str, float]:
    """Images per second at each precision: trials in turn, so that all meet the same noise."""
    rows = pixels[: images // batch_size * batch_size]
    steps = {p: stepper(rows, batch_size, p) for p in precisions(pixels.device)}
    times = {precision: [] for precision in steps}
    rates = [1e-3] * (len(rows) // batch_size)
    with tqdm(disable=True) as bar:
        for _ in range(trials + 1):  # the first one warms up, and compiles
            for precision, found in times.items():
                epoch = steps[precision].epoch
                found.append(seconds_of(lambda epoch=epoch: epoch(rates, bar), rows.device))
    return {p: len(rows) / lower_quartile(found[1:]) for p, found in times.items()}


def measure_textbook(digits, device: torch.device, batches: int) -> float:
    """Images per second of the example's loop, after five batches of warm-up."""
    with tempfile.TemporaryDirectory() as root:
        write_raw(Path(root), digits)
        model = VAE(latent_dim=20, hidden_dim=400).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        steps = textbook_epoch(model, optimizer, textbook_loaders(Path(root))[0], device)
        for _ in range(5):
            next(steps)
        wait_for(device)
        images = 0

        def work():
            nonlocal images
            images += sum(next(steps) for _ in range(batches))

        seconds = seconds_of(work, device)
    return images / seconds


def main() -> None:
    given = options(__doc__)
    device, digits = pick_device(), digits_for(given)
    pixels = digits.train_images.flatten(1).to(device)
    on_cpu = device.type == "cpu"
    batches = BATCHES if on_cpu else BATCHES_GPU
    images, trials, size = (10_000, 7, 2_048) if on_cpu else (60_000, 15, 8_192)
    if given.quick:
        batches, images, trials, size = (100, 400), 1_600, 2, 512
    pieces = Pieces("images_per_second", [batches, images, trials], given)
    peak = pieces.get("peak", lambda: matmul_peak(device, size, trials))
    textbook = pieces.get(
        "textbook", lambda: measure_textbook(digits, device, 2 if given.quick else 300)
    )
    found = {
        b: pieces.get(f"batch {b}", lambda b=b: measure(pixels, b, images, trials))
        for b in batches
    }
    if not pieces.finished():
        return
    table = [
        {
            "batch": batch,
            "precision": precision,
            "images_per_second": round(rate),
            "gflop_per_second": rate * FLOP_PER_IMAGE / 1e9,
            "percent_of_peak": 100 * rate * FLOP_PER_IMAGE / peak[precision],
            "times_textbook": rate / textbook,
        }
        for batch, rates in found.items()
        for precision, rate in rates.items()
    ]
    print_table(table)
    print(f"textbook: {textbook:.0f} images/s; peak in GFLOP/s:", end=" ")
    print(", ".join(f"{name} {value / 1e9:.0f}" for name, value in peak.items()))
    if given.quick:
        return
    save_by_device(
        "images_per_second",
        device,
        {"peak_flop_per_second": peak, "textbook_images_per_second": textbook, "rows": table},
        what="training images per second, 784-400-20 network; lower quartile of the times",
        flop_per_image=FLOP_PER_IMAGE,
        published="none found",
    )
    pieces.clear()


if __name__ == "__main__":
    main()
