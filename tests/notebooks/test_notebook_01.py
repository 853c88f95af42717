"""What stands on the page of notebook 01 does what the package does, and its walk is honest."""

import io
import math

import numpy as np
import pytest
import torch
from helpers.shown import assert_twins, shown
from PIL import Image

from course_utils import models, plotting
from course_utils.widgets import knobs

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def page():
    names = ["Autoencoder", "squared_error", "second_moment", "linear_error", "train_linear"]
    names += ["train_with_S"]
    names += ["principal_angles", "share_held", "correlation", "interpolate", "random_mask"]
    names += ["lean", "searcher", "distance", "share_empty"]
    return shown(1, *names, device=DEVICE)


# --- the page and the package --------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 30.0, -30.0])
def test_autoencoder_and_its_twin_agree_in_value_and_gradient(page, scale):
    torch.manual_seed(0)
    twin, original = models.Autoencoder(5, 7, 11).double(), page.Autoencoder(5, 7, 11).double()
    original.load_state_dict(twin.state_dict())  # one architecture, one set of names
    x = torch.rand(13, 11, dtype=torch.float64) * scale
    results = []
    for model in (original, twin):
        loss = model.loss(x)
        loss.mean().backward()
        grads = (p.grad for p in model.parameters())
        results.append([model.encode(x), model.decode(model.encode(x)), loss, *grads])
    assert_twins(*results)


# --- the linear world ----------------------------------------------------------------------------


def test_linear_error_counts_what_the_rows_say(page):
    torch.manual_seed(1)
    x, W, V = (torch.randn(*s, dtype=torch.float64) for s in [(4500, 6), (6, 2), (2, 6)])
    counted = (x - x @ V.T @ W.T).square().sum(1).mean()
    S = page.second_moment(x)
    torch.testing.assert_close(S, x.T @ x / len(x))
    torch.testing.assert_close(page.linear_error(W, V, S), counted)
    assert math.isclose(page.squared_error(x, x @ V.T @ W.T), counted)


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_training_finds_the_leading_eigenvectors(page, tied, seed):
    torch.manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    S = basis @ torch.diag(torch.tensor([5.0, 4, 3, 2, 1, 0.5, 0.2, 0.1]).double()) @ basis.T
    W, V = page.train_with_S(S, 2, tied=tied)
    assert page.principal_angles(W, basis[:, :2])[0] < 0.1
    assert abs(page.linear_error(W, V, S) - 6.8) < 1e-3  # 3 + 2 + 1 + 0.5 + 0.2 + 0.1
    assert not W.requires_grad and not V.requires_grad


def test_training_on_batches_comes_as_low_as_pca(page):
    torch.manual_seed(3)
    scales = torch.tensor([3.0, 2.0, 0.5, 0.4, 0.3, 0.2])
    x = torch.randn(4000, 6) * scales + 1  # not centred: the mean is taken off on the way
    mean = x.mean(0)
    W, V = page.train_linear(x, mean, 2, epochs=30)
    least = torch.linalg.eigvalsh((x - mean).T.cov(correction=0))[:-2].sum()
    assert page.squared_error(x - mean, (x - mean) @ V.T @ W.T) < 1.001 * least
    assert not W.requires_grad and not V.requires_grad


def test_principal_angles_of_a_plane_tilted_by_hand(page):
    angle = math.radians(30)
    A = torch.eye(4, 2, dtype=torch.float64)
    B = torch.tensor([[1.0, 0], [0, math.cos(angle)], [0, math.sin(angle)], [0, 0]]).double()
    torch.testing.assert_close(
        page.principal_angles(A, 3 * B), torch.tensor([30.0, 0]).double(), rtol=0, atol=1e-5
    )
    assert math.isclose(page.share_held(B[:, 1], A), 0.75, rel_tol=1e-6)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25])
def test_lean_of_a_stroke_drawn_by_hand(page, slope):
    ink = torch.zeros(28, 28)
    for row in range(4, 25, 4):
        column = 14 + slope * (row - 14)
        left, share = int(column), column - int(column)
        ink[row, left], ink[row, left + 1] = 1 - share, share
    faint = torch.stack([ink.flatten(), 0.3 * ink.flatten()])  # ink counts by its share only
    torch.testing.assert_close(page.lean(faint), torch.full((2,), slope), rtol=0, atol=1e-5)


def test_interpolation_and_correlation(page):
    path = page.interpolate(torch.zeros(3), torch.tensor([6.0, 12.0, -6.0]))
    torch.testing.assert_close(path[:, 0], torch.arange(7.0))
    z = torch.randn(50, 4, dtype=torch.float64)
    np.testing.assert_allclose(page.correlation(z.T.cov()), np.corrcoef(z.T.numpy()))


def test_masks_hide_one_square_inside_the_page(page):
    masks = page.random_mask(200).view(-1, 28, 28)
    hidden = 1 - masks
    assert (hidden.sum((1, 2)) == 144).all()
    assert ((hidden.amax(1).sum(1) == 12) & (hidden.amax(2).sum(1) == 12)).all()
    assert not hidden[:, :4].any() and not hidden[:, 24:].any()
    assert len(torch.unique(masks, dim=0)) > 20


def test_distances_and_empty_places_counted_by_hand(page):
    torch.manual_seed(3)
    codes, places = torch.randn(300, 5), torch.randn(7, 100, 5)
    nearest = (places[:, :, None] - codes).norm(dim=-1).min(2).values
    torch.testing.assert_close(
        page.distance(places, page.searcher(codes)), nearest, rtol=0, atol=1e-5
    )

    of_tests = torch.arange(1.0, 102)  # 99 of 100 are nearer than 100
    of_draws = torch.tensor([0.5, 99.9, 100.1, 500])
    assert page.share_empty(of_draws, of_tests) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("block", [1, 100])
def test_the_bootstrap_finds_the_spread_of_shares(block):
    """Against shares of many fresh samples, in which neighbours are alike in blocks."""
    page = shown(1, "share_empty", "again", "bootstrap_error")
    torch.manual_seed(4)

    def sample():
        of_tests = torch.rand(10_000 // block, 1).expand(-1, block).flatten()
        return torch.rand(2000) * 1.5, of_tests

    fresh = torch.stack([page.share_empty(*sample()) for _ in range(400)]).std()
    guessed = torch.stack([page.bootstrap_error(*sample()) for _ in range(8)]).mean()
    assert 0.6 < guessed / fresh < 1.6


# --- the walk ------------------------------------------------------------------------------------


@pytest.fixture
def walk():
    """The knobs of the page over a small world: 200 codes, a network, its map of distances."""
    torch.manual_seed(2)
    model, codes, limit, tau = models.Autoencoder(2, 8), torch.randn(200, 2), 3.0, 0.5

    page = shown(1, "searcher", "distance")
    distance, known = page.distance, page.searcher(codes)
    ticks = torch.linspace(-limit, limit, 40)
    on_grid = distance(torch.cartesian_prod(ticks, ticks), known).view(40, 40).T
    world = {"bent": model, "limit": limit, "tau": tau, "plotting": plotting, "torch": torch}
    world |= {"distance": distance, "known_2": known, "on_grid": on_grid}
    function = shown(1, "walk", **world).walk
    live = knobs(function, z_1=(-limit, limit, 0.05, 0.4), z_2=(-limit, limit, 0.05, 0.4))
    return live, model, codes, limit, tau


def seen(live):
    return np.asarray(Image.open(io.BytesIO(live.image.value))).astype(int)


@pytest.mark.parametrize("knob", ["z_1", "z_2"])
@pytest.mark.parametrize("value", [-3.0, -1.5, 2.8, 3.0])
def test_each_knob_moves_the_picture_and_the_text_tells_the_distance(walk, knob, value):
    live, model, codes, limit, tau = walk
    before = live.image.value
    live.sliders[knob].value = value
    assert live.image.value != before

    z = torch.tensor([live.sliders["z_1"].value, live.sliders["z_2"].value])
    d = (codes - z).norm(dim=1).min().item()
    assert f"distance {d:.2f}" in live.text.value
    assert live.text.value.endswith("empty place") == (d > tau)

    right = seen(live)[:, 44:, 0]  # the decoded image, enlarged to the map's 40 pixels
    ink = model.decode(z).detach().clamp(0, 1).view(28, 28)
    nearest = np.arange(40) * 28 // 40
    assert np.abs(right - 255 * (1 - ink.numpy()[np.ix_(nearest, nearest)])).max() <= 1


def test_the_cross_stands_where_the_knobs_say(walk):
    live, *_ = walk
    live.sliders["z_1"].value, live.sliders["z_2"].value = 1.5, -1.5  # half way to the border
    left = seen(live)[:, :40]
    orange = np.abs(left - [214, 94, 0]).max(2) <= 1
    rows, columns = orange.sum(1), orange.sum(0)
    assert (rows.argmax(), columns.argmax()) == (39 - round(0.25 * 39), round(0.75 * 39))
