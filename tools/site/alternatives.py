"""What stands for a figure where it cannot be seen: its section, and what there is to see.

The pages say after each figure "**What to see.**", in sentences; the first of them are the
figure's alternative text, as far as they can be read aloud: markdown and simple formulas become
plain words, and a sentence with any other formula is left out.
"""

import re

from nbformat import NotebookNode

LENGTH = 250  # characters of sentences, about; the first sentence may be longer
LONGEST = 400
CELLS = 4  # how far below a figure its text may begin
SEE = "**What to see.**"
NAMES = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "epsilon": "ε",
    "varepsilon": "ε", "lambda": "λ", "mu": "μ", "phi": "φ", "pi": "π", "psi": "ψ", "rho": "ρ",
    "sigma": "σ", "Sigma": "Σ", "tau": "τ", "theta": "θ", "log": "log", "exp": "exp",
    "top": "ᵀ", "mid": "|", "times": "×", "cdot": "·", "approx": "≈", "ge": "≥",
    "le": "≤", "to": "→", "infty": "∞", "pm": "±", "sim": "~", "|": "‖", "ln": "ln",
    ",": " ", ";": " ", "!": "", "big": "", "left": "", "right": "",
}  # fmt: skip


def spoken(formula: str) -> str | None:
    """A formula of TeX in plain letters, as u1 for u_1; None if it takes more than that."""
    text = re.sub(r"\\(?:mathrm|mathbf|text|operatorname|mathcal)\{(\w+)\}", r"\1", formula)
    text = re.sub(r"\\([A-Za-z]+|.)", lambda m: NAMES.get(m[1], m[0]), text)
    text = re.sub(r"_\{?(\w+)\}?", r"\1", text)
    text = re.sub(r"\^\{?2\}?", "²", text)
    text = re.sub(r"\^\{?(ᵀ)\}?", r"\1", text)
    return None if re.search(r"[\\{}^_]", text) else " ".join(text.split())


def plain(markdown: str) -> str:
    """Markdown without marks, links and simple formulas; other formulas keep their dollars."""

    def formula(found: re.Match) -> str:
        said = spoken(found[1])
        return found[0] if said is None else said

    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", markdown)
    text = re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r"\$\$.*?\$\$", "$$", text, flags=re.DOTALL)
    text = re.sub(r"\$([^$\n]+)\$", formula, text)
    text = re.sub(
        r"`([^`\n]*)`|\*\*(.+?)\*\*|(?<![\w*])\*(?=\S)([^*\n]+)(?<=\S)\*(?!\w)", _inside, text
    )
    return " ".join(text.split())


def _inside(found: re.Match) -> str:
    return next(part for part in found.groups() if part is not None)


def sentences(text: str) -> list[str]:
    """The sentences of one paragraph."""
    return re.split(r"""(?:(?<=[.!?])|(?<=[.!?]["”')]))\s+(?=["“'(]*[A-ZΑ-Ω\d$])""", text)


def first_sentences(markdown: str) -> str:
    """The first sentences of what there is to see that are plain words, about `LENGTH` long."""
    paragraph = markdown.split(SEE, 1)[1].strip().split("\n\n")[0]
    said: list[str] = []
    for sentence in sentences(plain(paragraph)):
        if "$" in sentence or len(sentence) > LONGEST:
            if said:
                break  # what follows may lean on it
            continue
        if said and len(" ".join([*said, sentence])) > LENGTH:
            break
        said.append(sentence)
    while said and " ".join(said).count("(") != " ".join(said).count(")"):
        said.pop()  # a bracket holds several sentences
    return " ".join(said)


def has_figure(cell: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def alternatives(cells: list[NotebookNode]) -> dict[str, str]:
    """The alternative text of each figure of a notebook, by the id of its cell."""
    texts, heading = {}, ""
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            code = r"^(```|~~~).*?^\1"
            text = re.sub(code, "", cell.source, flags=re.DOTALL | re.MULTILINE)
            for found in re.findall(r"^#{1,3} (.*)$", text, re.MULTILINE):
                heading = re.sub(r"^(◇ |\d+ · )", "", plain(found))
        elif has_figure(cell):
            said = ""
            for later in cells[place + 1 : place + 1 + CELLS]:
                if has_figure(later):
                    break
                if later.cell_type == "markdown" and SEE in later.source:
                    said = first_sentences(later.source)
                    break
            begin = f"{heading}{'' if heading.endswith(('?', '!', '.')) else '.'} " * bool(heading)
            texts[cell.id] = begin + (said or "A figure, drawn by the code above.")
    return texts
