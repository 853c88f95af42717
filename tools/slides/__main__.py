"""Make the decks: `python -m tools.slides [NAME ...] [--out FOLDER]`, or `make slides`."""

import argparse
import html
import shutil
import sys
import tempfile
import time
from pathlib import Path

from course_utils.files import CHECKOUT
from tools.execute_notebooks import in_reading_order
from tools.links import stamped
from tools.notebook_files import NOTEBOOKS, NotNotebook, read_notebook
from tools.site.explorers import write_explorers
from tools.site.needed import MATHJAX, NpmPackage, Unavailable, fetch
from tools.slides.deck import deck
from tools.slides.draw import Drawing
from tools.slides.lectures import add_notes, advice_for, plan
from tools.slides.parts import Slide

HERE = Path(__file__).resolve().parent
REVEAL = NpmPackage(
    "reveal.js",
    "5.2.1",
    "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ==",
    {
        "dist/reveal.js": "reveal/reveal.js",
        "dist/reveal.css": "reveal/reveal.css",
        "plugin/notes/notes.js": "reveal/notes.js",
        "LICENSE": "reveal/LICENSE",
    },
)
MARK = ".decks"  # lies in a folder of decks, which may then be replaced
INDEX = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Slides: {title}</title>
<link rel="stylesheet" href="static/deck.css"></head>
<body class="contents">
<h1>{title}: slides</h1>
<p>Space: every slide in order. →: the next idea, without what stands below. ↓: what stands below.
S: your notes, in a window of their own. O: all slides. F: full screen. B: a dark screen.</p>
<ul>
{decks}
</ul>
</body>
</html>
"""


def slides_of(path: Path, stems: list[str]) -> list[Slide]:
    """The slides of a notebook, with all notes."""
    nb = read_notebook(path)
    minutes = plan(nb)
    slides = deck(nb, minutes)
    add_notes(slides, minutes, advice_for(path.stem, stems))
    return slides


def build(out: Path, paths: list[Path]) -> dict[str, list[Slide]]:
    """Write the decks of these notebooks into a folder, which is replaced as a whole.

    Returns:
        {name of a notebook: its slides}.
    Raises:
        Unavailable: reveal.js or MathJax cannot be had.
        NotNotebook: a notebook cannot be read.
    """
    scripts = [HERE / "static", fetch(MATHJAX), fetch(REVEAL)]
    stems = [path.stem for path in in_reading_order(NOTEBOOKS)]
    names, address = {f"{path.stem}.ipynb" for path in paths}, stamped()
    made: dict[str, list[Slide]] = {}
    explorers: set[str] = set()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "slides")
        folder.mkdir()
        for path in paths:
            slides = made[path.stem] = slides_of(path, stems)
            drawing = Drawing(path.stem, names, address)
            page = drawing.page(slides, slides[0].title)
            (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
            for name, content in drawing.files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            explorers |= drawing.explorers
        if explorers:
            write_explorers(explorers, folder / "explorers")
        shutil.copytree(NOTEBOOKS / "figures", folder / "figures")
        for script in scripts:
            shutil.copytree(script, folder / "static", dirs_exist_ok=True)
        (folder / "static" / ".whole").unlink(missing_ok=True)
        (folder / "index.html").write_text(contents(made), encoding="utf-8")
        (folder / MARK).touch()
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, out)
    return made


def contents(made: dict[str, list[Slide]]) -> str:
    """The page that lists the decks."""
    lines = [
        f'<li><a href="{stem}.html">{html.escape(slides[0].title)}</a> '
        f"({sum(not slide.below for slide in slides)} slides in the upper row, "
        f"{len(slides)} in all)</li>"
        for stem, slides in made.items()
    ]
    title = "Variational autoencoders, from the ground up"
    return INDEX.format(title=title, decks="\n".join(lines))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.slides", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="only these, as in 05 or start_here; else all")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "slides", help="the decks' folder")
    chosen = parser.parse_args(arguments)
    out, wanted = chosen.out, {name.zfill(2) for name in chosen.names}
    paths = [
        path
        for path in in_reading_order(NOTEBOOKS)
        if not wanted or {path.stem, path.stem.split("_")[0]} & wanted
    ]
    if not paths:
        print("No such notebook.", file=sys.stderr)
        return 2
    if out.exists() and not (out / MARK).exists():
        print(f"{out} is in the way and holds no decks: please move it.", file=sys.stderr)
        return 1
    started = time.perf_counter()
    try:
        made = build(out, paths)
    except (Unavailable, NotNotebook, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    for stem, slides in made.items():
        upper = sum(not slide.below for slide in slides)
        print(f"{stem}: {len(slides)} slides, {upper} in the upper row")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    print(f"{out}: {size:.0f} MB in {time.perf_counter() - started:.0f} s; open {out}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
