"""From the committed notebooks to what Sphinx reads: the same pages, with what a site can do.

Nothing is executed. Code that a page folds stays folded; progress bars, which tell a reader
nothing any more, are left out; where a checkpoint's explorer or recorded frames can stand, they
stand instead of a widget that only a kernel could move.
"""

import copy
import json
import posixpath
import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

from tools.links import Address
from tools.site.alternatives import alternatives, has_figure
from tools.site.explorers import Explorer, explorer_for
from tools.site.frames import digest, framed

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
DEEPER = re.compile(r"^## ◇ ", re.MULTILINE)
DEEPER_BEGINS = (
    '<p class="deeper-begins"><strong>Deeper.</strong> The core of this page ends here. '
    "Sections marked ◇ may be skipped: nothing later needs them.</p>"
)
NEEDS_KERNEL = (
    '<p class="needs-kernel">In the notebook this picture has knobs. '
    "They move it only while the notebook runs.</p>"
)
MOVES = "The picture that belongs to these positions of the knobs"
# What the bar says above folded code, by what the code is.
FOLDED = [
    ("REPOSITORY = ", "The cell that installs the course"),
    (r" *predict\(", "The code of this question"),
]


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


def stored_pictures(view: dict, state: dict) -> list[NotebookNode]:
    """The pictures of a widget as they were when the notebook was stored, as outputs."""
    wanted, seen, pictures = [view["model_id"]], set(), []
    while wanted:
        name = wanted.pop(0)
        if name not in state or name in seen:
            continue
        seen.add(name)
        wanted += re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[name]))
        if state[name].get("model_name") == "ImageModel":
            (png,) = [one["data"] for one in state[name]["buffers"] if one["path"] == ["value"]]
            width = int(state[name]["state"]["width"])
            size = {"image/png": {"width": width}} if width else {}
            pictures.append(new_output("display_data", {"image/png": png}, metadata=size))
    return pictures


def show_widgets(
    cell: NotebookNode, state: dict, entry: dict | None = None, alt: str = ""
) -> list[Explorer]:
    """Put into a cell's outputs what a page without a kernel shows of widgets; the explorers.

    Args:
        cell: the cell, which is changed.
        state: that of the notebook's widgets.
        entry: the cell's frames, if there are any; those of another source are not shown.
        alt: what the frames show, in words.
    """
    fresh = entry is not None and entry["source"] == digest(cell.source)
    explorers, outputs = [], []
    beside = any(
        "<iframe" in "".join(o.get("data", {}).get("text/html", "")) for o in cell.outputs
    )
    drawn = any("image/png" in output.get("data", {}) for output in cell.outputs)
    for output in cell.outputs:
        if VIEW not in output.get("data", {}):
            outputs.append(output)
        elif re.search(r"\d%\|", as_text(output)):
            continue  # a progress bar
        elif explorer := explorer_for(cell.source, as_text(output)):
            explorers.append(explorer)
            outputs.append(new_output("display_data", {"text/html": explorer.html}))
        elif fresh and as_text(output).startswith("Knobs("):
            outputs.append(new_output("display_data", {"text/html": framed(entry, cell.id, alt)}))
        elif not beside:  # or the same cell shows an explorer that moves
            if not drawn:
                outputs += stored_pictures(output["data"][VIEW], state)
            outputs.append(new_output("display_data", {"text/html": NEEDS_KERNEL}))
    cell.outputs = outputs
    return explorers


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
    nb: NotebookNode,
    on_site: set[str],
    address: Address | None = None,
    frames: dict[str, dict] | None = None,
) -> tuple[NotebookNode, list[Explorer]]:
    """A notebook as Sphinx is to read it, and the explorers that stand on it.

    Args:
        nb: the notebook, which stays as it is.
        on_site: the file names of all notebooks that are pages of the site.
        address: where the course is published, if that is known.
        frames: those of its live pictures, by the id of the cell.
    """
    nb, explorers, cells, deeper = copy.deepcopy(nb), [], [], False
    frames, alts = frames or {}, alternatives(nb.cells)
    # Without it a page loads no scripts for widgets.
    state = nb.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
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
            alt = alts.get(cell.id, MOVES)
            explorers += show_widgets(cell, state, frames.get(cell.id), alt)
            if has_figure(cell):
                cell.metadata.setdefault("mystnb", {})["image"] = {"alt": alt}
        cells.append(cell)
    nb.cells = cells
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
