"""Notebooks as they are handed out and handed in, in seconds instead of minutes."""

import copy
import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.stand_alone import preamble
from tools.exercise_cells import exercises_of
from tools.student_editions import tag


def small():
    """A notebook in the course's form whose checks end in every way that a check may end."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    hint = """class Hint(Exception):
    def _render_traceback_(self):  # IPython asks for it: no traceback, only the hint
        return [f"Not yet: {self}"]"""
    nb = new_notebook(
        metadata={"kernelspec": kernel},
        cells=[
            new_markdown_cell("# A title\n\n![a map](figures/map.svg)", id="title"),
            new_code_cell(hint, id="setup"),
            new_code_cell("1 / 0", id="secret", metadata={"tags": ["instructor"]}),
            new_markdown_cell("## Exercises\n\n**1 · Twice.** Fill in one line.", id="ex1_text"),
            new_code_cell(solution("    ", "def double(x):", "return 2 * x"), id="ex1"),
            new_code_cell(
                "if double(7) != 14:\n    raise Hint('twice, not plus two')\nprint('Well done')",
                id="ex1_check",
            ),
            new_markdown_cell("**2 · Three times (3 points).** Nothing more.", id="ex2_text"),
            new_code_cell(solution("    ", "def triple(x):", "return 3 * x"), id="ex2"),
            new_code_cell("assert triple(7) == 21\ntriple", id="ex2_check"),
            new_markdown_cell("**3 · Parts.** Two numbers.", id="ex3_text"),
            new_code_cell(solution("", "", "half, third = 1 / 2, 1 / 3"), id="ex3"),
            new_code_cell("assert abs(half + third - 5 / 6) < 1e-9", id="ex3_check"),
        ],
    )
    tag(nb)
    return nb


def solution(indent, head, line):
    marked = [f"{indent}### BEGIN SOLUTION", f"{indent}{line}", f"{indent}### END SOLUTION"]
    return "\n".join([head, *marked]).lstrip("\n")


def excerpt(path):
    """A notebook of the course without what its exercises can do without."""
    nb = nbformat.read(path, as_version=4)
    exercises = exercises_of(nb, path.name)
    graded = [cell for e in exercises for cell in (e.cell, e.check)]
    source, state = preamble(nb, *graded)
    assert not state, f"{path.name}: a check needs what was computed on the page: {sorted(state)}"
    first, last = nb.cells.index(graded[0]), nb.cells.index(graded[-1])
    nb.cells = [new_code_cell(source, id="setup"), *nb.cells[first - 1 : last + 1]]
    return nb


def filled_in(student, instructor, slips=()):
    """A student edition with its solutions, but for the slips {cell id: (right, wrong)}."""
    nb, slips = copy.deepcopy(student), dict(slips)
    answers = {e.cell.id: e.cell.source for e in exercises_of(instructor)}
    for cell in nb.cells:
        if cell.id in answers:
            cell.source = re.sub(r" *### (BEGIN|END) SOLUTION.*\n?", "", answers[cell.id])
        if cell.id in slips:
            right, wrong = slips.pop(cell.id)
            assert cell.source.count(right) == 1, f"{cell.id} has changed: {right!r}"
            cell.source = cell.source.replace(right, wrong)
    assert not slips
    return nb
