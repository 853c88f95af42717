"""Pixels as a model reads them: grey values in [0, 1], and black and white drawn from them."""

import math

import numpy as np
import pytest
import torch

from course_utils.data import as_float, binarize, scaled


def test_scaled():
    """Whole numbers become shares of 255 in any shape and precision; floats keep their values."""
    pixels = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 64)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert scaled(pixels, dtype).equal(pixels.to(dtype) / 255)
        assert scaled(pixels, dtype).dtype == dtype
    assert scaled(pixels).dtype == torch.float32 and pixels.flatten()[-1] == 255
    assert scaled(torch.tensor([-1.5, 255.0])).tolist() == [-1.5, 255.0]
    assert scaled(torch.tensor(51, dtype=torch.uint8)).item() == pytest.approx(0.2)


@pytest.mark.slow
def test_as_float():
    images = torch.arange(256, dtype=torch.uint8).repeat(2 * 784 // 256 + 1)[: 2 * 784]
    images = images.reshape(2, 28, 28)
    pixels = as_float(images)
    assert pixels.shape == (2, 784) and pixels.dtype == torch.float32
    assert pixels[0, 0] == 0 and pixels[0, 255] == 1
    torch.testing.assert_close(pixels, images.reshape(2, 784).double().div(255).float())
    assert as_float(pixels).equal(pixels) and as_float(pixels.double()).equal(pixels)
    assert as_float(images[:0]).shape == (0, 784)
    assert as_float(pixels[:0]).shape == (0, 784)
    assert images.dtype == torch.uint8 and images[0, 0, 255 % 28] == 255 % 28  # left as it was


def test_binarize_follows_the_grey_values():
    """Every level of grey, 4,000 draws each: z-scores within 4.5, and together of variance 1."""
    repeats = 4_000
    levels = torch.arange(256, dtype=torch.uint8).expand(repeats, 256)
    pixels = binarize(levels, seed=3)
    assert pixels.dtype == torch.float32 and pixels.shape == (repeats, 256)
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    assert pixels[:, 0].max() == 0 and pixels[:, 255].min() == 1
    p = torch.arange(1, 255).double() / 255
    z = (pixels[:, 1:255].double().mean(0) - p) / (p * (1 - p) / repeats).sqrt()
    assert z.abs().max() < 4.5
    assert abs(z.square().mean() - 1) < 4.5 * math.sqrt(2 / 254)


def test_binarize_has_a_seed_of_its_own():
    images = torch.full((3, 28, 28), 128, dtype=torch.uint8)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = binarize(images, seed=1)
    assert torch.rand(3).equal(expected)  # the global stream did not move
    assert first.equal(binarize(images, seed=1)) and not first.equal(binarize(images, seed=2))
    assert first.equal(binarize(as_float(images), seed=1))
    assert binarize(images[:0]).shape == (0, 784)


def test_black_stays_black():
    """Seed 146 draws a uniform number of exactly 0 (one in 16 million are): still no ink."""
    images = torch.zeros(100, 784)
    assert (torch.rand(100, 784, generator=torch.Generator().manual_seed(146)) == 0).any()
    assert binarize(images, seed=146).max() == 0


@pytest.mark.parametrize("function", [as_float, binarize])
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            torch.zeros(2, 784, dtype=torch.int64),
            "uint8 or floating-point images, got torch.int64",
        ),
        (torch.zeros(2, 784, dtype=torch.bool), "got torch.bool"),
        (torch.zeros(2, 784).numpy(), "tensor, got ndarray"),
        (torch.full((2, 784), 255.0), r"in \[0, 1\], got 255 to 255"),
        (torch.full((2, 784), -0.1), "got -0.1 to -0.1"),
        (torch.full((2, 784), math.nan), "got nan to nan"),
        (torch.zeros(28, 28), r"\(N, 28, 28\) or \(N, D\), got \(28, 28\)"),
        (torch.zeros(784), r"got \(784,\)"),
    ],
)
def test_what_are_no_images(function, images, words):
    with pytest.raises(ValueError, match=words):
        function(images)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, torch.tensor, float])
def test_a_seed_of_any_library(kind):
    images = torch.full((3, 28, 28), 128, dtype=torch.uint8)
    assert binarize(images, kind(3)).equal(binarize(images, 3))


@pytest.mark.parametrize("seed", [0.5, "1", None, True, -1])
def test_what_is_no_seed(seed):
    with pytest.raises(ValueError, match="seed: expected .*0 or more, got"):
        binarize(torch.zeros(2, 4), seed)


def test_nothing_depends_on_the_default_precision():
    images = torch.full((3, 28, 28), 128, dtype=torch.uint8)
    expected = binarize(images, 3)
    torch.set_default_dtype(torch.float64)
    try:
        found = binarize(images, 3)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32 and found.equal(expected)
