"""What the latent size and the architecture are worth: twelve epochs each, scored alike.

    python tests/benchmarks/architectures.py

Dynamic binarisation, seed 0. The likelihood is importance-sampled (500 samples) on the first 1,000
test digits, binarised with seed 0: the same ones for every row.
"""

import math
import time

import torch
from record import save_result

from course_utils.data import binarize, load_digits
from course_utils.models import VAE, ConvVAE
from course_utils.objectives import log_likelihood
from course_utils.session import pick_device, seed_everything
from course_utils.training import fit

PLAN = {"epochs": 12, "learning_rate": 1e-2, "binarize": "dynamic"}
ROWS = [  # name, model, peak learning rate where the plan's is not stable
    ("300 units, M = 2", lambda: VAE(2, 300), {}),
    ("300 units, M = 5", lambda: VAE(5, 300), {}),
    ("300 units, M = 10", lambda: VAE(10, 300), {}),
    ("300 units, M = 20", lambda: VAE(20, 300), {}),
    ("512 units, M = 2", lambda: VAE(2, 512), {}),
    ("convolutional, M = 2", lambda: ConvVAE(2, 32), {"learning_rate": 5e-3}),
]


def measure(name: str, build, options: dict, digits, device: torch.device) -> dict:
    """Train and score one architecture."""
    seed_everything(0)
    model = build().to(device)
    start = time.perf_counter()
    row = fit(model, digits, **{**PLAN, **options}, progress=False).rows[-1]
    seconds = time.perf_counter() - start
    x = binarize(digits.test_images[:1000], seed=0).to(device)
    log_p = log_likelihood(model, x, num_samples=500, progress=False)
    result = {
        "name": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 1),
        "test_elbo": row["test_elbo"],
        "test_log_lik": row["test_log_lik"],
        "test_kl": row["test_kl"],
        "log_likelihood": log_p.mean().item(),
        "standard_error": (log_p.std() / math.sqrt(len(log_p))).item(),
    }
    print(result, flush=True)
    return result


def main() -> None:
    device, digits = pick_device(), load_digits("mnist")
    rows = [measure(*row, digits, device) for row in ROWS]
    save_result("architectures", plan=PLAN, seed=0, likelihood_samples=500, rows=rows)


if __name__ == "__main__":
    main()
