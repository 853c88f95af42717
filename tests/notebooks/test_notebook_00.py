"""What stands on the page of notebook 00 does what the package does; its live pictures move."""

import ast
import math

import nbformat
import numpy as np
import pytest
import torch
from helpers.shown import NOTEBOOKS, assert_twins, shown
from scipy.stats import multivariate_normal

from course_utils import models
from course_utils.widgets import knobs

CPU = torch.device("cpu")
ATTACKS = ("log_prob_of_class", "adversarial", "fooling_images")
MIXTURE = ("log_joint", "log_prob", "em_step", "random_start", "raise_to_floor")


@pytest.fixture(scope="module")
def page():
    return shown(0, "Classifier", "train_classifier", *ATTACKS, *MIXTURE, device=CPU)


@pytest.fixture
def pair(page):
    torch.manual_seed(0)
    twin, original = models.Classifier(7, 11, 4), page.Classifier(7, 11, 4)
    original.load_state_dict(twin.state_dict())  # one architecture, one set of names
    return original.double(), twin.double()


pytestmark = pytest.mark.usefixtures("course_style")


def inputs(n=13, scale=1.0):
    generator = torch.Generator().manual_seed(3)
    x = scale * torch.rand(n, 11, generator=generator, dtype=torch.float64)
    return x, torch.arange(n) % 4


# --- the page and the package --------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e3, -1e3])
def test_classifier_and_its_twin_agree_in_value_and_gradient(pair, scale):
    x, _ = inputs(scale=scale)
    results = []
    for model in pair:
        at = x.clone().requires_grad_()
        logits = model(at)
        logits.square().sum().backward()
        results.append([logits, at.grad, *(p.grad for p in model.parameters())])
    assert_twins(*results)


@pytest.mark.slow
def test_train_classifier_and_its_twin_take_the_same_steps(page, pair):
    x, y = inputs(50)
    for model, train in zip(pair, (page.train_classifier, models.train_classifier)):
        torch.manual_seed(1)  # both shuffle alike
        train(model, x, y, epochs=3, batch_size=20)
    assert_twins(*(list(model.parameters()) for model in pair))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 5.0])
def test_adversarial_and_its_twin_agree(page, pair, epsilon):
    x, y = inputs()
    on_page = page.adversarial(pair[0], x, y, epsilon)
    torch.testing.assert_close(on_page, models.adversarial(pair[1], x, y, epsilon))


@pytest.mark.parametrize("confidence", [0.3, 0.999])
def test_fooling_images_and_its_twin_agree(page, pair, confidence):
    x, y = inputs()
    on_page = page.fooling_images(pair[0], x, y, confidence, max_steps=60)
    packaged = models.fooling_images(pair[1], x, y, confidence, max_steps=60)
    assert_twins(on_page, packaged)


# --- the package by itself -----------------------------------------------------------------------


def test_classifier_rejects_a_wrong_width_and_size():
    with pytest.raises(ValueError, match=r"x of shape \(\.\.\., 11\), got \(2, 3\)"):
        models.Classifier(7, 11)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="hidden_dim"):
        models.Classifier(0)


@pytest.mark.slow
def test_train_classifier_learns():
    torch.manual_seed(0)
    x = torch.rand(400, 5)
    y, model = (x[:, 0] > 0.5).long(), models.Classifier(8, 5, 2)
    models.train_classifier(model, x, y, epochs=40, batch_size=50, learning_rate=1e-2)
    assert (model(x).argmax(-1) == y).float().mean() > 0.95


def test_adversarial_moves_each_pixel_downhill_and_stays_an_image(pair):
    x, y = inputs()
    moved = models.adversarial(pair[1], x, y, 0.01)
    assert (moved - x).abs().max() <= 0.01 + 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1
    before = pair[1](x).log_softmax(-1)[range(13), y]
    assert (pair[1](moved).log_softmax(-1)[range(13), y] < before).all()
    assert not moved.requires_grad


def test_fooling_images_reach_their_confidence_and_leave_others_alone():
    torch.manual_seed(0)
    model = models.Classifier(30, 11, 4)
    for parameter in model.parameters():
        parameter.data *= 6  # steep enough to be sure of something
    start, y = torch.rand(8, 11), torch.arange(8) % 4
    sure_before = model(start).softmax(-1)[range(8), y] >= 0.9
    climbed = models.fooling_images(model, start, y, confidence=0.9)
    reached = model(climbed).softmax(-1)[range(8), y]
    assert (reached >= 0.9).float().mean() > 0.7
    assert torch.equal(climbed[sure_before], start[sure_before])
    assert climbed.min() >= 0
    assert climbed.max() <= 1


def test_attacks_say_what_they_expect(pair):
    x, y = inputs()
    with pytest.raises(ValueError, match="epsilon: expected 0 or more, got -1"):
        models.adversarial(pair[1], x, y, -1)
    with pytest.raises(ValueError, match="confidence"):
        models.fooling_images(pair[1], x, y, confidence=1.0)


# --- the mixture on the page ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_mixture_agrees_with_scipy_and_em_never_falls(page, seed):
    torch.manual_seed(seed)
    x = torch.randn(200, 3, dtype=torch.float64) * torch.tensor([1.0, 3.0, 0.1])
    now, before = page.random_start(x, 4, variance=0.5), -torch.inf
    for _ in range(10):
        expected = sum(
            p * multivariate_normal(m, c).pdf(x)
            for p, m, c in zip(*(part.numpy() for part in now))
        )
        np.testing.assert_allclose(page.log_prob(x, *now).exp(), expected, rtol=1e-9)
        height = page.log_prob(x, *now).sum()
        assert height >= before - 1e-9 * abs(height)
        before, now = height, page.em_step(x, *now)


def test_the_floor_is_the_smallest_eigenvalue(page):
    cov = torch.diag(torch.tensor([0.0, 1e-6, 0.5, 2.0], dtype=torch.float64))[None]
    raised = torch.linalg.eigvalsh(page.raise_to_floor(cov, 0.01))[0]
    np.testing.assert_allclose(raised, [0.01, 0.01, 0.5, 2.0], rtol=1e-12)


# --- the partition function ----------------------------------------------------------------------


@pytest.mark.parametrize("J", [-0.8, 0.3, 2.0])
def test_the_planar_shortcut_agrees_with_a_ring_of_four_added_up(J):
    by_hand = (math.exp(J) + 1) ** 4 + (math.exp(J) - 1) ** 4
    on_page = shown(0, "log_Z_planar").log_Z_planar(2, J)
    assert on_page == pytest.approx(math.log(by_hand), rel=1e-12)


# --- the live pictures ---------------------------------------------------------------------------


def test_turning_epsilon_changes_image_and_numbers(page):
    torch.manual_seed(0)
    classifier, one_each = models.Classifier(), torch.rand(10, 784)
    given = {"device": CPU, "classifier": classifier, "one_each": one_each}
    attack_view = shown(0, "attack_view", "log_prob_of_class", "adversarial", **given).attack_view
    live = knobs(attack_view, epsilon=(0.0, 0.3, 0.01, 0.0), digit=(0, 9, 1, 7))
    seen = {live.image.value}
    for name, value in [("epsilon", 0.1), ("digit", 3), ("epsilon", 0.3)]:
        live.sliders[name].value = value
        seen.add(live.image.value)
    assert len(seen) == 4
    shares = [float(line.split()[-1].rstrip("%")) for line in live.text.value.split("\n")]
    x_adv = models.adversarial(classifier, one_each[[3]], torch.tensor([3]), 0.3)
    np.testing.assert_allclose(shares, 100 * classifier(x_adv).softmax(-1)[0].detach(), atol=0.051)
    assert sum(shares) == pytest.approx(100, abs=0.6)


def test_stepping_em_changes_the_image_and_never_lowers_the_number(page):
    torch.manual_seed(0)
    ring = torch.randn(150, 2, dtype=torch.float64)
    histories = [[page.random_start(ring, 3, variance=0.5)] for _ in range(2)]
    for history in histories:
        for _ in range(6):
            history.append(page.em_step(ring, *history[-1]))
    climb = torch.stack(
        [torch.stack([page.log_prob(ring, *now).mean() for now in h]) for h in histories]
    )
    ticks = torch.linspace(-3, 3, 150, dtype=torch.float64)
    plane = torch.cartesian_prod(ticks, ticks)
    given = {"ring": ring, "histories": histories, "climb": climb, "plane": plane}
    em_frame = shown(0, "em_frame", "log_joint", "log_prob", **given).em_frame
    live = knobs(em_frame, step=(0, 6, 1, 0), start=(0, 1, 1, 0))
    seen, heights = {live.image.value}, [float(live.text.value.split()[3])]
    for step in range(1, 7):
        live.sliders["step"].value = step
        seen.add(live.image.value)
        heights.append(float(live.text.value.split()[3]))
    assert len(seen) == 7
    assert heights == sorted(heights)
    np.testing.assert_allclose(heights, climb[0], atol=6e-4)
    live.sliders["start"].value = 1
    assert live.image.value not in seen


def test_a_live_picture_passes_errors_on(page):
    attack_view = shown(0, "attack_view", device=CPU, one_each=torch.rand(10, 3)).attack_view
    with pytest.raises(NameError):  # no classifier
        knobs(attack_view, epsilon=(0.0, 0.3, 0.01, 0.0), digit=(0, 9, 1, 7))


def bound_at_top(body):
    """The names that statements bind, those within functions and classes aside."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


@pytest.mark.parametrize("name", ["attack_view", "em_frame"])
def test_no_later_cell_binds_what_a_live_picture_uses(name):
    (path,) = NOTEBOOKS.glob("00_*.ipynb")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    bodies = [ast.parse(c.source.replace("%pip", "pass  # ")).body for c in cells]
    found = [
        (n, f) for n, body in enumerate(bodies) for f in body if getattr(f, "name", 0) == name
    ]
    ((at, function),) = found
    names = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
    later = {bound for body in bodies[at + 1 :] for bound in bound_at_top(body)}
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    own |= {a.arg for a in function.args.args}
    assert not ({n.id for n in names} - own) & later
