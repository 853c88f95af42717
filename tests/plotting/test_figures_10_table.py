"""Figures of the closing table of notebook 10."""

import numpy as np
import pytest
import torch
from figures import JUDGED

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_probabilities_and_densities_stand_in_columns_of_their_own():
    _, ax = plotting.model_table(JUDGED, {"a": "dreams"})
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    heads = [places["probability\nof 0s and 1s"], places["density\nof greys"]]
    numbers = [places["−99.5"], places["300.5"]]
    for head, number, other in zip(heads, numbers, heads[::-1], strict=True):
        assert abs(number - head) < abs(number - other)
    assert words(ax).count("—") == 2 + 2 + 1  # likelihoods, all of c's, the encoder of b
    assert "dreams" in words(ax)


def test_a_cell_is_the_mean_over_the_seeds_with_their_spread():
    _, ax = plotting.model_table(JUDGED, {})
    assert words(ax).count("0.65") == 2 * 3 and words(ax).count(" ±.07") == 2 * 3
    assert "0.50" in words(ax) and " ±.14" in words(ax)  # of 0.4 and 0.6


def test_a_better_number_has_a_darker_cell():
    good, bad = ({**JUDGED[0], "name": name, "runs": []} for name in ("good", "bad"))
    for row, value in ((good, 0.5), (bad, 1.0)):
        row["runs"] = [{**run, "judge_pixels": [value, 0.0]} for run in JUDGED[0]["runs"]]
    _, ax = plotting.model_table([good, bad], {})
    place = next(t.get_position()[0] for t in ax.texts if t.get_text() == "on\npixels")
    cells = [p for p in ax.patches if p.get_x() < place < p.get_x() + p.get_width()]
    first, second = (np.mean(cell.get_facecolor()[:3]) for cell in cells)
    assert first < second == 1.0


def test_each_seed_is_a_dot_of_recall_and_precision():
    _, ax = plotting.like_and_cover(JUDGED)
    labels = [line.get_label() for line in ax.lines if line.get_marker() != "None"]
    assert labels == words(ax) == ["a", "b", "c"]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.4, 0.6])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.8, 0.8])


def test_regions_are_where_the_judge_says_real():
    right = torch.tensor([[2.0, 0.0]]), torch.tensor([[-2.0, 1.0]])
    _, axes = plotting.told_apart({"x": (*right, lambda z: z[:, 0] < 1)}, limit=3)
    page = np.asarray(axes[0].images[0].get_array())
    assert (
        page[:, 0].all()
        and not page[:, -1].any()
        and page.mean() == pytest.approx(2 / 3, abs=0.01)
    )
    labels = [t.get_text() for t in axes[0].get_legend().get_texts()]
    assert labels == ["samples", "real"]
    np.testing.assert_allclose(axes[0].collections[1].get_offsets(), [[-2.0, 1.0]])


def test_names_beside_dots_do_not_hide_each_other():
    """Rows of the same two numbers: nothing else could be as crowded."""
    rows = [{**JUDGED[0], "name": name} for name in ("autoencoder", "VAE", "GAN")]
    fig, ax = plotting.like_and_cover(rows)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    pairs = [(a, b) for n, a in enumerate(boxes) for b in boxes[:n]]
    assert not any(a.overlaps(b) for a, b in pairs)
