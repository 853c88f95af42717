"""Exercises of notebook 09: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import uniform
from course_utils.models import all_states


def rows(B: int, D: int) -> Tensor:
    """Random images (B, D) of zeros and ones."""
    return (torch.rand(B, D) < 0.5).float()


def weights(D: int, M: int, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """W (D, M), b (D,) and c (M,) of a restricted machine."""
    return scale * torch.randn(D, M), torch.randn(D), torch.randn(M)


def minus_energies(x: Tensor, W: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """-E(x, h) for each row and each h, (B, 2^M), and all h (2^M, M)."""
    h = all_states(len(c), like=x)
    return (x @ b)[:, None] + h @ c + x @ W @ h.T, h


@exercise(
    9,
    "against a sum over all hidden states, for weights that are small and that are large",
    lambda: [
        (rows(6, 4), *weights(4, 3)),
        (rows(5, 3), *weights(3, 5)),
        (rows(4, 6), *weights(6, 2, scale=100.0)),
        (rows(1, 2), *weights(2, 1)),
    ],
)
def free_energy_of(x, W, b, c):
    """Minus the log of the sum over h of exp(-E)."""
    log_terms, _ = minus_energies(x, W, b, c)
    right, up = -log_terms.logsumexp(1), c + x @ W
    return right, {
        "A likely image has a low free energy: check the sign.": -right,
        "The visible biases are missing.": right + x @ b,
        "The hidden biases are missing.": -(x @ b) - softplus(x @ W).sum(-1),
        "The sign of the visible biases: they lower the energy.": right + 2 * (x @ b),
        "That is the lowest energy over h. All h count, so sum them out.": -log_terms.amax(1),
        "That puts probabilities for h into the energy. Sum over h instead.": (
            -(x @ b) - (torch.sigmoid(up) * up).sum(-1)
        ),
        "h = 0 counts, too: each factor is 1 + e to the power of the bracket.": (
            -(x @ b) - up.sum(-1)
        ),
        "Each hidden unit has a factor of its own: first the log of each, then the sum.": (
            -(x @ b) - softplus(up.sum(-1))
        ),
        "One number for each row, not for each hidden unit.": -(x @ b)[:, None] - softplus(up),
        "One number for each row, not for all rows together.": right.sum(),
        "The hidden units are added up, not averaged.": -(x @ b) - softplus(up).mean(-1),
        "In bits; the course measures in nats.": right / math.log(2),
        "That is p(h = 1 | x) in place of the log of the factor.": (
            -(x @ b) - torch.sigmoid(up).sum(-1)
        ),
    }


@exercise(
    9,
    "against averages over all hidden states, row by row, for batches of different sizes",
    lambda: [
        (rows(6, 4), rows(9, 4), *weights(4, 3)),
        (rows(5, 3), rows(2, 3), *weights(3, 5)),
        (rows(3, 4), rows(8, 4), *weights(4, 4)),
        (rows(1, 2), rows(3, 2), *weights(2, 1, scale=3.0)),
    ],
)
def weight_update(x, dream, W, b, c):
    """Both averages, with p(h|x) from a table of all h."""

    def average(images: Tensor) -> Tensor:
        log_terms, h = minus_energies(images, W, b, c)
        p = log_terms.softmax(1) @ h  # (B, M)
        return torch.stack([torch.outer(i, q) for i, q in zip(images, p, strict=True)]).mean(0)

    of_data, of_dream = average(x), average(dream)
    right, B, N = of_data - of_dream, len(x), len(dream)
    wrong_h = torch.sigmoid(c + x @ W).mean(0)
    return right, {
        "Data minus dream, not the other way round.": -right,
        "Averages over the rows, not sums.": B * of_data - N * of_dream,
        "The dreams are averaged over their own number of rows.": of_data - N * of_dream / B,
        "The data are averaged over their own number of rows.": B * of_data / N - of_dream,
        "Where is the dream?": of_data,
        "That is the dream's term. Where are the data?": of_dream,
        "Minus, not plus: the dream lowers what it shows too often.": of_data + of_dream,
        "The hidden biases are missing in p(h = 1 | x).": (
            x.T @ torch.sigmoid(x @ W) / B - dream.T @ torch.sigmoid(dream @ W) / N
        ),
        "Use the probabilities of the hidden units: the sigmoid is missing.": (
            x.T @ (c + x @ W) / B - dream.T @ (c + dream @ W) / N
        ),
        "The shape is that of W, (D, M): pixels first.": right.T,
        "First the product of pixel and unit for each row, then the average over rows.": (
            torch.outer(x.mean(0), wrong_h)
            - torch.outer(dream.mean(0), torch.sigmoid(c + dream @ W).mean(0))
        ),
        "That is the update of the visible biases.": x.mean(0) - dream.mean(0),
        "That is the update of the hidden biases.": (
            wrong_h - torch.sigmoid(c + dream @ W).mean(0)
        ),
    }


def layer_of(B: int, first: int, second: int) -> tuple[Tensor, ...]:
    """q_1, q_3, W_2, W_3 and c_2; h_3 is as large as h_2, so that no slip stops."""
    return (
        torch.rand(B, first),
        torch.rand(B, second),
        torch.randn(first, second),
        torch.randn(second, second),
        torch.randn(second),
    )


@exercise(
    9,
    "unit by unit, against what the average energy gains when the unit is 1 and not 0",
    lambda: [layer_of(5, 4, 3), layer_of(2, 3, 5), layer_of(1, 2, 2), layer_of(7, 6, 4)],
)
def middle_layer(q_1, q_3, W_2, W_3, c_2):
    """The log odds of a unit are -E for h_j = 1 less -E for h_j = 0, on average."""
    B, M = len(q_1), len(c_2)
    logits = torch.stack(
        [
            c_2[j] + (q_1[n] * W_2[:, j]).sum() + (W_3[j] * q_3[n]).sum()
            for n in range(B)
            for j in range(M)
        ]
    ).view(B, M)
    from_1, from_3 = q_1 @ W_2, q_3 @ W_3.T
    return torch.sigmoid(logits), {
        "A probability is between 0 and 1: the sigmoid is missing.": logits,
        "The layer above speaks, too: where is q_3?": torch.sigmoid(c_2 + from_1),
        "The layer below speaks, too: where is q_1?": torch.sigmoid(c_2 + from_3),
        "The biases are missing.": torch.sigmoid(from_1 + from_3),
        "That is the probability of 0: check the sign.": torch.sigmoid(-logits),
        "W_3 leads from h_2 up to h_3. Its transpose leads down.": (
            torch.sigmoid(c_2 + from_1 + q_3 @ W_3)
        ),
        "Links lower the energy on both sides: add both layers.": (
            torch.sigmoid(c_2 + from_1 - from_3)
        ),
        "Both layers are added, not averaged.": torch.sigmoid(c_2 + 0.5 * (from_1 + from_3)),
        "Use the probabilities q_1 and q_3 as they are, not rounded.": (
            torch.sigmoid(c_2 + q_1.round() @ W_2 + q_3.round() @ W_3.T)
        ),
        "Each unit by itself: a softmax would make them compete.": logits.softmax(-1),
        "First add what comes from both sides, then one sigmoid.": (
            torch.sigmoid(c_2 + from_1) * torch.sigmoid(c_2 + from_3)
        ),
        "One row for each image, not their mean.": torch.sigmoid(logits).mean(0),
    }


@exercise(
    9,
    "against a sum over all images",
    lambda: [
        (torch.randn(5), torch.randn(5), uniform(-1, 1)),
        (2 * torch.randn(3), torch.randn(3), uniform(-2, 2)),
        (torch.randn(8), torch.randn(8), uniform(-1, 1)),
        (torch.randn(2), torch.zeros(2), 0.5),
    ],
)
def share_of_second(w, b, c):
    """The energies of all (x, h), as a table."""
    x = all_states(len(w), like=w)
    logs = torch.stack([x @ b, x @ (b + w) + c])
    right = logs.flatten().softmax(0).view_as(logs)[1].sum()
    odds, gain = right / (1 - right), softplus(b + w) - softplus(b)
    return right, {
        "That is p(h = 0).": 1 - right,
        "Those are log odds. The sigmoid makes a probability of them.": odds.log(),
        "Those are odds, p / (1 - p).": odds,
        "The bias c of the hidden unit is missing.": torch.sigmoid(gain.sum()),
        "That is the share without any pixels: they pull at h, too.": (
            torch.sigmoid(torch.as_tensor(c).double())
        ),
        "h = 0 has a sum over all images, too: subtract its softplus(b).": (
            torch.sigmoid(c + softplus(b + w).sum())
        ),
        "For h = 1 the log odds of a pixel are b + w, not w alone.": (
            torch.sigmoid(c + (softplus(w) - softplus(b)).sum())
        ),
        "That is p(h = 1 | x) for the image of all ones.": torch.sigmoid(c + w.sum()),
        "That puts the pixels' probabilities into p(h | x). Sum over all images.": (
            torch.sigmoid(c + torch.sigmoid(b) @ w)
        ),
        "The logs of the factors are added up, not averaged.": torch.sigmoid(c + gain.mean()),
        "One number: the product runs over all pixels.": torch.sigmoid(c + gain),
        "The sign of the pixels' part: h = 1 stands above in the odds.": (
            torch.sigmoid(c - gain.sum())
        ),
        "The log of each pixel's sum: softplus, not the sum of exponentials.": (
            torch.sigmoid(c + ((b + w).exp() - b.exp()).sum())
        ),
    }
