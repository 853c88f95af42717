"""What more latents are worth, by differences on the same digits.

    python tests/benchmarks/latent_sizes.py [--minutes 7.5] [--quick]

300 hidden units, twelve epochs with dynamic binarisation, as in `architectures.py`. Every model is
judged on the same 10,000 test digits, binarised once with seed 0, by 500 importance samples each.
Digits differ by far more than models do, so models are compared digit by digit: the standard error
is that of the mean difference. The first 1,000 digits are given apart, since shorter experiments
use them alone: they are the easier ones.
"""

import math
from collections.abc import Iterator

import torch
from architectures import PLAN
from record import Pieces, digits_for, options, print_table, save_result

from course_utils.data import ImageData, binarize
from course_utils.models import VAE
from course_utils.objectives import log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

SEEDS, LATENTS, AGAINST = (0,), (2, 5, 10, 20), 20
UNITS, SAMPLES, FIRST = 300, 500, 1_000


def scores(latents: int, seed: int, digits: ImageData, device: torch.device) -> list[float]:
    """log p(x) of every test digit under one trained model."""
    seed_everything(seed)
    model = VAE(latents, UNITS).to(device)
    fit(model, digits, **PLAN, progress=False)
    x = binarize(digits.test_images, seed=0).to(device)
    return [round(v, 4) for v in log_likelihood(model, x, SAMPLES, progress=False).tolist()]


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    """The mean and its standard error."""
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()


def table(found: dict[tuple[int, int], list[float]]) -> Iterator[dict]:
    """One row for each model, from {(seed, latents): log p(x) of every digit}."""
    log_p = {key: torch.tensor(values, dtype=torch.float64) for key, values in found.items()}
    for (seed, latents), values in log_p.items():
        mean, error = mean_and_error(values)
        row = {"seed": seed, "latents": latents, "log_likelihood": mean, "standard_error": error}
        row["first_digits"] = values[:FIRST].mean().item()
        row["first_digits_easier_by"] = row["first_digits"] - mean
        row["against_most"], row["paired_error"] = mean_and_error(values - log_p[seed, AGAINST])
        yield row


def main() -> None:
    given = options(__doc__)
    device, digits = pick_device(), digits_for(given)
    seeds, found = SEEDS[:1] if given.quick else SEEDS, {}
    pieces = Pieces("latent_sizes", [PLAN, UNITS, SAMPLES], given)
    for key in [(seed, latents) for seed in seeds for latents in LATENTS]:
        seed, latents = key
        found[key] = pieces.get(
            f"{latents} latents, seed {seed}",
            lambda s=seed, m=latents: scores(m, s, digits, device),
        )
    if not pieces.finished():
        return
    rows = list(table(found))
    print_table(rows)
    if given.quick:
        return
    save_result(
        "latent_sizes",
        what="log p(x) in nats of the same test digits; differences are paired, digit by digit",
        plan=PLAN | {"hidden_dim": UNITS},
        seeds=SEEDS,
        likelihood_samples=SAMPLES,
        digits=len(digits.test_images),
        first_digits=FIRST,
        against=AGAINST,
        rows=rows,
    )
    pieces.clear()


if __name__ == "__main__":
    main()
