"""Train the models that travel with the package, on real MNIST, in half precision.

    python tests/benchmarks/make_checkpoints.py [NAME ...]

Dynamic binarisation, seed 0. Notebooks start from them where there is no time to train: two VAEs,
a series of small two-dimensional ones along β, the weight of the KL, and a conditional VAE. Two
more come from `burda_table.py`, because they take an hour each: mnist-burda-1, mnist-burda-50.
"""

import sys

import torch

from course_utils.data import ImageData, as_float, binarize, load_digits
from course_utils.models import VAE, ConditionalVAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import CHECKPOINTS, History, fit, save_checkpoint
from course_utils.training.steps import one_cycle

BETAS = (0.1, 0.3, 1, 3, 10, 30)
LONG, SHORT = {"epochs": 60, "learning_rate": 5e-3}, {"epochs": 10, "batch_size": 500}
RUNS = {  # name: (options of the model, β, options of fit)
    "mnist-vae-2": ({"latent_dim": 2}, 1, LONG),
    "mnist-vae-20": ({"latent_dim": 20}, 1, LONG),
    **{f"mnist-beta-{b}": ({"latent_dim": 2, "hidden_dim": 100}, b, SHORT) for b in BETAS},
}

CONDITIONAL = "mnist-conditional"
OF_THE_CONDITIONAL = {"epochs": 30, "batch_size": 200, "learning_rate": 5e-3}


def train_conditional(digits: ImageData, epochs: int, batch_size: int, learning_rate: float):
    """The conditional VAE, with every label seen. `fit` has no place for labels."""
    seed_everything(0)
    device = pick_device()
    model = ConditionalVAE(latent_dim=10).to(device)
    grey, y = as_float(digits.train_images).to(device), digits.train_labels.to(device)
    optimizer, step = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=True), 0
    steps = epochs * -(-len(grey) // batch_size)
    for _ in range(epochs):
        for rows in torch.randperm(len(grey), device=device).split(batch_size):
            optimizer.param_groups[0]["lr"] = one_cycle(step, steps, learning_rate)
            optimizer.zero_grad()
            (-model.elbo(torch.bernoulli(grey[rows]), y[rows]).mean()).backward()
            optimizer.step()
            step += 1
    x = binarize(digits.test_images, seed=0).to(device)
    with torch.no_grad():
        elbo = model.elbo(x, digits.test_labels.to(device)).mean().item()
    return model, History([{"epoch": epochs, "test_elbo": elbo}])


def train(name: str, digits: ImageData) -> None:
    """Train one model and store it; the other files stay as they are."""
    if name == CONDITIONAL:
        model, history = train_conditional(digits, **OF_THE_CONDITIONAL)
    else:
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
    names = [*RUNS, CONDITIONAL]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"expected names from {', '.join(names)}, got {', '.join(sorted(unknown))}")
    digits = load_digits("mnist")
    for name in sys.argv[1:] or names:
        train(name, digits)


if __name__ == "__main__":
    main()
