"""Student editions: what the release makes of a notebook, what it refuses, and the real ones."""

import ast
import contextlib
import copy
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from helpers.stand_alone import bound_names, free_names, preamble
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.exercises import CheckFailed
from tools import release
from tools.release import ReleaseError, exercises_of, student_edition, tag

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
STUDENT = NOTEBOOKS / "student"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))

# --- a small notebook in the course's form -------------------------------------------------------

FIGURE = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 800x400 with 1 Axes>"}
DOUBLE = """def double(x):
    \"\"\"Twice x, of the same shape.\"\"\"
    ### BEGIN SOLUTION
    y = x + x  # not a word of this
    return y
    ### END SOLUTION"""
NUMBERS = """### BEGIN SOLUTION
helper = 2.0
half, third = 1 / helper, 1 / 3
### END SOLUTION"""
LINKS = """See ![a map](figures/map.svg "Map"), [the next](01_next.ipynb#part),
[data](../data/README.md), [here](#exercises), [a paper](https://example.org/x.pdf),
<img src="figures/map.svg" alt="a map">
and `[code](figures/map.svg)`; $f[x](y)$.

[label]: figures/map.svg"""


def markdown(name, source):
    return new_markdown_cell(source, id=name)


def code(name, source, *outputs, tags=(), count=1):
    metadata = {"tags": list(tags)} if tags else {}
    cell = new_code_cell(source, id=name, metadata=metadata, outputs=list(outputs))
    cell.execution_count = count
    return cell


def good():
    """A notebook without a fault, nbgrader's metadata included."""
    nb = new_notebook(
        cells=[
            markdown("title", "# A title"),
            code("setup", "import math"),
            markdown("links", LINKS),
            code("for_lecturers", "print('how to teach this')", tags=["instructor"]),
            code("answer", "print('shown in class')", tags=["solution"]),
            code("plot", "plot()", new_output("display_data", FIGURE), tags=["hide-input"]),
            markdown("exercises", "## Exercises\n\n**1 · Twice.** Fill in one line."),
            code("ex1", DOUBLE, new_output("stream", text="14\n"), count=7),
            code("ex1_check", "assert double(7) == 14"),
            markdown("ex2_text", "**2 · Parts (3 points).** Set two numbers."),
            code("ex2", NUMBERS),
            code("ex2_check", "assert abs(half + third - 5 / 6) < 1e-9"),
            code(
                "expected",
                "print(1)\nplot(double)",
                new_output("stream", text="1\n"),
                new_output("execute_result", FIGURE, execution_count=9),
                tags=["expected-result"],
                count=9,
            ),
        ]
    )
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    tag(nb)
    return nb


EDITIONS = {"00_small.ipynb", "01_next.ipynb"}


def edition(nb, name="00_small.ipynb"):
    return student_edition(nb, name, EDITIONS)


def cell(nb, name):
    (found,) = [cell for cell in nb.cells if cell.id == name]
    return found


# --- what the student edition holds --------------------------------------------------------------


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


def test_a_notebook_without_exercises_has_a_student_edition():
    nb = good()
    nb.cells = nb.cells[:3]
    assert [c.id for c in edition(nb).cells] == ["title", "setup", "links"]


def test_what_students_do_not_get():
    nb, student = good(), edition(good())
    gone = {"for_lecturers", "answer"}
    assert [c.id for c in student.cells] == [c.id for c in nb.cells if c.id not in gone]
    text = nbformat.writes(student)
    for secret in ("not a word", "x + x", "helper", "SOLUTION", "in class", "teach", "widget"):
        assert secret not in text, secret
    assert nb == good()  # the instructor's notebook is left as it was


def test_outputs_go_but_for_the_figures_of_expected_results():
    student = edition(good())
    codes = [c for c in student.cells if c.cell_type == "code"]
    assert all(c.execution_count is None for c in codes)
    assert {c.id for c in codes if c.outputs} == {"expected"}
    (shown,) = cell(student, "expected").outputs
    assert shown.data == FIGURE
    assert shown.execution_count is None


def test_an_enlarged_figure_in_html_is_a_figure():
    pictures = ["<img src='data:image/png;base64,AA=='>", "<svg width='9'></svg>"]
    texts = ["<table></table>", "an image of words"]
    outputs = [new_output("display_data", {"text/html": h}) for h in pictures + texts]
    assert [output.data["text/html"] for output in release.figures(outputs)] == pictures


def test_links_lead_from_one_folder_further_down():
    assert cell(edition(good()), "links").source == (
        LINKS.replace("(figures/map.svg ", "(../figures/map.svg ")
        .replace('src="figures', 'src="../figures')
        .replace("]: figures", "]: ../figures")
        .replace("../data", "../../data")
    )


def test_check_cells_are_locked_and_exercise_cells_are_not():
    student = edition(good())
    for name, editable in [("ex1", True), ("ex1_check", False)]:
        metadata = cell(student, name).metadata
        assert metadata.get("deletable") is False
        assert metadata.get("editable", True) is editable
        assert re.fullmatch("[0-9a-f]{32}", metadata["nbgrader"]["checksum"])
    assert not cell(student, "setup").metadata


def test_the_same_notebook_gives_the_same_bytes():
    assert release.content(edition(good())) == release.content(edition(good()))


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


# --- nbgrader's metadata -------------------------------------------------------------------------


def test_tagging_is_idempotent_and_valid_for_nbgrader():
    from nbgrader.nbgraderformat import MetadataValidator

    nb = good()
    for c in nb.cells:
        c.metadata.pop("nbgrader", None)
    assert tag(nb) == 4
    once = copy.deepcopy(nb)
    assert tag(nb) == 0
    assert nb == once
    MetadataValidator().validate_nb(nb)
    solution, check = (cell(nb, n).metadata["nbgrader"] for n in ("ex1", "ex1_check"))
    assert solution == {
        "schema_version": 3,
        "grade_id": "ex1",
        "solution": True,
        "grade": False,
        "locked": False,
        "task": False,
    }
    assert check == solution | {
        "grade_id": "ex1_check",
        "solution": False,
        "grade": True,
        "locked": True,
        "points": 1,
    }


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


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    untagged = good()
    for c in untagged.cells:
        c.metadata.pop("nbgrader", None)
    for name in EDITIONS:
        (tmp_path / name).write_bytes(release.content(untagged))
    return tmp_path


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.ipynb")}


def test_the_two_commands(folder, capsys):
    arguments = ["--notebooks", str(folder)]
    assert release.main(["student", *arguments]) == 1  # not tagged yet
    assert "run `make student`" in capsys.readouterr().err

    assert release.main(["tag", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: nbgrader's metadata set on 4 cells" for name in sorted(EDITIONS)
    ]
    (folder / "student").mkdir()
    (folder / "student" / "07_renamed.ipynb").touch()
    assert release.main(["student", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "student/07_renamed.ipynb: deleted, there is no such notebook any more",
        "student/00_small.ipynb: 2 exercises, 4 points",
        "student/01_next.ipynb: 2 exercises, 4 points",
    ]
    once = files(folder)
    assert set(once) == EDITIONS | {f"student/{name}" for name in EDITIONS}
    assert once["student/00_small.ipynb"] == release.content(edition(good()))

    assert release.main(["tag", *arguments]) == 0  # nothing left to do
    assert capsys.readouterr().out == ""
    assert release.main(["student", *arguments]) == 0
    assert files(folder) == once
    assert not [p for p in folder.rglob("*") if p.suffix == ".tmp"]


@pytest.mark.parametrize("command", ["tag", "student"])
def test_one_fault_and_nothing_is_written(command, folder, capsys):
    release.main(["tag", "--notebooks", str(folder)])
    for number, name in enumerate(sorted(EDITIONS)):
        nb = nbformat.read(folder / name, as_version=4)
        if number:
            cell(nb, "ex2").source += "\n### END SOLUTION"
        else:
            del cell(nb, "ex1").metadata["nbgrader"]  # so that `tag` would have something to do
        (folder / name).write_bytes(release.content(nb))
    before = files(folder)
    capsys.readouterr()
    assert release.main([command, "--notebooks", str(folder)]) == 1
    assert "01_next.ipynb, cell 'ex2'" in capsys.readouterr().err
    assert files(folder) == before


def test_a_folder_without_notebooks_is_an_error(tmp_path, capsys):
    assert release.main(["student", "--notebooks", str(tmp_path)]) == 1
    assert "no notebooks" in capsys.readouterr().err


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


# --- the real notebooks --------------------------------------------------------------------------

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
    wanted = release.student_files(NOTEBOOKS)
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


@pytest.mark.parametrize(("path", "name"), list(exercise_ids()))
def test_the_solution_passes_its_check(path, name, capsys):
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
