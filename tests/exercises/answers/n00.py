"""What students might write for the exercises of notebook 00; `answers` says how it is used."""

import math

import numpy as np
import torch

RIGHT, WRONG = {}, {}


def log_prob_of_class(classifier, x, y):
    return torch.log_softmax(classifier(x), dim=-1).gather(-1, y[:, None])[:, 0]


def sign_step(classifier, x, target, epsilon):
    """By cross-entropy and backward()."""
    x_new = x.clone().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(classifier(x_new), target, reduction="sum")
    loss.backward()
    return torch.clip(x - epsilon * torch.sign(x_new.grad), min=0, max=1)


def small_steps(classifier, x, target, epsilon):
    """Twenty steps, pulled back after each."""
    x_new = x
    for _ in range(20):
        x_new = x_new.detach().requires_grad_()
        (g,) = torch.autograd.grad(log_prob_of_class(classifier, x_new, target).mean(), x_new)
        x_new = x_new.detach() + epsilon / 8 * g.sign()
        x_new = torch.minimum(torch.maximum(x_new, x - epsilon), x + epsilon).clamp(0, 1)
    return x_new


def image_by_image(classifier, x, target, epsilon):
    rows = []
    for image, wanted in zip(x, target):
        row = image[None].clone().requires_grad_()
        classifier(row)[0, wanted].backward(retain_graph=True)
        up = row.grad.clone()
        row.grad = None
        torch.logsumexp(classifier(row), -1).sum().backward()
        rows.append((image + epsilon * (up - row.grad)[0].sign()).clamp(0, 1))
    return torch.stack(rows).numpy()


def attack(move):
    """An attack whose step is move(gradient, epsilon); the rest is right."""

    def targeted(classifier, x, target, epsilon):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(log_prob_of_class(classifier, x, target).sum(), x)
        return (x + move(g, epsilon)).clamp(0, 1).detach()

    return targeted


def away_from_what_is_seen(classifier, x, target, epsilon):
    seen = classifier(x).argmax(1)
    return attack(lambda g, e: -e * g.sign())(classifier, x, 1 - seen, epsilon)


def away_from_what_is_seen_now(classifier, x, target, epsilon):
    return attack(lambda g, e: -e * g.sign())(classifier, x, classifier(x).argmax(1), epsilon)


def up_the_logit(classifier, x, target, epsilon):
    x = x.detach().requires_grad_()
    classifier(x).gather(1, target[:, None]).sum().backward()
    return (x + epsilon * x.grad.sign()).clamp(0, 1).detach()


def without_clamp(classifier, x, target, epsilon):
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(log_prob_of_class(classifier, x, target).sum(), x)
    return x + epsilon * g.sign()


def ring_by_matrix(J):
    T = np.array([[math.exp(J), 1.0], [1.0, math.exp(J)]])
    return np.trace(np.linalg.matrix_power(T, 4))


def ring_matrix(agreeing):
    return torch.tensor([[agreeing, 1.0], [1.0, agreeing]], dtype=torch.float64)


def variances_by_loop(r, x, mu):
    result = []
    for k in range(mu.shape[0]):
        total = sum(float(r[n, k]) * float((x[n] - mu[k]) @ (x[n] - mu[k])) for n in range(len(x)))
        result.append(total / (x.shape[1] * float(r[:, k].sum())))
    return result


def squares(x, mu):
    return (x[:, None] - mu).square().sum(-1)


RIGHT["bits_per_dimension"] = [
    lambda log_p, D: -(log_p - D * np.log(256)) / (D * np.log(2)),
    lambda log_p, D: torch.tensor([8.0]) - log_p / (D * math.log(2)),
    lambda log_p, D: np.log2(256.0) - (log_p / D) * math.log2(math.e),
]

WRONG["bits_per_dimension"] = {
    "you multiplied.": lambda log_p, D: (D * math.log(256) - log_p) * math.log(2) / D,
    "you multiplied log p": lambda log_p, D: 8 - log_p * math.log(2) / D,
    "uniform pixels cost": lambda log_p, D: -log_p / (D * math.log(2)),
    "That is in nats": lambda log_p, D: (D * math.log(256) - log_p) / D,
    "still in nats": lambda log_p, D: math.log2(256) - log_p / D,
    "log 256 is in nats": lambda log_p, D: math.log(256) - log_p / (D * math.log(2)),
    "in bits already": lambda log_p, D: (D * math.log2(256) - log_p) / (D * math.log(2)),
    "Check a sign": lambda log_p, D: (D * math.log(256) + log_p) / (D * math.log(2)),
    "Only one of the D": lambda log_p, D: (math.log(256) - log_p) / (D * math.log(2)),
    "the whole image": lambda log_p, D: (D * math.log(256) - log_p) / math.log(2),
    "not 255 x": lambda log_p, D: (D * math.log(255) - log_p) / (D * math.log(2)),
    "256 times as wide": lambda log_p, D: -(D * math.log(256) + log_p) / (D * math.log(2)),
}

RIGHT["targeted"] = [sign_step, small_steps, image_by_image]

WRONG["targeted"] = {
    "you go down": attack(lambda g, e: -e * g.sign()),
    "the gradient itself": attack(lambda g, e: e * g),
    "the class that is seen": away_from_what_is_seen,
    "in one direction": attack(lambda g, e: e * g.sum(0).sign()),
    "Nothing moved": lambda classifier, x, target, epsilon: x,
    "You go away": away_from_what_is_seen_now,
    "for the whole image": attack(lambda g, e: e * g / g.norm(dim=1, keepdim=True)),
    "no log-probability": up_the_logit,
    "It returns 2 things": lambda *given: (sign_step(*given), given[1]),
    "more than epsilon": attack(lambda g, e: 2 * e * g.sign()),
    "left [0, 1]": without_clamp,
}

RIGHT["ring_of_four"] = [
    ring_by_matrix,
    lambda J: 2 * math.exp(4 * J) + 12 * math.exp(2 * J) + 2,
    lambda J: 2 * torch.exp(4 * J) + 12 * torch.exp(2 * J) + 2,
    lambda J: 2 * (4 * J).exp() + 12 * (2 * J).exp() + 2,
]

WRONG["ring_of_four"] = {
    "an open chain": lambda J: 2 * (math.exp(J) + 1) ** 3,
    "counts once": lambda J: math.exp(4 * J) + math.exp(2 * J) + 1,
    "not exp(-J)": lambda J: (2 * math.cosh(J)) ** 4 + (2 * math.sinh(J)) ** 4,
    "both eigenvalues": lambda J: (math.exp(J) + 1) ** 4,
    "not free": lambda J: 2 * (math.exp(J) + 1) ** 4,
    "Count again": lambda J: 2 * math.exp(4 * J) + 8 * math.exp(2 * J) + 6,
    "count, too": lambda J: 2 * math.exp(4 * J) + 12 * math.exp(2 * J),
    "have no agreeing pair": lambda J: 2 * math.exp(4 * J) + 13 * math.exp(2 * J) + 1,
    "not eight": lambda J: 2 * math.exp(8 * J) + 12 * math.exp(4 * J) + 2,
    "entry by entry": lambda J: (ring_matrix(math.exp(J)) ** 4).trace(),
    "a ring of three pixels": lambda J: ring_matrix(math.exp(J)).matrix_power(3).trace(),
    "e^J, not J": lambda J: ring_matrix(J).matrix_power(4).trace(),
}

RIGHT["best_variances"] = [
    variances_by_loop,
    lambda r, x, mu: torch.einsum("nk,nk->k", r, torch.cdist(x, mu) ** 2) / r.sum(0) / x.size(1),
    lambda r, x, mu: np.stack(
        [
            np.average((x.numpy() - m) ** 2, axis=0, weights=r[:, k].numpy()).mean()
            for k, m in enumerate(mu.numpy())
        ]
    ),
]

WRONG["best_variances"] = {
    "D squares": lambda r, x, mu: (r * squares(x, mu)).sum(0) / r.sum(0),
    "not by the number of points": (
        lambda r, x, mu: (r * squares(x, mu)).sum(0) / (x.shape[0] * x.shape[1])
    ),
    "standard deviations": (
        lambda r, x, mu: ((r * squares(x, mu)).sum(0) / (x.shape[1] * r.sum(0))).sqrt()
    ),
    "Where are the responsibilities": lambda r, x, mu: squares(x, mu).mean(0) / x.shape[1],
    "their squares belong": (
        lambda r, x, mu: (r * squares(x, mu).sqrt()).sum(0) / (x.shape[1] * r.sum(0))
    ),
    "weigh together": lambda r, x, mu: (r * squares(x, mu)).sum(0) / x.shape[1],
    "not from new means": lambda r, x, mu: (
        (r * squares(x, r.T @ x / r.sum(0)[:, None])).sum(0) / (x.shape[1] * r.sum(0))
    ),
    "One number for all components": (
        lambda r, x, mu: (r * squares(x, mu)).sum() / (x.shape[1] * r.sum())
    ),
    "the number of components": (
        lambda r, x, mu: (r * squares(x, mu)).sum(0) / (r.shape[1] * r.sum(0))
    ),
    "to one component": lambda r, x, mu: torch.stack(
        [squares(x, mu)[r.argmax(1) == k, k].mean() / x.shape[1] for k in range(len(mu))]
    ),
    "not the responsibilities": lambda r, x, mu: (
        (r[:, :, None] * (x[:, None] - mu)).square().sum((0, 2)) / (x.shape[1] * r.sum(0))
    ),
}

RIGHT["share_explained_by_noise"] = [
    lambda clean, attacked, shaken: (
        (sum(clean) - sum(shaken)).item() / (sum(clean) - sum(attacked)).item()
    ),
    lambda clean, attacked, shaken: (
        np.mean((shaken - clean).numpy()) / np.mean((attacked - clean).numpy())
    ),
    lambda clean, attacked, shaken: (
        (clean.double() - shaken).sum() / (clean.double() - attacked).sum()
    ),
]

WRONG["share_explained_by_noise"] = {
    "Upside down": lambda clean, attacked, shaken: (
        (clean - attacked).mean() / (clean - shaken).mean()
    ),
    "A mean of ratios": lambda clean, attacked, shaken: (
        (clean - shaken) / (clean - attacked)
    ).mean(),
    "A ratio for each image": lambda clean, attacked, shaken: (
        (clean - shaken) / (clean - attacked)
    ),
    "compare their *falls*": lambda clean, attacked, shaken: shaken.mean() / attacked.mean(),
    "Medians": lambda clean, attacked, shaken: (
        (clean - shaken).median() / (clean - attacked).median()
    ),
    "start from `clean`": lambda clean, attacked, shaken: (
        (clean - shaken).mean() / (shaken - attacked).mean()
    ),
    "does *not* explain": lambda clean, attacked, shaken: (
        1 - (clean - shaken).mean() / (clean - attacked).mean()
    ),
    "brackets": lambda clean, attacked, shaken: (
        clean.mean() - shaken.mean() / clean.mean() - attacked.mean()
    ),
    "no exp": lambda clean, attacked, shaken: (
        (clean.exp() - shaken.exp()).mean() / (clean.exp() - attacked.exp()).mean()
    ),
    "no absolute values": lambda clean, attacked, shaken: (
        (clean - shaken).abs().mean() / (clean - attacked).abs().mean()
    ),
    "do not cut": lambda clean, attacked, shaken: (
        (clean - shaken).mean() / (clean - attacked).mean()
    ).clamp(0, 1),
}
