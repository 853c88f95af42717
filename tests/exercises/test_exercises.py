"""The checks of the exercises: mutants of every solution are rejected, right answers accepted.

`answers_*.py` hold what students might write: `RIGHT` {exercise: [right answers in other words]}
and `WRONG` {exercise: {a phrase of the hint: a named slip}}. Solutions come from the notebooks.
"""

import _thread
import ast
import contextlib
import functools
import importlib
import inspect
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from helpers.mutate import mutants
from helpers.shown import NOTEBOOKS
from helpers.stand_alone import preamble
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.exercises import CHECKS, CheckFailed, Exercise, check, itself, within
from tools.release import exercises_of

MODULES = [importlib.import_module(p.stem) for p in Path(__file__).parent.glob("answers_*.py")]
RIGHT = {name: answers for module in MODULES for name, answers in module.RIGHT.items()}
WRONG = {name: slips for module in MODULES for name, slips in module.WRONG.items()}
NOISY = {name for module in MODULES for name in getattr(module, "NOISY", ())}
BITS = CHECKS["bits_per_dimension"]
SEEDS = (0, 1, 2, 3)  # of inputs; the check itself tries those of 0

by_name = pytest.mark.parametrize(
    "name", [pytest.param(name, id=f"{e.notebook:02d}-{name}") for name, e in CHECKS.items()]
)


# --- what the notebooks hold ---------------------------------------------------------------------


@functools.cache
def check_cells():
    """Each call of `check` in the notebooks: (notebook, exercise, name, what is handed over)."""
    found = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        for exercise in exercises_of(nb, path.name):
            for node in ast.walk(ast.parse(exercise.check.source)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
                    name, answer = node.args
                    found.append((nb, exercise, name.value, ast.unparse(answer)))
    return found


@functools.cache
def solved(name):
    """(source of the exercise cell, a function from such a source to the answer)."""
    ((nb, exercise, _, answer),) = [c for c in check_cells() if c[2] == name]
    source, state = preamble(nb, exercise.cell, exercise.check)
    assert not state, f"needs what was computed on the page: {sorted(state)}"
    with as_it_was():
        page = {"__name__": "__main__"}
        exec(source, page)
        dtype = torch.get_default_dtype()

    def build(cell):
        space = dict(page)
        exec(compile(cell, "<cell>", "exec"), space)
        return eval(answer, space)

    return exercise.cell.source, build, dtype


@contextlib.contextmanager
def as_it_was(dtype=None):
    """Undo what a set-up cell changes for the whole process."""
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_default_dtype(dtype or before)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def hint_for(name, answer):
    with pytest.raises(CheckFailed) as failed:
        CHECKS[name](answer)
    assert str(failed.value) == failed.value.hint
    return failed.value.hint


def test_every_check_is_called_once_and_every_call_has_a_check():
    called = [name for _, _, name, _ in check_cells()]
    assert sorted(called) == sorted(CHECKS)
    for nb, exercise, name, _ in check_cells():
        title = nb.cells[0].source.split("\n")[0]
        assert f"{CHECKS[name].notebook:02d}" in title, f"{name} stands in {title!r}"
        statements = [type(n) for n in ast.parse(exercise.check.source).body]
        assert statements == [ast.ImportFrom, ast.Expr], exercise.check.source


def test_every_exercise_has_a_check():
    cells = [
        (path.name, exercise.cell.id)
        for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
        for exercise in exercises_of(nbformat.read(path, as_version=4), path.name)
    ]
    assert len(cells) == len(CHECKS) == len(check_cells())


# --- right answers -------------------------------------------------------------------------------


@by_name
def test_the_solution_is_right_and_quick(name):
    source, build, dtype = solved(name)
    with as_it_was(dtype):
        start = time.perf_counter()
        said = CHECKS[name](build(source))
        assert time.perf_counter() - start < 2
    assert said.startswith("Well done: ") and len(said) > 20


@by_name
def test_right_answers_in_other_words_are_right(name):
    """In both precisions, whatever the notebook works in."""
    assert len(RIGHT[name]) >= 3
    for dtype in (torch.float32, torch.float64):
        with as_it_was(dtype):
            for answer in RIGHT[name]:
                CHECKS[name](answer)


# --- wrong answers -------------------------------------------------------------------------------


@by_name
def test_named_slips_get_hints_of_their_own(name):
    assert len(WRONG[name]) >= 3
    _, _, dtype = solved(name)
    with as_it_was(dtype):
        hints = {phrase: hint_for(name, slip) for phrase, slip in WRONG[name].items()}
    for phrase, hint in hints.items():
        assert phrase in hint
        assert [p for p in hints if p in hint] == [phrase], "the phrase fits other hints, too"


@by_name
def test_each_declared_slip_is_named_and_wrong(name):
    """No hint of the package is left untried, and none comes for a right answer."""
    right, slips = CHECKS[name].solve()
    assert len(slips) >= 3
    for hint, given in slips.items():
        assert any(phrase in hint for phrase in WRONG[name]), f"no slip gets the hint {hint!r}"
        filled = [
            [r if s is None else s for s, r in zip(*pair, strict=True)]
            for pair in zip(given, right, strict=True)
        ]
        assert not CHECKS[name].agree(filled, right), f"a right answer gets the hint {hint!r}"


COLUMNS = ("mutants", "equivalent", "rejected", "that stop", "own hint")
TABLE = {}  # exercise -> how many of its mutants are what


def results(exercise, answer):
    """What an answer gives on the check's inputs and on others: lists of tensors, or None."""
    given = []
    for seed in SEEDS:
        for inputs in exercise.inputs(seed):
            torch.manual_seed(seed)
            try:
                given.append(exercise.given(answer, inputs))
            except CheckFailed:
                given.append(None)
    return given


def same(one, other, noise=None):
    """Whether two answers gave the same: to rounding, or within the noise of random draws."""
    if one is None or other is None:
        return one is other
    if noise:
        return all(map(noise, one, other))
    return all(
        a.shape == b.shape
        and (a.dtype == torch.bool) == (b.dtype == torch.bool)
        and torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


def try_mutants(exercise, source, build, noisy=False):
    """(the table's row, the mutants that pass although they give something else)."""
    row, survivors, own = dict.fromkeys(COLUMNS, 0), [], exercise.solve()[1]
    right = results(exercise, build(source))
    assert None not in right
    for mutant in mutants(source):
        row["mutants"] += 1
        try:
            answer = build(mutant)
        except Exception:  # the cell itself stops: the student sees that without a check
            row["rejected"] += 1
            row["that stop"] += 1
            continue
        try:
            exercise(answer)
        except CheckFailed as failed:
            row["rejected"] += 1
            row["that stop"] += failed.hint.startswith("Your code stops")
            row["own hint"] += failed.hint in own
        else:
            given = results(exercise, answer)
            if all(same(*pair, exercise.close if noisy else None) for pair in zip(right, given)):
                row["equivalent"] += 1
            else:
                survivors.append(mutant)
    return row, survivors


@by_name
def test_mutants_are_rejected(name):
    source, build, dtype = solved(name)
    with as_it_was(dtype):
        TABLE[name], survivors = try_mutants(CHECKS[name], source, build, name in NOISY)
    assert TABLE[name]["rejected"] >= (5 if CHECKS[name].ask is itself else 10)
    assert not survivors, f"{len(survivors)} wrong answers pass, the first:\n{survivors[0]}"


def test_the_kill_rate_is_a_hundred_percent(capsys):
    """Prints the table. A mutant counts as equivalent if it gives the same for all inputs.

    A mutant "stops" if it raises an exception; "own hint" counts those that are a declared slip.
    """
    lines = [f"\n{'exercise':30}" + "".join(f"{name:>12}" for name in (*COLUMNS, "kill rate"))]
    for name, row in TABLE.items():
        rate = row["rejected"] / (row["mutants"] - row["equivalent"])
        cells = "".join(f"{row[column]:12}" for column in COLUMNS)
        lines.append(f"{CHECKS[name].notebook:02d} {name:27}{cells}{rate:12.0%}")
        assert rate == 1, name
    with capsys.disabled():
        print("\n".join(lines))


def test_a_lax_check_lets_mutants_pass():
    """The test above can fail."""
    source, build, dtype = solved("bits_per_dimension")
    lax = replace(BITS, close=within(relative=3, absolute=3))
    with as_it_was(dtype):
        row, survivors = try_mutants(lax, source, build)
    assert len(survivors) > 5 and row["rejected"] > 5
    assert row["rejected"] + row["equivalent"] + len(survivors) == row["mutants"]


MARKED = """def f(mu, log_var):
    eps = torch.randn(5, 3)
    ### BEGIN SOLUTION
    noise = torch.randn(len(mu), 3)
    std = torch.exp(0.5 * log_var)
    z = mu[1:] - std * noise
    return (z.square() + 1).sum(dim=-1)
    ### END SOLUTION"""


def test_the_operators_make_the_plausible_slips():
    found = mutants(MARKED)
    for slip in [
        "return 2 * (z.square() + 1)",  # doubled
        "torch.exp(log_var)",  # a factor dropped
        "z = mu[1:] + std * noise",  # a sign
        "return (z.square() + 1).mean(dim=-1)",
        "return (z.square() + 1).sum(0)",
        "return z.square().sum(dim=-1)",  # a term
        "return (z + 1).sum(dim=-1)",
        "mu[1:] - std ** 2 * noise",
        "torch.exp(0.5 * (0.5 * log_var))",
        "torch.exp(0.5 * mu)",
        "torch.randn(1, 3)",  # one noise for all
        "torch.randn(3, len(mu))",
        "mu[1 + 1:]",
        "return -(z.square() + 1).sum(dim=-1)",
    ]:
        assert any(slip in mutant for mutant in found), slip
    whole = ast.unparse(ast.parse(MARKED))
    assert whole not in found and len(set(found)) == len(found) > 50
    for mutant in found:
        assert "eps = torch.randn(5, 3)" in mutant, "what is no solution stays"
        ours, theirs = whole.split("\n"), mutant.split("\n")
        assert sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1


# --- whatever a student can pass -----------------------------------------------------------------


def interrupted(*inputs):
    raise SystemExit("exit() in a function")


def stub(*inputs):
    raise NotImplementedError("Exercise 1: write it.")


class Odd:
    """Something whose every attribute is a trap."""

    def __getattr__(self, name):
        raise RuntimeError("a trap")


SMALL_CNN = torch.nn.Linear(3, 3)
NONSENSE = {
    "None": None,
    "an ellipsis": ...,
    "a number": 3,
    "a string": "0.5",
    "a NaN": float("nan"),
    "a tensor": torch.ones(2, 3),
    "an empty tensor": torch.ones(0),
    "an array": np.ones(7),
    "a class": Odd,
    "an object": Odd(),
    "a network": SMALL_CNN,
    "a stub": stub,
    "returns None": lambda *inputs: None,
    "returns NaN": lambda *inputs: float("nan"),
    "returns a string": lambda *inputs: "0.5",
    "returns itself": lambda *inputs: inputs,
    "returns a whole number": lambda *inputs: -17,
    "returns complex numbers": lambda *inputs: 1j * torch.ones(3),
    "returns another shape": lambda *inputs: torch.ones(2, 1, 5),
    "returns truth": lambda *inputs: True,
    "returns an odd thing": lambda *inputs: Odd(),
    "returns a function": lambda *inputs: torch.sin,
    "divides by zero": lambda *inputs: 1 / 0,
    "takes nothing": lambda: 1.0,
    "exits": interrupted,
    "recurses": lambda *inputs: NONSENSE["recurses"](*inputs),
}


@by_name
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_gets_a_hint(name, kind):
    start = time.perf_counter()
    hint = hint_for(name, NONSENSE[kind])
    assert 10 < len(hint) < 600
    assert time.perf_counter() - start < 2


@by_name
def test_the_untouched_stub_is_told_so(name):
    hint = hint_for(name, stub)
    by_hand = CHECKS[name].ask is itself  # where there is no function that could raise
    assert by_hand or hint.startswith("Nothing is written here yet")
    assert by_hand or hint.endswith("Exercise 1: write it.")


@by_name
def test_a_check_leaves_everything_as_it_was(name, capsys):
    """Random streams, default type, what was printed, warnings."""
    source, build, dtype = solved(name)
    with as_it_was(dtype):
        answer = build(source)

        def noisy(*inputs):
            print("in between")
            warnings.warn("once more", stacklevel=1)
            random.random(), np.random.rand(), torch.rand(1)
            return answer(*inputs)

        for seeded in (random.seed, np.random.seed, torch.manual_seed):
            seeded(7)
        CHECKS[name](noisy if callable(answer) else answer)
        after = random.random(), np.random.rand(), torch.rand(3).tolist()
        for seeded in (random.seed, np.random.seed, torch.manual_seed):
            seeded(7)
        assert after == (random.random(), np.random.rand(), torch.rand(3).tolist())
    printed = capsys.readouterr()
    assert printed.err == ""
    assert ("in between" in printed.out) == callable(answer)


# --- the framework -------------------------------------------------------------------------------


def test_an_exception_is_named_with_its_line(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("def f(log_p, D):\n    helper = log_p\n    return helper.shape[3] / D\n")
    space = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    hint = hint_for("bits_per_dimension", space["f"])
    assert "AttributeError in line 3, `return helper.shape[3] / D`" in hint


def untraced(test):
    """Runs a test in a process of its own where this one is traced, as it is for coverage.

    In a traced thread Python 3.11 waits until an exception that was sent to another thread has
    arrived there; in a thread that has ended meanwhile it never does.
    """

    @functools.wraps(test)
    def run(request, **given):
        if sys.gettrace() is None:
            return test(**given)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        subprocess.run([*command, request.node.nodeid], cwd=NOTEBOOKS.parent, check=True)

    names = inspect.signature(test).parameters.values()
    wanted = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([wanted, *names])
    return run


def endless(log_p, D):
    while True:
        try:
            log_p += 1
            print(log_p)
        except Exception:
            pass


@untraced
def test_an_endless_loop_is_cut(capsys):
    start = time.perf_counter()
    hint = hint_for("bits_per_dimension", endless)
    assert 4.9 < time.perf_counter() - start < 7
    assert "Stopped after 5 seconds in line" in hint and "never ends" in hint
    assert len(capsys.readouterr().out) < 2100
    assert BITS(lambda log_p, D: 8 - log_p / D / np.log(2))  # and the next check is well


@pytest.fixture
def python_hears_interrupts():
    """Where a shell runs the tests in the background, the signal is ignored from the start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@untraced
def test_an_interrupt_cuts_the_answer_too(python_hears_interrupts):
    counted = []

    def counting(log_p, D):
        threading.Timer(0.3, _thread.interrupt_main).start()  # from here: a start may take long
        while True:
            counted.append(time.sleep(0.001))

    with pytest.raises(KeyboardInterrupt):
        BITS(counting)
    before = len(counted)
    time.sleep(0.1)
    assert 0 < before == len(counted)


@untraced
def test_what_cannot_be_cut_is_left_to_the_student(monkeypatch):
    monkeypatch.setattr("course_utils.exercises.TIME_LIMIT", 0.2)
    start = time.perf_counter()
    hint = hint_for("bits_per_dimension", lambda log_p, D: time.sleep(6))
    assert time.perf_counter() - start < 5
    assert "restart the kernel" in hint


GENERAL = {
    "returns nothing": lambda log_p, D: None,
    "a comma": lambda log_p, D: (8 - log_p / D / np.log(2),),
    "the sign is not": lambda log_p, D: log_p / D / np.log(2) - 8,
    "3 times the right answer": lambda log_p, D: 3 * (8 - log_p / D / np.log(2)),
    "the difference is the same": lambda log_p, D: 7 - log_p / D / np.log(2),
    "NaN or infinity": lambda log_p, D: 8 - np.log(log_p / D - log_p / D + 0.0),
    "Expected one number, got shape (2,)": lambda log_p, D: torch.ones(2),
    "Expected a number or a tensor, got str": lambda log_p, D: "8",
    "got complex numbers": lambda log_p, D: torch.ones(1) * 1j,
    "Expected numbers, got torch.bool": lambda log_p, D: torch.tensor(True),
    "Whole numbers": lambda log_p, D: int(8 - log_p / D / np.log(2)),
    "for `log_p` = 0, `D` = 784": lambda log_p, D: 9 + log_p,
    "TypeError": lambda log_p: 8,
}


@pytest.mark.parametrize("phrase", GENERAL)
def test_what_differs_is_said(phrase):
    with np.errstate(all="ignore"):
        assert phrase in hint_for("bits_per_dimension", GENERAL[phrase])


def sums(rule=lambda x: x.sum(1), tries=None):
    """An exercise on tensors of different shapes."""
    tries = tries or (lambda: [(torch.rand(n, m) + 0.5,) for n, m in [(4, 3), (2, 5), (3, 6)]])
    return Exercise(0, "it", tries, lambda x: (rule(x), {}))


RELATED = {
    "A mean where a sum belongs? Yours is divided by 3, 5, 6.": lambda x: x.mean(1),
    "A sum where a mean belongs? Yours is multiplied by 4, 2, 3.": lambda x: x.sum(1) * len(x),
    "That is the square of the right answer.": lambda x: x.sum(1).square(),
    "That is the root of the right answer.": lambda x: x.sum(1).sqrt(),
    "A logarithm is missing.": lambda x: x.sum(1).exp(),
    "That is the logarithm of the right answer.": lambda x: x.sum(1).log(),
    "Upside down: that is one over the right answer.": lambda x: 1 / x.sum(1),
    "1.443 times the right answer throughout: bits for nats?": lambda x: x.sum(1) / np.log(2),
    "for `x` of shape (2, 5); right for `x` of shape (4, 3) (2 of 3 tries)": lambda x: (
        x.sum(1) * (len(x) > 3)
    ),
}


@pytest.mark.parametrize("phrase", RELATED)
def test_how_an_answer_is_related_to_the_right_one_is_said(phrase):
    exercise = sums()
    exercise(lambda x: x.sum(1))
    with pytest.raises(CheckFailed) as failed:
        exercise(RELATED[phrase])
    assert phrase in failed.value.hint


def test_an_answer_that_ignores_its_arguments_is_told_so():
    exercise = sums(lambda x: x + 1, lambda: [(0.5,), (2.0,), (7.0,)])
    with pytest.raises(CheckFailed, match="the same whatever it is called with"):
        exercise(lambda x: 1.5)
    with pytest.raises(CheckFailed, match="for `x` = 2; right for `x` = 0.5"):
        exercise(lambda x: 1.5 + 1e-3 * (x > 1))


def test_what_an_answer_takes_from_the_notebook_is_named():
    space = {"D": 784, "torch": torch, "helper": abs, "scale": torch.ones(2)}
    exec("def f(x):\n    return [D * v * scale[0] for v in x.sum(1)][0] + helper(x)[:, 0]", space)
    with pytest.raises(CheckFailed, match="`D`, `scale` is the notebook's, not one of the"):
        sums()(space["f"])


def test_an_argument_that_is_changed_in_place_is_named():
    def kl(mu, log_var):
        mu **= 2
        return 0.5 * (mu + log_var.exp() - 1 - log_var).mean(0)

    assert "changes `mu` in place" in hint_for("kl_per_dimension", kl)


def test_a_long_message_is_cut():
    def answer(log_p, D):
        raise ValueError("tensor " * 10_000)

    assert len(hint_for("bits_per_dimension", answer)) < 500


def test_a_part_that_is_not_there_is_named():
    parts = CHECKS["linear_decoder"].parts
    assert hint_for("linear_decoder", (1.2, ..., 0.0)) == f"{parts[1]}: There is nothing here yet."


def test_shapes_are_compared_exactly_but_for_single_numbers():
    def kl(mu, log_var):
        return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).mean(0)

    CHECKS["kl_per_dimension"](kl)
    hint = hint_for("kl_per_dimension", lambda *given: kl(*given)[None])
    assert "Expected shape (20,), got shape (1, 20)" in hint and "keepdim" in hint
    BITS(lambda log_p, D: torch.tensor([[8 - log_p / D / np.log(2)]]))


def test_a_notebook_shows_a_line_of_praise_or_a_box(capsys):
    check("bits_per_dimension", lambda log_p, D: 8 - log_p / D / np.log(2))
    assert capsys.readouterr().out.startswith("Well done: 8 bits")
    with pytest.raises(KeyError, match="kl_per_dimension"):
        check("kl", None)
    top, *hint, bottom = CheckFailed("a hint " * 30)._render_traceback_()
    assert "Not yet" in top and len(hint) > 1 and all(len(line) < 90 for line in (*hint, bottom))
    assert all(line.startswith("│ ") for line in hint)


def test_a_kernel_shows_the_box_in_place_of_a_traceback():
    """What students see, and what nbval and nbgrader take for an error."""
    from nbclient import NotebookClient

    cells = [
        "from course_utils.exercises import check\n\ndef f(log_p, D):\n    return log_p.x / D",
        'check("bits_per_dimension", f)',
        'check("bits_per_dimension", lambda log_p, D: 8 - log_p / D / 0.6931471805599453)',
    ]
    nb = new_notebook(cells=[new_code_cell(source) for source in cells])
    NotebookClient(nb, allow_errors=True, timeout=120, kernel_name="python3").execute()
    (error,), (praise,) = nb.cells[1].outputs, nb.cells[2].outputs
    assert (error.output_type, error.ename) == ("error", "CheckFailed")
    shown = "\n".join(error.traceback)
    assert shown.startswith("┌─ Not yet") and "Traceback" not in shown
    assert "AttributeError in line 4, `return log_p.x / D`" in shown
    assert praise.text.startswith("Well done: 8 bits")
