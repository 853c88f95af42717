"""What a stronger part of a VAE gains: flows, learned priors, and what else is in `ROWS`.

    python tests/benchmarks/stronger_parts.py [--seeds 1] [--minutes 7.5] [--quick]

The baseline has 300 hidden units and 20 latents. Every row changes what it names; all else is
equal: the pixels (drawn anew for every batch), epochs, batches, learning rate. Where a row has
several candidates, the ELBO of the last 10,000 training digits, which did not train then, chose
one, with a seed and a number of epochs of its own. All test digits are binarised once with seed 0;
log p(x) is importance-sampled. Gains are over the baseline of the same seed, digit by digit.

Adding a row is one line in `ROWS`. On one CPU core a row takes four to nine minutes for one seed,
that of convolutions 24, in pieces; they are kept, so that `--seeds 2` adds a second seed.
"""

import itertools
import time
from pathlib import Path

import torch
from four_parts import active_units, compared
from record import OutOfTime, Pieces, digits_for, options, print_table, save_result
from torch import Tensor

from course_utils.data import ImageData, binarize
from course_utils.models import (
    VAE,
    ConvDecoderVAE,
    DeepVAE,
    FlowPriorVAE,
    FlowVAE,
    LadderVAE,
    TwoLayerVAE,
    VampPriorVAE,
)
from course_utils.objectives import log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import History, evaluate, fit

M, UNITS = 20, 300


class TwoFlowsVAE(FlowPriorVAE, FlowVAE):
    """A flow for q(z|x), a flow for p(z), and a decoder of two hidden layers with skips."""

    def __init__(self):
        super().__init__(M, UNITS, prior_steps=4, steps=2)
        self.decoder = DeepVAE(M, UNITS, 1, 2, skips=True).decoder


ROWS = {  # of each row, the candidates; held-out digits choose one of them
    "baseline": {"normal q, normal prior": lambda: VAE(M, UNITS)},
    "flow q": {
        "2 autoregressive steps": lambda: FlowVAE(M, UNITS, steps=2),
        "4 autoregressive steps": lambda: FlowVAE(M, UNITS, steps=4),
    },
    "VampPrior": {"100 pseudo-inputs": lambda: VampPriorVAE(M, UNITS, 100)},
    "flow prior": {
        "4 couplings": lambda: FlowPriorVAE(M, UNITS, prior_steps=4),
        "8 couplings": lambda: FlowPriorVAE(M, UNITS, prior_steps=8),
    },
    "together": {"flow q, flow prior, decoder of 2 layers": TwoFlowsVAE},
    "convolutions": {"decoder of 32 channels": lambda: ConvDecoderVAE(M, UNITS, channels=32)},
    # their KL's weight rises over a third of the 30 epochs
    "two layers": {"20 latents, 10 above": lambda: TwoLayerVAE(M, 10, UNITS, warm_up=3_000)},
    "ladder": {"20 latents, 10 above": lambda: LadderVAE(M, 10, UNITS, warm_up=3_000)},
}
Candidate = tuple[str, str]  # a row, and the name of a candidate
CHOICE_SEED, BLOCK = 10, 1_000
PLAN = {
    "epochs": 30,
    "batch_size": 200,
    "learning_rate": 1e-2,
    "choice_epochs": 5,  # of the candidates
    "held_out": 10_000,  # training digits that judge them, the last ones
    "elbo_draws": 10,  # of z for each digit
    "digits": 10_000,  # test digits
    "samples": 1_000,  # of z for each digit's log p(x)
}
QUICK = {"epochs": 1, "choice_epochs": 1, "held_out": 200, "digits": 40, "samples": 20}
NEW, FILE = "drawn anew", "one file"  # of the pixels: tossed for every batch, or once for all
PUBLISHED = [  # test set; `samples`: of z for each image, None where it could not be confirmed
    {
        "model": model,
        "log_p": log_p,
        "pixels": pixels,
        "samples": samples,
        "seeds": "not said",
        "source": source,
    }
    for model, log_p, pixels, samples, source in [
        ("VAE, 50 latents", -86.76, NEW, 5_000, "Burda et al. (2016), table 1"),
        ("IWAE with K = 50, 50 latents", -84.78, NEW, 5_000, "Burda et al. (2016), table 1"),
        ("flow q (IAF), residual networks", -79.1, NEW, 128, "Kingma et al. (2016)"),
        ("ladder, five layers, tuned with K = 10", -81.74, NEW, None, "Sønderby et al. (2016)"),
        ("VampPrior of 500", -85.57, FILE, 5_000, "Tomczak and Welling (2018), table 1"),
        ("ladder of convolutions, twelve layers", -78.30, FILE, 1_000, "addtt/ladder-vae-pytorch"),
    ]
]


# --- training and scoring ------------------------------------------------------------------------


def train(
    candidate: Candidate, seed: int, images: Tensor, epochs: int, plan: dict, pieces: Pieces
) -> tuple[VAE, float] | None:
    """A model of that seed, trained on images (N, 28, 28), and the seconds that it took.

    None where time ran out: the next call goes on at the epoch where this one stopped.
    """
    row, name = candidate
    seed_everything(seed)
    model = ROWS[row][name]().to(pick_device())
    model.start_at_mean(images)
    path = pieces.folder / f"{row}-{name}-{seed}-{epochs}.pt".replace(" ", "_").replace(",", "")
    resume = _saved(path, model)

    def stop_in_time(_model, scores: dict) -> None:
        if pieces.out_of_time() and scores["epoch"] < epochs:
            raise OutOfTime

    pair = images, images[:100]  # a few to score every epoch; nobody looks at these scores
    how = plan["batch_size"], plan["learning_rate"], "dynamic"
    more = {"resume": resume, "after_epoch": stop_in_time, "progress": False}
    history = fit(model, pair, epochs, *how, **more)
    saved = {"rows": history.rows, "training_state": history.training_state}
    torch.save({"weights": model.state_dict(), **saved}, path)
    if history.interrupted:
        return None
    return model.requires_grad_(False), history.rows[-1]["seconds"]


def _saved(path: Path, model: VAE) -> History | None:
    """What an earlier run left, loaded into the model."""
    if not path.exists():
        return None
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["weights"])
    return History(saved["rows"], saved["training_state"], weights=saved["weights"])


def held_out_elbo(
    candidate: Candidate, digits: ImageData, plan: dict, pieces: Pieces
) -> float | None:
    """What a candidate is chosen by."""
    images, judging = digits.train_images.tensor_split([-plan["held_out"]])
    trained = train(candidate, CHOICE_SEED, images, plan["choice_epochs"], plan, pieces)
    if trained is None:
        return None
    return evaluate(trained[0], binarize(judging, seed=0).to(pick_device()))["elbo"]


@torch.no_grad()
def block_scores(model: VAE, x: Tensor, plan: dict, seed: int) -> dict:
    """ELBO, KL and importance-sampled log p(x) of some digits, each a list of (B,)."""
    seed_everything(seed)
    start = time.perf_counter()
    terms = [model.elbo_terms(x) for _ in range(plan["elbo_draws"])]
    log_lik, kl = (torch.stack(draws).mean(0) for draws in zip(*terms))
    log_p = log_likelihood(model, x, plan["samples"], progress=False)
    found = {"elbo": log_lik - kl, "kl": kl, "log_p": log_p}
    lists = {name: [round(v, 4) for v in values.tolist()] for name, values in found.items()}
    return lists | {"seconds": time.perf_counter() - start}


def measure(
    candidate: Candidate, seed: int, digits: ImageData, plan: dict, pieces: Pieces
) -> dict | None:
    """One model, trained and scored; None where time ran out."""
    trained = train(candidate, seed, digits.train_images, plan["epochs"], plan, pieces)
    if trained is None:
        return None
    model, seconds = trained
    x = binarize(digits.test_images[: plan["digits"]], seed=0).to(pick_device())
    found = {"elbo": [], "kl": [], "log_p": [], "seconds": 0.0}
    for first in range(0, len(x), BLOCK):
        block = pieces.get(
            f"{candidate}, seed {seed}, digits from {first}",
            lambda i=first: block_scores(model, x[i : i + BLOCK], plan, seed=i),
        )
        if block is None:
            return None
        found = {name: found[name] + block[name] for name in found}
    seed_everything(0)
    return {
        "elbo": found["elbo"],
        "log_p": found["log_p"],
        "kl": sum(found["kl"]) / len(found["kl"]),
        "active_units": active_units(model, x[:BLOCK]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_seconds": seconds,
        "evaluation_seconds": found["seconds"],
    }


# --- all of it -----------------------------------------------------------------------------------


def chosen_names(tried: dict[Candidate, float]) -> dict[str, str]:
    """Of each row the candidate with the highest ELBO on held-out digits, or its only one."""
    return {
        row: max(names, key=lambda name: tried.get((row, name), 0.0))
        for row, names in ROWS.items()
    }


def rows_of(found: dict[tuple[str, int], dict], chosen: dict[str, str], seeds: list) -> list[dict]:
    """The rows as the record holds them."""
    rows = []
    for row, name in chosen.items():
        runs = [
            {
                "seed": seed,
                **compared(found[row, seed], found["baseline", seed]),
                "training_seconds": round(found[row, seed]["training_seconds"], 1),
                "evaluation_seconds": round(found[row, seed]["evaluation_seconds"], 1),
            }
            for seed in seeds
        ]
        parameters = found[row, seeds[0]]["parameters"]
        rows.append({"row": row, "name": name, "parameters": parameters, "runs": runs})
    return rows


def main() -> None:
    given = options(__doc__, seeds=1)
    digits = digits_for(given)
    plan = PLAN | (QUICK if given.quick else {})
    seeds = [*range(given.seeds)]
    pieces, tried, found = Pieces("stronger_parts", plan, given), {}, {}
    for row, names in ROWS.items():
        for candidate in [(row, name) for name in names] if len(names) > 1 else []:
            tried[candidate] = pieces.get(
                f"choice: {candidate}",
                lambda c=candidate: held_out_elbo(c, digits, plan, pieces),
            )
    if not pieces.finished():
        return
    chosen = chosen_names(tried)
    for seed, (row, name) in itertools.product(seeds, chosen.items()):
        found[row, seed] = pieces.get(
            f"{row}: {name}, seed {seed}",
            lambda c=(row, name), s=seed: measure(c, s, digits, plan, pieces),
        )
    if not pieces.finished():
        return
    rows = rows_of(found, chosen, seeds)
    print_table([{"row": row["row"], **run} for row in rows for run in row["runs"]])
    if given.quick:
        return
    judged = [
        {"row": row, "name": name, "elbo": elbo, "chosen": chosen[row] == name}
        for (row, name), elbo in tried.items()
    ]
    save_result(
        "stronger_parts",
        what="nats per image, higher is better; gains over the baseline of the same seed, paired",
        plan=plan | {"latent_dim": M, "hidden_dim": UNITS, "binarize": "dynamic"},
        seeds=seeds,
        digits=plan["digits"],
        samples=plan["samples"],
        pixels="dynamic binarisation, test digits drawn once with seed 0",
        choices={"seed": CHOICE_SEED, "epochs": plan["choice_epochs"], "rows": judged},
        rows=rows,
        published=PUBLISHED,
    )


if __name__ == "__main__":
    main()
