"""Exercises of notebook 08: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise


def images_and_labels(B: int, D: int, classes: int) -> tuple[Tensor, Tensor, int]:
    """Images (B, D), labels (B,) with the first and the last class among them, and C."""
    y = torch.randint(0, classes, (B,))
    y[0], y[1] = classes - 1, 0
    return torch.rand(B, D), y, classes


@exercise(
    8,
    "entry by entry, for several numbers of classes",
    lambda: [
        images_and_labels(4, 3, 3),
        images_and_labels(9, 5, 10),
        images_and_labels(6, 2, 4),
        images_and_labels(5, 5, 5),
        (torch.rand(4, 3), torch.tensor([0, 2, 1, 0]), 4),  # nobody has the last class
    ],
)
def side_by_side(x, y, classes):
    """Entry by entry: the image, then 1 in the place of the label."""
    B, D = x.shape
    right = torch.zeros(B, D + classes, dtype=x.dtype)
    for i in range(B):
        right[i, :D] = x[i]
        right[i, D + int(y[i])] = 1
    onehot, zeros = right[:, D:], torch.zeros(B, classes, dtype=x.dtype)
    return right, {
        "The images come first, then the labels.": torch.cat([onehot, x], 1),
        "That is the label as a size, in every place. A one-hot has a single 1.": torch.cat(
            [x, y[:, None].to(x).expand(-1, classes)], 1
        ),
        "The label itself stands in its place. There belongs a 1.": torch.cat(
            [x, onehot * y[:, None]], 1
        ),
        "One place too far: the class 0 has its 1 in the first place.": torch.cat(
            [x, onehot.roll(1, 1)], 1
        ),
        "One place too early: the class 0 has its 1 in the first place.": torch.cat(
            [x, onehot.roll(-1, 1)], 1
        ),
        "The other way round: 1 in the place of the label, 0 elsewhere.": torch.cat(
            [x, 1 - onehot], 1
        ),
        "The labels are missing: all their places are 0.": torch.cat([x, zeros], 1),
        "One column with the label is a size: a 9 is not more than a 1.": torch.cat(
            [x, y[:, None].to(x)], 1
        ),
        "That is the one-hot alone. Where is the image?": onehot,
        "How many classes there are cannot be seen from one batch: pass `classes`.": right[
            :, : D + int(y.max()) + 1
        ],
    }


def bounds_and_logits(B: int, C: int, level: float) -> tuple[Tensor, Tensor]:
    """Bounds (B, C) around a level, and logits (B, C) that do not add up to anything nice."""
    return level + 2 * torch.randn(B, C), 1.5 * torch.randn(B, C) + 0.5


@exercise(
    8,
    "against a loop over labels, for sure guesses and unsure ones",
    lambda: [
        bounds_and_logits(3, 2, -1.0),
        bounds_and_logits(8, 10, -100.0),
        bounds_and_logits(5, 4, -20.0),
        (-3 * torch.rand(4, 3), 12 * torch.eye(4, 3)),
    ],
)
def unlabelled_bounds(bounds, logits):
    """Label by label: q times (bound minus log q)."""
    B, C = bounds.shape
    right = torch.zeros(B, dtype=bounds.dtype)
    for i in range(B):
        total = sum(math.exp(float(v)) for v in logits[i])
        for c in range(C):
            q = math.exp(float(logits[i, c])) / total
            right[i] += q * (bounds[i, c] - math.log(q))
    q = torch.softmax(logits, 1)
    entropy = -(q * q.log()).sum(1)
    across = torch.softmax(logits, 0)
    return right, {
        "The part with -log q is missing.": right - entropy,
        "The sign of log q: it is subtracted, so an unsure guess raises the bound.": (
            right - 2 * entropy
        ),
        "That is the entropy alone. Where are the bounds?": entropy,
        "Logits are no logarithms of probabilities yet: log_softmax first.": (
            logits.exp() * (bounds - logits)
        ).sum(1),
        "The logits stand in the place of log q: subtract log_softmax(logits).": (
            q * (bounds - logits)
        ).sum(1),
        "q is subtracted. Its logarithm belongs there.": (q * (bounds - q)).sum(1),
        "The labels run along axis 1: each image has probabilities of its own.": (
            across * (bounds - across.log())
        ).sum(1),
        "That is the value of the best q, log sum exp. Here q is given.": bounds.logsumexp(1),
        "Only the likeliest label counts there. The sum goes over all.": bounds.gather(
            1, logits.argmax(1, keepdim=True)
        )[:, 0],
        "The bounds contain log p(y) already.": right - math.log(C),
        "The sum over the labels is weighted by q: no mean on top.": right / C,
        "One number for each image, not their mean.": right.mean(),
        "The weights q(y|x) are missing.": (bounds - q.log()).sum(1),
        "Multiplied by log q, not by q.": (q.log() * (bounds - q.log())).sum(1),
    }


@exercise(
    8,
    "against Bayes' rule with the largest bound taken out, for bounds near -1, -100 and -800",
    lambda: [
        (torch.tensor([[0.3, 0.1], [0.2, 0.6]]).log(),),
        (-100 + 2 * torch.randn(6, 10),),
        (-800 + 3 * torch.randn(4, 3),),
        (-50 + torch.randn(5, 5),),
    ],
)
def best_guess(bounds):
    """e^bound over the sum of all, relative to the largest one."""
    e = torch.exp(bounds - bounds.amax(1, keepdim=True))
    right = e / e.sum(1, keepdim=True)
    C = bounds.shape[1]
    sure = torch.nn.functional.one_hot(bounds.argmax(1), C).to(bounds.dtype)
    return right, {
        "That is its logarithm.": right.log(),
        "That is the value of the bound there, not the q.": bounds.logsumexp(1),
        "All on the likeliest label: then -log q gains nothing. A mixture is better.": sure,
        "The sign: a label with a higher bound gets more.": torch.softmax(-bounds, 1),
        "The labels run along axis 1: each image has a q of its own.": torch.softmax(bounds, 0),
        "The bounds are logarithms: take the exponential before you divide.": (
            bounds / bounds.sum(1, keepdim=True)
        ),
        "The q's of one image add up to 1: divide by their sum.": e,
        "All labels alike? Then the bounds would not matter.": torch.full_like(right, 1 / C),
        "The root is one too many: a factor ½ in the exponent.": torch.softmax(bounds / 2, 1),
        "The square is one too many: a factor 2 in the exponent.": torch.softmax(2 * bounds, 1),
    }


def two_classifiers(n: int, hard: float) -> tuple[Tensor, Tensor]:
    """Entries of two classifiers: on hard digits both are often wrong."""
    p = torch.where(torch.rand(n) < hard, 0.8, 0.05)
    a, b = (torch.rand(n) < p).float(), (torch.rand(n) < p + 0.1).float()
    a[0], b[0], b[1], a[1] = 0.0, 1.0, 1.0, 0.0
    return a, b


@exercise(
    8,
    "against counts of the digits on which they differ",
    lambda: [
        two_classifiers(40, 0.2),
        two_classifiers(300, 0.3),
        two_classifiers(90, 0.1),
        (torch.tensor([0.0, 0, 1, 0, 0]), torch.tensor([1.0, 0, 1, 1, 0])),
    ],
    parts=("gain", "standard error"),
)
def paired_gain(wrong_a, wrong_b):
    """From the counts: only b wrong, only a wrong; the squares of the differences are 1 there."""
    n = len(wrong_a)
    only_b = float(((wrong_b == 1) & (wrong_a == 0)).sum())
    only_a = float(((wrong_a == 1) & (wrong_b == 0)).sum())
    gain = (only_b - only_a) / n
    variance = ((only_a + only_b) - n * gain**2) / (n - 1)
    right = gain, math.sqrt(variance / n)
    of_a, of_b = wrong_a.var(), wrong_b.var()
    biased = math.sqrt(variance * (n - 1)) / n
    return tuple(map(torch.tensor, right)), {
        "The sign: the gain is above 0 if a is wrong less often.": (torch.tensor(-gain), None),
        "That counts digits. The gain is a share of them.": (torch.tensor(gain * n), None),
        "That is the error of a. How much lower is it than b's?": (wrong_a.mean(), None),
        "That is the error of b. How much lower is a's?": (wrong_b.mean(), None),
        "That is the share on which they differ. Ups and downs cancel.": (
            torch.tensor((only_a + only_b) / n),
            None,
        ),
        "That is the standard error without pairing: it forgets that both read the same digits.": (
            None,
            ((of_a + of_b) / n).sqrt(),
        ),
        "That is the spread of one difference. The mean of n has a smaller one.": (
            None,
            torch.tensor(math.sqrt(variance)),
        ),
        "That is its square, a variance.": (None, torch.tensor(variance / n)),
        "Divided by n, where the root of n belongs.": (None, torch.tensor(right[1] / n**0.5)),
        "The spread is divided by n - 1, as torch's std does, not by n.": (
            None,
            torch.tensor(biased),
        ),
        "That is the standard error of a's own error.": (None, (of_a / n).sqrt()),
        "That is the standard error of b's own error.": (None, (of_b / n).sqrt()),
        "That is two standard errors.": (None, torch.tensor(2 * right[1])),
    }
