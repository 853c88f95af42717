"""The house style holds in every notebook, and every rule of it can complain.

Every rule is shown a notebook that breaks it, because a rule that never complains is worth
nothing.
"""

import copy
import json
import re

import notebook_rules as rules
import pytest
from helpers.shown import NOTEBOOKS

from tools.links import BLOCK, Address, stamped_notebook

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
# Notebooks without a number, and the rules that are not meant for them: no exercises, no summary.
SPARED = {"start_here": [rules.closing_sections, rules.length_of_code]}

# --- the notebooks -------------------------------------------------------------------------------


def read(path):
    """A notebook as plain dictionaries, its cells' sources as strings, without `make links`."""
    nb = json.loads(path.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell["source"] = BLOCK.sub("", rules.joined(cell["source"])).rstrip("\n")
    return nb


def test_there_are_notebooks():
    assert PATHS, "no notebook in notebooks/"
    misnamed = [
        path.name
        for path in PATHS
        if path.stem != "start_here" and not re.match(r"\d\d[a-z]?_[a-z0-9_]+\.ipynb$", path.name)
    ]
    assert not misnamed


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (path, rule)
        for path in PATHS
        for rule in rules.RULES
        if rule not in SPARED.get(path.stem, [])
    ],
    ids=lambda of: getattr(of, "stem", None) or of.__name__,
)
def test_notebook(path, rule):
    complaints = rule(read(path))
    assert not complaints, f"{rule.__doc__}\n{rules.report(path.name, complaints)}"


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_rules_hold_with_the_links_of_a_published_course_too(path, tmp_path):
    address = Address("a-long-owner/a-long-name", "main", "https://hub.example.org")
    stamped = tmp_path / path.name
    text = stamped_notebook(path.read_text(encoding="utf-8"), address, f"notebooks/{path.name}")
    stamped.write_text(text, encoding="utf-8")
    for rule in set(rules.RULES) - set(SPARED.get(path.stem, [])):
        complaints = rule(read(stamped))
        assert not complaints, rules.report(path.name, complaints)
    assert not rules.too_large(stamped.stat().st_size)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_size(path):
    complaints = rules.too_large(path.stat().st_size)
    assert not complaints, rules.report(path.name, complaints)


@pytest.mark.parametrize(
    "path", sorted(NOTEBOOKS.glob("student/*.ipynb")), ids=lambda path: path.stem
)
def test_student_editions_are_in_the_format_that_every_editor_reads(path):
    """`test_notebook` says so of the notebooks."""
    complaints = rules.format_version(json.loads(path.read_text(encoding="utf-8")))
    assert not complaints, rules.report(path.name, complaints)


def test_first_code_cell_is_the_same_everywhere():
    different = rules.different_first_cells({path.name: read(path) for path in PATHS})
    assert not different, (
        f"the first code cell differs from that of {PATHS[0].name} in: {different}"
    )


# --- the rules themselves ------------------------------------------------------------------------

SENTENCES = "One question leads to the next one, and each of them is answered by a few lines. " * 2


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *outputs, tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "source": source,
        "outputs": list(outputs),
    }


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def display(mime, content):
    return {"output_type": "display_data", "metadata": {}, "data": {mime: content}}


ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["no"]}
PICTURE = display("image/png", "iVBORw0KGgo=")
VIEW = display(rules.WIDGET_VIEW, {"model_id": "abc", "version_major": 2, "version_minor": 0})


def number(nb):
    """Give every cell an id and every code cell its count."""
    for i, cell in enumerate(nb["cells"]):
        cell["id"] = f"cell-{i}"
    for count, (_, cell) in enumerate(rules.cells_of(nb, "code"), start=1):
        cell["execution_count"] = count
    return nb


def good():
    """A small notebook that no rule complains about; the bad ones below are made from it."""
    nb = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": dict(rules.KERNELSPEC),
            "language_info": dict(rules.LANGUAGE_INFO),
            "widgets": {rules.WIDGET_STATE: {"state": {"abc": {}}}},
        },
        "cells": [
            markdown("# A title\n\n" + SENTENCES + "\n\n$$a = b$$"),
            code("REPOSITORY = ''"),
            code("from tqdm.auto import tqdm\n\ndevice = setup()", stream("device cpu")),
            markdown("## A section\n\n" + SENTENCES + "\n\n$$x = 1$$"),
            code("x = 1\nprint(x)", stream("1\n")),
            markdown("![a cat on a mat](cat.png) `![](no image)`\n\n" + SENTENCES),
            code("plot(x)", PICTURE, VIEW),
            markdown("**What to see.** " + SENTENCES),
            code("raise ValueError('no')", ERROR, tags=["raises-exception"]),
            markdown("## Summary\n\n" + SENTENCES),
            markdown("## Exercises\n\n" + SENTENCES + "\n\n$$y = 2$$"),
            markdown("## References\n\n" + SENTENCES),
        ],
    }
    return number(nb)


BAD = []  # (rule, how it is broken, function that breaks it in place)


def breaks(rule):
    def remember(change):
        BAD.append((rule, change.__name__.strip("_"), change))
        return change

    return remember


def source_breaks(rule, index, **sources):
    """One bad notebook for each source that is put into the cell at `index`."""
    for name, source in sources.items():
        BAD.append(
            (rule, name, lambda nb, source=source: nb["cells"][index].update(source=source))
        )


def output_breaks(rule, **outputs):
    """One bad notebook for each output that is added to cell 4."""
    for name, output in outputs.items():
        BAD.append(
            (rule, name, lambda nb, output=output: nb["cells"][4]["outputs"].append(output))
        )


@breaks(rules.format_version)
def old_format(nb):
    nb["nbformat_minor"] = 4


@breaks(rules.format_version)
def one_id_twice(nb):
    nb["cells"][3]["id"] = nb["cells"][2]["id"]


@breaks(rules.format_version)
def no_id(nb):
    del nb["cells"][3]["id"]


@breaks(rules.format_version)
def against_the_schema(nb):
    del nb["cells"][4]["outputs"]


source_breaks(rules.title_and_sections, 0, no_title="A title", title_in_code="```\n# A title\n```")
source_breaks(rules.title_and_sections, 3, two_titles="# Another title", no_sections="nothing")
source_breaks(rules.closing_sections, 9, renamed="## In short")
source_breaks(
    rules.closing_sections,
    11,
    one_more="## References\n\n## Thanks",
    deeper_at_the_end="## References\n\n## ◇ Deeper",
)
source_breaks(rules.closing_sections, 3, deeper_in_the_core="## ◇ Deeper")


source_breaks(
    rules.deeper_sections,
    3,
    no_first_line="## ◇ Deeper\n\n" + SENTENCES,
    no_minutes="## ◇ Deeper\n\n*What is more? It may be skipped.*",
    no_leave_to_skip="## ◇ Deeper\n\n*What is more? 5 minutes.*",
)
source_breaks(
    rules.names_of_sources,
    3,
    a_number="## A section\n\nAs in seed 003.",
    two="## A section\n\nSeeds 000 and 002 say so.",
)
source_breaks(rules.sentence_length, 3, endless="## ◇ Deeper\n\n" + "one more word " * 9 + "ends.")


@breaks(rules.folded)
def open_prediction(nb):
    nb["cells"][3]["source"] = "## ◇ Deeper"
    nb["cells"][1]["metadata"]["jupyter"] = {"source_hidden": True}
    nb["cells"][4]["source"] = "x = 1\npredict('Which?')"


@breaks(rules.folded)
def open_check(nb):
    nb["cells"][3]["source"] = "## ◇ Deeper"
    nb["cells"][1]["metadata"]["jupyter"] = {"source_hidden": True}
    nb["cells"][4]["metadata"]["tags"] = ["check"]


@breaks(rules.folded)
def open_installation(nb):
    nb["cells"][3]["source"] = "## ◇ Deeper"


@breaks(rules.closing_sections)
def other_order(nb):
    nb["cells"][9], nb["cells"][10] = nb["cells"][10], nb["cells"][9]


@breaks(rules.executed_in_order)
def never_executed(nb):
    nb["cells"][4]["execution_count"] = None


@breaks(rules.executed_in_order)
def executed_twice(nb):
    for count, (_, cell) in enumerate(rules.cells_of(nb, "code"), start=7):
        cell["execution_count"] = count


source_breaks(rules.executed_in_order, 4, empty_cell="\n")


@breaks(rules.neutral_metadata)
def kernel_of_one_machine(nb):
    nb["metadata"]["kernelspec"]["display_name"] = "my venv"


@breaks(rules.neutral_metadata)
def version_of_one_machine(nb):
    nb["metadata"]["language_info"]["version"] = "3.11.7"


@breaks(rules.neutral_metadata)
def times_of_one_run(nb):
    nb["cells"][4]["metadata"]["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}


@breaks(rules.prose_to_code)
def all_prose(nb):
    nb["cells"] += [markdown(SENTENCES) for _ in range(5)]


@breaks(rules.prose_to_code)
def all_code(nb):
    nb["cells"] += [code("x") for _ in range(5)]


@breaks(rules.length_of_prose)
def long_prose(nb):
    for _, cell in rules.cells_of(nb, "markdown"):
        cell["source"] += SENTENCES * 3


@breaks(rules.length_of_prose)
def short_prose(nb):
    for _, cell in rules.cells_of(nb, "markdown"):
        cell["source"] = cell["source"][:30]


@breaks(rules.length_of_code)
def one_endless_cell(nb):
    nb["cells"][4]["source"] = "x = 1\n" * 41


@breaks(rules.length_of_code)
def long_median(nb):
    for _, cell in rules.cells_of(nb, "code"):
        cell["source"] = "x = 1\n" * 9


@breaks(rules.length_of_code)
def long_ninth(nb):
    nb["cells"][4]["source"] = "x = 1\n" * 21


@breaks(rules.length_of_code)
def no_code(nb):
    nb["cells"] = [cell for cell in nb["cells"] if not rules.is_code(cell)]


@breaks(rules.code_in_a_row)
def three_in_a_row(nb):
    nb["cells"].insert(1, code("x"))


source_breaks(rules.line_length, 4, long_line="x = " + "1" * 96)
source_breaks(rules.set_up, 1, no_repository="pass", long_install="REPOSITORY = ''\n" * 13)
source_breaks(rules.set_up, 2, no_setup="device = 'cpu'", long_setup="setup()\n" * 13)
source_breaks(
    rules.banned_code,
    4,
    cell_time="%%time\nx = 1",
    line_time="  %time f()",
    timeit="%%timeit\nf()",
    semicolon="plot(x);",
    semicolon_and_comment="plot(x);  # quiet",
    clear="clear_output(wait=True)",
    star="from torch import *",
    plain_tqdm="from tqdm import tqdm",
    tqdm_module="import tqdm",
    tqdm_notebook="from tqdm.notebook import tqdm",
    cuda="model = model.cuda()",
    comment="# NBVAL_IGNORE_OUTPUT\nf()",
)
# Put together here, so that this file itself names no folder of one machine.
HOME = "/".join(["", "home", "somebody", "data"])
source_breaks(
    rules.absolute_paths,
    4,
    path_in_code=f"open('{HOME}')",
    windows_path="open(r'C:" + "\\Users\\somebody')",
)
source_breaks(rules.absolute_paths, 3, path_in_prose=f"Put the data in {HOME}.")
output_breaks(rules.absolute_paths, path_in_output=stream(f"saved {HOME}"))
source_breaks(
    rules.alternative_text,
    5,
    no_text="![](cat.png)",
    html="<img src='cat.png'>",
    html_empty='<img alt="" src="cat.png">',
)
output_breaks(rules.errors, untagged_error=ERROR)


@breaks(rules.errors)
def promised_error(nb):
    nb["cells"][8]["outputs"] = []


@breaks(rules.known_tags)
def skipped(nb):
    nb["cells"][4]["metadata"]["tags"] = ["nbval-skip"]


@breaks(rules.known_tags)
def misspelt(nb):
    nb["cells"][4]["metadata"]["tags"] = ["nbval-ignore-outputs"]


output_breaks(
    rules.what_to_see,
    png=PICTURE,
    svg=display("image/svg+xml", "<svg></svg>"),
    picture_in_html=display("text/html", "<img src='data:image/png;base64,AAAA'>"),
)


@breaks(rules.what_to_see)
def too_late(nb):
    nb["cells"][7]["source"] = SENTENCES
    nb["cells"].insert(9, markdown("**What to see.** " + SENTENCES))


@breaks(rules.equation_then_code)
def equation_then_prose(nb):
    nb["cells"][4:4] = [markdown(SENTENCES), markdown(SENTENCES)]


output_breaks(
    rules.no_addresses,
    seed_as_output={
        "output_type": "execute_result",
        "metadata": {},
        "execution_count": 3,
        "data": {"text/plain": "<torch._C.Generator at 0x7f25c4b2d0>"},
    },
    printed=stream("<object object at 0x7f25c4b2d0>"),
)
output_breaks(rules.no_standard_error, warning=stream("UserWarning: beware", name="stderr"))
output_breaks(
    rules.no_network,
    script=display("text/html", "<script src='https://example.org/a.js'></script>"),
    script_without_protocol=display("text/html", '<script src="//example.org/a.js"></script>'),
    style=display("text/html", "<link rel=stylesheet href=https://example.org/a.css>"),
    module=display("text/html", "<script>import a from 'https://example.org/a.js'</script>"),
    javascript=display("application/javascript", "alert(1)"),
)
output_breaks(
    rules.widget_state,
    forgotten_widget=display(rules.WIDGET_VIEW, {"model_id": "xyz", "version_major": 2}),
)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_passes(rule):
    assert not rule(good())


@pytest.mark.parametrize(
    ("rule", "change"),
    [(rule, change) for rule, _, change in BAD],
    ids=[f"{rule.__name__}-{name}" for rule, name, _ in BAD],
)
def test_a_bad_notebook_is_caught(rule, change):
    nb = copy.deepcopy(good())
    change(nb)
    if rule not in (rules.format_version, rules.executed_in_order):
        number(nb)  # what was inserted or moved shall not look unexecuted
    complaints = rule(nb)
    assert complaints
    for i, what in complaints:
        assert i is None or 0 <= i < len(nb["cells"])
        assert what


def test_every_rule_is_shown_a_bad_notebook():
    assert {rule for rule, _, _ in BAD} == set(rules.RULES)


def test_complaints_name_notebook_and_cell():
    assert rules.report("05.ipynb", [(3, "no"), (None, "never")]) == (
        "05.ipynb, cell 3: no\n05.ipynb, whole: never"
    )


def test_large_files_are_caught():
    assert rules.too_large(rules.LARGEST)
    assert not rules.too_large(rules.LARGEST - 1)


def test_different_first_cells_are_caught():
    other = good()
    other["cells"][1]["source"] = "REPOSITORY = 'elsewhere'"
    assert rules.different_first_cells({"a": good(), "b": other, "c": good()}) == ["b"]
    assert not rules.different_first_cells({"a": good(), "c": good()})
