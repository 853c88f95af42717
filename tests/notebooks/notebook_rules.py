"""The house style of the notebooks, as rules that can be run.

A rule is a function from a notebook, as plain dictionaries, to complaints: pairs (cell index or
None, what is wrong). `RULES` names them all.
"""

import math
import re
import statistics

import nbformat

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}
CLOSING = ["Summary", "Exercises", "References"]
DEEPER = re.compile(r"◇ |Exercises, deeper$|Symbols, units, ")  # sections that may be skipped
LARGEST = 2_500_000  # bytes
LONG_SENTENCE, LONG_SHARE = 25, 0.03  # words; of all sentences
TAGS = {
    "nbval-ignore-output",  # differs by data, time or device
    "raises-exception",  # fails on purpose
    "exercise",  # a student writes here
    "solution",  # left out of the student edition
    "expected-result",  # what the student's answer should print or show
    "instructor",  # for lecturers only
    "hide-input",  # plumbing, folded away on the site
    "check",  # assertions, apart from the idea that they prove
}
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# --- reading a notebook --------------------------------------------------------------------------


def cells_of(nb, kind):
    """(index, cell) of every cell of one kind, "code" or "markdown"."""
    return [(i, cell) for i, cell in enumerate(nb["cells"]) if cell["cell_type"] == kind]


def is_code(cell):
    return cell["cell_type"] == "code"


def code_lines(cell):
    """The lines of a code cell that are not blank."""
    return [line for line in cell["source"].splitlines() if line.strip()]


def prose(cell):
    """The source of a markdown cell without code, be it fenced or within a sentence."""
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", cell["source"], flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "code", text)


def words(cell):
    """How many words of a markdown cell one reads: a formula in the sentence counts as one."""
    text = re.sub(r"\$\$.*?\$\$", " ", prose(cell), flags=re.DOTALL)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    text = re.sub(r"<[^>]+>", " ", text)
    return len(re.findall(r"\w[\w'’.,-]*", text))


def headings(nb):
    """(index, level, text) of every heading."""
    return [
        (i, len(found[1]), found[2].strip().rstrip("#").strip())
        for i, cell in cells_of(nb, "markdown")
        for found in re.finditer(r"^(#{1,6})\s+(.+)$", prose(cell), flags=re.MULTILINE)
    ]


def in_closing(nb):
    """Index of the cell where the closing sections begin; the number of cells if they never do."""
    starts = [i for i, level, text in headings(nb) if level == 2 and text == CLOSING[0]]
    return starts[-1] if starts else len(nb["cells"])


def tags_of(cell):
    return cell["metadata"].get("tags", [])


def joined(text):
    return "".join(text) if isinstance(text, list) else text


def output_data(cell):
    """(mime type, content) of all that a cell displays."""
    return [
        (mime, joined(content))
        for output in cell["outputs"]
        for mime, content in output.get("data", {}).items()
    ]


def output_texts(cell):
    """Every text that a cell stored: streams, plain texts, HTML and tracebacks."""
    streams = [joined(output["text"]) for output in cell["outputs"] if "text" in output]
    shown = [content for mime, content in output_data(cell) if mime.startswith("text/")]
    errors = [line for output in cell["outputs"] for line in output.get("traceback", [])]
    return streams + shown + errors


def shows_image(cell):
    """Whether a code cell displays a picture."""
    return any(
        mime in ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
        or (mime == "text/html" and re.search(r"data:image/|<svg\b", content))
        for mime, content in output_data(cell)
    )


# --- the rules -----------------------------------------------------------------------------------


def format_version(nb):
    """nbformat 4.5, every cell with an id of its own, valid by the schema."""
    complaints = []
    if (nb["nbformat"], nb["nbformat_minor"]) != (4, 5):
        complaints.append((None, f"format {nb['nbformat']}.{nb['nbformat_minor']}, not 4.5"))
    seen = set()
    for i, cell in enumerate(nb["cells"]):
        if "id" not in cell:
            complaints.append((i, "no cell id"))
        elif cell["id"] in seen:
            complaints.append((i, f"the cell id {cell['id']!r} occurs twice"))
        seen.add(cell.get("id"))
    if not complaints:
        try:
            nbformat.validate(nbformat.from_dict(nb))
        except nbformat.ValidationError as error:
            complaints.append((None, f"not valid: {error.message}"))
    return complaints


def title_and_sections(nb):
    """One H1, in the first cell; below it H2s."""
    found = headings(nb)
    titles = [i for i, level, _ in found if level == 1]
    complaints = [(i, "a second title (H1)") for i in titles[1:]]
    if not titles or titles[0] != 0:
        complaints.append((0, "the first cell holds no title (H1)"))
    if not any(level == 2 and text not in CLOSING for _, level, text in found):
        complaints.append((None, "no section (H2) before the closing ones"))
    return complaints


def closing_sections(nb):
    """The last H2s are Summary, Exercises, the Deeper sections if there are any, References."""
    sections = [text for _, level, text in headings(nb) if level == 2]
    deeper = [text for text in sections if DEEPER.match(text)]
    expected = [*CLOSING[:2], *deeper, CLOSING[2]]
    if sections[-len(expected) :] == expected:
        return []
    return [(None, f"the last sections are {sections[-len(expected) :]}, not {expected}")]


def deeper_sections(nb):
    """A section marked ◇ begins with what it is about, its minutes, and that it may be skipped."""
    complaints = []
    for i, level, text in headings(nb):
        if level == 2 and text.startswith("◇"):
            below = nb["cells"][i]["source"].split(text, 1)[1].strip().split("\n")[0]
            if not re.search(r"^\*.*\d+ minutes.*skip", below):
                complaints.append((i, f"{text}: no minutes, and that it may be skipped"))
    return complaints


def names_of_sources(nb):
    """Lecture documents are called by author and title: a seed is a random seed."""
    return [
        (i, f"a lecture document is called {found[0]!r}")
        for i, cell in enumerate(nb["cells"])
        if (found := re.search(r"\bseeds? 00\d", cell["source"], re.IGNORECASE))
    ]


def sentences(nb):
    """(cell index, number of words) of every sentence, but for references, tables and headings."""
    for i, cell in cells_of(nb, "markdown"):
        if "## References" in cell["source"]:
            continue
        text = re.sub(
            r"```.*?```|\$\$.*?\$\$|!\[.*?\]\(.*?\)", "", cell["source"], flags=re.DOTALL
        )
        text = re.sub(r"^\s*(\|.*|#.*)$", "", text, flags=re.MULTILINE)
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", re.sub(r"\$[^$]*\$|`[^`]*`", "x", text))
        for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)", text):
            for one in re.split(r"(?<=[.!?])[\"*)]*\s+(?=[A-Z0-9\"*(])", " ".join(part.split())):
                yield i, len(re.findall(r"\w[\w’'-]*", one))


def has_path(nb):
    """Whether there are Deeper sections, marked ◇, beside the core."""
    return any(text.startswith("◇") for _, _, text in headings(nb))


def folded(nb):
    """Where there is a path, installation, checks and predictions have their input folded."""
    begins = r"^(REPOSITORY = |predict\()"
    return [
        (i, "an input that is not folded (jupyter.source_hidden)")
        for i, cell in cells_of(nb, "code" if has_path(nb) else "none")
        if ("check" in tags_of(cell) or re.search(begins, cell["source"], re.MULTILINE))
        and not cell["metadata"].get("jupyter", {}).get("source_hidden")
    ]


def sentence_length(nb):
    """Where there is a path, at most 3 % of the sentences are longer than 25 words."""
    if not has_path(nb):
        return []
    found = [(i, words) for i, words in sentences(nb) if words]
    long = [(i, f"a sentence of {words} words") for i, words in found if words > LONG_SENTENCE]
    return long if len(long) > LONG_SHARE * len(found) else []


def executed_in_order(nb):
    """Execution counts 1..n; no empty code cell."""
    return [
        (i, f"execution count {cell['execution_count']}, not {expected}")
        for expected, (i, cell) in enumerate(cells_of(nb, "code"), start=1)
        if cell["execution_count"] != expected
    ] + [(i, "an empty code cell") for i, cell in cells_of(nb, "code") if not code_lines(cell)]


def neutral_metadata(nb):
    """Kernel `python3`, language `python`, no versions; no times in the cells."""
    complaints = []
    for name, expected in [("kernelspec", KERNELSPEC), ("language_info", LANGUAGE_INFO)]:
        if nb["metadata"].get(name) != expected:
            complaints.append((None, f"{name} is {nb['metadata'].get(name)}, not {expected}"))
    return complaints + [
        (i, f"metadata {name!r}, which changes with every run")
        for i, cell in enumerate(nb["cells"])
        for name in ("execution", "ExecuteTime")
        if name in cell["metadata"]
    ]


def prose_to_code(nb):
    """Between 1.0 and 1.8 markdown cells for each code cell that is no check."""
    prose_cells = len(cells_of(nb, "markdown"))
    code_cells = sum("check" not in tags_of(cell) for _, cell in cells_of(nb, "code"))
    ratio = prose_cells / max(code_cells, 1)
    if 1.0 <= ratio <= 1.8:
        return []
    return [(None, f"{prose_cells} markdown to {code_cells} code cells: {ratio:.2f}, not 1.0-1.8")]


def length_of_prose(nb):
    """The median markdown cell has 20 to 65 words."""
    median = statistics.median([words(cell) for _, cell in cells_of(nb, "markdown")] or [0])
    return [] if 20 <= median <= 65 else [(None, f"median markdown cell of {median} words")]


def length_of_code(nb):
    """Lines of code, blank ones aside: median at most 8, nine cells in ten 20, every cell 40."""
    lengths = {i: len(code_lines(cell)) for i, cell in cells_of(nb, "code")}
    if not lengths:
        return [(None, "no code")]
    complaints = [(i, f"{n} lines of code, over 40") for i, n in lengths.items() if n > 40]
    ordered = sorted(lengths.values())
    median, ninth = statistics.median(ordered), ordered[math.ceil(0.9 * len(ordered)) - 1]
    if median > 8:
        complaints.append((None, f"median code cell of {median} lines, over 8"))
    if ninth > 20:
        complaints.append((None, f"90th percentile of the code cells {ninth} lines, over 20"))
    return complaints


def code_in_a_row(nb):
    """Never more than two code cells in a row."""
    kinds = [is_code(cell) for cell in nb["cells"]]
    return [
        (i, "the third code cell in a row")
        for i in range(2, len(kinds))
        if all(kinds[i - 2 : i + 1])
    ]


def line_length(nb):
    """No line of code over 99 characters."""
    return [
        (i, f"a line of {len(line)} characters: {line[:40]}...")
        for i, cell in cells_of(nb, "code")
        for line in cell["source"].splitlines()
        if len(line) > 99
    ]


def set_up(nb):
    """The first code cell holds REPOSITORY; setup() by the second; neither over 12 lines."""
    first_two = cells_of(nb, "code")[:2]
    if not first_two or not re.search(r"^REPOSITORY = ", first_two[0][1]["source"], re.MULTILINE):
        return [(None, "the first code cell does not set REPOSITORY")]
    complaints = [
        (i, f"set-up of {len(code_lines(cell))} lines, over 12")
        for i, cell in first_two
        if len(code_lines(cell)) > 12
    ]
    if not any(re.search(r"\bsetup\(", cell["source"]) for _, cell in first_two):
        complaints.append((None, "no setup() in the first two code cells"))
    return complaints


BANNED = {
    r"^\s*%%?time(it)?\b": "a timing magic",
    r";\s*(#.*)?$": "a trailing semicolon",
    r"\bclear_output\b": "clear_output",
    r"^\s*from\s+\S+\s+import\s+\*": "a star import",
    r"^\s*import\s+tqdm\b(?!\.auto)": "tqdm not from tqdm.auto",
    r"^\s*from\s+tqdm(\.(?!auto\b)\w+)?\s+import": "tqdm not from tqdm.auto",
    r"\.cuda\(": ".cuda()",
    r"#\s*NBVAL_": "an NBVAL comment, where a tag belongs",
}
FOLDERS = "root|home|Users|tmp|work|content|mnt|media|opt|usr|var|private"
PATH = rf"(?<![\w.:/~-])(/({FOLDERS})/|[A-Z]:\\+(Users|Windows|Program))"


def banned_code(nb):
    """What breaks a comparison of outputs, a machine without CUDA, or a reader's understanding."""
    return [
        (i, f"{what}: {line.strip()[:60]}")
        for i, cell in cells_of(nb, "code")
        for line in cell["source"].splitlines()
        for pattern, what in BANNED.items()
        if re.search(pattern, line)
    ]


def absolute_paths(nb):
    """No path of one machine, neither in a cell nor in what it printed."""
    return [
        (i, f"the absolute path {text[max(found.start() - 10, 0) : found.end() + 30]!r}")
        for i, cell in enumerate(nb["cells"])
        for text in [cell["source"], *(output_texts(cell) if is_code(cell) else [])]
        for found in re.finditer(PATH, text)
    ]


def alternative_text(nb):
    """Images in markdown say in words what they show."""
    complaints = []
    for i, cell in cells_of(nb, "markdown"):
        text = prose(cell)
        missing = len(re.findall(r"!\[\s*\]", text))
        for tag in re.findall(r"<img\b[^>]*>", text):
            missing += not re.search(r"""\balt\s*=\s*["'][^"']""", tag)
        if missing:
            complaints.append((i, "an image without alternative text"))
    return complaints


def errors(nb):
    """An error is stored exactly where the tag `raises-exception` promises one."""
    return [
        (i, "a stored error and the tag raises-exception: only one of them")
        for i, cell in cells_of(nb, "code")
        if ("raises-exception" in tags_of(cell))
        != any(output["output_type"] == "error" for output in cell["outputs"])
    ]


def known_tags(nb):
    """Only tags that somebody reads, and never one that skips a cell."""
    return [
        (i, f"the tag {tag!r} {'hides a cell from the tests' if 'skip' in tag else 'is unknown'}")
        for i, cell in enumerate(nb["cells"])
        for tag in tags_of(cell)
        if tag not in TAGS
    ]


def what_to_see(nb):
    """After every picture, within two cells, a sentence that starts with **What to see**."""
    complaints = []
    for i, cell in cells_of(nb, "code"):
        following = nb["cells"][i + 1 : i + 3]
        if shows_image(cell) and not any(
            not is_code(later) and "**What to see" in later["source"] for later in following
        ):
            complaints.append((i, 'a picture without "**What to see" in the next two cells'))
    return complaints


def equation_then_code(nb):
    """A displayed equation is followed by code within two cells, but for start and end."""
    code = [i for i, _ in cells_of(nb, "code")]
    start, end = code[0] if code else 0, in_closing(nb)
    return [
        (i, "a displayed equation without code in the next two cells")
        for i, cell in cells_of(nb, "markdown")
        if start < i < end
        and re.search(r"\$\$|\\begin\{(equation|align)|\\\[", prose(cell))
        and not any(is_code(later) for later in nb["cells"][i + 1 : i + 3])
    ]


def no_addresses(nb):
    """No output shows a memory address, such as the generator that a seeding call returns."""
    return [
        (i, f"a memory address in the output: {found[0]}")
        for i, cell in cells_of(nb, "code")
        for text in output_texts(cell)
        for found in [re.search(r"\S{0,40} at 0x[0-9a-fA-F]{6,}", text)]
        if found
    ]


def no_standard_error(nb):
    """No stored warning and no progress bar drawn as text."""
    return [
        (i, f"stored on stderr: {joined(output['text'])[:60]!r}")
        for i, cell in cells_of(nb, "code")
        for output in cell["outputs"]
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]


NETWORK = "|".join(
    [
        r"<(script|link|iframe|img|video|audio)\b[^>]*\b(src|href)\s*=\s*[\"']?(https?:)?//",
        r"\bimport\b[^;\n]*[\"']https?://",
        r"@import\s+(url\()?[\"']?https?:",
        r"\brequire\.config",
    ]
)


def no_network(nb):
    """Outputs bring along all that they show; none runs a script of its own accord."""
    return [
        (i, f"an output of type {mime} that reaches for the network or runs a script")
        for i, cell in cells_of(nb, "code")
        for mime, content in output_data(cell)
        if mime == "application/javascript"
        or (mime in ("text/html", "image/svg+xml") and re.search(NETWORK, content))
    ]


def widget_state(nb):
    """Every widget that is shown has its state stored, for readers without a kernel."""
    state = nb["metadata"].get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    return [
        (i, "a widget whose state is not stored")
        for i, cell in cells_of(nb, "code")
        for output in cell["outputs"]
        if WIDGET_VIEW in output.get("data", {})
        and output["data"][WIDGET_VIEW]["model_id"] not in state
    ]


RULES = [
    format_version,
    title_and_sections,
    closing_sections,
    deeper_sections,
    names_of_sources,
    sentence_length,
    folded,
    executed_in_order,
    neutral_metadata,
    prose_to_code,
    length_of_prose,
    length_of_code,
    code_in_a_row,
    line_length,
    set_up,
    banned_code,
    absolute_paths,
    alternative_text,
    errors,
    known_tags,
    what_to_see,
    equation_then_code,
    no_addresses,
    no_standard_error,
    no_network,
    widget_state,
]


def too_large(size):
    """Complaints about the size of a file, in bytes."""
    return [(None, f"{size / 1e6:.2f} MB, over 2.5 MB")] if size >= LARGEST else []


def different_first_cells(notebooks):
    """Names of the notebooks whose first code cell is not that of the first notebook."""
    first = {name: cells_of(nb, "code")[0][1]["source"] for name, nb in notebooks.items()}
    expected = next(iter(first.values()), None)
    return [name for name, source in first.items() if source != expected]


def report(name, complaints):
    """Complaints as lines that name the notebook and the cell."""
    return "\n".join(
        f"{name}, {'whole' if i is None else f'cell {i}'}: {what}" for i, what in complaints
    )
