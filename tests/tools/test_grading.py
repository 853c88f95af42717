"""The real nbgrader grades three students: `make test-grading`.

Three notebooks are released, handed in, autograded and sent back with feedback: a small one made
here, and two of the course, cut down to set-up, definitions and exercises, because a full run
takes minutes for each student. Students hand in *our* student edition, filled in
or not; the gradebook comes from nbgrader's own release of the instructor's edition.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from helpers.homework import excerpt, filled_in, small

from tools.exercise_cells import exercises_of
from tools.notebook_files import content
from tools.student_editions import student_edition

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.grading,
    pytest.mark.skipif(sys.platform == "win32", reason="nbgrader's commands are tried on POSIX"),
]

# Wrong answers, each a slip somebody might make: notebook, exercise, what stands there, the slip.
SLIPS = [
    ("90_small", "ex1", "return 2 * x", "return 2 + x"),
    ("90_small", "ex3", "half, third = 1 / 2, 1 / 3", "half, third = 1 / 2, 1 / 4"),
    ("02_probabilistic_pca", "ex2", "posterior_variance = 1 / 2", "posterior_variance = 2.0"),
    ("02_probabilistic_pca", "ex4", "return 0.5 * (", "return ("),
    ("04_reparameterization", "ex1", "- scale *", "+ scale *"),
    ("04_reparameterization", "ex6", "z / rate - 1", "z / rate"),
]


def settings():
    """The configuration that LECTURERS.md recommends."""
    page = (ROOT / "LECTURERS.md").read_text(encoding="utf-8")
    (text,) = [b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "get_config" in b]
    return text


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that was released, handed in by three students, graded and sent back."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(settings())
    sources = {"90_small": small()}
    for name in ("02_probabilistic_pca", "04_reparameterization"):
        sources[name] = excerpt(ROOT / "notebooks" / f"{name}.ipynb")
    names = {f"{name}.ipynb" for name in sources}
    for name, nb in sources.items():
        student = student_edition(nb, f"{name}.ipynb", names)
        slips = {cell: (right, wrong) for n, cell, right, wrong in SLIPS if n == name}
        put(nb, folder / "source", f"{name}.ipynb")
        put(student, folder / "submitted" / "untouched", f"{name}.ipynb")
        put(filled_in(student, nb), folder / "submitted" / "solved", f"{name}.ipynb")
        put(filled_in(student, nb, slips), folder / "submitted" / "slips", f"{name}.ipynb")
    nbgrader(folder, "generate_assignment")
    nbgrader(folder, "autograde")
    nbgrader(folder, "generate_feedback")
    return folder, sources


def put(nb, folder, name):
    (folder / "homework").mkdir(parents=True, exist_ok=True)
    (folder / "homework" / name).write_bytes(content(nb))


def nbgrader(folder, command):
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # alembic
        "PYTHONPATH": str(ROOT),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "COURSE_BUDGET": "cpu",
        "HOME": str(folder),  # no settings of the person who runs the test
        "CUDA_VISIBLE_DEVICES": "",
    }
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", command, "homework"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def scores(folder, student):
    """{(notebook, check cell): points} of one student, from nbgrader's gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "vae") as gradebook:
        return {
            (notebook.name, grade.name): grade.score
            for notebook in gradebook.find_submission("homework", student).notebooks
            for grade in notebook.grades
        }


def possible(sources):
    """{(notebook, check cell): points}, as the notebooks say."""
    return {(name, e.check.id): e.points for name, nb in sources.items() for e in exercises_of(nb)}


def test_the_solved_edition_gets_full_points(course):
    folder, sources = course
    points = possible(sources)
    assert [points["90_small", f"ex{n}_check"] for n in (1, 2, 3)] == [1, 3, 2]
    assert len(points) == 14
    assert scores(folder, "solved") == points


def test_the_untouched_edition_gets_none(course):
    folder, sources = course
    assert scores(folder, "untouched") == dict.fromkeys(possible(sources), 0)


def test_wrong_answers_cost_exactly_their_points(course):
    folder, sources = course
    wrong = {(name, f"{cell}_check") for name, cell, _, _ in SLIPS}
    expected = {key: 0 if key in wrong else n for key, n in possible(sources).items()}
    assert scores(folder, "slips") == expected


def test_the_feedback_shows_points_and_hints(course):
    folder, sources = course
    for student in ("solved", "untouched", "slips"):
        pages = folder / "feedback" / student / "homework"
        assert {page.stem for page in pages.glob("*.html")} == set(sources)
    slips, solved = (
        (folder / "feedback" / student / "homework/90_small.html").read_text(encoding="utf-8")
        for student in ("slips", "solved")
    )
    hint = "Not yet: twice, not plus two"  # in the source it stands in pieces
    assert "Score: 3.0 / 6.0" in slips and hint in slips
    assert "Score: 6.0 / 6.0" in solved and hint not in solved


def test_our_student_edition_is_nbgraders_release(course):
    """Cell for cell, but for what nbgrader does not do: stubs, links, left-out cells."""
    folder, sources = course
    for name in sources:
        theirs = nbformat.read(folder / "release/homework" / f"{name}.ipynb", as_version=4)
        ours = nbformat.read(folder / "submitted/untouched/homework" / f"{name}.ipynb", 4)
        kept = [c for c in theirs.cells if "instructor" not in c.metadata.get("tags", [])]
        assert [c.id for c in ours.cells] == [c.id for c in kept]
        for mine, other in zip(ours.cells, kept, strict=True):
            solves = other.metadata.get("nbgrader", {}).get("solution")
            if solves:
                assert "# YOUR CODE HERE" in mine.source and "# YOUR CODE HERE" in other.source
                mine.metadata["nbgrader"].pop("checksum")  # of the stub's words
                other.metadata["nbgrader"].pop("checksum")
            elif mine.cell_type == "code":
                assert mine.source == other.source
            assert json.dumps(mine.metadata) == json.dumps(other.metadata)
            assert mine.get("outputs") == other.get("outputs")
