"""The table of all models: its own estimators against others, and what it counts."""

import argparse
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli, Normal

from course_utils.data import ImageData, as_float, binarize
from course_utils.models import M2
from course_utils.ppca import PPCA

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def table(monkeypatch, tmp_path):
    """The experiment, with folders of its own for what it keeps."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import every_model
    import model_rows
    import record

    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setattr(every_model, "model_rows", model_rows, raising=False)
    torch.manual_seed(0)
    return every_model


def some_digits(train: int = 400, test: int = 200, contrast: float = 1.0) -> ImageData:
    """Images of 28 x 28 pixels that have 30 directions and some noise, with classes."""
    generator = torch.Generator().manual_seed(0)
    ways = torch.randn(30, 784, generator=generator)
    codes = torch.randn(train + test, 30, generator=generator)
    noise = torch.randn(train + test, 784, generator=generator)
    grey = torch.sigmoid(contrast * (0.3 * codes @ ways - 1 + 0.3 * noise))
    images = (255 * grey).to(torch.uint8).view(-1, 28, 28)
    labels = torch.arange(train + test) % 10
    return ImageData("mnist", images[:train], labels[:train], images[train:], labels[train:])


def settings(table, name, **changed):
    return table.ROWS[name].settings | {"seed": 0} | changed


def test_a_mixture_of_one_is_ppca(table):
    """A density of x that is that of PPCA on the same rows, but for what keeps it regular."""
    digits = some_digits(2_000, 50)
    model = table.model_rows.mixture(
        digits, settings(table, "Gaussian mixture", components=1), table.PLAN
    )
    grey = as_float(digits.test_images)
    expected = PPCA(table.M).fit(as_float(digits.train_images)).log_prob(grey)
    torch.testing.assert_close(model.log_p(grey, grey), expected, atol=0.1, rtol=0)


@pytest.mark.slow
def test_a_mixture_draws_the_mean_and_the_spread_of_its_data(table):
    """EM leaves both as they are; greys near one half, so that nothing is cut off."""
    digits = some_digits(2_000, 50, contrast=0.1)
    model = table.model_rows.mixture(
        digits, settings(table, "Gaussian mixture", components=3), table.PLAN
    )
    x, rows = model.draw(4_000), as_float(digits.train_images)
    assert x.min() > 0 and x.max() < 1
    z_scores = (x.mean(0) - rows.mean(0)) / (x.std(0) / 4_000**0.5)
    assert z_scores.abs().max() < 5.5 and z_scores.square().mean() < 2  # of 784 pixels
    assert x.var(0).sum() == pytest.approx(rows.var(0).sum().item(), rel=0.03)


def test_the_bound_of_m2_is_exact_where_q_is(table):
    """A decoder that ignores z: p(x) is a sum over ten labels, by torch.distributions."""
    model = M2(2, 5, data_dim=6).requires_grad_(False)
    model.decoder.from_row.weight.zero_()
    model.encoder.out.weight.zero_()
    model.encoder.out.bias.zero_()  # q(z|x, y) is the prior
    x = (torch.rand(30, 6) < 0.5).float()
    logits = model.decode(torch.zeros(10, 2), torch.arange(10))
    each = Bernoulli(logits=logits[:, None]).log_prob(x).sum(-1)
    expected = each.logsumexp(0) - torch.tensor(10.0).log()
    torch.testing.assert_close(table.model_rows.m2_log_p(model, x, 3), expected)


@pytest.mark.slow
def test_the_bound_of_m2_comes_close_to_the_sum_over_a_grid(table):
    model, x = M2(1, 5, data_dim=6).requires_grad_(False), (torch.rand(10, 6) < 0.5).float()
    z = torch.linspace(-8, 8, 2_001)[:, None]
    log_p = []
    for y in range(10):
        logits = model.decode(z, torch.full((len(z),), y))
        each = Bernoulli(logits=logits[:, None]).log_prob(x).sum(-1)  # (grid, images)
        weighted = each + Normal(0.0, 1.0).log_prob(z)
        log_p.append(torch.trapezoid(weighted.double().exp(), z[:, 0].double(), dim=0).log())
    expected = torch.stack(log_p).logsumexp(0) - torch.tensor(10.0).log()
    found = table.model_rows.m2_log_p(model, x, 5_000).double()
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)


def test_independent_pixels_are_scored_as_scipy_does(table):
    digits = some_digits()
    model = table.model_rows.independent_pixels(digits, {}, table.PLAN)
    x = binarize(digits.test_images[:5], seed=0)
    p = as_float(digits.train_images).mean(0).clamp(1e-3, 1 - 1e-3).numpy()
    expected = stats.bernoulli(p).logpmf(x.numpy()).sum(1)
    found = model.log_p(x, x).numpy()
    assert found == pytest.approx(expected, rel=1e-5)


def test_real_digits_are_others_than_those_compared_with(table):
    digits, plan = some_digits(), table.PLAN | {"samples": 40}
    order = table.test_order(digits, plan)
    blocks = [as_float(digits.test_images[order[:40]])]
    blocks += [table.model_rows.real_digits(digits, {"seed": s}, plan).draw(40) for s in range(3)]
    rows = {tuple(row) for block in blocks for row in block.tolist()}
    assert len(rows) == 4 * 40
    assert sorted(order.tolist()) == list(range(200))


def test_scores_of_real_digits_have_no_likelihood_and_of_models_have_one(table, tmp_path):
    digits, plan = some_digits(), table.PLAN | table.QUICK
    classifier = table.reader(digits, plan, tmp_path / "reader.pt")
    found = {
        name: table.measure(name, settings(table, name), 0, digits, classifier, plan)
        for name in ("real digits", "PPCA")
    }
    assert found["real digits"]["log_p"] is None is found["real digits"]["reconstruction"]
    assert found["PPCA"]["log_p"][1] > 0 and found["PPCA"]["reconstruction"][0] > 0
    for run in found.values():
        assert sum(run["class_counts"]) == 40 and 0 < run["precision"][0] <= 1
    assert found["PPCA"]["seconds"] > found["real digits"]["seconds"]


def test_a_line_of_the_table_is_a_mean_over_the_seeds(table):
    runs = [
        {"seed": n, "log_p": [-100.0 - n, 1.0], "reconstruction": None, "classes": 9 + n}
        | {k: [0.5, 0.1] for k in ("judge_pixels", "judge_features", "precision", "recall")}
        | {"seconds": 10.0}
        for n in range(2)
    ]
    line = table.summary(table.described("VAE", runs))
    assert line["log_p"] == -100.5 and line["classes"] == 9.5 and line["reconstruction"] is None


@pytest.mark.slow
def test_rows_that_are_finished_are_recorded_and_the_others_named(table, monkeypatch, capsys):
    monkeypatch.setattr(table, "options", lambda _: argparse.Namespace(minutes=9, quick=False))
    monkeypatch.setattr(table, "digits_for", lambda _: some_digits())
    monkeypatch.setattr(table, "PLAN", table.PLAN | table.QUICK)
    rows = {name: table.ROWS[name] for name in ("real digits", "PPCA")}
    monkeypatch.setattr(table, "ROWS", rows)
    saved = {}
    monkeypatch.setattr(table, "save_result", lambda name, **content: saved.update(content))
    unfinished = table.Pieces.get

    def get(pieces, key, measure):  # no time for the last seed of PPCA
        if key.startswith("PPCA") and key.endswith("seed 2"):
            pieces.missing.append(key)
            return None
        return unfinished(pieces, key, measure)

    monkeypatch.setattr(table.Pieces, "get", get)
    table.main()
    assert {row["name"]: len(row["runs"]) for row in saved["rows"]} == {
        "real digits": 3,
        "PPCA": 2,
    }
    assert saved["missing"] == ["PPCA, seed 2"]


def test_the_classifier_that_reads_is_kept(table, tmp_path):
    digits, path = some_digits(), tmp_path / "reader.pt"
    first, again = (table.reader(digits, table.PLAN, path) for _ in range(2))
    x = binarize(digits.test_images, seed=0)
    assert torch.equal(first(x), again(x)) and first(x).std() > 0
