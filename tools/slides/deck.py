"""The slides of a whole notebook: its head, its sections, its exercises, what is left out."""

import re

from nbformat import NotebookNode

from tools.site.pages import CLOSING, headings, question
from tools.slides.cells import LEFT_OUT, Section, sections, shown
from tools.slides.parts import Slide
from tools.slides.rule import SectionSlides, picture_of
from tools.slides.text import Block, blocks


def head_slides(section: Section, nb: NotebookNode, plan: list[tuple[str, str]]) -> list[Slide]:
    """The title, the goals and the plan; the text of the head goes to the title's notes."""
    asked = question(nb)
    title = Slide("", [Block("text", asked)] * bool(asked), section.title, "title")
    goals, wanted = [], False
    for cell in section.cells:
        title.cell = title.cell or cell.id
        for piece in blocks(cell.source) if cell.cell_type == "markdown" else []:
            if piece.kind == "image":
                title.parts.append(picture_of(piece))
            elif piece.source.startswith("**You will"):
                wanted = True
            elif wanted and piece.kind == "list":
                goals.append(piece.source)
            elif piece.kind != "table":  # the plan, and Deeper sections, have slides of their own
                wanted = False
                title.notes.append(piece.source)
    slides = [title]
    if goals:
        slides.append(Slide("", [Block("list", "\n".join(goals))], "You will", "list"))
    if plan:
        rows = [f"| {name} | {minutes} |" for name, minutes in plan]
        table = Block("table", "\n".join(["| section | minutes |", "|---|---:|", *rows]))
        slides.append(Slide("", [table], "The plan of this lecture", "list"))
    made = SectionSlides("", nb)
    for cell in section.cells:
        if cell.cell_type == "code" and shown(cell, nb).pictures:
            made.code(cell)
    return slides + [slide for slide in made.slides if slide.kind != "section"]


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
        notes = ["They stand in the notebook, after its exercises. None is needed later."]
        slides.append(
            Slide("", [Block("list", items)], "Deeper ◇, to read at home", "list", notes=notes)
        )
    return slides
