"""The committed student editions, held against the notebooks without the code that made them."""

import ast
import contextlib
import json
import re

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from helpers.small_notebook import cell
from helpers.stand_alone import preamble

from course_utils.exercises import CheckFailed
from tools.notebook_files import NOTEBOOKS
from tools.student_editions import student_files

STUDENT = NOTEBOOKS / "student"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTION = re.compile(
    r"^ *### BEGIN SOLUTION.*?^ *### END SOLUTION *$", flags=re.DOTALL | re.MULTILINE
)
STUB = (
    r' *# YOUR CODE HERE.*\n(\w+ = \.\.\.\n)* *raise NotImplementedError\((".*"|\n( *".*"\n)+ *)\)'
)


def exercise_ids():
    """(path, cell id) of every exercise, found without the code under test."""
    for path in PATHS:
        for c in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if c["cell_type"] == "code" and "BEGIN SOLUTION" in "".join(c["source"]):
                yield pytest.param(path, c["id"], id=f"{path.stem[:2]}-{c['id']}")


def instructor(path):
    return nbformat.read(path, as_version=4)


def student(path):
    assert (STUDENT / path.name).exists(), "run `make student`"
    return nbformat.read(STUDENT / path.name, as_version=4)


def test_the_committed_student_editions_are_up_to_date():
    committed = {path.name: path.read_bytes() for path in STUDENT.glob("*.ipynb")}
    wanted = student_files(NOTEBOOKS)
    assert set(committed) == set(wanted), "run `make student`"
    old = [name for name in wanted if committed[name] != wanted[name]]
    assert not old, "run `make student`"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_student_edition_is_the_same_but_for_the_solutions(path):
    """Held against the instructor's edition line by line, without the code that made it."""
    given, original = student(path), instructor(path)
    hidden = {"instructor", "solution"}
    kept = [c for c in original.cells if not hidden & set(c.metadata.get("tags", []))]
    assert [(c.id, c.cell_type) for c in given.cells] == [(c.id, c.cell_type) for c in kept]
    for mine, theirs in zip(given.cells, kept, strict=True):
        assert mine.metadata.get("tags") == theirs.metadata.get("tags")
        source, pieces = mine.source, SOLUTION.split(theirs.source)
        if mine.cell_type == "markdown":  # links may differ, and are tested below
            source = re.sub(r"(?<=[(\"'])\.\./", "", source)
            pieces = [re.sub(r"(?<=[(\"'])\.\./", "", piece) for piece in pieces]
        assert re.fullmatch(STUB.join(map(re.escape, pieces)), source), mine.id


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_of_the_student_edition_lead_to_the_same_files(path):
    def targets(nb, folder):
        for c in nb.cells:
            if c.cell_type == "markdown":
                for found in re.finditer(r"\]\(([^)#\s]+)|src=[\"']([^\"']+)", c.source):
                    to = found[1] or found[2]
                    if not re.match(r"[a-z]+:", to):
                        yield (folder / to).resolve()

    ours, theirs = (
        list(targets(instructor(path), NOTEBOOKS)),
        list(targets(student(path), STUDENT)),
    )
    assert all(target.exists() for target in ours + theirs)
    names = {p.name for p in PATHS}
    moved = [STUDENT / t.name if t.parent == NOTEBOOKS and t.name in names else t for t in ours]
    assert theirs == moved


@contextlib.contextmanager
def as_it_was():
    """Undo what a set-up cell changes for the whole process."""
    dtype = torch.get_default_dtype()
    with plt.rc_context(), torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            plt.close("all")


def run(source, space):
    """Run a cell; returns the value of its last expression, if it ends in one."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last else None


def at_the_exercise(path, name):
    """The names that an exercise finds, its cell in both editions, and its check."""
    nb = instructor(path)
    exercise, check = cell(nb, name), cell(nb, f"{name}_check")
    source, state = preamble(nb, exercise, check)
    assert not state, f"needs what was computed on the page: {sorted(state)}"
    space = {"__name__": "__main__"}
    exec(source, space)
    return space, exercise.source, cell(student(path), name).source, check.source


def first_exercises():
    """One exercise of each notebook; that all solutions are right is tested with the checks."""
    first = {}
    for param in exercise_ids():
        first.setdefault(param.values[0], param)
    return list(first.values())


@pytest.mark.parametrize(("path", "name"), first_exercises())
def test_nbgrader_gives_a_solution_full_points(path, name, capsys):
    with as_it_was():
        space, solution, _, check = at_the_exercise(path, name)
        run(solution, space)
        capsys.readouterr()
        value = run(check, space)
        assert capsys.readouterr().err == "", "nbgrader takes text on stderr for a failure"
        with pytest.raises((ValueError, TypeError)):
            float(repr(value))  # nbgrader would take a number for partial credit


@pytest.mark.parametrize(("path", "name"), list(exercise_ids()))
def test_the_untouched_stub_raises_and_is_rejected(path, name):
    with as_it_was():
        space, _, stub, check = at_the_exercise(path, name)
        functions = [n.name for n in ast.parse(stub).body if isinstance(n, ast.FunctionDef)]
        if functions:
            with contextlib.suppress(NotImplementedError):  # a second stub, at the top
                run(stub, space)
            for function in functions:
                arguments = space[function].__code__.co_argcount
                with pytest.raises(NotImplementedError, match=r"^Exercise \d+: "):
                    space[function](*[torch.eye(2) + 0.5] * arguments)
        else:
            with pytest.raises(NotImplementedError, match=r"^Exercise \d+: "):
                run(stub, space)
        with pytest.raises(CheckFailed, match="[Nn]othing( is written)? here yet"):
            run(check, space)
