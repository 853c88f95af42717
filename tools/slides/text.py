"""Markdown as a slide needs it: cut into blocks and sentences, and these into slides' worth.

What is cut is put together again on the next slide: nothing is left out. Only a sentence that
stands in parentheses as a whole is an aside, which goes to the speaker's notes.
"""

import math
import re
from dataclasses import dataclass

STAMP = re.compile(r"<!-- links: .*?<!-- /links -->\n*", re.DOTALL)  # of tools.links
ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)]) ")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)(?: \"[^\"]*\")?\)$")
# Text that no cut may divide.
WHOLE = re.compile(r"\$[^$]+\$|`[^`]*`|\[[^\]]*\]\([^)]*\)|\*\*[^*]+\*\*|“[^”]*”")
ABBREVIATED = re.compile(r"(?:\bal|\be\.g|\bi\.e|\bvs|\bcf|\bno|\bp|\bpp|\b[A-Z])\.$")
BOLD_LEAD = re.compile(r"\*\*([^*]{3,60}?)(?:[.:]\*\*|\*\*[.:]|(?<=\?)\*\*) *")
BEGINS = re.compile(r"[A-Z0-9(“$`*\[◇μσεθβφαπλΣ]")


@dataclass(frozen=True)
class Block:
    """A piece of markdown of one kind: text, list, math, table, fence, image or heading."""

    kind: str
    source: str


def blocks(markdown: str) -> list[Block]:
    """The pieces of a cell's markdown, in order; a list is one piece for each of its items."""
    found, lines = [], STAMP.sub("", markdown).split("\n")
    while lines:
        line = lines[0]
        if not line.strip():
            lines.pop(0)
            continue
        if fence := re.match(r"(```|~~~)", line):
            kind, size = "fence", _until(lines, lambda x: x.startswith(fence[1]), 1)
        elif line.startswith("$$"):
            ends = line.count("$$") > 1
            size = 1 if ends else _until(lines, lambda x: x.rstrip().endswith("$$"), 1)
            kind = "math"
        elif line.startswith("<details"):
            kind, size = "answer", _until(lines, lambda x: "</details>" in x, 0)
        elif line.startswith(">"):
            kind, size = "quote", _while(lines, lambda x: x.startswith(">"))
        elif line.startswith("|"):
            kind, size = "table", _while(lines, lambda x: x.startswith("|"))
        elif re.match(r"#{1,6} ", line):
            kind, size = "heading", 1
        elif ITEM.match(line):
            kind = "list"
            size = 1 + _while(lines[1:], lambda x: x.startswith("  ") or not x.strip())
        else:
            kind, size = "text", _while(lines, _goes_on)
        source = "\n".join(lines[:size]).strip()
        if kind == "text" and IMAGE.match(source):
            kind = "image"
        if kind == "answer":  # what a page folds, without the tags
            source = re.sub(r"</?details>|<summary>.*?</summary>", "", source).strip()
        found.append(Block(kind, source))
        lines = lines[size:]
    return found


def _until(lines: list[str], ends, after: int) -> int:
    return next((i + 1 for i in range(after, len(lines)) if ends(lines[i])), len(lines))


def _while(lines: list[str], holds) -> int:
    return next((i for i, line in enumerate(lines) if not holds(line)), len(lines))


def _goes_on(line: str) -> bool:
    return bool(line.strip()) and not re.match(
        r"```|~~~|\$\$|\||>|<details|#{1,6} |[-*+] |\d+\. ", line
    )


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; what stands within formulas or parentheses is never cut."""
    text = " ".join(text.split())
    inside = [False] * len(text)
    for found in WHOLE.finditer(text):
        inside[found.start() : found.end()] = [True] * (found.end() - found.start())
    cut, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        if not inside[i]:
            depth += (letter == "(") - (letter == ")")
        if letter != " " or depth or inside[i]:
            continue
        before, after = text[start:i], text[i + 1 :]
        ended = re.search(r"[.?!:][”\"*)]*$", before) and not ABBREVIATED.search(before)
        colon = re.search(r":\**$", before)
        if ended and not colon and BEGINS.match(after):
            cut.append(before)
            start = i + 1
    return [sentence for sentence in [*cut, text[start:]] if sentence]


def is_aside(sentence: str) -> bool:
    """Whether a sentence stands in parentheses as a whole."""
    return sentence.startswith("(") and bool(re.search(r"[.?!]\)$", sentence))


def words(source: str) -> int:
    """How many words of a piece of markdown one reads; a formula within it counts as two."""
    source = re.sub(r"\$[^$]+\$", " a formula ", source)
    source = re.sub(r"\]\([^)]*\)", "] ", source)
    return len(re.findall(r"\w[\w'’.-]*", source))


def weight(block: Block) -> float:
    """How much of a slide a piece takes, counted in words."""
    match block.kind:
        case "math":
            rows = 1 + block.source.count(r"\\[") + len(re.findall(r"\\\\(?!\[)", block.source))
            return 6 + 9 * rows
        case "list":
            return 2 + 0.8 * words(block.source)
        case "table":
            return 7 * (block.source.count("\n") + 1)
        case "fence":
            return 6 * (block.source.count("\n") + 1)
        case "image":
            return 0
    return words(block.source)


def slides_worth(pieces: list[Block], limit: float) -> list[list[Block]]:
    """Pieces put together again, in order, in groups of about a limit's weight.

    Cut is where it costs least: between paragraphs rather than between two sentences, never
    between an equation and the sentence that announces it. Few full groups cost less than many
    small ones.
    """
    units = []
    for piece in pieces:
        if piece.kind == "text":
            units += [Block("text", s) for s in sentences(piece.source)]
            units[-1] = Block("end", units[-1].source)  # of a paragraph
        elif piece.kind == "table":
            units += [Block("table", part) for part in table_parts(piece.source, limit)]
        else:
            units.append(piece)
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first n units: cost, where the last begins
    for n in range(1, len(units) + 1):
        costs = []
        for i in range(n):
            held = sum(map(weight, units[i:n]))
            costs.append((best[i][0] + _cost(held / limit, n - i) + _cut(units, n), i))
        best.append(min(costs))
    groups, n = [], len(units)
    while n:
        i = best[n][1]
        groups.append(_joined(units[i:n]))
        n = i
    return groups[::-1]


def table_parts(table: str, limit: float) -> list[str]:
    """A table in parts of so many words at most, each with its head; in one if it is small."""
    head, line, *rows = table.split("\n")
    count = math.ceil(words(table) / (1.5 * limit))
    size = math.ceil(len(rows) / count)
    return ["\n".join([head, line, *rows[i : i + size]]) for i in range(0, len(rows), size)]


def _cost(full: float, units: int) -> float:
    """What a slide costs that is so full: 1 is the limit."""
    cost = 10 + 8 * max(0.0, 0.5 - full) ** 2
    if full > 1:
        cost += 120 * (full - 1) ** 2 + (200 if full > 1.35 and units > 1 else 0)
    return cost


def _cut(units: list[Block], n: int) -> float:
    """What it costs to cut before unit n."""
    if n == len(units):
        return 0
    last, unit = units[n - 1], units[n]
    if _announces(last, unit):
        return 60
    if last.kind == unit.kind == "table":
        return -60
    if last.kind == "text":
        return 5
    if BOLD_LEAD.match(unit.source):
        return -8
    return 3 if last.kind == unit.kind == "list" else 0


def _announces(last: Block, unit: Block) -> bool:
    """Whether a sentence may not be the last before what follows."""
    if last.kind not in ("text", "end"):
        return False
    return unit.kind in ("math", "table", "fence") or last.source.rstrip("*").endswith(":")


def _joined(group: list[Block]) -> list[Block]:
    """A group with the sentences of a paragraph, and the items of a list, in one piece again."""
    made: list[Block] = []
    follows = ""
    for unit in group:
        kind = "text" if unit.kind == "end" else unit.kind
        if made and kind == follows == "text":
            made[-1] = Block("text", f"{made[-1].source} {unit.source}")
        elif made and kind == "list" and made[-1].kind == "list":
            made[-1] = Block("list", f"{made[-1].source}\n{unit.source}")
        else:
            made.append(Block(kind, unit.source))
        follows = "" if unit.kind == "end" else kind
    return made


def without_asides(pieces: list[Block]) -> tuple[list[Block], list[str]]:
    """Pieces of markdown without their asides, and the asides, without the parentheses."""
    kept, asides = [], []
    for piece in pieces:
        if piece.kind == "text":
            parts = sentences(piece.source)
            asides += [s[1:-1] for s in parts if is_aside(s)]
            piece = Block("text", " ".join(s for s in parts if not is_aside(s)))
        if piece.source:
            kept.append(piece)
    return kept, asides


def lead(pieces: list[Block]) -> tuple[str, list[Block]]:
    """What may be a slide's title, and the rest.

    It is what the first paragraph begins with, if that is in bold type, or a short question.
    """
    if not pieces or pieces[0].kind != "text":
        return "", pieces
    first = sentences(pieces[0].source)
    bold = BOLD_LEAD.match(first[0])
    if bold and words(bold[1]) <= 9:
        title, rest = bold[1].strip(), pieces[0].source[bold.end() :].strip()
        rest = rest[:1].upper() + rest[1:]
    elif first[0].endswith("?") and words(first[0]) <= 11 and "(" not in first[0]:
        title, rest = first[0], " ".join(first[1:])
    else:
        return "", pieces
    if not rest and len(pieces) == 1:
        return "", pieces
    return title, [*([Block("text", rest)] if rest else []), *pieces[1:]]
