"""What a notebook's cells hold for a deck: sections, code worth showing, and stored outputs."""

import ast
import base64
import html
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from tools.site.explorers import Explorer, explorer_for
from tools.site.extension import DEEPER
from tools.site.pages import STATE, VIEW, as_text, tags

LEFT_OUT = re.compile(DEEPER.pattern + "|References$")
PLUMBING = re.compile(r"REPOSITORY = |\bsetup\(seed")
DRAWS = re.compile(r"^(?:plotting\.|knobs\()|^\w+\.widget$")
PROGRESS = re.compile(r"\d%\|")
MANY_LINES = 22  # of code on one slide, at most


@dataclass(frozen=True)
class Picture:
    """An image of a cell's output: its bytes, and its width divided by its height."""

    data: bytes
    aspect: float


@dataclass(frozen=True)
class Question:
    """What `predict` asks, as its text says it."""

    label: str
    question: str
    choices: list[str]
    answer: str
    because: str


@dataclass(frozen=True)
class Live:
    """A picture that moves by itself on a slide: a checkpoint's explorer, or a stored page."""

    explorer: Explorer | None = None
    page: str = ""


@dataclass
class Shown:
    """What the outputs of a cell bring to a deck."""

    pictures: list[Picture] = field(default_factory=list)
    text: str = ""
    questions: list[Question] = field(default_factory=list)
    live: list[Live] = field(default_factory=list)
    knobs: str = ""  # a widget that moves only in the notebook


@dataclass
class Section:
    """A section's heading, and its cells: the first may be the rest of the heading's own."""

    title: str
    cells: list[NotebookNode]


def sections(nb: NotebookNode) -> list[Section]:
    """The sections of a notebook (H2), before them the page's head; H1 and H2 begin new ones."""
    found: list[Section] = []
    for cell in nb.cells:
        if "instructor" in tags(cell):
            continue
        if cell.cell_type != "markdown":
            (found or [Section("", [])])[-1].cells.append(cell)
            continue
        for part in re.split(r"^(?=##? )", cell.source, flags=re.MULTILINE):
            heading = re.match(r"##? (.*)\n*", part)
            if heading:
                found.append(Section(heading[1].strip(), []))
                part = part[heading.end() :]
            if not part.strip() or not found:
                continue
            before = found[-1].cells[-1] if found[-1].cells else None
            follows = part.startswith("$$") and not cell.metadata.get("slideshow")
            if follows and before and before.cell_type == "markdown":  # one idea in two cells
                before["source"] += f"\n\n{part}"
            else:
                found[-1].cells.append(NotebookNode({**cell, "source": part}))
    return found


def code_shown(cell: NotebookNode) -> str:
    """The code of a cell that belongs on a slide; nothing of plumbing, checks and plot calls.

    A cell with a picture shows its code only if more than two lines do something else than plot.
    """
    folded = cell.metadata.get("jupyter", {}).get("source_hidden") or "hide-input" in tags(cell)
    if folded or "check" in tags(cell) or PLUMBING.search(cell.source):
        return ""
    source = cell.source.strip("\n")
    drawn = any({"image/png", VIEW} & set(output.get("data", {})) for output in cell.outputs)
    return source if useful_lines(source) > (2 if drawn else 0) else ""


def useful_lines(source: str) -> int:
    """How many lines of code neither import nor draw."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a command of IPython
        return len(source.split("\n"))
    return sum(
        statement.end_lineno - statement.lineno + 1
        for statement in statements
        if not isinstance(statement, ast.Import | ast.ImportFrom)
        and not DRAWS.search(ast.unparse(getattr(statement, "value", None) or ast.Pass()))
    )


def divided(source: str, most: int = MANY_LINES) -> list[str]:
    """Code in pieces of so many lines at most, cut where its author left a blank line, if any."""
    lines = source.split("\n")
    if len(lines) <= most:
        return [source]
    half = len(lines) / 2 if len(lines) <= 2 * most else most * 0.8
    candidates = range(max(3, len(lines) - 2 * most), min(most, len(lines) - 3) + 1)

    def cost(i: int) -> float:
        blank = not lines[i].strip()
        inside = len(lines[i]) - len(lines[i].lstrip())
        return abs(i - half) + (0 if blank else 6 + 2 * inside)

    at = min(candidates, key=cost)
    head, rest = "\n".join(lines[:at]).rstrip("\n"), "\n".join(lines[at:]).strip("\n")
    return [head, *divided(rest, most)]


def png_aspect(data: bytes) -> float:
    width, height = struct.unpack(">II", data[16:24])
    return width / height


def file_aspect(path: Path) -> float:
    """Width divided by height of an image in a file, PNG or SVG; 2 if it does not say."""
    data = path.read_bytes() if path.is_file() else b""
    if data.startswith(b"\x89PNG"):
        return png_aspect(data)
    box = re.search(rb'viewBox="[\d.-]+[ ,]+[\d.-]+[ ,]+([\d.]+)[ ,]+([\d.]+)"', data)
    return float(box[1]) / float(box[2]) if box else 2.0


def question(text: str) -> Question | None:
    """The question that `predict` showed, from its text."""
    found = re.fullmatch(
        r"([^:\n]+): (.+?)\n((?:  \( \) .*\n)+)Answer: (.*)", text, flags=re.DOTALL
    )
    if not found:
        return None
    choices = re.findall(r"  \( \) (.*)", found[3])
    answer = next((c for c in choices if found[4].startswith(f"{c}. ")), "")
    because = found[4].removeprefix(f"{answer}. ")
    return Question(found[1], found[2], choices, answer, because) if answer else None


def widget_picture(nb: NotebookNode, view: str) -> Picture | None:
    """The largest image among what a stored widget is made of."""
    state = nb.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    wanted, seen, images = [view], set(), []
    while wanted:
        name = wanted.pop()
        if name in seen or name not in state:
            continue
        seen.add(name)
        model = state[name]
        wanted += re.findall(r"IPY_MODEL_(\w+)", str(model))
        if model.get("model_name") == "ImageModel":
            images += [base64.b64decode(b["data"]) for b in model.get("buffers", [])]
    images = [data for data in images if data.startswith(b"\x89PNG")]
    best = max(images, key=len, default=None)
    return Picture(best, png_aspect(best)) if best else None


def shown(cell: NotebookNode, nb: NotebookNode) -> Shown:
    """What the outputs of a code cell show; nothing of a check, and no progress bar."""
    found = Shown()
    if "check" in tags(cell):
        return found
    for output in cell.outputs:
        data, text = output.get("data", {}), as_text(output)
        if output.output_type == "stream":
            found.text += "".join(output.text)
        elif VIEW in data:
            if PROGRESS.search(text):
                continue
            if explorer := explorer_for(cell.source, text):
                found.live.append(Live(explorer))
            elif picture := widget_picture(nb, data[VIEW]["model_id"]):
                found.pictures.append(picture)
                found.knobs = text
        elif asked := question(text):
            found.questions.append(asked)
        elif "<iframe" in "".join(data.get("text/html", "")):
            page = re.search(r'srcdoc="([^"]*)"', "".join(data["text/html"]))
            if page:
                found.live.append(Live(page=html.unescape(page[1])))
        elif "image/png" in data:
            image = base64.b64decode("".join(data["image/png"]))
            found.pictures.append(Picture(image, png_aspect(image)))
        elif text and output.output_type == "execute_result":
            found.text += text + "\n"
    if found.live:  # which show the same, and move
        found.pictures, found.knobs = ([], "") if found.knobs else (found.pictures, "")
    if PLUMBING.search(cell.source):
        found.text = ""
    return found
