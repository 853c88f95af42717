"""Train the models that travel with the package, on real MNIST, in half precision.

    python tests/benchmarks/make_checkpoints.py [NAME ...]

Dynamic binarisation, seed 0. Notebooks start from them where there is no time to train: two VAEs,
and a series of small two-dimensional ones along β, the weight of the KL.
"""

import sys

from course_utils.data import load_digits
from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import CHECKPOINTS, fit, save_checkpoint

BETAS = (0.1, 0.3, 1, 3, 10, 30)
LONG, SHORT = {"epochs": 60, "learning_rate": 5e-3}, {"epochs": 10, "batch_size": 500}
RUNS = {  # name: (options of the model, β, options of fit)
    "mnist-vae-2": ({"latent_dim": 2}, 1, LONG),
    "mnist-vae-20": ({"latent_dim": 20}, 1, LONG),
    **{f"mnist-beta-{b}": ({"latent_dim": 2, "hidden_dim": 100}, b, SHORT) for b in BETAS},
}


def train(name: str, digits) -> None:
    """Train one model and store it; the other files stay as they are."""
    options, beta, plan = RUNS[name]
    seed_everything(0)
    model = VAE(**options).to(pick_device())
    loss = {} if beta == 1 else {"loss": lambda m, x: -m.elbo(x, beta)}
    history = fit(model, digits, binarize="dynamic", **plan, **loss)
    path = CHECKPOINTS / f"{name}.pt"
    save_checkpoint(path, model, history, half=True)
    size, row = path.stat().st_size / 1e6, history.rows[-1]
    print(f"{path.name}: {size:.2f} MB, test ELBO {row['test_elbo']:.2f} nats", flush=True)


def main() -> None:
    unknown = set(sys.argv[1:]) - RUNS.keys()
    if unknown:
        sys.exit(f"expected names from {', '.join(RUNS)}, got {', '.join(sorted(unknown))}")
    digits = load_digits("mnist")
    for name in sys.argv[1:] or RUNS:
        train(name, digits)


if __name__ == "__main__":
    main()
