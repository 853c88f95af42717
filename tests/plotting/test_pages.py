"""Pages of images: each image in its place, under its name."""

import numpy as np
import pytest
import torch
from figures import images

from course_utils import plotting
from course_utils.plotting.pages import GAP

pytestmark = pytest.mark.usefixtures("course_style")


def test_mosaic_puts_each_image_in_its_place():
    tiles, gap = images(5, side=4).view(5, 4, 4), GAP
    page = plotting.mosaic(tiles, columns=3)
    assert page.shape == (2 * 4 + gap, 3 * 4 + 2 * gap)
    expected = np.zeros_like(page)
    for i, tile in enumerate(tiles.numpy()):
        top, left = (i // 3) * (4 + gap), (i % 3) * (4 + gap)
        expected[top : top + 4, left : left + 4] = tile
    np.testing.assert_array_equal(page, expected)


def test_mosaic_takes_rows_squares_bytes_and_tensors_with_gradients():
    squares = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8)
    page = plotting.mosaic(squares, 2)
    for same in (squares.flatten(1), squares.float() / 255, (squares / 255.0).requires_grad_()):
        np.testing.assert_allclose(plotting.mosaic(same, 2), page, atol=1e-7)
    assert page.min() >= 0 and page.max() <= 1


def test_mosaic_cuts_off_what_is_no_ink():
    page = plotting.mosaic(torch.tensor([[-3.0, 0.5, 0.5, 7.0]]), 1)
    np.testing.assert_allclose(page, [[0, 0.5], [0.5, 1]])


@pytest.mark.parametrize("shape", [(784,), (2, 783), (2, 1, 28, 28)], ids=str)
def test_what_is_no_image_is_described(shape):
    with pytest.raises(ValueError, match="images: expected .*, got") as error:
        plotting.mosaic(torch.zeros(shape), 2)
    assert str(shape) in str(error.value)


def test_rows_are_named_and_of_one_length():
    _, ax = plotting.show_rows({"original": images(3), "decoded": images(3)})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "decoded"]
    assert list(ax.get_yticks()) == [13.5, 13.5 + 28 + GAP]  # the middle of 28 pixels from 0
    with pytest.raises(ValueError, match=r"rows: expected as many images in each, got \[3, 4\]"):
        plotting.show_rows({"original": images(3), "decoded": images(4)})
    _, ax = plotting.show_rows({"walk": images(3)}, columns=["−1", "0", "1"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["−1", "0", "1"]
    assert list(ax.get_xticks()) == [13.5 + n * (28 + GAP) for n in range(3)]


def test_a_frame_marks_one_image_of_each_row():
    _, ax = plotting.show_rows({"a": images(3), "b": images(3)}, marked=[2, 0])
    corners = [frame.get_xy() for frame in ax.patches]
    assert corners == [(2 * (28 + GAP) - 0.5, -0.5), (-0.5, 28 + GAP - 0.5)]
    with pytest.raises(ValueError, match="zip"):
        plotting.show_rows({"a": images(3), "b": images(3)}, marked=[2])


def test_grids_show_their_mosaics_under_their_names():
    grids = {"VAE": images(6), "PPCA": images(4)}
    _, axes = plotting.show_grids(grids, columns=3)
    for ax, (name, tiles) in zip(axes, grids.items(), strict=True):
        assert ax.get_title() == name
        np.testing.assert_array_equal(ax.images[0].get_array(), plotting.mosaic(tiles, 3))


def test_show_titled_gives_each_image_its_title():
    fig, axes = plotting.show_titled(torch.rand(5, 9), list("abcde"), columns=3)
    assert axes.shape == (2, 3)
    assert [ax.get_title() for ax in axes.flat[:5]] == list("abcde")
    assert not axes.flat[5].get_visible()


@pytest.mark.parametrize("columns", [np.int64(2), torch.tensor(2), 2.0])
def test_numbers_of_columns_may_be_of_any_library(columns):
    tiles = images(4, side=4)
    np.testing.assert_array_equal(plotting.mosaic(tiles, columns), plotting.mosaic(tiles, 2))
    for wrong in (0, 2.5, None):
        with pytest.raises(ValueError, match="^columns: expected "):
            plotting.mosaic(tiles, wrong)
