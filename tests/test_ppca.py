"""PPCA against scikit-learn, SciPy and dense Gaussian algebra.

The oracles build the (D, D) covariance that the package never builds, and invert it.
"""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from course_utils import ppca
from course_utils.data import as_float, load_digits
from course_utils.ppca import PPCA, sample_moments

SEEDS = range(5)
METHODS = ("closed_form", "em", "gradient")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(n=400, dim=8, latents=3, noise=0.3, seed=0):
    """Rows with a spectral gap: `latents` strong directions, and noise in all of them."""
    draw = {"generator": rng(seed), "dtype": torch.float64}
    axes = torch.linalg.qr(torch.randn(dim, latents, **draw)).Q
    weight = axes * torch.linspace(3.0, 1.5, latents, dtype=torch.float64)
    z, eps = torch.randn(n, latents, **draw), torch.randn(n, dim, **draw)
    return z @ weight.T + noise * eps + torch.linspace(-2.0, 5.0, dim, dtype=torch.float64)


def holes(x, share=0.3, seed=0):
    """A random mask (True = observed); row 0 lacks everything, row 1 nothing."""
    mask = torch.rand(x.shape, generator=rng(seed)) > share
    mask[0], mask[1] = False, True
    return mask


def dense(model):
    """mu and C = W W^T + sigma^2 I as NumPy arrays."""
    covariance = model.weight @ model.weight.T
    covariance += model.noise_variance * torch.eye(len(model.mean), dtype=torch.float64)
    return model.mean.numpy(), covariance.numpy()


def mean_log_prob(model, x, mask=None):
    return float(model.log_prob(x, mask).detach().mean())


@pytest.fixture
def fitted():
    return PPCA(3).fit(rows())


# --- maximum likelihood -------------------------------------------------------------------------


def test_three_methods_reach_one_number():
    x = rows()
    models = [PPCA(3).fit(x, method, steps=500, generator=rng(1)) for method in METHODS]
    best = mean_log_prob(models[0], x)
    for model in models:
        assert mean_log_prob(model, x) == pytest.approx(best, abs=1e-4)
        assert model.log_likelihoods[-1] == pytest.approx(mean_log_prob(model, x), abs=1e-9)
        assert model.noise_variance == pytest.approx(models[0].noise_variance, rel=1e-2)
        torch.testing.assert_close(model.mean, x.mean(0))
        angle = subspace_angles(model.weight.numpy(), models[0].weight.numpy()).max()
        assert angle < math.radians(0.5)


@pytest.mark.parametrize("latents", [1, 3, 7])
def test_closed_form_agrees_with_scikit_learn(latents):
    x = rows(n=60)
    model, pca = PPCA(latents).fit(x), PCA(latents, svd_solver="full").fit(x.numpy())
    to_n = (len(x) - 1) / len(x)  # scikit-learn divides both variances by N - 1
    noise = pca.noise_variance_ * to_n
    assert model.noise_variance == pytest.approx(noise, rel=1e-10)
    lengths = np.sqrt(pca.explained_variance_ * to_n - noise)
    for w, axis, length in zip(model.weight.T.numpy(), pca.components_, lengths, strict=True):
        assert abs(w @ axis) == pytest.approx(length, rel=1e-10)
        assert np.linalg.norm(w) == pytest.approx(length, rel=1e-10)
        assert w[np.abs(w).argmax()] > 0  # the sign convention

    pca.explained_variance_ *= to_n  # now it is the maximum-likelihood model, and must score alike
    pca.noise_variance_ *= to_n
    np.testing.assert_allclose(model.log_prob(x), pca.score_samples(x.numpy()), atol=1e-8)


def test_fewer_rows_than_columns_average_the_zero_eigenvalues_too():
    x = rows(n=12, dim=30)
    model = PPCA(4).fit(x)
    centred = (x - x.mean(0)).numpy()
    values = np.linalg.svd(centred, compute_uv=False) ** 2 / len(x)  # 12 of the 30
    assert model.noise_variance == pytest.approx(values[4:].sum() / (30 - 4), rel=1e-10)
    best = -0.5 * (30 * np.log(2 * np.pi) + np.log(values[:4]).sum() + 30)
    best -= 13 * np.log(model.noise_variance)
    assert mean_log_prob(model, x) == pytest.approx(best, abs=1e-9)
    pca = PCA(4).fit(x.numpy())  # it averages over min(N, D) - M of them: why it is no oracle here
    assert pca.noise_variance_ * 11 / 12 == pytest.approx(values[4:].mean(), rel=1e-10)
    assert PPCA(4).fit(x, "gradient", generator=rng(0)).log_likelihoods[-1] < best + 1e-9


@pytest.mark.parametrize("method", ["closed_form", "gradient"])
def test_the_likelihood_is_stationary_and_no_neighbour_is_better(method):
    x = rows()
    model = PPCA(3).fit(x, method, steps=500, tolerance=1e-13, generator=rng(2))
    best = mean_log_prob(model, x)
    model.weight = model.weight.clone().requires_grad_()
    model.mean = model.mean.clone().requires_grad_()
    noise = torch.tensor(model.noise_variance, dtype=torch.float64, requires_grad=True)
    model.noise_variance = noise
    for gradient in torch.autograd.grad(
        model.log_prob(x).mean(), [model.weight, model.mean, noise]
    ):
        assert gradient.abs().max() < 1e-5
    with torch.no_grad():
        for seed in SEEDS:
            other = PPCA(3)
            draw = {"generator": rng(seed), "dtype": torch.float64}
            other.weight = model.weight + 0.05 * torch.randn(8, 3, **draw)
            other.mean = model.mean + 0.05 * torch.randn(8, **draw)
            other.noise_variance = model.noise_variance * 1.05
            assert mean_log_prob(other, x) < best


@pytest.mark.parametrize("offset, scale", [(0.0, 1e-3), (1e4, 1.0), (0.0, 1e5)])
@pytest.mark.parametrize("method", METHODS)
def test_units_and_offsets_change_nothing_but_the_density(method, offset, scale):
    x, options = rows(n=100), {"steps": 60, "tolerance": -math.inf}
    model = PPCA(2).fit(x, method, generator=rng(3), **options)
    moved = PPCA(2).fit(x * scale + offset, method, generator=rng(3), **options)
    assert moved.noise_variance == pytest.approx(model.noise_variance * scale**2, rel=1e-6)
    shift = 8 * math.log(scale)
    expected = model.log_likelihoods[-1] - shift
    assert moved.log_likelihoods[-1] == pytest.approx(expected, abs=1e-6)


# --- EM -----------------------------------------------------------------------------------------


def falls(log_likelihoods):
    """How far each step fell, in units of the fall that rounding may cause."""
    values = torch.tensor(log_likelihoods, dtype=torch.float64)
    return (values[:-1] - values[1:]) / (1e-9 * values[1:].abs())


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("missing", [False, True])
def test_em_never_falls(seed, missing):
    x = rows(n=150, dim=10, seed=seed)
    mask = holes(x, seed=seed) if missing else None
    options = {"mask": mask, "steps": 200, "tolerance": -math.inf, "generator": rng(seed)}
    model = PPCA(3).fit(x, "em", **options)
    assert len(model.log_likelihoods) == 201
    assert falls(model.log_likelihoods).max() <= 1
    assert model.log_likelihoods[-1] > model.log_likelihoods[0] + 1
    # The record is the real thing: log p of what was observed, per row, recomputed from outside.
    final = mean_log_prob(model, x, mask)
    assert model.log_likelihoods[-1] == pytest.approx(final, abs=1e-9)


def test_the_common_fill_in_shortcut_falls_where_em_does_not():
    """Filling holes with W z + mu, then a complete-data step: what the joint update replaces."""
    x = rows(n=150, dim=10)
    mask = holes(x, share=0.5)
    model = PPCA(3).fit(x, "em", mask=mask, steps=200, generator=rng(0))
    before, filled = model.log_likelihoods[-1], model.impute(x, mask)
    theta = model.mean, model.weight, torch.tensor(model.noise_variance, dtype=torch.float64)
    _, (model.mean, model.weight, model.noise_variance) = ppca._em_step(filled, None, *theta)
    assert mean_log_prob(model, x, mask) < before - 0.01


@pytest.mark.slow
def test_em_with_missing_values_is_stationary_and_beats_the_fill_in():
    x = rows(n=300)
    mask = holes(x)
    model = PPCA(3).fit(x, "em", mask=mask, steps=3000, tolerance=1e-12, generator=rng(0))
    leaves = [model.mean, model.weight, torch.tensor(model.noise_variance, dtype=torch.float64)]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    model.mean, model.weight, model.noise_variance = leaves
    for gradient in torch.autograd.grad(model.log_prob(x, mask).mean(), leaves):
        assert gradient.abs().max() < 1e-4
    filled = PPCA(3).fit(torch.where(mask, x, (x * mask).sum(0) / mask.sum(0)))
    assert mean_log_prob(model, x, mask) > mean_log_prob(filled, x, mask) + 0.01


def test_nan_is_missing_and_a_full_mask_is_none():
    x, mask = rows(n=80), holes(rows(n=80))
    options = {"steps": 20, "tolerance": -math.inf}
    by_mask = PPCA(2).fit(x, "em", mask=mask, generator=rng(0), **options)
    torn = x.masked_fill(~mask, math.nan)
    by_nan = PPCA(2).fit(torn, "em", generator=rng(0), **options)
    assert by_mask.log_likelihoods == by_nan.log_likelihoods
    torch.testing.assert_close(by_nan.impute(torn), by_mask.impute(x, mask), rtol=0, atol=0)
    full = PPCA(2).fit(x, "em", mask=torch.ones_like(mask), generator=rng(0), **options)
    none = PPCA(2).fit(x, "em", generator=rng(0), **options)
    assert full.log_likelihoods == none.log_likelihoods
    # The two M-steps agree where both apply: one missing entry of 640 hardly moves the result.
    mask = torch.ones_like(mask)
    mask[0, 0] = False
    nearly = PPCA(2).fit(x, "em", mask=mask, steps=300, generator=rng(0))
    assert nearly.log_likelihoods[-1] == pytest.approx(PPCA(2).fit(x).log_likelihoods[0], abs=0.1)


def test_blocks_of_rows_change_nothing(monkeypatch):
    x, mask = rows(n=101), holes(rows(n=101))
    mask[50:90] = mask[50]  # a stretch of rows that share one mask takes the short way

    def everything():
        em = PPCA(2).fit(x, "em", mask=mask, steps=5, generator=rng(0))
        whole = PPCA(2).fit(x)
        parts = [em.weight, em.mean, whole.weight, whole.log_prob(x), whole.log_prob(x, mask)]
        return [*parts, *whole.posterior(x, mask), whole.impute(x, mask), *whole.posterior(x)]

    at_once = everything()
    monkeypatch.setattr(ppca, "BLOCK_SIZE", 60)
    for one, other in zip(at_once, everything(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_any_dtype_is_computed_in_float64():
    pixels = torch.randint(0, 256, (50, 6), generator=rng(0), dtype=torch.uint8)
    expected = PPCA(2).fit(pixels.double())
    for x in (pixels, pixels.float(), pixels.half(), pixels.numpy()):
        model = PPCA(2).fit(x)
        assert model.weight.dtype == model.log_prob(x).dtype == torch.float64
        torch.testing.assert_close(model.weight, expected.weight)
        torch.testing.assert_close(model.log_prob(x), expected.log_prob(pixels))


# --- what a fitted model says -------------------------------------------------------------------


@pytest.mark.parametrize("dim, latents, noise", [(5, 1, 0.5), (8, 7, 0.1), (40, 10, 1e-3)])
def test_log_prob_agrees_with_scipy(dim, latents, noise):
    x = rows(n=200, dim=dim, latents=latents, noise=noise)
    model = PPCA(latents).fit(x)
    oracle = multivariate_normal(*dense(model))
    np.testing.assert_allclose(model.log_prob(x), oracle.logpdf(x), rtol=1e-8, atol=1e-8)


def test_log_prob_of_the_observed_part_agrees_with_scipy(fitted):
    x = rows(n=40, seed=1)
    mask, (mu, cov) = holes(x), dense(fitted)
    log_p = fitted.log_prob(x, mask)
    for n, o in enumerate(mask.numpy()):
        if o.any():
            oracle = multivariate_normal(mu[o], cov[np.ix_(o, o)]).logpdf(x[n].numpy()[o])
            assert log_p[n] == pytest.approx(oracle, abs=1e-8)
    assert log_p[0] == pytest.approx(0, abs=1e-12)  # nothing observed: p = 1
    assert log_p[1] == pytest.approx(float(fitted.log_prob(x)[1]), abs=1e-12)  # everything


def test_rotations_of_the_weight_leave_log_prob_unchanged(fitted):
    x = rows(n=40, seed=1)
    before, z = fitted.log_prob(x), fitted.posterior(x)[0]
    gauss = torch.randn(3, 3, generator=rng(0), dtype=torch.float64)
    rotation = torch.linalg.qr(gauss).Q
    fitted.weight = fitted.weight @ rotation
    torch.testing.assert_close(fitted.log_prob(x), before, rtol=0, atol=1e-10)
    torch.testing.assert_close(fitted.posterior(x)[0], z @ rotation)  # codes turn with it


def test_posterior_agrees_with_bayes_by_dense_conditioning(fitted):
    """PRML 2.113 to 2.117; then 2.81 and 2.82 on the joint Gaussian of (z, x)."""
    x = rows(n=20, seed=1)
    mean, cov = fitted.posterior(x)
    assert mean.shape == (20, 3) and cov.shape == (3, 3)
    w, mu, c = fitted.weight.numpy(), *dense(fitted)
    precision = np.eye(8) / fitted.noise_variance
    bayes = np.linalg.inv(np.eye(3) + w.T @ precision @ w)
    np.testing.assert_allclose(cov, bayes, atol=1e-10)
    np.testing.assert_allclose(mean, (x.numpy() - mu) @ (bayes @ w.T @ precision).T, atol=1e-9)
    gain = w.T @ np.linalg.inv(c)
    np.testing.assert_allclose(cov, np.eye(3) - gain @ w, atol=1e-10)
    np.testing.assert_allclose(mean, (x.numpy() - mu) @ gain.T, atol=1e-9)


def test_imputation_and_masked_posterior_agree_with_dense_conditioning(fitted):
    x = rows(n=40, seed=1)
    mask, w, (mu, c) = holes(x), fitted.weight.numpy(), dense(fitted)
    filled, (mean, cov) = fitted.impute(x, mask), fitted.posterior(x, mask)
    assert torch.equal(filled[mask], x[mask]) and cov.shape == (40, 3, 3)
    for n, o in enumerate(mask.numpy()):
        invert = np.linalg.inv(c[np.ix_(o, o)])
        r = x[n].numpy()[o] - mu[o]
        expected = mu[~o] + c[np.ix_(~o, o)] @ invert @ r
        np.testing.assert_allclose(filled[n].numpy()[~o], expected, atol=1e-9)
        np.testing.assert_allclose(mean[n], w[o].T @ invert @ r, atol=1e-9)
        np.testing.assert_allclose(cov[n], np.eye(3) - w[o].T @ invert @ w[o], atol=1e-9)
    torch.testing.assert_close(filled[0], fitted.mean)  # nothing seen: the prior
    torch.testing.assert_close(cov[0], torch.eye(3, dtype=torch.float64))
    untouched = x.masked_fill(~mask, math.inf)  # what stands in the holes does not matter
    torch.testing.assert_close(fitted.impute(untouched, mask), filled, rtol=0, atol=0)


def test_half_an_image_is_imputed_with_one_shared_mask(fitted):
    x = rows(n=30, seed=1)
    mask = torch.arange(8).lt(4).expand(30, 8)
    mu, c = dense(fitted)
    expected = mu[4:] + (x[:, :4].numpy() - mu[:4]) @ np.linalg.solve(c[:4, :4], c[:4, 4:])
    np.testing.assert_allclose(fitted.impute(x, mask)[:, 4:], expected, atol=1e-9)
    mean, cov = fitted.posterior(x, mask)
    assert mean.shape == (30, 3) and cov.shape == (30, 3, 3)


def test_small_noise_turns_the_posterior_mean_into_the_projection_of_pca(fitted):
    x = rows(n=20, seed=1)
    fitted.noise_variance = 1e-12
    z = fitted.posterior(x)[0]
    expected = torch.linalg.lstsq(fitted.weight, (x - fitted.mean).T).solution.T
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_moments_of_samples_are_those_of_the_model(fitted, seed):
    n = 100_000
    samples, (mu, c) = fitted.sample(n, generator=rng(seed)), dense(fitted)
    again = fitted.sample(n, generator=rng(seed))
    assert samples.shape == (n, 8) and torch.equal(samples, again)
    z = (samples.mean(0).numpy() - mu) / np.sqrt(np.diag(c) / n)
    assert np.abs(z).max() < 4.5
    r = samples.numpy() - mu
    variance = np.outer(np.diag(c), np.diag(c)) + c**2  # of one product of two deviations
    z = (r.T @ r / n - c) / np.sqrt(variance / n)
    assert np.abs(z).max() < 4.5
    log_p = fitted.log_prob(samples)  # its mean is minus the entropy, its variance D / 2
    entropy = multivariate_normal(mu, c).entropy()
    assert abs(float(log_p.mean()) + entropy) < 4.5 * math.sqrt(4 / n)


def test_moments_save_a_pass(fitted):
    x = rows()
    mean, covariance = sample_moments(x.float())
    np.testing.assert_allclose(covariance, np.cov(x.numpy().T, bias=True), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mean, x.mean(0), rtol=1e-6, atol=1e-6)
    quick = PPCA(3).fit(x, moments=sample_moments(x))
    torch.testing.assert_close(quick.weight, fitted.weight)
    assert repr(quick) == "PPCA(n_components=3)"


# --- refusals -----------------------------------------------------------------------------------


def test_before_fit_every_method_says_so():
    x = rows(n=5)
    for call in (PPCA(2).log_prob, PPCA(2).posterior, PPCA(2).impute):
        with pytest.raises(RuntimeError, match="call fit"):
            call(x)
    with pytest.raises(RuntimeError, match="call fit"):
        PPCA(2).sample(3)


def refused(x, match, latents=2, **options):
    with pytest.raises(ValueError, match=match):
        PPCA(latents).fit(x, **options)


def test_errors_name_what_was_expected_and_what_came(fitted):
    x, mask = rows(n=20), torch.ones(20, 8, dtype=torch.bool)
    for latents in (0, -1, 2.5):
        with pytest.raises(
            ValueError, match=rf"n_components: expected .*1 or more, got {latents}"
        ):
            PPCA(latents)
    refused(x, r"1\.\.7 .* got 8", latents=8)
    refused(x, "'closed_form'.*got 'svd'", method="svd")
    refused(x.unflatten(1, (2, 4)), r"\(N, D\).*\(20, 2, 4\).*flatten")
    refused(x[:0], r"got \(0, 8\)")
    refused(x, r"torch.float64 \(20, 8\)", method="em", mask=mask.double())
    refused(x, r"\(20, 8\), got torch.bool \(8,\)", method="em", mask=mask[0])
    refused(x, "need method='em', got method='gradient'", method="gradient", mask=holes(x))
    refused(x.masked_fill(~holes(x), math.nan), "need method='em'")
    unseen = mask.index_fill(1, torch.tensor([2, 5]), False)
    refused(x, r"observed at least once.*\[2, 5\]", method="em", mask=unseen)
    refused(x, r"shape \(8, 8\), got \(3, 3\)", moments=(x[0, :3], torch.eye(3)))
    for bad in (math.nan, math.inf):
        torn = x.clone()
        torn[3, 4] = bad
        refused(torn, "finite", method="em", mask=mask)
        with pytest.raises(ValueError, match="finite"):
            fitted.log_prob(torn)
    with pytest.raises(ValueError, match=r"\(N, 8\).*got \(20, 7\)"):
        fitted.log_prob(x[:, :7])
    with pytest.raises(ValueError, match=r"\(20, 8\), got torch.bool \(19, 8\)"):
        fitted.impute(x, mask[1:])


@pytest.mark.parametrize("kind", [np.int64, torch.tensor, float])
def test_numbers_may_be_of_any_library(kind, fitted):
    assert fitted.sample(kind(4)).shape == (4, 8)
    plain, other = (
        PPCA(3).fit(rows(), "em", steps=steps, tolerance=tolerance, generator=rng())
        for steps, tolerance in ((5, 0.1), (kind(5), torch.tensor(0.1, dtype=torch.float64)))
    )
    assert plain.log_likelihoods == other.log_likelihoods
    for x in (rows().numpy()[::-1].copy()[::-1], rows().numpy().astype(">f8"), rows().tolist()):
        torch.testing.assert_close(PPCA(3).fit(x).weight, fitted.weight, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "came"),
    [
        (None, "None"),
        ("rows", "'rows'"),
        ([[1.0, 2.0], [3.0]], r"\[\[1"),
        (np.array([["a", "b"]]), r"ndarray of shape \(1, 2\)"),
        (np.array([[None, 1]]), r"ndarray of shape \(1, 2\)"),
    ],
)
def test_what_is_no_rows_is_named(x, came, fitted):
    for work in (PPCA(1).fit, fitted.log_prob, fitted.impute, sample_moments):
        with pytest.raises(ValueError, match=rf"^x must be rows of numbers \(N, D\), got {came}"):
            work(x)


def test_numbers_that_are_not_real_or_not_there_are_named(fitted):
    x = rows(n=20)
    for wrong in (x.cfloat(), x.to_sparse(), x.to("meta")):
        refused(wrong, "^x must (hold real numbers|be rows of numbers).*, got ")
    for options, match in [
        ({"steps": -1}, "steps: expected 0 or more, got -1"),
        ({"steps": 1.5}, "steps: expected a whole number"),
        ({"tolerance": math.nan}, "tolerance: expected a number, got nan"),
        ({"tolerance": "small"}, "tolerance: expected a number, got 'small'"),
        ({"mask": "all"}, r"mask must be bool \(True = observed\), got 'all'"),
        ({"generator": 0}, "generator must be a torch.Generator, got 0"),
    ]:
        refused(x, f"^{match}", method="em", **options)
    refused(x, "^moments must be a mean and a covariance, got Tensor of", moments=x)
    for n in (2.5, -1, None):
        with pytest.raises(ValueError, match="^n: expected "):
            fitted.sample(n)


@pytest.mark.parametrize("method", METHODS)
def test_rows_in_a_plane_have_no_maximum(method):
    flat = rows(n=50, noise=0.0, latents=2)
    for x, latents in ((flat, 2), (flat, 3), (rows(n=4), 3), (torch.ones(10, 8), 2)):
        with pytest.raises(ValueError, match="no maximum"):
            PPCA(latents).fit(x, method, steps=3000, tolerance=-math.inf, generator=rng(0))
    assert PPCA(1).fit(flat, method, generator=rng(0)).noise_variance > 0.1


def test_constant_columns_are_no_trouble():
    x = rows()
    x[:, [0, 7]] = 0.0
    best = mean_log_prob(PPCA(3).fit(x), x)
    for method in METHODS:
        model = PPCA(3).fit(x, method, generator=rng(0))
        assert mean_log_prob(model, x) == pytest.approx(best, abs=1e-4)
    mask = holes(x)
    model = PPCA(3).fit(x, "em", mask=mask, steps=50, generator=rng(0))
    assert falls(model.log_likelihoods).max() <= 1 and model.weight[[0, 7]].abs().max() < 0.1


# --- MNIST --------------------------------------------------------------------------------------


def mnist_lies_under_course_data():
    """Looked up here, because load_digits would try the network."""
    root = Path(os.environ.get("COURSE_DATA") or "/nowhere")
    names = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
    folders = (root / "MNIST" / "raw", root / "raw", root)
    return any(all(any(folder.glob(f"{name}*")) for name in names) for folder in folders)


@pytest.mark.slow
@pytest.mark.skipif(
    not mnist_lies_under_course_data(), reason="MNIST's archives do not lie under COURSE_DATA"
)
def test_mnist_log_likelihoods_match_the_table():
    data = load_digits("mnist")
    train, test = as_float(data.train_images), as_float(data.test_images)
    moments = sample_moments(train)
    table = {2: (12.43, 14.36), 10: (182.16, 186.02), 20: (299.76, 306.55), 50: (507.91, 517.60)}
    for latents, (on_train, on_test) in table.items():
        model = PPCA(latents).fit(train, moments=moments)
        assert model.log_likelihoods[-1] == pytest.approx(on_train, abs=0.1)
        assert mean_log_prob(model, test) == pytest.approx(on_test, abs=0.1)
    assert mean_log_prob(model, train) == pytest.approx(on_train, abs=0.1)
