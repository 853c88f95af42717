"""The exercises as they stand in the notebooks, each brought to life without the rest of it."""

import ast
import contextlib
import functools
import warnings
from dataclasses import dataclass

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from helpers.shown import NOTEBOOKS
from helpers.stand_alone import preamble

from course_utils.exercises import CHECKS, CheckFailed
from tools.exercise_cells import ExerciseCells, exercises_of

by_name = pytest.mark.parametrize(
    "name", [pytest.param(name, id=f"{e.notebook}-{name}") for name, e in CHECKS.items()]
)


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


def run(source, space):
    """Run a cell; returns the value of its last expression, if it ends in one."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last else None


@dataclass(frozen=True)
class CheckCall:
    """A call of `check` in a notebook: which exercise, and what is handed over for it."""

    file: str
    notebook: nbformat.NotebookNode
    cells: ExerciseCells
    name: str
    answer: str

    @functools.cached_property
    def definitions(self):
        """What the notebook has defined before the exercise, and the default type there."""
        source, state = preamble(self.notebook, self.cells.cell, self.cells.check)
        assert not state, f"needs what was computed on the page: {sorted(state)}"
        with as_it_was(), plt.rc_context():
            space = {"__name__": "__main__"}
            exec(source, space)
            return space, torch.get_default_dtype()

    @property
    def dtype(self):
        return self.definitions[1]

    @property
    def source(self):
        return self.cells.cell.source

    @property
    def stub(self):
        """What students find in the exercise cell."""
        edition = nbformat.read(NOTEBOOKS / "student" / self.file, as_version=4)
        return next(cell.source for cell in edition.cells if cell.id == self.cells.cell.id)

    def names(self):
        """The names that the exercise cell finds, for one run of it."""
        return dict(self.definitions[0])

    def build(self, source):
        """The answer that an exercise cell with this source makes."""
        space = self.names()
        exec(compile(source, "<cell>", "exec"), space)
        return eval(self.answer, space)


@functools.cache
def check_calls():
    """Every call of `check` in the notebooks."""
    calls = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        for exercise in exercises_of(nb, path.name):
            for node in ast.walk(ast.parse(exercise.check.source)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
                    name, answer = node.args
                    words = ast.unparse(answer)
                    calls.append(CheckCall(path.name, nb, exercise, name.value, words))
    return calls


def on_the_page(name):
    """The one call of an exercise's check."""
    (call,) = [call for call in check_calls() if call.name == name]
    return call


def hint_for(name, answer):
    """The hint that a wrong answer to an exercise gets."""
    with pytest.raises(CheckFailed) as failed:
        CHECKS[name](answer)
    assert str(failed.value) == failed.value.hint
    return failed.value.hint
