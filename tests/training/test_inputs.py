"""What `fit` is handed is checked before the first step, and said in one short line."""

import functools

import numpy as np
import pytest
import torch
from helpers.runs import DIM, PLAN, assert_same, grey_rows, run, scores_of, small_vae, weights_of
from torch import nn

from course_utils.data import ImageData
from course_utils.models import VAE
from course_utils.training import CheckpointError, evaluate, fit, load_checkpoint
from course_utils.training.inputs import data_fingerprint, loss_fingerprint

BYTES = torch.randint(0, 256, (40, DIM), dtype=torch.uint8, generator=torch.Generator())
SHARES = BYTES / 255
BAD_DATA = {
    "one tensor of two images": (BYTES[:2], "pair (train, test), got Tensor of shape (2, 9)"),
    "one array": (BYTES.numpy(), "pair (train, test), got ndarray of shape (40, 9)"),
    "three sets": ((BYTES, BYTES, BYTES), "pair (train, test), got tuple of 3"),
    "nothing": (None, "pair (train, test), got None"),
    "a name": ("mnist", "pair (train, test), got 'mnist'"),
    "lists": ((BYTES.tolist(), BYTES.tolist()), "train images as a tensor, got list"),
    "whole numbers": ((BYTES.long(), BYTES.long()), "uint8 or floating-point numbers, got torch."),
    "truth values": ((BYTES > 9, BYTES > 9), "floating-point numbers, got torch.bool"),
    "255 for ink": ((255 * SHARES, 255 * SHARES), "train pixels from 0 to 1 for Bernoulli"),
    "standardised": ((SHARES, SHARES - 0.5), "test pixels from 0 to 1 for Bernoulli"),
    "NaN": ((SHARES, SHARES.clone().fill_(torch.nan)), "finite pixels, got NaN or infinity in t"),
    "infinity": ((SHARES / 0, SHARES), "finite pixels, got NaN or infinity in train row 0"),
    "thousands of images": (list(BYTES.expand(2_000, 40, DIM)), "pair (train, test), got list of"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_named_before_the_first_step(name):
    data, said = BAD_DATA[name]
    model = small_vae()
    with pytest.raises(ValueError) as error:
        fit(model, data, 1, progress=False)
    assert str(error.value).startswith("data: expected ") and said in str(error.value)
    assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
    assert_same(model.state_dict(), small_vae().state_dict())


def test_a_gaussian_model_takes_any_finite_numbers_unless_they_are_drawn_from():
    x = torch.randn(40, DIM)
    fit(VAE(2, 4, "gaussian", DIM), (x, x), 1, progress=False)
    with pytest.raises(ValueError, match="train pixels from 0 to 1"):
        fit(VAE(2, 4, "gaussian", DIM), (x, x), 1, binarize="dynamic", progress=False)


def test_arrays_of_numpy_train_as_tensors_do():
    ends = []
    for kind in (lambda t: t, lambda t: t.numpy()):
        model = small_vae()
        torch.manual_seed(3)
        fit(model, tuple(map(kind, grey_rows())), **PLAN)
        ends.append(weights_of(model))
    assert_same(*ends)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (None, "a torch.nn.Module, got None"),
        (VAE, "a torch.nn.Module, got <class"),
        (nn.ReLU(), "parameters to train, got ReLU without any"),
        (small_vae().requires_grad_(False), "parameters to train, got VAE without any"),
    ],
    ids=["none", "a class", "no parameters", "frozen"],
)
def test_what_cannot_be_trained_is_named(model, said):
    with pytest.raises(ValueError) as error:
        fit(model, grey_rows(), 1, progress=False)
    assert str(error.value).startswith(f"model: expected {said}")


@pytest.mark.parametrize(
    ("loss", "came"),
    [(lambda m, x: m.elbo_terms(x), "(tensor("), (lambda m, x: 3.0, "3.0"), (print, "None")],
    ids=["two tensors", "a number", "nothing"],
)
def test_a_loss_that_gives_no_tensor_is_named(loss, came):
    with pytest.raises(ValueError) as error:
        run(small_vae(), loss=loss)
    assert str(error.value).startswith(
        "loss: expected a tensor (20,), one value for each row, got "
    )
    assert came in str(error.value) and len(str(error.value)) <= 300


def test_numbers_of_numpy_and_torch_are_numbers(tmp_path):
    """And what was saved with them can be loaded (F1)."""
    plain, other = small_vae(), VAE(np.int64(2), torch.tensor(4), data_dim=np.float32(DIM))
    other.load_state_dict(plain.state_dict())
    torch.manual_seed(3)
    history = fit(plain, grey_rows(), 1, 20, 1e-3, progress=False)
    torch.manual_seed(3)
    numbers = {"epochs": np.int64(1), "batch_size": torch.tensor(20)}
    rate = np.float64(1e-3)
    path = tmp_path / "run.pt"
    again = fit(other, grey_rows(), **numbers, learning_rate=rate, checkpoint=path, progress=False)
    assert scores_of(again) == scores_of(history)
    assert_same(load_checkpoint(path).state_dict(), plain.state_dict())


def test_a_model_that_forgets_its_options_replaces_no_good_file(tmp_path):
    path, model = tmp_path / "run.pt", small_vae()
    run(model, checkpoint=path)
    before = path.read_bytes()
    model.options["latent_dim"] = object()  # nothing that may be read from a file
    with pytest.raises(CheckpointError, match=r"run.pt: damaged, or no checkpoint"):
        run(model, checkpoint=path)
    assert path.read_bytes() == before


# --- a run goes on as it began -------------------------------------------------------------------


def stopped(**changes):
    model = small_vae()
    torch.manual_seed(3)
    return run(model, stop_at=7, **changes)


def test_a_run_goes_on_whatever_the_model_holds_now():
    """F4: the weights travel in the history."""
    whole = small_vae()
    torch.manual_seed(3)
    expected = scores_of(run(whole))
    for model in (small_vae(seed=77), whole):
        assert scores_of(run(model, resume=stopped())) == expected
        assert_same(model.state_dict(), whole.state_dict())


def test_another_loss_is_refused():
    with pytest.raises(CheckpointError, match=r"planned with loss default_loss .* \(now .*lambda"):
        run(small_vae(), resume=stopped(), loss=lambda m, x: m.loss(x))


def test_other_data_of_equal_size_are_refused():
    train, test = grey_rows()
    changed = train.clone()
    changed[0, 0] += 1
    for pair in ((changed, test), (train, test.flip(0)), (train / 255, test / 255)):
        with pytest.raises(CheckpointError, match="planned with data"):
            fit(small_vae(), pair, **PLAN, resume=stopped())


def test_fingerprints_tell_losses_by_what_they_do():
    def weighted(beta):
        return lambda model, x: -model.elbo(x, beta)

    class Own:
        calls = 0

        def __call__(self, model, x):
            self.calls += 1
            return model.loss(x)

    assert loss_fingerprint(weighted(1.0)) == loss_fingerprint(weighted(1.0))
    counted = Own()
    counted.calls = 9
    assert loss_fingerprint(Own()) == loss_fingerprint(counted)
    different = [
        weighted(1.0),
        weighted(4.0),
        lambda model, x: -2 * model.elbo(x),
        functools.partial(weighted(1.0), x=3),
        Own(),
        small_vae().loss,
        print,
    ]
    assert len({loss_fingerprint(loss) for loss in different}) == len(different)


def test_fingerprints_tell_data_by_shape_type_and_values():
    x = torch.arange(6.0).view(2, 3)
    different = [x, x.view(3, 2), x.double(), x.flip(0), x.byte()]
    assert len({data_fingerprint(part) for part in different}) == len(different)
    assert data_fingerprint(x) == data_fingerprint(x.T.contiguous().T)


def test_image_data_and_its_rows_have_one_fingerprint():
    images = torch.randint(0, 256, (20, 28, 28), dtype=torch.uint8)
    data = ImageData("drawn", images, torch.zeros(20).long(), images, torch.zeros(20).long())
    histories = [
        fit(VAE(2, 4), pair, 1, progress=False)
        for pair in (data, (images, images), (images.flatten(1), images.flatten(1)))
    ]
    assert len({h.training_state["plan"]["data"] for h in histories}) == 1


def test_evaluate_says_what_it_expected_of_a_loss():
    with pytest.raises(ValueError, match=r"loss: expected a tensor \(30,\)"):
        evaluate(small_vae(), grey_rows()[1], lambda m, x: None)
