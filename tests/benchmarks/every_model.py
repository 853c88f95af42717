"""Every model of the course on the same digits: likelihood, reconstruction, the judge, coverage.

    python tests/benchmarks/every_model.py [--minutes 2.5] [--quick]

Each model gets about 20 seconds of one CPU core for its training, in each of three seeds (what it
took stands in the record), so this compares what a short run gives, not what a model can reach.
Sizes are 300 hidden units and 20 latents where the model has such. Settings are those that the
pages use, which were chosen there on training digits; nothing is chosen here.

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
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from record import Pieces, digits_for, options, print_table, save_result
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal

from course_utils.data import ImageData, as_float, binarize
from course_utils.distributions import LOG_2PI, bernoulli_log_prob, normal_log_prob
from course_utils.judging import (
    classes_reached,
    features,
    precision_and_recall,
    two_sample_accuracy,
)
from course_utils.models import (
    GAN,
    M2,
    RBM,
    VAE,
    VAEGAN,
    AdversarialAutoencoder,
    Autoencoder,
    Classifier,
    VampPriorVAE,
    annealed_log_partition,
    temperatures,
    train_adversarial_autoencoder,
    train_classifier,
    train_gan,
    train_m2,
    train_rbm,
    train_vae_gan,
)
from course_utils.objectives import iwae_bound, log_likelihood
from course_utils.ppca import PPCA, sample_moments
from course_utils.session import seed_everything
from course_utils.training import fit

M, UNITS = 20, 300
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
PROBABILITY, DENSITY = "probability", "density"
WEIGHTS = "at least: importance sampling, 200 draws"


@dataclass
class Trained:
    """What the table asks of a model.

    Attributes:
        draw: from n to grey images (n, D), in [0, 1]; or binary ones.
        rebuild: from binary images (N, D) to reconstructions, where there is an encoder.
        log_p: from test digits, grey and binarised, each (N, D), to nats (N,).
        note: a few words with this run, as numbers: the error of log Z.
    """

    draw: Callable[[int], Tensor]
    rebuild: Callable[[Tensor], Tensor] | None = None
    log_p: Callable[[Tensor, Tensor], Tensor] | None = None
    note: dict = field(default_factory=dict)


@dataclass
class Row:
    """A model of the table.

    Attributes:
        train: from digits, settings and the plan to a `Trained`; None where it is yet to come.
        settings: what the training depends on.
        kind: of its likelihood: "probability", "density", or "" for none.
        how: the way to that number, or why there is none.
        encoder: why there is no reconstruction, where there is none.
    """

    train: Callable[[ImageData, dict, dict], Trained] | None
    settings: dict
    kind: str
    how: str
    encoder: str = ""


# --- the models, each trained on all training digits ---------------------------------------------


def real_digits(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """No model: test digits that are not among those that samples are compared with."""
    place = plan["samples"] * (1 + settings["seed"])
    order = test_order(digits, plan)

    def draw(n: int) -> Tensor:
        return as_float(digits.test_images[order[place : place + n]])

    return Trained(draw)


def independent_pixels(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Each pixel by itself, with its mean over the training digits."""
    logits = torch.logit(as_float(digits.train_images).mean(0), eps=1e-3)
    return Trained(
        lambda n: logits.sigmoid().expand(n, -1),
        log_p=lambda grey, x: bernoulli_log_prob(x, logits),
    )


def ppca(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """On grey pixels, as in notebook 02; what it draws beyond [0, 1] is cut off."""
    model = PPCA(M).fit(as_float(digits.train_images))

    def rebuild(x: Tensor) -> Tensor:
        return (model.posterior(x)[0] @ model.weight.T + model.mean).float()

    return Trained(
        lambda n: model.sample(n).clamp(0, 1).float(),
        rebuild,
        lambda grey, x: model.log_prob(grey),
    )


def mixture(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Normals on the 20 principal components, equal noise in all other directions: a density of x.

    With one component it is PPCA.
    """
    rows = as_float(digits.train_images)
    mean, covariance = sample_moments(rows)
    values, vectors = torch.linalg.eigh(covariance)
    basis, noise = vectors[:, -M:], values[:-M].mean()  # (D, M); of one pixel, outside
    codes = (rows.double() - mean) @ basis
    parts = GaussianMixture(
        settings["components"],
        max_iter=settings["steps"],
        tol=0.0,
        init_params="k-means++",
        random_state=settings["seed"],
        reg_covar=1e-3,
    )
    with warnings.catch_warnings(action="ignore"):  # it would like to go on
        parts.fit(codes.numpy())
    weights, mu, cov = (
        torch.from_numpy(t) for t in (parts.weights_, parts.means_, parts.covariances_)
    )

    def draw(n: int) -> Tensor:
        which = torch.multinomial(weights, n, replacement=True)
        z = MultivariateNormal(mu[which], cov[which]).sample()
        outside = noise.sqrt() * torch.randn(n, len(mean), dtype=torch.float64)
        outside = outside - outside @ basis @ basis.T
        return (mean + z @ basis.T + outside).clamp(0, 1).float()

    def log_p(grey: Tensor, x: Tensor) -> Tensor:
        centred = grey.double() - mean
        z = centred @ basis
        others = len(mean) - M
        left = centred.square().sum(1) - z.square().sum(1)
        outside = -0.5 * (others * (LOG_2PI + noise.log()) + left / noise)
        return torch.from_numpy(parts.score_samples(z.numpy())) + outside

    def rebuild(x: Tensor) -> Tensor:
        return (mean + (x.double() - mean) @ basis @ basis.T).float()

    return Trained(draw, rebuild, log_p)


def trained_by_fit(model, digits: ImageData, settings: dict, loss=None):
    """A network trained on binary pixels, drawn anew for each batch."""
    pair = digits.train_images, digits.train_images[:100]  # nobody looks at these scores
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"], "dynamic"
    fit(model, pair, *how, loss=loss, progress=False)
    return model.requires_grad_(False)


def autoencoder(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """It has no p(z): codes are drawn from one normal distribution, fitted to its own codes."""
    model = trained_by_fit(Autoencoder(M, UNITS), digits, settings)
    codes = model.encode(binarize(digits.train_images, seed=0))
    of_codes = MultivariateNormal(codes.mean(0), codes.T.cov() + 1e-6 * torch.eye(M))

    def draw(n: int) -> Tensor:
        return model.decode(of_codes.sample((n,))).clamp(0, 1)

    return Trained(draw, lambda x: model.decode(model.encode(x)))


def of_a_vae(model: VAE, digits: ImageData, settings: dict, plan: dict, loss=None) -> Trained:
    """Any VAE, trained and asked alike."""
    model.start_at_mean(digits.train_images)
    trained_by_fit(model, digits, settings, loss)
    return Trained(
        model.sample,
        lambda x: model.decode_mean(model.encode_mean(x)),
        lambda grey, x: log_likelihood(model, x, plan["importance_samples"], progress=False),
    )


def vae(digits: ImageData, settings: dict, plan: dict) -> Trained:
    return of_a_vae(VAE(M, UNITS), digits, settings, plan)


def iwae(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """The same network, trained on the bound of K weights."""

    def loss(model, x):
        return -iwae_bound(model, x, settings["K"])

    return of_a_vae(VAE(M, UNITS), digits, settings, plan, loss)


def vamp(digits: ImageData, settings: dict, plan: dict) -> Trained:
    model = VampPriorVAE(M, UNITS, settings["components"])
    return of_a_vae(model, digits, settings, plan)


def m2_log_p(model: M2, x: Tensor, num_samples: int) -> Tensor:
    """log p(x), (B,), at least: a sum over all labels, and importance weights for z given each."""
    labels = torch.arange(model.classes)[:, None]
    found = []
    for rows in x.split(20):
        mu, log_var = model.encode(rows, labels)  # (C, B, M)
        shape = (num_samples, *mu.shape)
        z = model.reparameterize(mu.expand(shape), log_var.expand(shape))
        log_w = model.log_prob_of(rows, model.decode(z, labels)) + model.log_prior(z)
        log_w = log_w - normal_log_prob(z, mu, log_var)
        found.append(log_w.logsumexp((0, 1)) - math.log(num_samples * model.classes))
    return torch.cat(found)


def m2(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Some labels of each class are seen, all other digits come without."""
    images, labels = as_float(digits.train_images), digits.train_labels
    few = settings["labels"] // 10
    seen = torch.cat([(labels == y).nonzero()[:few, 0] for y in range(10)])
    unseen = torch.ones(len(images), dtype=torch.bool)
    unseen[seen] = False
    model = M2(M, UNITS)
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"], settings["alpha"]
    train_m2(model, images[seen], labels[seen], images[unseen], *how)
    model.requires_grad_(False)

    def draw(n: int) -> Tensor:
        return model.decode_mean(torch.randn(n, M), torch.randint(10, (n,)))

    def rebuild(x: Tensor) -> Tensor:
        y = model.log_q_label(x).argmax(-1)
        return model.decode_mean(model.encode(x, y)[0], y)

    draws = max(1, plan["importance_samples"] // 10)  # for each of ten labels
    return Trained(draw, rebuild, lambda grey, x: m2_log_p(model, x, draws))


def rbm(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Draws begin as independent pixels, and take one Gibbs step at each of 200 temperatures."""
    model = RBM.start(784, UNITS, digits.train_images)
    base = model.visible_bias.clone()
    train_rbm(
        model,
        digits.train_images,
        settings["epochs"],
        settings["steps"],
        persistent=True,
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        progress=False,
    )
    annealing = plan["annealing"]

    def draw(n: int) -> Tensor:
        x = torch.bernoulli(torch.sigmoid(base).expand(n, -1))
        for beta in temperatures(annealing["steps"])[1:].tolist():
            x = model.tempered(beta, base).gibbs(x)
        return x

    def log_p(grey: Tensor, x: Tensor) -> Tensor:
        betas = temperatures(annealing["temperatures"])
        log_z, error, _ = annealed_log_partition(
            model, betas, annealing["chains"], base, progress=False
        )
        trained.note = {"log_z_error": error.item()}
        return -model.free_energy(x) - log_z

    def rebuild(x: Tensor) -> Tensor:
        h = torch.sigmoid(model.hidden_logits(x))
        return torch.sigmoid(model.visible_logits(h))

    trained = Trained(draw, rebuild, log_p)
    return trained


def gan(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """On grey images, which its generator draws, too. A step is dear: it sees a part of them."""
    model, images = GAN(M, settings["channels"]), digits.train_images[: settings["images"]]
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"]
    train_gan(model, images, *how, progress=False)
    return Trained(model.sample)


def adversarial_autoencoder(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Codes without noise, which a discriminator holds to N(0, I)."""
    model = AdversarialAutoencoder(M, UNITS)
    model.start_at_mean(digits.train_images)
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"], settings["weight"]
    images = digits.train_images
    train_adversarial_autoencoder(model, images, *how, binarize="dynamic", progress=False)
    return Trained(model.sample, lambda x: model.decode_mean(model.encode_mean(x)))


def vae_gan(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Its likelihood is that of the pixels which are drawn here: 0 or 1, by its greys."""
    model, images = VAEGAN(M, UNITS), digits.train_images[: settings["images"]]
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"], settings["weight"]
    train_vae_gan(model, images, *how, binarize=settings["pixels"], progress=False)
    return Trained(
        model.sample,
        lambda x: model.decode_mean(model.encode_mean(x)),
        lambda grey, x: log_likelihood(model, x, plan["importance_samples"], progress=False),
    )


FIT = {"batch_size": 200, "learning_rate": 1e-2}
NO_CODE = "has no encoder"
ROWS = {
    "real digits": Row(real_digits, {}, "", "no model", "no model"),
    "independent pixels": Row(independent_pixels, {}, PROBABILITY, "exact", NO_CODE),
    "PPCA": Row(ppca, {"latents": M}, DENSITY, "exact"),
    "Gaussian mixture": Row(mixture, {"components": 30, "steps": 15}, DENSITY, "exact"),
    "autoencoder": Row(autoencoder, FIT | {"epochs": 8}, "", "defines no p(x)"),
    "VAE": Row(vae, FIT | {"epochs": 7}, PROBABILITY, WEIGHTS),
    "IWAE": Row(iwae, FIT | {"epochs": 3, "K": 5}, PROBABILITY, WEIGHTS),
    "VampPrior": Row(vamp, FIT | {"epochs": 5, "components": 100}, PROBABILITY, WEIGHTS),
    "M2": Row(
        m2,
        {"labels": 1_000, "epochs": 1, "batch_size": 200, "learning_rate": 5e-3, "alpha": 1.0},
        PROBABILITY,
        "at least: a sum over labels, 20 draws for each",
    ),
    "RBM": Row(
        rbm,
        {"epochs": 6, "steps": 1, "batch_size": 100, "learning_rate": 0.1},
        PROBABILITY,
        "estimate: annealing, tends to be too high",
    ),
    "GAN": Row(
        gan,
        {"channels": 16, "images": 35_000, "epochs": 1, "batch_size": 32, "learning_rate": 2e-3},
        "",
        "has no formula for p(x)",
        NO_CODE,
    ),
    "adversarial autoencoder": Row(
        adversarial_autoencoder,
        {"epochs": 4, "batch_size": 100, "learning_rate": 2e-3, "weight": 10.0},
        "",
        "its codes have no noise: no q(z|x) whose draws could be weighed",
    ),
    "VAE/GAN": Row(
        vae_gan,
        {"images": 30_000, "epochs": 1, "batch_size": 100, "learning_rate": 1e-3}
        | {"weight": 30.0, "pixels": "dynamic"},
        PROBABILITY,
        f"{WEIGHTS}; it was not trained for it",
    ),
}


# --- scores --------------------------------------------------------------------------------------


def test_order(digits: ImageData, plan: dict) -> Tensor:
    """MNIST's first 5,000 test digits are easier: they are mixed, once for all models."""
    generator = torch.Generator().manual_seed(plan["order_seed"])
    return torch.randperm(len(digits.test_images), generator=generator)


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
