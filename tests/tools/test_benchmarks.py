"""The experiments behind the recorded figures: each runs, stops in time, and goes on."""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.hub import stack
from helpers.oracles import at_the_ppca_optimum, correlated_rows, marginal
from helpers.runs import assert_same, weights_of
from helpers.unix_users import skip_without

from course_utils.data import ImageData
from course_utils.distributions import kl_to_standard_normal
from course_utils.models import VAE
from course_utils.objectives import log_likelihood

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
QUICK = ["race_to_106", "images_per_second", "scaling", "burda_table", "memory", "sweeps"]
QUICK += ["latent_sizes", "vectors", "four_parts", "stronger_parts", "time_series"]
QUICK += ["few_labels", "boltzmann_table", "every_model", "adversarial_codes", "class_of_ten"]


@pytest.fixture
def record(monkeypatch, tmp_path):
    """The module that keeps results, with folders of its own."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import record

    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record, "cache_root", lambda: tmp_path / "cache")
    return record


def given(minutes: float = 1.0, quick: bool = False) -> argparse.Namespace:
    return argparse.Namespace(minutes=minutes, quick=quick)


def fail():
    raise AssertionError("measured again")


@pytest.mark.publish
@pytest.mark.parametrize("name", QUICK)
def test_quick_trial_runs_prints_a_table_and_saves_nothing(name):
    if name == "memory" and not (sys.platform == "linux" or torch.cuda.is_available()):
        pytest.skip("a CPU's peak memory can be counted anew on Linux only")
    if name == "class_of_ten":
        skip_without(stack)
    kept = ROOT / "data" / "results" / f"{name}.json"
    before = kept.read_bytes() if kept.exists() else None
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert len(out.stdout.splitlines()) >= 4
    assert (kept.read_bytes() if kept.exists() else None) == before


def test_finished_parts_are_not_measured_again(record, capsys):
    pieces = record.Pieces("trial", {"steps": 1}, given())
    assert pieces.get("a", lambda: {"x": 1.5}) == {"x": 1.5}
    again = record.Pieces("trial", {"steps": 1}, given())
    assert again.get("a", fail) == {"x": 1.5} and again.finished()
    other = record.Pieces("trial", {"steps": 2}, given())
    assert other.get("a", lambda: 7) == 7  # another plan
    again.clear()
    assert record.Pieces("trial", {"steps": 1}, given()).get("a", lambda: 8) == 8


def test_no_part_is_begun_after_the_time(record, capsys):
    pieces = record.Pieces("trial", None, given(minutes=0))
    assert pieces.get("a", fail) is None and not pieces.finished()
    assert "1 parts missing: run the same command again" in capsys.readouterr().out
    assert record.Pieces("trial", None, given()).get("a", lambda: 3) == 3
    assert record.Pieces("trial", None, given(minutes=0)).get("a", fail) == 3


def test_quick_trial_neither_finds_nor_leaves_parts(record):
    record.Pieces("trial", None, given()).get("a", lambda: 3)
    assert record.Pieces("trial", None, given(quick=True)).get("a", lambda: 4) == 4
    assert record.Pieces("trial", None, given()).get("a", fail) == 3


def test_results_of_cpu_and_gpu_stand_side_by_side(record, capsys):
    def kept():
        return json.loads((record.RESULTS / "trial.json").read_text())

    record.save_by_device("trial", torch.device("cpu"), {"seconds": 3.0}, plan=1)
    assert kept()["cpu"]["seconds"] == 3.0 and "processor" in kept()["cpu"]["machine"]
    assert kept()["gpu"] == "not measured"
    record.save_by_device("trial", torch.device("cuda"), {"seconds": 0.1}, plan=1)
    assert kept()["cpu"]["seconds"] == 3.0 and kept()["gpu"]["seconds"] == 0.1


# --- the table of Burda et al. ---


@pytest.fixture
def burda(record):
    import burda_table

    torch.manual_seed(0)
    return burda_table


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2])
def test_table_of_burda_trains_on_where_it_stopped(burda, record, layers):
    """Bit for bit, and one epoch at least in every run, however short."""
    images = torch.randint(0, 256, (700, 28, 28), dtype=torch.uint8)
    earlier = burda.Row("earlier", layers, "IWAE", 5, 85.54, "22", 1)
    row = burda.Row("trial", layers, "IWAE", 8, 84.78, "25", 2, earlier)
    ends = []
    for minutes, runs in ((1.0, 1), (0.0, 2)):
        pieces = record.Pieces("burda_table", minutes, given(minutes))
        for run in range(runs):
            training = burda.trained(row, burda.RECIPE, images, 0, pieces)
            assert (training is not None) == (run == runs - 1)
        ends.append(weights_of(training.model))
    assert_same(*ends)


def test_a_row_goes_on_from_the_network_of_another(burda, record):
    """Its first weights are the last ones of that row, and its rates half as high."""
    images = torch.randint(0, 256, (60, 28, 28), dtype=torch.uint8)
    pieces = record.Pieces("burda_table", 1.0, given(1.0))
    row = burda.Row("trial", 1, "VAE", 1, 86.76, "19", 1)
    earlier = burda.trained(row, burda.RECIPE, images, 0, pieces)
    later = burda.Training(row, burda.RECIPE, images, 0, earlier)
    assert_same(weights_of(earlier.model), weights_of(later.model))
    assert later.share == 0.5 * earlier.share and later.seconds == earlier.seconds
    later.epoch()
    assert all(p.requires_grad for p in later.model.parameters())


def test_a_finished_row_stands_beside_those_of_earlier_runs(burda, record, monkeypatch, capsys):
    """In the table's order; those of another plan go."""
    path = record.RESULTS / "burda_table.json"
    monkeypatch.setattr(burda, "load_result", lambda name: json.loads(path.read_text()))
    here = {"processor": "some", "date": "2026-01-01"}
    one, two, other = ({"row": row.name, "nll": 80.0} | here for row in burda.ROWS[:3])
    assert burda.save({two["row"]: two}, {"left_out": []}, {"plan": 1}) == [two]
    assert burda.save({one["row"]: one}, {}, {"plan": 1}) == [one, two]
    assert json.loads(path.read_text())["left_out"] == []
    better = two | {"nll": 79.0}
    assert burda.save({two["row"]: better}, {}, {"plan": 1}) == [one, better]
    assert burda.save({other["row"]: other}, {}, {"plan": 2}) == [other]
    assert "left_out" not in json.loads(path.read_text())


def test_networks_of_burda_s_table_have_the_paper_s_layers(burda):
    """784-200-200-50, and 784-200-200-100-100-100-50; back alike; tanh between."""
    one, two = (burda.network(layers) for layers in (1, 2))
    layers = {
        one.encoder: [784, 200, 200, 2 * 50],
        one.decoder: [50, 200, 200, 784],
        two.encoder: [784, 200, 200, 2 * 100],
        two.upper_encoder: [100, 100, 100, 2 * 50],
        two.prior: [50, 100, 100, 2 * 100],
        two.decoder: [100, 200, 200, 784],
    }
    for network, sizes in layers.items():
        linear, between = list(network)[::2], list(network)[1::2]
        assert [linear[0].in_features, *(layer.out_features for layer in linear)] == sizes
        assert {type(layer) for layer in between} == {torch.nn.Tanh}


@pytest.mark.slow
def test_losses_of_burda_s_rows_are_bounds_of_the_right_order(burda):
    """On average: the VAE's bound does not move with K, importance weighting raises it."""
    model, x = burda.network(1), (torch.rand(10, 784) < 0.5).float()
    bounds = {}
    for name, k in (("VAE", 1), ("VAE", 5), ("IWAE", 5), ("IWAE", 50)):
        row = burda.Row("trial", 1, name, k, 0.0, "", 1)
        with torch.no_grad():
            draws = [-burda.loss_of(row, burda.RECIPE, model, x).mean() for _ in range(100)]
        draws = torch.stack(draws)
        bounds[name, k] = draws.mean().item(), draws.std().item() / 100**0.5

    def z(one, other) -> float:
        (a, error_a), (b, error_b) = bounds[one], bounds[other]
        return (a - b) / (error_a**2 + error_b**2) ** 0.5

    assert abs(z(("VAE", 5), ("VAE", 1))) < 4.5
    assert z(("IWAE", 5), ("VAE", 1)) > 4.5
    assert z(("IWAE", 50), ("IWAE", 5)) > 4.5


def test_plain_loops_estimate_what_the_chunks_estimate(burda):
    """In float64, one draw at a time, by torch.distributions: within the errors of both."""
    model, x = VAE(1, 4, data_dim=6).double().requires_grad_(False), torch.ones(6).double()
    here = [-log_likelihood(model, x[None], 50, progress=False).item() for _ in range(40)]
    there = [burda.by_plain_loops(model, x, 50) for _ in range(40)]
    (a, error_a), (b, error_b) = (burda.mean_and_error(torch.tensor(v)) for v in (here, there))
    assert abs(a - b) < 4.5 * math.hypot(error_a, error_b) + 1e-6


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_muon_steps_as_torch_s_does(burda, shape):
    """Within the digits of bfloat16, in which torch's multiplies."""
    from muon import Muon

    ours, theirs = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    steps = Muon([ours], lr=0.1)
    others = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0, adjust_lr_fn="original")
    for _ in range(3):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        steps.step()
        others.step()
    assert (ours - theirs).abs().max() < 0.03 * ours.abs().max()


# --- the four parts ---


@pytest.fixture
def parts(record):
    import four_parts

    torch.manual_seed(0)
    return four_parts


def test_refining_a_wrong_encoder_closes_the_gap_that_is_known(parts):
    """At the optimum of probabilistic PCA the ELBO is log p(x); a spoiled encoder is mended."""
    x = correlated_rows(40)
    model = at_the_ppca_optimum(x, 2)
    exact = torch.from_numpy(marginal(model).logpdf(x.numpy()))
    with torch.no_grad():
        model.encoder.bias.add_(0.5)
        model.encoder_log_var.sub_(1.0)
    model.requires_grad_(False)
    wrong, better = model.encode(x), parts.refined(model, x, 2_000, 0.03)
    before, after = (parts.elbo_with(model, x, *q, 4_000) for q in (wrong, better))
    assert (exact - before).mean() > 0.3
    torch.testing.assert_close(after.mean(), exact.mean(), atol=0.02, rtol=0)
    by_weights = parts.log_p_with(model, x, *better, 100)
    torch.testing.assert_close(by_weights, exact, atol=0.02, rtol=0)


def test_marginal_of_equal_posteriors_is_their_own_distance(parts):
    """All q's are N(1, e^-1): no information, and the KL is one formula's."""
    model, x = VAE(3, 4, data_dim=9), torch.rand(500, 9)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([1.0] * 3 + [-1.0] * 3))
    distance, information = parts.aggregate_kl(model, x)
    exact = kl_to_standard_normal(torch.ones(3), -torch.ones(3)).double()
    torch.testing.assert_close(information, torch.zeros_like(information), atol=1e-5, rtol=0)
    torch.testing.assert_close(distance, exact.expand(500), atol=1e-4, rtol=0)
    gain = parts.gain_of_a_mixture(model, torch.rand(5_000, 9), x, 1)
    assert abs(gain.mean() - exact) < 4.5 * gain.std() / 500**0.5 + 0.05  # fitted to few codes


def test_marginal_of_narrow_posteriors_holds_all_but_log_n(parts):
    """Where no two q's overlap, each code tells which of the N images it came from."""
    model, x = VAE(3, 4, data_dim=9), torch.rand(300, 9)
    with torch.no_grad():
        model.encoder[-1].weight.mul_(100)
        model.encoder[-1].weight[3:] = 0
        model.encoder[-1].bias[3:] = -20.0
    _, information = parts.aggregate_kl(model, x)
    assert information.mean().item() == pytest.approx(math.log(300), abs=1e-3)


def test_units_are_active_whose_posterior_mean_varies(parts):
    """Not those whose q is wide: their draws vary, their means do not."""
    model, x = VAE(3, 4, data_dim=9), torch.rand(1_000, 9)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].weight[0] = 5.0
        model.encoder[-1].bias.zero_()
    assert model.encode(x)[0][:, 0].var() > 0.1
    assert parts.active_units(model, x) == 1


def test_gains_are_paired_digit_by_digit(parts):
    kept = {"kl": 1.0, "active_units": 2}
    baseline = {"elbo": [-100.0, -80.0, -90.0], "log_p": [-95.0, -75.0], **kept}
    better = {"elbo": [-98.0, -79.0, -87.0], "log_p": [-94.0, -74.0], **kept}
    row = parts.compared(better, baseline)
    assert row["elbo"] == -88.0 and row["gain_elbo"] == 2.0 and row["gain_log_p"] == 1.0
    assert row["gain_elbo_se"] == pytest.approx(1 / 3**0.5) and row["gain_log_p_se"] == 0.0
    assert row["elbo_se"] > 5 and row["kl"] == 1.0


def test_candidates_are_chosen_by_held_out_digits(parts):
    tried = {
        (part, name): -100.0 + n
        for part, names in parts.CURES.items()
        for n, name in enumerate(names)
    }
    chosen = parts.chosen_cures(tried)
    assert chosen == {part: (part, list(names)[-1]) for part, names in parts.CURES.items()}
    kept = [(row["part"], row["name"]) for row in parts.choices(tried) if row["chosen"]]
    assert kept == [*chosen.values()]


# --- stronger parts ---


@pytest.fixture
def stronger(record):
    import stronger_parts

    return stronger_parts


def test_a_stronger_part_trains_on_where_it_stopped(stronger, record, monkeypatch):
    """Bit for bit, and one epoch at least in every run, however short."""
    monkeypatch.setattr(stronger, "ROWS", {"a, row": {"small, one": lambda: VAE(2, 5)}})
    torch.manual_seed(0)
    images = torch.randint(0, 256, (300, 28, 28), dtype=torch.uint8)
    ends = []
    for minutes, runs in ((1.0, 1), (0.0, 3)):
        pieces = record.Pieces("stronger_parts", minutes, given(minutes))
        for run in range(runs):
            torch.manual_seed(run)
            found = stronger.train(("a, row", "small, one"), 4, images, 3, stronger.PLAN, pieces)
            assert (found is not None) == (run == runs - 1)
        ends.append(weights_of(found[0]))
        assert found[1] > 0
    assert_same(*ends)


def test_scores_of_a_stronger_part_are_put_together_from_blocks(stronger, record, monkeypatch):
    monkeypatch.setattr(stronger, "ROWS", {"baseline": {"small": lambda: VAE(2, 5)}})
    monkeypatch.setattr(stronger, "BLOCK", 4)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (30, 28, 28), dtype=torch.uint8)
    labels = torch.zeros(30, dtype=torch.int64)
    digits = ImageData("mnist", images, labels, images[:10], labels[:10])
    plan = stronger.PLAN | {"epochs": 1, "digits": 10, "samples": 30, "elbo_draws": 3}
    pieces = record.Pieces("stronger_parts", plan, given())
    found = stronger.measure(("baseline", "small"), 0, digits, plan, pieces)
    assert len(found["elbo"]) == len(found["log_p"]) == 10
    assert found["parameters"] == sum(p.numel() for p in VAE(2, 5).parameters())
    rows = stronger.rows_of({("baseline", 0): found}, {"baseline": "small"}, [0])
    (run,) = rows[0]["runs"]
    assert run["gain_log_p"] == run["gain_log_p_se"] == 0.0 and run["elbo"] < run["log_p"]


def test_a_row_with_one_candidate_needs_no_trial(stronger):
    several = {row: names for row, names in stronger.ROWS.items() if len(names) > 1}
    tried = {(row, name): -100.0 + n for row in several for n, name in enumerate(several[row])}
    chosen = stronger.chosen_names(tried)
    assert list(chosen) == list(stronger.ROWS) and next(iter(chosen)) == "baseline"
    assert all(chosen[row] == [*names][-1] for row, names in several.items())
    assert all(chosen[row] in names for row, names in stronger.ROWS.items())


def test_published_figures_say_how_they_were_measured(stronger):
    for one in stronger.PUBLISHED:
        assert one["log_p"] < 0 and one["pixels"] in (stronger.NEW, stronger.FILE)
        assert one["source"] and (one["samples"] is None or one["samples"] > 0)


# --- few labels ---


@pytest.fixture
def labelled(record):
    import few_labels

    torch.manual_seed(0)
    return few_labels


def test_labels_are_drawn_evenly_and_anew_for_each_draw(labelled):
    labels = torch.randint(0, 10, (5_000,))
    one, other = (labelled.draw_labelled(labels, 600, draw) for draw in range(2))
    assert len(set(one.tolist())) == 600 and (labels[one].bincount() == 60).all()
    assert torch.equal(one, labelled.draw_labelled(labels, 600, 0)) and not torch.equal(one, other)


def test_a_fifth_of_each_class_judges_and_does_not_train(labelled):
    labels = torch.randint(0, 10, (2_000,))
    train, judge = labelled.split(labelled.draw_labelled(labels, 100, 0), 100)
    assert (labels[train].bincount() == 8).all() and (labels[judge].bincount() == 2).all()
    assert not set(train.tolist()) & set(judge.tolist())


def test_candidates_are_chosen_by_judging_labels_then_by_the_bound(labelled):
    tried = {
        (0.1, 10): {"error": 0.2, "bound": -80.0},
        (1.0, 10): {"error": 0.1, "bound": -95.0},
        (1.0, 50): {"error": 0.1, "bound": -90.0},
    }
    assert labelled.best_candidate(tried) == (1.0, 50)


def test_a_row_is_a_mean_over_draws_beside_the_published_one(labelled):
    runs = [{"error": e} for e in (0.03, 0.04, 0.05)]
    row = labelled.summary("M1+M2", 600, runs)
    assert row["error"] == pytest.approx(4) and row["published"] == 2.59
    assert row["standard_error"] == pytest.approx(1 / 3**0.5)
    assert labelled.summary("M2", 100, runs[:1])["standard_error"] is None


@pytest.mark.slow
def test_m2_trains_on_where_it_stopped(labelled, record, tmp_path):
    """Bit for bit, and one epoch at least in every run, however short."""
    rows, y = torch.rand(60, 9), torch.arange(60) % 10
    few, ends = torch.arange(20), []
    plan = {"M2": {"hidden_dim": 4, "batch_size": 20, "rate": 1e-2}}
    for minutes, runs in ((1.0, 1), (0.0, 3)):
        path = tmp_path / f"{minutes}.pt"
        for run in range(runs):
            pieces = record.Pieces("few_labels", minutes, given(minutes))
            how = ((1.0, 2), 3, 0, plan, path, pieces)
            found = labelled.trained_m2("M2", rows, few, y[few], *how)
            assert (found is not None) == (run == runs - 1)
        ends.append(weights_of(found[0]))
    assert_same(*ends)


def test_flops_of_an_image_are_those_that_torch_counts(record):
    """Forward and backward, without the gradient of the input."""
    import images_per_second
    from torch.utils.flop_counter import FlopCounterMode

    model = VAE(20, 400)
    with FlopCounterMode(display=False) as counter:
        model.loss(torch.rand(10, 784)).mean().backward()
    assert counter.get_total_flops() / 10 == images_per_second.FLOP_PER_IMAGE
