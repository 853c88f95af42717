"""The table of Burda et al. (2015), one stochastic layer: VAE and IWAE with K = 1, 5, 50.

    python tests/benchmarks/burda_table.py [--epochs 0] [--digits 0] [--minutes 7.5] [--quick]

Their network (784-200-200-50, tanh, mirrored; output bias from the mean image), their stochastic
binarisation (pixels drawn anew for every batch, test digits once with seed 0), their estimate
(5,000 importance samples) and their count of active units. Other than theirs: batches of 100 for
20, and one cycle of the learning rate for eight stages. On a GPU as many passes as theirs, 3,280,
and all 10,000 test digits; on a CPU a run shortened to 10 passes and the first 1,000 digits, which
the result says. On one CPU core, beside other work: 75 minutes, in pieces; a GPU: not measured.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from record import OutOfTime, Pieces, digits_for, options, print_table, save_by_device
from torch import Tensor

from course_utils.data import ImageData, binarize
from course_utils.models import VAE, DeepVAE
from course_utils.objectives import iwae_bound, log_likelihood, log_weights
from course_utils.session import pick_device, seed_everything
from course_utils.training import History, fit

PUBLISHED = {  # table 1: negative log-likelihood in nats, active units
    "VAE, K = 1": (86.76, 19),
    "VAE, K = 5": (86.47, 20),
    "VAE, K = 50": (86.35, 20),
    "IWAE, K = 5": (85.54, 22),
    "IWAE, K = 50": (84.78, 25),
}
BATCH, RATE, SAMPLES, BLOCK = 100, 2e-3, 5_000, 250
THEIRS = sum(3**i for i in range(8))  # 3,280 passes over the data


def two_hidden_layers(mean_image: Tensor) -> VAE:
    """The paper's network with one stochastic layer; `mean_image` (784,) in [0, 1]."""
    model = DeepVAE(50, 200, encoder_layers=2, decoder_layers=2, activation="tanh")
    model.start_at_mean(mean_image[None])
    return model


def loss_of(row: str) -> Callable[[VAE, Tensor], Tensor] | None:
    """What a row of the table minimises. K draws of the VAE's bound are averaged."""
    name, k = row.split(", K = ")
    if name == "IWAE":
        return lambda model, x: -iwae_bound(model, x, int(k))
    return None if k == "1" else lambda model, x: -log_weights(model, x, int(k)).mean(0)


def train(
    row: str, epochs: int, digits: ImageData, device: torch.device, path: Path, pieces: Pieces
) -> tuple[VAE, History | None]:
    """Train on from where the last run stopped; the model, and its history when finished."""

    def stop_in_time(_model, scores) -> None:
        if pieces.out_of_time() and scores["epoch"] < epochs:
            raise OutOfTime

    seed_everything(0)
    model = two_hidden_layers(digits.train_images.flatten(1).float().mean(0) / 255).to(device)
    resume = None
    if path.exists():
        saved = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(saved["weights"])
        resume = History(saved["rows"], saved["training_state"], weights=saved["weights"])
    history = fit(
        model,
        (digits.train_images, digits.test_images[:500]),  # scored every epoch: few are enough
        epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        binarize="dynamic",
        loss=loss_of(row),
        precision="medium",
        compiled=device.type == "cuda",
        resume=resume,
        after_epoch=stop_in_time,
        progress=False,
    )
    saved = {
        "weights": model.state_dict(),
        "rows": history.rows,
        "training_state": history.training_state,
    }
    torch.save(saved, path)
    return model, None if history.interrupted else history


@torch.no_grad()
def active_units(model: VAE, x: Tensor) -> int:
    """Units whose posterior mean varies over the data by more than 0.01 (section 5.2)."""
    return int((model.encode(x)[0].var(0) > 0.01).sum())


def measure(
    row: str, plan: dict, digits: ImageData, device: torch.device, pieces: Pieces
) -> dict | None:
    """One row of the table; None where time ran out."""
    path = pieces.folder / f"{row}.pt"
    model, history = train(row, plan["epochs"], digits, device, path, pieces)
    if history is None:
        return None
    x = binarize(digits.test_images[: plan["digits"]], seed=0).to(device)
    scores, seconds = [], 0.0
    for first in range(0, len(x), BLOCK):

        def score(first=first):
            seed_everything(first)
            start = time.perf_counter()
            block = x[first : first + BLOCK]
            log_p = log_likelihood(model, block, plan["samples"], progress=False).tolist()
            return {"log_p": log_p, "seconds": time.perf_counter() - start}

        block = pieces.get(f"{row}, test digits from {first}", score)
        if block is None:
            return None
        scores, seconds = scores + block["log_p"], seconds + block["seconds"]
    log_p = torch.tensor(scores, dtype=torch.float64)
    return {
        "nll": -log_p.mean().item(),
        "standard_error": (log_p.std() / math.sqrt(len(log_p))).item(),
        "active_units": active_units(model, x),
        "epochs": plan["epochs"],
        "digits": len(x),
        "training_seconds": history.rows[-1]["seconds"],
        "evaluation_seconds": seconds,
    }


def main() -> None:
    given = options(__doc__, epochs=0, digits=0)
    device, digits = pick_device(), digits_for(given)
    on_gpu = device.type != "cpu"
    plan = {
        "epochs": given.epochs or (THEIRS if on_gpu else 10),
        "digits": given.digits or (10_000 if on_gpu else 1_000),
        "samples": SAMPLES,
        "batch_size": BATCH,
        "learning_rate": RATE,
    }
    if given.quick:
        plan |= {"epochs": 1, "digits": 20, "samples": 20}
    pieces, rows = Pieces("burda_table", plan, given), []
    for row, (nll, active) in PUBLISHED.items():
        found = pieces.get(row, lambda row=row: measure(row, plan, digits, device, pieces))
        rows.append(
            {"row": row, "published_nll": nll, "published_active": active, **(found or {})}
        )
    if not pieces.finished():
        return
    print_table(rows)
    if given.quick:
        return
    shortened = plan["epochs"] < THEIRS
    save_by_device(
        "burda_table",
        device,
        {"plan": plan, "shortened": shortened, "rows": rows},
        what="negative log-likelihood in nats, stochastic binarisation, one stochastic layer",
        published={"source": "Burda, Grosse, Salakhutdinov (2015), table 1", "epochs": THEIRS},
        seed=0,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
