"""Student editions: what they hold of a notebook, nbgrader's metadata, and the two commands."""

import copy
import re

import nbformat
import pytest
from helpers.small_notebook import EDITIONS, FIGURE, LINKS, cell, edition, good
from nbformat.v4 import new_output

from tools.notebook_files import content
from tools.student_editions import figures, main, tag

# --- what the student edition holds --------------------------------------------------------------


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
    assert [output.data["text/html"] for output in figures(outputs)] == pictures


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
    assert content(edition(good())) == content(edition(good()))


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


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    untagged = good()
    for c in untagged.cells:
        c.metadata.pop("nbgrader", None)
    for name in EDITIONS:
        (tmp_path / name).write_bytes(content(untagged))
    return tmp_path


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.ipynb")}


def test_the_two_commands(folder, capsys):
    arguments = ["--notebooks", str(folder)]
    assert main(["student", *arguments]) == 1  # not tagged yet
    assert "run `make student`" in capsys.readouterr().err

    assert main(["tag", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: nbgrader's metadata set on 4 cells" for name in sorted(EDITIONS)
    ]
    (folder / "student").mkdir()
    (folder / "student" / "07_renamed.ipynb").touch()
    assert main(["student", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "student/07_renamed.ipynb: deleted, there is no such notebook any more",
        "student/00_small.ipynb: 2 exercises, 4 points",
        "student/01_next.ipynb: 2 exercises, 4 points",
    ]
    once = files(folder)
    assert set(once) == EDITIONS | {f"student/{name}" for name in EDITIONS}
    assert once["student/00_small.ipynb"] == content(edition(good()))

    assert main(["tag", *arguments]) == 0  # nothing left to do
    assert capsys.readouterr().out == ""
    assert main(["student", *arguments]) == 0
    assert files(folder) == once
    left = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert left == set(once)  # nothing that was written aside


@pytest.mark.parametrize("command", ["tag", "student"])
def test_one_fault_and_nothing_is_written(command, folder, capsys):
    main(["tag", "--notebooks", str(folder)])
    for number, name in enumerate(sorted(EDITIONS)):
        nb = nbformat.read(folder / name, as_version=4)
        if number:
            cell(nb, "ex2").source += "\n### END SOLUTION"
        else:
            del cell(nb, "ex1").metadata["nbgrader"]  # so that `tag` would have something to do
        (folder / name).write_bytes(content(nb))
    before = files(folder)
    capsys.readouterr()
    assert main([command, "--notebooks", str(folder)]) == 1
    assert "01_next.ipynb, cell 'ex2'" in capsys.readouterr().err
    assert files(folder) == before


def test_a_folder_without_notebooks_is_an_error(tmp_path, capsys):
    assert main(["student", "--notebooks", str(tmp_path)]) == 1
    assert "no notebooks" in capsys.readouterr().err
