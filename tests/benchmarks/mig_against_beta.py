"""Mutual information gap of beta-VAEs on drawn digits, against beta, for several seeds.

    python tests/benchmarks/mig_against_beta.py

Two sets of drawn digits: all ten classes, and the zeros alone, where no class competes with the
factors for the units. Each model sees 20,000 grey images for ten epochs. The gap is measured on
one draw from q(z|x) for each of 60,000 images (zeros: 21,000), in 20 bins; "floor" is the gap of
the same codes for factors of other images, which tell nothing: what counting alone makes.
"""

import time

import torch
from record import save_result
from torch import Tensor

from course_utils.data import as_float, load_digits
from course_utils.data.strokes import draw_digits, sample_factors
from course_utils.disentanglement import mutual_information, mutual_information_gap
from course_utils.distributions import kl_to_standard_normal
from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

BETAS, SEEDS = (1, 2, 4, 8, 16), (0, 1, 2, 3, 4)
LATENTS, IMAGES, TEST = 10, 20_000, 1_000
PLAN = {"epochs": 10, "learning_rate": 5e-3}
ACTIVE = 0.05  # nats of average KL above which a unit counts as active


def data_sets() -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """Images and factors of each set; the class is a factor where it varies."""
    digits, factors = load_digits("strokes"), sample_factors(IMAGES + TEST, seed=11)
    classes = torch.zeros(IMAGES + TEST, dtype=torch.int64)
    zeros = draw_digits(classes, factors, seed=11, progress=True)
    everything = digits.train_factors | {"digit": digits.train_labels}
    return {"all digits": (digits.train_images, everything), "zeros": (zeros, factors)}


@torch.no_grad()
def measure(model: VAE, images: Tensor, factors: dict[str, Tensor]) -> dict:
    """Gap of each factor, its floor, and the table of mutual information in nats."""
    parts = [model.encode(as_float(part).to(pick_device())) for part in images.split(5_000)]
    mu, log_var = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    z = model.reparameterize(mu, log_var)
    per_unit = kl_to_standard_normal(mu.T[..., None], log_var.T[..., None]).mean(1)  # (M,)
    kl, units = per_unit.sort(descending=True)
    z = z[:, units]
    others = torch.randperm(len(z))
    return {
        "gap": {name: mutual_information_gap(z, value) for name, value in factors.items()},
        "floor": {n: mutual_information_gap(z, value[others]) for n, value in factors.items()},
        "kl_per_unit": kl.tolist(),
        "active": int((kl > ACTIVE).sum()),
        "nats": {name: mutual_information(z, value).tolist() for name, value in factors.items()},
    }


def run(images: Tensor, factors: dict[str, Tensor], beta: float, seed: int) -> dict:
    """Train one model and measure it."""
    seed_everything(seed)
    model = VAE(LATENTS).to(pick_device())
    start = time.perf_counter()
    history = fit(
        model,
        (images[:IMAGES], images[-TEST:]),
        loss=lambda model, x: -model.elbo(x, beta),
        progress=False,
        **PLAN,
    )
    seconds = time.perf_counter() - start
    scores = {name: history.rows[-1][f"test_{name}"] for name in ("elbo", "log_lik", "kl")}
    return {"beta": beta, "seed": seed, "seconds": seconds, **scores} | measure(
        model, images, factors
    )


def rounded(value):
    """The same content with numbers of four decimals: the rest is noise."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    runs: dict[str, list[dict]] = {}
    for name, (images, factors) in data_sets().items():
        runs[name] = []
        for beta in BETAS:
            for seed in SEEDS:
                row = rounded(run(images, factors, beta, seed))
                if seed != SEEDS[0]:
                    del row["nats"], row["kl_per_unit"]  # one table for each beta is enough
                runs[name].append(row)
                print(name, {k: row[k] for k in ("beta", "seed", "seconds", "gap")}, flush=True)
    save_result(
        "mig_against_beta",
        plan=PLAN | {"latents": LATENTS, "images": IMAGES},
        seeds=SEEDS,
        bins=20,
        active_above=ACTIVE,
        runs=runs,
    )


if __name__ == "__main__":
    main()
