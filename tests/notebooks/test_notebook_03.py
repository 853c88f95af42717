"""What notebook 03 shows does what the package does, and its widget tells the truth."""

import math

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from helpers.shown import NOTEBOOKS, shown
from torch.distributions import Normal

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
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


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
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


# --- the page by itself ---


def random_model(sizes=4):
    draw = torch.distributions.Dirichlet(torch.full((sizes,), 0.7, dtype=torch.float64)).sample
    q, prior, lik = draw(), draw(), torch.rand(sizes, dtype=torch.float64)
    return q, prior, lik, prior * lik / (prior * lik).sum()


def test_every_line_of_the_derivations():
    page = shown(3, "E", "by_jensen", "by_bayes", "from_the_gap")
    for _ in range(50):
        model = random_model()
        jensen, bayes, gap = [
            torch.stack(derive(*model, torch.log))
            for derive in (page.by_jensen, page.by_bayes, page.from_the_gap)
        ]
        for line in (jensen[:3], jensen[3:], bayes, gap):
            torch.testing.assert_close(line, line[0].expand_as(line), rtol=0, atol=1e-10)
        assert gap[0] > 0 and jensen[3] < jensen[2]
        torch.testing.assert_close(jensen[3] + gap[0], bayes[0], rtol=0, atol=1e-10)


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
            for name in ("setup", "average", "continuous", "grid", "bar", "bar_plot", "live"):
                exec(compile(cells[name], name, "exec"), names)
            yield names
    finally:
        torch.set_default_dtype(dtype)
        plt.close("all")


def test_each_knob_moves_the_picture(live):
    explorer = live["explorer"]
    assert set(explorer.sliders) == {"mu", "std"}
    for slider in explorer.sliders.values():
        before = bytes(explorer.image.value)
        assert before.startswith(b"\x89PNG")
        slider.value = slider.value + slider.step * (1 if slider.value < slider.max else -1)
        assert bytes(explorer.image.value) != before
        assert explorer.text.value == ""  # an error would be told here


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


# --- the figures ---

Z = torch.linspace(-3, 3, 61)
BELL = Normal(0.0, 1.0).log_prob(Z).exp()
FIGURES = {
    "stacked_bars": lambda: plotting.stacked_bars(
        {"a": (1, 0.5), "b": (1, 0)}, ["u", "v"], "bits"
    ),
    "jensen_picture": lambda: plotting.jensen_picture(Z[-4:], torch.full((4,), 0.25)),
    "derivations": lambda: plotting.derivations({"A": {"q": [1, 1]}, "B": {"q": [1, 0, 0]}}),
    "mixture_density": lambda: plotting.mixture_density(Z, torch.stack([BELL, BELL]), BELL, BELL),
    "bound_and_gap": lambda: plotting.bound_and_gap(Z, BELL, BELL, {"q": (BELL, -3.0, 2.0)}),
    "sampled_bounds": lambda: plotting.sampled_bounds(
        {"A": {1: Z, 5: Z / 2 + 0.5}, "B": {1: Z, 5: Z / 2 + 0.5}}, -2.0, -1.0
    ),
    "ascent_bars": lambda: plotting.ascent_bars({"A": [(-3, -2), (-2, -2), (-1.5, -1)]}),
    "beta_chart": lambda: plotting.beta_chart({"a": 1.0, "b": 784.0, "c": 0.392}),
    "one_q_or_many": lambda: plotting.one_q_or_many(Z, (Z, BELL), Z, {"line": (Z, BELL)}),
}


def drawn(name):
    fig, axes = FIGURES[name]()
    fig.canvas.draw()
    return fig, [axes] if isinstance(axes, plt.Axes) else list(axes)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_labelled(name):
    fig, axes = drawn(name)
    assert axes == fig.axes
    for ax in axes:
        named_bars = any(text.get_text().isalpha() for text in ax.get_xticklabels())
        assert ax.get_xlabel() or named_bars
    named_rows = any(text.get_text().isalpha() for text in axes[0].get_yticklabels())
    assert axes[0].get_ylabel() or named_rows


def test_stacked_bars_end_at_the_sum():
    _, (ax,) = drawn("stacked_bars")
    ends = [patch.get_x() + patch.get_width() for patch in ax.patches]
    assert ends == pytest.approx([1, 1, 1.5, 1])


def test_bars_of_bound_and_gap_fill_log_px():
    _, (curves, bars) = drawn("bound_and_gap")
    bound, gap = bars.patches
    assert bound.get_y() + bound.get_height() == pytest.approx(-3)
    assert gap.get_y() + gap.get_height() == pytest.approx(-1)
    assert {"q", "prior", "posterior"} <= {t.get_text() for t in curves.get_legend().get_texts()}
    assert "-3.00" in [text.get_text() for text in bars.texts]


def test_bound_and_gap_draws_on_the_figure_it_is_given():
    fig, _ = drawn("bound_and_gap")
    before = list(fig.axes)
    again, axes = plotting.bound_and_gap(Z, BELL, BELL, {"new": (BELL / 2, -50.0, 49.0)}, fig=fig)
    assert again is fig and fig.axes == axes == before
    assert len(axes[1].patches) == 2  # one bar: nothing of the old q is left
    assert axes[1].patches[0].get_height() == 0  # below the floor: a number without a bar
    names = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert sorted(names) == ["new", "posterior", "prior"]
    assert [tick.get_text() for tick in axes[1].get_xticklabels()] == ["new"]


def test_ascent_bars_name_their_steps_and_touch():
    _, (ax,) = drawn("ascent_bars")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["start", "E", "M"]
    bound, gap = ax.patches[:3], ax.patches[3:]
    assert [g.get_y() + g.get_height() for g in gap] == pytest.approx([-2, -2, -1])
    assert [b.get_y() + b.get_height() for b in bound] == pytest.approx([-3, -2, -1.5])


def test_beta_chart_writes_the_numbers():
    _, (ax,) = drawn("beta_chart")
    assert [text.get_text() for text in ax.texts] == ["1", "784", "0.392"]
    assert math.isclose(ax.get_lines()[0].get_xdata()[0], 1) and ax.get_xscale() == "log"


def test_sampled_bounds_mark_the_means_and_the_lines():
    _, axes = drawn("sampled_bounds")
    for ax in axes:
        heights = sorted(float(line.get_ydata()[0]) for line in ax.get_lines())
        assert heights == pytest.approx([-2, -1, 0, 0.5], abs=1e-6)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "5"]
