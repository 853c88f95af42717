"""What the site adds to Sphinx: anchors as in Jupyter, and sections that may be skipped."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes

DEEPER = re.compile(r"◇ |Exercises, deeper$|Symbols, units, ")


def slug(title: str) -> str:
    """The anchor of a heading, as Jupyter makes it: links in notebooks are written for that."""
    return title.strip().replace(" ", "-")


def mark_deeper(app: Any, doctree: "nodes.document") -> None:
    """Give sections that may be skipped the class `deeper`."""
    from docutils import nodes  # which comes with Sphinx

    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        if title is not None and DEEPER.match(title.astext()):
            section["classes"].append("deeper")


def name_folds_by_their_text(
    app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A folded cell's bar says what is folded: no other name may hide that from readers."""
    if "body" in context:
        context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")


def setup(app: Any) -> dict[str, bool]:
    app.connect("doctree-read", mark_deeper)
    app.connect("html-page-context", name_folds_by_their_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
