"""Where the notebooks lie, what a notebook is in its file, and which files hold one."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_utils.files import CHECKOUT

NOTEBOOKS = CHECKOUT / "notebooks"
CELL_TYPES = {"code", "markdown", "raw"}
REMEDY = "LECTURERS.md says how to mend that"


class NotNotebook(ValueError):
    """A file holds no notebook that can be used; each line of the message names file and cell."""


def content(nb: NotebookNode) -> bytes:
    """A notebook as it stands in its file."""
    return (nbformat.writes(nb) + "\n").encode()


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in a file, whose cells all have ids, no two the same.

    nbformat gives cells without ids random ones and lets copies keep theirs, so that is looked at
    before.

    Raises:
        NotNotebook: with all complaints. Cells are numbered from 0.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise NotNotebook(f"{path.name}: cannot be read: {_one_line(problem)}") from None
    except (ValueError, RecursionError) as problem:  # numbers may be too long to be read
        raise NotNotebook(f"{path.name}: not JSON: {_one_line(problem)}") from None
    if complaints := list(_complaints(raw)):
        raise NotNotebook("\n".join(f"{path.name}{complaint}" for complaint in complaints))
    try:
        nbformat.validate(raw)
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        letter = ascii(problem.object[problem.start])
        raise NotNotebook(
            f"{path.name}: half a character, {letter}: no file can hold it"
        ) from None
    except nbformat.ValidationError as problem:
        _, number, *field = [*problem.absolute_path, "", ""]
        cell = f", cell {number}" if isinstance(number, int) else ""
        about = "/".join(str(part) for part in field if part != "")
        said = f"{about}: {problem.message}" if about else problem.message
        raise NotNotebook(f"{path.name}{cell}: {_one_line(said)}") from None
    if complaints := list(_grading_complaints(raw["cells"])):
        raise NotNotebook("\n".join(f"{path.name}{complaint}" for complaint in complaints))
    return nbformat.v4.to_notebook(raw)


def _one_line(problem: Any) -> str:
    """What an error says, in one line that can be read."""
    text = " ".join(str(problem).split())
    return text if len(text) <= 150 else f"{text[:147]}..."


def _grading_complaints(cells: list[dict]) -> Iterator[str]:
    """What stands behind the file's name about nbgrader's metadata that cannot be such."""
    for i, cell in enumerate(cells):
        given = cell["metadata"].get("nbgrader", {})
        if not isinstance(given, dict):
            yield f", cell {i}: nbgrader's metadata: expected an object, got {_one_line(given)}"
            continue
        name, points = given.get("grade_id", ""), given.get("points", 0)
        if not isinstance(name, str | None):
            yield f", cell {i}: nbgrader's grade_id: expected a text, got {_one_line(name)}"
        number = isinstance(points, int | float) and 0 <= points < math.inf
        if points is not None and not number:
            yield f", cell {i}: nbgrader's points: expected 0 or more, got {_one_line(points)}"


def _complaints(raw: Any) -> Iterator[str]:
    """What stands behind the file's name about content that is no notebook with ids."""
    if not isinstance(raw, dict) or not isinstance(raw.get("nbformat"), int):
        yield ": no notebook, though JSON: it names no `nbformat`"
        return
    major, minor, cells = raw["nbformat"], raw.get("nbformat_minor"), raw.get("cells")
    if major != 4:
        yield f": a notebook of format {major}, expected 4.5: {REMEDY}"
        return
    if not isinstance(cells, list):
        yield ": no notebook, though JSON: it has no list of cells"
        return
    wrong = False
    for i, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.get("cell_type") not in CELL_TYPES:
            yield f", cell {i}: no cell: expected a `cell_type`, one of {sorted(CELL_TYPES)}"
        elif not isinstance(cell.get("id", ""), str):
            yield f", cell {i}: its id is no text: {_one_line(cell['id'])}"
        else:
            continue
        wrong = True
    if wrong:
        return
    without = [i for i, cell in enumerate(cells) if not cell.get("id")]
    if without:
        others = f", nor have {len(without) - 1} more" if len(without) > 1 else ""
        yield f", cell {without[0]}: it has no id{others}: {REMEDY}"
    elif not isinstance(minor, int) or minor < 5:
        yield f": a notebook of format 4.{minor!r}, expected 4.5: {REMEDY}"
    first: dict[str, int] = {}
    for i, cell in enumerate(cells):
        if (name := cell.get("id")) and first.setdefault(name, i) != i:
            yield (
                f", cells {first[name]} and {i}: both have the id '{name}', as a copy has: "
                "give the second one an id of its own"
            )
