"""The page of `export_html` within a notebook: its map is moved by dragging on the map itself."""

import html
import os
from pathlib import Path

from course_utils.files import quoted, user_path

# As wide as the output, and of the shape that the page is drawn for.
LOOK = "width: 100%; max-width: 1200px; aspect-ratio: 16 / 9; border: 1px solid #8a8a8a"


class Framed:
    """What `framed` returns: in a notebook the page itself, elsewhere its name."""

    def __init__(self, path: Path):
        self.name, self._page = path.name, path.read_text(encoding="utf-8")

    def __repr__(self) -> str:
        return f"Framed({self.name})"

    def _repr_html_(self) -> str:
        # Within the output, not at an address: JupyterLab, Colab and VS Code serve files each in
        # its own way, or not at all. Escaped, the page cannot end the attribute that holds it.
        page = html.escape(self._page)
        return f'<iframe title="{html.escape(self.name)}" style="{LOOK}" srcdoc="{page}"></iframe>'


def framed(path: str | os.PathLike) -> Framed:
    """A page of `export_html` in a frame of the notebook: the last expression of a cell.

    The page computes its pictures itself, so it moves without a kernel, and in a saved notebook
    that is trusted. Introduced in start_here.

    Args:
        path: what `export_html` returned.
    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for what is no path, or no page.
    """
    place = user_path("path", path, "file")
    if place.is_dir():
        raise ValueError(f"path: expected a file's path, got the folder {quoted(place)}")
    try:
        return Framed(place)
    except UnicodeDecodeError:
        raise ValueError(f"path: expected a page of export_html, got {quoted(place)}") from None
