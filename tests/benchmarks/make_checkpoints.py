"""Train the models that travel with the package, on real MNIST, in half precision.

    python tests/benchmarks/make_checkpoints.py

Dynamic binarisation, 60 epochs, seed 0. Notebooks start from them where there is no time to train.
"""

from course_utils.data import load_digits
from course_utils.models import VAE
from course_utils.session import pick_device, seed_everything
from course_utils.training import CHECKPOINTS, fit, save_checkpoint

PLAN = {"epochs": 60, "learning_rate": 1e-2, "binarize": "dynamic"}
MODELS = {"mnist-vae-2": {"latent_dim": 2}, "mnist-vae-20": {"latent_dim": 20}}


def main() -> None:
    device, digits = pick_device(), load_digits("mnist")
    for name, options in MODELS.items():
        seed_everything(0)
        model = VAE(**options).to(device)
        history = fit(model, digits, **PLAN)
        path = CHECKPOINTS / f"{name}.pt"
        save_checkpoint(path, model, history, half=True)
        size, row = path.stat().st_size / 1e6, history.rows[-1]
        print(f"{path.name}: {size:.2f} MB, test ELBO {row['test_elbo']:.2f} nats", flush=True)


if __name__ == "__main__":
    main()
