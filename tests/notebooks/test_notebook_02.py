"""The page of notebook 02 does what the package does; its widget tells the truth."""

import math
import re

import numpy as np
import pytest
import torch
from helpers.shown import assert_twins, shown

from course_utils import ppca
from course_utils.ppca import PPCA
from course_utils.widgets import knobs

NAMES = [
    "posterior",
    "mean_log_likelihood",
    "closed_form",
    "e_step",
    "em_step",
    "gradient_ascent",
    "log_prob",
    "row_posterior",
    "regress_column",
    "em_step_missing",
    "observed_log_likelihood",
    "shortcut_step",
]
SCALES = [1.0, 30.0, 1e-3]  # of W, against noise of variance 0.3


@pytest.fixture(autouse=True)
def as_on_the_page(float64):
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def page():
    return shown(2, *NAMES)


def model_of(W, mu, var):
    model = PPCA(W.shape[1])
    model.weight, model.mean, model.noise_variance = W, mu, var
    return model


def parameters(scale=1.0):
    return scale * torch.randn(6, 2), torch.randn(6), 0.3


@pytest.mark.parametrize("scale", SCALES)
def test_density_and_posterior_agree_in_value_and_gradient(page, scale):
    (W, mu, var), x = parameters(scale), scale * torch.randn(9, 6)
    leaves = [t.requires_grad_() for t in (x, W, mu)]
    twin = model_of(W, mu, var)
    pairs = [(page.log_prob(x, W, mu, var), twin.log_prob(x))]
    pairs += list(zip(page.posterior(x, W, mu, var), twin.posterior(x), strict=True))
    for one, other in pairs:
        assert_twins(one, other)
        for a, b in zip(
            *(
                torch.autograd.grad(t.sum(), leaves, retain_graph=True, allow_unused=True)
                for t in (one, other)
            )
        ):
            assert (a is None) == (b is None)
            if a is not None:
                assert_twins(a, b)


@pytest.mark.parametrize("scale", SCALES)
def test_mean_log_likelihood_agrees_in_value_and_gradient(page, scale):
    (W, _, _), x = parameters(scale), torch.randn(50, 6)
    S, log_var = x.T @ x / 50, torch.tensor(-1.2).requires_grad_()
    W.requires_grad_()
    results = []
    for value in (
        page.mean_log_likelihood(S, W, log_var.exp()),
        ppca._mean_log_likelihood(S, W, log_var),
    ):
        results.append([value, *torch.autograd.grad(value, [W, log_var])])
    assert_twins(*results)


@pytest.mark.parametrize("scale", SCALES)
def test_one_em_step_agrees(page, scale):
    (W, _, _), x = parameters(scale), scale * torch.randn(40, 6)
    mean, var = x.mean(0), torch.tensor(0.3 * scale**2)
    _, (_, twin_W, twin_var) = ppca._em_step(x, None, mean, W, var)
    shown_W, shown_var = page.em_step(x - mean, W, var)
    assert_twins([shown_W / scale, shown_var / scale**2], [twin_W / scale, twin_var / scale**2])


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_one_em_step_with_holes_agrees(page, share):
    (W, mu, _), x = parameters(), torch.randn(60, 6) * torch.arange(1.0, 7.0)
    mask = torch.rand(60, 6) > share
    mask[0], mask[1] = False, True  # a row with nothing, a row with everything
    var = torch.tensor(0.3)
    twin_log_p, (twin_mu, twin_W, twin_var) = ppca._em_step(x, mask, mu, W, var)
    shown_W, shown_mu, shown_var = page.em_step_missing(x, mask, W, mu, var)
    assert_twins([shown_W, shown_mu, shown_var], [twin_W, twin_mu, twin_var])
    assert page.observed_log_likelihood(x, mask, W, mu, var) == pytest.approx(float(twin_log_p))


@pytest.mark.slow
def test_the_three_fits_agree_with_the_package(page):
    axes = torch.linalg.qr(torch.randn(6, 2)).Q * torch.tensor([3.0, 2.0])
    x = torch.randn(300, 2) @ axes.T + 0.5 * torch.randn(300, 6)
    S = (x - x.mean(0)).T @ (x - x.mean(0)) / 300
    W, var = page.closed_form(S, 2)
    twin = PPCA(2).fit(x)
    assert_twins(W @ W.T, twin.weight @ twin.weight.T)
    assert float(var) == pytest.approx(twin.noise_variance, rel=1e-9)
    W, var, trace = page.gradient_ascent(S, 2, steps=2000)
    assert trace[-1] == pytest.approx(twin.log_likelihoods[-1], abs=1e-6)
    assert_twins(W @ W.T, twin.weight @ twin.weight.T)


def test_the_shortcut_falls_from_the_optimum(page):
    x = torch.randn(150, 2) @ torch.randn(2, 6) + 0.5 * torch.randn(150, 6)
    mask = torch.rand(150, 6) > 0.3
    model = PPCA(2).fit(x, "em", mask=mask, steps=1000, tolerance=1e-9)
    theta = model.weight, model.mean, model.noise_variance
    best = page.observed_log_likelihood(x, mask, *theta)
    assert page.observed_log_likelihood(x, mask, *page.shortcut_step(x, mask, *theta)) < best


# --- widget and figures --------------------------------------------------------------------------


@pytest.fixture
def story():
    function = shown(2, "story").story  # with no name of the page: it owns what it uses
    ranges = {
        "z": (-3.0, 3.0, 0.1, 1.0),
        "angle": (-90, 90, 5, 25),
        "sigma": (0.05, 1.5, 0.05, 0.5),
    }
    return knobs(function, **ranges)


@pytest.mark.slow
@pytest.mark.parametrize(("knob", "value"), [("z", -2.0), ("angle", 60), ("sigma", 1.2)])
def test_each_knob_moves_the_picture_and_the_numbers_stay_true(story, knob, value):
    before = story.image.value
    story.sliders[knob].value = value
    assert story.image.value != before
    along, across = (float(number) for number in re.findall(r"\d+\.\d+", story.text.value))
    at = story.values
    turn = math.radians(at["angle"])
    W = 2.2 * np.array([[math.cos(turn)], [math.sin(turn)]])
    C = W @ W.T + at["sigma"] ** 2 * np.eye(2)
    np.testing.assert_allclose([across, along], np.sqrt(np.linalg.eigvalsh(C)), atol=0.006)


def test_a_callback_that_raises_is_heard(story):
    story._function = lambda **values: 1 / 0
    with pytest.raises(ZeroDivisionError):
        story.sliders["z"].value = 0.0
