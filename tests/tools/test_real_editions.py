"""The committed student editions, held against the notebooks without the code that made them.

That their stubs raise and are refused, and that solutions pass, is tested with the exercises.
"""

import re

import nbformat
import pytest

from tools.notebook_files import NOTEBOOKS
from tools.student_editions import student_files

STUDENT = NOTEBOOKS / "student"
PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]*.ipynb"))  # start_here has no exercises, so no edition
SOLUTION = re.compile(
    r"^ *### BEGIN SOLUTION.*?^ *### END SOLUTION *$", flags=re.DOTALL | re.MULTILINE
)
STUB = (
    r' *# YOUR CODE HERE.*\n(\w+ = \.\.\.\n)* *raise NotImplementedError\((".*"|\n( *".*"\n)+ *)\)'
)


def instructor(path):
    return nbformat.read(path, as_version=4)


def student(path):
    assert (STUDENT / path.name).exists(), "run `make student`"
    return nbformat.read(STUDENT / path.name, as_version=4)


@pytest.mark.slow
def test_the_committed_student_editions_are_up_to_date():
    committed = {path.name: path.read_bytes() for path in STUDENT.glob("*.ipynb")}
    wanted = student_files(NOTEBOOKS)
    assert set(committed) == set(wanted), "run `make student`"
    old = [name for name in wanted if committed[name] != wanted[name]]
    assert not old, "run `make student`"


@pytest.mark.slow
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


@pytest.mark.slow
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
