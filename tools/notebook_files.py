"""Where the notebooks lie, and what a notebook is in its file."""

import nbformat
from nbformat import NotebookNode

from course_utils.files import CHECKOUT

NOTEBOOKS = CHECKOUT / "notebooks"


def content(nb: NotebookNode) -> bytes:
    """A notebook as it stands in its file."""
    return (nbformat.writes(nb) + "\n").encode()
