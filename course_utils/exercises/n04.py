"""Exercises of notebook 04: what is right, and what each likely slip gives."""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.answers import CheckFailed, call, numbers, one_by_one
from course_utils.exercises.checking import exercise, within
from course_utils.exercises.common import normal_average, normal_variance, uniform


@exercise(
    4,
    "both branches of F⁻¹, for 57 u between 0.0001 and 0.9999, three μ and three scales",
    lambda: [
        (torch.tensor([0.0001, 0.01, 0.3, 0.5, 0.6, 0.999, 0.9999]), 1.0, 2.0),
        *((0.01 + 0.98 * torch.rand(25), uniform(-3, 3), uniform(0.3, 3)) for _ in range(2)),
    ],
    # asked with tensors only, so no one_by_one: an `if u < 0.5` stops on them
)
def laplace_from_uniform(u, mu, scale):
    """The inverse of F, branch by branch."""
    eps = torch.where(u < 0.5, (2 * u).log(), -(2 - 2 * u).log())
    return mu + scale * eps, {
        "Mirrored: a small u must give a z below μ.": mu - scale * eps,
        "`scale` was taken for the standard deviation, which is √2 times as large.": (
            mu + scale / math.sqrt(2) * eps
        ),
        "`scale` was taken for a rate: wide densities have a large scale.": mu + eps / scale,
        "`scale` is neither a variance nor to be squared.": mu + scale**2 * eps,
        "`scale` has no part in it.": mu + eps,
        "`mu` has no part in it.": scale * eps,
        "`mu` is stretched, too: first stretch, then shift.": scale * (mu + eps),
        "Is a factor 2 missing in the logarithm? Each side of μ has half the probability.": (
            mu - scale * torch.sign(u - 0.5) * torch.log1p(-(u - 0.5).abs())
        ),
        "All on one side of μ: z must lie below it where u < ½.": mu + scale * eps.abs(),
        "That is an exponential density that starts at μ; Laplace has two sides.": (
            mu - scale * torch.log1p(-u)
        ),
        "Right where u > ½; below, the other branch of F holds.": (
            mu - scale * torch.log(2 - 2 * u)
        ),
        "Right where u < ½; for larger u, F is 1 - ½ exp(-(z - μ)/s).": (
            mu + scale * torch.log(2 * u)
        ),
        "That is the logistic density.": mu + scale * torch.logit(u),
        "That is a Gaussian draw: its F⁻¹, not Laplace's.": mu + scale * torch.special.ndtri(u),
        "√2 turns the scale into the standard deviation; z stretches with the scale.": (
            mu + math.sqrt(2) * scale * eps
        ),
        "The two branches have changed places: which of them holds where u < ½?": (
            mu + scale * torch.where(u > 0.5, (2 * u).log(), -(2 - 2 * u).log())
        ),
        "Where u > ½ the logarithm has lost its `1 −`: there it is that of 2(1 − u).": (
            mu + scale * torch.where(u < 0.5, (2 * u).log(), -(2 * u).log())
        ),
        "Where u > ½ the sign is lost: the logarithm is subtracted there.": (
            mu + scale * torch.where(u < 0.5, (2 * u).log(), (2 - 2 * u).log())
        ),
        "That is the density, with u put in for z; asked for is the z that belongs to u.": (
            torch.exp(-(u - mu).abs() / scale) / (2 * scale)
        ),
    }


@exercise(
    4,
    "against draws with u frozen and λ moved, for 30 pairs of z and λ",
    lambda: [
        (3 * torch.rand(5) + 0.01, torch.full((5,), 3.0)),
        (2 * torch.rand(20) + 0.01, 3 * torch.rand(20) + 0.2),
        (torch.tensor([0.0, 1.0, 0.001, 4.0, 2.0]), torch.tensor([1.0, 1.0, 5.0, 1.5, 0.1])),
    ],
    ask=one_by_one,
)
def dz_drate_implicit(z, rate):
    """A central difference: z moves as λ does while F(z) stays."""
    h, F, survival = 1e-4 * rate, -torch.expm1(-rate * z), torch.exp(-rate * z)
    moved = (torch.log1p(-F) / (rate - h) - torch.log1p(-F) / (rate + h)) / (2 * h)
    return moved, {
        "The size is right. Which sign stands in front of the implicit formula?": -moved,
        "That is ∂F/∂λ, or minus it, not yet divided by the density.": -z * survival,
        "Divided by 1 - F; the density is F differentiated by z.": -z,
        "Divided by F itself; the density is F differentiated by z.": -z * survival / F,
        "Upside down: F is differentiated by λ above, by z below.": -rate / z,
        "Multiplied by the density, not divided.": -z * rate * survival**2,
        "The density is divided by, with all its factors; λ is one of them.": -z * rate,
        "That is the derivative of the mean, 1/λ; each draw moves by its own amount.": (
            -1 / rate**2
        ),
        "Divided by λ once more than the density says.": -z / rate**2,
        "The exponential is lost on one side of the fraction.": -z * survival / rate,
        "Above, F is differentiated by λ, not by z.": -torch.ones_like(z),
        "F itself is divided; the formula has its derivative by λ.": -F / (rate * survival),
    }


def counts(n: int, largest: int) -> Tensor:
    """Whole numbers from 0 on as floats, with each of the first two at least once."""
    return torch.cat([torch.tensor([0, 1]), torch.randint(largest + 1, (n - 2,))]).to(
        torch.float64
    )


@exercise(
    4,
    "against autograd through log q, for 36 draws and three rates",
    lambda: [
        (torch.tensor([0.0, 1.0, 2.0, 5.0]), torch.tensor([1.0, 3.0, -2.0, 0.5]), 2.0),
        (counts(12, 6), torch.randn(12), 0.4),
        (counts(20, 9), 3 + torch.randn(20), uniform(3, 6)),
    ],
)
def poisson_gradients(z, f_z, rate):
    """f times the derivative of the log-probability, by autograd."""

    def log_q(lam):
        return z * torch.as_tensor(lam).log() - lam - torch.lgamma(z + 1)

    with torch.enable_grad():
        rates = torch.full_like(z, rate).requires_grad_()
        (score,) = torch.autograd.grad(log_q(rates).sum(), rates)
    right, q = f_z * score, torch.exp(log_q(rate))
    return right, {
        "The derivative of −λ is missing in the score.": f_z * z / rate,
        "That is the score alone: where is f?": score,
        "The sign of the score is turned round.": -right,
        "log q itself is no score: differentiate it by λ.": f_z * log_q(rate),
        "That is the derivative by log λ: z − λ. Asked for is the one by λ.": f_z * (z - rate),
        "The derivative of log λ is 1/λ: z stands above, λ below.": f_z * (rate / z - 1),
        "z is divided by λ, because the derivative of log λ is 1/λ.": f_z * (z * rate - 1),
        "Under z stands λ, from the derivative of log λ.": f_z * (z - 1),
        "The derivative of log λ is 1/λ, not log λ.": f_z * (z * math.log(rate) - 1),
        "The factor z of log λ is missing.": f_z * (1 / rate - 1),
        "log λ has the derivative 1/λ; λ is not squared.": f_z * (z / rate**2 - 1),
        "The derivative of −λ is −1, not −λ.": f_z * (z / rate - rate),
        "The derivative of −λ has the sign minus.": f_z * (z / rate + 1),
        "That is ∇q, the score times q: draws bring their probability along.": right * q,
        "One estimate for each draw, please: not their mean.": right.mean(),
        "One estimate for each draw, please: not their sum.": right.sum(),
        "f is multiplied by the score, not added to it.": f_z + score,
        "z in the place of f: f is what the second argument holds.": z * score,
        "f belongs to both terms of the score: brackets.": f_z * z / rate - 1,
        "The average of f is taken off: a baseline that contains the draw itself.": (
            (f_z - f_z.mean()) * score
        ),
        "Brackets: the 1 is taken off λ, below.": f_z * (z / (rate - 1)),
    }


@exercise(
    4,
    "both derivatives against autograd, for three sizes of σ",
    lambda: [
        (
            torch.tensor([1.0, -2.0, 3.0]),
            torch.tensor([0.0, 1.0, -1.0]),
            torch.tensor([0.5, 1, -2]),
        ),
        (torch.randn(9), torch.randn(9) - 2, torch.randn(9)),
        (torch.randn(4, 3), torch.randn(4, 3) + 2, torch.randn(4, 3)),
    ],
    parts=("by mu", "by log_var"),
)
def backward_by_hand(slope, log_var, eps):
    """By autograd, through z."""
    with torch.enable_grad():
        mu, leaf = torch.zeros_like(log_var).requires_grad_(), log_var.clone().requires_grad_()
        z = mu + torch.exp(0.5 * leaf) * eps
        by_mu, by_log_var = torch.autograd.grad((slope * z).sum(), (mu, leaf))
    std, var = torch.exp(0.5 * log_var), log_var.exp()
    return (by_mu, by_log_var), {
        "by log_var: the ½ in the exponent comes down as a factor.": (None, 2 * by_log_var),
        "by log_var: that is the derivative by σ; go on from σ to log_var.": (None, slope * eps),
        "by log_var: that is the derivative by the variance; go on to log_var.": (
            (None, by_log_var / var)
        ),
        "by log_var: σ is exp(½ log_var), you have its square.": (None, 0.5 * slope * var * eps),
        "by log_var: σ is exp(½ log_var), and the ½ comes down as a factor.": (
            (None, slope * var * eps)
        ),
        "by log_var: σ stays in the derivative of exp(½ log_var).": (None, 0.5 * slope * eps),
        "by log_var: ε stands behind σ in z, so it is a factor.": (None, 0.5 * slope * std),
        "by log_var: the chain rule, the slope of f is missing.": (None, 0.5 * std * eps),
        "by log_var: ε is not squared.": (None, 0.5 * slope * std * eps**2),
        "by mu: ∂z/∂μ is 1, and the chain rule multiplies it by the slope of f.": (
            (torch.ones_like(slope), None)
        ),
        "by mu: ∂z/∂μ is 1; ε has no part in it.": (slope * eps, None),
        "by mu: ∂z/∂μ is 1; σ has no part in it.": (slope * std, None),
        "The order: first by mu, then by log_var.": (by_log_var, by_mu),
        "by mu: one derivative for each draw, not their sum.": (by_mu.sum(), None),
        "by mu: one derivative for each draw, not their mean.": (by_mu.mean(), None),
    }


@exercise(
    4,
    "against the moments of 2zε by quadrature, for five pairs of μ and σ",
    lambda: [
        *(tuple(torch.tensor(row)) for row in ([0.0, 1.0], [1.5, 0.8], [-2.0, 0.1])),
        *(tuple(torch.tensor([uniform(-3, 3), uniform(0.5, 2)])) for _ in range(2)),
    ],
)
def variance_of_dstd(mu, std):
    """Var[2zε] by quadrature."""
    right = normal_variance(lambda eps: 2 * (mu + std * eps) * eps)
    return right, {
        "That is the mean square; for the variance, subtract the squared mean.": (
            normal_average(lambda eps: (2 * (mu + std * eps) * eps) ** 2)
        ),
        "That is the variance of the other gradient, by μ: 2z, without ε.": 4 * std**2,
        "ε² is not ε: what is its variance?": 4 * mu**2 + 4 * std**2,
        "The factor 2 of 2zε is squared in a variance.": right / 2,
        "σ is squared in a variance.": 4 * mu**2 + 8 * std,
        "z has two parts, μ and σε. Where is that of μ?": right - 4 * mu**2,
        "Where is the part of σε²?": 4 * mu**2,
        "That is the mean, 2σ, not the variance.": 2 * std,
        "That is the standard deviation, the root of the variance.": right.sqrt(),
        "μ is squared in a variance.": 4 * mu + 8 * std**2,
        "ε and ε² are uncorrelated: no term has both μ and σ.": right + 8 * mu * std,
        "The mean is squared before it is subtracted.": right + 4 * std**2 - 2 * std,
        "Whose variance is 1, whose is 2? You have swapped ε and ε².": 8 * mu**2 + 4 * std**2,
        "That is the score function's variance, from section 5.": (
            mu**4 / std**2 + 14 * mu**2 + 15 * std**2
        ),
    }


CROSSING = 1.1090  # by quadrature and bisection
NAMED = (0.0, 1.0, CROSSING, CROSSING**2)  # what a slip has a hint of its own for, or is right


def variances_of_sine(k: Tensor) -> tuple[Tensor, Tensor]:
    """The variances of one ∂/∂μ of sin kz at μ = 0, σ = 1, by quadrature: path, score function."""
    path = normal_variance(lambda eps: k * torch.cos(k * eps))
    return path, normal_variance(lambda eps: torch.sin(k * eps) * eps)


def function_and_number(answer: Any, inputs: Tensor) -> Any:
    """What the function gives for each of the inputs, and the number.

    Raises:
        CheckFailed: the function is right, the number is not, and no slip gives it: the hint says
            on which side of the crossing it lies.
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return answer(inputs[0]) if callable(answer) else answer
    name = "pathwise_variance_of_sine"
    found = torch.stack([numbers(call(answer[0], x), name) for x in inputs])
    right = torch.stack([variances_of_sine(k)[0] for k in inputs.double()])
    k = numbers(answer[1], "crossing").double()
    function_is_right = found.numel() == len(right) and within()(found.double().flatten(), right)
    if function_is_right and k.numel() == 1 and 0.05 < k < 20:
        path, score = (v.item() for v in variances_of_sine(k.flatten()[0]))
        if min(abs(k.item() - known) for known in NAMED) > 0.01:
            side = "above" if path < score else "below"
            raise CheckFailed(
                f"crossing: at k = {k.item():.4g} the path's variance is {path:.3g} and the score "
                f"function's {score:.3g}, so the crossing lies {side}."
            )
    return found, answer[1]


@exercise(
    4,
    "the variance against quadrature for six k, the crossing within 0.01",
    lambda: [(torch.tensor([0.5, 0.8, 1.1, 1.5, 2.5, uniform(0.6, 3)]),)],
    ask=function_and_number,
    parts=("pathwise_variance_of_sine", "crossing"),
    close=lambda found, right: (within() if right.dim() else within(0, 0.01))(found, right),
)
def pathwise_variance_of_sine(ks):
    """The variance by quadrature, the crossing found once by bisection."""

    def variance(f):
        return torch.stack([normal_variance(lambda eps, k=k: f(k, eps)) for k in ks])

    path = variance(lambda k, eps: k * torch.cos(k * eps))
    square, squared_mean = path + ks**2 * torch.exp(-(ks**2)), ks**2 * torch.exp(-(ks**2))
    return (path, CROSSING), {
        "That is the mean square; subtract the squared mean.": (square, None),
        "The factor k in front of the cosine is missing.": (path / ks**2, None),
        "In a variance, the factor k is squared.": (path / ks, None),
        "cos² has the double angle: put 2k for k in E[cos kε].": (
            (ks**2 * (1 + torch.exp(-(ks**2))) / 2 - squared_mean, None)
        ),
        "cos² has the double angle: (2k)² is more than twice k².": (
            (ks**2 * (1 + torch.exp(-(ks**2) / 2)) / 2 - squared_mean, None)
        ),
        "The mean is squared before it is subtracted.": (
            square - ks**2 * torch.exp(-(ks**2) / 2),
            None,
        ),
        "The ½ of cos² is missing.": (2 * square - squared_mean, None),
        "That is the score function's variance; asked for is the path's.": (
            (variance(lambda k, eps: torch.sin(k * eps) * eps), None)
        ),
        "crossing: that is k², not k.": (None, CROSSING**2),
        "crossing: at k = 0 both variances are 0; they meet once more.": (None, 0.0),
        "crossing: 1 leaves out the exponentials, which are not small there.": (None, 1.0),
        "cos² has the double angle: (2k)² / 2, and the ½ is lost.": (
            (ks**2 * (1 + torch.exp(-4 * ks**2)) / 2 - squared_mean, None)
        ),
        "k² stands in front of the squared mean, too: brackets.": (
            (square - torch.exp(-(ks**2)), None)
        ),
        "That is the variance of f, not of its slope.": (
            (variance(lambda k, eps: torch.sin(k * eps)), None)
        ),
    }
