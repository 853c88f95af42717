"""From the committed notebooks to what Sphinx reads: the same pages, with what a site can do.

Nothing is executed. Code that a page folds stays folded; progress bars, which tell a reader
nothing any more, are left out; where a checkpoint's explorer can stand, it stands instead of a
widget that only a kernel could move.
"""

import copy
import json
import posixpath
import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from tools.links import Address
from tools.site.explorers import Explorer, explorer_for

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
DEEPER = re.compile(r"^## ◇ ", re.MULTILINE)
DEEPER_BEGINS = (
    '<p class="deeper-begins"><strong>Deeper.</strong> The core of this page ends here. '
    "Sections marked ◇ may be skipped: nothing later needs them.</p>"
)
NEEDS_KERNEL = (
    '<p class="needs-kernel">This is how the knobs stood when the page was made. '
    "They move the picture only while the notebook runs.</p>"
)
# What the bar says above folded code, by what the code is.
FOLDED = [
    ("REPOSITORY = ", "The cell that installs the course"),
    (r" *predict\(", "The code of this question"),
]
ALTERNATIVE = "The figure drawn by the code above; “What to see” below describes it"


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def as_text(output: NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/plain", ""))


def fold(cell: NotebookNode) -> None:
    """Fold checks, solutions and what JupyterLab folds, under a line that says what is there."""
    check = "check" in tags(cell)
    solution = "### BEGIN SOLUTION" in cell.source
    if not (check or solution or "hide-input" in tags(cell) or cell.metadata.get("jupyter")):
        return
    said = [prompt for call, prompt in FOLDED if re.search(f"^{call}", cell.source, re.MULTILINE)]
    said += ["A solution: try it yourself first"] * solution + ["The code of this cell"]
    prompt = "A check of what was said" if check else said[0]
    cell.metadata["tags"] = [*(tag for tag in tags(cell) if tag != "hide-input"), "hide-input"]
    cell.metadata["mystnb"] = {"code_prompt_show": prompt, "code_prompt_hide": prompt}


def show_widgets(cell: NotebookNode) -> list[Explorer]:
    """Put into a cell's outputs what a page without a kernel shows of widgets; the explorers."""
    explorers, outputs = [], []
    framed = any(
        "<iframe" in "".join(o.get("data", {}).get("text/html", "")) for o in cell.outputs
    )
    for output in cell.outputs:
        if VIEW not in output.get("data", {}):
            outputs.append(output)
        elif re.search(r"\d%\|", as_text(output)):
            continue  # a progress bar
        elif explorer := explorer_for(cell.source, as_text(output)):
            explorers.append(explorer)
            outputs.append(new_output("display_data", {"text/html": explorer.html}))
        elif not framed:  # or the same cell shows an explorer that moves
            outputs.append(output)
            outputs.append(new_output("display_data", {"text/html": NEEDS_KERNEL}))
    cell.outputs = outputs
    return explorers


def needed_state(nb: NotebookNode) -> dict:
    """The state of those widgets that a view still shows, and of what they are made of."""
    state = nb.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
    views = [output["data"][VIEW] for output in outputs if VIEW in output.get("data", {})]
    wanted, kept = [view["model_id"] for view in views], {}
    while wanted:
        name = wanted.pop()
        if name in state and name not in kept:
            kept[name] = state[name]
            wanted += re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[name]))
    return kept


def keep_needed_state(nb: NotebookNode) -> None:
    """Leave only the needed state in a notebook; a page without any loads no widgets' scripts."""
    state = needed_state(nb)
    nb.metadata.pop("widgets", None)
    if state:
        content = {"version_major": 2, "version_minor": 0, "state": state}
        nb.metadata["widgets"] = {STATE: content}


def link(target: str, on_site: set[str], address: Address | None) -> str | None:
    """Where a link of a notebook leads from the site; None for nowhere.

    A file that is not on the site is shown by the repository, if its address is known.
    """
    path = re.split(r"[#?]", target)[0]
    if not path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/", target):
        return target
    if path in on_site or path.startswith("figures/"):
        return target
    return address and address.source(posixpath.normpath(posixpath.join("notebooks", path)))


def relinked(markdown: str, on_site: set[str], address: Address | None) -> str:
    """Markdown whose links lead somewhere from the site; others become plain text."""

    def one(found: re.Match) -> str:
        target = link(found[2], on_site, address)
        return found[1] if target is None else f"[{found[1]}]({target})"

    skipped = r"^(?:```|~~~).*?^(?:```|~~~)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$"
    pieces = re.split(f"({skipped})", markdown, flags=re.DOTALL | re.MULTILINE)
    pieces[::2] = [re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", one, p) for p in pieces[::2]]
    return "".join(pieces)


def page(
    nb: NotebookNode, on_site: set[str], address: Address | None = None
) -> tuple[NotebookNode, list[Explorer]]:
    """A notebook as Sphinx is to read it, and the explorers that stand on it.

    Args:
        nb: the notebook, which stays as it is.
        on_site: the file names of all notebooks that are pages of the site.
        address: where the course is published, if that is known.
    """
    nb, explorers, cells, deeper = copy.deepcopy(nb), [], [], False
    for cell in nb.cells:
        if "instructor" in tags(cell):
            continue
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, on_site, address)
            if not deeper and DEEPER.search(cell.source):
                deeper = True
                cells.append(new_markdown_cell(DEEPER_BEGINS))
        elif cell.cell_type == "code":
            fold(cell)
            explorers += show_widgets(cell)
            if any("image/png" in output.get("data", {}) for output in cell.outputs):
                cell.metadata.setdefault("mystnb", {})["image"] = {"alt": ALTERNATIVE}
        cells.append(cell)
    nb.cells = cells
    keep_needed_state(nb)
    return nb, explorers


# --- the contents --------------------------------------------------------------------------------


BESIDE = ("TEACHING.md",)  # pages for lecturers, which do not stand in the reading order
CLOSING = ("Summary", "Exercises", "References")


def headings(nb: NotebookNode) -> tuple[str, list[str], list[str]]:
    """The title of a notebook, and the headings of its core sections and of its Deeper ones."""
    text = "\n".join(
        re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.DOTALL | re.MULTILINE)
        for cell in nb.cells
        if cell.cell_type == "markdown"
    )
    title = re.search(r"^# (.*)$", text, re.MULTILINE)
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    deeper = [name.removeprefix("◇ ") for name in sections if name.startswith("◇ ")]
    core = [name for name in sections if re.match(r"\d+ · ", name)]
    if title and title[1].startswith("◇ "):  # a companion page: all of it goes deeper
        core, deeper = [], [name for name in sections if name not in CLOSING]
    return title[1] if title else "", core, deeper


def question(nb: NotebookNode) -> str:
    """The first sentence in bold type: what the notebook asks."""
    found = re.search(r"\*\*(.+?)\*\*", nb.cells[0].source, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def beside(text: str, address: Address | None = None) -> str:
    """A page of the checkout's first folder as the site shows it."""

    def one(found: re.Match) -> str:
        target = address and address.source(found[2])
        return f"[{found[1]}]({target})" if target else found[1]

    return "---\norphan: true\n---\n\n" + re.sub(r"\[([^\]]*)\]\(([\w.]+\.md)\)", one, text)


def contents(notebooks: dict[str, NotebookNode], address: Address | None = None) -> str:
    """The site's first page: what each notebook asks, its core and what is Deeper.

    Args:
        notebooks: {file name: notebook}, in reading order.
        address: where the course is published, if that is known.
    """
    first = next(iter(notebooks))
    lines = [
        "# Variational autoencoders, from the ground up",
        "",
        "A course in notebooks: first what a variational autoencoder can do, and then, step by "
        "step, why it works. Each page is a notebook with its stored results, so you can read all "
        "of it here. Numbered sections are the core. Sections marked ◇ go deeper and may be "
        "skipped.",
        "",
        f'<a class="begin" href="{Path(first).stem}.html">Start here →</a>',
        "",
    ]
    for name, nb in notebooks.items():
        title, core, deeper = headings(nb)
        lines += [f"## [{title}]({name})", "", f"{question(nb)}", ""]
        if core:
            lines += [f"**Core:** {' · '.join(re.sub(r'^[0-9]+ · ', '', n) for n in core)}", ""]
        if deeper:
            lines += [
                f"**Deeper ◇:** {' · '.join(re.sub(r'^[0-9]+ · ', '', n) for n in deeper)}",
                "",
            ]
    if address:
        lines += [f"The notebooks themselves: [{address.repo}]({address.source('README.md')})", ""]
    lines += ["If you teach: [lectures and labs](teaching.md).", ""]
    stems = "\n".join(Path(name).stem for name in notebooks)
    lines += ["```{toctree}", ":hidden:", ":titlesonly:", "", stems, "```", ""]
    return "\n".join(lines)
