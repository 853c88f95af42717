"""Slides as HTML: markdown by nbconvert, code by Pygments, formulas later by MathJax."""

import hashlib
import html
import re
from dataclasses import dataclass, field

from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from tools.links import Address
from tools.site.pages import relinked
from tools.slides.cells import Live, Question
from tools.slides.parts import SQUARE, Code, Figure, Output, Slide, Together
from tools.slides.text import Block

ALTERNATIVE = "The figure that this slide is about; its text says what to see"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="static/reveal/reveal.css">
<link rel="stylesheet" href="static/deck.css">
</head>
<body class="measuring">
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="static/mathjax.js"></script>
<script src="static/mathjax/tex-svg-full.js"></script>
<script src="static/reveal/reveal.js"></script>
<script src="static/reveal/notes.js"></script>
<script src="static/deck.js"></script>
</body>
</html>
"""


@dataclass
class Drawing:
    """Draws the slides of one deck, and keeps the files that they show.

    Attributes:
        stem: the notebook's name, without its ending.
        decks: the file names of all notebooks that have a deck.
        address: where the course is published, if that is known.
        files: {path beside the decks: content}, filled while drawing.
        explorers: the checkpoints whose explorers the slides show, filled while drawing.
    """

    stem: str
    decks: set[str]
    address: Address | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    explorers: set[str] = field(default_factory=set)

    def page(self, slides: list[Slide], title: str) -> str:
        stacks: list[list[Slide]] = []
        for slide in slides:
            if not slide.below or not stacks:
                stacks.append([])
            stacks[-1].append(slide)
        drawn = []
        for stack in stacks:
            made = [self.slide(slide, len(stack) - 1 - i) for i, slide in enumerate(stack)]
            alone = len(stack) == 1
            drawn += made if alone else ["<section>", *made, "</section>"]
        return PAGE.format(title=html.escape(title), slides="\n".join(drawn))

    def slide(self, slide: Slide, below: int = 0) -> str:
        figure = next((part for part in slide.parts if isinstance(part, Figure)), None)
        shape = "" if figure is None else " side" if figure.aspect <= SQUARE else " wide"
        many = slide.kind == "list" and slide.parts[0].source.count("\n- ") > 9
        body = self.body(slide)
        heading = self.heading(slide)
        notes = "".join(self.markdown(note) for note in slide.notes)
        notes = f'<aside class="notes">{notes}</aside>' if notes else ""
        more = f'<p class="more">↓ {below} more below</p>' if below else ""
        cell = f' data-cell="{html.escape(slide.cell)}"' if slide.cell else ""
        return (
            f'<section{cell}><div class="slide {slide.kind}{shape}{" many" * many}">{heading}'
            f'<div class="body">{body}</div>{more}</div>{notes}</section>'
        )

    def heading(self, slide: Slide) -> str:
        title = self.inline(slide.title)
        if slide.kind == "title":
            return f"<h1>{title}</h1>"
        if slide.kind == "section":
            under = f"<h3>{title}</h3>" if title else ""
            return f'<h2 class="opens">{self.inline(slide.section)}</h2>{under}'
        above = f'<p class="where">{self.inline(slide.section)}</p>' if slide.section else ""
        return above + (f"<h3>{title}</h3>" if title else "")

    def body(self, slide: Slide) -> str:
        """The parts below each other; beside a square figure, the text stands together."""
        figures = [part for part in slide.parts if isinstance(part, Figure)]
        if not figures:
            return "".join(map(self.part, slide.parts))
        at = slide.parts.index(figures[0])
        others = [part for part in slide.parts if part not in figures]
        if figures[0].aspect > SQUARE:
            above, below = self.text(slide.parts[:at]), self.text(others[at:])
        else:
            above, below = "", self.text(others)
        return above + "".join(map(self.part, figures)) + below

    def text(self, parts: list) -> str:
        return f'<div class="text">{"".join(map(self.part, parts))}</div>' if parts else ""

    def part(self, part) -> str:
        match part:
            case Block():
                return self.markdown(part.source)
            case Code():
                code = highlight(part.source, PythonLexer(), HtmlFormatter(nowrap=True))
                before = '<p class="goes-on">… it goes on</p>' if part.goes_on else ""
                return f'{before}<pre class="code"><code>{code}</code></pre>'
            case Output():
                return f'<pre class="output">{html.escape(part.text)}</pre>'
            case Figure():
                return self.figure(part)
            case Question():
                return self.question(part)
            case Live():
                return self.live(part)
            case Together():
                inside = "".join(map(self.part, part.parts))
                return f'<div class="fragment">{inside}</div>'
        raise TypeError(f"no part of a slide: {part!r}")

    def figure(self, figure: Figure) -> str:
        if figure.picture:
            name = hashlib.sha256(figure.picture.data).hexdigest()[:12]
            path = f"images/{self.stem}-{name}.png"
            self.files[path] = figure.picture.data
        else:
            path = figure.path
        alt = html.escape(figure.alt or ALTERNATIVE)
        knobs = '<p class="knobs">These knobs turn in the notebook</p>' if figure.knobs else ""
        return f'<div class="picture"><img src="{html.escape(path)}" alt="{alt}">{knobs}</div>'

    def question(self, asked: Question) -> str:
        choices = "".join(
            f"<li{' class=right' if choice == asked.answer else ''}>{html.escape(choice)}</li>"
            for choice in asked.choices
        )
        return (
            f'<p class="label">{html.escape(asked.label)}</p>'
            f'<p class="asked">{html.escape(asked.question)}</p><ul class="choices">{choices}</ul>'
            f'<p class="fragment answer"><b>{html.escape(asked.answer)}.</b> '
            f"{html.escape(asked.because)}</p>"
        )

    def live(self, live: Live) -> str:
        if live.explorer is None:
            name = f"{self.stem}-{hashlib.sha256(live.page.encode()).hexdigest()[:8]}"
            self.files[f"explorers/{name}.html"] = live.page.encode()
            choices = {"": name}
        else:
            choices = live.explorer.choices
            self.explorers |= set(choices.values())
        first = next(iter(choices.values()))
        links = "".join(
            f'<a href="explorers/{name}.html" target="live-{first}">{html.escape(choice)}</a>'
            for choice, name in choices.items()
        )
        links = f'<p class="which">{links}</p>' if len(choices) > 1 else ""
        return (
            f'{links}<iframe name="live-{first}" data-src="explorers/{first}.html" '
            f'title="Latent explorer" data-preload></iframe>'
        )

    # --- markdown --------------------------------------------------------------------------------

    def markdown(self, source: str) -> str:
        source = relinked(source, self.decks, self.address)
        made = markdown2html_mistune(source)
        return re.sub(r'href="([\w-]+)\.ipynb(?:#[^"]*)?"', r'href="\1.html"', made)

    def inline(self, source: str) -> str:
        return re.sub(r"^<p>(.*)</p>\s*$", r"\1", self.markdown(source), flags=re.DOTALL)
