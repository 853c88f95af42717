"""Twelve models of the course on the same digits: likelihood, reconstruction, judge, coverage.

    python tests/benchmarks/every_model.py [--minutes 7.5] [--quick]

Each model gets about 20 seconds of one CPU core for its training, in each of three seeds (what it
took stands in the record), so this compares what a short run gives, not what a model can reach.
Sizes are 300 hidden units and 20 latents where the model has such. Settings are near those of the
pages, which were chosen there on training digits (the autoencoder and the GAN have another batch
or rate). Only of the VAE/GAN, which its page trains on faces, batch and channels were chosen
here, by the judge, on the last training digits.

The digits are MNIST's. Every image is binarised alike before it is judged: each pixel is 1 with
the probability that its grey value says. 2,000 samples of a model are compared with 2,000 test
digits, drawn from all 10,000 once. The judge (`course_utils.judging`) sees pixels, or the hidden
layer of a classifier of digits that was trained on the training digits. Log-likelihoods are of the
first 1,000 of these test digits. Those of binary pixels are probabilities, those of grey ones
densities: they stand in separate columns, because they cannot be compared.

The record is written after every call, with the runs that are finished by then, and names those
that are missing. The runs are kept in pieces, and go on in the next call: about 20 minutes.
"""

import itertools
import math
import time
from pathlib import Path

import torch
from model_rows import ROWS, UNITS, M, Trained, test_order
from record import Pieces, digits_for, options, print_table, save_result
from torch import Tensor

from course_utils.data import ImageData, as_float, binarize
from course_utils.judging import (
    classes_reached,
    features,
    precision_and_recall,
    two_sample_accuracy,
)
from course_utils.models import Classifier, train_classifier
from course_utils.session import seed_everything

SEEDS = (0, 1, 2)
PLAN = {
    "samples": 2_000,  # of each model, and as many test digits
    "log_p_digits": 1_000,
    "importance_samples": 200,  # of z for each digit
    "order_seed": 0,  # of the test digits
    "classifier": {"hidden_dim": 128, "epochs": 3, "seed": 100},
    "annealing": {"temperatures": 1_000, "chains": 100, "steps": 200},  # log Z; to draw digits
}
QUICK = {"samples": 40, "log_p_digits": 10, "importance_samples": 5}
QUICK |= {"annealing": {"temperatures": 20, "chains": 10, "steps": 5}}


def reader(digits: ImageData, plan: dict, path: Path) -> Classifier:
    """A classifier of binary digits, trained on the training digits; kept in a file."""
    how = plan["classifier"]
    seed_everything(how["seed"])
    classifier = Classifier(how["hidden_dim"])
    if path.exists():
        classifier.load_state_dict(torch.load(path, weights_only=True))
        return classifier.requires_grad_(False)
    for epoch in range(how["epochs"]):
        images = binarize(digits.train_images, seed=how["seed"] + epoch)
        train_classifier(classifier, images, digits.train_labels, epochs=1)
    torch.save(classifier.state_dict(), path)
    return classifier.requires_grad_(False)


def mean_and_error(values: Tensor) -> list[float]:
    """The mean over digits, and its standard error."""
    values = values.double()
    return [values.mean().item(), (values.std() / math.sqrt(len(values))).item()]


@torch.no_grad()
def scores(
    model: Trained, digits: ImageData, classifier: Classifier, seed: int, plan: dict
) -> dict:
    """What one trained model gets in the table."""
    seed_everything(1_000 + seed)
    held = test_order(digits, plan)[: plan["samples"]]
    grey = as_float(digits.test_images[held])
    real = binarize(grey, seed=0)
    x = torch.bernoulli(model.draw(plan["samples"]))
    seen, seen_real = features(classifier, x), features(classifier, real)
    precision, recall = precision_and_recall(seen, seen_real)
    read = classifier(x).argmax(-1)
    found = {
        "judge_pixels": list(two_sample_accuracy(x, real, seed)),
        "judge_features": list(two_sample_accuracy(seen, seen_real, seed)),
        "precision": list(precision),
        "recall": list(recall),
        "classes": classes_reached(read),
        "class_counts": read.bincount(minlength=10).tolist(),
        "log_p": None,
        "reconstruction": None,
    }
    first = plan["log_p_digits"]
    if model.log_p is not None:
        found["log_p"] = mean_and_error(model.log_p(grey[:first], real[:first]))
    if model.rebuild is not None:
        found["reconstruction"] = mean_and_error((model.rebuild(real) - real).square().sum(1))
    return found | model.note


def measure(
    name: str, settings: dict, seed: int, digits: ImageData, classifier: Classifier, plan: dict
) -> dict:
    """One model, trained and scored, with the CPU seconds that the training took."""
    seed_everything(seed)
    start = time.process_time()
    model = ROWS[name].train(digits, settings | {"seed": seed}, plan)
    seconds = time.process_time() - start
    return {"seconds": seconds, **scores(model, digits, classifier, seed, plan)}


# --- all of it -----------------------------------------------------------------------------------


def described(name: str, runs: list[dict]) -> dict:
    """A row as the record holds it."""
    row = ROWS[name]
    what = {"name": name, "settings": row.settings, "likelihood": row.kind, "how": row.how}
    return {**what, "no_reconstruction": row.encoder, "runs": runs}


def summary(row: dict) -> dict:
    """A line to print: means over the seeds."""

    def mean(name: str) -> float | None:
        values = [run[name] for run in row["runs"]]
        values = [v[0] if isinstance(v, list) else v for v in values]
        return None if None in values else sum(values) / len(values)

    names = ["log_p", "reconstruction", "judge_pixels", "judge_features", "precision", "recall"]
    shown = {name: mean(name) for name in [*names, "classes", "seconds"]}
    return {"name": row["name"], "runs": len(row["runs"]), **shown}


def main() -> None:
    given = options(__doc__)
    digits = digits_for(given)
    plan = PLAN | (QUICK if given.quick else {})
    seeds = SEEDS[:1] if given.quick else SEEDS
    pieces, runs = Pieces("every_model", plan, given), {}
    classifier = reader(digits, plan, pieces.folder / "reader.pt")
    for seed, (name, row) in itertools.product(seeds, ROWS.items()):
        settings = row.settings | ({"epochs": 1} if given.quick else {})
        arguments = (name, settings, seed, digits, classifier, plan)
        run = pieces.get(
            f"{name}, {sorted(settings.items())}, seed {seed}", lambda a=arguments: measure(*a)
        )
        runs.setdefault(name, []).extend([] if run is None else [{"seed": seed, **run}])
    rows = [described(name, runs[name]) for name in ROWS if runs[name]]
    if rows:
        print_table([summary(row) for row in rows])
    if given.quick or not rows:
        return
    save_result(
        "every_model",
        what="every model after a short training on one core; nats, squared error, shares of 1",
        plan=plan | {"latent_dim": M, "hidden_dim": UNITS},
        seeds=SEEDS,
        pixels="binarised: each pixel is 1 with the probability of its grey value",
        errors="each [value, standard error] over digits or samples, within one run",
        missing=[
            f"{name}, seed {seed}"
            for seed, name in itertools.product(seeds, ROWS)
            if seed not in [run["seed"] for run in runs[name]]
        ],
        rows=rows,
    )
    if pieces.finished():
        pieces.clear()


if __name__ == "__main__":
    main()
