"""The experiments behind the recorded figures: each runs, stops in time, and goes on."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.runs import assert_same, weights_of

from course_utils.data import ImageData

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
QUICK = ["race_to_106", "images_per_second", "scaling", "burda_table", "memory", "sweeps"]
QUICK += ["latent_sizes", "vectors"]


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


@pytest.mark.slow
def test_table_of_burda_trains_on_where_it_stopped(record, tmp_path):
    """Bit for bit, and one epoch at least in every run, however short."""
    import burda_table

    torch.manual_seed(0)
    images = torch.randint(0, 256, (300, 28, 28), dtype=torch.uint8)
    labels = torch.zeros(300, dtype=torch.int64)
    digits = ImageData("mnist", images, labels, images[:50], labels[:50])
    ends = []
    for minutes, runs in ((1.0, 1), (0.0, 3)):
        pieces = record.Pieces("burda_table", minutes, given(minutes))
        path = tmp_path / f"{minutes}.pt"
        for run in range(runs):
            torch.manual_seed(run)
            model, history = burda_table.train(
                "IWAE, K = 5", 3, digits, torch.device("cpu"), path, pieces
            )
            assert (history is not None) == (run == runs - 1)
        ends.append(weights_of(model))
    assert_same(*ends)


@pytest.mark.slow
def test_losses_of_burda_s_rows_are_bounds_of_the_right_order(record):
    """On average: the VAE's bound does not move with K, importance weighting raises it."""
    import burda_table

    torch.manual_seed(0)
    model = burda_table.TwoHiddenLayers(torch.full((784,), 0.5))
    x = (torch.rand(10, 784) < 0.5).float()
    bounds = {}
    for row in burda_table.PUBLISHED:
        loss = burda_table.loss_of(row) or (lambda m, x: m.loss(x))
        with torch.no_grad():
            draws = torch.stack([-loss(model, x).mean() for _ in range(100)])
        bounds[row] = draws.mean().item(), draws.std().item() / 100**0.5

    def z(one: str, other: str) -> float:
        (a, error_a), (b, error_b) = bounds[one], bounds[other]
        return (a - b) / (error_a**2 + error_b**2) ** 0.5

    assert abs(z("VAE, K = 5", "VAE, K = 1")) < 4.5
    assert abs(z("VAE, K = 50", "VAE, K = 1")) < 4.5
    assert z("IWAE, K = 5", "VAE, K = 1") > 4.5
    assert z("IWAE, K = 50", "IWAE, K = 5") > 4.5


def test_flops_of_an_image_are_those_that_torch_counts(record):
    """Forward and backward, without the gradient of the input."""
    import images_per_second
    from torch.utils.flop_counter import FlopCounterMode

    from course_utils.models import VAE

    model = VAE(20, 400)
    with FlopCounterMode(display=False) as counter:
        model.loss(torch.rand(10, 784)).mean().backward()
    assert counter.get_total_flops() / 10 == images_per_second.FLOP_PER_IMAGE
