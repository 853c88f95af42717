"""Solutions and right answers are accepted, stubs are recognised, and nothing is disturbed."""

import ast
import json
import random
import sys
import warnings

import numpy as np
import pytest
import torch
from answers import RIGHT
from helpers.shown import NOTEBOOKS
from on_the_page import as_it_was, by_name, check_calls, hint_for, on_the_page, run

from course_utils.exercises import CHECKS, CheckFailed

pytestmark = pytest.mark.slow  # a dozen right answers to each exercise

CALLS_OF_A_CHECK = 100_000  # of functions, Python's and C's: a fraction of the time limit


def test_every_check_is_called_once_and_every_call_has_a_check():
    assert sorted(call.name for call in check_calls()) == sorted(CHECKS)
    for call in check_calls():
        title = call.notebook.cells[0].source.split("\n")[0]
        number = CHECKS[call.name].notebook
        assert number in title, f"{call.name} stands in {title!r}"
        statements = [type(n) for n in ast.parse(call.cells.check.source).body]
        assert statements == [ast.ImportFrom, ast.Expr], call.cells.check.source


def test_every_exercise_has_a_check():
    """Exercises are found here without the code that finds them elsewhere."""
    exercises = [
        (path.name, cell["id"])
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and "BEGIN SOLUTION" in "".join(cell["source"])
    ]
    assert exercises == [(call.file, call.cells.cell.id) for call in check_calls()]
    assert len(exercises) == len(CHECKS)


@by_name
def test_the_solution_passes_its_check(name, capsys):
    call = on_the_page(name)
    with as_it_was(call.dtype):
        space = call.names()
        run(call.source, space)
        capsys.readouterr()
        value = run(call.cells.check.source, space)
    printed = capsys.readouterr()
    assert printed.out.startswith("Well done: ") and len(printed.out) > 20
    assert printed.err == "", "nbgrader takes text on stderr for a failure"
    with pytest.raises((ValueError, TypeError)):
        float(repr(value))  # nbgrader would take a number for partial credit


@by_name
def test_a_check_is_quick(name):
    """Counted, not timed: how many functions it calls does not depend on the machine."""
    call, calls = on_the_page(name), 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    with as_it_was(call.dtype):
        answer = call.build(call.source)
        CHECKS[name](answer)  # what is imported on the way is imported once
        sys.setprofile(count)
        try:
            CHECKS[name](answer)
        finally:
            sys.setprofile(None)
    assert 0 < calls < CALLS_OF_A_CHECK


@by_name
def test_right_answers_in_other_words_are_right(name):
    """In both precisions, whatever the notebook works in."""
    assert len(RIGHT[name]) >= 3
    for dtype in (torch.float32, torch.float64):
        with as_it_was(dtype):
            for answer in RIGHT[name]:
                CHECKS[name](answer)


@by_name
def test_the_untouched_stub_raises_and_is_told_so(name):
    """In the edition that students get; what is set by hand has dots in it."""
    call, message = on_the_page(name), r"^Exercise \d+: "
    functions = [n.name for n in ast.parse(call.stub).body if isinstance(n, ast.FunctionDef)]
    with as_it_was(call.dtype):
        space = call.names()
        if not functions or "= ..." in call.stub:
            with pytest.raises(NotImplementedError, match=message):
                run(call.stub, space)
        else:
            run(call.stub, space)
        for function in functions:
            arguments = space[function].__code__.co_argcount
            with pytest.raises(NotImplementedError, match=message) as raised:
                space[function](*[torch.eye(2) + 0.5] * arguments)
            hint = hint_for(name, space[function])
            assert hint.startswith("Nothing is written here yet")
            assert hint.endswith(str(raised.value))
        with pytest.raises(CheckFailed, match="[Nn]othing( is written)? here yet"):
            run(call.cells.check.source, space)


@by_name
def test_a_check_leaves_everything_as_it_was(name, capsys):
    """Random streams, default type, gradients, what was printed, warnings."""
    call = on_the_page(name)
    with as_it_was(call.dtype), torch.no_grad():
        answer = call.build(call.source)

        def noisy(*inputs):
            print("in between")
            warnings.warn("once more", stacklevel=1)
            random.random(), np.random.rand(), torch.rand(1)
            torch.set_grad_enabled(True)
            return answer(*inputs)

        for seeded in (random.seed, np.random.seed, torch.manual_seed):
            seeded(7)
        CHECKS[name](noisy if callable(answer) else answer)
        assert not torch.is_grad_enabled()
        after = random.random(), np.random.rand(), torch.rand(3).tolist()
        for seeded in (random.seed, np.random.seed, torch.manual_seed):
            seeded(7)
        assert after == (random.random(), np.random.rand(), torch.rand(3).tolist())
    printed = capsys.readouterr()
    assert printed.err == ""
    assert ("in between" in printed.out) == callable(answer)
