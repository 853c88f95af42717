"""Models in training mode: shown is the model in evaluation mode, and its mode is put back."""

import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.explorers import EXPLORERS, Stranger, assert_shows, images, labels, network
from helpers.pages import content_of, decoded
from torch import nn

from course_utils.models import VAE
from course_utils.widgets import LatentTraversal, export_html
from course_utils.widgets.page import PAGE_TOLERANCE
from course_utils.widgets.subject import Subject, modules_in


def with_running_figures(model):
    """As if it had been trained: no figure of its batch normalisation is what it was at first."""
    draws = torch.Generator().manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for figures in filter(
                lambda t: t is not None, (part.running_mean, part.weight, part.bias)
            ):
                figures.data.normal_(1, 0.5, generator=draws)
            part.running_var.uniform_(0.5, 2, generator=draws)
    return model.train()


class Regularised(VAE):
    """Batch normalisation and dropout on either side."""

    def __init__(self):
        super().__init__(3, 9)
        torch.manual_seed(0)
        middle = [nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.5)]
        self.encoder = nn.Sequential(nn.Linear(784, 9), *middle, nn.Linear(9, 6))
        middle = [nn.BatchNorm1d(9, affine=False), nn.ReLU(), nn.Dropout(0.5)]
        self.decoder = nn.Sequential(nn.Linear(3, 9, bias=False), *middle, nn.Linear(9, 784))


def state(model):
    return [part.training for part in model.modules()], {
        name: value.clone() for name, value in model.state_dict().items()
    }


def assert_is_still(model, before):
    modes, values = state(model)
    assert modes == before[0]
    assert all(torch.equal(value, before[1][name]) for name, value in values.items())


@pytest.fixture
def model():
    model = with_running_figures(Regularised())
    model.encoder[1].eval()  # as one does to keep it as it is
    return model


@EXPLORERS
def test_one_code_has_one_image(kind, model):
    before = state(model)
    live = kind(model, images(), labels())
    z, first = live.z, live.image.value
    live.random()
    live.move(z)
    assert live.image.value == first
    assert_is_still(model, before)
    model.eval()
    assert_shows(live, z)
    with torch.no_grad():
        assert live.codes == pytest.approx(model.encode_mean(images().flatten(1) / 255), abs=1e-5)
        assert live.kl == pytest.approx(model.unit_kl(images().flatten(1) / 255), abs=1e-5)


def test_modes_are_put_back_after_an_error(model):
    model.encode_mean = lambda x: 1 / 0
    before = state(model)
    with pytest.raises(ZeroDivisionError) as raised:
        LatentTraversal(model, images())
    assert raised.value.__notes__ == ["encode_mean of Regularised was given rows (30, 784)"]
    assert_is_still(model, before)


def test_a_model_s_own_train_and_eval_are_not_called(model):
    model.train = model.eval = None
    LatentTraversal(model, images())


@EXPLORERS
def test_a_model_may_hold_modules_or_borrow_methods(kind, model):
    """It is no module itself, and what it uses is in training mode all the same."""
    methods = {name: getattr(model, name) for name in ("decode_mean", "encode_mean")}
    for own in (
        SimpleNamespace(latent_dim=3, **methods),
        SimpleNamespace(latent_dim=3, net=model, decode=lambda z: model.decode_mean(z)),
    ):
        before = state(model)
        live = kind(own, images() if hasattr(own, "encode_mean") else None)
        z, first = live.z, live.image.value
        live.random()
        live.move(z)
        assert live.image.value == first
        assert_is_still(model, before)


NET = nn.Sequential(nn.Linear(3, 9), nn.Dropout(0.5), nn.Linear(9, 784)).double()


class Holder:
    """A model of the reader's own, in the default way: attributes in the instance."""

    latent_dim = 3

    def __init__(self, held, net):
        self.held, self.net = held, net

    def decode(self, z):
        return self.net(self.held)(z)


class OfClass:
    latent_dim, net = 3, NET

    def decode(self, z):
        return self.net(z)


class InSlots:
    __slots__ = ("net",)
    latent_dim = 3

    def __init__(self):
        self.net = NET

    def decode(self, z):
        return self.net(z)


class WithMore(VAE):
    """It is a module, and hides another from its own `eval`."""

    def __init__(self):
        super().__init__(3, 8)
        self.more = [nn.Dropout(0.5)]

    def decode(self, z):
        return self.more[0](super().decode(z))


def beside(net):
    return SimpleNamespace(latent_dim=3, decode=lambda z: net(z))


HELD = {
    "in a list": lambda: Holder([NET], lambda held: held[0]),
    "in a dict": lambda: Holder({"decoder": NET}, lambda held: held["decoder"]),
    "in another object": lambda: Holder(SimpleNamespace(inner=(NET,)), lambda held: held.inner[0]),
    "in a closure": lambda: beside(NET),
    "on the page": lambda: SimpleNamespace(latent_dim=3, decode=lambda z: NET(z)),
    "in a function of the page": lambda: Holder(None, lambda held: NET),
    "as the method": lambda: SimpleNamespace(latent_dim=3, decode=NET),
    "partial": lambda: SimpleNamespace(latent_dim=3, decode=partial(nn.Sequential.forward, NET)),
    "in the class": OfClass,
    "in slots": InSlots,
    "in a module's list": WithMore,
}


@pytest.mark.parametrize("where", HELD)
def test_a_model_may_hold_modules_anywhere(where):
    """Its pictures are those of the evaluation mode, in the precision of its weights."""
    NET.train()
    live = LatentTraversal(HELD[where]())
    z, first = live.z, live.image.value
    for _ in range(3):
        live.random()
        live.move(z)
        assert live.image.value == first
    assert all(part.training for part in NET.modules())


def test_the_search_for_modules_ends():
    """Whatever a model holds: itself, large lists, all of a library."""
    model = Stranger()
    model.held = [model, [*range(1_000_000)], np, torch, {"again": model}]
    model.held.append(model.held)
    assert modules_in(model)[:1] == [model]
    assert modules_in(SimpleNamespace(step=torch.nn.functional.relu)) == []


@pytest.mark.slow
def test_two_threads_do_not_mix_up_the_modes():
    """The kernel may answer one explorer while a cell makes another, which would outlast it."""
    model, z = network(3).train(), torch.zeros(1, 3)
    subject, plain = Subject(model, 1), model.decode_mean
    both = threading.Barrier(2)

    def slow(z):
        try:
            both.wait(1)  # for the other one, which must not come in meanwhile
        except threading.BrokenBarrierError:
            return plain(z)
        if threading.current_thread() is not first:
            first.join(60)
        return plain(z)

    model.decode_mean = slow
    first = threading.Thread(target=subject.decode, args=(z,))
    first.start()
    subject.decode(z)
    first.join(60)
    assert both.broken and all(part.training for part in model.modules())


# --- the page ------------------------------------------------------------------------------------


class Convolutional(Stranger):
    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Sequential(nn.Linear(3, 98), nn.BatchNorm1d(98), nn.ReLU()),
            nn.Unflatten(1, (2, 7, 7)),
            nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Dropout2d(),
            nn.ConvTranspose2d(3, 1, 4, stride=2, padding=1),
            nn.Identity(),
        )  # images with a channel: nothing makes rows of them


@pytest.mark.parametrize("kind", [Regularised, Convolutional])
def test_the_page_computes_as_the_model_in_evaluation_mode(kind, tmp_path):
    model = with_running_figures(kind())
    before = state(model)
    content = content_of(export_html(model, tmp_path / "page.html", images(), labels()))
    assert_is_still(model, before)
    z = torch.randn(100, 3, generator=torch.Generator().manual_seed(2))
    wanted = Subject(model, 1).decode(z).clamp(0, 1)
    assert wanted.std(0).mean() > 0.01
    assert (decoded(content, z) - wanted).abs().max() < PAGE_TOLERANCE
    assert content["images"][0]["code"] == pytest.approx(
        Subject(model, 1).encode_mean(images()[:1])[0].tolist(), abs=1e-5
    )


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([nn.BatchNorm1d(3), nn.Linear(3, 784)], "BatchNorm1d"),
        ([nn.Linear(3, 784), nn.ReLU(), nn.BatchNorm1d(784)], "BatchNorm1d"),
        ([nn.Linear(3, 784), nn.LayerNorm(784)], "LayerNorm"),
        ([nn.Linear(3, 784), nn.Unflatten(1, (28, 28)), nn.Linear(28, 28)], "Linear"),
    ],
)
def test_layers_that_cannot_be_put_into_others_are_refused(layers, named, tmp_path):
    model = Stranger()
    model.decoder = nn.Sequential(*layers)
    with pytest.raises(ValueError, match=f"^decoder: expected Linear, .* got {named}") as refused:
        export_html(model, tmp_path / "page.html")
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)
