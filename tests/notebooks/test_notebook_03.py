"""What notebook 03 shows does what the package does, and its widget tells the truth."""

import ast

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from helpers.shown import NOTEBOOKS, assert_twins, shown
from helpers.stand_alone import bound_names, free_names

from course_utils import distributions, models, objectives, plotting
from course_utils.session import PLOT_STYLE

EXTREMES = [1.0, 5.0, 30.0]
TWINS = {  # name on the page and in the package -> number of arguments
    "normal_log_prob": 3,
    "bernoulli_log_prob": 2,
    "kl_to_standard_normal": 2,
    "kl_between_normals": 4,
}


pytestmark = pytest.mark.usefixtures("course_style")


# --- the page and the package ---


@pytest.fixture(scope="module")
def page():
    return shown(3, *TWINS, "log_weights", "iwae_bound")


@pytest.mark.parametrize("scale", EXTREMES)
@pytest.mark.parametrize("name", TWINS)
def test_shown_and_package_agree_in_value_and_gradient(page, name, scale):
    arguments = [scale * torch.randn(7, 5, dtype=torch.float64) for _ in range(TWINS[name])]
    if name == "bernoulli_log_prob":
        arguments[0] = (arguments[0] > 0).double()
    results = []
    for function in (getattr(page, name), getattr(distributions, name)):
        inputs = [t.clone().requires_grad_() for t in arguments]
        value = function(*inputs)
        value.sum().backward()
        results.append([value, *(t.grad for t in inputs)])
    assert_twins(*results)


@pytest.mark.parametrize("scale", EXTREMES)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_shown_bound_and_its_twin_agree(page, likelihood, scale):
    model = models.VAE(3, 7, likelihood, data_dim=11).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale**0.5
    x = (torch.rand(6, 11, dtype=torch.float64) < 0.5).double()
    results = []
    for module in (page, objectives):
        model.zero_grad()
        torch.manual_seed(1)
        log_w = module.log_weights(model, x, 4)
        bound = module.iwae_bound(model, x, 4)
        bound.mean().backward()
        results.append([log_w, bound, *(p.grad.clone() for p in model.parameters())])
    assert results[0][0].shape == (4, 6) and results[0][1].shape == (6,)
    assert_twins(*results)


# --- the page by itself ---


def random_model(sizes=4):
    draw = torch.distributions.Dirichlet(torch.full((sizes,), 0.7, dtype=torch.float64)).sample
    q, prior, lik = draw(), draw(), torch.rand(sizes, dtype=torch.float64)
    return q, prior, lik, prior * lik / (prior * lik).sum()


def test_every_line_of_the_derivations():
    page = shown(3, "E", "KL", "by_jensen", "by_bayes", "from_the_gap")
    for _ in range(50):
        model = random_model()
        jensen, bayes, gap = [
            torch.stack(derive(*model, torch.log))
            for derive in (page.by_jensen, page.by_bayes, page.from_the_gap)
        ]
        for line in (jensen[:2], jensen[2:], bayes, gap):
            torch.testing.assert_close(line, line[0].expand_as(line), rtol=0, atol=1e-10)
        assert gap[0] > 0 and jensen[2] < jensen[1]
        torch.testing.assert_close(jensen[2] + gap[0], bayes[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("K", [1, 2, 3])
def test_exact_bound_is_the_sum_over_all_draws(K):
    page = shown(3, "E", "exact_bound")
    page.exact_bound.__globals__["torch"].set_default_dtype(torch.float64)
    try:
        q, prior, lik, _ = random_model()
        w = prior * lik / q
        draws = torch.cartesian_prod(*[torch.arange(4)] * K).view(-1, K)
        expected = (q[draws].prod(1) * w[draws].mean(1).log()).sum()
        assert page.exact_bound(q, w, K) == pytest.approx(expected.item(), abs=1e-6)
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_instrument_of_the_clinic():
    page = shown(3, "beta_used", "kl_to_standard_normal", "bernoulli_log_prob")
    x, logits = (torch.rand(8, 30) < 0.5).double(), torch.randn(8, 30).double()
    mu, log_var = torch.randn(2, 8, 3, dtype=torch.float64)

    def loss(x, logits, mu, log_var, beta=0.7, factor=3.0):
        kl = distributions.kl_to_standard_normal(mu, log_var)
        return factor * (beta * kl - distributions.bernoulli_log_prob(x, logits)).mean() + 5

    inputs = (distributions.bernoulli_log_prob, x, logits, mu, log_var)
    assert page.beta_used(loss, *inputs) == pytest.approx(0.7)

    def crooked(x, logits, mu, log_var):
        return loss(x, logits, mu, log_var / 2)

    assert page.beta_used(crooked, *inputs) is None


# --- the widget, cell by cell as a reader runs it ---


@pytest.fixture(scope="module")
def live():
    """The namespace of the cells that make the widget."""
    (path,) = NOTEBOOKS.glob("03_*.ipynb")
    cells = {cell["id"]: cell.source for cell in nbformat.read(path, as_version=4).cells}
    names, dtype = {}, torch.get_default_dtype()
    try:
        with plt.rc_context(PLOT_STYLE):
            for name in ("setup", "average", "continuous", "bar", "bar_plot", "live"):
                exec(compile(cells[name], name, "exec"), names)
            yield names
    finally:
        torch.set_default_dtype(dtype)
        plt.close("all")


def test_no_later_cell_overwrites_what_the_widget_uses():
    (path,) = NOTEBOOKS.glob("03_*.ipynb")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    cells = [cell for cell in cells if cell["id"] != "install"]  # it holds a magic
    at = [cell["id"] for cell in cells].index("live")
    trees = [ast.parse(cell.source) for cell in cells]
    functions = {n.name: n for tree in trees[: at + 1] for n in tree.body if hasattr(n, "name")}
    used, waiting = set(), ["bound_at"]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += free_names(ast.unparse(functions[name])) if name in functions else []
    assert {"picture", "elbo_of", "z_grid", "h"} <= used
    later = set().union(*(bound_names(ast.unparse(tree)) for tree in trees[at + 1 :]))
    assert not later & used


@pytest.mark.slow
def test_each_knob_moves_the_picture(live):
    explorer = live["explorer"]
    assert set(explorer.sliders) == {"mu", "std"}
    for slider in explorer.sliders.values():
        before = bytes(explorer.image.value)
        assert before.startswith(b"\x89PNG")
        slider.value = slider.value + slider.step * (1 if slider.value < slider.max else -1)
        assert bytes(explorer.image.value) != before
        assert explorer.text.value == ""  # an error would be told here


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 0.3, 0.7, 1])
def test_the_identity_holds_at_each_knob(live, at):
    explorer, fixed = live["explorer"], {"mu": 1.0, "std": 0.45}
    for name, slider in explorer.sliders.items():
        value = round((slider.min + at * (slider.max - slider.min)) / slider.step) * slider.step
        slider.value = value
        knobs = {**fixed, name: slider.value}
        elbo, gap = live["elbo_of"](**knobs), live["gap_of"](**knobs)
        assert gap >= 0
        assert elbo + gap == pytest.approx(live["log_px"], abs=1e-7)
        # and the picture shows these very numbers
        for other, widget in explorer.sliders.items():
            widget.value = knobs[other]
        shown_numbers = [text.get_text() for text in live["canvas"].axes[1].texts]
        assert f"{elbo:.2f}" in shown_numbers
        assert f"log p(x) = {live['log_px']:.2f}" in shown_numbers


def test_a_knob_out_of_order_is_told(live, monkeypatch):
    explorer = live["explorer"]

    def broken(*args, **kwargs):
        raise RuntimeError("no picture")

    monkeypatch.setattr(plotting, "bound_and_gap", broken)
    with pytest.raises(RuntimeError, match="no picture"):
        explorer.sliders["mu"].value = 2.0
