"""Exercises of notebook 00: what is right, and what each likely slip gives."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.exercises.answers import CheckFailed, call, numbers
from course_utils.exercises.checking import exercise, within
from course_utils.exercises.common import uniform
from course_utils.exercises.hints import same_form


@exercise(
    0,
    "8 bits for uniform pixels, one bit less if each density is twice as high",
    lambda: [(0.0, 784), (784 * math.log(2), 784), (-55.5, 1), (uniform(-2e3, 2e3), 3072)],
)
def bits_per_dimension(log_p, D):
    """−log₂ p(v) / D for v = 256 x: 8 bits, less what log p(x) gives back."""
    bits = log_p / D / math.log(2)
    return 8 - bits, {
        "The density of v = 256 x is not that of x. What must uniform pixels cost?": -bits,
        "That is in nats; a bit is log 2 nats.": (8 - bits) * math.log(2),
        "Check a sign: a higher density must cost fewer bits.": 8 + bits,
        "From nats to bits one divides by log 2; you multiplied.": (
            8 * math.log(2) ** 2 - log_p / D * math.log(2)
        ),
        "From nats to bits one divides by log 2; you multiplied log p.": (
            8 - log_p / D * math.log(2)
        ),
        "Only one of the D pixels was rescaled by 256.": 8 / D - bits,
        "That is the cost of the whole image, not of one dimension.": (8 - bits) * D,
        "Here v = 256 x, not 255 x.": math.log2(255) - bits,
        "8 is in bits, but log p is still in nats. One bit is log 2 nats.": 8 - log_p / D,
        "log 256 is in nats there, log p in bits.": 8 * math.log(2) - bits,
        "8 is in bits already: only log p is divided by log 2.": 8 / math.log(2) - bits,
        "The same mass on a range 256 times as wide: is the density of v higher?": -8 - bits,
    }


class TwoClasses(nn.Module):
    """Ten logits, linear in 784 pixels; eight never count. There one step is the best attack."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(10, 784).double() / 28)

    def forward(self, x: Tensor) -> Tensor:
        """The logits, (B, 10)."""
        return x @ self.weight.T - 1e4 * (torch.arange(10) > 1)

    def slope(self, x: Tensor, y: Tensor) -> Tensor:
        """The gradient of the log-probability of class y, (B, 784)."""
        others = 1 - self(x).softmax(1).gather(1, y[:, None])
        return (others * (self.weight[y] - self.weight[1 - y])).detach()


def attack(targeted: Callable, classifier: nn.Module, x: Tensor, target: Tensor, size: float):
    """The changed images, if no pixel moved too far or left [0, 1]."""
    moved = call(targeted, classifier, x, target, size)
    if isinstance(moved, tuple | list) and len(moved) != len(x):
        raise CheckFailed(f"It returns {len(moved)} things; return the changed images alone.")
    if moved is not None and same_form(numbers(moved), x):
        if (numbers(moved) - x).abs().max() > size + 1e-5:
            raise CheckFailed("A pixel moved by more than epsilon.")
        if numbers(moved).min() < 0 or numbers(moved).max() > 1:
            raise CheckFailed("Some pixels left [0, 1].")
    return moved


@exercise(
    0,
    "no pixel moved by more than epsilon or left [0, 1], no attack on a linear model does better",
    lambda: [
        (TwoClasses(), torch.rand(6, 784).round(decimals=1), torch.arange(6) % 2, 0.1),
        (TwoClasses(), torch.rand(1, 784), torch.tensor([1]), 0.02),
    ],
    ask=attack,
    close=within(1e-4, 1e-4),
)
def targeted(classifier, x, target, epsilon):
    """One clipped step along the sign of the exact slope of log p(target|x)."""

    def moved(direction):
        return (x + epsilon * direction).clamp(0, 1)

    up, seen = classifier.slope(x, target), classifier(x).argmax(1)
    away, logit = -classifier.slope(x, seen), classifier.weight[target].detach()
    return moved(up.sign()), {
        "The target becomes *less* probable: you go down where to climb.": moved(-up.sign()),
        "That is the gradient itself; its sign uses all of epsilon in every pixel.": moved(up),
        "You climb towards the class that is seen already, not towards `target`.": (
            moved(classifier.slope(x, seen).sign())
        ),
        "You go away from what the classifier sees now; the goal is `target`.": moved(away.sign()),
        "A step of length epsilon for the whole image; each *pixel* may move by epsilon.": (
            moved(up / up.norm(dim=1, keepdim=True))
        ),
        "A logit alone is no log-probability: the other logits count, too.": moved(logit.sign()),
        "All images move in one direction; each needs its own gradient.": moved(up.sum(0).sign()),
        "Nothing moved.": x,
    }


RING = torch.cartesian_prod(*[torch.tensor([0, 1])] * 4)  # all images of four pixels
AGREEING = (RING.roll(1, 1) == RING).sum(1).double()  # agreeing pairs of neighbours in each


@exercise(
    0,
    "all 16 images added up, for five values of J",
    lambda: [(-1.0,), (0.0,), (0.7,), (2.0,), (uniform(-2, 2),)],
)
def ring_of_four(J):
    """Z as the sum over all 16 images."""
    e, physics = math.exp(J), (J * (2 * AGREEING - 4)).exp().sum()
    return (J * AGREEING).exp().sum(), {
        "That is an open chain, with three pairs; a ring of four has four.": 2 * (1 + e) ** 3,
        "Each case counts once in your sum. How many images are there of each?": e**4 + e**2 + 1,
        "Here a disagreeing pair contributes 1, not exp(-J).": physics,
        "A trace adds the fourth powers of both eigenvalues; one is missing.": (e + 1) ** 4,
        "Round a ring, the last pair is not free to agree or not.": 2 * (1 + e) ** 4,
        "Count again: how many of the 16 images have exactly two agreeing pairs?": (
            2 * e**4 + 8 * e**2 + 6
        ),
        "Images without an agreeing pair count, too: each has the weight e^0.": (
            2 * e**4 + 12 * e**2
        ),
        "How many of the 16 images have no agreeing pair?": (2 * e**4 + 13 * e**2 + 1),
        "Four pairs, not eight: count each pair only once.": 2 * e**8 + 12 * e**4 + 2,
        "Only images with four agreeing pairs. (T**4 works entry by entry.)": 2 * e**4,
        "T three times is a ring of three pixels.": (e + 1) ** 3 + (e - 1) ** 3,
        "An agreeing pair contributes e^J, not J.": (J + 1) ** 4 + (J - 1) ** 4,
    }


@exercise(
    0,
    "the same variances as with |x − μ|² multiplied out, in 1, 2 and 5 dimensions",
    lambda: [
        (torch.randn(N, K).softmax(1), torch.randn(N, D), torch.randn(K, D))
        for N, K, D in [(60, 3, 2), (40, 4, 1), (50, 2, 5)]
    ],
)
def best_variances(r, x, mu):
    """Weighted mean squares over D, with |x − μ|² multiplied out."""
    weight, D = r.sum(0), x.shape[1]
    squares = (x**2).sum(1)[:, None] - 2 * x @ mu.T + (mu**2).sum(1)  # |x - mu|^2, multiplied out
    total, kinds = (r * squares).sum(0) / D, len(mu)
    hard = nn.functional.one_hot(r.argmax(1), kinds)
    spread = (r.T @ x**2 / weight[:, None] - (r.T @ x / weight[:, None]) ** 2).mean(1)
    return total / weight, {
        "Where is D? Each point brings D squares, and D log-variances.": D * total / weight,
        "Divide by the weight of the component, not by the number of points.": total / len(x),
        "Those are standard deviations; the variances are asked for.": (total / weight).sqrt(),
        "All points count the same. Where are the responsibilities?": squares.mean(0) / D,
        "Distances, where their squares belong.": (r * squares.sqrt()).sum(0) / weight / D,
        "That is a sum over the points. How much do they weigh together?": total,
        "`mu` is given: measure from it, not from new means.": spread,
        "Divide by the dimension of x, not by the number of components.": (
            D * total / weight / kinds
        ),
        "Responsibilities are shares: do not give each point to one component.": (
            (hard * squares).sum(0) / hard.sum(0) / D
        ),
        "One number for all components; each has its own points and its own variance.": (
            total.sum() / len(x)
        ),
        "Square the distances, not the responsibilities.": (r**2 * squares).sum(0) / weight / D,
    }


@exercise(
    0,
    "the mean fall under noise over that under the attack, for three batches",
    lambda: [  # some scores rise; the share may be above 1, or below 0
        tuple(-20 - fall - 40 * torch.rand(B) for fall in (0, attack, noise))
        for B, attack, noise in [(40, 30, 20), (7, 20, 60), (1, 50, -60)]
    ],
)
def share_explained_by_noise(clean, attacked, shaken):
    """The ratio of the two mean falls."""
    c, a, s = clean.mean(), attacked.mean(), shaken.mean()
    each = (clean - shaken) / (clean - attacked)
    plain = (clean.exp() - shaken.exp()).mean() / (clean.exp() - attacked.exp()).mean()
    sizes = (clean - shaken).abs().mean() / (clean - attacked).abs().mean()
    return (c - s) / (c - a), {
        "Upside down: the fall under noise over the fall under the attack.": (c - a) / (c - s),
        "A mean of ratios. The text asks for the ratio of two means.": each.mean(),
        "A ratio for each image. The text asks for the ratio of two means.": each,
        "A ratio of log-densities says nothing; compare their *falls*.": s / a,
        "Medians of the falls; the text asks for their means.": (
            (clean - shaken).median() / (clean - attacked).median()
        ),
        "Both falls start from `clean`.": (c - s) / (s - a),
        "That is the share that noise does *not* explain.": (s - a) / (c - a),
        "Python divides before it subtracts: brackets.": c - s / c - a,
        "The arguments are log-densities already; compare their falls: no exp.": plain,
        "A score that rises has a negative fall: no absolute values.": sizes,
        "The number may lie outside [0, 1]: do not cut it.": ((c - s) / (c - a)).clamp(0, 1),
    }
