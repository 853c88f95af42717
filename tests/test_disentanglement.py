"""Mutual information against exact values, scikit-learn and tables worked out by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import mutual_info_score

from course_utils.disentanglement import mutual_information, mutual_information_gap


def binned_gaussian_information(rho: float, bins: int) -> tuple[float, float]:
    """Mutual information of two normal variables of correlation rho in equal-share bins, exactly.

    It is the mean of log p(z, v) / (p(z) p(v)), whose standard deviation is the second value.
    Each cell's probability is an integral of the conditional normal distribution function.
    """
    edges = stats.norm.ppf(np.linspace(0, 1, bins + 1))
    u = (np.arange(400) + 0.5) / 400 / bins  # midpoints, uniform within a bin of z
    table = np.empty((bins, bins))
    for i in range(bins):
        z = stats.norm.ppf(i / bins + u)[:, None]
        below = stats.norm.cdf((edges - rho * z) / math.sqrt(1 - rho**2))
        table[i] = np.diff(below, axis=1).mean(0) / bins
    log_ratio = np.log(table * bins**2)
    mean = (table * log_ratio).sum()
    return mean, math.sqrt((table * (log_ratio - mean) ** 2).sum())


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.9])
def test_mutual_information_of_gaussians(rho):
    """Three independent repeats: the exact value of the binned variables, plus the known bias."""
    generator, n, bins = torch.Generator().manual_seed(5), 100_000, 10
    v = torch.randn(n, generator=generator)
    z = rho * v[:, None] + math.sqrt(1 - rho**2) * torch.randn(n, 3, generator=generator)
    exact, deviation = binned_gaussian_information(rho, bins)
    finer, _ = binned_gaussian_information(rho, 2 * bins)  # each of its bins lies within one
    assert exact - 1e-9 <= finer <= -0.5 * math.log(1 - rho**2) + 1e-9  # binning hides information
    bias = (bins - 1) ** 2 / (2 * n)
    # Where there is none, 2 N I is chi-squared with (bins - 1)^2 degrees of freedom.
    error = deviation / math.sqrt(n) + bias * math.sqrt(2) / (bins - 1)
    assert (mutual_information(z, v, bins) - exact - bias).abs().max() < 4.5 * error


def test_mutual_information_is_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(6)
    z = torch.randn(5_000, 4, generator=generator)
    digit = torch.randint(-3, 4, (5_000,), generator=generator)  # classes may be any integers
    factor = z[:, 1] + 0.3 * z[:, 2].square()
    for v, classes in ((digit, digit.numpy()), (factor, None)):
        if classes is None:
            row = v.double().numpy()
            classes = np.searchsorted(np.quantile(row, np.arange(1, 20) / 20), row)
        found = mutual_information(z.double(), v.double() if v is factor else v)
        for m, unit in enumerate(z.double().numpy().T):
            code = np.searchsorted(np.quantile(unit, np.arange(1, 20) / 20), unit)
            assert found[m] == pytest.approx(mutual_info_score(code, classes), abs=1e-12)


def test_mutual_information_gap_of_known_tables():
    v = torch.arange(8_000) % 4
    copy, half = v.float(), (v // 2).float()  # all of the two bits of v; one of them
    noise = (torch.arange(8_000) // 4 % 20).float()  # exactly independent of v
    information = mutual_information(torch.stack([copy, half, noise], 1), v)
    expected = torch.tensor([math.log(4), math.log(2), 0.0], dtype=torch.float64)
    assert torch.allclose(information, expected, atol=1e-12)

    def gap(*units):
        return mutual_information_gap(torch.stack(units, 1), v)

    assert gap(noise, copy) == pytest.approx(1.0)
    assert gap(copy, half, noise) == pytest.approx(0.5)
    assert gap(copy, noise, copy) == pytest.approx(0.0, abs=1e-12)
    assert gap(torch.zeros(8_000), noise) == pytest.approx(0.0, abs=1e-12)
    continuous = torch.rand(8_000, generator=torch.Generator().manual_seed(1))
    codes = torch.stack([-continuous.exp(), noise], 1)  # bins do not ask for a straight line
    assert mutual_information_gap(codes, continuous) > 0.97


@pytest.mark.parametrize(
    ("codes", "factor", "bins", "said"),
    [
        (torch.zeros(5, 2), torch.zeros(4), 20, r"\(5, 2\) and \(4,\)"),
        (torch.zeros(5), torch.zeros(5), 20, r"codes \(N, M\)"),
        (torch.zeros(5, 2), torch.arange(5), 1, "bins.*got 1"),
        (torch.zeros(5, 1), torch.arange(5), 20, "two units or more, got 1"),
        (torch.rand(5, 2), torch.zeros(5), 20, "constant"),
    ],
)
def test_mutual_information_names_mistakes(codes, factor, bins, said):
    with pytest.raises(ValueError, match=said):
        mutual_information_gap(codes, factor, bins)


@pytest.mark.parametrize("kind", [np.int64, torch.tensor, float])
def test_bins_may_be_of_any_library(kind):
    codes, factor = torch.rand(100, 2), torch.rand(100)
    found = mutual_information(codes, factor, kind(5))
    assert torch.equal(found, mutual_information(codes, factor, 5))
    with pytest.raises(ValueError, match="^bins: expected a whole number, 2 or more, got 2.5"):
        mutual_information(codes, factor, 2.5)
