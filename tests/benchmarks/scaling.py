"""How time and quality scale with width, latent size, data, and importance samples.

    python tests/benchmarks/scaling.py [--minutes 7.5] [--quick]

One factor at a time around a VAE with 300 units and 20 latents: the same number of optimiser
steps each (1,200 of 200 images, dynamic binarisation, one cycle up to 1e-2, or 5e-3 for more than
one importance sample, "medium" precision), then log p(x) of the first 1,000 test digits, binarised
with seed 0, from 500 importance samples. On two CPU cores: eight minutes, in two pieces.
"""

import math

import torch
from record import Pieces, digits_for, options, print_table, save_by_device

from course_utils.data import ImageData, binarize
from course_utils.models import VAE
from course_utils.objectives import iwae_bound, log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

BASE = {"hidden_dim": 300, "latent_dim": 20, "images": 60_000, "samples": 1}
FACTORS = {
    "hidden_dim": (50, 100, 200, 300, 500, 1_000),
    "latent_dim": (2, 5, 10, 20, 50, 100),
    "images": (600, 2_000, 6_000, 20_000, 60_000),
    "samples": (1, 2, 5, 10, 20),
}
STEPS, BATCH, SAMPLES = 1_200, 200, 500


def measure(setting: dict, steps: int, digits: ImageData, device: torch.device) -> dict:
    """Train and judge one setting."""
    seed_everything(0)
    model = VAE(setting["latent_dim"], setting["hidden_dim"]).to(device)
    train = digits.train_images[: setting["images"]]
    batch = min(BATCH, len(train))
    k = setting["samples"]
    history = fit(
        model,
        (train, digits.test_images[:1_000]),  # fewer scores: they are not what is timed
        epochs=math.ceil(steps * batch / len(train)),
        batch_size=batch,
        learning_rate=1e-2 if k == 1 else 5e-3,
        binarize="dynamic",
        loss=None if k == 1 else lambda m, x: -iwae_bound(m, x, k),
        precision="medium",
        compiled=device.type == "cuda",
        progress=False,
    )
    x = binarize(digits.test_images[:1_000], seed=0).to(device)
    log_p = log_likelihood(model, x, SAMPLES if steps == STEPS else 10, progress=False)
    last = history.rows[-1]
    return {
        "train_seconds": last["seconds"],
        "ms_per_step": 1e3 * last["seconds"] / (last["epoch"] * math.ceil(len(train) / batch)),
        "log_likelihood": log_p.mean().item(),
        "standard_error": (log_p.std() / math.sqrt(len(log_p))).item(),
        "test_elbo": last["test_elbo"],
        "train_elbo": last["train_elbo"],
    }


def main() -> None:
    given = options(__doc__)
    device, digits = pick_device(), digits_for(given)
    factors, steps = FACTORS, STEPS
    if given.quick:
        factors, steps = {name: values[:1] for name, values in FACTORS.items()}, 20
    pieces, rows = Pieces("scaling", [BASE, STEPS, BATCH, SAMPLES], given), []
    for factor, values in factors.items():
        for value in values:
            setting = BASE | {factor: value}
            found = pieces.get(str(setting), lambda s=setting: measure(s, steps, digits, device))
            rows.append({"factor": factor, "value": value, **(found or {})})
    if not pieces.finished():
        return
    print_table(rows)
    if given.quick:
        return
    plan = {"base": BASE, "steps": STEPS, "batch_size": BATCH, "likelihood_samples": SAMPLES}
    save_by_device("scaling", device, {"rows": rows}, plan=plan, seed=0, published="none found")
    pieces.clear()


if __name__ == "__main__":
    main()
