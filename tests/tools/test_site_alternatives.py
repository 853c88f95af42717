"""What stands for a figure where it cannot be seen: the page's own words, as plain text."""

import re

import pytest
from helpers.small_notebook import code, markdown
from nbformat.v4 import new_output

from tools.execute_notebooks import in_reading_order
from tools.notebook_files import NOTEBOOKS, read_notebook
from tools.site.alternatives import LENGTH, LONGEST, alternatives, first_sentences, plain

NAMES = [path.name for path in in_reading_order(NOTEBOOKS)]


def figure(name):
    return code(name, "draw()", new_output("display_data", {"image/png": "iVBORw0KGgo="}))


def see(name, text="The **line** rises. It ends."):
    return markdown(name, f"**What to see.** {text}")


def test_section_and_what_to_see_are_the_text():
    cells = [markdown("a", "## 3 · A `short` walk"), figure("b"), code("c", "1"), see("d")]
    assert alternatives(cells) == {"b": "A short walk. The line rises. It ends."}
    cells[0] = markdown("a", "## ◇ Does it rise?")
    assert alternatives(cells) == {"b": "Does it rise? The line rises. It ends."}


def test_a_figure_does_not_take_the_text_of_the_next_one():
    texts = alternatives([markdown("a", "# T"), figure("b"), figure("c"), see("d")])
    assert texts["b"] == "T. A figure, drawn by the code above."
    assert texts["c"].endswith("The line rises. It ends.")
    far = [figure("b"), *(code(str(n), "1") for n in range(9)), see("d")]
    assert alternatives(far) == {"b": "A figure, drawn by the code above."}


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**a** *b* `c_d` [e](f.ipynb#g) ![h](i.svg)", "a b c_d e"),
        (r"$u_1$, $\mu_{12}$, $\sigma^2$ and $p(x \mid z)$", "u1, μ12, σ² and p(x | z)"),
        (r"$WW^\top$ at $\beta = 1$", "WWᵀ at β = 1"),
        (r"half is $\frac{1}{2}$", r"half is $\frac{1}{2}$"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_markdown_and_simple_formulas_become_plain_words(markdown, text):
    assert plain(markdown) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"$\frac{1}{2}$ is half. The line rises.", "The line rises."),
        (r"The line rises. Half is $\frac{1}{2}$. It ends.", "The line rises."),
        ("One. (Two. Three.) Four.", "One. (Two. Three.) Four."),
        ("It rises.\n\nA second paragraph.", "It rises."),
        ("At 0.5 it rises. " + "And it goes on and on. " * 20, None),
        ("The line rises. (One aside. " + "x" * 230 + " ends.)", "The line rises."),
    ],
)
def test_whole_sentences_are_taken_and_not_too_many(text, said):
    found = first_sentences(f"**What to see.** {text}")
    assert len(found) <= LENGTH and found.endswith((".", ".)"))
    assert said is None or found == said


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_of_a_page_has_a_text_of_its_own(name):
    texts = list(alternatives(read_notebook(NOTEBOOKS / name).cells).values())
    assert len(set(texts)) == len(texts) > 0
    for text in texts:
        assert "code above" not in text, text
        assert 50 < len(text) < LONGEST + 100, text
        assert not re.search(r"[\\$`{}]|\*\w|\*\*|\]\(", text), text  # but D* may stand
