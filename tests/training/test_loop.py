"""The training loop: it learns, keeps honest books, resumes bit for bit, and trusts no file."""

import errno
import io
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.oracles import at_the_ppca_optimum, correlated_rows, z_score
from helpers.runs import (
    CALLS_PER_EPOCH,
    DIM,
    EPOCHS,
    PLAN,
    SMALL_MODELS,
    STEPS,
    assert_same,
    grey_rows,
    run,
    scores_of,
    small_vae,
    weights_of,
)
from scipy import stats
from torch import nn

from course_utils import training
from course_utils.data import ImageData, binarize
from course_utils.models import MODELS, VAE, Autoencoder, ConvVAE, LinearVAE
from course_utils.objectives import iwae_bound
from course_utils.training import (
    CheckpointError,
    History,
    NonFiniteLoss,
    as_input,
    evaluate,
    fit,
    load_checkpoint,
    save_checkpoint,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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


def test_linear_autoencoder_reaches_the_error_of_pca():
    x = correlated_rows(200).float()
    residual = np.linalg.svd((x - x.mean(0)).numpy(), compute_uv=False)[2:]
    best = (residual**2).sum() / len(x)
    history = fit(Linear(6, 2), (x, x), 50, 20, 3e-2, progress=False)
    losses = history.column("test_loss")
    assert best * 0.99999 <= losses[-1] <= best * 1.02 < losses[0]


def test_linear_vae_reaches_the_ppca_log_likelihood():
    x = correlated_rows(200)
    best = at_the_ppca_optimum(x, 2).elbo(x).mean().item()  # exact: see test_models
    history = fit(LinearVAE(2, 6), (x, x), 50, 20, 5e-2, progress=False)
    assert best - 0.5 <= history.column("test_elbo")[-1] <= best + 1e-4


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
    once = evaluate
    monkeypatch.setattr(training, "evaluate", lambda *args: once(*args) and once(*args))
    torch.manual_seed(3)
    fit(watched, (grey_rows()[0], grey_rows(n_test=4)[1]), **PLAN)
    assert_same(plain.state_dict(), watched.state_dict())


def test_mean_of_an_epoch_weights_the_short_last_batch_by_its_rows(monkeypatch):
    means, one_epoch = [], training._Steps.epoch

    def record(*args):
        means.append(one_epoch(*args))
        return means[-1]

    monkeypatch.setattr(training._Steps, "epoch", record)
    run(
        small_vae(),
        binarize="none",
        loss=lambda model, x: x.sum(-1) + 0 * model.decoder[-1].bias.sum(),
    )
    exact = grey_rows()[0].double().sum(1).mean().item() / 255
    assert means == pytest.approx([exact] * EPOCHS, rel=1e-6)


# --- interruption and resuming ---


@pytest.fixture(scope="module")
def uninterrupted():
    """The weights and scores at the end of the run that was left alone."""
    model = small_vae()
    torch.manual_seed(3)
    history = run(model)
    return weights_of(model), scores_of(history)


class StopAt:
    """The model's own loss, which is interrupted at one of its calls."""

    def __init__(self, call: int):
        self.left = call

    def __call__(self, model, x):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return model.loss(x)


def interrupted_run(call: int, **changes) -> tuple[VAE, History]:
    model = small_vae()
    torch.manual_seed(3)
    return model, run(model, loss=StopAt(call), **changes)


every_moment = pytest.mark.parametrize("call", range(1, EPOCHS * CALLS_PER_EPOCH + 1))


@every_moment
def test_interrupted_run_gives_back_the_last_whole_epoch(call):
    model, history = interrupted_run(call)
    assert history.interrupted and not model.training
    assert len(history.rows) == history.training_state["epoch"] == (call - 1) // CALLS_PER_EPOCH
    if history.rows:
        scores = evaluate(model, binarize(grey_rows()[1], seed=0))
        assert {k: history.rows[-1][f"test_{k}"] for k in scores} == scores
    else:
        assert_same(model.state_dict(), small_vae().state_dict())


@every_moment
def test_resumed_run_is_the_uninterrupted_one(uninterrupted, tmp_path, call):
    weights, scores = uninterrupted
    model, history = interrupted_run(call)
    save_checkpoint(tmp_path / "run.pt", model, history)
    boundary = weights_of(model)

    for _ in range(2):  # resuming does not write in the history that it reads
        model.load_state_dict(boundary)
        torch.manual_seed(99)  # whatever happened in between
        assert scores_of(run(model, resume=history)) == scores
        assert_same(model.state_dict(), weights)

    stranger = small_vae(seed=77)
    assert scores_of(run(stranger, resume=tmp_path / "run.pt")) == scores
    assert_same(stranger.state_dict(), weights)


def test_run_interrupted_within_a_step_resumes_alike(uninterrupted, monkeypatch):
    """The optimiser has moved the weights, the loss is not yet added to the epoch's."""
    steps, step = itertools.count(1), torch.optim.Adam.step

    def interrupt(self, *args):
        step(self, *args)
        if next(steps) == 5:
            raise KeyboardInterrupt

    model = small_vae()
    torch.manual_seed(3)
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", interrupt)
        history = run(model)
    assert history.interrupted and len(history.rows) == 1
    assert scores_of(run(model, resume=history)) == uninterrupted[1]
    assert_same(model.state_dict(), uninterrupted[0])


def test_run_interrupted_while_saving_keeps_the_file_and_the_epoch(
    uninterrupted, monkeypatch, tmp_path
):
    saves, fsync = itertools.count(1), os.fsync

    def interrupt(descriptor):
        if next(saves) == 2:
            raise KeyboardInterrupt
        fsync(descriptor)

    path, model = tmp_path / "run.pt", small_vae()
    torch.manual_seed(3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        history = run(model, checkpoint=path)
    assert os.listdir(tmp_path) == ["run.pt"]
    assert len(history.rows) == 2 and len(torch.load(path)["rows"]) == 1
    for resume in (history, path):
        assert scores_of(run(model, resume=resume)) == uninterrupted[1]
        assert_same(model.state_dict(), uninterrupted[0])


def test_run_interrupted_again_and_again_ends_where_it_should(uninterrupted):
    model, history = interrupted_run(1)
    for call in (CALLS_PER_EPOCH, CALLS_PER_EPOCH + 1, 2, CALLS_PER_EPOCH):
        history = run(model, resume=history, loss=StopAt(call))
        assert history.interrupted
    assert scores_of(run(model, resume=history)) == uninterrupted[1]
    assert_same(model.state_dict(), uninterrupted[0])


def test_another_process_resumes_bit_for_bit(uninterrupted, tmp_path):
    model, history = interrupted_run(CALLS_PER_EPOCH + 2)
    save_checkpoint(tmp_path / "run.pt", model, history)
    torch.save(grey_rows(), tmp_path / "data.pt")
    code = (
        "import torch\n"
        "from course_utils.models import VAE\n"
        "from course_utils.training import fit, save_checkpoint\n"
        f"model = VAE(2, 4, data_dim={DIM})\n"
        f"history = fit(model, torch.load('data.pt'), resume='run.pt', **{PLAN})\n"
        "save_checkpoint('end.pt', model, history)"
    )
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    content = torch.load(tmp_path / "end.pt")
    assert scores_of(History(content["rows"])) == uninterrupted[1]
    assert_same(content["weights"], uninterrupted[0])


def test_finished_run_resumes_to_itself(uninterrupted):
    model = small_vae()
    torch.manual_seed(3)
    history = run(model)
    again = run(model, resume=history)
    assert again.rows == history.rows and not again.interrupted
    assert_same(model.state_dict(), uninterrupted[0])


def test_checkpoint_of_every_epoch_ends_as_the_model(tmp_path):
    model = small_vae()
    history = run(model, checkpoint=tmp_path / "new" / "run.pt")
    assert os.listdir(tmp_path / "new") == ["run.pt"]
    content = torch.load(tmp_path / "new" / "run.pt")
    assert content["rows"] == history.rows
    assert_same(content["weights"], model.state_dict())


def test_after_epoch_sees_each_scored_epoch():
    seen = []
    history = run(small_vae(), after_epoch=lambda model, row: seen.append((model.training, row)))
    assert seen == [(False, row) for row in history.rows]


@pytest.mark.parametrize("stop", [None, 1, 2])
def test_what_after_epoch_draws_or_stops_does_not_change_the_run(uninterrupted, stop):
    def draw(model, row):
        model.sample(7)
        if row["epoch"] == stop:
            raise KeyboardInterrupt

    model = small_vae()
    torch.manual_seed(3)
    history = run(model, after_epoch=draw)
    assert len(history.rows) == (stop or EPOCHS)
    assert scores_of(run(model, resume=history)) == uninterrupted[1]
    assert_same(model.state_dict(), uninterrupted[0])


def test_seconds_go_on_counting_after_resuming():
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    history.rows[-1]["seconds"] = 1000.0
    assert run(model, resume=history).rows[1]["seconds"] > 1000


def test_interruption_says_where_it_stopped_and_how_to_go_on(capsys):
    interrupted_run(CALLS_PER_EPOCH + 1)
    out = capsys.readouterr().out
    assert "after epoch 1 of 3" in out and "resume=history" in out


def test_progress_bar_can_be_switched_off(capsys):
    run(small_vae())
    assert capsys.readouterr() == ("", "")
    run(small_vae(), progress=True)
    assert "training" in capsys.readouterr().err


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
    with pytest.raises(NonFiniteLoss, match="epoch 1 of 3.*back at the end of epoch 0"):
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
    ("train", "test"),
    [((0, DIM), (5, DIM)), ((5, DIM), (0, DIM)), ((5, DIM), (5, 4)), ((5,), (5,))],
)
def test_bad_data_are_described(train, test):
    with pytest.raises(ValueError, match="data: expected .*got") as error:
        fit(small_vae(), (torch.rand(train), torch.rand(test)), 1, progress=False)
    assert str(train) in str(error.value) and str(test) in str(error.value)


def test_rows_of_another_width_than_the_model_are_described():
    with pytest.raises(ValueError, match=rf"expected x .*{DIM}.*got \(5, 4\)"):
        fit(small_vae(), (torch.rand(5, 4), torch.rand(5, 4)), 1, progress=False)


# --- another plan, another model ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 4),
        ("batch_size", 25),
        ("learning_rate", 1e-3),
        ("binarize", "none"),
        ("precision", "medium"),
    ],
)
def test_resuming_another_plan_names_what_changed(tmp_path, name, value):
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    save_checkpoint(tmp_path / "run.pt", model, history)
    before = history.training_state["plan"][name]
    for resume in (history, tmp_path / "run.pt"):
        other = small_vae(seed=8)
        state = torch.get_rng_state()
        with pytest.raises(CheckpointError, match=rf"{name} {before} \(now {value}\)$"):
            run(other, **{name: value}, resume=resume)
        assert torch.equal(torch.get_rng_state(), state)  # and nothing is touched
        assert_same(other.state_dict(), small_vae(seed=8).state_dict())


def test_resuming_on_other_data_is_refused():
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    with pytest.raises(CheckpointError, match=r"images 50 \(now 40\)"):
        fit(model, grey_rows(n_train=40), **PLAN, resume=history)


@pytest.mark.parametrize(
    "other",
    [VAE(3, 4, data_dim=DIM), VAE(2, 4, "continuous_bernoulli", DIM), LinearVAE(2, DIM)],
    ids=["size", "likelihood", "class"],
)
def test_resuming_another_model_names_both(tmp_path, other):
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    save_checkpoint(tmp_path / "run.pt", model, history)
    before = weights_of(other)
    for resume in (history, tmp_path / "run.pt"):
        with pytest.raises(CheckpointError, match="model VAE .*now") as error:
            run(other, resume=resume)
        assert str(model.options) in str(error.value) and str(other.options) in str(error.value)
    assert_same(other.state_dict(), before)


def test_resuming_from_weights_alone_is_refused(tmp_path):
    save_checkpoint(tmp_path / "model.pt", small_vae())
    for resume in (History(), tmp_path / "model.pt"):
        with pytest.raises(CheckpointError, match="expected a training state"):
            run(small_vae(), resume=resume)


# --- checkpoint files ---


def test_every_model_of_the_course_is_covered():
    assert SMALL_MODELS.keys() == MODELS.keys()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("build", SMALL_MODELS.values(), ids=SMALL_MODELS)
def test_model_survives_its_file(tmp_path, build, half):
    model = build()
    save_checkpoint(tmp_path / "model.pt", model, half=half)
    loaded = load_checkpoint(tmp_path / "model.pt")
    assert type(loaded) is type(model) and loaded.options == model.options
    assert not loaded.training
    for name, weight in loaded.state_dict().items():
        assert weight.dtype == torch.float32 and weight.device.type == "cpu"
        rtol = 2**-11 if half else 0  # half precision keeps 11 bits
        torch.testing.assert_close(weight, model.state_dict()[name], rtol=rtol, atol=rtol * 1e-4)


def test_half_precision_halves_the_file_and_drops_the_training_state(tmp_path):
    model = VAE(2, 100, data_dim=784)
    history = fit(model, grey_rows(20, 5, 784), 1, progress=False)
    for name, options in {"full": {}, "whole": {"history": history}}.items():
        save_checkpoint(tmp_path / name, model, **options)
        save_checkpoint(tmp_path / f"half {name}", model, **options, half=True)
    size = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    weights = sum(p.numel() for p in model.parameters())
    assert 2 * weights < size["half full"] < 2 * weights + 8_000
    assert size["half whole"] < size["half full"] + 2_000
    assert size["full"] > 4 * weights and size["whole"] > 12 * weights
    assert torch.load(tmp_path / "half whole")["rows"] == history.rows


def test_float64_model_resumes_in_float64_and_loads_in_float32(tmp_path):
    ends = []
    for call in (None, CALLS_PER_EPOCH + 2):
        model = small_vae().double()
        torch.manual_seed(3)
        history = run(model, loss=StopAt(call) if call else None)
        if call:
            save_checkpoint(tmp_path / "run.pt", model, history)
            model = small_vae(seed=6).double()
            run(model, resume=tmp_path / "run.pt")
        ends.append(weights_of(model))
    assert_same(*ends)
    assert next(load_checkpoint(tmp_path / "run.pt").parameters()).dtype == torch.float32


def test_training_state_can_be_given_apart_from_the_history(tmp_path):
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    save_checkpoint(tmp_path / "run.pt", model, training_state=history.training_state)
    assert torch.load(tmp_path / "run.pt")["training_state"]["epoch"] == 1


def test_model_that_could_not_be_rebuilt_is_refused_before_the_work(tmp_path):
    class Mine(VAE):
        pass

    for attempt in (
        lambda: save_checkpoint(tmp_path / "mine.pt", Mine(2, 4, data_dim=DIM)),
        lambda: run(Mine(2, 4, data_dim=DIM), checkpoint=tmp_path / "mine.pt", loss=StopAt(1)),
    ):
        with pytest.raises(ValueError, match=r"model: expected one of \['Autoencoder'.*got Mine"):
            attempt()
    assert os.listdir(tmp_path) == []


class Touch:
    """A pickle of this makes a file wherever it is executed."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def valid_content(tmp_path: Path) -> dict:
    model, history = interrupted_run(CALLS_PER_EPOCH + 1)
    save_checkpoint(tmp_path / "valid.pt", model, history)
    return torch.load(tmp_path / "valid.pt")


@pytest.mark.parametrize("how", ["pickle", "torch", "torch, old format", "hidden"])
def test_code_in_a_file_is_never_executed(tmp_path, how):
    path, marker, proof = (tmp_path / name for name in ("hostile.pt", "executed", "works"))
    pickle.loads(pickle.dumps(Touch(proof)))
    assert proof.exists()  # the attack itself is sound
    if how == "pickle":
        path.write_bytes(pickle.dumps(Touch(marker)))
    elif how == "hidden":
        content = valid_content(tmp_path)
        content["training_state"]["optimizer"]["extra"] = Touch(marker)
        torch.save(content, path)
    else:
        new_format = how == "torch"
        torch.save(Touch(marker), path, _use_new_zipfile_serialization=new_format)
    for attempt in (lambda: load_checkpoint(path), lambda: run(small_vae(), resume=path)):
        with pytest.raises(CheckpointError, match=r"hostile.pt: damaged, or no checkpoint"):
            attempt()
    assert not marker.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path, share):
    valid_content(tmp_path)
    whole = (tmp_path / "valid.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"cut.pt: damaged"):
        load_checkpoint(tmp_path / "cut.pt")


def test_text_file_is_refused(tmp_path):
    (tmp_path / "notes.pt").write_text("404: Not Found\n" * 100)
    with pytest.raises(CheckpointError, match=r"notes.pt: damaged"):
        load_checkpoint(tmp_path / "notes.pt")


@pytest.mark.parametrize("where", ["missing.pt", "."])
def test_missing_file_is_said_to_be_missing(tmp_path, where):
    for attempt in (load_checkpoint, lambda path: run(small_vae(), resume=path)):
        with pytest.raises(FileNotFoundError, match="no such checkpoint"):
            attempt(tmp_path / where)


def test_packaged_model_is_found_by_its_name_and_a_file_comes_first(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "package" / "mine.pt", small_vae(seed=1))
    assert_same(load_checkpoint("mine").state_dict(), small_vae(seed=1).state_dict())
    with pytest.raises(FileNotFoundError, match=r"yours: no such checkpoint; .*\['mine'\]"):
        load_checkpoint("yours")
    save_checkpoint("mine", small_vae(seed=2))
    assert_same(load_checkpoint("mine").state_dict(), small_vae(seed=2).state_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"weights": {}},
        {"weights": {"encoder.0.weight": "heavy"}},
        {"weights": [1.0]},
        {"model": "Sequential"},
        {"model": ["VAE"]},
        {"options": {"layers": 5}},
        {"options": {"latent_dim": "two"}},
        {"options": {"latent_dim": 3, "hidden_dim": 4, "data_dim": DIM}},
    ],
    ids=str,
)
def test_unfit_contents_are_no_model(tmp_path, change):
    torch.save(valid_content(tmp_path) | change, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match=r"odd.pt: "):
        load_checkpoint(tmp_path / "odd.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"weights": {}},
        {"weights": [1.0]},
        {"training_state": "none"},
        {"training_state": {"plan": {}}},
    ],
    ids=str,
)
def test_unfit_contents_are_no_run_to_resume(tmp_path, change):
    torch.save(valid_content(tmp_path) | change, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError):
        run(small_vae(), resume=tmp_path / "odd.pt")


@pytest.mark.parametrize("content", [{}, [1], torch.zeros(3), {"format": 1}, "text"], ids=repr)
def test_other_files_of_torch_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    for attempt in (load_checkpoint, lambda path: run(small_vae(), resume=path)):
        with pytest.raises(CheckpointError, match=r"other.pt: expected a checkpoint"):
            attempt(tmp_path / "other.pt")


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(io.FileIO):
    """A file that takes 1,000 bytes and no more."""

    def write(self, data):
        super().write(bytes(data)[:1_000])
        no_space()


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
@pytest.mark.parametrize("older", [True, False])
def test_full_disk_leaves_the_older_checkpoint_and_no_rest(monkeypatch, tmp_path, moment, older):
    path = tmp_path / "model.pt"
    if older:
        save_checkpoint(path, small_vae(seed=1))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        if moment == "write":
            patch.setattr(training, "open", FullDisk, raising=False)
        else:
            patch.setattr(os, moment, no_space)
        with pytest.raises(OSError, match="No space left on device"):
            save_checkpoint(path, small_vae(seed=2))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


# --- accelerators ---


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
class TestOnCuda:
    def test_training_agrees_with_the_cpu(self):
        """In float64, whole batches and an exact ELBO: only the order of sums differs."""
        x, ends = correlated_rows(100), []
        for device in ("cpu", "cuda"):
            torch.manual_seed(1)
            model = LinearVAE(2, 6).double().to(device)
            history = fit(model, (x, x), 20, batch_size=100, learning_rate=1e-2, progress=False)
            ends.append([history.rows[-1]["test_elbo"], *(p.cpu() for p in model.parameters())])
        for on_cpu, on_cuda in zip(*ends, strict=True):
            torch.testing.assert_close(on_cuda, on_cpu, rtol=1e-8, atol=1e-8)

    def test_resumed_run_is_the_uninterrupted_one(self, tmp_path):
        """Within 1e-4: sums on the device come in no fixed order."""
        ends = []
        for call in (None, CALLS_PER_EPOCH + 2):
            model = small_vae().cuda()
            torch.manual_seed(3)
            history = run(model, loss=StopAt(call) if call else None)
            if call:
                save_checkpoint(tmp_path / "run.pt", model, history)
                model = small_vae(seed=6).cuda()
                history = run(model, resume=tmp_path / "run.pt")
            ends.append([*model.parameters(), history.rows[-1]["test_elbo"]])
        for resumed, whole in zip(*ends, strict=True):
            torch.testing.assert_close(resumed, whole, rtol=1e-4, atol=1e-4)

    def test_dynamic_pixels_have_the_right_probability(self):
        grey = torch.arange(1, 255, dtype=torch.uint8, device="cuda")
        draws = as_input(grey.expand(20_000, 254), dynamic=True)
        assert z_score(draws, grey / 255).abs().max() < 4.5

    def test_a_run_of_the_gpu_is_not_resumed_on_the_cpu(self):
        model = small_vae().cuda()
        history = run(model)
        with pytest.raises(CheckpointError, match=r"device cuda \(now cpu\)"):
            run(model.cpu(), resume=history)

    def test_checkpoint_of_the_gpu_loads_on_the_cpu(self, tmp_path):
        save_checkpoint(tmp_path / "model.pt", small_vae().cuda())
        assert next(load_checkpoint(tmp_path / "model.pt").parameters()).device.type == "cpu"
