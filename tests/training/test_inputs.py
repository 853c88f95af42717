"""What `fit` is handed is checked before the first step, and said in one short line."""

import functools

import numpy as np
import pytest
import torch
from helpers.runs import DIM, PLAN, assert_same, grey_rows, run, scores_of, small_vae, weights_of
from torch import nn
from torch.nn import functional as F

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
    "a loader": (torch.utils.data.DataLoader(BYTES), "pair (train, test), got <torch.utils.data"),
    "labels for test images": ((BYTES, BYTES[:, 0].long()), "test pixels as uint8 or floating"),
    "ones for ink": (
        ((BYTES > 99).byte(), BYTES),
        "train pixels of uint8 from 0 to 255, got 0 an",
    ),
    "complex": ((SHARES.cfloat(), SHARES), "floating-point numbers, got torch.complex64"),
    "sparse": ((SHARES, SHARES.to_sparse()), "all test pixels, got torch.sparse_coo on cpu"),
    "without data": ((SHARES.to("meta"), SHARES), "all train pixels, got torch.strided on meta"),
    "objects": ((SHARES.numpy().astype(object), SHARES), "tensor, got object in an ndarray"),
    "a masked array": ((np.ma.masked_array(SHARES.numpy()), SHARES), "tensor, got MaskedArray"),
    "a network": (small_vae(), "pair (train, test), got VAE( (encoder): Sequential("),
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
    with pytest.raises(CheckpointError, match=r"run.pt: not written: expected numbers"):
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


def resumed_with(first, second):
    """Scores of a run that was stopped with one loss, and goes on with another."""
    model = small_vae()
    torch.manual_seed(3)

    def stop(model, row):
        raise KeyboardInterrupt

    history = run(model, loss=first, after_epoch=stop)
    return scores_of(run(small_vae(seed=77), loss=second, resume=history))


BETA = 1.0


def weighted(model, x):
    return -model.elbo(x, BETA)


def through_a_helper(model, x):
    return weighted(model, x)


def by_keyword(beta):
    def loss(model, x, *, beta=beta):
        return -model.elbo(x, beta)

    return loss


def with_helper(helper):
    return lambda model, x: helper(model, x)


def within(beta):
    return lambda model, x: torch.stack([-model.elbo(x, float(beta)) for _ in range(1)])[0]


@pytest.mark.parametrize("loss", [weighted, through_a_helper, with_helper(weighted)])
def test_a_number_of_the_page_belongs_to_a_loss(loss, monkeypatch):
    """As in notebook 06: `loss=lambda model, x: -model.elbo(x, BETA)`."""
    before = loss_fingerprint(loss)
    assert len(resumed_with(loss, loss)) == 3
    monkeypatch.setitem(globals(), "BETA", 4.0)
    assert loss_fingerprint(loss) != before


@pytest.mark.parametrize(
    "losses",
    [
        [by_keyword(1.0), by_keyword(4.0)],
        [within(np.float32(1)), within(np.float32(4))],
        [with_helper(by_keyword(1.0)), with_helper(by_keyword(4.0))],
        [lambda m, x: m.loss(x) * (1 in {1, 2}), lambda m, x: m.loss(x) * (1 in {1, 3})],
    ],
    ids=["keyword", "NumPy", "helper", "set"],
)
def test_losses_that_differ_in_what_they_hold_are_told_apart(losses):
    with pytest.raises(CheckpointError, match="planned with loss"):
        resumed_with(*losses)
    assert len(resumed_with(losses[0], losses[0])) == 3


def test_a_model_in_another_precision_or_frozen_now_is_refused():
    frozen = small_vae()
    frozen.encoder.requires_grad_(False)
    for model, said in [
        (small_vae().double(), r"torch\.float64\)"),
        (frozen, r"frozen encoder\.0\.weight, encoder\.0\.bias.*\)"),
    ]:
        with pytest.raises(
            CheckpointError, match=f"planned with model VAE .* .now VAE .* {said}$"
        ):
            run(model, resume=stopped())


def test_a_history_that_lost_its_rows_is_refused():
    history = stopped()
    history.rows.clear()
    with pytest.raises(CheckpointError, match="does not fit: expected 1 rows, got 0"):
        run(small_vae(), resume=history)


def test_a_model_of_the_reader_s_own_is_told_apart_by_its_weights():
    def own(units):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(DIM, units), nn.Linear(units, DIM))

    def loss(model, x):
        return (model(x) - x).square().sum(-1)

    def stop(model, row):
        raise KeyboardInterrupt

    history = run(own(3), loss=loss, after_epoch=stop)
    with pytest.raises(CheckpointError, match="does not fit: ") as error:
        run(own(4), loss=loss, resume=history)
    assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
    assert len(run(own(3), loss=loss, resume=history).rows) == 3


def test_a_model_without_a_loss_is_named():
    with pytest.raises(ValueError, match=r"^model: expected loss\(x\), or a loss .* got Linear w"):
        run(nn.Linear(DIM, DIM))


def test_what_a_loss_counts_itself_does_not_make_it_another():
    """A warm-up in a closure has moved on when the run does."""
    calls = 0

    def warming_up(model, x):
        nonlocal calls
        calls += 1
        return -model.elbo(x, min(1.0, calls / 9))

    assert len(resumed_with(warming_up, warming_up)) == 3


def test_a_loss_may_call_itself():
    def loss(model, x, again=True):
        return loss(model, x, False) if again else model.loss(x)

    assert loss_fingerprint(loss) == loss_fingerprint(loss)


@pytest.mark.parametrize("point", [5, True, b"run.pt", {"rows": []}, [1]], ids=repr)
def test_what_no_run_can_go_on_from_is_named(point):
    with pytest.raises(ValueError, match="^resume: expected a History or a checkpoint's path"):
        run(small_vae(), resume=point)


# --- pixels, losses and places of other kinds ----------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.numpy()[::-1].copy()[::-1],
        lambda t: (t / 255).numpy().astype(">f4"),
        lambda t: (t / 255).requires_grad_(),
        lambda t: (t / 255).bfloat16(),
        lambda t: (t / 255).half(),
        lambda t: nn.Parameter(t / 255),
        lambda t: np.require(t.numpy(), requirements="F"),
    ],
    ids=["reversed", "another order of bytes", "gradient", "bfloat16", "half", "parameter", "F"],
)
def test_pixels_of_other_kinds_train(change):
    plain, other = small_vae(), small_vae()
    histories = []
    for model, kind in ((plain, lambda t: t), (other, change)):
        torch.manual_seed(3)
        pair = tuple(map(kind, grey_rows()))
        histories.append(fit(model, pair, **{**PLAN, "binarize": "none"}))
    expected, found = (h.column("test_loss") for h in histories)
    assert found == pytest.approx(expected, abs=0.05)


def test_an_array_that_may_not_be_written_is_read_quietly():
    pair = tuple(t.numpy().copy() for t in grey_rows())
    for part in pair:
        part.setflags(write=False)
    fit(small_vae(), pair, 1, progress=False)  # torch would warn, and a warning is an error here


def test_a_loss_of_another_kind_is_named():
    for loss, said in [
        ("elbo", "a function of (model, x), got 'elbo'"),
        (lambda x: x, "a function of (model, x), got one of (x)"),
        (nn.MSELoss(), "a function of (model, x), got one of (input, target): MSELoss()"),
        (nn.Linear(9, 1), "a function of (model, x), got one of (input"),
        (F.mse_loss, "a function of (model, x), got one of (input, target): <function mse_loss"),
        (lambda m, x: m.loss(x).detach(), "numbers to be minimised, got torch.float32, which has"),
        (lambda m, x: torch.zeros(len(x)).long(), "numbers to be minimised, got torch.int64"),
        (lambda m, x: m.loss(x).cfloat(), "numbers to be minimised, got torch.complex64"),
        (lambda m, x: np.zeros(len(x)), "a tensor (20,), one value for each row, got ndarray of"),
    ]:
        model = small_vae()
        with pytest.raises(ValueError) as error:
            run(model, loss=loss)
        assert str(error.value).startswith("loss: expected ") and said in str(error.value)
        assert len(str(error.value)) <= 300
        assert_same(model.state_dict(), small_vae().state_dict())


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        ("checkpoint", 3, "a file's path, got 3"),
        ("checkpoint", True, "a file's path, got True"),
        ("checkpoint", "", "a file's path, got the folder"),
        ("after_epoch", "print", r"a function of \(model, row\), got 'print'"),
        ("after_epoch", lambda model: None, r"a function of \(model, row\), got one of \(model\)"),
        ("learning_rate", float("inf"), "more than 0, got inf"),
    ],
)
def test_what_would_fail_after_the_first_epoch_fails_before_it(what, value, said):
    model = small_vae()
    with pytest.raises(ValueError, match=f"^{what}: expected {said}"):
        run(model, **{what: value})
    assert_same(model.state_dict(), small_vae().state_dict())


def test_a_checkpoint_below_a_file_fails_before_the_first_step(tmp_path):
    (tmp_path / "file").touch()
    model = small_vae()
    with pytest.raises(OSError):
        run(model, checkpoint=tmp_path / "file" / "run.pt")
    assert_same(model.state_dict(), small_vae().state_dict())


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (BYTES.long(), "pixels as uint8 or floating-point numbers, got torch.int64"),
        (BYTES.float(), "pixels from 0 to 1 for Bernoulli variables, got "),
        (SHARES / 0, "finite pixels, got NaN or infinity in scored row 0"),
        (BYTES[:0], "not empty, got shape (0, 9)"),
        (BYTES[0], "(N, D) or (N, H, W), not empty, got shape (9,)"),
        (BYTES.tolist(), "images as a tensor, got list"),
        ((BYTES, BYTES), "images as a tensor, got tuple"),
        (None, "images as a tensor, got NoneType"),
        ((BYTES > 99).byte(), "uint8 from 0 to 255, got 0 and 1 only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_evaluate_takes_what_fit_takes(pixels, said):
    with pytest.raises(ValueError) as error:
        evaluate(small_vae(), pixels)
    assert str(error.value).startswith("pixels: expected ") and said in str(error.value)
    assert len(str(error.value)) <= 300


def test_evaluate_says_what_it_expected_of_a_model():
    for model in (None, VAE, "vae"):
        with pytest.raises(ValueError, match="^model: expected a torch.nn.Module, got "):
            evaluate(model, BYTES)
    with pytest.raises(ValueError, match="^loss: expected a function"):
        evaluate(small_vae(), BYTES, "elbo")


def test_evaluate_scores_images_arrays_and_models_without_parameters():
    expected = evaluate(small_vae(), BYTES)
    for same in (BYTES.view(-1, 3, 3), BYTES.numpy(), BYTES.numpy()[::-1].copy()[::-1]):
        assert evaluate(small_vae(), same) == expected
    assert evaluate(small_vae().requires_grad_(False), BYTES) == expected
    zero = evaluate(nn.Identity(), BYTES, lambda model, x: model(x - x).sum(-1))
    assert zero == {"loss": 0.0}
