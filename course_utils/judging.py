"""How good are samples? A judge that tries to tell them from real rows, and what they cover.

A model with a likelihood is judged by it. One that only draws (a GAN) is not, so its samples are
compared with data that no model has seen. Rows are pixels, or the numbers that a classifier makes
of them. Whatever makes the two sets differ counts: images must be binarised alike.
Introduced in notebook 10.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils.arguments import count
from course_utils.models import Classifier, mlp
from course_utils.session import own_seed


class Share(NamedTuple):
    """A share of n things, and its standard error if they were drawn one by one.

    >>> Share.of(torch.tensor([True, True, True, False]))
    Share(value=0.75, error=0.21650635094610965)
    """

    value: float
    error: float

    @classmethod
    def of(cls, right: Tensor) -> "Share":
        """The share of True among (n,) values."""
        p = right.double().mean().item()
        return cls(p, math.sqrt(p * (1 - p) / len(right)))


def _check(samples: Tensor, real: Tensor, least: int) -> None:
    """A ValueError unless these are two sets of as many rows of the same width."""
    shapes = tuple(samples.shape), tuple(real.shape)
    if samples.dim() != 2 or shapes[0] != shapes[1]:
        raise ValueError(f"expected samples and real rows of one shape (N, D), got {shapes}")
    if len(samples) < least:
        raise ValueError(f"expected {least} rows or more of each kind, got {len(samples)}")
    if not (samples.isfinite().all() and real.isfinite().all()):
        raise ValueError("expected finite numbers, got NaN or infinity")


def two_sample_accuracy(
    samples: Tensor,
    real: Tensor,
    seed: int = 0,
    hidden_dim: int = 64,
    epochs: int = 20,
) -> Share:
    r"""How often a classifier tells samples from real rows, on rows that it was not trained on.

    A network with one hidden layer is trained on the first half of both sets, and asked about the
    second half. It guesses "real" where its logit is positive. No classifier can do better, on
    average, than the best one, whose accuracy says how far the two densities are apart:

    $$\text{accuracy} \le \tfrac12 + \tfrac14 \int |p_{samples}(x) - p_{real}(x)|\, dx$$

    ½: it cannot tell them apart. 1: it always can. A weak judge sees less than there is.

    Args:
        samples, real: (N, D), floats, in random order. seed: of the judge's training.
        hidden_dim: units of its hidden layer. epochs: passes over its half.
    Returns:
        The accuracy, and its error for this trained judge: that of N guesses.
    Raises:
        ValueError: for sets of different shapes, of fewer than 4 rows, or NaN.
    Source: Lopez-Paz and Oquab (2017), section 3.

    >>> same = two_sample_accuracy(torch.randn(1_000, 2), torch.randn(1_000, 2))
    >>> other = two_sample_accuracy(torch.randn(1_000, 2), torch.randn(1_000, 2) + 9)
    >>> round(same.value, 1), round(other.value, 1)
    (0.5, 1.0)
    """
    _check(samples, real, least=4)
    half = len(samples) // 2
    train = torch.cat([samples[:half], real[:half]]).float()
    test = torch.cat([samples[half:], real[half:]]).float()
    mean, scale = train.mean(0), train.std().clamp(min=1e-6)
    train, test = (train - mean) / scale, (test - mean) / scale
    is_real = (torch.arange(len(train), device=train.device) >= half).float()
    with own_seed(seed), torch.enable_grad():
        judge = mlp(train.shape[1], count("hidden_dim", hidden_dim), 1).to(train.device)
        steps = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=1e-3)
        for _ in range(count("epochs", epochs)):
            for rows in torch.randperm(len(train)).split(100):
                logits = judge(train[rows])[:, 0]
                loss = nn.functional.binary_cross_entropy_with_logits(logits, is_real[rows])
                steps.zero_grad()
                loss.backward()
                steps.step()
    with torch.no_grad():
        says_real = judge(test)[:, 0] > 0
    return Share.of(says_real == (torch.arange(len(test), device=test.device) >= len(test) // 2))


def features(classifier: Classifier, x: Tensor) -> Tensor:
    """What a classifier's hidden layer makes of images (N, D): (N, H), from 0 upwards.

    Two images that look alike to somebody who reads digits are close here, though their pixels
    may differ: a shifted digit, for example.
    """
    with torch.no_grad():
        return classifier.network[:-1](x)


def _radii(rows: Tensor, k: int) -> Tensor:
    """The distance of each row to its k-th nearest neighbour among the others, (N,)."""
    distances = torch.cdist(rows, rows)
    distances.fill_diagonal_(0)  # the row itself; rounding may say otherwise
    return distances.kthvalue(k + 1, dim=1).values


def precision_and_recall(samples: Tensor, real: Tensor, k: int = 3) -> tuple[Share, Share]:
    """Are the samples like data, and is all of the data reached? By nearest neighbours.

    Each row of a set owns a ball, which reaches to its k-th nearest neighbour in the same set.

    - precision: the share of samples in the ball of some real row. Low: samples unlike any data.
    - recall: the share of real rows in the ball of some sample. Low: data that is never drawn.

    Args:
        samples, real: (N, D), best features: in pixels, shifted digits are far apart.
        k: neighbours. More make larger balls, and both numbers larger.
    Returns:
        Precision and recall. Each error is that of the rows that are asked about, with the balls
        as they are. Two sets of real rows do not reach 1: they are what to compare with.
    Raises:
        ValueError: for sets of different shapes, of k rows or fewer, or NaN.
    Source: Kynkäänniemi et al. (2019), section 3.
    """
    k = count("k", k)
    _check(samples, real, least=k + 1)
    between = torch.cdist(samples, real)
    precise = (between <= _radii(real, k)).any(1)
    reached = (between <= _radii(samples, k)[:, None]).any(0)
    return Share.of(precise), Share.of(reached)


def classes_reached(labels: Tensor, classes: int = 10, least: float = 0.01) -> int:
    """How many classes have at least this share of the labels (N,), int64.

    >>> classes_reached(torch.tensor([0] * 50 + [3] * 49 + [7]), least=0.02)
    2
    """
    shares = labels.bincount(minlength=count("classes", classes)) / len(labels)
    return int((shares >= least).sum())
