"""The drawn digits: the pen against geometry, the factors against image moments."""

import math

import numpy as np
import pytest
import torch

from course_utils.data import strokes
from course_utils.data.strokes import (
    digits,
    draw_digits,
    draw_faces,
    draw_paths,
    faces,
    sample_factors,
)

NAMES = {"slant", "rotation", "width", "height", "thickness"}
PIXEL = torch.arange(28, dtype=torch.float64) - 14  # coordinate of a column; minus that of a row


@pytest.fixture(scope="module")
def sample():
    return digits(3000, seed=5, progress=False)


def factors_of(n, **changed):
    """Upright digits of ordinary size, with some factors changed."""
    values = {"slant": 0.0, "rotation": 0.0, "width": 13.0, "height": 16.0, "thickness": 2.5}
    return {
        name: torch.as_tensor(value, dtype=torch.float32).expand(n)
        for name, value in (values | changed).items()
    }


def every_digit(**changed):
    """Two handwritings of each digit, (20, 28, 28), the same ones at every call."""
    return draw_digits(torch.arange(20) % 10, factors_of(20, **changed), seed=3)


def moments(images):
    """Centre (x, y) and second moments (xx, xy, yy) of the ink, y upwards; (N,) each."""
    ink = images.double() / images.double().sum((1, 2), keepdim=True)
    column, row = ink.sum(1), ink.sum(2)
    x, y = column @ PIXEL, row @ -PIXEL
    xx, yy = column @ PIXEL**2 - x**2, row @ PIXEL**2 - y**2
    xy = torch.einsum("nrc,r,c->n", ink, -PIXEL, PIXEL) - x * y
    return x, y, xx, xy, yy


def extent(images, axis):
    """Pixels from the first to the last row (axis 1) or column (axis 2) that is half inked."""
    inked = images.amax(3 - axis) > 127
    first = inked.int().argmax(1)
    last = 27 - inked.flip(1).int().argmax(1)
    return last - first + 1


# --------------------------------------------------------------------------------- the pen


def test_pen_draws_a_line_of_the_given_thickness():
    line = torch.tensor([[[-5.0, 0.0], [5.0, 0.0]]])
    image = draw_paths(line, torch.tensor([3.0]))[0]
    expected = torch.zeros(28, dtype=torch.uint8)
    expected[13:16] = 255  # distances 0 and 1 are within 3/2 - 1/2; distance 2 is beyond 3/2 + 1/2
    assert torch.equal(image[:, 14], expected)
    thin = draw_paths(line, torch.tensor([1.4]))[0]
    assert thin[12:17, 14].tolist() == [0, 51, 255, 51, 0]  # 1/2 + 0.7 - 1 = 0.2


def test_pen_points_right_and_up():
    dot = torch.tensor([[[5.0, 3.0], [5.0, 3.0]]])
    image = draw_paths(dot, torch.tensor([1.0]))[0]
    assert image.nonzero().tolist() == [[14 - 3, 14 + 5]]


def test_pen_matches_densely_sampled_distances():
    generator = torch.Generator().manual_seed(0)
    paths = 20 * torch.rand(6, 5, 2, generator=generator) - 10
    thickness = 1 + 3 * torch.rand(6, generator=generator)
    t = torch.linspace(0, 1, 2001)[:, None, None]
    x = PIXEL.expand(28, 28)
    pixels = torch.stack([x, -x.T], dim=-1).reshape(-1, 2).float()
    for image, path, width in zip(draw_paths(paths, thickness), paths, thickness, strict=True):
        dense = (path[:-1] + t * path.diff(dim=0)).reshape(-1, 2)
        distance = torch.cdist(pixels, dense).amin(1).reshape(28, 28)
        expected = 255 * (0.5 + width / 2 - distance).clamp(0, 1)
        assert (image - expected).abs().max() < 1.0


def test_a_dot_and_the_tiniest_line_are_discs():
    width = torch.tensor([4.0])
    disc = draw_paths(torch.zeros(1, 2, 2), width).int()
    distance = torch.sqrt(PIXEL**2 + PIXEL[:, None] ** 2)
    assert (disc - 255 * (2.5 - distance).clamp(0, 1)).abs().max() < 1
    for length in (1e-30, 1e-7, 1e-5):  # at the origin, where floats tell these from zero
        line = torch.tensor([[[0.0, 0.0], [0.0, length]]])
        assert (draw_paths(line, width) - disc).abs().max() <= 1


def test_pen_lifts_at_nan_and_ignores_padding():
    gap = torch.tensor([math.nan, math.nan])
    a, b = torch.tensor([[-8.0, 0.0], [-8.0, 6.0]]), torch.tensor([[3.0, -2.0], [7.0, 1.0]])
    both = torch.cat([a, gap[None], b])[None]
    width = torch.tensor([2.0])
    expected = torch.maximum(draw_paths(a[None], width), draw_paths(b[None], width))
    assert torch.equal(draw_paths(both, width), expected)
    padded = torch.cat([both, gap.expand(1, 4, 2)], dim=1)
    assert torch.equal(draw_paths(padded, width), expected)


def test_pen_chunks_do_not_change_images(monkeypatch):
    paths = 20 * torch.rand(9, 7, 2, generator=torch.Generator().manual_seed(1)) - 10
    whole = draw_paths(paths, torch.full((9,), 2.2))
    monkeypatch.setattr(strokes, "CHUNK", 1)
    assert torch.equal(draw_paths(paths, torch.full((9,), 2.2)), whole)


@pytest.mark.parametrize(
    ("paths", "thickness", "said"),
    [
        (torch.zeros(3, 1, 2), torch.ones(3), "P >= 2"),
        (torch.zeros(3, 4, 3), torch.ones(3), "P >= 2"),
        (torch.zeros(3, 4, 2), torch.ones(1), r"\(3,\), got \(1,\)"),
    ],
)
def test_pen_says_what_is_wrong(paths, thickness, said):
    with pytest.raises(ValueError, match=said):
        draw_paths(paths, thickness)


# ----------------------------------------------------------------- shapes and reproducibility


def test_shapes_and_types(sample):
    images, labels, factors = sample
    assert images.shape == (3000, 28, 28) and images.dtype == torch.uint8
    assert labels.shape == (3000,) and labels.dtype == torch.int64
    assert set(factors) == NAMES
    assert all(v.shape == (3000,) and v.dtype == torch.float32 for v in factors.values())


def test_labels_are_balanced_but_shuffled(sample):
    labels = sample[1]
    assert torch.equal(labels.bincount(), torch.full((10,), 300))
    assert torch.equal(labels[:50].bincount(), torch.full((10,), 5))
    assert len(labels.view(-1, 10).unique(dim=0)) > 290


def test_empty():
    images, labels, factors = digits(0)
    assert images.shape == (0, 28, 28) and images.dtype == torch.uint8
    assert labels.shape == (0,) and labels.dtype == torch.int64
    assert all(value.shape == (0,) for value in factors.values())
    assert draw_paths(torch.zeros(0, 2, 2), torch.zeros(0)).shape == (0, 28, 28)


def test_same_arguments_same_bytes_and_no_global_state(sample):
    before = torch.get_rng_state()
    again = digits(3000, seed=5, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again[0], sample[0]) and torch.equal(again[1], sample[1])
    assert all(torch.equal(again[2][name], sample[2][name]) for name in NAMES)


@pytest.mark.parametrize("n", [1, 7, 33, 1234])
def test_first_images_do_not_depend_on_how_many_there_are(sample, n):
    images, labels, factors = digits(n, seed=5, progress=False)
    assert torch.equal(images, sample[0][:n]) and torch.equal(labels, sample[1][:n])
    assert all(torch.equal(factors[name], sample[2][name][:n]) for name in NAMES)


def test_drawing_again_from_labels_and_factors(sample):
    images, labels, factors = sample
    assert torch.equal(draw_digits(labels, factors, seed=5), images)


def test_seed_changes_everything(sample):
    _, labels, factors = digits(100, seed=6)
    assert not torch.equal(labels, sample[1][:100])
    assert all(not torch.equal(factors[name], sample[2][name][:100]) for name in NAMES)
    other = draw_digits(sample[1][:100], {k: v[:100] for k, v in sample[2].items()}, seed=6)
    assert (other != sample[0][:100]).flatten(1).any(1).all()


def test_no_two_alike_even_with_equal_factors():
    images = draw_digits(torch.arange(10).repeat(40), factors_of(400))
    assert len(images.flatten(1).unique(dim=0)) == 400


def test_a_quick_drawing_shows_no_bar(capsys):
    digits(20)
    assert capsys.readouterr() == ("", "")


# ----------------------------------------------------------------------------- the factors


def test_prior():
    factors = sample_factors(20_000, seed=1)
    for name, (mean, std) in strokes.FACTORS.items():
        value = factors[name]
        assert (value - mean).abs().max() <= 2 * std * (1 + 1e-5)
        assert (value - mean).abs().max() > 1.9 * std
        cut = std * 0.87963  # of a normal distribution cut off at 2 sigma (SciPy's truncnorm)
        assert abs(value.mean() - mean) < 5 * cut / math.sqrt(20_000)
        assert value.std() == pytest.approx(cut, rel=0.03)
    correlation = torch.corrcoef(torch.stack(list(factors.values())))
    assert (correlation - torch.eye(5)).abs().max() < 5 / math.sqrt(20_000)


def test_slant_is_the_tangent_of_the_lean():
    lean = []
    for slant in (-0.2, 0.0, 0.2, 0.4):
        _, _, _, xy, yy = moments(every_digit(slant=slant))
        lean.append(xy / yy)  # x -> x + s y would move xy / yy by s, if it slanted the pen too
    steps = torch.stack(lean).diff(dim=0)
    assert (steps > 0).all()
    assert (steps - 0.2).abs().max() < 0.05
    upright, leaning = every_digit(slant=0.0), every_digit(slant=0.4)
    assert (extent(upright, 1) - extent(leaning, 1)).abs().max() <= 1  # not a rotation


def test_rotation_turns_by_degrees():
    ones = torch.ones(20, dtype=torch.int64)
    angles = []
    for rotation in (-10.0, 0.0, 10.0):
        images = draw_digits(ones, factors_of(20, rotation=rotation), seed=3)
        _, _, xx, xy, yy = moments(images)
        angles.append(torch.rad2deg(0.5 * torch.atan2(2 * xy, xx - yy)) % 180)
    steps = torch.stack(angles).diff(dim=0)  # counter-clockwise
    assert (steps - 10).abs().max() < 1.5


def test_thickness_is_ink():
    thin, middle, thick = (every_digit(thickness=t).double().sum((1, 2)) for t in (1.5, 2.5, 3.5))
    assert (thin < middle).all() and (middle < thick).all()
    ones = draw_digits(torch.ones(50, dtype=torch.int64), factors_of(50, thickness=2.0))
    plain = ones.double().sum((1, 2)).quantile(0.4) / 255  # most ones are a single stroke
    assert plain == pytest.approx(2.0 * 16 + math.pi, rel=0.06)  # a bar and two half discs


def test_width_and_height_are_pixels():
    narrow, wide = every_digit(width=10.0), every_digit(width=16.0)
    assert (extent(wide, 2) >= extent(narrow, 2)).all()
    assert (moments(wide)[2] > moments(narrow)[2]).all()
    zeros = draw_digits(torch.zeros(50, dtype=torch.int64), factors_of(50, width=13.0))
    assert extent(zeros, 2).double().mean() == pytest.approx(13 + 2.5, abs=1.0)
    for height in (13.0, 16.0, 18.0):  # every digit is exactly so high, and a pen's width more
        assert (extent(every_digit(height=height), 1) - height - 2.5).abs().max() <= 1.5


def test_factors_leave_the_handwriting_alone():
    base = torch.arange(20) % 10
    images = every_digit()
    one_changed = factors_of(20)
    one_changed["thickness"] = one_changed["thickness"].clone()
    one_changed["thickness"][7] = 3.5
    same = (draw_digits(base, one_changed, seed=3) == images).flatten(1).all(1)
    assert same.nonzero()[:, 0].tolist() == [i for i in range(20) if i != 7]


# --------------------------------------------------------------------- it looks like MNIST


def test_ink_like_mnist(sample):
    pixels = sample[0].double() / 255
    assert 0.11 < pixels.mean() < 0.15  # MNIST: 0.1307
    assert 0.27 < pixels.std() < 0.35  # MNIST: 0.3081
    x, y, *_ = moments(sample[0])
    assert x.abs().mean() < 0.5 and y.abs().mean() < 0.5
    assert torch.maximum(x.abs(), y.abs()).max() < 1.5


def test_border_stays_nearly_empty(sample):
    outside = sample[0].clone()
    outside[:, 1:-1, 1:-1] = 0
    assert (outside.flatten(1) > 64).any(1).double().mean() < 0.04  # MNIST: 0.01
    outside = sample[0].clone()
    outside[:, 2:-2, 2:-2] = 0
    assert (outside.flatten(1) > 64).any(1).double().mean() < 0.15  # MNIST: 0.12


def test_classes_can_be_told_apart_but_not_trivially(sample):
    x, labels, _ = sample
    x = x.flatten(1).double() / 255
    mean = x[:2000].mean(0)
    train, test = x[:2000] - mean, x[2000:] - mean
    target = torch.nn.functional.one_hot(labels[:2000], 10).double() - 0.1
    ridge = torch.linalg.solve(train.T @ train + 10 * torch.eye(784), train.T @ target)
    right = ((test @ ridge).argmax(1) == labels[2000:]).double().mean()
    assert right > 0.93
    centres = torch.stack([train[labels[:2000] == d].mean(0) for d in range(10)])
    nearest = (torch.cdist(test, centres).argmin(1) == labels[2000:]).double().mean()
    assert 0.75 < nearest < 0.99


# ------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("labels", "changed", "said"),
    [
        (torch.tensor([3, 10]), {}, "0 to 9, got 10"),
        (torch.tensor([-1, 3]), {}, "0 to 9, got -1"),
        (torch.tensor([1.0, 2.0]), {}, "int64.*float32"),
        (torch.tensor([[1, 2]]), {}, r"\(N,\).*\(1, 2\)"),
        (torch.tensor([1, 2]), {"tilt": torch.zeros(2)}, "tilt"),
        (torch.tensor([1, 2]), {"slant": None}, "slant.*got"),
        (torch.tensor([1, 2]), {"width": torch.ones(3)}, r"width.*\(2,\).*\(3,\)"),
        (torch.tensor([1, 2]), {"thickness": torch.tensor([2.0, 0.0])}, "positive.*thickness.*0"),
        (torch.tensor([1, 2]), {"height": torch.tensor([-16.0, 16.0])}, "positive.*height.*-16"),
        (torch.tensor([1, 2]), {"slant": torch.tensor([0.0, math.nan])}, "finite.*slant.*nan"),
    ],
)
def test_mistakes_are_named(labels, changed, said):
    factors = factors_of(2) | changed
    factors = {name: value for name, value in factors.items() if value is not None}
    with pytest.raises(ValueError, match=said):
        draw_digits(labels, factors)


def test_negative_number_of_images():
    for function in (digits, sample_factors):
        with pytest.raises(ValueError, match="n: expected 0 or more, got -1"):
            function(-1)


def test_numbers_of_any_library():
    expected, labels, factors = digits(3, 2)
    for kind in (np.int64, torch.tensor, float):
        images, *_ = digits(kind(3), kind(2))
        assert images.equal(expected)
    for n, seed, named in [(2.5, 0, "n"), (None, 0, "n"), (3, 0.5, "seed"), (3, "1", "seed")]:
        for function in (digits, faces, sample_factors):
            with pytest.raises(ValueError, match=f"{named}: expected a whole number"):
                function(n, seed)
    with pytest.raises(ValueError, match=r"labels as a tensor, got \[1, 2\]"):
        draw_digits([1, 2], factors)
    with pytest.raises(ValueError, match="factors as a dict of tensors, got None"):
        draw_digits(labels, None)
    with pytest.raises(ValueError, match="slant as a tensor, got 0.5"):
        draw_digits(labels, factors | {"slant": 0.5})


def test_what_is_no_faces_factors():
    for given in (None, {}, [1]):
        with pytest.raises(ValueError, match="expected .*factors"):
            draw_faces(given)


def test_drawings_do_not_depend_on_the_default_device():
    expected = [digits(3)[0], faces(3)[0]]
    with torch.device("meta"):
        found = [digits(3)[0], faces(3)[0]]
    assert all(a.equal(b) for a, b in zip(found, expected, strict=True))
