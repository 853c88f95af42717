"""Seeds, device, plot style, compute budget: what every notebook does first."""

import itertools
import os
import random
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from course_utils import session

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def plain_session(monkeypatch):
    """No variables from outside, and no plot style left behind."""
    for name in ("COURSE_SEED_SHIFT", "COURSE_BUDGET"):
        monkeypatch.delenv(name, raising=False)
    with matplotlib.rc_context():
        yield


def draws() -> tuple[float, float, float]:
    """The next number of each of the three streams."""
    return random.random(), np.random.random(), torch.rand(()).item()


def draws_after_seeding(seed: int) -> tuple[float, float, float]:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return draws()


def pretend_devices(monkeypatch, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


# --- seeds ---


def test_setup_seeds_python_numpy_and_torch():
    session.setup(3)
    assert draws() == draws_after_seeding(3)


def test_seed_shift_is_added(monkeypatch):
    monkeypatch.setenv("COURSE_SEED_SHIFT", "5")
    session.setup(2)
    assert draws() == draws_after_seeding(7)


def test_empty_seed_shift_is_none(monkeypatch):
    monkeypatch.setenv("COURSE_SEED_SHIFT", "")
    assert session.seed_shift() == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "one", " 3", "0x10", "²"])
def test_bad_seed_shift_is_named(monkeypatch, text):
    monkeypatch.setenv("COURSE_SEED_SHIFT", text)
    with pytest.raises(ValueError, match="COURSE_SEED_SHIFT: expected a whole number") as error:
        session.setup()
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range_is_refused_before_anything_is_seeded(seed):
    expected = draws_after_seeding(1), draws()
    first = draws_after_seeding(1)
    with pytest.raises(ValueError, match=f"seed: expected .*, got {seed}"):
        session.setup(seed)
    assert (first, draws()) == expected


@pytest.mark.parametrize("seed", [np.int64(3), torch.tensor(3), 3.0, np.uint8(3)])
def test_seeds_of_any_library(seed):
    session.seed_everything(seed)
    assert draws() == draws_after_seeding(3)
    session.setup(seed)
    assert draws() == draws_after_seeding(3)


@pytest.mark.parametrize("seed", [2.5, "3", None, torch.ones(2)])
def test_what_is_no_seed_is_named(seed):
    for work in (session.seed_everything, session.setup):
        with pytest.raises(ValueError, match="^seed: expected a whole number, 0 or more, got "):
            work(seed)


# --- own_seed ---


def test_own_seed_draws_what_the_seed_says():
    with session.own_seed(4):
        inside = torch.rand(3)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(4)))


def test_own_seed_leaves_every_stream_where_it_was():
    expected = draws_after_seeding(1), draws()
    first = draws_after_seeding(1)
    with session.own_seed(4):
        torch.rand(10)
    assert (first, draws()) == expected


def test_own_seed_leaves_the_stream_after_an_error():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt), session.own_seed(4):
        raise KeyboardInterrupt
    assert torch.equal(torch.rand(2), expected)


def test_own_seed_nests():
    with session.own_seed(4):
        expected = torch.rand(2)
    with session.own_seed(4):
        with session.own_seed(5):
            torch.rand(7)
        assert torch.equal(torch.rand(2), expected)


def test_own_seed_puts_back_the_stream_of_an_apple_device(monkeypatch):
    stream = {"state": "before"}
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: stream["state"])
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: stream.update(state=state))
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: stream.update(state=seed))
    with pytest.raises(KeyboardInterrupt), session.own_seed(4):
        assert stream["state"] == 4
        raise KeyboardInterrupt
    assert stream["state"] == "before"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_own_seed_leaves_the_cuda_stream():
    torch.manual_seed(1)
    expected = torch.rand(3, device="cuda")
    torch.manual_seed(1)
    with session.own_seed(4):
        torch.rand(5, device="cuda")
    assert torch.equal(torch.rand(3, device="cuda"), expected)


# --- device and budget ---


@pytest.mark.parametrize(
    ("cuda", "mps", "device", "budget"),
    [
        (True, True, "cuda", "gpu"),
        (True, False, "cuda", "gpu"),
        (False, True, "mps", "gpu"),
        (False, False, "cpu", "cpu"),
    ],
)
def test_fastest_device_is_picked_and_sets_the_budget(monkeypatch, cuda, mps, device, budget):
    pretend_devices(monkeypatch, cuda, mps)
    assert session.pick_device() == torch.device(device)
    assert session.budget() == budget


@pytest.mark.parametrize("chosen", ["cpu", "gpu"])
@pytest.mark.parametrize("cuda", [True, False])
def test_budget_variable_wins_over_the_device(monkeypatch, chosen, cuda):
    pretend_devices(monkeypatch, cuda, mps=False)
    monkeypatch.setenv("COURSE_BUDGET", chosen)
    assert session.budget() == chosen
    assert session.by_budget(cpu="cpu", gpu="gpu") == chosen


def test_unknown_budget_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "tpu")
    with pytest.raises(ValueError, match="COURSE_BUDGET: expected 'cpu' or 'gpu', got 'tpu'"):
        session.setup()


# --- setup ---


def test_setup_returns_the_device():
    assert session.setup() == session.pick_device()


def test_setup_prints_exactly_one_line(capsys):
    session.setup(3)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and out.endswith("\n") and err == ""
    for part in (session.__version__, torch.__version__, "seed 3", f"budget {session.budget()}"):
        assert part in out


def test_setup_sets_the_plot_style():
    matplotlib.rcParams.update({"font.size": 7, "image.cmap": "viridis"})
    session.setup()
    for name, value in session.PLOT_STYLE.items():
        set_value = matplotlib.rcParams[name]
        assert (tuple(set_value) if isinstance(value, tuple) else set_value) == value, name
    assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"] == session.PALETTE


def test_setup_twice_changes_nothing_more():
    session.setup(1)
    style, first = dict(matplotlib.rcParams), draws()
    session.setup(1)
    assert (dict(matplotlib.rcParams), draws()) == (style, first)


def test_setup_hides_the_warning_about_the_progress_widget(recwarn):
    session.setup()
    warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", stacklevel=1)
    assert len(recwarn) == 0


def test_palette_holds_eight_different_colours():
    assert len({matplotlib.colors.to_rgb(colour) for colour in session.PALETTE}) == 8


# --- threads ---


@pytest.fixture
def machine(monkeypatch):
    """A machine with four cores, beside as many busy programs as the test says."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    there = {"threads": 4, "busy": 0}
    monkeypatch.setattr(session, "_MOST_THREADS", 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: there["threads"])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: there.update(threads=n))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(session, "_busy_programs", lambda: there["busy"])
    return there


@pytest.mark.parametrize("threads", [4, 1])  # torch's own, and what `setup` leaves
def test_cores_that_others_use_are_left_to_them(machine, threads):
    machine["threads"] = threads
    for busy, picked in [(0, 4), (1, 3), (3, 1), (9, 1)]:
        machine["busy"] = busy
        assert session.pick_threads() == picked


def test_no_more_threads_than_the_reader_has_set(machine):
    machine |= {"threads": 2, "busy": 1}
    assert session.pick_threads() == 2  # three cores are free


def test_what_the_environment_says_of_threads_is_kept(machine, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    machine["busy"] = 9
    monkeypatch.setattr(session, "pick_device", lambda: torch.device("cpu"))
    session.setup()
    assert machine["threads"] == session.pick_threads() == 4


def test_the_own_loops_of_a_notebook_have_one_thread(machine, monkeypatch, capsys):
    """On the CPU; a longer computation picks more, and leaves one behind."""
    monkeypatch.setattr(session, "pick_device", lambda: torch.device("cpu"))
    for _ in range(2):  # a cell run again changes nothing
        session.setup()
        assert machine["threads"] == 1 and session.pick_threads() == 4
    with session.torch_threads(session.pick_threads()):
        assert machine["threads"] == 4
    assert machine["threads"] == 1


@pytest.mark.parametrize(
    ("running", "busy"), [([1], 0), ([3], 2), ([1, 1, 4, 1, 5], 0), ([3, 3, 1, 3, 1], 2)], ids=str
)
def test_busy_programs_are_counted_without_the_one_that_asks(monkeypatch, running, busy):
    """And without what happens to run at one of five looks."""
    looks = itertools.cycle(running)
    monkeypatch.setattr(Path, "read_text", lambda path: f"0.1 0.2 0.3 {next(looks)}/75 4321\n")
    assert session._busy_programs() == busy


def test_a_system_that_does_not_tell_has_no_busy_programs(monkeypatch):
    def refuse(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert session._busy_programs() == 0
