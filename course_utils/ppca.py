"""Probabilistic PCA, fitted three ways, with missing values. Introduced in notebook 02.

The generative story, with M latent dimensions and D > M observed ones:

    z ~ N(0, I)    x | z ~ N(W z + mu, sigma^2 I)    hence    x ~ N(mu, C), C = W W^T + sigma^2 I

Because every distribution is Gaussian, the posterior is exact. With A = W^T W + sigma^2 I, an
(M, M) matrix that PRML calls M, it is z | x ~ N(A^-1 W^T (x - mu), sigma^2 A^-1).

Everything is computed in float64 on the CPU, a block of rows at a time, so that x may stay in its
own dtype. Values are taken as they are: pixels in 0..255 get other densities than the same pixels
in [0, 1] (D log 255 nats apart). Log-likelihoods are in nats per row.

Sources: Tipping and Bishop, "Probabilistic Principal Component Analysis", JRSS B 61 (1999);
Bishop, "Pattern Recognition and Machine Learning" (PRML), section 12.2; Yu (2023), lecture 6.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from course_utils.arguments import count, described, number
from course_utils.data import as_tensor
from course_utils.distributions import LOG_2PI

METHODS = ("closed_form", "em", "gradient")
BLOCK_SIZE = 2**20  # float64 numbers in one block of rows: 8 MB
SMALLEST_NOISE = 1e-10  # noise variance over mean variance; below it the rows lie in a plane


class PPCA:
    """Probabilistic PCA with M = n_components latent dimensions. Introduced in notebook 02.

    After fit: mean (D,), weight (D, M), noise_variance (a float), and log_likelihoods, a list of
    mean log-likelihoods of the training rows (nats per row): the start first, the final one last,
    one entry for the closed form. The first three may also be set by hand.

    Only W W^T is identified: W R has the same likelihood for every rotation R. The closed form
    has orthogonal columns of falling length; EM and gradient ascent stop at some rotation of it.

    >>> x = torch.randn(100, 3) * torch.tensor([5.0, 1.0, 1.0])
    >>> model = PPCA(1).fit(x)
    >>> mean, cov = model.posterior(x)
    >>> mean.shape, cov.shape, model.log_prob(x).shape
    (torch.Size([100, 1]), torch.Size([1, 1]), torch.Size([100]))
    """

    def __init__(self, n_components: int) -> None:
        """Raises ValueError unless n_components is a whole number of at least 1."""
        self.n_components = count("n_components", n_components)
        self.mean: Tensor | None = None
        self.weight: Tensor | None = None
        self.noise_variance: float | None = None
        self.log_likelihoods: list[float] = []

    def __repr__(self) -> str:
        return f"PPCA(n_components={self.n_components})"

    def fit(
        self,
        x: Tensor,
        method: str = "closed_form",
        *,
        mask: Tensor | None = None,
        steps: int = 200,
        tolerance: float = 1e-7,
        generator: torch.Generator | None = None,
        moments: tuple[Tensor, Tensor] | None = None,
    ) -> PPCA:
        """Maximise the likelihood of the rows of x (N, D); returns self.

        method="closed_form": W = U (Lambda - sigma^2 I)^1/2 from the M leading eigenvectors U and
            eigenvalues Lambda of the covariance; sigma^2 is the mean of the D - M others, zeros
            too when N <= D (PRML 12.45, 12.46). The entry of largest size in a column is positive.
        method="em": expectation maximisation from a random W, O(NDM) a step (PRML 12.54 to 12.57),
            and the only method for missing values: mask (N, D) is True where x was observed, NaN
            is missing where no mask is given; O(NDM^2) a step. A row may lack every entry.
        method="gradient": L-BFGS on W and log sigma^2 from a random W; mu is the sample mean, the
            best one whatever W and sigma^2 are (PRML 12.44). The data enter by their covariance.

        EM and gradient take at most `steps` steps, and end once a step gains less than `tolerance`
        nats per row (-inf: never). generator draws the start (default: torch's global one).
        moments: sample_moments(x), to save that pass when many models are fitted to the same rows.

        Raises ValueError for wrong shapes, an unknown method, M >= D, a column never observed, NaN
        or inf where observed, and for rows in a plane of M dimensions (sigma^2 below 1e-10 of the
        mean variance): the likelihood has no maximum there.
        """
        steps = count("steps", steps, least=0)
        tolerance = number("tolerance", tolerance, "a number", lambda v: v == v)
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}")
        x, mask = _check(x, mask)
        x, dim = x.detach(), x.shape[1]
        if self.n_components >= dim:
            limits = f"in 1..{dim - 1} for data of D = {dim}"
            raise ValueError(f"n_components must be {limits}, got {self.n_components}")
        if mask is None and (missing := x.isnan()).any():
            mask = ~missing
        if mask is not None and mask.all():
            mask = None
        if mask is not None and method != "em":
            raise ValueError(f"missing values need method='em', got method={method!r}")
        if mask is not None and not mask.any(0).all():
            columns = (~mask.any(0)).nonzero().flatten().tolist()
            raise ValueError(f"each column must be observed at least once; never were: {columns}")
        if method == "em":
            self._fit_em(x, mask, steps, tolerance, generator)
            return self
        if moments is not None and not (isinstance(moments, tuple) and len(moments) == 2):
            raise ValueError(f"moments must be a mean and a covariance, got {described(moments)}")
        mean, covariance = map(torch.as_tensor, moments or sample_moments(x))
        if covariance.shape != (dim, dim):
            got = tuple(covariance.shape)
            raise ValueError(f"moments must hold a covariance of shape ({dim}, {dim}), got {got}")
        values, vectors = torch.linalg.eigh(covariance)  # in rising order
        noise = values[: -self.n_components].clamp(min=0).mean()
        _check_noise(noise, values.mean())
        if method == "closed_form":
            self._fit_closed_form(covariance, values, vectors, noise)
        else:
            self._fit_gradient(covariance, steps, tolerance, generator)
        self.mean = mean
        return self

    def log_prob(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """log N(x; mu, C) of each row of x (N, D), in nats: (N,). O(DM^2 + NDM): C is never built.

        log|C| = (D - M) log sigma^2 + log|A| (determinant lemma), and by Woodbury's identity
        (x-mu)^T C^-1 (x-mu) = |x - mu - W z|^2 / sigma^2 + |z|^2 at the posterior mean z.
        With mask (N, D), True = observed: log p of each row's observed entries alone, O(NDM^2);
        0 for a row without any. Differentiable in x. Source: PRML 12.35, 12.40, C.7, C.14.

        Raises ValueError for wrong shapes and for NaN or inf where observed, RuntimeError before
        fit.
        """
        return torch.cat([log_p for *_, log_p in self._by_block(x, mask)])

    def posterior(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """p(z|x) = N(A^-1 W^T (x - mu), sigma^2 A^-1): mean (N, M), cov (M, M), one for all rows.

        With mask (N, D), True = observed, only the observed rows of W enter A, so that each row
        of x has its own covariance: cov (N, M, M). Where nothing was observed it is the prior
        N(0, I). Source: PRML 12.42 (early printings lack the inverse). Raises as log_prob does.
        """
        means, a_inverses, _ = zip(*self._by_block(x, mask), strict=True)
        if mask is None:
            return torch.cat(means), self.noise_variance * a_inverses[0]
        pairs = zip(means, a_inverses, strict=True)
        a_inverse = torch.cat([a.expand(len(z), -1, -1) for z, a in pairs])
        return torch.cat(means), self.noise_variance * a_inverse

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of x = W z + mu + sigma eps: (n, D). PRML 12.33. RuntimeError before fit."""
        self._check_fitted()
        n = count("n", n, least=0)
        dim, latents = self.weight.shape
        z = torch.randn(n, latents, generator=generator, dtype=torch.float64)
        eps = torch.randn(n, dim, generator=generator, dtype=torch.float64)
        return z @ self.weight.T + self.mean + self.noise_variance**0.5 * eps

    def impute(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """A float64 copy of x (N, D) whose unobserved entries are E[x_missing | x_observed].

        That is W z + mu at the mean z of p(z | x_observed), and equals conditioning the joint
        Gaussian (PRML 2.81) without a (D, D) matrix. mask (N, D): True = observed; what x holds
        elsewhere is ignored. Default: NaN is missing. Raises as log_prob does.
        """
        x, mask = _check(x, mask)
        mask = ~x.isnan() if mask is None else mask
        codes = torch.cat([z for z, *_ in self._by_block(x, mask)])
        return torch.where(mask, x.double(), codes @ self.weight.T + self.mean)

    def _check_fitted(self) -> None:
        if self.mean is None or self.weight is None or self.noise_variance is None:
            raise RuntimeError("this PPCA has no parameters yet: call fit(x) first")

    def _by_block(self, x: Tensor, mask: Tensor | None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What `_infer` says of one block of rows after another."""
        self._check_fitted()
        x, mask = _check(x, mask, len(self.mean))
        noise = torch.as_tensor(self.noise_variance, dtype=torch.float64)
        width = 1 if mask is None else self.weight.shape[1] ** 2  # A^-1 of each row
        for r, m in _residuals(x, mask, self.mean, width):
            yield _infer(r, m, self.weight, noise)

    def _fit_closed_form(self, covariance, values, vectors, noise) -> None:
        values, vectors = (t[..., -self.n_components :].flip(-1) for t in (values, vectors))
        vectors = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
        self.weight = vectors * (values - noise).clamp(min=0).sqrt()
        self.noise_variance = float(noise)
        self.log_likelihoods = [float(_mean_log_likelihood(covariance, self.weight, noise.log()))]

    def _fit_em(self, x, mask, steps, tolerance, generator) -> None:
        mean, count = _mean(x, mask), x.numel() if mask is None else mask.sum()
        variance = sum(r.square().sum() for r, _ in _residuals(x, mask, mean)) / count
        weight = _random_weight(x.shape[1], self.n_components, generator) * variance.sqrt()
        theta, self.log_likelihoods = (mean, weight, variance), []
        for step in range(steps + 1):
            _check_noise(theta[2], variance)
            log_likelihood, update = _em_step(x, mask, *theta)
            self.log_likelihoods.append(float(log_likelihood))
            if step == steps or _converged(self.log_likelihoods, tolerance):
                break
            theta = update
        self.mean, self.weight, self.noise_variance = *theta[:2], float(theta[2])

    def _fit_gradient(self, covariance, steps, tolerance, generator) -> None:
        dim, variance = len(covariance), covariance.diagonal().mean()
        scaled = covariance / variance  # so that one start and step size suit data in any unit
        weight = _random_weight(dim, self.n_components, generator).requires_grad_()
        log_noise = torch.zeros((), dtype=torch.float64, requires_grad=True)
        options = {"max_iter": 1, "max_eval": 25, "tolerance_change": 0}  # a step at a time
        options["line_search_fn"] = "strong_wolfe"
        optimizer = torch.optim.LBFGS([weight, log_noise], **options)

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = -_mean_log_likelihood(scaled, weight, log_noise)
            value.backward()
            return value.detach()

        self.log_likelihoods, unit = [], dim / 2 * variance.log()
        for _ in range(steps):
            self.log_likelihoods.append(float(-optimizer.step(loss) - unit))  # before the step
            if _converged(self.log_likelihoods, tolerance):
                break
        self.log_likelihoods.append(float(-loss() - unit))
        self.weight = weight.detach() * variance.sqrt()
        self.noise_variance = float(log_noise.detach().exp() * variance)


def sample_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of the rows of x (N, D), divided by N as maximum likelihood
    wants, not by N - 1. PRML 12.1, 12.3. Raises ValueError for wrong shapes, NaN and inf.
    """
    x, _ = _check(x, None)
    mean = _mean(x, None)
    return mean, sum(r.T @ r for r, _ in _residuals(x, None, mean)) / len(x)


def _check(x, mask, dim: int | None = None) -> tuple[Tensor, Tensor | None]:
    given = x
    try:
        x = torch.as_tensor(as_tensor(x) if isinstance(x, np.ndarray) else x).cpu()
    except (TypeError, ValueError, RuntimeError):  # text, None, rows of unequal length, ...
        raise ValueError(f"x must be rows of numbers (N, D), got {described(given)}") from None
    if x.is_complex() or x.layout != torch.strided or x.is_meta:
        raise ValueError(f"x must hold real numbers, got {x.dtype} {x.layout} on {x.device}")
    if x.ndim != 2 or len(x) == 0 or x.shape[1] != (dim or x.shape[1]):
        expected, got = f"(N, {dim or 'D'}), N >= 1", tuple(x.shape)
        raise ValueError(f"x must have shape {expected}, got {got}; x.flatten(1) flattens images")
    if mask is not None:
        if not isinstance(mask, Tensor | np.ndarray | list):
            raise ValueError(f"mask must be bool (True = observed), got {described(mask)}")
        mask = torch.as_tensor(mask).cpu()
        if mask.dtype != torch.bool or mask.shape != x.shape:
            expected, got = f"shape {tuple(x.shape)}", f"{mask.dtype} {tuple(mask.shape)}"
            raise ValueError(f"mask must be bool (True = observed) of {expected}, got {got}")
    return x, mask


def _check_noise(noise: Tensor, variance: Tensor) -> None:
    if not noise > SMALLEST_NOISE * variance:  # "not >" catches NaN too
        raise ValueError(
            f"expected noise around a plane of M dimensions, got noise variance {noise:.1e} "
            f"of mean variance {variance:.1e}: the likelihood has no maximum. "
            "Use fewer components, more rows, or add a little noise"
        )


def _converged(log_likelihoods: list[float], tolerance: float) -> bool:
    return len(log_likelihoods) > 1 and log_likelihoods[-1] - log_likelihoods[-2] < tolerance


def _random_weight(dim: int, latents: int, generator: torch.Generator | None) -> Tensor:
    """Columns of length about 1, as the noise of one entry: no direction dominates the start."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ValueError(f"generator must be a torch.Generator, got {described(generator)}")
    return torch.randn(dim, latents, generator=generator, dtype=torch.float64) / dim**0.5


def _residuals(x, mask, mean, width: int = 1) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Blocks of x - mean (B, D), 0 where unobserved, each with its mask as 0.0 and 1.0: None,
    (B, D) or, if its rows share one, (1, D). width: how many numbers a row needs besides its D.
    """
    rows = max(1, BLOCK_SIZE // max(x.shape[1], width))
    for start in range(0, len(x), rows):
        r, m = x[start : start + rows].double() - mean, None
        if mask is not None:
            m = mask[start : start + rows]
            r = r.masked_fill(~m, 0.0)
            m = (m[:1] if (m == m[0]).all() else m).double()
        if not r.sum().isfinite():
            raise ValueError("x must be finite where observed, got NaN or inf (see mask)")
        yield r, m


def _mean(x, mask) -> Tensor:
    count = len(x) if mask is None else mask.sum(0)
    return sum(r.sum(0) for r, _ in _residuals(x, mask, 0.0)) / count


def _infer(r, m, weight, noise) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior means (B, M), A^-1 as (M, M) or (B or 1, M, M), log p (B,), for r = x - mu."""
    dim, latents = weight.shape
    if m is None:
        count, gram = dim, weight.T @ weight
    else:  # each row's own sum of w_d w_d^T over its observed d
        outer = weight[:, :, None] * weight[:, None, :]
        count, gram = m.sum(1), (m @ outer.flatten(1)).unflatten(1, (latents, latents))
    factor = torch.linalg.cholesky(gram + noise * torch.eye(latents, dtype=torch.float64))
    a_inverse = torch.cholesky_inverse(factor)
    z = ((r @ weight).unsqueeze(-2) @ a_inverse).squeeze(-2)
    # A sum of two squares, unlike Woodbury's difference, loses no digits when the noise is small.
    error = r - z @ weight.T if m is None else r - m * (z @ weight.T)
    quadratic = error.square().sum(1) / noise + z.square().sum(1)
    log_det_a = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_det_c = (count - latents) * noise.log() + log_det_a
    return z, a_inverse, -0.5 * (count * LOG_2PI + log_det_c + quadratic)


def _em_step(x, mask, mean, weight, noise) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The mean log-likelihood at these parameters, and the parameters that one step makes of them.

    Complete rows: PRML 12.54 to 12.57. With missing entries the expected complete-data
    log-likelihood is a sum over the observed (n, d) of -E(x_nd - w_d.z_n - mu_d)^2 / (2 sigma^2).
    For each d that is a regression of x_d on [z; 1] over the rows that observed d, with second
    moments E[z z^T] = cov_n + z_n z_n^T: it gives W and mu jointly; what is left gives sigma^2.
    """
    latents = weight.shape[1]
    log_p_sum, squares, cross, second = 0.0, 0.0, 0.0, 0.0
    for r, m in _residuals(x, mask, mean, 1 if mask is None else (latents + 1) ** 2):
        z, a_inverse, log_p = _infer(r, m, weight, noise)
        if m is None:
            second = second + z.T @ z + len(z) * noise * a_inverse
        else:
            z = torch.cat([z, torch.ones_like(z[:, :1])], 1)
            zz = z[:, :, None] * z[:, None, :]
            zz[:, :-1, :-1] += noise * a_inverse
            second = second + m.expand_as(r).T @ zz.flatten(1)
        cross = cross + r.T @ z
        log_p_sum, squares = log_p_sum + log_p.sum(), squares + r.square().sum()
    if mask is None:
        weight = torch.linalg.solve(second, cross.T).T
        noise = (squares - (weight * cross).sum()) / x.numel()  # 12.57, where W solves 12.56
    else:
        second = second.unflatten(1, (latents + 1, latents + 1))
        new = torch.linalg.solve(second, cross.unsqueeze(-1)).squeeze(-1)
        weight, mean = new[:, :-1], mean + new[:, -1]  # r is x - mean: the last column is a shift
        noise = (squares - (new * cross).sum()) / mask.sum()
    return log_p_sum / len(x), (mean, weight, noise)


def _mean_log_likelihood(covariance, weight, log_noise) -> Tensor:
    """-(D log 2 pi + log|C| + tr(C^-1 S)) / 2 in nats per row, S the covariance. PRML 12.44."""
    dim, latents = weight.shape
    noise, eye = log_noise.exp(), torch.eye(latents, dtype=torch.float64)
    factor = torch.linalg.cholesky(weight.T @ weight + noise * eye)
    log_det_c = (dim - latents) * log_noise + 2 * factor.diagonal().log().sum()
    explained = torch.cholesky_solve(weight.T @ covariance @ weight, factor).trace()
    return -0.5 * (dim * LOG_2PI + log_det_c + (covariance.trace() - explained) / noise)
