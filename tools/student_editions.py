"""Student editions of the notebooks, a thin layer over nbgrader's preprocessors: `make student`.

    python -m tools.student_editions tag        # nbgrader's metadata on exercise and check cells
    python -m tools.student_editions student    # write notebooks/student/

How exercises are marked in a notebook stands in `exercise_cells`. nbgrader comes with the extra
`[grading]`; it is imported late, because executing and reading notebooks goes without it.
"""

import argparse
import copy
import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.files import write_whole
from tools.exercise_cells import (
    REMOVED,
    Complaint,
    ExerciseCells,
    ReleaseError,
    complain,
    exercises_of,
    solution_regions,
    stub,
)
from tools.notebook_files import NOTEBOOKS, NotNotebook, content, read_notebook

STUDENT = "student"  # the folder beside the notebooks
EXPECTED = "expected-result"  # tag of cells whose figures students do get


# --- nbgrader's metadata -------------------------------------------------------------------------


def grading_metadata(exercise: ExerciseCells) -> Iterator[tuple[NotebookNode, dict]]:
    """Each cell of an exercise with the nbgrader metadata (schema 3) that it should carry."""
    common = {"schema_version": 3, "task": False}
    for cell, grade in [(exercise.cell, False), (exercise.check, True)]:
        metadata = common | {"grade_id": cell.id, "grade": grade, "locked": grade}
        metadata |= {"points": exercise.points} if grade else {}
        yield cell, metadata | {"solution": not grade}


def tag(nb: NotebookNode, name: str = "notebook") -> int:
    """Set nbgrader's metadata in place; returns how many cells were changed."""
    changed = 0
    for exercise in exercises_of(nb, name):
        for cell, metadata in grading_metadata(exercise):
            changed += cell.metadata.get("nbgrader") != metadata
            cell.metadata["nbgrader"] = metadata
    return changed


def metadata_complaints(nb: NotebookNode, exercises: list[ExerciseCells]) -> Iterator[Complaint]:
    """Exercise and check cells without the right metadata, and others that claim to be some."""
    expected = {cell.id: data for e in exercises for cell, data in grading_metadata(e)}
    for cell in nb.cells:
        given = cell.metadata.get("nbgrader")
        if cell.id in expected:
            if given != expected[cell.id]:
                yield cell.id, "nbgrader's metadata are missing or old: run `make student`"
        elif given and cell.cell_type == "code" and (given.get("solution") or given.get("grade")):
            yield cell.id, "nbgrader's metadata on a cell that is no exercise and no check"


# --- the student edition -------------------------------------------------------------------------


def outside(cell: NotebookNode) -> Iterator[str]:
    """The lines of a cell that are in no solution, without comments and indentation."""
    regions = solution_regions(cell.source)
    for i, line in enumerate(cell.source.split("\n")):
        if not any(region.begin <= i <= region.end for region in regions):
            yield line.split("  #")[0].strip()


def left_over(nb: NotebookNode, exercises: list[ExerciseCells]) -> Iterator[Complaint]:
    """Lines of a solution that a student would still read among the exercises.

    Only lines that give something away count: at least 15 characters, with a call, an index or a
    calculation. The notebook before the exercises is free to show how a thing is done.
    """
    if not exercises:
        return
    first = nb.cells.index(exercises[0].cell)
    readable = [(cell.id, line) for cell in nb.cells[first:] for line in outside(cell)]
    for exercise in exercises:
        lines = exercise.cell.source.split("\n")
        for line in (
            n for region in exercise.regions for n in lines[region.begin + 1 : region.end]
        ):
            line = line.split("  #")[0].strip()
            if len(line) < 15 or line.startswith("#") or not re.search(r"[(\[*/+-]", line):
                continue
            for cell_id, other in readable:
                if line in other:
                    yield cell_id, f"a line of the solution of {exercise.cell.id!r}: {line!r}"


def relink(markdown: str, target: Callable[[str], str]) -> str:
    """Markdown with `target` applied to where its links and images point; code is left alone."""
    skipped = r"^(?:```|~~~).*?^(?:```|~~~)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$"
    pieces = re.split(f"({skipped})", markdown, flags=re.DOTALL | re.MULTILINE)
    forms = [
        r"(\]\(\s*<?)([^)\s>]+)",  # [text](target) and ![text](target)
        r"(^ {0,3}\[[^\]\n]+\]:\s*<?)([^\s>]+)",  # [label]: target
        r"(\b(?:src|href)\s*=\s*[\"'])([^\"']+)",  # HTML
    ]
    for form in forms:
        pieces[::2] = [
            re.sub(form, lambda m: m[1] + target(m[2]), piece, flags=re.MULTILINE)
            for piece in pieces[::2]
        ]
    return "".join(pieces)


def from_student_folder(target: str, editions: set[str]) -> str:
    """A link's target as seen from one folder further down; other notebooks are there, too."""
    path = re.split(r"[#?]", target)[0]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/", target) or not path or path in editions:
        return target
    return posixpath.normpath(posixpath.join("..", path)) + target[len(path) :]


def figures(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs that show a figure, without their counts."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        if any(mime.startswith("image/") for mime in data) or re.search("data:image/|<svg", html):
            kept.append(copy.deepcopy(output))
            if "execution_count" in output:
                kept[-1]["execution_count"] = None
    return kept


def without_solutions(exercise: ExerciseCells) -> str:
    """The source of an exercise cell with a stub in place of each solution."""
    from nbgrader.preprocessors import ClearSolutions

    lines, start, pieces = exercise.cell.source.split("\n"), 0, []
    for region in exercise.regions:  # one at a time, because each has a stub of its own
        piece = nbformat.from_dict(exercise.cell)
        piece.source = "\n".join(lines[start : region.end + 1])
        clear = ClearSolutions(code_stub={"python": stub(exercise, region)})
        piece, _ = clear.preprocess_cell(piece, {"language": "python"}, 0)
        pieces.append(piece.source)
        start = region.end + 1
    return "\n".join([*pieces, *lines[start:]])


def student_edition(nb: NotebookNode, name: str, editions: set[str]) -> NotebookNode:
    """What students get of an instructor's notebook, which stays as it is.

    Args:
        nb: the notebook, with nbgrader's metadata.
        name: its file name, for messages.
        editions: the file names of all notebooks of which there is a student edition.
    Returns:
        The same cells with the same ids, but: solutions are stubs; cells tagged `instructor` or
        `solution` are left out, and so is every output except the figures of cells tagged
        `expected-result`; relative links start one folder further down; check cells are locked
        and carry nbgrader's checksums.
    Raises:
        ReleaseError: see `exercises_of`; or nbgrader's metadata are missing, or a line of a
            solution is left where students read it.
    """
    from nbconvert.preprocessors import TagRemovePreprocessor
    from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, ComputeChecksums, LockCells

    exercises = exercises_of(nb, name)
    complain(name, [*metadata_complaints(nb, exercises), *left_over(nb, exercises)])
    sources = {exercise.cell.id: without_solutions(exercise) for exercise in exercises}

    nb, resources = nbformat.from_dict(copy.deepcopy(nb)), {}
    nb.metadata.pop("widgets", None)  # the state of widgets that are shown no more
    nb, _ = TagRemovePreprocessor(remove_cell_tags=REMOVED, enabled=True).preprocess(nb, resources)
    clear = ClearOutput()
    for i, cell in enumerate(nb.cells):
        cell.source = sources.get(cell.id, cell.source)
        if cell.cell_type == "markdown":
            cell.source = relink(cell.source, lambda to: from_student_folder(to, editions))
        elif cell.cell_type == "code":
            shown = figures(cell.outputs) if EXPECTED in cell.metadata.get("tags", []) else []
            clear.preprocess_cell(cell, resources, i)
            cell.outputs = shown
    for preprocessor in (LockCells(), CheckCellMetadata(), ComputeChecksums()):
        nb, resources = preprocessor.preprocess(nb, resources)
    nbformat.validate(nb)
    return nb


# --- files ---------------------------------------------------------------------------------------


def read_all(folder: Path) -> dict[str, NotebookNode]:
    """The instructor's notebooks in a folder, by file name.

    Raises:
        ReleaseError: there are none, or not all of them can be read.
    """
    paths = sorted(folder.glob("[0-9][0-9]*.ipynb"))  # and companion pages, as 07b_
    if not paths:
        raise ReleaseError(f"no notebooks in {folder}")
    notebooks, complaints = {}, []
    for path in paths:
        try:
            notebooks[path.name] = read_notebook(path)
        except NotNotebook as problem:
            complaints.append(str(problem))
    if complaints:
        raise ReleaseError("\n".join(complaints))
    return notebooks


def student_files(folder: Path = NOTEBOOKS) -> dict[str, bytes]:
    """The student edition of every notebook in a folder, {file name: content}; writes nothing.

    Raises:
        ReleaseError: with the complaints about all of the notebooks.
    """
    notebooks, files, complaints = read_all(folder), {}, []
    for name, nb in notebooks.items():
        try:
            files[name] = content(student_edition(nb, name, set(notebooks)))
        except ReleaseError as problem:
            complaints.append(str(problem))
    if complaints:
        raise ReleaseError("\n".join(complaints))
    return files


def write_tags(folder: Path = NOTEBOOKS) -> Iterator[str]:
    """Set nbgrader's metadata in the notebooks of a folder; yields a line on each changed one."""
    notebooks = read_all(folder)
    changed = {name: tag(nb, name) for name, nb in notebooks.items()}  # all, before one is written
    for name, nb in notebooks.items():
        if changed[name]:
            write_whole(folder / name, content(nb))
            yield f"{name}: nbgrader's metadata set on {changed[name]} cells"


def write_student_editions(folder: Path = NOTEBOOKS) -> Iterator[str]:
    """Write the student edition of every notebook in a folder; yields a line on each.

    All of them, or none if one has a fault. Editions of notebooks that are gone are deleted.
    """
    files = student_files(folder)
    for old in (folder / STUDENT).glob("*.ipynb"):
        if old.name not in files:
            old.unlink()
            yield f"{STUDENT}/{old.name}: deleted, there is no such notebook any more"
    for name, nb in read_all(folder).items():
        exercises = exercises_of(nb, name)
        points = sum(exercise.points for exercise in exercises)
        write_whole(folder / STUDENT / name, files[name])
        yield f"{STUDENT}/{name}: {len(exercises)} exercises, {points} points"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.student_editions", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("command", choices=["tag", "student"])
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="the folder they are in")
    chosen = parser.parse_args(arguments)
    work = {"tag": write_tags, "student": write_student_editions}[chosen.command]
    try:
        for line in work(chosen.notebooks):
            print(line)
    except (ReleaseError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
