"""Generative adversarial networks: a generator, and a discriminator that judges its images.

Introduced in notebook 10. The discriminator gives a logit d: it takes an image for real with
probability D(x) = sigmoid(d). A GAN has no likelihood; codes z (..., M) are draws of N(0, I).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from course_utils.arguments import count, counts, number
from course_utils.data import scaled
from course_utils.models.layers import check_width

BINARIZE = ("none", "dynamic")


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    r"""What the discriminator minimises, one number in nats, from logits (B,) and (B',).

    $$-\overline{\log D(x)} - \overline{\log\big(1 - D(G(z))\big)}$$

    Source: Goodfellow et al. (2014), eq. 1, negated.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(fake: Tensor, saturating: bool = False) -> Tensor:
    r"""What the generator minimises, one number in nats, from logits (B,) of its images.

    $$-\overline{\log D(G(z))}, \qquad \text{saturating: } \overline{\log\big(1 - D(G(z))\big)}$$

    Source: Goodfellow et al. (2014), section 3, where both are.
    """
    return -softplus(fake).mean() if saturating else softplus(-fake).mean()


def conv_generator(latent_dim: int = 20, hidden_dim: int = 16) -> nn.Sequential:
    """From codes (B, M) to logits of pixels (B, 784): 7 -> 14 -> 28 pixels a side.

    Args:
        latent_dim: M. hidden_dim: channels at 14 x 14 pixels; twice as many at 7 x 7.
    Source: after Radford et al. (2016), much smaller.
    """
    c = hidden_dim
    return nn.Sequential(
        nn.Linear(latent_dim, 2 * c * 49),
        nn.Unflatten(-1, (2 * c, 7, 7)),
        nn.BatchNorm2d(2 * c),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1),
        nn.BatchNorm2d(c),
        nn.ReLU(),
        nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),
        nn.Flatten(),
    )


def conv_discriminator(hidden_dim: int = 16) -> nn.Sequential:
    """From images (B, 784) to logits (B, 1) of being real: 28 -> 14 -> 7 pixels a side."""
    c = hidden_dim
    return nn.Sequential(
        nn.Unflatten(-1, (1, 28, 28)),
        nn.Conv2d(1, c, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(c, 2 * c, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(2 * c * 49, 1),
    )


class GAN(nn.Module):
    r"""A generator of 28 x 28 images and its discriminator, both small convolutional networks.

    $$z \sim \mathcal N(0, I), \quad x = \sigma(\text{generator}(z)), \qquad
      D(x) = \sigma(\text{discriminator}(x))$$

    The generator's batch normalisation looks at the whole batch while the module trains; `sample`
    and `decode` are meant for after `eval()`, in which `train_gan` leaves it.

    Args:
        latent_dim: M. hidden_dim: channels of the outer layers of either network.
    Raises:
        ValueError: for a size below 1, or an input of another width.
    Source: Goodfellow et al. (2014); the networks after Radford et al. (2016).
    """

    has_prior, outputs_logits = True, True

    def __init__(self, latent_dim: int = 20, hidden_dim: int = 16):
        super().__init__()
        self.options = counts(latent_dim=latent_dim, hidden_dim=hidden_dim)
        self.latent_dim, hidden_dim = self.options.values()
        self.data_dim = 784
        self.generator = conv_generator(self.latent_dim, hidden_dim)
        self.discriminator = conv_discriminator(hidden_dim)

    def decode(self, z: Tensor) -> Tensor:
        """Logits (..., 784) of the pixels, for codes (..., M)."""
        check_width(z, self.latent_dim, "z")
        output = self.generator(z.reshape(-1, self.latent_dim)).to(z.dtype)
        return output.view(*z.shape[:-1], self.data_dim)

    def decode_mean(self, z: Tensor) -> Tensor:
        """The image G(z), (..., 784), in [0, 1]."""
        return torch.sigmoid(self.decode(z))

    def judge(self, x: Tensor) -> Tensor:
        """Logits (...) of being real, for images (..., 784)."""
        check_width(x, self.data_dim, "x")
        output = self.discriminator(x.reshape(-1, self.data_dim)).to(x.dtype)
        return output.view(x.shape[:-1])

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Images (n, 784) of n draws of z."""
        like = next(self.parameters())
        z = torch.randn(count("n", n, least=0), self.latent_dim, dtype=like.dtype)
        return self.decode_mean(z.to(like.device))


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One step of this learning rate on the optimizer's parameters."""
    optimizer.param_groups[0]["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train_gan(
    model: GAN,
    images: Tensor,
    epochs: int = 1,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    saturating: bool = False,
    binarize: str = "none",
    progress: bool = True,
    each_step: Callable[[GAN, int, float, float], None] | None = None,
) -> GAN:
    """Train both networks in place, one step of Adam each in turn; left in evaluation mode.

    The batch of generated images is drawn once a step; both networks use it. The learning rate
    falls to 0 along a line.

    Args:
        images: (N, 784) or (N, 28, 28): uint8, or floats in [0, 1]. A last batch that is not
            full is left out.
        saturating: see `generator_loss`.
        binarize: `"none"`, or `"dynamic"`: real pixels are drawn 0 or 1 anew each time.
        each_step: called as `each_step(model, step, discriminator_loss, generator_loss)`, nats,
            after each step; the first step is 1. The model is in training mode then.
    Raises:
        ValueError: for numbers that are none, an unknown `binarize`, fewer images than a batch.
    Source: Goodfellow et al. (2014), algorithm 1; Adam's beta_1 = 0.5 from Radford et al. (2016).
    """
    images, epochs = images.flatten(1), count("epochs", epochs)
    check_width(images, model.data_dim, "images")
    batch_size = count("batch_size", batch_size)
    rate = number("learning_rate", learning_rate, "0 or more", lambda v: 0 <= v < math.inf)
    if binarize not in BINARIZE:
        raise ValueError(f"binarize: expected one of {BINARIZE}, got {binarize!r}")
    if len(images) < batch_size:
        raise ValueError(f"expected {batch_size} images or more, got {len(images)}")
    like = next(model.parameters())
    networks = (model.discriminator, model.generator)
    adams = [torch.optim.Adam(n.parameters(), rate, betas=(0.5, 0.999)) for n in networks]
    in_an_epoch = len(images) // batch_size
    model.train()
    steps = epochs * in_an_epoch
    for step in tqdm(range(steps), "training", disable=not progress, leave=False):
        if step % in_an_epoch == 0:
            order = torch.randperm(len(images), device=images.device)
        rows = order[step % in_an_epoch * batch_size :][:batch_size]
        x = scaled(images[rows], like.dtype).to(like.device)
        x = torch.bernoulli(x) if binarize == "dynamic" else x
        z = torch.randn(batch_size, model.latent_dim, dtype=like.dtype).to(like.device)
        fake = model.decode_mean(z)
        loss_d = discriminator_loss(model.judge(x), model.judge(fake.detach()))
        now = rate * (1 - step / steps)
        descend(adams[0], loss_d, now)
        loss_g = generator_loss(model.judge(fake), saturating)
        descend(adams[1], loss_g, now)
        if each_step is not None:
            each_step(model, step + 1, loss_d.item(), loss_g.item())
    return model.eval()
