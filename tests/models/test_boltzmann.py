"""Boltzmann machines against sums over all their states, and annealing against the exact Z."""

import itertools
import math

import pytest
import torch
from scipy.stats import chi2

from course_utils.models import (
    DBM,
    RBM,
    all_states,
    annealed_log_partition,
    annealed_log_prob,
    temperatures,
    train_rbm,
)


def machine(D=4, M=3, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (D, M), (D,), (M,)
    normal = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return RBM(*(scale * t for t in normal))


def deep(D=3, M_1=3, M_2=2, seed=0, scale=1.0):
    second = machine(M_1, M_2, seed=seed + 1, scale=scale)
    return DBM(machine(D, M_1, seed=seed, scale=scale), second.weight, second.hidden_bias)


def states(n):
    rows = list(itertools.product([0.0, 1.0], repeat=n))
    return torch.tensor(rows, dtype=torch.float64).view(2**n, n)


def energy_by_loops(rbm, x, h):
    (W, b, c), x, h = (t.tolist() for t in rbm.parameters()), x.tolist(), h.tolist()
    total = sum(-b[i] * x[i] for i in range(len(x))) + sum(-c[j] * h[j] for j in range(len(h)))
    pairs = itertools.product(range(len(x)), range(len(h)))
    return total - sum(x[i] * W[i][j] * h[j] for i, j in pairs)


def joint_table(rbm):
    """p(x, h) as a table (2^D, 2^M), from the energies alone."""
    D, M = rbm.weight.shape
    log = torch.tensor([[-energy_by_loops(rbm, x, h) for h in states(M)] for x in states(D)])
    return (log.double() - log.double().flatten().logsumexp(0)).exp(), log.flatten().logsumexp(0)


# --- one machine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 5])
def test_all_states_are_listed_in_order(n):
    assert torch.equal(all_states(n, like=torch.ones(1).double()), states(n))


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="at most 20 units"):
        all_states(21)
    with pytest.raises(ValueError, match="at most 20 units"):
        RBM.start(21, 22).log_partition()


@pytest.mark.parametrize("shape", [(4, 3), (2, 5), (1, 1)])
def test_probabilities_are_those_of_the_energies(shape):
    rbm = machine(*shape)
    table, log_z = joint_table(rbm)
    x, h = states(shape[0]), states(shape[1])
    assert torch.allclose(rbm.log_partition().float(), log_z.float(), atol=1e-5)
    assert torch.allclose(rbm.log_prob(x).exp(), table.sum(1), atol=1e-6)
    by_energy = (-rbm.energy(x[:, None], h) - rbm.log_partition()).exp()
    assert torch.allclose(by_energy, table, atol=1e-6)
    assert torch.allclose(rbm.log_partition(), rbm.turned().log_partition())


def product(p, units):
    """Probability of each state of independent units: (B, 2^n) from p (B, n)."""
    return torch.where(units.bool(), p[:, None], 1 - p[:, None]).prod(-1)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5)])
def test_both_conditionals_come_from_the_one_energy(shape):
    rbm = machine(*shape)
    table, _ = joint_table(rbm)
    x, h = states(shape[0]), states(shape[1])
    given_x = product(torch.sigmoid(rbm.hidden_logits(x)), h)
    given_h = product(torch.sigmoid(rbm.visible_logits(h)), x)
    assert torch.allclose(given_x, table / table.sum(1, keepdim=True), atol=1e-6)
    assert torch.allclose(given_h, (table / table.sum(0)).T, atol=1e-6)


def test_the_gradient_is_data_minus_dream():
    """Against sums over all states, and against autograd of the exact log-likelihood."""
    rbm, x = machine(), states(4)[[3, 3, 9, 14]]
    table, _ = joint_table(rbm)
    h = states(3)
    given_x = torch.stack([table[i] / table[i].sum() for i in (3, 3, 9, 14)])
    of_data = torch.einsum("bi,bk,kj->ij", x, given_x, h) / 4
    of_model = torch.einsum("ik,ia,kj->aj", table, states(4), h)
    leaves = [t.clone().requires_grad_() for t in rbm.parameters()]
    by_autograd = torch.autograd.grad(RBM(*leaves).log_prob(x).mean(), leaves)
    assert torch.allclose(by_autograd[0], of_data - of_model, atol=1e-6)
    # The estimate is an average over dreams; this is its mean when they come from p(x).
    p_x = rbm.log_prob(states(4)).exp()
    over_states = [rbm.data_minus_dream(x, row[None]) for row in states(4)]
    for k, right in enumerate(by_autograd):
        found = sum(p * grads[k] for p, grads in zip(p_x, over_states, strict=True))
        assert torch.allclose(found, right, atol=1e-9)


def test_energies_take_any_leading_axes():
    rbm = machine()
    x, h = torch.bernoulli(torch.full((2, 5, 4), 0.5).double()), states(3)[:5]
    assert rbm.energy(x, h).shape == (2, 5) and rbm.free_energy(x).shape == (2, 5)
    assert torch.allclose(rbm.energy(x, h)[1, 2], rbm.energy(x[1, 2], h[2]))
    with pytest.raises(ValueError, match=r"expected x of shape \(..., 4\)"):
        rbm.free_energy(torch.zeros(3))
    with pytest.raises(ValueError, match="expected shapes"):
        RBM(torch.zeros(4, 3), torch.zeros(3), torch.zeros(4))


# --- Gibbs kernels -------------------------------------------------------------------------------


def kernel(rbm, given=None):
    """T (2^D, 2^D): from x to the next x, summed over h; `given` units (a mask) stay."""
    D, M = rbm.weight.shape
    x, h = states(D), states(M)
    T = product(torch.sigmoid(rbm.hidden_logits(x)), h) @ product(
        torch.sigmoid(rbm.visible_logits(h)), x
    )
    if given is None:
        return T
    p = torch.sigmoid(rbm.visible_logits(h))[:, None]  # of each free unit; those given stay
    stays = (x[:, None] == x)[..., given].all(-1)
    free = torch.where(x.bool(), p, 1 - p)[..., ~given].prod(-1)  # (2^M, 2^D)
    return (product(torch.sigmoid(rbm.hidden_logits(x)), h) @ free) * stays


def assert_balanced(T, p):
    flow = p[:, None] * T
    assert torch.allclose(T.sum(1), torch.ones(len(T)).double(), atol=1e-12)
    assert torch.allclose(flow, flow.T, atol=1e-12)
    assert torch.allclose(p @ T, p, atol=1e-12)


KERNELS = {
    "an RBM": machine(),
    "more hidden than visible": machine(3, 5, seed=4),
    "strong weights": machine(seed=2, scale=3.0),
    "both layers of a deep machine": deep().folded(),
    **{
        f"at temperature {beta}": machine(seed=3).tempered(beta, torch.linspace(-1, 1, 4).double())
        for beta in (0.0, 0.3, 0.9, 1.0)
    },
}


@pytest.mark.parametrize("name", KERNELS)
def test_detailed_balance(name):
    rbm = KERNELS[name]
    p = rbm.log_prob(states(len(rbm.visible_bias))).exp()
    assert_balanced(kernel(rbm), p)


def test_detailed_balance_where_units_are_kept():
    rbm, given = machine(), torch.tensor([True, False, False, True])
    assert_balanced(kernel(rbm, given), rbm.log_prob(states(4)).exp())


def chi_squared_is_usual(drawn, p):
    """Counts of the states against their probabilities, 4.5 standard errors of chi-squared."""
    D = drawn.shape[1]
    code = (drawn @ 2.0 ** torch.arange(D - 1, -1, -1, dtype=drawn.dtype)).long()
    counts, expected = torch.bincount(code, minlength=2**D), p * len(drawn)
    assert not counts[expected == 0].any()
    often = expected > 5
    chi = ((counts - expected).square() / expected)[often].sum()
    return abs(chi - often.sum() + 1) < 4.5 * math.sqrt(2 * int(often.sum())) + 5


@pytest.mark.parametrize("given", [None, torch.tensor([True, False, False, True])])
def test_gibbs_draws_from_its_kernel(given):
    torch.manual_seed(0)
    rbm, start = machine(), 9
    x = states(4)[start].expand(40_000, 4)
    drawn = rbm.gibbs(x, keep=given)
    assert chi_squared_is_usual(drawn, kernel(rbm, given)[start])
    twice = torch.linalg.matrix_power(kernel(rbm, given), 2)[start]
    assert chi_squared_is_usual(rbm.gibbs(x, 2, keep=given), twice)
    assert torch.equal(rbm.gibbs(x, 0), x)


# --- training ------------------------------------------------------------------------------------

BARS = torch.stack([g for g in states(4) if g.tolist() in ([1, 1, 0, 0], [0, 0, 1, 1])])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"steps": 1}, {"steps": 5}, {"persistent": True}])
def test_training_learns_two_images(options):
    torch.manual_seed(0)
    rbm, seen = RBM.start(4, 4), []
    images = BARS.float().repeat(50, 1)
    options |= {"batch_size": 20, "learning_rate": 0.2, "each_epoch": seen.append}
    train_rbm(rbm, images, 400, progress=False, **options)
    assert rbm.log_prob(BARS.float()).mean() > -1.0  # at best log ½ = -0.69; at first -2.77
    assert len(seen) == 400 and seen[0] is rbm


def test_the_loop_takes_pixels_of_both_kinds_and_small_batches():
    torch.manual_seed(0)
    pixels = torch.zeros(7, 2, 2, dtype=torch.uint8)
    pixels[:, 0] = 255
    rbm = RBM.start(4, 2, pixels)
    assert torch.allclose(torch.sigmoid(rbm.visible_bias), torch.tensor([0.99, 0.99, 0.01, 0.01]))
    before = rbm.weight.clone()
    train_rbm(rbm, pixels, 2, batch_size=3, progress=False)
    train_rbm(rbm, pixels.float() / 255, 1, batch_size=100, progress=False)
    assert not torch.equal(before, rbm.weight) and rbm.weight.isfinite().all()
    with pytest.raises(ValueError, match="expected images of shape"):
        train_rbm(rbm, torch.zeros(3, 5), 1)
    with pytest.raises(ValueError, match="learning_rate: expected more than 0"):
        train_rbm(rbm, pixels, 1, learning_rate=0)


def test_the_learning_rate_goes_from_the_first_to_the_last(monkeypatch):
    rbm = RBM(torch.zeros(4, 2), torch.zeros(4), torch.zeros(2))
    slope = torch.zeros(4, 2), torch.ones(4), torch.zeros(2)
    monkeypatch.setattr(RBM, "data_minus_dream", lambda self, x, dream: slope)
    train_rbm(rbm, torch.rand(30, 4), 2, batch_size=10, learning_rate=0.6, progress=False)
    assert torch.allclose(rbm.visible_bias, torch.full((4,), 0.6 + 0.5 + 0.4 + 0.3 + 0.2 + 0.1))
    options = {"learning_rate": 0.4, "last_rate": 0.2, "progress": False}
    train_rbm(rbm, torch.rand(20, 4), 1, batch_size=10, **options)
    assert torch.allclose(rbm.visible_bias, torch.full((4,), 2.1 + 0.4 + 0.3))


def test_persistent_chains_go_on_where_they_were(monkeypatch):
    torch.manual_seed(0)
    rbm, starts, ends = RBM.start(4, 2), [], []
    gibbs = RBM.gibbs

    def watched(self, x, steps):
        starts.append(x)
        ends.append(gibbs(self, x, steps))
        return ends[-1]

    monkeypatch.setattr(RBM, "gibbs", watched)
    train_rbm(rbm, torch.rand(30, 4), 2, persistent=True, batch_size=10, progress=False)
    assert len(starts) == 6
    assert all(torch.equal(start, end) for start, end in zip(starts[1:], ends[:-1], strict=True))


# --- the constant by annealing -------------------------------------------------------------------


def test_temperatures_rise_as_published():
    betas = temperatures(14_500)
    assert len(betas) == 14_501 and (betas.diff() > 0).all()
    assert betas[[0, 500, 4_500, -1]].tolist() == pytest.approx([0, 0.5, 0.9, 1])
    short = temperatures(3)
    assert short[0] == 0 and short[-1] == 1 and (short.diff() > 0).all()


@pytest.fixture(scope="module")
def twenty_machines():
    torch.manual_seed(0)
    found = []
    for seed in range(20):
        rbm = machine(D=12, M=6 + seed % 5, seed=seed, scale=0.3 + 0.05 * seed)
        base = None if seed % 2 else torch.zeros(12).double()
        found.append((rbm, *annealed_log_partition(rbm, temperatures(300), 400, base, False)))
    return found


@pytest.mark.slow
def test_annealing_agrees_with_the_exact_constant_on_twenty_machines(twenty_machines):
    z = []
    for rbm, log_z, error, log_w in twenty_machines:
        weights = (log_w - rbm.log_partition()).exp()  # their mean is 1, whatever the schedule
        z.append((weights.mean() - 1) / (weights.std() / math.sqrt(len(weights))))
        assert error == pytest.approx(float(weights.std() / weights.mean() / math.sqrt(400)))
        assert log_z == pytest.approx(float(rbm.log_partition() + weights.mean().log()))
        assert 0 < error < 0.2
    z = torch.stack(z)
    assert z.abs().max() <= 4.5
    low, high = chi2.interval(0.999, len(z))
    assert low < z.square().sum() < high


@pytest.mark.slow
def test_too_few_temperatures_give_a_constant_that_is_too_low_on_average():
    torch.manual_seed(0)
    rbm = machine(D=12, M=8, seed=5, scale=2.0)
    tries = [annealed_log_partition(rbm, temperatures(3), 10, None, False)[0] for _ in range(100)]
    gap = torch.stack(tries) - rbm.log_partition()
    assert gap.mean() < -4.5 * gap.std() / 10


@pytest.mark.slow
def test_raise_bounds_from_below_and_is_right_on_average_for_the_annealed_model():
    """The annealed model's p(x) by its transition matrices, on a machine of 16 states."""
    torch.manual_seed(0)
    rbm, base = machine(), torch.linspace(-1, 1, 4).double()
    betas, x = temperatures(4), states(4)
    p = product(torch.sigmoid(base)[None], x)[0]
    for beta in betas.tolist()[1:]:
        p = p @ kernel(rbm.tempered(beta, base))
    assert p.sum() == pytest.approx(1.0)
    rows = x.repeat_interleave(4000, 0)
    found = annealed_log_prob(rbm, rows, betas, 1, base, False).view(16, 4000)
    ratio = found.exp() / p[:, None]
    z = (ratio.mean(1) - 1) / (ratio.std(1) / math.sqrt(4000))
    assert z.abs().max() <= 4.5 and z.square().sum() < chi2.isf(0.0005, 16)
    assert (found.mean(1) < p.log() + 4.5 * found.std(1) / math.sqrt(4000)).all()
    more = annealed_log_prob(rbm, rows, betas, 10, base, False).view(16, 4000)
    assert more.mean() > found.mean()
    long = annealed_log_prob(rbm, x, temperatures(1000), 50, base, False)
    assert (long - rbm.log_prob(x)).abs().max() < 0.2


# --- two hidden layers ---------------------------------------------------------------------------


def deep_table(dbm):
    """p(x, h_1, h_2) as a table, from loops over the energy's terms."""
    sizes = len(dbm.first.visible_bias), *dbm.weight.shape
    lists = [states(n) for n in sizes]
    second = RBM(dbm.weight, torch.zeros(sizes[1]).double(), dbm.bias)
    log = torch.tensor(
        [
            [
                [
                    -energy_by_loops(dbm.first, x, g) - energy_by_loops(second, g, h)
                    for h in lists[2]
                ]
                for g in lists[1]
            ]
            for x in lists[0]
        ],
        dtype=torch.float64,
    )
    return (log - log.flatten().logsumexp(0)).exp(), log.flatten().logsumexp(0)


@pytest.mark.parametrize("sizes", [(3, 3, 2), (2, 1, 4), (4, 2, 1)])
def test_a_deep_machine_is_its_energies(sizes):
    dbm = deep(*sizes)
    table, log_z = deep_table(dbm)
    assert torch.allclose(dbm.folded().log_partition(), log_z)
    assert torch.allclose(dbm.log_prob(states(sizes[0])).exp(), table.sum((1, 2)))
    x, g, h = (states(n) for n in sizes)
    energy = dbm.energy(x[:, None, None], g[:, None], h)
    assert torch.allclose((-energy - log_z).exp(), table)


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_field_bound_never_falls_and_lies_below_the_exact_value(seed):
    dbm, x = deep(seed=10 * seed, scale=2.0), states(3)
    log_z, exact = dbm.folded().log_partition(), dbm.log_prob(x)
    bounds = [dbm.bound(x, *dbm.mean_field(x, steps), log_z) for steps in range(60)]
    bounds = torch.stack(bounds)
    assert (bounds.diff(dim=0) > -1e-12).all() and (bounds <= exact + 1e-12).all()
    assert (bounds[-1] - bounds[0]).max() > 1e-3  # it does move


def test_the_bound_is_the_exact_value_minus_a_kl():
    dbm, x = deep(seed=7), states(3)
    table, log_z = deep_table(dbm)
    q_1, q_2 = dbm.mean_field(x, 3)
    q = product(q_1, states(3))[:, :, None] * product(q_2, states(2))[:, None]
    posterior = table / table.sum((1, 2), keepdim=True)
    kl = (q * (q.log() - posterior.log())).sum((1, 2))
    assert torch.allclose(dbm.bound(x, q_1, q_2, log_z), dbm.log_prob(x) - kl)


def test_mean_field_is_exact_where_the_layers_do_not_speak():
    dbm = deep(seed=3)
    dbm = DBM(dbm.first, torch.zeros_like(dbm.weight), dbm.bias)
    x = states(3)
    found = dbm.bound(x, *dbm.mean_field(x, 1), dbm.folded().log_partition())
    assert torch.allclose(found, dbm.log_prob(x))
