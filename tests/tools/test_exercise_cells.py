"""Exercises in cells: the stubs, what is refused, the points, and what a cell needs to run."""

import ast
import copy
import re

import pytest
from helpers.small_notebook import DOUBLE, NUMBERS, cell, code, edition, good
from helpers.stand_alone import bound_names, free_names, preamble
from nbformat.v4 import new_notebook

from tools.exercise_cells import ReleaseError, exercises_of

# --- stubs ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_solution_becomes_a_stub_that_says_what_to_write():
    student = edition(good())
    assert cell(student, "ex1").source == (
        "def double(x):\n"
        '    """Twice x, of the same shape."""\n'
        "    # YOUR CODE HERE, in place of the error\n"
        '    raise NotImplementedError("Exercise 1: write double(x): Twice x, of the same shape.")'
    )
    assert cell(student, "ex2").source == (  # `helper` is nothing that the check reads
        "# YOUR CODE HERE, in place of the dots and the error\n"
        "half = ...\n"
        "third = ...\n"
        'raise NotImplementedError("Exercise 2: set half and third.")'
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "def f(a, *, b=2):\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION",
            "f(a, *, b=2)",
        ),
        (
            "class A(B):\n    def __init__(self):\n        self.a = 1\n\n    def f(self, x):\n"
            "        ### BEGIN SOLUTION\n        return x\n        ### END SOLUTION",
            "write A.f(self, x).",
        ),
        ("class A:\n    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION", "write A."),
        ("### BEGIN SOLUTION\ndef f(x):\n    return x\n### END SOLUTION", "set f."),
        (
            "### BEGIN SOLUTION: return two numbers.\nx = 1\n### END SOLUTION",
            ": return two numbers.",
        ),
        (
            f"def f(x):\n    ### BEGIN SOLUTION: {'say it at length, ' * 9}please\n    return x\n"
            "    ### END SOLUTION",
            "length, please.",
        ),
    ],
    ids=["signature", "method", "class", "whole function", "hint", "long hint"],
)
def test_the_message_fits_where_the_solution_stands(source, message):
    nb = good()
    cell(nb, "ex1").source = source
    stub = cell(edition(nb), "ex1").source
    (call,) = [
        node.exc
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.Raise) and node.exc.func.id == "NotImplementedError"
    ]
    text = ast.literal_eval(call.args[0])
    assert text.startswith("Exercise 1: ")
    assert text.endswith(message) or message in text
    assert max(map(len, stub.splitlines())) <= 99


def test_each_solution_of_a_cell_gets_its_own_stub():
    nb = good()
    cell(nb, "ex1").source = f"{DOUBLE}\n\n\n{NUMBERS}"
    cell(nb, "ex1_check").source = "assert double(half) == 1"
    first, second = re.findall(r'"Exercise 1: (.*)"', cell(edition(nb), "ex1").source)
    assert first.startswith("write double(x)")
    assert second == "set half."


def test_two_solutions_at_the_top_of_a_cell():
    nb = good()
    cell(nb, "ex2").source = NUMBERS.replace("half, third", "half") + "\nx = 1\n" + NUMBERS
    with pytest.raises(ReleaseError, match="nobody would reach: 'x = 1'"):
        edition(nb)
    cell(nb, "ex2").source = cell(nb, "ex2").source.replace("\nx = 1", "")
    assert cell(edition(nb), "ex2").source.count("raise NotImplementedError") == 2


# --- what is refused -----------------------------------------------------------------------------

FAULTS = []  # (name, change of a good notebook, cell that is named, words of the complaint)


def faulty(name, cell_id, complaint):
    def remember(change):
        FAULTS.append((name, change, cell_id, complaint))
        return change

    return remember


for name, source, complaint in [
    ("no end", DOUBLE.replace("    ### END SOLUTION", ""), "BEGIN SOLUTION without END"),
    ("no begin", DOUBLE.replace("    ### BEGIN SOLUTION", ""), "END SOLUTION without BEGIN"),
    ("nested", DOUBLE.replace("    y =", "    ### BEGIN SOLUTION\n    y ="), "within a solution"),
    ("other case", DOUBLE.replace("### BEGIN", "### Begin"), "misspelt marker"),
    ("fewer signs", DOUBLE.replace("### END", "# END"), "misspelt marker"),
    ("underscore", DOUBLE.replace("END SOL", "END_SOL"), "misspelt marker"),
    ("behind code", DOUBLE.replace("return y", "return y  ### END SOLUTION"), "misspelt marker"),
    ("empty", "### BEGIN SOLUTION\n# think\n### END SOLUTION", "empty solution"),
    ("line behind", DOUBLE + "\n    return y", "nobody would reach: 'return y'"),
    ("line behind the top", NUMBERS + "\nhalf = 0.5", "nobody would reach: 'half = 0.5'"),
    ("no Python", "def f(:\n### BEGIN SOLUTION\nx\n### END SOLUTION", "not Python"),
]:
    faulty(name, "ex1", complaint)(lambda nb, s=source: cell(nb, "ex1").update(source=s))


@faulty("solution in markdown", "ex2_text", "a solution in a markdown cell")
def _(nb):
    cell(nb, "ex2_text").source += "\n\n### BEGIN SOLUTION\nBy symmetry.\n### END SOLUTION"


@faulty("exercise that would vanish", "ex1", "students do not get")
def _(nb):
    cell(nb, "ex1").metadata["tags"] = ["instructor"]


@faulty("no check", "ex2", "not its check, 'ex2_check'")
def _(nb):
    nb.cells.remove(cell(nb, "ex2_check"))


@faulty("check of another", "ex1", "not its check, 'ex1_check'")
def _(nb):
    cell(nb, "ex1_check").id = "ex9_check"


@faulty("no heading", "ex2", "no heading")
def _(nb):
    cell(nb, "ex2_text").source = "Set two numbers."


@faulty("solution in the check", "ex1_check", "a line of the solution of 'ex1'")
def _(nb):
    cell(nb, "ex1_check").source += "\ndef right(x):\n    y = x + x\n    assert y == double(x)"
    cell(nb, "ex1").source = DOUBLE.replace("x + x", "2 * x.clone() ")
    cell(nb, "ex1_check").source = "assert double(7) == 14\ny = 2 * x.clone()"


@faulty("solution before its marker", "ex1", "a line of the solution of 'ex1'")
def _(nb):
    line = "    y = sum([x, x])\n"
    twice = DOUBLE.replace("    ### BEGIN", line + "    ### BEGIN")
    cell(nb, "ex1").source = twice.replace("    y = x + x  # not a word of this\n", line)


@faulty("a copy of JupyterLab's", "a1b2", "cell 13 is a copy of 'ex1', cell 7")
def _(nb):
    nb.cells += copy.deepcopy([cell(nb, "ex1"), cell(nb, "ex1_check")])
    nb.cells[-2].id, nb.cells[-1].id = "a1b2", "c3d4"


@faulty("no metadata", "ex1", "run `make student`")
def _(nb):
    del cell(nb, "ex1").metadata["nbgrader"]


@faulty("metadata of old", "ex2_check", "run `make student`")
def _(nb):
    cell(nb, "ex2_text").source = "**2 · Parts (5 points).** Set two numbers."


@faulty("metadata of another", "plot", "no exercise and no check")
def _(nb):
    cell(nb, "plot").metadata["nbgrader"] = dict(cell(nb, "ex1").metadata["nbgrader"])


@pytest.mark.parametrize(
    ("change", "cell_id", "complaint"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
def test_a_fault_is_refused_by_notebook_and_cell(change, cell_id, complaint):
    nb = good()
    change(nb)
    with pytest.raises(ReleaseError) as caught:
        edition(nb)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("00_small.ipynb, cell ") for line in lines)
    assert any(f"cell '{cell_id}'" in line and complaint in line for line in lines), lines


def test_every_fault_of_a_notebook_is_named_at_once():
    nb = good()
    for name in ("ex1", "ex2"):
        cell(nb, name).source += "\n### END SOLUTION"
    with pytest.raises(ReleaseError) as caught:
        edition(nb)
    assert len(str(caught.value).splitlines()) == 2


# --- points --------------------------------------------------------------------------------------


def test_points():
    nb = good()
    assert [e.points for e in exercises_of(nb)] == [1, 3]  # "Fill in"; the heading says 3
    cell(nb, "ex2_text").source = "**2 · Parts.** Set two numbers."
    assert [e.points for e in exercises_of(nb)] == [1, 3]  # what the metadata say stays
    del cell(nb, "ex2_check").metadata["nbgrader"]
    assert [e.points for e in exercises_of(nb)] == [1, 2]
    cell(nb, "ex1_check").metadata["nbgrader"]["points"] = 0  # a lecturer's choice, too
    assert [e.points for e in exercises_of(nb)] == [0, 2]
    cell(nb, "exercises").source = "**1 · Twice (1 point).** Fill in one line."
    assert [e.points for e in exercises_of(nb)] == [1, 2]


# --- exercises that stand alone ------------------------------------------------------------------


def test_free_names_are_those_of_the_whole_cell():
    source = (
        "import math\ndef f(x, n=N):\n    y = a * x\n    return [g(i) + y for i in range(n)]\nf(b)"
    )
    assert free_names(source) == {"N", "a", "g", "b"}
    assert bound_names(source) == {"math", "f"}


def test_the_preamble_is_definitions_and_the_rest_is_state():
    nb = new_notebook(
        cells=[
            code("setup", "import math\nimport torch"),
            code(
                "a", "D = 784\nfrom itertools import pairwise\ntorch.set_default_dtype(torch.half)"
            ),
            code("b", "def g(x):\n    return x * D\n\ndef unused():\n    return slow"),
            code("c", "%pip install x\nslow = train()\ndef g(x):\n    return D + helper(x)"),
            code("d", "def helper(x):\n    return math.sqrt(x)\n\npairwise([slow])"),
            code("ex1", "def f(x):\n    return g(x)"),
            code("ex1_check", "assert f(slow) == f(4) == 786"),
            code("later", "slow = 1"),
        ]
    )
    source, state = preamble(nb, cell(nb, "ex1"), cell(nb, "ex1_check"))
    assert state == {"slow"}
    assert source == (
        "import math\nimport torch\n\nD = 784\n\ntorch.set_default_dtype(torch.half)\n\n"
        "def g(x):\n    return D + helper(x)\n\ndef helper(x):\n    return math.sqrt(x)"
    )
    assert preamble(nb, cell(nb, "ex1"))[1] == set()
