"""What students might write for the exercises of notebooks 00 to 02; see test_exercises.py."""

import math

import numpy as np
import torch

NOISY = {"draw_codes"}  # answers that are compared within their noise


# --- 00 ------------------------------------------------------------------------------------------


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


# --- 01 ------------------------------------------------------------------------------------------


def denoiser_by_inverse(S, sigma):
    S = np.asarray(S)
    G = S @ np.linalg.inv(S + sigma**2 * np.eye(len(S)))
    return G, sigma**2 * np.trace(G)


def denoiser_by_svd(S, sigma):
    U, values, _ = torch.linalg.svd(S)
    G = (U * (values / (values + sigma**2))) @ U.T
    error = 0.0
    for value in values.tolist():
        error += value * sigma**2 / (value + sigma**2)
    return G, error


def denoiser_by_lstsq(S, sigma):
    G = torch.linalg.lstsq(S + sigma**2 * torch.eye(len(S), dtype=S.dtype), S).solution.T
    rest = torch.eye(len(S), dtype=S.dtype) - G
    return [G, torch.trace(rest @ S @ rest.T) + sigma**2 * G.square().sum()]


def denoiser(S, sigma, G_of=None, error_of=None):
    inverse = torch.linalg.inv(S + sigma**2 * torch.eye(len(S), dtype=S.dtype))
    G = S @ inverse
    error = sigma**2 * G.trace()
    return (G_of(S, sigma, inverse) if G_of else G), (error_of(S, sigma, G) if error_of else error)


# --- 02 ------------------------------------------------------------------------------------------


def posterior(x, W, mu, var):
    A = W.T @ W + var * torch.eye(W.shape[1])
    return (x - mu) @ W @ torch.linalg.inv(A), var * torch.linalg.inv(A)


def draws_by_distribution(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    return torch.distributions.MultivariateNormal(mean[0], cov).sample((n,))


def draws_by_eigenvectors(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    values, vectors = torch.linalg.eigh(cov)
    return (mean.T + vectors @ (values.sqrt()[:, None] * torch.randn(len(cov), n))).T


def draws_by_numpy(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    return np.random.multivariate_normal(mean[0].numpy(), cov.numpy(), n)


def draws_by_loop(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    F, z = torch.linalg.cholesky(cov), torch.zeros(n, W.shape[1])
    for i in range(n):
        z[i] = mean[0] + F @ torch.randn(W.shape[1])
    return z


def draws(rule):
    """Draws by rule(mean, cov, F, n, M), where F is the Cholesky factor."""

    def draw_codes(x, W, mu, var, n):
        mean, cov = posterior(x[None], W, mu, var)
        return rule(mean, cov, torch.linalg.cholesky(cov), n, W.shape[1])

    return draw_codes


def information_by_entropies(W, var):
    D = len(W)
    C = W @ W.T + var * torch.eye(D)
    h_x = 0.5 * torch.linalg.slogdet(C)[1] + D / 2 * math.log(2 * math.pi * math.e)
    return h_x - D / 2 * math.log(2 * math.pi * math.e * var)


def log_A(W, var):
    return torch.logdet(W.T @ W + var * torch.eye(W.shape[1]))


def hidden(W_h, W_s, var):
    """W_h inv(A) W_h^T and the identity of its size."""
    A = W_s.T @ W_s + var * torch.eye(W_s.shape[1])
    return W_h @ torch.linalg.inv(A) @ W_h.T, torch.eye(len(W_h))


def hidden_by_block(W_h, W_s, var):
    """The inverse of the hidden block of the precision matrix (PRML 2.73)."""
    W = torch.cat([W_h, W_s])
    precision = torch.linalg.inv(W @ W.T + var * torch.eye(len(W)))
    return torch.linalg.inv(precision[: len(W_h), : len(W_h)])


def hidden_numpy(W_h, W_s, var):
    W_h, W_s = W_h.double().numpy(), W_s.double().numpy()
    A = W_s.T @ W_s + var * np.eye(W_s.shape[1])
    return W_h @ (var * np.linalg.solve(A, W_h.T)) + var * np.identity(W_h.shape[0])


def numbers(A_11=3.0, mean=1.0, variance=1 / 3, det=3.0):
    return A_11, mean, variance, det


RIGHT = {
    "bits_per_dimension": [
        lambda log_p, D: -(log_p - D * np.log(256)) / (D * np.log(2)),
        lambda log_p, D: torch.tensor([8.0]) - log_p / (D * math.log(2)),
        lambda log_p, D: np.log2(256.0) - (log_p / D) * math.log2(math.e),
    ],
    "targeted": [sign_step, small_steps, image_by_image],
    "ring_of_four": [
        ring_by_matrix,
        lambda J: 2 * math.exp(4 * J) + 12 * math.exp(2 * J) + 2,
        lambda J: 2 * torch.exp(4 * J) + 12 * torch.exp(2 * J) + 2,
        lambda J: 2 * (4 * J).exp() + 12 * (2 * J).exp() + 2,
    ],
    "best_variances": [
        variances_by_loop,
        lambda r, x, mu: (
            torch.einsum("nk,nk->k", r, torch.cdist(x, mu) ** 2) / r.sum(0) / x.size(1)
        ),
        lambda r, x, mu: np.stack(
            [
                np.average((x.numpy() - m) ** 2, axis=0, weights=r[:, k].numpy()).mean()
                for k, m in enumerate(mu.numpy())
            ]
        ),
    ],
    "share_explained_by_noise": [
        lambda clean, attacked, shaken: (
            (sum(clean) - sum(shaken)).item() / (sum(clean) - sum(attacked)).item()
        ),
        lambda clean, attacked, shaken: (
            np.mean((shaken - clean).numpy()) / np.mean((attacked - clean).numpy())
        ),
        lambda clean, attacked, shaken: (
            (clean.double() - shaken).sum() / (clean.double() - attacked).sum()
        ),
    ],
    "share_explained": [
        lambda eigenvalues, M: (eigenvalues.cumsum(0) / eigenvalues.sum())[M - 1],
        lambda eigenvalues, M: sum(eigenvalues.tolist()[:M]) / sum(eigenvalues.tolist()),
        lambda eigenvalues, M: 1 - np.sum(eigenvalues.numpy()[M:]) / np.sum(eigenvalues.numpy()),
    ],
    "hole_loss": [
        lambda x, x_hat, mask: torch.where(mask == 0, (x - x_hat) ** 2, 0.0).sum(dim=1),
        lambda x, x_hat, mask: (
            (x - x_hat).double().square().sum(1) - (mask * (x - x_hat)).double().square().sum(1)
        ),
        lambda x, x_hat, mask: np.array(
            [float(((a - b)[m < 0.5] ** 2).sum()) for a, b, m in zip(x, x_hat, mask)]
        ),
        lambda x, x_hat, mask: torch.linalg.vector_norm((1 - mask) * (x - x_hat), dim=1) ** 2,
    ],
    "best_bias": [
        lambda W, V, x_bar: x_bar - W @ V @ x_bar,
        lambda W, V, x_bar: (torch.eye(len(x_bar), dtype=W.dtype) - W @ V).mv(x_bar),
        lambda W, V, x_bar: x_bar.numpy() - W.numpy() @ (V.numpy() @ x_bar.numpy()),
        lambda W, V, x_bar: x_bar - torch.einsum("dm,me,e->d", W, V, x_bar),
    ],
    "best_encoder": [
        torch.linalg.pinv,
        lambda W: torch.linalg.inv(W.T @ W) @ W.T,
        lambda W: torch.linalg.lstsq(W, torch.eye(len(W), dtype=W.dtype)).solution,
        lambda W: np.linalg.pinv(W.numpy()),
    ],
    "linear_denoiser": [denoiser_by_inverse, denoiser_by_svd, denoiser_by_lstsq],
    "pixel_std": [
        lambda W, var: torch.sqrt(torch.einsum("dm,dm->d", W, W) + var),
        lambda W, var: np.sqrt(np.sum(W.numpy() ** 2, axis=1) + var),
        lambda W, var: torch.tensor([math.sqrt(float(w @ w) + var) for w in W]),
        lambda W, var: torch.hypot(W.norm(dim=1), var.sqrt()),
        lambda W, var: (W @ W.T + var * torch.eye(len(W))).diagonal().sqrt(),
    ],
    "two_pixels": [
        (3, 1, 0.333, 3),
        [torch.tensor(3.0), torch.tensor([1.0]), np.float64(1 / 3), torch.tensor([[3.0]])],
        torch.tensor([3.0, 1.0, 1 / 3, 3.0]),
        numbers(variance=0.33),
        numbers(variance=np.float32(0.333)),
    ],
    "draw_codes": [
        draws_by_distribution,
        draws_by_eigenvectors,
        draws_by_numpy,
        draws_by_loop,
    ],
    "information": [
        information_by_entropies,
        lambda W, var: torch.log1p(torch.linalg.svdvals(W) ** 2 / var).sum() / 2,
        lambda W, var: 0.5 * (log_A(W, var) - W.shape[1] * torch.log(var)),
        lambda W, var: -0.5 * np.linalg.slogdet(posterior(W[:, 0], W, 0.0, var)[1].numpy())[1],
    ],
    "hidden_covariance": [
        hidden_by_block,
        lambda W_h, W_s, var: (
            W_h @ torch.linalg.solve(W_s.T @ W_s / var + torch.eye(W_s.shape[1]).double(), W_h.T)
            + var * torch.eye(len(W_h)).double()
        ),
        hidden_numpy,
        lambda W_h, W_s, var: var * (hidden(W_h, W_s, var)[0] + hidden(W_h, W_s, var)[1]),
    ],
}

WRONG = {
    "bits_per_dimension": {
        "uniform pixels cost": lambda log_p, D: -log_p / (D * math.log(2)),
        "in nats": lambda log_p, D: (D * math.log(256) - log_p) / D,
        "Check a sign": lambda log_p, D: (D * math.log(256) + log_p) / (D * math.log(2)),
        "Only one of the D": lambda log_p, D: (math.log(256) - log_p) / (D * math.log(2)),
        "the whole image": lambda log_p, D: (D * math.log(256) - log_p) / math.log(2),
        "not 255 x": lambda log_p, D: (D * math.log(255) - log_p) / (D * math.log(2)),
        "256 times as wide": lambda log_p, D: -(D * math.log(256) + log_p) / (D * math.log(2)),
    },
    "targeted": {
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
    },
    "ring_of_four": {
        "an open chain": lambda J: 2 * (math.exp(J) + 1) ** 3,
        "counts once": lambda J: math.exp(4 * J) + math.exp(2 * J) + 1,
        "not exp(-J)": lambda J: (2 * math.cosh(J)) ** 4 + (2 * math.sinh(J)) ** 4,
        "both eigenvalues": lambda J: (math.exp(J) + 1) ** 4,
        "not free": lambda J: 2 * (math.exp(J) + 1) ** 4,
        "Count again": lambda J: 2 * math.exp(4 * J) + 8 * math.exp(2 * J) + 6,
        "not eight": lambda J: 2 * math.exp(8 * J) + 12 * math.exp(4 * J) + 2,
        "entry by entry": lambda J: (ring_matrix(math.exp(J)) ** 4).trace(),
        "a ring of three pixels": lambda J: ring_matrix(math.exp(J)).matrix_power(3).trace(),
        "e^J, not J": lambda J: ring_matrix(J).matrix_power(4).trace(),
    },
    "best_variances": {
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
        "the number of components": (
            lambda r, x, mu: (r * squares(x, mu)).sum(0) / (r.shape[1] * r.sum(0))
        ),
        "to one component": lambda r, x, mu: torch.stack(
            [squares(x, mu)[r.argmax(1) == k, k].mean() / x.shape[1] for k in range(len(mu))]
        ),
        "not the responsibilities": lambda r, x, mu: (
            (r[:, :, None] * (x[:, None] - mu)).square().sum((0, 2)) / (x.shape[1] * r.sum(0))
        ),
    },
    "share_explained_by_noise": {
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
    },
    "share_explained": {
        "too many": lambda eigenvalues, M: eigenvalues[: M + 1].sum() / eigenvalues.sum(),
        "too few": lambda eigenvalues, M: eigenvalues[: M - 1].sum() / eigenvalues.sum(),
        "*smallest*": lambda eigenvalues, M: eigenvalues[-M:].sum() / eigenvalues.sum(),
        "*lost*": lambda eigenvalues, M: 1 - eigenvalues[:M].sum() / eigenvalues.sum(),
        "variances already": (
            lambda eigenvalues, M: (eigenvalues[:M] ** 2).sum() / (eigenvalues**2).sum()
        ),
        "M-th component alone": lambda eigenvalues, M: eigenvalues[M - 1] / eigenvalues.sum(),
        "not yet a share": lambda eigenvalues, M: eigenvalues[:M].sum(),
        "two means": lambda eigenvalues, M: eigenvalues[:M].mean() / eigenvalues.mean(),
        "against lost": lambda eigenvalues, M: eigenvalues[:M].sum() / eigenvalues[M:].sum(),
        "the *number* of": lambda eigenvalues, M: M / len(eigenvalues),
    },
    "hole_loss": {
        "*observed*": lambda x, x_hat, mask: (mask * (x - x_hat)).square().sum(-1),
        "for all pixels": lambda x, x_hat, mask: (x - x_hat).square().sum(-1),
        "A mean over": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().mean(-1),
        "whole batch": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().sum(),
        "without the square": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).abs().sum(-1),
        "(axis 0)": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().sum(0),
        "Only x is masked": lambda x, x_hat, mask: ((1 - mask) * x - x_hat).square().sum(1),
        "the masked image says 0": lambda x, x_hat, mask: (
            ((1 - mask) * (mask * x - x_hat)).square().sum(1)
        ),
        "then sum": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).sum(1).square(),
        "opposite signs": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).sum(1),
        "Not per missing pixel": lambda x, x_hat, mask: (
            ((1 - mask) * (x - x_hat)).square().sum(1) / (1 - mask).sum(1)
        ),
    },
    "best_bias": {
        "WV, too, acts": lambda W, V, x_bar: x_bar,
        "put the mean back": lambda W, V, x_bar: -W @ (V @ x_bar),
        "not what it keeps": lambda W, V, x_bar: W @ (V @ x_bar),
        "A sign": lambda W, V, x_bar: x_bar + W @ (V @ x_bar),
        "Without a bias": lambda W, V, x_bar: torch.zeros_like(x_bar),
        "the transpose of WV": lambda W, V, x_bar: x_bar - x_bar @ W @ V,
        "the transpose of W.": lambda W, V, x_bar: x_bar - W @ W.T @ x_bar,
        "the best one for W": lambda W, V, x_bar: x_bar - W @ torch.linalg.pinv(W) @ x_bar,
    },
    "best_encoder": {
        "orthonormal": lambda W: W.T,
        "The inverse is missing": lambda W: W.T @ W @ W.T,
        "Scaled columns": lambda W: (W / W.square().sum(0)).T,
        "The wrong way round": lambda W: W @ torch.linalg.inv(W.T @ W),
        "the projection WV": lambda W: W @ torch.linalg.inv(W.T @ W) @ W.T,
        "entry by entry": lambda W: (W.T @ W) ** -1 @ W.T,
        "Dividing by one number": lambda W: W.T / W.square().sum(),
        "You add something": lambda W: torch.linalg.inv(W.T @ W + torch.eye(W.shape[1])) @ W.T,
    },
    "linear_denoiser": {
        "the variance sigma squared": lambda S, sigma: denoiser(
            S,
            sigma,
            lambda S, s, inverse: torch.linalg.solve(S + s * torch.eye(len(S)).to(S), S),
        ),
        "what does it multiply": lambda S, sigma: denoiser(
            S, sigma, lambda S, s, inverse: inverse
        ),
        "I - G": lambda S, sigma: denoiser(S, sigma, lambda S, s, inverse: s**2 * inverse),
        "the diagonal only": lambda S, sigma: denoiser(
            S, sigma, lambda S, s, inverse: S @ torch.linalg.inv(S + s**2)
        ),
        "divides entry by entry": lambda S, sigma: denoiser(
            S, sigma, lambda S, s, inverse: S / (S + s**2 * torch.eye(len(S)))
        ),
        "the other matrix": lambda S, sigma: denoiser(
            S,
            sigma,
            lambda S, s, inverse: torch.linalg.inv(S) @ (S + s**2 * torch.eye(len(S))),
        ),
        "not all entries": lambda S, sigma: denoiser(
            S, sigma, None, lambda S, s, G: s**2 * G.sum()
        ),
        "what G blurs away of x is missing": lambda S, sigma: denoiser(
            S, sigma, None, lambda S, s, G: s**2 * (G @ G.T).trace()
        ),
        "the noise that passes G is missing": lambda S, sigma: denoiser(
            S, sigma, None, lambda S, s, G: (S - 2 * G @ S + G @ S @ G.T).trace()
        ),
        "the trace needs a factor": lambda S, sigma: denoiser(
            S, sigma, None, lambda S, s, G: G.trace()
        ),
        "sigma, where its square": lambda S, sigma: denoiser(
            S, sigma, None, lambda S, s, G: s * G.trace()
        ),
    },
    "pixel_std": {
        "Those are variances": lambda W, var: W.square().sum(1) + var,
        "The noise has a share": lambda W, var: W.square().sum(1).sqrt(),
        "Variances add": lambda W, var: W.norm(dim=1) + math.sqrt(var),
        "sigma squared already": lambda W, var: (W.square().sum(1) + var**2).sqrt(),
        "for each *latent*": lambda W, var: (W.square().sum(0) + var).sqrt(),
        "whatever their sign": lambda W, var: (W.sum(1).square() + var).sqrt(),
        "no mean": lambda W, var: (W.square().mean(1) + var).sqrt(),
        "The noise comes once": lambda W, var: (W.square() + var).sum(1).sqrt(),
        "not only the noise": lambda W, var: np.full(len(W), var**0.5),
        "the numbers in W scatter": lambda W, var: W.std(dim=1),
    },
    "two_pixels": {
        "what does the noise add": numbers(A_11=2.0),
        "A is still missing": numbers(mean=3.0),
        "the prior pulls": numbers(mean=1.5),
        "makes *surer*": numbers(variance=3.0),
        "that is its root": numbers(variance=0.577),
        "more digits": numbers(variance=0.3),
        "before x was seen": numbers(variance=1.0),
        "singular": numbers(det=0.0),
        "the diagonal alone": numbers(det=4.0),
        "between the two diagonals": numbers(det=5.0),
    },
    "draw_codes": {
        "share one": draws(
            lambda mean, cov, F, n, M: mean + torch.randn(1, M) @ F.T * 1e-9 + torch.zeros(n, M)
        ),
        "its root F belongs": draws(lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ cov),
        "F or its transpose": draws(lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ F),
        "must vary together": draws(
            lambda mean, cov, F, n, M: mean + torch.randn(n, M) * cov.diagonal().sqrt()
        ),
        "the mean of the posterior is missing": draws(
            lambda mean, cov, F, n, M: torch.randn(n, M) @ F.T
        ),
        "draws from the prior": lambda x, W, mu, var, n: torch.randn(n, W.shape[1]),
        "the mean has the wrong sign": draws(
            lambda mean, cov, F, n, M: -mean + torch.randn(n, M) @ F.T
        ),
        "the mean lacks `mu`": lambda x, W, mu, var, n: draws_by_distribution(
            x, W, torch.zeros_like(mu), var, n
        ),
        "the precision": draws(
            lambda mean, cov, F, n, M: (
                mean + torch.randn(n, M) @ torch.linalg.cholesky(torch.linalg.inv(cov)).T
            )
        ),
        "uniform on [0, 1]": draws(lambda mean, cov, F, n, M: mean + torch.rand(n, M) @ F.T),
        "the noise is not normal": draws(
            lambda mean, cov, F, n, M: mean + (torch.rand(n, M) - 0.5) * 12**0.5 @ F.T
        ),
        "a seed inside": draws(
            lambda mean, cov, F, n, M: (
                mean + torch.randn(n, M, generator=torch.Generator().manual_seed(1)) @ F.T
            )
        ),
        "NaN among the draws": draws(
            lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ cov.sqrt()
        ),
    },
    "information": {
        "The factor ½": lambda W, var: log_A(W, var) - W.shape[1] * math.log(var),
        "H(x|z) is missing": lambda W, var: 0.5 * log_A(W, var),
        "M or D": lambda W, var: 0.5 * (log_A(W, var) - len(W) * math.log(var)),
        "One log sigma^2": lambda W, var: 0.5 * (log_A(W, var) - math.log(var)),
        "squared already": lambda W, var: 0.5 * (log_A(W, var) - 2 * W.shape[1] * math.log(var)),
        "C is D x D": lambda W, var: (
            0.5 * (log_A(W.T, var) - W.shape[1] * math.log(var))  # W.T: W W^T and its noise
        ),
        "the noise is missing": lambda W, var: 0.5 * (log_A(W, 0) - W.shape[1] * math.log(var)),
        "|A| without": lambda W, var: 0.5 * (log_A(W, var).exp() - W.shape[1] * math.log(var)),
        "That is H(x) alone": lambda W, var: (
            0.5 * (log_A(W.T, var) + len(W) * math.log(2 * math.pi * math.e))
        ),
        "A sign": lambda W, var: 0.5 * (log_A(W, var) + W.shape[1] * math.log(var)),
        "In bits": lambda W, var: 0.5 * (log_A(W, var) - W.shape[1] * math.log(var)) / math.log(2),
    },
    "hidden_covariance": {
        "Two things are uncertain": lambda W_h, W_s, var: var * hidden(W_h, W_s, var)[0],
        "not A^-1 alone": lambda W_h, W_s, var: (
            hidden(W_h, W_s, var)[0] + var * hidden(W_h, W_s, var)[1]
        ),
        "The inverse of A belongs": lambda W_h, W_s, var: (
            var * W_h @ (W_s.T @ W_s + var * torch.eye(W_s.shape[1])) @ W_h.T
            + var * torch.eye(len(W_h))
        ),
        "before anything is seen": lambda W_h, W_s, var: W_h @ W_h.T + var * torch.eye(len(W_h)),
        "build it from W_s": lambda W_h, W_s, var: (
            var * hidden(W_h, W_h, var)[0] + var * torch.eye(len(W_h))
        ),
        "squared already": lambda W_h, W_s, var: (
            var * hidden(W_h, W_s, var)[0] + var**2 * torch.eye(len(W_h))
        ),
        "from all rows": lambda W_h, W_s, var: (
            var * hidden(W_h, torch.cat([W_h, W_s]), var)[0] + var * torch.eye(len(W_h))
        ),
        "`+ var` changes": lambda W_h, W_s, var: var * hidden(W_h, W_s, var)[0] + var,
        "what x_s explains": lambda W_h, W_s, var: W_h @ W_h.T - var * hidden(W_h, W_s, var)[0],
        "A sign": lambda W_h, W_s, var: (
            2 * W_h @ W_h.T - var * hidden(W_h, W_s, var)[0] + var * torch.eye(len(W_h))
        ),
    },
}
