"""Log densities and KL divergences against torch.distributions, SciPy, quadrature and algebra."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent, Normal, kl_divergence

from course_utils.distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_prob,
    kl_between_normals,
    kl_to_standard_normal,
    normal_log_prob,
)

# Each function, with how many tensors it takes.
FUNCTIONS = {
    normal_log_prob: 3,
    bernoulli_log_prob: 2,
    continuous_bernoulli_log_prob: 2,
    kl_to_standard_normal: 2,
    kl_between_normals: 4,
}
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
LIMITS = list(itertools.product([-30.0, 30.0], repeat=2))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def arguments(function, *shape, dtype=torch.float64):
    """Random arguments; the first lies in (0, 1), where every function accepts it."""
    first, *others = (torch.randn(shape, dtype=dtype) for _ in range(FUNCTIONS[function]))
    return [torch.sigmoid(first), *others]


def column(values, dtype=torch.float64):
    """(N,) values as N rows of one dimension."""
    return torch.as_tensor(values, dtype=dtype).reshape(-1, 1)


def independent_normal(mu, log_var):
    return Independent(Normal(mu, torch.exp(log_var / 2)), 1)


# --- normal ---


@pytest.mark.parametrize("shape", [(5, 3), (4, 1), (2, 5, 3), (3,)])
def test_normal_is_that_of_torch_and_scipy(shape):
    x, mu, log_var = arguments(normal_log_prob, *shape)
    ours = normal_log_prob(x, mu, log_var)
    by_scipy = stats.norm.logpdf(x.numpy(), mu.numpy(), log_var.div(2).exp().numpy()).sum(-1)
    torch.testing.assert_close(ours, independent_normal(mu, log_var).log_prob(x))
    np.testing.assert_allclose(ours, by_scipy, rtol=1e-12)


@pytest.mark.parametrize("log_var", [-3.0, 0.0, 2.0])
def test_normal_integrates_to_one(log_var):
    def density(x):
        return normal_log_prob(column(x), column(0.7), column(log_var)).exp().item()

    reach = 12 * math.exp(log_var / 2)
    mass, _ = integrate.quad(density, 0.7 - reach, 0.7 + reach)
    assert mass == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("log_var", [-30.0, 30.0])
def test_normal_at_extreme_variances(log_var, dtype):
    x = torch.tensor([-2.0, 0.0, 1e-6, 5.0])
    ours = normal_log_prob(column(x, dtype), column(0.5, dtype), column(log_var, dtype))
    exact = stats.norm.logpdf(x.double(), 0.5, math.exp(log_var / 2))
    np.testing.assert_allclose(ours, exact, rtol=1e-12 if dtype == torch.float64 else 1e-5)


def test_normal_does_not_overflow_where_the_ratio_is_harmless():
    ours = normal_log_prob(*(torch.tensor([v]) for v in (1e25, 0.0, 115.0)))
    exact = stats.norm.logpdf(1e25, 0, math.exp(115 / 2))
    assert ours.item() == pytest.approx(exact, rel=1e-5)


# --- Bernoulli ---


@pytest.mark.parametrize("shape", [(5, 3), (4, 1), (2, 5, 3), (3,)])
def test_bernoulli_is_that_of_torch_and_scipy(shape):
    logits = 3 * torch.randn(shape, dtype=torch.float64)
    x = torch.bernoulli(torch.sigmoid(logits))
    ours = bernoulli_log_prob(x, logits)
    by_scipy = stats.bernoulli.logpmf(x.numpy(), special.expit(logits.numpy())).sum(-1)
    torch.testing.assert_close(ours, Independent(Bernoulli(logits=logits), 1).log_prob(x))
    np.testing.assert_allclose(ours, by_scipy, rtol=1e-10)


def test_bernoulli_sums_to_one_over_all_images():
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    logits = 4 * torch.randn(6, dtype=torch.float64)
    assert bernoulli_log_prob(images, logits).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_bernoulli_at_logits_of_sixty(dtype):
    x, logits = column([1, 0, 1, 0], dtype), column([60, 60, -60, -60], dtype)
    sure = -math.exp(-60)  # log(1 - e^-60), to e^-120
    log_p = bernoulli_log_prob(x, logits)
    np.testing.assert_allclose(log_p, [sure, sure - 60, sure - 60, sure], rtol=1e-7, atol=1e-26)


def test_bernoulli_of_grey_pixels_is_minus_the_cross_entropy():
    x, logits = arguments(bernoulli_log_prob, 5, 3)
    pi = special.expit(logits.numpy())
    expected = (x.numpy() * np.log(pi) + (1 - x.numpy()) * np.log1p(-pi)).sum(-1)
    np.testing.assert_allclose(bernoulli_log_prob(x, logits), expected, rtol=1e-12)


def test_bernoulli_is_never_positive_in_float32():
    x, logits = torch.cartesian_prod(torch.linspace(0, 1, 257), torch.linspace(-60, 60, 4001)).T
    log_p = bernoulli_log_prob(x[:, None], logits[:, None])
    assert log_p.max() <= 0 and log_p.isfinite().all()


# --- continuous Bernoulli: its density is proportional to exp(t x), with t the logit ---

LOGITS = [0.0, 1e-12, 1e-4, 0.0499999, 0.05, 0.0500001, 0.3, 2.0, 11.0, 13.0, 30.0, 60.0]
LOGITS = sorted({sign * t for t in LOGITS for sign in (-1, 1)})


def exact_continuous_bernoulli(x, t):
    """t x - log of the integral of exp(t x) over [0, 1], which is exprel(t) = (e^t - 1) / t."""
    return t * x - np.log(special.exprel(t))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 2e-11), (torch.float32, 8e-6)])
def test_continuous_bernoulli_is_exact_at_every_logit(dtype, atol):
    x, t = torch.cartesian_prod(torch.linspace(0, 1, 9), torch.tensor(LOGITS)).T
    ours = continuous_bernoulli_log_prob(column(x, dtype), column(t, dtype))
    exact = exact_continuous_bernoulli(x.double().numpy(), t.double().numpy())
    np.testing.assert_allclose(ours, exact, atol=atol, rtol=0)


def test_continuous_bernoulli_is_that_of_torch():
    x = torch.rand(50, 4, dtype=torch.float64)
    logits = torch.empty_like(x).uniform_(-10, 10)
    theirs = Independent(ContinuousBernoulli(logits=logits), 1).log_prob(x)
    torch.testing.assert_close(continuous_bernoulli_log_prob(x, logits), theirs, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("t", LOGITS)
def test_continuous_bernoulli_integrates_to_one(t):
    def density(x):
        return continuous_bernoulli_log_prob(column(x), column(t)).exp().item()

    edges = [math.exp(-k) for k in range(1, 6)]
    mass, _ = integrate.quad(density, 0, 1, points=edges + [1 - e for e in edges], epsrel=1e-11)
    assert mass == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-8), (torch.float32, 2e-5)])
def test_continuous_bernoulli_gradient_is_x_minus_the_mean(dtype, atol):
    t = column(LOGITS, dtype).requires_grad_()
    continuous_bernoulli_log_prob(torch.full_like(t, 0.25), t).sum().backward()

    def moment(power, logit):  # scaled by e^-|t|, lest it overflow
        return integrate.quad(
            lambda x: x**power * math.exp(logit * x - abs(logit)), 0, 1, epsrel=1e-12
        )[0]

    exact = [0.25 - moment(1, logit) / moment(0, logit) for logit in LOGITS]
    np.testing.assert_allclose(t.grad.flatten(), exact, atol=atol, rtol=0)


# --- KL divergences ---


@pytest.mark.parametrize("shape", [(5, 3), (4, 1), (2, 5, 3), (3,)])
def test_kl_is_that_of_torch(shape):
    mu_q, log_var_q, mu_p, log_var_p = arguments(kl_between_normals, *shape)
    q, p = independent_normal(mu_q, log_var_q), independent_normal(mu_p, log_var_p)
    prior = independent_normal(torch.zeros(shape[-1]).double(), torch.zeros(shape[-1]).double())
    torch.testing.assert_close(
        kl_between_normals(mu_q, log_var_q, mu_p, log_var_p), kl_divergence(q, p)
    )
    torch.testing.assert_close(kl_to_standard_normal(mu_q, log_var_q), kl_divergence(q, prior))


@pytest.mark.parametrize(
    ("mu_q", "log_var_q", "mu_p", "log_var_p"),
    [(0, 0, 0, 0), (1.5, -2, 0, 0), (0.3, 1, -0.5, 0.7), (0, -1, 2, -3)],
)
def test_kl_is_the_integral_of_q_log_q_over_p(mu_q, log_var_q, mu_p, log_var_p):
    q = stats.norm(mu_q, math.exp(log_var_q / 2))
    p = stats.norm(mu_p, math.exp(log_var_p / 2))
    by_quadrature, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *q.interval(1 - 1e-15), limit=200
    )
    ours = kl_between_normals(*map(column, (mu_q, log_var_q, mu_p, log_var_p)))
    assert ours.item() == pytest.approx(by_quadrature, abs=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("log_var_q", "log_var_p"), LIMITS)
def test_kl_at_extreme_variances(log_var_q, log_var_p, dtype):
    v = log_var_q - log_var_p
    exact = (math.exp(v) - 1 - v + 2.0**2 * math.exp(-log_var_p)) / 2
    tensors = (column(value, dtype) for value in (1.5, log_var_q, -0.5, log_var_p))
    assert kl_between_normals(*tensors).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str
)
def test_kl_is_never_negative(dtype):
    for reach in (1e-7, 1e-5, 1e-3, 0.1, 1, 10, 60):
        log_var = column(np.linspace(-reach, reach, 100_001), dtype)
        kl = kl_to_standard_normal(torch.zeros_like(log_var), log_var)
        assert kl.min() >= 0 and not kl.isnan().any()


def test_kl_of_a_small_log_variance_is_its_square_over_four():
    log_var = column([-1e-3, -1e-4, 1e-4, 1e-3], torch.float32)
    kl = kl_to_standard_normal(torch.zeros_like(log_var), log_var)
    np.testing.assert_allclose(kl, log_var.flatten().double() ** 2 / 4, rtol=2e-3)


def test_kl_of_a_distribution_to_itself_is_exactly_zero():
    mu, log_var = torch.randn(1000, 2), 10 * torch.randn(1000, 2)
    assert torch.equal(kl_between_normals(mu, log_var, mu, log_var), torch.zeros(1000))


def test_kl_has_the_gradient_of_its_formula():
    mu, log_var = (t.requires_grad_() for t in arguments(kl_to_standard_normal, 4, 3))
    kl_to_standard_normal(mu, log_var).sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(log_var.grad, (log_var.detach().exp() - 1) / 2)


# --- all functions ---


@every_function
def test_gradients_are_those_of_finite_differences(function):
    tensors = [t.requires_grad_() for t in arguments(function, 4, 3)]
    assert torch.autograd.gradcheck(function, tensors)


@every_function
@pytest.mark.parametrize("reach", [0.0, 1e-30, 1e-6, 30.0, 60.0])
def test_values_and_gradients_stay_finite(function, reach):
    first, *others = arguments(function, 64, 2, dtype=torch.float32)
    limit = 30 if function is kl_between_normals else reach  # a ratio of variances: 2 x 30
    tensors = [first, *(t.sign() * min(reach, limit) for t in others)]
    for t in tensors:
        t.requires_grad_()
    value = function(*tensors)
    value.sum().backward()
    assert value.isfinite().all()
    assert all(t.grad.isfinite().all() for t in tensors)


@every_function
def test_float32_stays_near_float64(function):
    tensors = arguments(function, 50, 20, dtype=torch.float32)
    single = function(*tensors)
    assert single.dtype == torch.float32
    torch.testing.assert_close(
        single.double(), function(*(t.double() for t in tensors)), rtol=1e-5, atol=2e-5
    )


@every_function
@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 1)])
def test_empty_batch_gives_an_empty_answer(function, shape):
    assert function(*arguments(function, *shape)).shape == shape[:-1]


@every_function
@pytest.mark.parametrize("position", range(4))
def test_leading_axes_broadcast(function, position):
    """K samples of a batch: (K, B, D) in one argument, (B, D) in the others."""
    tensors = arguments(function, 5, 3)
    position %= len(tensors)
    samples = torch.rand(4, 5, 3, dtype=torch.float64)
    with_samples = [*tensors[:position], samples, *tensors[position + 1 :]]
    one_by_one = [
        function(*tensors[:position], samples[k], *tensors[position + 1 :]) for k in range(4)
    ]
    torch.testing.assert_close(function(*with_samples), torch.stack(one_by_one))


@every_function
def test_one_row_of_parameters_serves_a_batch(function):
    tensors = arguments(function, 5, 3)
    shared = [tensors[0], *(t[0] for t in tensors[1:])]
    repeated = [tensors[0], *(t[:1].expand(5, 3) for t in tensors[1:])]
    torch.testing.assert_close(function(*shared), function(*repeated))


@every_function
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ((2, 3), (2, 1), "one length D of the last axis"),  # the classic silent broadcast
        ((2, 1), (2, 3), "one length D of the last axis"),
        ((2, 3), (2, 4), "one length D of the last axis"),
        ((2, 3), (4, 3), "leading axes that broadcast"),
        ((2, 3), (), "tensors of shape"),
        ((), (), "tensors of shape"),
    ],
)
def test_wrong_shapes_say_what_was_expected_and_what_came(function, first, last, expected):
    shapes = [first] * (FUNCTIONS[function] - 1) + [last]
    with pytest.raises(ValueError, match=f"expected .*{expected}.*got") as error:
        function(*(torch.zeros(shape) for shape in shapes))
    assert str(first) in str(error.value) and str(last) in str(error.value)
