"""What a lecturer needs to know of a section: its minutes, and what TEACHING.md says about it.

The minutes stand in the notebook's own table of its path; what to move and to ask, and what may
go wrong in class, in the tables of TEACHING.md, one row for each section.
"""

import re
from dataclasses import dataclass

from nbformat import NotebookNode

from course_utils.files import CHECKOUT
from tools.slides.parts import Slide

TEACHING = CHECKOUT / "TEACHING.md"
COLUMNS = ["section", "move or show", "ask", "what may go wrong, and what then"]


@dataclass(frozen=True)
class Advice:
    """One row of TEACHING.md."""

    show: str
    ask: str
    wrong: str

    @property
    def notes(self) -> list[str]:
        said = {"Show": self.show, "Ask": self.ask, "May go wrong": self.wrong}
        return [f"**{what}:** {text}" for what, text in said.items() if text]


def rows(table: str) -> list[list[str]]:
    """The cells of a table in markdown, without the line below its head."""
    lines = [line.strip() for line in table.split("\n") if line.strip().startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells for cells in split if not re.fullmatch(r"[-: ]*", "".join(cells))]


def plan(nb: NotebookNode) -> list[tuple[str, str]]:
    """(section, a lecturer's minutes), as the notebook's own table says; empty without one."""
    for cell in nb.cells:
        if cell.cell_type != "markdown":
            continue
        for table in re.findall(r"(?:^\|.*\n?)+", cell.source, flags=re.MULTILINE):
            head, *body = rows(table)
            if "lecturer" not in head[-1]:
                continue
            kept = [(row[0], row[-1]) for row in body if row[-1]]
            return [(name, minutes) for name, minutes in kept if "**" not in name]
    return []


def same_section(title: str, name: str) -> bool:
    """Whether a row of a table is about the section of this heading."""
    number = re.match(r"\d+ · ", title)
    return name == title or bool(number and name.startswith(number[0]))


def stem_of(title: str, stems: list[str]) -> str | None:
    """The notebook that a heading of TEACHING.md is about: `05 · A VAE ...` is 05_vae_on_mnist."""
    begins = title.removeprefix("◇ ").split(" · ")[0].split(":")[0].strip()
    return next((stem for stem in stems if begins in (stem, stem.split("_")[0])), None)


def advice(text: str) -> dict[str, dict[str, Advice]]:
    """What TEACHING.md says: {heading of a notebook: {section: advice}}."""
    found: dict[str, dict[str, Advice]] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        table = rows(re.split(r"^#", body, flags=re.MULTILINE)[0])
        if table and [name.lower() for name in table[0]] == COLUMNS:
            found[title.strip()] = {row[0]: Advice(*row[1:]) for row in table[1:]}
    return found


def advice_for(stem: str, stems: list[str], text: str | None = None) -> dict[str, Advice]:
    """What TEACHING.md says about one notebook; empty where it says nothing yet."""
    if text is None:
        text = TEACHING.read_text(encoding="utf-8") if TEACHING.is_file() else ""
    said = advice(text)
    return next((rows for title, rows in said.items() if stem_of(title, stems) == stem), {})


def add_notes(
    slides: list[Slide], minutes: list[tuple[str, str]], said: dict[str, Advice]
) -> None:
    """Give the first slide of each section its minutes and the advice, before its other notes."""
    for slide in slides:
        if slide.kind != "section":
            continue
        first = [
            f"**{number} minutes** for this section (estimated)."
            for name, number in minutes
            if same_section(slide.section, name)
        ]
        for name, row in said.items():
            if same_section(slide.section, name):
                first += row.notes
        slide.notes = [*first, *slide.notes]
