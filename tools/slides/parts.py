"""What stands on a slide, and about how much room it takes."""

import math
from dataclasses import dataclass, field

from tools.notebook_files import NOTEBOOKS
from tools.slides.cells import Picture, file_aspect
from tools.slides.text import Block, weight, words

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
