"""Decks of slides: the rule that makes them loses nothing, and what lecturers are told is true."""

import re
from collections import Counter

import pytest
from helpers.small_notebook import FIGURE, code, markdown
from nbformat.v4 import new_notebook, new_output

from tools.execute_notebooks import in_reading_order
from tools.notebook_files import NOTEBOOKS, read_notebook
from tools.site.needed import Unavailable
from tools.slides import __main__ as command
from tools.slides import lectures
from tools.slides.cells import LEFT_OUT, code_shown, divided, question, sections
from tools.slides.deck import deck
from tools.slides.draw import Drawing
from tools.slides.parts import Code, Figure, Output, Together
from tools.slides.text import Block, blocks, is_aside, lead, sentences, slides_worth

PATHS = in_reading_order(NOTEBOOKS)
STEMS = [path.stem for path in PATHS]
PICTURE = {
    **FIGURE,
    "image/png": (
        "iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAAAAABaJDbzAAAAC0lEQVR4nGNggAAAAAoAAWxLxqMAAAAASUVORK5CYII="
    ),
}
SEE = "**What to see.** Look at the bars, because they count."
ASKED = "Predict first: Is it a b?\n  ( ) yes\n  ( ) no\nAnswer: no. Because of c."


def slides_of(*cells):
    return deck(new_notebook(cells=[markdown("title", "# T"), *cells]))


def parts_of(slide, kind):
    return [part for part in slide.parts if isinstance(part, kind)]


def bag(text):
    return Counter(re.findall(r"\w+", text.casefold()))


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One is here. Two is there.", 2),
        ("Burda et al. (2016) report it. So do we, e.g. here.", 2),
        ("It is $f(x). G$ by `a. B`. (An aside. With two.) The end.", 3),
        ("Take [a page. By us](x.ipynb) and **bold. Words** here.", 1),
        ("It is this: a small thing? Yes.", 2),
    ],
)
def test_sentences(text, count):
    found = sentences(text)
    assert len(found) == count and " ".join(found) == text


def test_blocks_keep_lists_formulas_tables_and_answers_apart():
    text = "A.\n- b\n  goes on\n- c\n\n$$x\n= y$$\n| a |\n|---|\n\n```\n$$ no\n```\n> said"
    text += "\n\n<details><summary>Answer</summary>\n\nYes.\n\n</details>\n![a](figures/vae.svg)"
    kinds = ["text", "list", "list", "math", "table", "fence", "quote", "answer", "image"]
    found = blocks(text)
    assert [block.kind for block in found] == kinds
    assert found[1].source == "- b\n  goes on" and found[7].source == "Yes."


def test_a_long_paragraph_is_divided_between_sentences_into_even_parts():
    text = " ".join(f"This is sentence {i} of many, and it is short." for i in range(30))
    groups = slides_worth([Block("text", text)], 60)
    assert " ".join(block.source for group in groups for block in group) == text
    sizes = [len(group[0].source.split()) for group in groups]
    assert len(groups) >= 5 and max(sizes) <= 72 and max(sizes) - min(sizes) <= 20


def test_an_equation_stays_with_the_sentence_that_announces_it():
    long = " ".join(["Word"] * 45) + "."
    pieces = [Block("text", f"{long} {long} So we have:"), Block("math", "$$x$$")]
    groups = slides_worth(pieces, 60)
    assert groups[-1][0].source.endswith("So we have:") and groups[-1][1] == pieces[1]
    assert len(groups) == 2


def test_what_a_title_may_be():
    assert lead(blocks("**Why so?** Because."))[0] == "Why so?"
    assert lead(blocks("How many are there? We count them. It is easy."))[0].startswith("How many")
    assert lead(blocks("**MML** is a book. It is free."))[0] == ""
    title, rest = lead(blocks("**What to see.** the bars."))
    assert title == "What to see" and rest[0].source == "The bars."
    assert is_aside("(It is so.)") and not is_aside("(It is) so.")


# --- cells ---------------------------------------------------------------------------------------


def test_checks_set_up_and_folded_code_stay_off_the_slides():
    folded = code("d", "x = 1")
    folded.metadata["jupyter"] = {"source_hidden": True}
    said = new_output("stream", text="printed\n")
    slides = slides_of(
        markdown("s", "## 1 · A\n\nText."),
        code("a", 'REPOSITORY = ""'),
        code("b", "from x import setup\n\ndevice = setup(seed=0)", said),
        code("c", "assert 'checked'", said, tags=["check"]),
        folded,
        code("e", "y = 2"),
    )
    assert [part.source for slide in slides for part in parts_of(slide, Code)] == ["y = 2"]
    assert not [part for slide in slides for part in parts_of(slide, Output)]


def test_a_figure_shows_its_code_only_if_that_does_more_than_plot():
    picture = new_output("display_data", PICTURE)
    assert not code_shown(code("a", "fig, ax = plotting.rows(\n    x,\n    y,\n)", picture))
    assert not code_shown(code("a", "import x\n\nfig, ax = plotting.rows(x)", picture))
    assert code_shown(code("a", "a = 1\nb = 2\nc = 3\nfig, ax = plotting.rows(a)", picture))
    assert code_shown(code("a", "a = 1"))


def test_long_code_is_cut_at_a_blank_line_and_no_line_is_lost():
    methods = "\n\n".join(
        f"    def f{i}(self):\n        a = {i}\n        return a" for i in range(9)
    )
    source = f"class A:\n{methods}"
    pieces = divided(source)
    assert len(pieces) == 2 and pieces[1].startswith("    def ")
    assert [x for x in "\n".join(pieces).split("\n") if x] == [x for x in source.split("\n") if x]
    assert len(divided("\n".join(["x"] * 50))) == 3


def test_what_predict_showed_is_read_back():
    asked = question(ASKED)
    assert (asked.question, asked.choices) == ("Is it a b?", ["yes", "no"])
    assert (asked.answer, asked.because) == ("no", "Because of c.")
    assert question("<Figure>") is None


# --- the rule ------------------------------------------------------------------------------------


def test_a_figure_stands_with_what_to_see_and_again_with_the_rest_of_it():
    more = " ".join(f"And sentence {i} says more about the same picture." for i in range(20))
    slides = slides_of(
        markdown("s", "## 1 · A\n\nText."),
        code("a", "fig, ax = plotting.rows(x)", new_output("display_data", PICTURE)),
        code("c", "assert True", tags=["check"]),
        markdown("m", f"{SEE} {more}\n\n*Right:* more.\n\nNow something else."),
    )
    figures = [slide for slide in slides if slide.kind == "figure"]
    assert len(figures) > 2 and {slide.title for slide in figures} == {"What to see"}
    assert [slide.below for slide in figures] == [False] + [True] * (len(figures) - 1)
    assert len({parts_of(slide, Figure)[0] for slide in figures}) == 1
    assert "Right" in figures[-1].parts[-1].source
    assert "room look" in figures[0].notes[0]
    assert slides[-1].parts[0].source == "Now something else."


def test_an_equation_and_its_code_share_a_slide():
    said = new_output("stream", text="4\n")
    slides = slides_of(
        markdown("s", "## 1 · A\n\nSo it is\n\n$$y = x^2$$"), code("a", "y = x**2\nprint(y)", said)
    )
    assert [type(part) for part in slides[-1].parts] == [Block, Block, Code, Output]
    assert slides[-1].kind == "section"


def test_questions_become_slides_with_the_answer_one_step_later():
    asked = new_output("display_data", {"text/plain": ASKED, "text/html": "<div></div>"})
    slides = slides_of(markdown("s", "## 1 · A\n\nText."), code("a", "predict(...)", asked))
    assert slides[-1].kind == "ask" and "show of hands" in slides[-1].notes[0]
    drawn = Drawing("t", set()).slide(slides[-1])
    assert 'class="fragment answer"' in drawn and "<li class=right>no</li>" in drawn


def test_folded_answers_and_asides_are_not_lost():
    text = "**Spot the bug.** Here? (An aside.)\n\n"
    text += "<details><summary>Answer</summary>\n\nThere.\n\n</details>"
    slides = slides_of(markdown("s", f"## 1 · A\n\n{text}"))
    assert slides[-1].title == "Answer" and slides[-1].below
    assert "Aside: An aside." in slides[-2].notes


def test_slideshow_metadata_wins():
    def cell(name, chosen):
        made = markdown(name, f"Words of {name}.")
        made.metadata["slideshow"] = {"slide_type": chosen}
        return made

    first = markdown("s", "## 1 · A\n\nFirst.")
    slides = slides_of(first, cell("a", "skip"), cell("b", "notes"), cell("c", "subslide"))
    assert [slide.kind for slide in slides[1:]] == ["section", "idea"]
    assert slides[1].notes == ["Words of b."] and slides[2].below
    assert not slides_of(first, cell("d", "slide"))[-1].below
    assert parts_of(slides_of(first, cell("e", "fragment"))[-1], Together)


def test_exercises_are_one_slide_and_deeper_sections_are_named_only():
    slides = slides_of(
        markdown("s", "## 1 · A\n\nText."),
        markdown("e", "## Exercises\n\n**1 · Fill in.** Do.\n\n**2 · Derive.** Do."),
        markdown("d", "## ◇ Far away\n\nHidden words."),
        markdown("r", "## References\n\nSomebody."),
    )
    assert slides[-2].parts[0].source == "1. Fill in\n2. Derive"
    assert slides[-1].parts[0].source == "- Far away" and "Hidden" not in str(slides)


# --- the real notebooks --------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=STEMS)
def test_no_word_of_the_core_is_lost(path):
    nb = read_notebook(path)
    slides = deck(nb)
    shown = Counter()
    for slide in slides:
        for part in slide.parts:
            shown += bag(getattr(part, "source", getattr(part, "text", "")))
        shown += bag(f"{slide.title} {' '.join(slide.notes)}")
    for section in sections(nb)[1:]:
        if LEFT_OUT.match(section.title) or section.title == "Exercises":
            continue
        for cell in section.cells:
            text = cell.source if cell.cell_type == "markdown" else code_shown(cell)
            text = re.sub(r"!\[.*?\]\(.*?\)|</?details>|<summary>.*?</summary>", "", text)
            assert not bag(text) - shown, (section.title, cell.id)


@pytest.mark.parametrize("path", PATHS, ids=STEMS)
def test_decks_are_of_a_size_that_can_be_taught(path):
    slides = deck(read_notebook(path))
    assert slides[0].kind == "title" and not slides[0].below
    assert 30 <= sum(not slide.below for slide in slides) <= 100
    text = [slide for slide in slides if slide.kind != "list" and not slide.has("table")]
    assert max(slide.words for slide in text) <= 110
    assert {slide.section for slide in slides if slide.kind == "section"} >= {
        section.title
        for section in sections(read_notebook(path))[1:]
        if section.title[0].isdigit()
    }


# --- what lecturers are told ---------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=STEMS)
def test_teaching_says_something_about_every_core_section_and_no_other(path):
    said = lectures.advice_for(path.stem, STEMS)
    titles = [section.title for section in sections(read_notebook(path))[1:]]
    core = [
        title
        for title in titles
        if not LEFT_OUT.match(title) and title not in ("Summary", "Exercises")
    ]
    unknown = [name for name in said if not any(lectures.same_section(t, name) for t in core)]
    silent = [t for t in core if not any(lectures.same_section(t, name) for name in said)]
    assert not unknown and not silent
    assert all(len(row.notes) == 3 for row in said.values())


def test_minutes_of_the_plans_add_up():
    text = lectures.TEACHING.read_text(encoding="utf-8")
    plans = [lectures.rows(table) for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    plans = [table for table in plans if table[0][0] == "minutes"]
    sums = [sum(int(row[0]) for row in table[1:]) for table in plans]
    assert sums == [90, 90, 90, 90]  # one lecture, two, and a lab session


def test_plans_take_the_minutes_that_the_notebooks_print():
    text = lectures.TEACHING.read_text(encoding="utf-8")
    minutes = {path.stem: lectures.plan(read_notebook(path)) for path in PATHS}
    assert sum(bool(plan) for plan in minutes.values()) >= 12
    row = re.search(r"^\| (\d+) \| .* \| 05, 2, 3, 4, 6 and 7 \|$", text, re.MULTILINE)
    wanted = {"2", "3", "4", "6", "7"}
    plan = {name[0]: int(number) for name, number in minutes["05_vae_on_mnist"]}
    assert int(row[1]) == sum(plan[number] for number in wanted)


def test_the_first_slide_of_a_section_carries_its_minutes_and_advice():
    slides = command.slides_of(NOTEBOOKS / "05_vae_on_mnist.ipynb", STEMS)
    (first,) = [s for s in slides if s.kind == "section" and s.section.startswith("3 · ")]
    assert first.notes[0] == "**9 minutes** for this section (estimated)."
    assert [note.split(":")[0] for note in first.notes[1:4]] == [
        "**Show",
        "**Ask",
        "**May go wrong",
    ]


# --- the command ---------------------------------------------------------------------------------


def test_a_folder_that_holds_no_decks_is_left_alone(tmp_path, capsys):
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "is in the way" in capsys.readouterr().err


def test_what_is_missing_is_said_in_one_sentence(tmp_path, monkeypatch, capsys):
    def missing(package):
        raise Unavailable("npm is missing: install Node.js, which brings it")

    monkeypatch.setattr(command, "fetch", missing)
    assert command.main(["05", "--out", str(tmp_path / "slides")]) == 1
    assert "npm is missing" in capsys.readouterr().err and not (tmp_path / "slides").exists()
    assert command.main(["99"]) == 2
