"""Exercises in a notebook's cells: where the solutions stand, and the stubs in their place.

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
"""

import ast
import json
import re
import textwrap
from dataclasses import dataclass

from nbformat import NotebookNode

REMOVED = {"instructor", "solution"}  # tags of cells that students do not get

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


@dataclass(frozen=True)
class Region:
    """A solution: the indices of its two marker lines, and the hint behind the first."""

    begin: int
    end: int
    hint: str | None

    def holds(self, node: ast.AST) -> bool:
        return self.begin < node.lineno - 1 < self.end


@dataclass(frozen=True)
class ExerciseCells:
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


def stub(exercise: ExerciseCells, region: Region) -> str:
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


def exercises_of(nb: NotebookNode, name: str = "notebook") -> list[ExerciseCells]:
    """The exercises of an instructor's notebook, in order.

    Raises:
        ReleaseError: a marker is unbalanced, nested, misspelt or outside a code cell, a solution
            is empty, or has lines behind it that nobody would reach, or an exercise has no
            heading or no check.
    """
    found, complaints = [], []
    places = {cell.id: i for i, cell in enumerate(nb.cells)}
    for i, cell in enumerate(nb.cells):
        try:
            regions = solution_regions(cell.source)
            if regions:
                refuse_copy(cell, i, places)
                found.append(one_exercise(nb.cells, i, regions))
        except ValueError as problem:
            complaints.append((cell.id, str(problem)))
    complain(name, complaints)
    return found


def refuse_copy(cell: NotebookNode, i: int, places: dict[str, int]) -> None:
    """A copy that JupyterLab makes has a new id, and nbgrader's name of the cell that it was.

    Raises:
        ValueError: the cell in place i is one.
    """
    original = cell.metadata.get("nbgrader", {}).get("grade_id")
    if original != cell.id and original in places:
        raise ValueError(
            f"cell {i} is a copy of '{original}', cell {places[original]}: "
            "give it and its check ids of their own, and delete their nbgrader metadata"
        )


def one_exercise(cells: list[NotebookNode], i: int, regions: list[Region]) -> ExerciseCells:
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
    return ExerciseCells(cell, check, regions, heading["number"], worth(text, check.metadata))


def complain(name: str, complaints: list[Complaint]) -> None:
    """Raise `ReleaseError` if there is something to complain about."""
    if complaints:
        raise ReleaseError(
            "\n".join(f"{name}, cell '{cell}': {text}" for cell, text in complaints)
        )
