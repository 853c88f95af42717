"""What stands on the page of notebook 07d computes what it says, and its record adds up."""

import math

import numpy as np
import pytest
import torch
from helpers.shown import shown
from scipy import stats

from course_utils.data import load_result
from course_utils.files import CHECKOUT

T = 6


@pytest.fixture(scope="module")
def page():
    names = ["simulate", "Encoder", "Decoder", "SignalVAE", "shrink", "train", "f_test", "draw"]
    names += ["held_out_elbo", "penalty_path", "choose", "features"]
    return shown("07d_time_series", *names, T=T, D=3, M=2)


@pytest.fixture
def model(page):
    torch.manual_seed(0)
    return page.SignalVAE(3, 2)


# --- the signals ---------------------------------------------------------------------------------


def test_a_weight_points_from_column_to_row_and_back_by_its_lag(page):
    """Channel 1 follows channel 0 two steps later, channel 2 the square of 1 one step later."""
    weights, square = torch.zeros(2, 3, 3), torch.zeros(3, 3)
    weights[1, 1, 0], square[2, 1] = 1e4, 1e4
    torch.manual_seed(0)
    x = page.simulate(weights, 50, recordings=2, square=square)
    assert x.shape == (2, 50, 3)
    torch.testing.assert_close(x[:, 2:, 1] / 1e4, x[:, :-2, 0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(x[:, 1:, 2] / 1e4, x[:, :-1, 1].square(), atol=1e-2, rtol=1e-3)


# --- the model -----------------------------------------------------------------------------------


def test_the_decoder_predicts_step_by_step_as_its_equation_says(model):
    decoder, x, z = model.decoder, torch.randn(4, T, 3), torch.randn(4, 2)
    found = decoder(z, x).detach()
    first = torch.tanh(decoder.first(z)).view(4, 3, -1)
    for i in range(3):
        h = first[:, i]
        for t in range(T):
            mean = h @ decoder.v[i, :, 0] + decoder.c[i]
            torch.testing.assert_close(found[:, t, i], mean.detach())
            heard = sum(x[:, t, j, None] * decoder.U[i, :, j] for j in range(3))
            h = torch.tanh(h @ decoder.W[i] + heard + decoder.b[i])


def test_a_step_hears_of_the_steps_before_it_only(model):
    z = torch.zeros(1, 2)
    slopes = torch.autograd.functional.jacobian(
        lambda x: model.decoder(z, x), torch.randn(1, T, 3)
    )
    heard = slopes[0, :, :, 0].abs().amax((1, 3))  # (step that is predicted, step that is heard)
    assert not heard.triu().any() and heard.tril(-1)[1:, 0].all()


def test_a_group_of_zeros_makes_a_channel_deaf_to_another(model):
    model.decoder.U.data[1, :, 2] = 0
    z = torch.zeros(1, 2)
    slopes = torch.autograd.functional.jacobian(
        lambda x: model.decoder(z, x), torch.randn(1, T, 3)
    )
    heard = slopes[0, :, :, 0].abs().amax((0, 2))  # (to, from)
    assert heard[1, 2] == 0 and (heard > 0).sum() == 8


def test_the_terms_are_a_gaussian_likelihood_and_its_kl(model):
    x = torch.randn(5, T, 3)
    model.decoder.log_var.data.uniform_(-1, 1)
    torch.manual_seed(1)
    log_lik, kl = model.elbo_terms(x)
    torch.manual_seed(1)
    mu, log_var = model.encoder(x)
    q = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    means = model.decoder(q.rsample(), x)
    p = torch.distributions.Normal(means, torch.exp(0.5 * model.decoder.log_var))
    torch.testing.assert_close(log_lik, p.log_prob(x).sum((1, 2)))
    prior = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(q, prior).sum(1))


def test_draws_hear_themselves(page, model):
    """With hardly any noise, a drawn window is what the decoder predicts of this window."""
    model.decoder.log_var.data.fill_(-40)
    torch.manual_seed(2)
    x = page.draw(model, 7, T)
    torch.manual_seed(2)
    z = torch.randn(7, 2)
    torch.testing.assert_close(x, model.decoder(z, x).detach(), atol=1e-5, rtol=1e-5)


# --- arrows --------------------------------------------------------------------------------------


def test_shrinking_spares_the_own_past_and_ends_at_zero(page):
    U = torch.randn(3, 4, 3)
    before = U.clone()
    page.shrink(U, 0.5)
    norm, old = U.norm(dim=1), before.norm(dim=1)
    others = ~torch.eye(3, dtype=torch.bool)
    torch.testing.assert_close(norm[others], (old[others] - 0.5).clamp(min=0))
    torch.testing.assert_close(norm.diagonal(), old.diagonal())
    page.shrink(U, 100.0)
    assert not U.norm(dim=1)[others].any()


def test_training_with_a_penalty_leaves_exact_zeros(page, model):
    torch.manual_seed(3)
    x = torch.randn(200, 3)
    page.train(model, x, 5, penalty=1e3)
    assert not model.decoder.U.norm(dim=1)[~torch.eye(3, dtype=torch.bool)].any()


def test_the_strongest_penalty_within_one_error_is_chosen(page):
    wide = torch.tensor([-1.0, 1.0]).repeat(50)  # its mean has an error of 0.1
    rows = [(lam, None, mean + wide, None) for lam, mean in [(1, 0.0), (2, -0.09), (4, -0.2)]]
    assert page.choose(rows)[0] == 2


def test_the_f_test_is_right_as_often_as_it_says(page):
    """p is uniform where there is no arrow, and F has the known relation to t for one lag."""
    torch.manual_seed(4)
    p = torch.stack([page.f_test(torch.randn(60, 3), L=2) for _ in range(300)])
    pairs = p[:, ~torch.eye(3, dtype=torch.bool)].flatten()
    assert stats.kstest(pairs.numpy(), "uniform").pvalue > 1e-5
    x = torch.randn(80, 2).double()
    inputs = np.c_[x[:-1].numpy(), np.ones(79)]
    inverse, y = np.linalg.inv(inputs.T @ inputs), x[1:, 0].numpy()
    slope = inverse @ inputs.T @ y
    variance = ((y - inputs @ slope) ** 2).sum() / 76
    t = slope[1] / math.sqrt(variance * inverse[1, 1])
    assert page.f_test(x, L=1)[0, 1] == pytest.approx(2 * stats.t.sf(abs(t), 76), rel=1e-8)


def test_features_are_products_near_each_other(page):
    x = torch.randn(5, T, 3)
    rows = page.features(x)
    assert rows.shape == (5, 4 * 9 + 9)
    lag = sum(x[0, t, 1] * x[0, t + 2, 0] for t in range(T - 2))  # third table, row 1, column 0
    torch.testing.assert_close(rows[0, 2 * 9 + 3], lag)


# --- the record ----------------------------------------------------------------------------------


@pytest.mark.skipif(
    not (CHECKOUT / "data" / "results" / "time_series.json").exists(), reason="not measured yet"
)
def test_the_record_holds_each_method_on_each_recording():
    record = load_result("time_series")
    rows = record["rows"]
    seen = {(r["patient"], r["steps"], r["seed"], r["method"]) for r in rows}
    assert len(seen) == len(rows) == 2 * 2 * 3 * len(record["seeds"])
    for row in rows:
        assert 0 <= row["right"] <= 4 and 0 <= row["wrong"] <= 8
        if row["method"] == "network":
            (chosen,) = [r for r in row["path"] if r["penalty"] == row["penalty"]]
            assert all(chosen[name] == row[name] for name in ("right", "wrong", "area"))
        elif row["wrong"] == 0 and row["right"] == 4:
            assert row["area"] == 1
