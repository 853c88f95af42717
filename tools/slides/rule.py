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

import re

from nbformat import NotebookNode

from tools.slides.cells import code_shown, divided, shown
from tools.slides.parts import PROSE, ROOM, Code, Figure, Output, Slide, Together, beside, height
from tools.slides.text import Block, blocks, lead, sentences, slides_worth, without_asides, words

LIVE_NOTE = (
    "This one moves on the slide. It has the keyboard once you have clicked into it; click beside "
    "it to turn slides with the keys again."
)


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
        if chosen in ("slide", "subslide", "fragment"):
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
        """Give a figure its "What to see"; what follows that is returned.

        Lists belong to it, and paragraphs that begin with a place in italics, as *Right:*.
        """
        size = 1
        while size < len(pieces) and (
            pieces[size].kind == "list" or re.match(r"\*[A-Z]", pieces[size].source)
        ):
            size += 1
        rest = pieces[size:]
        if rest and rest[0].kind in ("math", "table", "fence") and pieces[size - 1].kind == "text":
            *said, announced = sentences(pieces[size - 1].source)
            if said:  # the last sentence belongs to what it announces
                pieces[size - 1] = Block("text", " ".join(said))
                rest.insert(0, Block("text", announced))
        figure = slide.parts[-1]
        room = beside(figure.aspect) - slide.words
        title, own = lead(pieces[:size])
        first, *others = slides_worth(own, max(25, room))
        slide.parts += first
        slide.title = slide.title or title
        slide.notes.insert(0, "Let the room look before you read: what do they see, and why?")
        for group in others:
            self.add(figure, *group, title=title, kind="figure", below=True, cell=name)
        return rest

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
            spine = (
                i == 0
                or (title and not answer)
                or figure
                or any(p.kind in ("math", "table") for p in rest)
            )
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
        joins, self.may_join, printed = self.may_join, False, []
        if source or text or made.questions or made.live or made.pictures:
            self.text_last = False
        if source:
            self.show_code(source, text, joins, cell.id)
            joins = False
        elif made.pictures and text.count("\n") < 2:
            printed = [f"It prints: {text}"] if text else []
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
            slide = self.add(figure, kind="figure", notes=printed, cell=cell.id)
            printed = []
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
            del self.slides[-2]

    @staticmethod
    def fits(slide: Slide, parts: list) -> bool:
        """Whether code goes on the slide of the text before it: an equation, or a short text."""
        short = slide.has("math") or slide.words <= 45
        taken = height([*slide.parts, *parts]) + (90 if slide.kind == "section" else 0)
        return short and slide.kind != "figure" and taken <= ROOM


def picture_of(block: Block) -> Figure:
    found = re.match(r"!\[([^\]]*)\]\(([^)\s]+)", block.source)
    assert found, block.source
    return Figure(path=found[2], alt=found[1])
