"""What stands on the page of notebook 06 does what the package does, and measures what it says."""

import io
import math

import numpy as np
import pytest
import torch
from helpers.shown import shown
from PIL import Image
from scipy.stats import linregress
from scipy.stats import mode as scipy_mode
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import KNeighborsClassifier

from course_utils import disentanglement, models, plotting
from course_utils.data.strokes import draw_paths
from course_utils.widgets import LatentTraversal, knobs

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def page():
    names = ["traverse", "straight", "spherical", "slant", "thickness", "attribute_vector"]
    names += ["squared_error", "right_set", "in_bins", "entropy", "information"]
    return shown(6, *names, device=DEVICE, pixel=torch.arange(28.0))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.VAE(5, 16)


# --- walks ---------------------------------------------------------------------------------------


def test_a_traversal_moves_one_unit_and_leaves_the_others(page, model):
    z, values = torch.randn(5), torch.tensor([-3.0, 0.25, 30.0])
    found = page.traverse(model, z, 2, values)
    assert not found.requires_grad
    for image, value in zip(found, values, strict=True):
        code = torch.cat([z[:2], value[None], z[3:]])
        torch.testing.assert_close(image, torch.sigmoid(model.decode(code)), rtol=0, atol=1e-6)


def test_a_traversal_shows_what_the_sliders_show(page, model):
    explorer = LatentTraversal(model)
    explorer.move(torch.linspace(-1, 1, 5))
    explorer.sliders[3].value = 2.5
    shown_image = np.asarray(Image.open(io.BytesIO(explorer.image.value)).convert("L"))
    image = page.traverse(model, torch.linspace(-1, 1, 5), 3, torch.tensor([2.5])).view(28, 28)
    scale = shown_image.shape[0] // 28  # the explorer may enlarge by a whole factor
    expected = np.kron(255 * (1 - image.numpy()), np.ones((scale, scale)))
    assert np.abs(shown_image - expected).max() <= 1


def test_the_traversals_table_decodes_the_same_codes(page, model):
    z = torch.randn(5)
    fig, ax = plotting.traversal_table(model.decode_mean, z, [4, 1], ["z5", "z2"], 2, 5)
    rows = [page.traverse(model, z, unit, torch.linspace(-2, 2, 5)) for unit in (4, 1)]
    np.testing.assert_allclose(
        ax.images[0].get_array(), plotting.mosaic(torch.cat(rows), 5), atol=1e-6
    )


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_the_straight_way_is_a_line(page, scale):
    torch.manual_seed(1)
    z_a, z_b = scale * torch.randn(2, 7, dtype=torch.float64)
    t = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    expected = [torch.lerp(z_a, z_b, share) for share in t]
    torch.testing.assert_close(page.straight(z_a, z_b, t), torch.stack(expected))


@pytest.mark.parametrize("dimensions", [2, 20])
def test_the_spherical_way_turns_evenly_and_keeps_the_length(page, dimensions):
    torch.manual_seed(2)
    z_a, z_b = torch.randn(2, dimensions, dtype=torch.float64)
    z_b = z_b * z_a.norm() / z_b.norm()
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    arc = page.spherical(z_a, z_b, t)
    torch.testing.assert_close(arc[[0, -1]], torch.stack([z_a, z_b]))
    torch.testing.assert_close(arc.norm(dim=1), z_a.norm().expand(9))
    turned = torch.cosine_similarity(arc[1:], arc[:-1]).arccos()
    whole = torch.cosine_similarity(z_a, z_b, dim=0).arccos()
    torch.testing.assert_close(turned, (whole / 8).expand(8), rtol=1e-6, atol=1e-6)


def test_the_spherical_way_by_complex_numbers(page):
    # A quarter turn in the plane: e^(iφ) with φ from 0.3 to 0.3 + π/2.
    ends = np.exp(1j * np.array([0.3, 0.3 + math.pi / 2]))
    z_a, z_b = (torch.tensor([end.real, end.imag]) for end in ends)
    arc = page.spherical(z_a, z_b, torch.tensor([0.0, 1 / 3, 1.0]))
    expected = np.exp(1j * (0.3 + math.pi / 2 * np.array([0, 1 / 3, 1])))
    np.testing.assert_allclose(arc, np.stack([expected.real, expected.imag], 1), atol=1e-6)


# --- what is measured on a page ------------------------------------------------------------------


def bar(slope: float) -> torch.Tensor:
    """A faint stroke, one point of ink per row, shared between two columns: (784,)."""
    ink = torch.zeros(28, 28)
    for row in range(4, 25):
        column = 13.5 - slope * (row - 14)  # y points up, rows count down
        left, share = int(column), column - int(column)
        ink[row, left], ink[row, left + 1] = 1 - share, share
    return 0.4 * ink.flatten()


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.3])
def test_slant_of_a_stroke_drawn_by_hand(page, slope):
    images = torch.stack([bar(slope), bar(-slope)]).view(2, 1, 784)
    expected = torch.tensor([[slope], [-slope]])
    torch.testing.assert_close(page.slant(images), expected, rtol=0, atol=1e-5)


def test_slant_is_least_squares_and_the_lean_of_notebook_01(page):
    torch.manual_seed(3)
    images = torch.rand(4, 784)
    images[:, 400:] *= 0.2
    rows, columns = np.divmod(np.arange(784), 28)
    for image, found in zip(images, page.slant(images), strict=True):
        copies = np.rint(2000 * image.numpy()).astype(int)  # an ink of 0.7: 1,400 points
        fit = linregress(np.repeat(-rows, copies), np.repeat(columns, copies))
        assert abs(found - fit.slope) < 1e-3
    lean = shown(1, "lean").lean
    torch.testing.assert_close(page.slant(images), -lean(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("s", [-0.25, 0.5])
def test_shearing_moves_the_slant_by_exactly_s(page, s):
    """Each row moves sideways as a whole, its ink shared between two columns: no other error."""
    torch.manual_seed(4)
    ink = torch.zeros(28, 28, dtype=torch.float64)
    ink[6:23, 10:18] = torch.rand(17, 8)
    sheared = torch.zeros_like(ink)
    for row in range(28):
        shift = s * (14 - row)  # up is 14 - row
        whole, share = math.floor(shift), shift - math.floor(shift)
        sheared[row] = (1 - share) * ink[row].roll(whole) + share * ink[row].roll(whole + 1)
    before, after = page.slant(torch.stack([ink, sheared]).float().flatten(1))
    assert abs(after - before - s) < 1e-5


@pytest.mark.parametrize("width", [2, 3, 5])
def test_thickness_of_a_bar(page, width):
    """A straight bar of full ink, 20 rows long: area 20·w, outline about 2·20 + 2·w."""
    image = torch.zeros(28, 28)
    image[4:24, 10 : 10 + width] = 1
    found = page.thickness(torch.stack([image.flatten(), image.T.flatten(), image.flatten() / 2]))
    # The differences are taken at the left and upper neighbours of an edge: one corner holds two
    # of them at once, √2 in place of 2.
    outline = 2 * 20 + 2 * width - 2 + math.sqrt(2)
    expected = torch.full((3,), 2 * 20 * width / outline)  # ink by half: the same thickness
    torch.testing.assert_close(found, expected)


def test_thickness_follows_the_pen(page):
    """A line of length L and a round pen w: area L·w + πw²/4, outline 2L + πw."""
    w = torch.tensor([1.5, 2.0, 2.6, 3.2, 3.8])
    ends = torch.tensor([[-7.0, -8.0], [6.0, 9.0]])
    read = page.thickness(draw_paths(ends.expand(5, -1, -1), w).float().flatten(1) / 255)
    length = (ends[1] - ends[0]).norm()
    expected = 2 * (length * w + math.pi * w**2 / 4) / (2 * length + math.pi * w)
    torch.testing.assert_close(read, expected, rtol=0.03, atol=0)


def test_the_measures_have_their_gradients():
    exact = shown(6, "slant", "thickness", pixel=torch.arange(28.0, dtype=torch.float64))
    torch.manual_seed(5)
    image = torch.rand(784, dtype=torch.float64, requires_grad=True)
    for measure in (exact.slant, exact.thickness):
        assert torch.autograd.gradcheck(measure, image, eps=1e-5, atol=1e-6)


# --- directions ----------------------------------------------------------------------------------


def test_an_attribute_vector_is_a_difference_of_two_quarters(page):
    torch.manual_seed(6)
    values = torch.randperm(400).float()
    codes = torch.randn(400, 3)
    by_value = codes[values.argsort()]
    expected = by_value[300:].mean(0) - by_value[:100].mean(0)
    torch.testing.assert_close(page.attribute_vector(codes, values), expected)


def test_squared_error_sees_the_pixels_and_judges_the_factors(page):
    torch.manual_seed(7)
    reader = models.mlp(784, 9, 6).double()
    rows = torch.randn(5, 790, dtype=torch.float64)
    found = page.squared_error(reader, rows)
    expected = ((reader(rows[:, :784]) - rows[:, 784:]) ** 2).sum(1)
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(v.sum(), [*reader.parameters()]) for v in (found, expected)]
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_judge_learns_which_set_an_image_is_from(page):
    """The cross-entropy of the last column under the judge's probability, and no other column."""
    torch.manual_seed(12)
    judge, images = models.mlp(784, 9, 1).double(), torch.rand(6, 784, dtype=torch.float64)
    from_a = torch.tensor([1.0, 0, 1, 1, 0, 0]).double()
    p = torch.sigmoid(judge(images)[:, 0])
    expected = -torch.where(from_a == 1, p, 1 - p).log()
    found = page.right_set(judge, torch.cat([images, from_a[:, None]], dim=1))
    torch.testing.assert_close(found, expected)


def test_the_nearest_class_is_that_of_scikit_learn():
    torch.manual_seed(8)
    x_train = torch.rand(300, 784, dtype=torch.float64)  # no ties of distances
    labels = torch.randint(0, 10, (300,))
    given = {"x_train": x_train, "digits": type("Digits", (), {"train_labels": labels})}
    nearest_class = shown(6, "nearest_class", **given).nearest_class
    images = torch.rand(2, 600, 784, dtype=torch.float64)  # more than one part
    found = nearest_class(images)
    assert found.shape == (2, 600)
    neighbours = KNeighborsClassifier(5).fit(x_train, labels)
    near = labels.numpy()[neighbours.kneighbors(images.flatten(0, 1), return_distance=False)]
    votes = (near[..., None] == np.arange(10)).sum(1)
    clear = np.sort(votes, 1)[:, -1] > np.sort(votes, 1)[:, -2]  # no tie
    assert clear.sum() > 300
    expected = scipy_mode(near, axis=1).mode
    assert (found.flatten().numpy() == expected)[clear].all()
    assert (votes[np.arange(1200), found.flatten()] == votes.max(1)).all()  # ties: one of them


# --- information ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [2, 7, 20])
def test_bins_are_equally_full(page, bins):
    torch.manual_seed(9)
    values = torch.randn(7 * 20 * 10)
    found = page.in_bins(values, bins)
    assert found[values.argmax()] == bins - 1  # the last bin is closed
    counts = found.bincount()
    assert len(counts) == bins and counts.max() - counts.min() <= 1


def test_entropy_of_known_counts(page):
    assert page.entropy(torch.tensor([3, 0, 0])) == 0
    assert math.isclose(page.entropy(torch.full((4, 5), 7)), math.log(20))
    assert math.isclose(page.entropy(torch.tensor([1, 3])), 0.5623351446188083)  # H(1/4) in nats


@pytest.mark.parametrize("bins", [5, 20])
def test_information_and_its_twin_agree(page, bins):
    torch.manual_seed(10)
    codes, f = torch.randn(3000, 4), torch.randn(3000)
    codes[:, 1] += f
    codes[:, 2] = f**2  # uncorrelated, and known all the same
    codes[:, 3] = -30 * f
    twin = disentanglement.mutual_information(codes, f, bins)
    for z_m, expected in zip(codes.T.contiguous(), twin, strict=True):
        found = page.information(z_m, f, bins)
        assert abs(found - expected) < 1e-9
        by_sklearn = mutual_info_score(page.in_bins(z_m, bins), page.in_bins(f, bins))
        assert abs(found - by_sklearn) < 1e-9
    assert twin[2] > 1 and abs(twin[3] - math.log(bins)) < 1e-9


# --- the knob ------------------------------------------------------------------------------------


@pytest.fixture
def smiling():
    """The knobs of the page over a small world: an untrained VAE, a few images, a vector."""
    torch.manual_seed(11)
    model, images, v = (
        models.VAE(4, 16, likelihood="gaussian"),
        torch.rand(100, 784),
        torch.ones(4),
    )
    world = {"face_vae": model, "x_test": images, "v": v, "plotting": plotting, "torch": torch}
    smile = shown(6, "smile", **world).smile
    return knobs(smile, face=(0, 99), amount=(-1.5, 1.5, 0.1, 0.0)), model, images, v


@pytest.mark.parametrize("knob, value", [("face", 0), ("face", 99), ("amount", -1.5)])
def test_each_knob_moves_the_picture(smiling, knob, value):
    live, *_ = smiling
    before = live.image.value
    live.sliders[knob].value = value
    assert live.image.value != before


@pytest.mark.parametrize("face, amount", [(0, 1.5), (42, 0.0), (99, -0.7)])
def test_the_picture_is_the_face_and_what_is_decoded(smiling, face, amount):
    live, model, images, v = smiling
    live.sliders["face"].value, live.sliders["amount"].value = face, amount
    with torch.no_grad():
        decoded = model.decode_mean(model.encode(images[face])[0] + amount * v).clamp(0, 1)
    picture = np.asarray(Image.open(io.BytesIO(live.image.value)).convert("L")).astype(float)
    for image, part in [(images[face], picture[:, :28]), (decoded, picture[:, -28:])]:
        assert np.abs(part - 255 * (1 - image.view(28, 28).numpy())).max() <= 1
    assert "smile" in live.text.value


def test_an_error_in_the_knob_surfaces(smiling):
    live, model, *_ = smiling
    model.decode_mean = lambda z: torch.full((1, 784), math.nan)
    with pytest.raises(ValueError, match="NaN"):
        live.sliders["amount"].value = 1.0
    assert live.text.value.startswith("ValueError")
