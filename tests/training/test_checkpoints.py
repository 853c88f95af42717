"""Models as files: what is saved can be loaded, and no file is trusted."""

import errno
import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from helpers.runs import (
    CALLS_PER_EPOCH,
    DIM,
    SMALL_MODELS,
    assert_same,
    grey_rows,
    interrupted_run,
    run,
    small_vae,
    weights_of,
)

from course_utils import files
from course_utils.models import MODELS, VAE
from course_utils.training import (
    CHECKPOINTS,
    CheckpointError,
    checkpoints,
    fit,
    load_checkpoint,
    save_checkpoint,
)

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
        history = run(model, stop_at=call)
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
        lambda: run(Mine(2, 4, data_dim=DIM), checkpoint=tmp_path / "mine.pt", epochs=1),
    ):
        with pytest.raises(
            ValueError, match=r"expected one of course_utils.models \['Autoen.*got Mine"
        ):
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


@pytest.mark.parametrize(
    ("where", "said"), [("missing.pt", "no such checkpoint"), (".", "a folder, no checkpoint")]
)
def test_missing_file_is_said_to_be_missing(tmp_path, where, said):
    for attempt in (load_checkpoint, lambda path: run(small_vae(), resume=path)):
        with pytest.raises(FileNotFoundError, match=said):
            attempt(tmp_path / where)


def test_packaged_model_is_found_by_its_name_and_a_file_comes_first(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "package" / "mine.pt", small_vae(seed=1))
    assert_same(load_checkpoint("mine").state_dict(), small_vae(seed=1).state_dict())
    with pytest.raises(FileNotFoundError, match=r"yours: no such checkpoint; .*\['mine'\]"):
        load_checkpoint("yours")
    save_checkpoint("mine", small_vae(seed=2))
    assert_same(load_checkpoint("mine").state_dict(), small_vae(seed=2).state_dict())


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("*.pt")), ids=lambda path: path.stem)
def test_a_packaged_model_with_one_damaged_byte_is_refused(path, tmp_path):
    assert not load_checkpoint(path).training
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1  # among the weights
    (tmp_path / "damaged.pt").write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"damaged.pt: damaged"):
        load_checkpoint(tmp_path / "damaged.pt")


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
            patch.setattr(files, "open", FullDisk, raising=False)
        else:
            patch.setattr(os, moment, no_space)
        with pytest.raises(OSError, match="No space left on device"):
            save_checkpoint(path, small_vae(seed=2))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


# --- damage ---


@pytest.mark.slow
def test_one_damaged_byte_is_refused_or_changes_nothing(tmp_path):
    """Every third byte of a small file, and all of its end: loaded as it was, or not at all."""
    model, path = VAE(1, 1, data_dim=2), tmp_path / "model.pt"
    save_checkpoint(path, model, half=True)
    whole, refused = bytearray(path.read_bytes()), 0
    for place in [*range(0, len(whole), 3), *range(len(whole) - 100, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            loaded = load_checkpoint(path)
        except CheckpointError:
            refused += 1
            continue
        half = {k: v.half().float() for k, v in model.state_dict().items()}
        assert_same(loaded.state_dict(), half)
    assert refused > 1_000


def test_what_may_not_be_read_is_no_damage(monkeypatch, tmp_path):
    save_checkpoint(tmp_path / "model.pt", small_vae())

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        load_checkpoint(tmp_path / "model.pt")


def test_the_home_folder_is_meant_by_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    save_checkpoint("~/model.pt", small_vae())
    assert os.listdir(tmp_path) == ["model.pt"]
    assert_same(load_checkpoint("~/model.pt").state_dict(), small_vae().state_dict())


def test_a_class_of_the_same_name_is_told_apart(tmp_path):
    class VAE(type(small_vae())):
        pass

    with pytest.raises(ValueError, match=r"got VAE of .*test_checkpoints$"):
        save_checkpoint(tmp_path / "model.pt", VAE(2, 4, data_dim=DIM))
