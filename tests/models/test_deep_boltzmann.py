"""Stacks, deep machines and chains at several temperatures, against sums over all states."""

import math

import pytest
import torch
from scipy.stats import chi2
from test_boltzmann import deep, kernel, machine, product, states

from course_utils.models import (
    DBM,
    DBN,
    RBM,
    pretrained_dbm,
    swap_probability,
    tempered_gibbs,
    train_rbm,
)
from course_utils.models.deep_boltzmann import _TwoCopies
from course_utils.models.tempering import log_weights


def stack(D=4, M_1=3, M_2=2, seed=0, scale=1.0):
    return DBN(
        machine(D, M_1, seed=seed, scale=scale), machine(M_1, M_2, seed=seed + 1, scale=scale)
    )


# --- one machine above another -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), (2, 5)])
def test_a_machine_under_its_own_copy_is_the_same_model_and_its_bound_is_exact(shape):
    rbm = machine(*shape)
    dbn, x = DBN.on(rbm), states(shape[0])
    assert torch.allclose(dbn.log_prob(x), rbm.log_prob(x), atol=1e-12)
    assert torch.allclose(dbn.bound(x), rbm.log_prob(x), atol=1e-12)
    dbn.top.weight += 1  # a copy: what is learned above leaves what is below as it is
    assert torch.allclose(rbm.log_prob(x), machine(*shape).log_prob(x))


def test_a_stack_is_the_sum_over_both_hidden_layers():
    dbn, x = stack(), states(4)
    p_h = (-dbn.top.energy(states(3)[:, None], states(2))).flatten().softmax(0).view(8, 4).sum(1)
    p_x = product(torch.sigmoid(dbn.first.visible_logits(states(3))), x)  # (8, 16)
    assert torch.allclose(dbn.log_prob(x).exp(), p_h @ p_x, atol=1e-12)
    assert dbn.log_prob(x).exp().sum() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_of_a_stack_is_the_exact_value_minus_a_kl(seed):
    dbn, x = stack(seed=10 * seed, scale=2.0), states(4)
    p_h = dbn.top.log_prob(states(3)).exp()
    joint = p_h * product(torch.sigmoid(dbn.first.visible_logits(states(3))), x).T  # (16, 8)
    q = product(torch.sigmoid(dbn.first.hidden_logits(x)), states(3))
    kl = (q * (q.log() - (joint / joint.sum(1, keepdim=True)).log())).sum(1)
    assert torch.allclose(dbn.bound(x), dbn.log_prob(x) - kl, atol=1e-10) and kl.min() > 1e-4


def test_training_the_top_on_codes_raises_the_bound():
    """Exact gradient steps for the top machine, with q(h_1|x) of the data as its data."""
    x = states(4)[[0, 3, 12, 15]]
    dbn, h = DBN.on(machine(seed=5)), states(3)
    share = product(torch.sigmoid(dbn.first.hidden_logits(x)), h).mean(0)
    bounds, exact = [dbn.bound(x).mean()], [dbn.log_prob(x).mean()]
    for _ in range(200):
        leaves = [t.clone().requires_grad_() for t in dbn.top.parameters()]
        gain = torch.autograd.grad(share @ RBM(*leaves).log_prob(h), leaves)
        for parameter, grad in zip(dbn.top.parameters(), gain, strict=True):
            parameter += 0.1 * grad
        bounds.append(dbn.bound(x).mean())
        exact.append(dbn.log_prob(x).mean())
    bounds, exact = torch.stack(bounds), torch.stack(exact)
    assert (bounds.diff() > -1e-12).all() and bounds[-1] > bounds[0] + 0.02
    assert (exact >= bounds - 1e-12).all()


def test_one_draw_estimates_the_bound():
    torch.manual_seed(0)
    dbn = stack(seed=3)
    for x in states(4)[[0, 6, 15]]:
        rows = x.expand(20_000, 4)
        found = dbn.bound_draws(rows, dbn.top.log_partition())
        z = (found.mean() - dbn.bound(x[None])) / (found.std() / math.sqrt(len(found)))
        assert abs(z) < 4.5
    assert dbn.code(rows).shape == (20_000, 3)


def test_a_dream_comes_down_from_the_top():
    torch.manual_seed(0)
    dbn = stack(seed=2)
    h = torch.bernoulli(torch.full((40_000, 3), 0.5).double())
    p = dbn.dream(h, 50)
    mean, error = p.mean(0), p.std(0) / math.sqrt(len(p))
    exact = dbn.log_prob(states(4)).exp() @ states(4)
    assert ((mean - exact) / error).abs().max() < 4.5
    assert torch.equal(dbn.dream(h, 0), torch.sigmoid(dbn.first.visible_logits(h)))


def test_a_top_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a top machine with 3 visible units, got 4"):
        DBN(machine(4, 3), machine(4, 2))


# --- one deep machine ----------------------------------------------------------------------------


def test_the_deep_gradient_is_that_of_the_bound():
    """Data's side: autograd of the bound with q held. Dream's side: the mean over all states."""
    dbm, x = deep(seed=4), states(3)[[1, 1, 6]]
    leaves = [t.clone().requires_grad_() for t in dbm.parameters()]
    q = dbm.mean_field(x, 10)
    copy = DBM(RBM(*leaves[:3]), *leaves[3:])
    bound = copy.bound(x, *q, copy.folded().log_partition()).mean()
    right = torch.autograd.grad(bound, leaves)
    rows = states(5)  # x and h_2
    p = dbm.folded().log_prob(rows).exp()
    over_states = [dbm.data_minus_dream(x, row[None]) for row in rows]
    for k, expected in enumerate(right):
        found = sum(share * grads[k] for share, grads in zip(p, over_states, strict=True))
        assert torch.allclose(found, expected, atol=1e-9)


def test_deep_chains_are_those_of_the_folded_machine():
    dbm, x = deep(), states(3)
    rows = dbm.chains_from(x)
    assert torch.equal(rows[:, :3], x) and rows.shape == (8, 5)
    torch.manual_seed(1)
    one = dbm.gibbs(rows, 3)
    torch.manual_seed(1)
    assert torch.equal(one, dbm.folded().gibbs(rows, 3))


@pytest.mark.slow
def test_pretraining_and_joint_training_learn_two_images():
    torch.manual_seed(0)
    images = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]]).float().repeat(50, 1)
    options = {"batch_size": 20, "learning_rate": 0.2, "persistent": True, "progress": False}
    dbm = pretrained_dbm(images, (4, 2), 100, **options)
    before = dbm.log_prob(images[[0, -1]]).mean()
    train_rbm(dbm, images, 400, **options | {"persistent": False, "steps": 5})
    after = dbm.log_prob(images[[0, -1]]).mean()
    assert after > before and after > -1.0  # at best log ½ = -0.69; at first about -2.77


def test_a_side_that_counts_twice_is_a_machine_with_two_copies_of_it():
    rbm = machine(3, 2)
    W, b, c = rbm.parameters()
    twice = RBM(torch.cat([W, W]), torch.cat([b, b]), c)
    x, h = states(3), states(2)
    first = _TwoCopies(W, b, c, up=2)
    assert torch.allclose(first.hidden_logits(x), twice.hidden_logits(torch.cat([x, x], 1)))
    assert torch.allclose(first.visible_logits(h), twice.visible_logits(h)[:, :3])
    top = _TwoCopies(W, b, c, down=2)
    wide = RBM(torch.cat([W, W], 1), b, torch.cat([c, c]))
    assert torch.allclose(top.visible_logits(h), wide.visible_logits(torch.cat([h, h], 1)))
    assert torch.allclose(top.hidden_logits(x), wide.hidden_logits(x)[:, :2])


# --- chains at several temperatures --------------------------------------------------------------

BETAS = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
BASE = torch.tensor([0.3, -0.5]).double()


def small():
    return machine(2, 3, seed=6, scale=2.0)


def test_weights_are_those_of_the_tempered_machines():
    rbm, x = small(), states(2).expand(3, 4, 2)
    found = log_weights(rbm, x, BETAS, BASE)
    for row, beta in zip(found, BETAS, strict=True):
        assert torch.allclose(row, -rbm.tempered(float(beta), BASE).free_energy(x[0]))


def swaps(rbm, pair):
    """The kernel (64, 64) of a swap of two neighbours, over the joint states of three chains."""
    T = torch.eye(64).double()
    a, b = pair
    for i in range(64):
        at = [i // 16, i // 4 % 4, i % 4]
        x, y = states(2)[[at[a]]][None], states(2)[[at[b]]][None]
        p = swap_probability(rbm, x, y, BETAS[[a]], BETAS[[b]], BASE).item()
        at[a], at[b] = at[b], at[a]
        T[i, i] -= p
        T[i, 16 * at[0] + 4 * at[1] + at[2]] += p
    return T


def three_chains(rbm):
    """Probabilities (3, 4) at each temperature, and of all joint states (64,)."""
    p = [rbm.tempered(float(beta), BASE).log_prob(states(2)).exp() for beta in BETAS]
    return p, torch.einsum("i,j,k->ijk", *p).flatten()


@pytest.mark.parametrize("pair", [(0, 1), (1, 2)])
def test_swaps_are_in_detailed_balance(pair):
    rbm = small()
    _, p = three_chains(rbm)
    flow = p[:, None] * swaps(rbm, pair)
    assert torch.allclose(flow, flow.T, atol=1e-14) and (flow >= 0).all()
    assert (swaps(rbm, pair).diagonal() < 0.99).any()  # some do swap
    assert torch.allclose(flow.sum(1), p)


@pytest.mark.parametrize("odd", [False, True])
def test_a_step_draws_from_gibbs_and_swaps(odd):
    torch.manual_seed(0)
    rbm, N, start = small(), 60_000, (1, 2, 3)
    x = torch.stack([states(2)[[i]].expand(N, 2) for i in start])
    each = [kernel(rbm.tempered(float(b), BASE))[i] for b, i in zip(BETAS, start, strict=True)]
    right = torch.einsum("i,j,k->ijk", *each).flatten() @ swaps(rbm, (1, 2) if odd else (0, 1))
    found, taken = tempered_gibbs(rbm, x, BETAS, BASE, odd)
    index = (found @ torch.tensor([2.0, 1.0]).double()).long()
    counts = torch.bincount(16 * index[0] + 4 * index[1] + index[2], minlength=64)
    often = right * N > 5
    chi = ((counts - right * N).square() / (right * N))[often].sum()
    assert chi < chi2.isf(1e-5, int(often.sum()) - 1)
    asked = [not odd, odd]
    assert [not row.isnan().any() for row in taken] == asked and taken.shape == (2, N)
    assert set(taken[asked.index(True)].unique().tolist()) == {0.0, 1.0}


def test_the_cold_chain_stays_with_the_machine():
    """Both kinds of step leave the joint distribution as it is; so the cold chain draws p(x)."""
    rbm = small()
    p, joint = three_chains(rbm)
    each = [kernel(rbm.tempered(float(b), BASE)) for b in BETAS]
    move = torch.einsum("ai,bj,ck->abcijk", *each).reshape(64, 64)
    for pair in ((0, 1), (1, 2)):
        assert torch.allclose(joint @ move @ swaps(rbm, pair), joint, atol=1e-12)
    assert torch.allclose(joint.view(4, 4, 4).sum((0, 1)), p[2])


def test_one_temperature_is_gibbs_alone():
    torch.manual_seed(0)
    x, taken = tempered_gibbs(small(), states(2)[None], torch.ones(1), BASE)
    assert x.shape == (1, 4, 2) and taken.shape == (0, 4)
