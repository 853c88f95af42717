"""Exercises of notebook 03: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence

from course_utils.exercises.answers import itself
from course_utils.exercises.checking import exercise, within
from course_utils.exercises.common import normal_average, uniform


@exercise(
    3,
    "against the integral of -q log p, for five pairs of Gaussians",
    lambda: [  # tensors of one number, which math.log and torch.log take alike
        tuple(torch.tensor([0.5, 0.7, -1.0, 2.0])),
        tuple(torch.tensor([0.0, 1.0, 0.0, 1.0])),
        *(tuple(torch.tensor([uniform(low, 2) for low in (-2, 0.5, -2, 0.5)])) for _ in range(3)),
    ],
)
def cross_entropy_of_normals(mu_q, std_q, mu_p, std_p):
    """E_q[−log p] by quadrature."""

    def coded(mu, std, mu_p, std_p):
        return normal_average(lambda z: -Normal(mu_p, std_p).log_prob(z), mu, std)

    q, p = (mu_q, std_q), (mu_p, std_p)
    right, h_q, h_p = coded(*q, *p), coded(*q, *q), coded(*p, *p)
    kl, reverse = right - h_q, coded(*p, *q) - h_p
    logs = [Normal(mu, (std / 2).exp()) for mu, std in (q, p)]  # stds taken for log variances
    return right, {
        "That is the KL divergence alone; the cross-entropy is the entropy of q plus that.": kl,
        "That is the entropy of q alone; p has no part in it.": h_q,
        "The wrong way round, all of it: the average is under q, the logarithm is of p.": (
            h_p + reverse
        ),
        "A divergence has a direction. Which of the two does z come from?": h_q + reverse,
        "Whose entropy? z comes from q.": h_p + kl,
        "The cross-entropy is larger than the entropy of q, not smaller: check a sign.": h_q - kl,
        "The KL is cross-entropy minus entropy: solve for the cross-entropy again.": kl - h_q,
        "That is in bits, the text asks for nats.": right / math.log(2),
        "The entropy is in bits and the KL in nats: one unit for both.": h_q / math.log(2) + kl,
        "The KL is in bits and the entropy in nats: one unit for both.": h_q + kl / math.log(2),
        "A standard deviation was taken for a variance, or the other way round.": (
            coded(mu_q, std_q**2, mu_p, std_p**2)
        ),
        "That KL function takes log variances; these are standard deviations.": (
            h_q + kl_divergence(*logs)
        ),
        "That is -log p at the middle of q only; z spreads about it, and that counts, too.": (
            -Normal(mu_p, std_p).log_prob(mu_q)
        ),
        "In the squared part of -log p, a σ stands where σ² belongs.": (
            h_p - 0.5 + (std_q + (mu_q - mu_p) ** 2) / (2 * std_p)
        ),
    }


@exercise(
    3,
    "for five sets of D, M and σ, from how much her loss grows with a nat of each term",
    lambda: [
        (784, 2, 0.1),
        (784, 20, 1.0),
        (1, 1, 0.5),
        (5, 3, uniform(1.5, 4)),
        (64, 7, uniform(0.05, 0.5)),
    ],
)
def colleagues_beta(D, M, sigma):
    """What her loss charges for a nat of KL over what it charges for a nat of likelihood."""
    x, mu = torch.linspace(1, 2, D).double(), torch.linspace(1, 2, M).double()
    decoder = Normal(torch.zeros_like(x), sigma)
    nats = (decoder.log_prob(decoder.mean) - decoder.log_prob(x)).sum()  # less the constant
    kl = kl_divergence(Normal(mu, 1.0), Normal(0.0, 1.0)).sum()
    beta = (mu.square().mean() / kl) / (x.square().mean() / nats)
    return beta, {
        "Half of it: her KL has lost its ½, so a nat of KL costs twice its share.": beta / 2,
        "Twice as much: what is the factor in front of a Gaussian's squared error?": 2 * beta,
        "Upside down: β multiplies the KL once the likelihood stands alone.": 1 / beta,
        "σ has no part in it, but a narrow decoder charges more for the same error.": D / M,
        "A Gaussian divides the squared error by σ squared, not by σ.": beta * sigma,
        "σ acts the wrong way: with a small σ, -log p(x|z) is many times the squared error.": (
            beta * sigma**4
        ),
        "Her error is a mean over the D pixels, the log-likelihood is a sum.": beta / D,
        "Her KL is averaged over the M latents, ours is summed.": beta * M,
        "A mean over M latents makes the KL smaller, not larger.": beta * M**2,
        "As if -log p(x|z) were the squared error, without a factor before it.": 2 * D / M,
        "That is what a nat of KL costs her. What does a nat of -log p(x|z) cost?": 2 / M,
        "// cuts off what comes after the point.": math.floor(beta),
        "D // M is a whole number; D / M need not be one.": D // M / sigma**2,
    }


@exercise(
    3,
    "mean and variance are those of p(z|x), and log p(x) less this ELBO is the gap, on a grid",
    lambda: [()],
    ask=itself,
    parts=("best_mu", "best_var", "gap_there"),
    close=within(0, 0.005),
)
def linear_decoder():
    """Mean, variance and gap from the posterior on a grid."""
    z = torch.linspace(-9, 9, 20_001).double()
    log_joint = Normal(0.0, 1.0).log_prob(z) + Normal(2 * z, 1.0).log_prob(torch.tensor(3.0))
    posterior, log_px = log_joint.softmax(0), log_joint.logsumexp(0) + math.log(18 / 20_000)
    mu = (posterior * z).sum()
    var = (posterior * (z - mu) ** 2).sum()
    q = Normal(mu, var.sqrt())
    elbo = (q.log_prob(z).softmax(0) * (log_joint - q.log_prob(z))).sum()
    to_prior = kl_divergence(q, Normal(0.0, 1.0))
    return (mu, var, log_px - elbo), {
        "best_var: that is the standard deviation; var is σ².": (None, var.sqrt(), None),
        "best_var: that is the precision, one over the variance.": (None, 1 / var, None),
        "best_var: x alone gives that; the prior makes z surer, by 1 in the precision.": (
            (None, 1 / 4, None)
        ),
        "best_var: that is the prior's, but x tells something about z.": (None, 1.0, None),
        "best_mu: that explains x best, z = x/w, as if the KL cost nothing.": (3 / 2, None, None),
        "A factor ½ is lost before the KL, or w stands where w² belongs.": (
            (2 * 3 / (2**2 + 2), 1 / (2**2 / 2 + 1), None)
        ),
        "best_mu: the chain rule brings a factor w out of (x - wμ)².": (3 / (1 + 2), None, None),
        "best_mu: the derivative is zero where? There is μ in the squared error, too.": (
            (2 * 3, None, None)
        ),
        "gap_there: that is log p(x); the gap is what the ELBO lacks of it.": (None, None, log_px),
        "gap_there: that is the KL to the prior; the gap is the KL to the posterior.": (
            (None, None, to_prior)
        ),
        "gap_there: that is -log σ alone; the gap is what the ELBO lacks.": (
            (None, None, -var.log() / 2)
        ),
        "best_mu: differentiating (x - wμ)² leaves a factor w in front of x, too.": (
            (3 / 5, None, None)
        ),
        "best_mu and best_var have changed places.": (var, mu, None),
        "best_var: in the variance of wz, w is squared.": (None, 1 / (1 + 2), None),
        "gap_there: that is x - wμ; the gap is log p(x) less the ELBO.": (None, None, 3 - 2 * mu),
    }


def categorical(size: int) -> tuple[Tensor, ...]:
    """q, prior, likelihood and posterior of a random model whose z has `size` values."""
    q, prior, lik = torch.rand(3, size).double() + 0.05
    q, prior = q / q.sum(), prior / prior.sum()
    return q, prior, lik, prior * lik / (prior * lik).sum()


@exercise(
    3,
    "bound and excess, against log p(x) and torch's KL, for four random models",
    lambda: [categorical(size) for size in (4, 4, 2, 7)],
    parts=("the upper bound", "its excess"),
)
def upper_bound_and_excess(q, prior, lik, posterior):
    """log p(x) + KL(p(z|x) ‖ q), and that KL."""
    log_px, log_joint = (prior * lik).sum().log(), (prior * lik).log()
    posterior_, q_, prior_ = map(Categorical, (posterior, q, prior))
    excess = kl_divergence(posterior_, q_)
    upper = log_px + excess
    return (upper, excess), {
        "The two results have changed places: first the bound, then its excess.": (excess, upper),
        "That is the ELBO, a lower bound: the average is still taken under q.": (
            (log_px - kl_divergence(q_, posterior_), None)
        ),
        "In log p(x, z) the prior is missing.": (upper - posterior @ prior.log(), None),
        "The bound has no q in it: that is log p(x) itself.": (log_px, None),
        "In the bound, log q(z) is missing.": (posterior @ log_joint, None),
        "The excess is a divergence, but which way? The average is under the posterior now.": (
            (None, kl_divergence(q_, posterior_))
        ),
        "The excess compares the posterior with q, not with the prior.": (
            (None, kl_divergence(posterior_, prior_))
        ),
        "The excess is what the bound has beyond log p(x), not log p(x) itself.": (None, log_px),
        "The excess is in that average already; you added it once more.": (upper + excess, None),
        "The bound averages logarithms; that is the logarithm of an average.": (
            ((posterior * prior * lik / q).sum().log(), None)
        ),
        "log q(z) is subtracted, not q(z).": (posterior @ (log_joint - q), None),
        "The excess has the wrong sign: the bound lies above log p(x).": (None, -excess),
        "Those are bits, the text asks for nats.": (upper / math.log(2), excess / math.log(2)),
    }
