"""The models of the table `every_model`: how each is trained, drawn from, and asked for log p(x).

Sizes are 300 hidden units and 20 latents where a model has such. Adding a row is a function and
an entry in `ROWS`.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal

from course_utils.data import ImageData, as_float, binarize
from course_utils.distributions import LOG_2PI, bernoulli_log_prob, normal_log_prob
from course_utils.models import (
    GAN,
    M2,
    RBM,
    VAE,
    VAEGAN,
    AdversarialAutoencoder,
    Autoencoder,
    VampPriorVAE,
    annealed_log_partition,
    pretrained_dbm,
    temperatures,
    train_adversarial_autoencoder,
    train_gan,
    train_m2,
    train_rbm,
    train_vae_gan,
)
from course_utils.objectives import iwae_bound, log_likelihood
from course_utils.ppca import PPCA, sample_moments
from course_utils.training import fit

M, UNITS = 20, 300
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
        train: from digits, settings and the plan to a `Trained`.
        settings: what the training depends on.
        kind: of its likelihood: "probability", "density", or "" for none.
        how: the way to that number, or why there is none.
        encoder: why there is no reconstruction, where there is none.
    """

    train: Callable[[ImageData, dict, dict], Trained]
    settings: dict
    kind: str
    how: str
    encoder: str = ""


# --- the models, each trained on training digits -------------------------------------------------


def test_order(digits: ImageData, plan: dict) -> Tensor:
    """MNIST's first 5,000 test digits are easier: they are mixed, once for all models."""
    generator = torch.Generator().manual_seed(plan["order_seed"])
    return torch.randperm(len(digits.test_images), generator=generator)


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


def annealed_draws(machine: RBM, base: Tensor, n: int, steps: int) -> Tensor:
    """Rows that begin as independent units, and take a Gibbs step at each of some temperatures."""
    x = torch.bernoulli(torch.sigmoid(base).expand(n, -1))
    for beta in temperatures(steps)[1:].tolist():
        x = machine.tempered(beta, base).gibbs(x)
    return x


def rbm(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Persistent chains; draws and log Z by annealing from independent pixels."""
    model = RBM.start(784, UNITS, digits.train_images)
    base = model.visible_bias.clone()
    epochs, steps, *how = (settings[k] for k in ("epochs", "steps", "batch_size", "learning_rate"))
    train_rbm(model, digits.train_images, epochs, steps, True, *how, progress=False)
    annealing = plan["annealing"]

    def log_p(grey: Tensor, x: Tensor) -> Tensor:
        how = temperatures(annealing["temperatures"]), annealing["chains"], base
        log_z, error, _ = annealed_log_partition(model, *how, progress=False)
        trained.note = {"log_z_error": error.item()}
        return -model.free_energy(x) - log_z

    def rebuild(x: Tensor) -> Tensor:
        h = torch.sigmoid(model.hidden_logits(x))
        return torch.sigmoid(model.visible_logits(h))

    trained = Trained(lambda n: annealed_draws(model, base, n, annealing["steps"]), rebuild, log_p)
    return trained


def dbm(digits: ImageData, settings: dict, plan: dict) -> Trained:
    """Two restricted machines to begin with, then both layers jointly, with persistent chains."""
    images, annealing = digits.train_images, plan["annealing"]
    how = {k: settings[k] for k in ("batch_size", "learning_rate")}
    how |= {"progress": False, "persistent": True}
    model = pretrained_dbm(images, settings["units"], settings["pretraining"], **how)
    train_rbm(model, images, settings["epochs"], **how)
    pixels = torch.logit(as_float(images).mean(0), eps=0.01)
    base, folded = torch.cat([pixels, torch.zeros_like(model.bias)]), model.folded()

    def log_p(grey: Tensor, x: Tensor) -> Tensor:
        how = temperatures(annealing["temperatures"]), annealing["chains"], base
        log_z, error, _ = annealed_log_partition(folded, *how, progress=False)
        trained.note = {"log_z_error": error.item()}
        return model.bound(x, *model.mean_field(x), log_z)

    def rebuild(x: Tensor) -> Tensor:
        return torch.sigmoid(model.first.visible_logits(model.mean_field(x)[0]))

    def draw(n: int) -> Tensor:
        return annealed_draws(folded, base, n, annealing["steps"])[:, :784]

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
    model = VAEGAN(M, UNITS, settings["channels"])
    model.start_at_mean(digits.train_images)
    images = digits.train_images[: settings["images"]]
    how = settings["epochs"], settings["batch_size"], settings["learning_rate"], settings["weight"]
    train_vae_gan(model, images, *how, binarize="dynamic", progress=False)
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
        "log Z by annealing, which tends to be too low: so this one tends to be too high",
    ),
    "DBM": Row(
        dbm,
        {"units": (UNITS, 100), "pretraining": 1, "epochs": 2}
        | {"batch_size": 100, "learning_rate": 0.1},
        PROBABILITY,
        "a bound by mean field, with log Z by annealing, which tends to be too low",
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
        {"channels": 8, "images": 25_000, "epochs": 1}
        | {"batch_size": 20, "learning_rate": 1e-3, "weight": 30.0},
        PROBABILITY,
        f"{WEIGHTS}; it was not trained for it",
    ),
}
