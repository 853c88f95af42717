r"""Autoencoders with a discriminator: of codes, or of images.

Introduced in notebook 10b. A discriminator gives a logit. Trained to tell draws of p (logit
above 0) from draws of q (below), its best logit is the log ratio of both densities,
$\log p(z) - \log q(z)$: a number that is learned from draws alone.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.arguments import count, counts, number
from course_utils.data import scaled
from course_utils.distributions import kl_to_standard_normal
from course_utils.models.gan import (
    BINARIZE,
    conv_discriminator,
    descend,
    discriminator_loss,
    generator_loss,
)
from course_utils.models.layered import ConvDecoderVAE
from course_utils.models.layers import check_width, mlp
from course_utils.models.vae import LIKELIHOODS, VAE, ConvVAE

# Of pixels between 0 and 1. If it began at 0, as in `VAE`, the judge would long count for more
# than the pixels: then the codes follow the prior before they say anything about the image.
FIRST_LOG_NOISE_VAR = -4.0


class AdversarialAutoencoder(nn.Module):
    r"""An autoencoder whose codes together follow N(0, I), because a judge compares them.

    The encoder gives one code for each image, without noise, so q(z) is the distribution of the
    codes of all images: it has draws, and no formula. The judge is a discriminator of codes.

    Args:
        latent_dim, hidden_dim, likelihood, data_dim: as in `VAE`, with its errors.
        judge_dim: units of the judge's two hidden layers.
    Source: Makhzani et al. (2015), the deterministic encoder.
    """

    has_prior = True

    def __init__(
        self,
        latent_dim: int = 2,
        hidden_dim: int = 300,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        judge_dim: int = 100,
    ):
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood: expected one of {LIKELIHOODS}, got {likelihood!r}")
        sizes = counts(latent_dim=latent_dim, hidden_dim=hidden_dim)
        others = counts(data_dim=data_dim, judge_dim=judge_dim)
        self.options = {**sizes, "likelihood": likelihood, **others}
        self.likelihood, self.data_dim = likelihood, others["data_dim"]
        self.latent_dim, hidden_dim = sizes.values()
        self.encoder = mlp(self.data_dim, hidden_dim, self.latent_dim)
        self.decoder = mlp(self.latent_dim, hidden_dim, self.data_dim)
        self.judge = mlp(self.latent_dim, *[others["judge_dim"]] * 2, 1)
        if likelihood == "gaussian":
            self.log_noise_var = nn.Parameter(torch.full((1,), FIRST_LOG_NOISE_VAR))

    outputs_logits = VAE.outputs_logits
    decode, decode_mean, log_prob_of = VAE.decode, VAE.decode_mean, VAE.log_prob_of
    prior_draws, sample, start_at_mean = VAE.prior_draws, VAE.sample, VAE.start_at_mean

    def encode(self, x: Tensor) -> Tensor:
        """Codes (..., M) of images (..., D)."""
        check_width(x, self.data_dim, "x")
        return self.encoder(x).to(x.dtype)

    def encode_mean(self, x: Tensor) -> Tensor:
        """The code (..., M) that stands for an image; here the code itself."""
        return self.encode(x)

    def judge_logit(self, z: Tensor) -> Tensor:
        """The judge's estimate (...) of log p(z) - log q(z), for codes (..., M)."""
        check_width(z, self.latent_dim, "z")
        return self.judge(z)[..., 0]

    def judge_loss(self, z: Tensor) -> Tensor:
        """What the judge minimises, one number in nats: codes (B, M) against draws of p(z)."""
        from_prior = self.judge_logit(self.prior_draws(z))
        return discriminator_loss(real=from_prior, fake=self.judge_logit(z.detach()))

    def loss(self, x: Tensor, weight: float = 1.0) -> Tensor:
        r"""What encoder and decoder minimise, (B,), in nats, with the judge as it is.

        $$-\log p(x \mid z) - \lambda \cdot \text{judge logit}(z), \qquad z = \text{encode}(x)$$

        The mean of the second term estimates lambda times KL(q(z) || p(z)).

        Args:
            x: (B, D). weight: lambda. The paper takes -log sigmoid(logit) in the second term.
        """
        z = self.encode(x)
        return -self.log_prob_of(x, self.decode(z)) - weight * self.judge_logit(z)


def train_adversarial_autoencoder(
    model: AdversarialAutoencoder,
    images: Tensor,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float = 2e-3,
    weight: float = 10.0,
    binarize: str = "none",
    progress: bool = True,
) -> AdversarialAutoencoder:
    """Train in place: at each step first the judge, then encoder and decoder.

    Args:
        images: (N, D) or (N, side, side), uint8 or floats in [0, 1].
        learning_rate: of Adam; constant in the first half, then falling to 0.
        weight: of the judge's logit beside log p(x|z).
        binarize: `"none"`, or `"dynamic"`: pixels are drawn 0 or 1 anew each time.
    Raises:
        ValueError: for numbers out of range, or images of another size.
    """
    weight = number("weight", weight, "0 or more", lambda w: 0 <= w < math.inf)
    networks = [p for name, p in model.named_parameters() if not name.startswith("judge")]
    judge = torch.optim.Adam(model.judge.parameters(), betas=(0.5, 0.99))
    others = torch.optim.Adam(networks, betas=(0.9, 0.99))
    rate = number("learning_rate", learning_rate, "more than 0", lambda r: 0 < r < math.inf)
    for x, share in batches(model, images, epochs, batch_size, binarize, progress):
        with torch.no_grad():
            z = model.encode(x)
        descend(judge, model.judge_loss(z), share * rate)
        descend(others, model.loss(x, weight).mean(), share * rate)
    return model


class VAEGAN(VAE):
    r"""A VAE that compares images in a hidden layer of a discriminator instead of in pixels.

    $$-\log \mathcal N\big(f(x) \mid f(\hat x),\, \sigma^2 I\big)
      + \mathrm{KL}\big(q(z \mid x) \,\|\, p(z)\big), \qquad \hat x = \text{decode}(z)$$

    Here f(x) are F features of the discriminator, and sigma^2 is the best one for each batch, the
    mean squared error itself (the paper sets it to 1). The discriminator moves, so this is a
    bound for features, and not for pixels: `elbo` and `log_prob_of`, those of `VAE`, describe
    another model, with Bernoulli pixels.

    Args:
        latent_dim, hidden_dim: as in `VAE`. channels: of the discriminator; with 8 of them F is
            784, as many features as pixels.
        conv: whether the decoder is that of `ConvDecoderVAE`, with 2 * channels, instead of `VAE`.
    Source: Larsen et al. (2016), algorithm 1.
    """

    def __init__(
        self, latent_dim: int = 10, hidden_dim: int = 300, channels: int = 8, conv: bool = False
    ):
        super().__init__(latent_dim, hidden_dim)
        self.options = counts(latent_dim=latent_dim, hidden_dim=hidden_dim, channels=channels)
        latent_dim, hidden_dim, channels = self.options.values()
        self.options["conv"] = bool(conv)
        if conv:
            self.decoder = ConvDecoderVAE(latent_dim, hidden_dim, 2 * channels).decoder
        self.discriminator = conv_discriminator(channels)

    decode = ConvVAE.decode  # for any leading axes

    def features(self, x: Tensor) -> Tensor:
        """f(x), what the discriminator's last hidden layer makes of images (B, 784): (B, F)."""
        return self.discriminator[:-1](x)

    def judge_logit(self, x: Tensor) -> Tensor:
        """The discriminator's logit (B,) that an image (B, 784) is data, and not decoded."""
        return self.discriminator(x)[:, 0]

    def similarity_loss(self, x: Tensor, x_hat: Tensor) -> Tensor:
        r"""Nats per image, one number: F/2 times the log of the mean squared error of features.

        It is $-\log \mathcal N(f(x) \mid f(\hat x), \sigma^2 I)$ with the best sigma^2, up to a
        constant, averaged over the batch (B, D).
        """
        with torch.no_grad():
            of_data = self.features(x)
        error = (of_data - self.features(x_hat)).square().mean()
        return 0.5 * of_data.shape[1] * error.log()

    def decoder_terms(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """KL and similarity loss of a batch (B, D), one number each, and decoded images (2B, D).

        The latter are reconstructions and dreams, in turn; their gradient reaches the decoder
        alone. They are what the discriminator has to tell from x.
        """
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var)
        similarity = self.similarity_loss(x, self.decode_mean(z))
        fakes = self.decode_mean(torch.cat([z.detach(), self.prior_draws(z)]))
        return kl_to_standard_normal(mu, log_var).mean(), similarity, fakes


def train_vae_gan(
    model: VAEGAN,
    images: Tensor,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float = 2e-3,
    weight: float = 300.0,
    binarize: str = "none",
    progress: bool = True,
) -> VAEGAN:
    r"""Train in place: at each step first encoder and decoder, then the discriminator.

    The encoder minimises similarity loss and KL; the decoder the similarity loss and

    $$\lambda\, \mathbb E\big[-\log \operatorname{sigmoid}(\text{logit}(\hat x))\big]$$

    over reconstructions and dreams: they should look like data.

    Args:
        images: (N, 784) or (N, 28, 28), uint8 or floats in [0, 1].
        learning_rate: of Adam, a third of it for the discriminator; constant in the first half,
            then falling to 0.
        weight: lambda; 1 / gamma in the paper.
        binarize: as in `train_adversarial_autoencoder`, with its errors.
    """
    weight = number("weight", weight, "0 or more", lambda w: 0 <= w < math.inf)
    networks = [*model.encoder.parameters(), *model.decoder.parameters()]
    judge = torch.optim.Adam(model.discriminator.parameters(), betas=(0.5, 0.99))
    others = torch.optim.Adam(networks, betas=(0.5, 0.99))
    rate = number("learning_rate", learning_rate, "more than 0", lambda r: 0 < r < math.inf)
    for x, share in batches(model, images, epochs, batch_size, binarize, progress):
        model.discriminator.requires_grad_(False)
        kl, similarity, fakes = model.decoder_terms(x)
        fooled = generator_loss(model.judge_logit(fakes))
        descend(others, kl + similarity + weight * fooled, share * rate)
        model.discriminator.requires_grad_(True)
        loss = discriminator_loss(model.judge_logit(x), model.judge_logit(fakes.detach()))
        descend(judge, loss, share * rate / 3)
    return model


def batches(
    model: VAE | AdversarialAutoencoder,
    images: Tensor,
    epochs: int,
    batch_size: int,
    binarize: str,
    progress: bool,
) -> Iterator[tuple[Tensor, float]]:
    """Rows (B, D) of all images, in a new order each epoch, and the share of the learning rate.

    That is 1 in the first half of all steps and then falls to 0.
    """
    images, epochs = images.flatten(1), count("epochs", epochs)
    if binarize not in BINARIZE:
        raise ValueError(f"binarize: expected one of {BINARIZE}, got {binarize!r}")
    check_width(images, model.data_dim, "images")
    size, parameter = count("batch_size", batch_size), next(model.parameters())
    steps = math.ceil(len(images) / size)
    total = epochs * steps
    for n in tqdm(range(total), "training", disable=not progress, leave=False):
        if n % steps == 0:
            order = torch.randperm(len(images), device=images.device)
        x = scaled(images[order[n % steps * size :][:size]], parameter.dtype).to(parameter.device)
        yield torch.bernoulli(x) if binarize == "dynamic" else x, min(1.0, 2 - 2 * n / total)
