"""An interrupted run goes on bit for bit, and never as another run than was planned."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.oracles import correlated_rows, z_score
from helpers.runs import (
    CALLS_PER_EPOCH,
    DIM,
    EPOCHS,
    PLAN,
    assert_same,
    grey_rows,
    interrupted_run,
    run,
    scores_of,
    small_vae,
    weights_of,
)

from course_utils.data import binarize
from course_utils.models import VAE, LinearVAE
from course_utils.training import (
    CheckpointError,
    History,
    as_input,
    evaluate,
    fit,
    load_checkpoint,
    save_checkpoint,
)

ROOT = Path(__file__).resolve().parents[2]


# --- interruption and resuming ---


@pytest.fixture(scope="module")
def uninterrupted():
    """The weights and scores at the end of the run that was left alone."""
    model = small_vae()
    torch.manual_seed(3)
    history = run(model)
    return weights_of(model), scores_of(history)


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
        history = run(model, resume=history, stop_at=call)
        assert history.interrupted
    assert scores_of(run(model, resume=history)) == uninterrupted[1]
    assert_same(model.state_dict(), uninterrupted[0])


@pytest.mark.slow
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
            history = run(model, stop_at=call)
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


KILLED = """
import os, random, signal
import torch
from course_utils.models import VAE
from course_utils.training import fit, load_checkpoint

torch.set_num_threads(1)  # a forked process has no other threads
train, test = torch.load("data.pt")
plan = {"epochs": 6, "batch_size": 10, "binarize": "dynamic", "progress": False}


def run(path, **changes):
    torch.manual_seed(2)
    model = VAE(2, 4, data_dim=train.shape[1])
    fit(model, (train, test), checkpoint=path, **plan, **changes)
    return model.state_dict()


events, at, how = 0, None, None  # steps of the optimiser and of writing files


def counted(work):
    def then(*args, **kwargs):
        global events
        events += 1
        if events == at:
            os.kill(os.getpid(), how)
        return work(*args, **kwargs)

    return then


torch.optim.Adam.step = counted(torch.optim.Adam.step)
os.fsync, os.replace = counted(os.fsync), counted(os.replace)
whole = run("whole.pt")
moments, left = random.Random(0).sample(range(1, events + 1), 20), []
for moment, chosen in enumerate(moments):
    path, how = f"{moment}.pt", [signal.SIGKILL, signal.SIGINT][moment % 2]
    child = os.fork()
    if child == 0:
        events, at = 0, chosen
        run(path)
        os._exit(0)
    os.waitpid(child, 0)
    if not os.path.exists(path):
        left.append(0)
        continue
    load_checkpoint(path)
    left.append(len(torch.load(path)["rows"]))
    ends = run(path, resume=path)
    assert all(torch.equal(ends[k], whole[k]) for k in whole), moment
print(*left)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_killed_run_leaves_a_checkpoint_that_goes_on_to_the_same_end(tmp_path):
    """At twenty moments, every other one with kill -9: bit for bit, and no half checkpoint."""
    torch.save(grey_rows(), tmp_path / "data.pt")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED]
    out = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    epochs = list(map(int, out.stdout.splitlines()[-1].split()))
    assert len(epochs) == 20 and len(set(epochs)) > 3
    for path in tmp_path.glob("*.pt"):
        assert path.name == "data.pt" or load_checkpoint(path)
