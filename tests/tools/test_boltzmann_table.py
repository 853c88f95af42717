"""The training loop of the table of Boltzmann machines: its steps, and that it goes on."""

import pytest
import torch

from course_utils.models import RBM

PLAN = {"hidden_dim": 3, "batch_size": 4, "updates": 1, "field_steps": 5, "memory": 0.98}


@pytest.fixture
def table(monkeypatch, request):
    monkeypatch.syspath_prepend(request.config.rootpath / "tests" / "benchmarks")
    import boltzmann_table

    return boltzmann_table


@pytest.fixture
def images():
    """Black or white, so that binarising draws nothing."""
    torch.manual_seed(0)
    return (torch.rand(20, 6) < 0.5).to(torch.uint8) * 255


def centred(grads, x_mean, h_mean):
    """The gradient of W by units counted from their means; the biases then make up for it."""
    g_w, g_b, g_c = grads
    d_w = g_w - torch.outer(x_mean, g_c) - torch.outer(g_b, h_mean)
    return d_w, g_b - d_w @ h_mean, g_c - x_mean @ d_w


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("second", [0, 2])
def test_a_step_is_data_minus_dream(table, images, monkeypatch, centre, persistent, second):
    monkeypatch.setattr(table, "drawn", lambda p: (p > 0.5).to(p))
    now = table.begun(images, PLAN)
    if second:
        now = table.deepened(now, second)
    before = RBM(*(t.clone() for t in (now.weight, now.sides, now.hidden)))
    chains, lam = now.chains.clone(), now.centre.clone()
    torch.manual_seed(1)
    x = images[torch.randint(20, (4,))].float() / 255
    rows, h = table.filled(now, x, 5)
    torch.manual_seed(1)
    now.done = 50  # past the rise of the rate
    table.train(now, images, {"rate": 0.1, "persistent": persistent, "centre": centre}, PLAN, 100)
    start = chains if persistent else (h > 0.5).float()
    dream = (torch.sigmoid(before.visible_logits(start)) > 0.5).float()
    grads = before.data_minus_dream(rows, dream)
    if centre:
        x_mean = torch.cat([images.float().mean(0) / 255, lam[:second]])
        grads = centred(grads, x_mean, lam[second:])
    moved = zip((now.weight, now.sides, now.hidden), before.parameters(), grads, strict=True)
    for after, old, grad in moved:
        assert torch.allclose(after, old + 0.05 * grad, atol=1e-6)
    assert now.done == 51


def test_a_deep_machine_begins_as_the_restricted_one(table, images):
    torch.manual_seed(0)
    now = table.begun(images, PLAN)
    table.train(now, images, table.ROWS["RBM, persistent chains"], PLAN | {"updates": 50}, 50)
    x = images.float() / 255
    rbm, deep = now.averaged(), table.deepened(now, 2).averaged()
    bound = table.log_p_of(deep, x, deep.log_partition())
    assert torch.allclose(bound, rbm.log_prob(x).double(), atol=0.05)
    assert (bound - table.log_p_of(rbm, x, rbm.log_partition())).abs().max() < 0.05


def test_training_goes_on_from_a_piece(table, images):
    torch.manual_seed(0)
    now = table.begun(images, PLAN)
    table.train(now, images, table.ROWS["DBM"], PLAN | {"updates": 15}, 30)
    again = table.Training.unpacked(now.packed(), torch.device("cpu"))
    for training in (now, again):
        torch.manual_seed(2)
        table.train(training, images, table.ROWS["DBM"], PLAN | {"updates": 15}, 30)
    assert now.done == again.done == 30
    for one, other in zip(now.means, again.means, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(now.means[0], now.weight)
