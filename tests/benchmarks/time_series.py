"""Who drives whom? The network of notebook 07d and the F-test, where the causes are known.

    python tests/benchmarks/time_series.py [--minutes 7.5] [--quick]

Two patients: one is linear, in the other the arrow from A to D goes through a square. Of each,
recordings of two lengths, six of either, drawn with seeds of their own. There are 12 possible
arrows between different channels, and four of them are true. The network trains on the first four
fifths and chooses its penalty by the ELBO of the last fifth, as on the page, whose definitions
these are. The F-test sees all of the recording, once with the channels, and once with their
squares as well; an arrow is found where p < 0.01. The area under the ROC curve ranks the 12 arrows
by the norm of the network's weights at the chosen penalty, or by p. On one CPU core, beside other
work: about a quarter of an hour, in pieces.
"""

import itertools
import sys
import time
from pathlib import Path

import torch
from record import Pieces, options, print_table, save_result
from sklearn.metrics import roc_auc_score
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.shown import shown

from course_utils.session import seed_everything

PATIENTS, LENGTHS, SEEDS = ("linear", "curved"), (500, 4_000), tuple(range(6))
PLAN = {
    "window": 16,
    "steps": 500,  # without a penalty
    "penalties": [1.0, 2.0, 4.0, 8.0],
    "steps_each": 150,
    "level": 0.01,  # of the F-test
    "lags": 3,
}
QUICK = {"steps": 20, "steps_each": 5}
NAMES = ("simulate", "Encoder", "Decoder", "SignalVAE", "shrink", "train", "f_test")
NAMES += ("held_out_elbo", "penalty_path", "choose")
CHANNELS = 4


def causes(patient: str) -> tuple[Tensor, Tensor | None]:
    """The weights (lag, to, from) of notebook 07d, and those of the squares (to, from)."""
    weights = torch.zeros(2, CHANNELS, CHANNELS)
    weights[:, 0, 0], weights[:, 3, 3] = torch.tensor([1.2, -0.8]), torch.tensor([0.3, -0.5])
    weights[0, 1, 1], weights[0, 2, 2] = 0.5, 0.4
    weights[0, 1, 0], weights[1, 2, 1], weights[0, 2, 3] = 0.5, 0.5, -0.4
    if patient == "linear":
        weights[0, 3, 0] = 0.5
        return weights, None
    square = torch.zeros(CHANNELS, CHANNELS)
    square[3, 0] = 0.35
    return weights, square


def found_by(score: Tensor, found: Tensor, truth: Tensor) -> dict:
    """Right and wrong arrows between different channels, and the area under the ROC curve."""
    others = ~torch.eye(CHANNELS, dtype=torch.bool)
    return {
        "right": int((found & truth & others).sum()),
        "wrong": int((found & ~truth & others).sum()),
        "area": float(roc_auc_score(truth[others], score[others])),
    }


def measure(page, patient: str, length: int, seed: int, plan: dict) -> list[dict]:
    """All methods on one recording."""
    weights, square = causes(patient)
    truth = (weights != 0).any(0)
    if square is not None:
        truth |= square != 0
    seed_everything(100 + seed)
    x = page.simulate(weights, length, square=square)[0]
    x = (x - x.mean(0)) / x.std(0)
    rows = []
    for name, squares in (("F-test", False), ("F-test with squares", True)):
        p = page.f_test(x, plan["lags"], squares)
        rows.append({"method": name, **found_by(-p, p < plan["level"], truth)})
    begun = time.perf_counter()
    cut = len(x) * 4 // 5
    model = page.SignalVAE(CHANNELS)
    page.train(model, x[:cut], plan["steps"])
    path = page.penalty_path(model, x[:cut], x[cut:], plan["penalties"], plan["steps_each"])
    penalty, norms, *_ = page.choose(path)
    row = {"method": "network", **found_by(norms, norms > 0, truth), "penalty": penalty}
    row["path"] = [
        {"penalty": lam, **found_by(u, u > 0, truth), "elbo": round(float(elbo.mean()), 3)}
        for lam, u, elbo, _ in path
    ]
    return [*rows, row | {"seconds": round(time.perf_counter() - begun, 1)}]


def main() -> None:
    given = options(__doc__)
    plan = PLAN | (QUICK if given.quick else {})
    seeds = SEEDS[:1] if given.quick else SEEDS
    page = shown("07d_time_series", *NAMES, T=plan["window"])
    pieces, rows = Pieces("time_series", plan, given), []
    for patient, length, seed in itertools.product(PATIENTS, LENGTHS, seeds):
        found = pieces.get(
            f"{patient}, {length} steps, seed {seed}",
            lambda case=(patient, length, seed): measure(page, *case, plan),
        )
        about = {"patient": patient, "steps": length, "seed": seed}
        rows += [about | row for row in found or []]
    if not pieces.finished():
        return
    print_table([{k: v for k, v in row.items() if k in FIGURES} for row in rows])
    if given.quick:
        return
    save_result(
        "time_series",
        what="arrows found between different channels: right (of 4), wrong (of 8), ROC area",
        plan=plan,
        seeds=SEEDS,
        rows=rows,
    )
    pieces.clear()


FIGURES = ("patient", "steps", "seed", "method", "right", "wrong", "area")

if __name__ == "__main__":
    main()
