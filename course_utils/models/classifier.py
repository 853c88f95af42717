"""The classifier of notebook 00, its training, and the attacks that fool it."""

import math

import torch
from torch import Tensor, nn

from course_utils.arguments import count, counts, number
from course_utils.models.layers import check_width, mlp


class Classifier(nn.Module):
    r"""Discriminative model of ten digits: one hidden layer, logits out.

    $$p(y \mid x) = \operatorname{softmax}\big(\text{logits}(x)\big)_y$$

    Introduced in notebook 00, to be fooled. Trained by `training.train_classifier`.

    Args:
        hidden_dim: units of the hidden layer. data_dim: D. classes: number of classes.
    Raises:
        ValueError: for a size below 1, or an input of another width than D.
    """

    def __init__(self, hidden_dim: int = 128, data_dim: int = 784, classes: int = 10):
        super().__init__()
        self.options = counts(hidden_dim=hidden_dim, data_dim=data_dim, classes=classes)
        hidden_dim, data_dim, classes = self.options.values()
        self.data_dim = data_dim
        self.network = mlp(data_dim, hidden_dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (..., classes) of inputs (..., D)."""
        check_width(x, self.data_dim, "x")
        return self.network(x)


def train_classifier(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int = 2,
    batch_size: int = 200,
    learning_rate: float = 3e-3,
) -> None:
    """Maximise the mean log p(y|x) by Adam. The plain loop of notebook 00, where it is shown.

    Args:
        classifier: images (B, D) to logits, on the device to train on.
        images: (N, D) in [0, 1]. labels: int64 (N,).
    Raises:
        ValueError: for numbers of epochs or rows that are none, or a learning rate below 0.
    """
    epochs, batch_size = count("epochs", epochs, least=0), count("batch_size", batch_size)
    learning_rate = number(
        "learning_rate", learning_rate, "0 or more", lambda v: 0 <= v < math.inf
    )
    device = next(classifier.parameters()).device
    optimizer = torch.optim.Adam(classifier.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch_size):
            x, y = images[rows].to(device), labels[rows].to(device)
            loss = nn.functional.cross_entropy(classifier(x), y)  # mean of -log p(y|x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _log_prob_of_class(classifier: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """log p(y|x), (B,), for images (B, D) and classes int64 (B,)."""
    return torch.log_softmax(classifier(x), dim=-1).gather(-1, y[:, None])[:, 0]


def adversarial(classifier: nn.Module, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    r"""Images a little off x, pushed away from their class: the fast gradient sign attack.

    $$x_{adv} = \operatorname{clip}_{[0, 1]}\big(x - \epsilon
      \operatorname{sign} \nabla_x \log p(y \mid x)\big)$$

    Args:
        classifier: images (B, D) to logits. x: (B, D) in [0, 1]. y: int64 (B,), true classes.
        epsilon: the most that a pixel changes, 0 or more.
    Returns:
        (B, D), without gradient.
    Raises:
        ValueError: for a negative epsilon.
    Source: Goodfellow, Shlens and Szegedy (2015), section 4.
    """
    epsilon = number("epsilon", epsilon, "0 or more", lambda v: v >= 0)
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(_log_prob_of_class(classifier, x, y).sum(), x)
    return (x - epsilon * g.sign()).clamp(0, 1).detach()


def fooling_images(
    classifier: nn.Module,
    start: Tensor,
    y: Tensor,
    confidence: float = 0.999,
    step: float = 0.05,
    max_steps: int = 1000,
) -> Tensor:
    r"""Images climbed from `start` until the classifier is sure that they show class y.

    $$x \leftarrow \operatorname{clip}_{[0, 1]}\big(x + \eta\, g / \max_d |g_d|\big),
      \qquad g = \nabla_x \log p(y \mid x)$$

    Each image stops by itself once p(y|x) reaches `confidence`.

    Args:
        classifier: images (B, D) to logits. start: (B, D) in [0, 1]. y: int64 (B,).
        confidence: probability to reach. step: eta, the most that a pixel moves in one step.
        max_steps: after which the climb ends in any case.
    Returns:
        (B, D), without gradient.
    Raises:
        ValueError: for a confidence outside (0, 1), or steps that are no numbers.
    Source: after Nguyen, Yosinski and Clune (2015), who also climb by gradient ascent.
    """
    confidence = number("confidence", confidence, "a number in (0, 1)", lambda p: 0 < p < 1)
    step, max_steps = number("step", step, "a number"), count("max_steps", max_steps, least=0)
    x = start.detach().clone()
    for _ in range(max_steps):
        x.requires_grad_()
        log_p = _log_prob_of_class(classifier, x, y)
        unsure = log_p.exp() < confidence
        if not unsure.any():
            break
        (g,) = torch.autograd.grad(log_p.sum(), x)
        g = g / g.abs().amax(1, keepdim=True).clamp(min=1e-30)  # a saturated softmax gives 0
        x = torch.where(unsure[:, None], x + step * g, x).clamp(0, 1).detach()
    return x.detach()
