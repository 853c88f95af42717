"""A long run, judged on all 10,000 test digits with 5,000 importance samples each.

    python tests/benchmarks/long_run.py [--minutes 8]

Resumable: it stops after the given minutes, keeps what it has under data/cache/long_run/, and goes
on from there when called again. Dynamic binarisation; test digits binarised once with seed 0.
"""

import argparse
import json
import math
import time

import torch
from record import save_result

from course_utils.data import binarize, load_digits
from course_utils.files import cache_root
from course_utils.models import VAE
from course_utils.objectives import log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import History, fit

PLAN = {"epochs": 200, "learning_rate": 3e-3, "binarize": "dynamic"}
OPTIONS = {"latent_dim": 32, "hidden_dim": 500}
SAMPLES, BLOCK = 5_000, 250


class OutOfTime(KeyboardInterrupt):
    """Ends `fit` the way that interrupting the kernel does: at the last whole epoch."""


def train(digits, device: torch.device, path, deadline: float) -> tuple[VAE, History]:
    """Train on from the checkpoint, if there is one, to the plan's end or the deadline."""

    def stop_in_time(_model, row) -> None:
        print(f"epoch {row['epoch']}: test ELBO {row['test_elbo']:.2f}", flush=True)
        if time.perf_counter() > deadline and row["epoch"] < PLAN["epochs"]:
            raise OutOfTime

    seed_everything(0)
    model = VAE(**OPTIONS).to(device)
    options = {"checkpoint": path, "after_epoch": stop_in_time, "progress": False}
    resume = path if path.exists() else None
    return model, fit(model, digits, **PLAN, resume=resume, **options)


def score(digits, device: torch.device, model: VAE, path, deadline: float) -> list[float] | None:
    """Log-likelihood of every test digit, block by block; None while blocks are missing."""
    x = binarize(digits.test_images, seed=0).to(device)
    scores = json.loads(path.read_text()) if path.exists() else []
    while len(scores) < len(x) and time.perf_counter() < deadline:
        seed_everything(len(scores))
        block = x[len(scores) : len(scores) + BLOCK]
        scores += log_likelihood(model, block, SAMPLES, progress=False).tolist()
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(scores))
        aside.replace(path)
        print(f"{len(scores)} digits: {sum(scores) / len(scores):.3f} nats", flush=True)
    return scores if len(scores) == len(x) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    deadline = time.perf_counter() + 60 * parser.parse_args().minutes
    device, digits, folder = pick_device(), load_digits("mnist"), cache_root() / "long_run"
    folder.mkdir(parents=True, exist_ok=True)
    model, history = train(digits, device, folder / "model.pt", deadline)
    if history.interrupted:
        return print("Not finished: run the same command again to go on.")
    scores = score(digits, device, model, folder / "scores.json", deadline)
    if scores is None:
        return print("Trained, but not scored to the end: run the same command again to go on.")
    values = torch.tensor(scores, dtype=torch.float64)
    save_result(
        "long_run",
        plan=PLAN,
        model=OPTIONS,
        seed=0,
        likelihood_samples=SAMPLES,
        digits=len(values),
        log_likelihood=values.mean().item(),
        standard_error=(values.std() / math.sqrt(len(values))).item(),
        training_seconds=history.rows[-1]["seconds"],
        last_epoch=history.rows[-1],
    )


if __name__ == "__main__":
    main()
