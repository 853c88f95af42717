"""The training loop: it learns, keeps honest books, resumes bit for bit, and trusts no file."""

import itertools
import os
import re

import numpy as np
import pytest
import torch
from helpers.oracles import at_the_ppca_optimum, correlated_rows, z_score
from helpers.runs import (
    CALLS_PER_EPOCH,
    DIM,
    EPOCHS,
    PLAN,
    STEPS,
    assert_same,
    grey_rows,
    interrupted_run,
    run,
    small_vae,
    weights_of,
)
from scipy import stats
from torch import nn

from course_utils.data import ImageData, binarize
from course_utils.models import VAE, Autoencoder, ConvVAE, LinearVAE
from course_utils.objectives import iwae_bound
from course_utils.training import (
    NonFiniteLoss,
    as_input,
    evaluate,
    fit,
    loop,
    steps,
)
from course_utils.training.loop import flushes_denormals


def importance_weighted(model, x):
    return -iwae_bound(model, x, 3)


class Linear(nn.Module):
    """A linear autoencoder: its best possible error is known, from PCA."""

    def __init__(self, dim: int, bottleneck: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, bottleneck), nn.Linear(bottleneck, dim))

    def loss(self, x):
        return (x - self.layers(x)).square().sum(-1)


# --- it learns ---


@pytest.mark.slow
def test_linear_autoencoder_reaches_the_error_of_pca():
    x = correlated_rows(200).float()
    residual = np.linalg.svd((x - x.mean(0)).numpy(), compute_uv=False)[2:]
    best = (residual**2).sum() / len(x)
    history = fit(Linear(6, 2), (x, x), 50, 20, 3e-2, progress=False)
    losses = history.column("test_loss")
    assert best * 0.99999 <= losses[-1] <= best * 1.02 < losses[0]


@pytest.mark.slow
def test_linear_vae_reaches_the_ppca_log_likelihood():
    x = correlated_rows(200)
    best = at_the_ppca_optimum(x, 2).elbo(x).mean().item()  # exact: see test_models
    history = fit(LinearVAE(2, 6), (x, x), 50, 20, 5e-2, progress=False)
    assert best - 0.5 <= history.column("test_elbo")[-1] <= best + 1e-4


@pytest.mark.slow
def test_vae_beats_every_model_without_latent_variables():
    """Two noisy patterns: independent pixels reach their entropy at best, one latent far more."""
    pattern = torch.randint(0, 2, (1, 20)).float()
    rows = (pattern - torch.randint(0, 2, (600, 1)).float()).abs()
    rows = (rows - (torch.rand(600, 20) < 0.05).float()).abs()
    independent = -stats.entropy([rows.mean(0), 1 - rows.mean(0)]).sum()
    history = fit(VAE(1, 16, data_dim=20), (rows, rows), 20, 30, 2e-2, progress=False)
    assert history.column("test_elbo")[-1] > independent + 3


def test_autoencoder_is_trained_by_the_same_function():
    history = run(Autoencoder(2, 4, DIM), epochs=10, learning_rate=2e-2)
    assert history.column("test_loss")[-1] < history.column("test_loss")[0]
    assert set(history.rows[0]) == {"epoch", "seconds", "train_loss", "test_loss"}


def test_another_loss_is_minimised_in_place_of_the_model_s_own():
    """A loss that looks at the decoder's bias alone leaves every other weight where it was."""
    model, before = small_vae(), weights_of(small_vae())
    history = run(model, loss=lambda m, x: (m.decoder[-1].bias - 1).square().sum().expand(len(x)))
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"decoder.2.bias"}
    distance = (model.decoder[-1].bias - 1).square().sum().item()
    assert history.column("test_loss")[-1] == pytest.approx(distance, rel=1e-6)


def test_every_row_is_seen_once_an_epoch_in_another_order():
    seen = []

    def loss(model, x):
        if torch.is_grad_enabled():
            seen.append(x)
        return model.loss(x)

    run(small_vae(), loss=loss, binarize="none", epochs=2)
    assert [len(x) for x in seen] == [20, 20, 10] * 2
    epochs = torch.cat(seen[:3]), torch.cat(seen[3:])
    rows = grey_rows()[0].float() / 255
    for epoch in epochs:
        assert torch.equal(epoch.unique(dim=0), rows.unique(dim=0))
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("n_train", [1, 20, 50])
@pytest.mark.parametrize("epochs", [1, 2, 5, 10])
def test_any_number_of_steps_has_a_schedule(epochs, n_train):
    """One step, and ten, are where a one-cycle schedule may divide by zero."""
    history = fit(small_vae(), grey_rows(n_train), epochs, batch_size=20, progress=False)
    assert len(history.rows) == epochs


def test_a_batch_larger_than_the_data_is_all_of_it():
    ends = []
    for batch_size in (50, 10_000):
        model = small_vae()
        run(model, batch_size=batch_size)
        ends.append(weights_of(model))
    assert_same(*ends)


# --- inputs ---


def test_pixels_become_shares_of_255():
    pixels = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    torch.testing.assert_close(as_input(pixels), torch.tensor([[0.0, 0.2, 1.0]]))
    assert torch.equal(as_input(torch.tensor([[-1.0, 7.0]])), torch.tensor([[-1.0, 7.0]]))


def test_dynamic_pixels_are_one_with_the_probability_of_their_grey_value():
    grey = torch.arange(256, dtype=torch.uint8)
    draws = as_input(grey.expand(20_000, 256), dynamic=True)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert (draws[:, 0] == 0).all() and (draws[:, 255] == 1).all()
    assert z_score(draws[:, 1:255], torch.arange(1, 255) / 255).abs().max() < 4.5


def test_dynamic_training_draws_anew_for_every_batch_and_none_does_not():
    seen = {"none": [], "dynamic": []}
    for how, batches in seen.items():

        def loss(model, x, batches=batches):
            batches.append(x)
            return model.loss(x)

        run(small_vae(), loss=loss, binarize=how, batch_size=50, epochs=2)
    grey, drawn = (x[0].sort(dim=0).values for x in seen.values())  # columns, in any order
    assert torch.equal(grey, (grey_rows()[0].float() / 255).sort(dim=0).values)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    sums = [x.sum().item() for x in (seen["dynamic"][0], seen["dynamic"][3])]
    assert sums[0] != sums[1]  # the same rows, drawn again


def test_dynamic_training_is_scored_on_one_fixed_draw():
    model = small_vae()
    history = run(model)
    for split, pixels in zip(("train", "test"), grey_rows(), strict=True):
        drawn = binarize(pixels, seed=0)[:30]
        assert history.column(f"{split}_elbo")[-1] == evaluate(model, drawn)["elbo"]


def test_images_and_a_pair_of_their_rows_train_alike():
    train, test = (pixels.view(-1, 28, 28) for pixels in grey_rows(40, 10, 784))
    labels = torch.zeros(40, dtype=torch.int64), torch.zeros(10, dtype=torch.int64)
    images = ImageData("mnist", train, labels[0], test, labels[1])
    results = []
    for data in (images, (train, test), (train.flatten(1), test.flatten(1))):
        torch.manual_seed(3)
        model = ConvVAE(2, 2)
        fit(model, data, 1, batch_size=20, progress=False)
        results.append(weights_of(model))
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("binarized", ["none", "dynamic"])
@pytest.mark.parametrize("convert", [torch.Tensor.byte, torch.Tensor.float, torch.Tensor.double])
@pytest.mark.parametrize("model_dtype", [torch.float32, torch.float64], ids=str)
def test_any_pixels_train_a_model_of_any_precision(model_dtype, convert, binarized):
    scale = 1 if convert is torch.Tensor.byte else 255
    pair = tuple(convert(pixels / scale) for pixels in grey_rows())
    model = small_vae().to(model_dtype)
    history = fit(model, pair, 2, 20, binarize=binarized, progress=False)
    assert {p.dtype for p in model.parameters()} == {model_dtype}
    assert np.isfinite(history.column("test_elbo")).all()


# --- scores ---


def test_history_rows_say_what_they_should():
    history = run(small_vae())
    scores = {
        f"{s}_{name}" for s in ("train", "test") for name in ("loss", "elbo", "log_lik", "kl")
    }
    assert all(set(row) == {"epoch", "seconds"} | scores for row in history.rows)
    assert history.column("epoch") == [1, 2, 3]
    assert history.column("seconds") == sorted(history.column("seconds"))
    assert not history.interrupted
    for row, split in itertools.product(history.rows, ("train", "test")):
        difference = row[f"{split}_log_lik"] - row[f"{split}_kl"]
        assert row[f"{split}_elbo"] == pytest.approx(difference, rel=1e-6)


def test_last_row_scores_the_model_that_comes_back():
    model = small_vae()
    history = run(model, binarize="none", loss=importance_weighted)
    train, test = grey_rows()
    for split, pixels in (("train", train[: len(test)]), ("test", test)):
        expected = evaluate(model, pixels, importance_weighted)
        assert {k: history.rows[-1][f"{split}_{k}"] for k in expected} == expected


def test_scores_are_means_over_rows_whatever_the_chunks():
    pixels = torch.randint(0, 256, (2_317, DIM), dtype=torch.uint8)  # two whole chunks, one short
    found = evaluate(small_vae(), pixels, lambda model, x: x.sum(-1))
    exact = pixels.double().sum(1).mean().item() / 255
    assert found["loss"] == pytest.approx(exact, rel=1e-6)


def test_scores_of_a_linear_vae_are_exact():
    x = correlated_rows(1_500)
    model = at_the_ppca_optimum(x, 2)
    log_lik, kl = model.elbo_terms(x)
    found = evaluate(model, x)
    assert found["log_lik"] == pytest.approx(log_lik.mean().item(), rel=1e-12)
    assert found["kl"] == pytest.approx(kl.mean().item(), rel=1e-12)
    assert found["loss"] == pytest.approx(-found["elbo"], rel=1e-12)


def test_evaluation_repeats_itself_and_leaves_the_random_stream():
    model, pixels = small_vae(), grey_rows()[1]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert evaluate(model, pixels) == evaluate(model, pixels)
    assert torch.equal(torch.rand(3), expected)


def test_evaluation_does_not_disturb_training(monkeypatch):
    plain, watched = small_vae(), small_vae()
    torch.manual_seed(3)
    run(plain)
    once = loop._scores
    monkeypatch.setattr(loop, "_scores", lambda *args: once(*args) and once(*args))
    torch.manual_seed(3)
    fit(watched, (grey_rows()[0], grey_rows(n_test=4)[1]), **PLAN)
    assert_same(plain.state_dict(), watched.state_dict())


def test_mean_of_an_epoch_weights_the_short_last_batch_by_its_rows(monkeypatch):
    means, one_epoch = [], steps.Steps.epoch

    def record(*args):
        means.append(one_epoch(*args))
        return means[-1]

    monkeypatch.setattr(steps.Steps, "epoch", record)
    run(
        small_vae(),
        binarize="none",
        loss=lambda model, x: x.sum(-1) + 0 * model.decoder[-1].bias.sum(),
    )
    exact = grey_rows()[0].double().sum(1).mean().item() / 255
    assert means == pytest.approx([exact] * EPOCHS, rel=1e-6)


# --- denormal numbers ---


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("stop_at", [None, 2])
def test_denormals_are_zero_while_training_and_as_before_after_it(before, stop_at):
    seen = []

    def look(model, row):
        seen.append(flushes_denormals())

    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot")
    try:
        torch.set_flush_denormal(before)
        run(small_vae(), stop_at=stop_at, after_epoch=look)
        assert flushes_denormals() == before
    finally:
        torch.set_flush_denormal(False)
    assert set(seen) == (set() if stop_at else {True})
    assert not flushes_denormals()


# --- what stops a run ---


@pytest.mark.parametrize("call", [1, STEPS, STEPS + 1, STEPS + 2])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_loss_stops_at_the_last_good_epoch(call, value):
    """In the second epoch: at its first step, its last, and only in either of its scores."""
    model, calls = small_vae(), itertools.count(1)

    def loss(model, x):
        wrong = next(calls) == CALLS_PER_EPOCH + call
        return model.loss(x) + (value if wrong else 0.0)

    torch.manual_seed(3)
    with pytest.raises(NonFiniteLoss, match=r"in epoch 2 of 3 \(learning_rate=0.01\)"):
        run(model, loss=loss, learning_rate=0.01)
    after_one_epoch, _ = interrupted_run(CALLS_PER_EPOCH + 1, learning_rate=0.01)
    assert_same(model.state_dict(), after_one_epoch.state_dict())
    assert not model.training


def test_a_bad_pixel_stops_the_run_before_it_harms_the_model(tmp_path):
    train, test = (pixels.float() / 255 for pixels in grey_rows())
    train[17, 3] = float("nan")
    model = small_vae()
    with pytest.raises(ValueError, match="data: expected finite pixels, .* in train row 17"):
        fit(model, (train, test), 3, 20, checkpoint=tmp_path / "run.pt", progress=False)
    assert_same(model.state_dict(), small_vae().state_dict())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: expected 1 or more, got 0"),
        ({"batch_size": 0}, "batch_size: expected 1 or more, got 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected more than 0, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected more than 0, got nan"),
        ({"binarize": "static"}, "binarize: expected one of .*'dynamic'.*got 'static'"),
        ({"precision": "low"}, "precision: expected one of .*'medium'.*got 'low'"),
        ({"loss": lambda m, x: m.loss(x).mean()}, r"loss: expected .*\(20,\), got \(\)"),
        ({"loss": lambda m, x: m.loss(x)[:, None]}, r"loss: expected .*\(20,\), got \(20, 1\)"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        run(small_vae(), **changes)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((0, DIM), (5, DIM), "train images (N, D) or (N, H, W), not empty, got shape (0, 9)"),
        ((5, DIM), (0, DIM), "test images (N, D) or (N, H, W), not empty, got shape (0, 9)"),
        ((5, DIM), (5, 4), "train and test rows of one width, got 9 and 4 pixels"),
        ((5,), (5,), "train images (N, D) or (N, H, W), not empty, got shape (5,)"),
    ],
)
def test_bad_shapes_are_described(train, test, said):
    with pytest.raises(ValueError, match=re.escape(f"data: expected {said}")):
        fit(small_vae(), (torch.rand(train), torch.rand(test)), 1, progress=False)


def test_rows_of_another_width_than_the_model_are_described():
    with pytest.raises(ValueError, match=rf"expected x .*{DIM}.*got \(5, 4\)"):
        fit(small_vae(), (torch.rand(5, 4), torch.rand(5, 4)), 1, progress=False)
