"""Student editions of the notebooks, a thin layer over nbgrader's preprocessors: `make student`.

    python -m course_utils.release tag        # nbgrader's metadata on exercise and check cells
    python -m course_utils.release student    # write notebooks/student/

An **exercise** is a code cell with a solution between two comments. Its **check** is the next code
cell, whose id is the exercise's with `_check` behind it.

    ### BEGIN SOLUTION
    ...
    ### END SOLUTION

A student reads `raise NotImplementedError("Exercise 1: write kl(mu, log_var).")` in its place. The
number comes from the heading (`**1 · Title.**` in the markdown above), the task from the function
that the solution stands in and its docstring, or from the names that it sets and the check reads.
`### BEGIN SOLUTION: say it otherwise` says it otherwise.

A check is worth what the heading says, as in `**1 · Title (3 points).**`; else what its metadata
says; else 1 point if the text says "Fill in", and 2 if not.

nbgrader comes with the extra `[grading]`; it is imported late, because only lecturers need it.
"""

import argparse
import ast
import copy
import json
import os
import posixpath
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
STUDENT = "student"  # the folder beside the notebooks
REMOVED = {"instructor", "solution"}  # tags of cells that students do not get
EXPECTED = "expected-result"  # tag of cells whose figures students do get

BEGIN = re.compile(r"\s*### BEGIN SOLUTION(?:: *(?P<hint>\S.*?))? *")
END = re.compile(r"\s*### END SOLUTION *")
MARKER = re.compile(
    r"\b(BEGIN|END)[\W_]*SOLUTION", re.IGNORECASE
)  # looks like one, rightly or not
HEADING = re.compile(r"^\*\*(?P<number>\d+) · (?P<title>.+?)\*\*", re.MULTILINE)
POINTS = re.compile(r"\((?P<points>\d+) points?\)")

Complaint = tuple[str, str]  # cell id, what is wrong
Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class ReleaseError(Exception):
    """A notebook cannot be released; each line of the message names notebook and cell."""


# --- exercises -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Region:
    """A solution: the indices of its two marker lines, and the hint behind the first."""

    begin: int
    end: int
    hint: str | None

    def holds(self, node: ast.AST) -> bool:
        return self.begin < node.lineno - 1 < self.end


@dataclass(frozen=True)
class Exercise:
    """An exercise cell, its check cell, and what the markdown above says of them."""

    cell: NotebookNode
    check: NotebookNode
    regions: list[Region]
    number: str
    points: int


def solution_regions(source: str) -> list[Region]:
    """The solutions in a cell, in order.

    Raises:
        ValueError: a marker is misspelt, nested, or without its partner.
    """
    regions, begin, hint = [], None, None
    for i, line in enumerate(source.split("\n")):
        if found := BEGIN.fullmatch(line):
            if begin is not None:
                raise ValueError("BEGIN SOLUTION within a solution")
            begin, hint = i, found["hint"]
        elif END.fullmatch(line):
            if begin is None:
                raise ValueError("END SOLUTION without BEGIN SOLUTION")
            regions.append(Region(begin, i, hint))
            begin = None
        elif MARKER.search(line):
            raise ValueError(f"a misspelt marker: {line.strip()!r}")
    if begin is not None:
        raise ValueError("BEGIN SOLUTION without END SOLUTION")
    return regions


def scopes(tree: ast.Module, region: Region) -> list[Scope]:
    """The module, and the classes and functions that a region stands in, from the outside in."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [tree] + [
        node
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.lineno - 1 < region.begin < node.end_lineno
    ]


def statements(tree: ast.AST, region: Region) -> list[ast.stmt]:
    """Every statement that begins within a region, however deep."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and region.holds(n)]


def names_set(tree: ast.Module, region: Region, check: str) -> list[str]:
    """The names that a region at the top of a cell sets: those that the check reads, if any."""
    names = []
    for node in (n for statement in statements(tree, region) for n in ast.walk(statement)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
    names = list(dict.fromkeys(names))
    return [name for name in names if re.search(rf"\b{name}\b", check)] or names


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def stub(exercise: Exercise, region: Region) -> str:
    """The comment, and the error that says what to write, in place of a solution."""
    tree = ast.parse(exercise.cell.source)
    _, *around = scopes(tree, region)
    comment = ["# YOUR CODE HERE, in place of the error"]
    if region.hint:
        task = region.hint
    elif around:
        task = "write " + ".".join(scope.name for scope in around)
        if not isinstance(around[-1], ast.ClassDef):
            task += f"({ast.unparse(around[-1].args)})"
        if description := ast.get_docstring(around[-1]):
            task += ": " + description.split("\n")[0]
    else:
        names = names_set(tree, region, exercise.check.source)
        task = "set " + listed(names)
        comment = ["# YOUR CODE HERE, in place of the dots and the error"]
        comment += [f"{name} = ..." for name in names]  # so that the check finds the name
    message = f"Exercise {exercise.number}: {task.rstrip('.')}."
    pieces = textwrap.wrap(message, 80, drop_whitespace=False, break_long_words=False)
    literals = [json.dumps(piece, ensure_ascii=False) for piece in pieces]
    if len(literals) == 1 and len(message) <= 60:
        return "\n".join([*comment, f"raise NotImplementedError({literals[0]})"])
    inside = [f"    {literal}" for literal in literals]
    return "\n".join([*comment, "raise NotImplementedError(", *inside, ")"])


def text_above(cells: list[NotebookNode], i: int) -> str:
    """The markdown of the exercise in cell i, from its heading on; empty if there is none."""
    for cell in reversed(cells[:i]):
        if cell.cell_type == "markdown" and (found := list(HEADING.finditer(cell.source))):
            return cell.source[found[-1].start() :]
        if cell.cell_type == "code" and MARKER.search(cell.source):
            break  # what stands further up belongs to another exercise
    return ""


def worth(text: str, metadata: dict) -> int:
    """The points of a check, from the exercise's text and the check's metadata."""
    heading = HEADING.match(text)
    if heading and (found := POINTS.search(heading["title"])):
        return int(found["points"])
    points = metadata.get("nbgrader", {}).get("points")
    return (1 if "Fill in" in text else 2) if points is None else points


def exercises_of(nb: NotebookNode, name: str = "notebook") -> list[Exercise]:
    """The exercises of an instructor's notebook, in order.

    Raises:
        ReleaseError: a marker is unbalanced, nested, misspelt or outside a code cell, a solution
            is empty, or has lines behind it that nobody would reach, or an exercise has no
            heading or no check.
    """
    found, complaints = [], []
    for i, cell in enumerate(nb.cells):
        try:
            regions = solution_regions(cell.source)
            if regions:
                found.append(one_exercise(nb.cells, i, regions))
        except ValueError as problem:
            complaints.append((cell.id, str(problem)))
    complain(name, complaints)
    return found


def one_exercise(cells: list[NotebookNode], i: int, regions: list[Region]) -> Exercise:
    """The exercise in cell i.

    Raises:
        ValueError: what is wrong with it.
    """
    cell = cells[i]
    if cell.cell_type != "code":
        raise ValueError(f"a solution in a {cell.cell_type} cell")
    if REMOVED & set(cell.metadata.get("tags", [])):
        raise ValueError("an exercise in a cell that students do not get")
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as problem:
        raise ValueError(f"not Python: {problem.msg}, line {problem.lineno}") from None
    for region in regions:
        if not statements(tree, region):
            raise ValueError("an empty solution")
        scope = scopes(tree, region)[-1]
        behind = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.stmt)
            and node.lineno - 1 > region.end
            and not any(other.holds(node) for other in regions)
        ]
        if behind:
            line = cell.source.split("\n")[behind[0].lineno - 1].strip()
            raise ValueError(f"a line behind the solution that nobody would reach: {line!r}")
    check = next((later for later in cells[i + 1 :] if later.cell_type == "code"), None)
    if check is None or check.id != f"{cell.id}_check":
        raise ValueError(f"the next code cell is not its check, '{cell.id}_check'")
    text = text_above(cells, i)
    heading = HEADING.match(text)
    if heading is None:
        raise ValueError("no heading '**1 · Title.**' in the markdown above")
    return Exercise(cell, check, regions, heading["number"], worth(text, check.metadata))


def complain(name: str, complaints: list[Complaint]) -> None:
    """Raise `ReleaseError` if there is something to complain about."""
    if complaints:
        raise ReleaseError(
            "\n".join(f"{name}, cell '{cell}': {text}" for cell, text in complaints)
        )


# --- nbgrader's metadata -------------------------------------------------------------------------


def grading_metadata(exercise: Exercise) -> Iterator[tuple[NotebookNode, dict]]:
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


def metadata_complaints(nb: NotebookNode, exercises: list[Exercise]) -> Iterator[Complaint]:
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


def left_over(nb: NotebookNode, exercises: list[Exercise]) -> Iterator[Complaint]:
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


def without_solutions(exercise: Exercise) -> str:
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
        ReleaseError: there are none.
    """
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise ReleaseError(f"no notebooks in {folder}")
    return {path.name: nbformat.read(path, as_version=4) for path in paths}


def content(nb: NotebookNode) -> bytes:
    """A notebook as it stands in its file."""
    return (nbformat.writes(nb) + "\n").encode()


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


def write(path: Path, data: bytes) -> None:
    """Write a file aside, then put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_tags(folder: Path = NOTEBOOKS) -> Iterator[str]:
    """Set nbgrader's metadata in the notebooks of a folder; yields a line on each changed one."""
    notebooks = read_all(folder)
    changed = {name: tag(nb, name) for name, nb in notebooks.items()}  # all, before one is written
    for name, nb in notebooks.items():
        if changed[name]:
            write(folder / name, content(nb))
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
        write(folder / STUDENT / name, files[name])
        yield f"{STUDENT}/{name}: {len(exercises)} exercises, {points} points"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.release", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("command", choices=["tag", "student"])
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="the folder they are in")
    chosen = parser.parse_args(arguments)
    work = {"tag": write_tags, "student": write_student_editions}[chosen.command]
    try:
        for line in work(chosen.notebooks):
            print(line)
    except ReleaseError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
