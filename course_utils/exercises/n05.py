"""Exercises of notebook 05: what is right, and what each likely slip gives."""

import math

import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_utils.exercises.answers import itself
from course_utils.exercises.checking import exercise, within


@exercise(
    5,
    "each dimension's KL, against torch.distributions, for three batches",
    lambda: [
        (torch.randn(50, 20), torch.randn(50, 20)),
        (torch.zeros(3, 5), torch.zeros(3, 5)),
        (3 * torch.randn(1, 4), 2 * torch.randn(1, 4)),
    ],
)
def kl_per_dimension(mu, log_var):
    """torch's own KL, averaged over the batch."""
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0))
    return kl.mean(0), {
        "Summed over the images; the text asks for their mean.": kl.sum(0),
        "One number per image: average over the images, keep the latents apart.": kl.mean(1),
        "The factor ½ is missing.": 2 * kl.mean(0),
        "exp(log_var) was taken for the standard deviation; it is the variance.": (
            0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).mean(0)
        ),
        "One number in all: `kl_to_standard_normal` sums over the latents before you average.": (
            kl.sum(1).mean()
        ),
        "Summed over the latents; keep them apart, and average over the images.": kl.sum(1),
        "exp(log_var / 2) was taken for the variance; it is the standard deviation.": (
            0.5 * (mu**2 + (log_var / 2).exp() - 1 - log_var).mean(0)
        ),
        "The sign of the logarithm: with it, a narrow q would cost nothing.": (
            (kl + log_var).mean(0)
        ),
        "The other direction: asked for is the KL from q to the prior.": (
            kl_divergence(Normal(0.0, 1.0), Normal(mu, (log_var / 2).exp())).mean(0)
        ),
        "The mean of q comes in squared.": (kl + (mu - mu**2) / 2).mean(0),
        "The constant is missing: where q is the prior, the KL is 0.": kl.mean(0) + 0.5,
        "First the KL of each image, then the average, not the KL of averages.": (
            0.5 * (mu.mean(0) ** 2 + log_var.mean(0).exp() - 1 - log_var.mean(0))
        ),
    }


@exercise(
    5,
    "784 times the colleague's loss in every image, so the same network is best",
    lambda: [
        (-200 * torch.rand(7), 30 * torch.rand(7)),
        (torch.tensor([-90.0, -200.0, 0.0]), torch.tensor([25.0, 0.0, 3.0])),
        (-200 * torch.rand(2), 30 * torch.rand(2)),
    ],
)
def colleague_loss(log_lik, kl):
    """784 times the colleague's loss."""
    theirs = -log_lik / 784 + kl / 20
    error, price = -log_lik, 784 * theirs + log_lik
    return error + price, {
        "That is the colleague's own loss. Ours charges -log p(x|z) in full.": theirs,
        "One number per image: the mean over the batch is not part of this function.": (
            (error + price).mean()
        ),
        "Upside down: which term does the colleague's loss make smaller, and how much?": (
            error + 20 / 784 * kl
        ),
        "The KL was averaged, too, over the 20 latents.": error + 784 * kl,
        "The cross-entropy was averaged, too, over the 784 pixels.": error + kl / 20,
        "A mean over the 20 latents makes the KL smaller, not larger.": error + 784 * 20 * kl,
        "That is β = 1. Does the colleague's loss weigh the two terms like that?": error + kl,
        "A loss must fall when log_lik rises: check its sign.": price - error,
        "A loss must rise with the KL: check its sign.": error - price,
        "That is something to maximise; a loss is minimised.": -error - price,
        "// cuts off what comes after the point.": error + 39 * kl,
        "That is β alone; asked for is the loss that it is part of.": 784 / 20,
        "len(log_lik) counts the images, not the pixels.": error + len(kl) / 20 * kl,
        "A mean divides by the number of terms, it does not multiply.": 784 * error + 20 * kl,
    }


@exercise(
    5,
    "against sums of densities draw by draw, for four batches, one of them tiny",
    lambda: (
        [(_log_densities(n, m),) for n, m in [(40, 2), (7, 20), (60, 5)]]
        + [(_log_densities(12, 3) - 800,)]
    ),
)
def information_from_draws(log_q):
    """Mean over i of log q(z_i|x_i) - log (1/N) sum_j q(z_i|x_j)."""
    n, own = len(log_q), log_q.diagonal()
    top = log_q.max(1).values
    log_sums = top + (log_q - top[:, None]).exp().sum(1).log()
    right = (own - log_sums + math.log(n)).mean()
    columns = torch.logsumexp(log_q, 0)
    others = log_q.masked_fill(torch.eye(n).bool(), -math.inf)
    return right, {
        "q(z) is a mean over the images, not a sum: where is log N?": (own - log_sums).mean(),
        "log N has the wrong sign: a mean is a sum divided by N.": (
            (own - log_sums).mean() - math.log(n)
        ),
        "The other direction: the information is never negative on average.": -right,
        "That is the sum over the images; asked for is their mean.": n * right,
        "The sum must run over j, the q's, for each draw z_i: which dim is that?": (
            (own - columns).mean() + math.log(n)
        ),
        "A mean of logarithms is not the logarithm of a mean.": (own - log_q.mean(1)).mean(),
        "Only the diagonal has log q(z_i | x_i); `log_q.mean()` counts all pairs.": (
            (log_q.mean(1) - log_sums).mean() + math.log(n)
        ),
        "That is the mean of log q(z) alone. What is subtracted from what?": (
            (log_sums - math.log(n)).mean()
        ),
        "That is the mean of log q(z|x) alone; log q(z) is still to be subtracted.": own.mean(),
        "The image's own q belongs to q(z), too: the mean is over all N.": (
            own - others.logsumexp(1) + math.log(n)
        ).mean(),
        "All but the own q were counted, and divided by N - 1.": (
            own - others.logsumexp(1) + math.log(n - 1)
        ).mean(),
        "One number is asked for: the mean over the images.": own - log_sums + math.log(n),
        "In bits; the course measures in nats.": right / math.log(2),
        "log N is in bits and the rest in nats: log2 for log?": (
            (own - log_sums).mean() + math.log2(n)
        ),
        "One logsumexp over all pairs is no mean of logarithms: one for each draw.": (
            own.mean() - log_q.flatten().logsumexp(0) + 2 * math.log(n)
        ),
    }


def _log_densities(images: int, latents: int) -> torch.Tensor:
    """log q(z_i | x_j) of a draw of each of some Gaussians, under all of them: (N, N)."""
    mu, std = torch.randn(images, latents), 0.3 + torch.rand(images, latents)
    z = mu + std * torch.randn(images, latents)
    return Normal(mu, std).log_prob(z[:, None]).sum(-1)


@exercise(
    5,
    "the least of 999 cross-entropies, for π = 0.001 to 0.999",
    lambda: [()],
    ask=itself,
    close=within(0, 0.01),
)
def floor_of_half_grey():
    """The least cross-entropy of a = ½ over 999 values of π."""
    pi = torch.arange(1, 1000).double() / 1000
    least = (-0.5 * pi.log() - 0.5 * (1 - pi).log()).min()
    return least, {
        "That is in bits; the course measures in nats.": least / math.log(2),
        "That is the best π. What is the cross-entropy there?": 0.5,
        "The sign: minus the logarithm of a probability is never negative.": -least,
        "No, grey has a floor: put a = π = ½ into both terms.": 0.0,
        "Only one of the two terms, or a ½ too many.": least / 2,
        "Each term has its factor, a and 1 - a.": 2 * least,
        "One pixel is asked for, not all 784.": 784 * least,
        "That is the floor of a whole image; here it is one pixel.": 45.53,
        "That is a logarithm to base 10; `log` here is the natural one.": least / math.log(10),
    }


@exercise(
    5,
    "against the KL from q to the posterior, for 1 to 6 latents; 0 where A is diagonal",
    lambda: [
        *(
            (W.T @ W + var * torch.eye(W.shape[1]),)
            for W, var in [(torch.randn(9, 2), 0.5), (torch.randn(12, 6), 1.3)]
        ),
        (torch.tensor([[0.7]]),),
        (torch.diag(torch.tensor([3.0, 0.5, 20.0])),),
    ],
)
def price_of_a_diagonal_q(A):
    """KL(q ‖ posterior) for the q with precisions A_ii."""
    zero, diagonal = torch.zeros(len(A)).double(), A.diagonal()
    posterior = MultivariateNormal(zero, precision_matrix=A)  # in units of σ, at its own mean
    price = kl_divergence(MultivariateNormal(zero, precision_matrix=diagonal.diag()), posterior)
    logs, log_det = diagonal.log().sum(), diagonal.log().sum() - 2 * price
    return price, {
        "The factor ½ is missing.": 2 * price,
        "A price is never negative: which of the two terms is the larger one?": -price,
        "The ½ stands in front of both terms.": logs / 2 - log_det,
        "The log of the diagonal's sum (the trace) is not the sum of its logs.": (
            (diagonal.sum().log() - log_det) / 2
        ),
        "A mean over the diagonal, where a sum is asked for.": (logs / len(A) - log_det) / 2,
        "The logarithm of the determinant, not the determinant.": (logs - log_det.exp()) / 2,
        "The inverse of A has the posterior's own variances; which ones make the KL least?": (
            (A.inverse().diagonal().log().sum() + log_det) / 2
        ),
        "The diagonal of A, not its eigenvalues: their logs add up to log |A|.": 0.0,
        "All entries of A were counted, not only the diagonal.": (
            (A.abs().log().sum() - log_det) / 2
        ),
        "All of A is in the logarithm: off the diagonal there is 0, or less.": (
            (A.log().sum() - log_det) / 2
        ),
        "Only log |A|: the part of the diagonal is missing.": log_det / 2,
        "Where are the logarithms? The two products differ by more.": (
            (diagonal.prod() - log_det.exp()) / 2
        ),
        "1 / A_ii is q's variance; the formula has A_ii itself.": (-logs - log_det) / 2,
    }
