"""Which cell goes on which slide: a rule, so that nobody has to mark a thousand cells.

- The core only: what is marked ◇, further exercises and references are left out, and named on the
  last slide. Checks, folded code and set-up are left out; their pictures and questions are not.
- One idea a slide. A heading (H2) begins a section; a markdown cell is a slide, as is a figure
  with its "What to see", or an equation with the code that follows it.
- What is too long for one slide goes on **below** it (a vertical stack in reveal.js). The upper
  row is the lecture: openings, equations, code, figures, questions. Below stands the rest of the
  prose, and a figure stands again beside the rest of its "What to see".

A cell's own `slideshow` metadata wins over the rule: `slide_type` may be `skip`, `notes`, `slide`,
`subslide` or `fragment`, as in Jupyter.
"""

import math
import re
from dataclasses import dataclass, field

from nbformat import NotebookNode

from tools.notebook_files import NOTEBOOKS
from tools.site.pages import CLOSING, headings, question
from tools.slides.cells import (
    LEFT_OUT,
    Live,
    Picture,
    Question,
    Section,
    code_shown,
    divided,
    file_aspect,
    sections,
    shown,
)
from tools.slides.text import Block, blocks, lead, slides_worth, weight, without_asides, words

PROSE = 72  # words on one slide, about
SQUARE = 1.5  # a figure that is not wider than this leaves room at its side
ROOM = 560  # pixels of height that text and code together may take, when small


@dataclass(frozen=True)
class Code:
    source: str
    goes_on: bool = False  # the rest of what stands on the slide above


@dataclass(frozen=True)
class Output:
    text: str


@dataclass(frozen=True)
class Figure:
    """A picture of a cell's output, or a file beside the notebook."""

    picture: Picture | None = None
    path: str = ""
    alt: str = ""
    knobs: str = ""

    @property
    def aspect(self) -> float:
        """Its width divided by its height."""
        return self.picture.aspect if self.picture else file_aspect(NOTEBOOKS / self.path)


@dataclass(frozen=True)
class Together:
    """Parts that appear one step later than the rest of the slide."""

    parts: list


@dataclass
class Slide:
    section: str
    parts: list = field(default_factory=list)
    title: str = ""
    kind: str = "idea"  # or title, section, figure, live, ask, list
    below: bool = False
    notes: list[str] = field(default_factory=list)
    cell: str = ""

    def has(self, *kinds: str) -> bool:
        return any(isinstance(part, Block) and part.kind in kinds for part in self.parts)

    @property
    def words(self) -> int:
        return sum(words(part.source) for part in self.parts if isinstance(part, Block))


def beside(aspect: float) -> float:
    """About how many words have their place on a slide with a figure of this shape."""
    if aspect <= SQUARE:  # text stands at its side
        return 70
    return min(72, max(36, (ROOM - 1170 / aspect) / 34 * 14))


def height(parts: list) -> float:
    """About how many pixels parts take below each other, in small type."""
    total = 0.0
    for part in parts:
        if isinstance(part, Code):
            total += 27 * len(part.source.split("\n")) + 40
        elif isinstance(part, Output):
            total += 26 * len(part.text.split("\n")) + 30
        elif isinstance(part, Block) and part.kind == "math":
            total += 6.0 * weight(part)
        elif isinstance(part, Block):
            total += 37 * math.ceil(len(part.source) / 92) + 14
        else:
            total += 2 * ROOM
    return total


def slide_type(cell: NotebookNode) -> str:
    chosen = cell.metadata.get("slideshow", {}).get("slide_type", "-")
    return chosen if chosen in ("skip", "notes", "slide", "subslide", "fragment") else "-"


class SectionSlides:
    """The slides of one section, made cell by cell."""

    def __init__(self, title: str, nb: NotebookNode):
        self.title, self.nb = title, nb
        self.slides: list[Slide] = []
        self.uncaptioned: Slide | None = None  # a figure whose "What to see" may follow
        self.text_last = False  # whether nothing was shown since the last text
        self.may_join = False  # whether code may go below the text of the last slide

    def add(self, *parts, **how) -> Slide:
        """Begin a slide: a section's first one carries its heading."""
        slide = Slide(self.title, list(parts), **how)
        if not self.slides:
            slide.below = False
            if slide.kind == "idea":
                slide.kind = "section"
            else:
                self.slides.append(Slide(self.title, kind="section", cell=slide.cell))
        self.slides.append(slide)
        return slide

    def cell(self, cell: NotebookNode) -> None:
        """Put one cell on slides, by the rule or as its metadata says."""
        chosen, before = slide_type(cell), len(self.slides)
        if chosen == "skip":
            return
        if chosen == "notes":
            if self.slides:
                self.slides[-1].notes.append(cell.source)
            return
        if chosen in ("slide", "subslide"):
            self.may_join, self.text_last, self.uncaptioned = False, False, None
        (self.markdown if cell.cell_type == "markdown" else self.code)(cell)
        made = self.slides[before:]
        if chosen in ("slide", "subslide") and made:
            made[0].below = chosen == "subslide" and before > 0
        elif chosen == "fragment" and made and before:
            del self.slides[before:]
            self.slides[-1].parts.append(Together([p for slide in made for p in slide.parts]))

    # --- text ------------------------------------------------------------------------------------

    def markdown(self, cell: NotebookNode) -> None:
        pieces, asides = without_asides(blocks(cell.source))
        notes = [f"Aside: {aside}" for aside in asides]
        if self.uncaptioned is not None and re.match(r"\*\*What ", cell.source):
            pieces = self.caption(self.uncaptioned, pieces, cell.id)
            self.slides[-1].notes += notes
            notes = []
        self.uncaptioned = None
        self.text(pieces, notes, cell.id)

    def caption(self, slide: Slide, pieces: list[Block], name: str) -> list[Block]:
        """Give a figure its "What to see"; what follows that is returned."""
        size = 1
        while size < len(pieces) and pieces[size].kind == "list":
            size += 1
        figure = slide.parts[-1]
        room = beside(figure.aspect) - slide.words
        title, own = lead(pieces[:size])
        first, *others = slides_worth(own, max(25, room))
        slide.parts += first
        slide.title = slide.title or title
        slide.notes.insert(0, "Let the room look before you read: what do they see, and why?")
        for group in others:
            self.add(figure, *group, title=title, kind="figure", below=True, cell=name)
        return pieces[size:]

    def text(self, pieces: list[Block], notes: list[str], name: str) -> None:
        groups = []
        for run in self.runs(pieces):
            if run[0].kind == "answer":
                inside = slides_worth(blocks(run[0].source), PROSE)
                groups += [[Block("answer", ""), *group] for group in inside]
            else:
                groups += slides_worth(run, PROSE)
        for i, group in enumerate(groups):
            answer = group[0].kind == "answer"
            title, rest = ("Answer", group[1:]) if answer else lead(group)
            parts = [picture_of(part) if part.kind == "image" else part for part in rest]
            figure = any(isinstance(part, Figure) for part in parts)
            spine = i == 0 or (title and not answer) or figure or any(p.kind in ("math", "table") for p in rest)
            if i == 0 and not title and self.goes_on(parts):
                self.slides[-1].parts += parts
                self.slides[-1].notes += notes
                notes = []
                continue
            slide = self.add(*parts, title=title, below=not spine, notes=notes, cell=name)
            if figure and slide.kind == "idea":
                slide.kind = "figure"
            notes = []
        self.may_join = self.text_last = bool(groups)

    def goes_on(self, parts: list) -> bool:
        """Whether a short text goes on the slide of a short text right before it."""
        if not self.text_last or not self.slides:
            return False
        both = [*self.slides[-1].parts, *parts]
        text = all(isinstance(part, Block) and part.kind == "text" for part in both)
        return text and sum(words(part.source) for part in both) <= 0.8 * PROSE

    def runs(self, pieces: list[Block]) -> list[list[Block]]:
        """Pieces in runs that never share a slide.

        An image begins one, and what follows it is cut as a caption. A folded answer is one.
        """
        found: list[list[Block]] = [[]]
        for piece in pieces:
            if piece.kind in ("image", "answer"):
                found.append([])
            found[-1].append(piece)
            if piece.kind == "answer":
                found.append([])
        cut = []
        for run in found:
            if run and run[0].kind == "image" and len(run) > 1:
                first, *others = slides_worth(run[1:], 40)
                cut += [[run[0], *first], [piece for group in others for piece in group]]
            else:
                cut.append(run)
        return [run for run in cut if run]

    # --- code ------------------------------------------------------------------------------------

    def code(self, cell: NotebookNode) -> None:
        made, source = shown(cell, self.nb), code_shown(cell)
        text = made.text.rstrip("\n")
        joins, self.may_join = self.may_join, False
        if source or text or made.questions or made.live or made.pictures:
            self.text_last = False
        if source:
            self.show_code(source, text, joins, cell.id)
            joins = False
        elif text:
            self.show_output(text, joins, cell.id)
            joins = False
        for asked in made.questions:
            notes = [
                "Ask the room, and let them vote by a show of hands before you go on.",
                f"The answer: {asked.answer}. {asked.because}",
            ]
            slide = self.add(asked, kind="ask", notes=notes, cell=cell.id)
            self.introduced(slide, joins)
            joins = False
        for live in made.live:
            self.add(live, kind="live", notes=[LIVE_NOTE], cell=cell.id)
        for picture in made.pictures:
            figure = Figure(picture, knobs=made.knobs)
            slide = self.add(figure, kind="figure", cell=cell.id)
            self.introduced(slide, joins)
            joins = False
            if made.knobs:
                slide.notes.append(f"Live in the notebook, cell `{cell.id}`: {made.knobs}.")
            self.uncaptioned = slide
        if not made.pictures and (made.live or made.questions or source):
            self.uncaptioned = None

    def show_code(self, source: str, text: str, joins: bool, name: str) -> None:
        first, *others = divided(source)
        parts: list = [Code(first)]
        if text and not others and height([Code(first), Output(text)]) <= ROOM + 60:
            parts.append(Output(text))
            text = ""
        last = self.slides[-1] if self.slides else None
        if joins and last and self.fits(last, parts):
            last.parts += parts
        else:
            self.add(*parts, cell=name)
        for i, piece in enumerate(others):
            ends = i == len(others) - 1
            parts = [Code(piece, goes_on=True)]
            if text and ends and height([*parts, Output(text)]) <= ROOM + 60:
                parts.append(Output(text))
                text = ""
            self.add(*parts, below=True, cell=name)
        if text:
            self.add(Output(text), title="What it prints", below=True, cell=name)

    def show_output(self, text: str, joins: bool, name: str) -> None:
        last = self.slides[-1] if self.slides else None
        if joins and last and self.fits(last, [Output(text)]):
            last.parts.append(Output(text))
        else:
            self.add(Output(text), title="What it prints", cell=name)

    def introduced(self, slide: Slide, joins: bool) -> None:
        """Let a few words that stand alone on the last slide introduce what this one shows."""
        last = self.slides[-2] if len(self.slides) > 1 else None
        if not joins or last is None or last.kind != "idea" or last.title or last.words > 30:
            return
        if all(isinstance(part, Block) and part.kind == "text" for part in last.parts):
            slide.parts[:0] = last.parts
            slide.notes[:0] = last.notes
            self.slides.remove(last)

    @staticmethod
    def fits(slide: Slide, parts: list) -> bool:
        """Whether code goes on the slide of the text before it: an equation, or a short text."""
        short = slide.has("math") or slide.words <= 45
        taken = height([*slide.parts, *parts]) + (90 if slide.kind == "section" else 0)
        return short and slide.kind != "figure" and taken <= ROOM


LIVE_NOTE = (
    "This one moves on the slide. It has the keyboard once you have clicked into it; click beside "
    "it to turn slides with the keys again."
)


def picture_of(block: Block) -> Figure:
    found = re.match(r"!\[([^\]]*)\]\(([^)\s]+)", block.source)
    assert found, block.source
    return Figure(path=found[2], alt=found[1])


# --- the deck ------------------------------------------------------------------------------------


def head_slides(section: Section, nb: NotebookNode, plan: list[tuple[str, str]]) -> list[Slide]:
    """The title, the question, the goals and the plan; the rest of the head goes to the notes."""
    asked, made = question(nb), SectionSlides("", nb)
    title = Slide("", [Block("text", asked)] * bool(asked), section.title, kind="title")
    slides, notes = [title], []
    texts = [cell for cell in section.cells if cell.cell_type == "markdown"]
    for number, cell in enumerate(texts):
        pieces, goals = blocks(cell.source), []
        while pieces and pieces[0].kind != "list" and not pieces[0].source.startswith("**You will"):
            piece = pieces.pop(0)
            if piece.kind == "image":
                title.parts.append(picture_of(piece))
                continue
            source = re.sub(r"^\*\*.*?\*\* *", "", piece.source) if piece is first(cell) else ""
            notes.append(source or piece.source)
        while number <= 1 and pieces and (pieces[0].kind == "list" or not goals):
            goals.append(pieces.pop(0))
        goals = [piece for piece in goals if piece.kind == "list"]
        if goals and len(slides) == 1:
            items = Block("list", "\n".join(piece.source for piece in goals))
            slides.append(Slide("", [items], "You will", kind="list", cell=cell.id))
        notes += [piece.source for piece in pieces]
    if plan:
        rows = [f"| {name} | {minutes} |" for name, minutes in plan]
        table = Block("table", "\n".join(["| section | minutes |", "|---|---:|", *rows]))
        slides.append(Slide("", [table], "The plan of this lecture", kind="list"))
    title.notes, title.cell = notes, section.cells[0].id if section.cells else ""
    for cell in section.cells:
        if cell.cell_type == "code" and shown(cell, nb).pictures:
            made.code(cell)
    return slides + [slide for slide in made.slides if slide.kind != "section"]


def first(cell: NotebookNode) -> Block | None:
    return next(iter(blocks(cell.source)), None)


def exercise_slide(cells: list[NotebookNode], title: str) -> Slide:
    """One slide with the titles of the exercises."""
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = re.findall(r"^\*\*(\d+) · (.+?)\*\*", text, flags=re.MULTILINE)
    items = "\n".join(f"{number}. {name.rstrip('.')}" for number, name in found)
    notes = ["Each cell below an exercise checks the answer, and gives one hint if it is wrong."]
    return Slide(title, [Block("list", items)], kind="section", notes=notes)


def deck(nb: NotebookNode, plan: list[tuple[str, str]] = ()) -> list[Slide]:
    """The slides of a notebook, in order.

    Args:
        nb: the notebook, which stays as it is.
        plan: (section, a lecturer's minutes) for the slide with the plan.
    """
    head, *rest = sections(nb)
    slides = head_slides(head, nb, list(plan))
    for section in rest:
        if LEFT_OUT.match(section.title):
            continue
        if section.title == "Exercises":
            slides.append(exercise_slide(section.cells, section.title))
            continue
        made = SectionSlides(section.title, nb)
        for cell in section.cells:
            made.cell(cell)
        slides += made.slides or [Slide(section.title, kind="section")]
    title, _, deeper = headings(nb)
    if deeper and not title.startswith("◇"):
        items = "\n".join(f"- {name}" for name in deeper if name not in CLOSING)
        notes = ["These sections stand in the notebook, after its exercises. None is needed later."]
        slides.append(
            Slide("", [Block("list", items)], "Deeper ◇, to read at home", "list", notes=notes)
        )
    return slides


__all__ = ["Code", "Figure", "Live", "Output", "Question", "Slide", "Together", "deck"]
