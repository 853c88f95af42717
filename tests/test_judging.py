"""The judge of samples against known optimal accuracies, scikit-learn and tables made by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from course_utils.judging import (
    Share,
    classes_reached,
    features,
    precision_and_recall,
    two_sample_accuracy,
)
from course_utils.models import Classifier


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_the_judge_comes_close_to_the_best_accuracy_of_two_normals(shift):
    """Two normals a distance apart: the best guess asks which mean is nearer."""
    best = stats.norm.cdf(shift / 2)
    other = drawn(1, 6_000, 3)
    other[:, 1] += shift
    value, error = two_sample_accuracy(drawn(0, 6_000, 3), other)
    assert value < best + 4.5 * error  # nobody beats it
    assert value > best - 0.02 - 4.5 * error


@pytest.mark.slow
def test_the_judge_sees_a_spread_that_no_straight_line_does():
    """N(0, 1) against N(0, 9): the best guess is the nearer density, |x| against a border."""
    border = math.sqrt(2 * math.log(3) / (1 - 1 / 9))
    near, far = (stats.norm(0, s).cdf(border) - stats.norm(0, s).cdf(-border) for s in (1, 3))
    best = 0.5 * (near + 1 - far)
    value, error = two_sample_accuracy(drawn(2, 6_000, 1), 3 * drawn(3, 6_000, 1))
    assert best - 0.02 - 4.5 * error < value < best + 4.5 * error


@pytest.mark.slow
def test_equal_sets_are_told_apart_by_luck_only():
    """Of 20 judges each z-score is standard normal, nearly: their mean, and their spread."""
    scores = []
    for seed in range(20):
        rows = drawn(10 + seed, 800, 5)
        value, _ = two_sample_accuracy(rows[:400], rows[400:], seed, epochs=5)
        scores.append((value - 0.5) / (0.5 / math.sqrt(400)))
    z = np.array(scores)
    assert abs(z.mean()) < 4.5 / math.sqrt(20)
    low, high = stats.chi2(20).ppf([1e-5, 1 - 1e-5])
    assert low < (z**2).sum() < high


def test_the_judge_is_asked_about_rows_that_it_has_not_seen():
    """Labels without a pattern can be learned by heart, which must not help."""
    rows = drawn(5, 200, 100)  # so wide that every labelling of 100 rows can be separated
    value, _ = two_sample_accuracy(rows[:100], rows[100:], epochs=50)
    assert abs(value - 0.5) < 4.5 * 0.5 / math.sqrt(100)


def test_the_judge_does_not_depend_on_unit_or_place():
    one, other = drawn(6, 400, 2), drawn(7, 400, 2) + 0.5
    here = two_sample_accuracy(one, other, epochs=3)
    there = two_sample_accuracy(1024 * one + 512, 1024 * other + 512, epochs=3)
    assert here.value == pytest.approx(there.value, abs=0.01)  # but for rounding
    assert here == two_sample_accuracy(one, other, epochs=3)


def test_judging_moves_no_random_stream():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    two_sample_accuracy(drawn(0, 10, 2), drawn(1, 10, 2), epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_share_has_the_error_of_its_number_of_draws():
    right = torch.arange(100) < 80
    assert Share.of(right) == (pytest.approx(0.8), pytest.approx(0.04))
    assert Share.of(torch.ones(7).bool()) == (1.0, 0.0)


# --- what is covered -----------------------------------------------------------------------------


def test_balls_of_a_few_points_by_hand():
    """With k = 1. Real: 0, 1, 10; radii 1, 1, 9. Samples: 1.5, 2.5, 30; radii 1, 1, 27.5."""
    real = torch.tensor([[0.0], [1.0], [10.0]])
    samples = torch.tensor([[1.5], [2.5], [30.0]])
    precision, recall = precision_and_recall(samples, real, k=1)
    # 1.5 is within 1 of 1; 2.5 within 9 of 10; 30 is in no ball.
    assert precision.value == pytest.approx(2 / 3)
    # 0 lies in no ball; 1 within 1 of 1.5; 10 within 27.5 of 30.
    assert recall.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_balls_are_those_of_scikit_learn(k):
    samples, real = drawn(0, 200, 4).double() * 1.2 + 0.3, drawn(1, 200, 4).double()

    def inside(asked, owners):
        """Whether each row lies in some owner's ball, owner by owner."""
        found = NearestNeighbors(n_neighbors=k).fit(owners.numpy())
        radius = found.kneighbors()[0][:, -1]  # without the row itself
        gaps = np.linalg.norm(asked.numpy()[:, None] - owners.numpy(), axis=-1)
        return (gaps <= radius).any(1)

    precision, recall = precision_and_recall(samples, real, k)
    assert precision == Share.of(torch.from_numpy(inside(samples, real)))
    assert recall == Share.of(torch.from_numpy(inside(real, samples)))


def test_a_lost_half_is_a_matter_of_recall_and_noise_one_of_precision():
    """Data: two clouds far apart. Samples of one cloud alone; and of both, with half of them off.

    Of clouds of as many rows, each reaches about the share of the other that two draws of one
    distribution do; that share is the measure here, too.
    """
    real = drawn(0, 2_000, 2)
    real[::2] += 100
    whole = drawn(1, 2_000, 2)
    whole[::2] += 100
    same = precision_and_recall(whole, real)
    lost = precision_and_recall(drawn(2, 2_000, 2), real)
    off = whole.clone()
    off[:1_000] += 50
    noisy = precision_and_recall(off, real)
    assert min(same[0].value, same[1].value) > 0.9
    assert lost[0].value > 0.9 and 0.45 < lost[1].value <= 0.5
    assert 0.45 < noisy[0].value <= 0.5 and noisy[1].value > 0.9


def test_precision_and_recall_change_places_with_the_sets():
    one, other = drawn(0, 100, 3), 2 * drawn(1, 100, 3)
    assert precision_and_recall(one, other) == precision_and_recall(other, one)[::-1]


def test_features_are_the_hidden_layer_and_lead_to_the_logits():
    classifier, x = Classifier(7, data_dim=5), torch.rand(4, 5)
    h = features(classifier, x)
    assert h.shape == (4, 7) and (h >= 0).all() and not h.requires_grad
    last = classifier.network[-1]
    torch.testing.assert_close(h @ last.weight.T + last.bias, classifier(x))


def test_classes_are_reached_from_a_share_on():
    labels = torch.tensor([0] * 90 + [4] * 9 + [9])
    assert classes_reached(labels) == 3  # 1 of 100 is enough
    assert classes_reached(labels, least=0.02) == 2
    assert classes_reached(torch.arange(10)) == 10


@pytest.mark.parametrize(
    ("samples", "real", "said"),
    [
        (torch.zeros(5, 2), torch.zeros(6, 2), r"\(5, 2\).*\(6, 2\)"),
        (torch.zeros(5, 2), torch.zeros(5, 3), r"one shape \(N, D\)"),
        (torch.zeros(8), torch.zeros(8), r"one shape \(N, D\)"),
        (torch.zeros(3, 2), torch.zeros(3, 2), "4 rows or more of each kind, got 3"),
        (torch.full((8, 2), math.nan), torch.zeros(8, 2), "NaN"),
    ],
)
def test_judging_names_mistakes(samples, real, said):
    for judge in (two_sample_accuracy, precision_and_recall):
        with pytest.raises(ValueError, match=said):
            judge(samples, real)
    with pytest.raises(ValueError, match="k: expected 1 or more"):
        precision_and_recall(torch.zeros(8, 2), torch.zeros(8, 2), k=0)
