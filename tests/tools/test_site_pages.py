"""What Sphinx gets of a notebook: folded, without progress bars, with explorers; no link lost."""

import hashlib
import io
import json
import tarfile
from base64 import b64encode

import pytest
from helpers.small_notebook import code, markdown
from nbformat.v4 import new_notebook, new_output
from packaging.requirements import Requirement

from course_utils.files import CHECKOUT
from tools.execute_notebooks import in_reading_order
from tools.links import Address
from tools.notebook_files import NOTEBOOKS, read_notebook
from tools.site import needed, pages
from tools.site.explorers import checkpoints, explorer_for
from tools.site.extension import DEEPER, slug
from tools.site.frames import digest

ON_SITE = {"start_here.ipynb", "03_the_elbo.ipynb"}
BETAS = "mnist-beta-0.1 mnist-beta-0.3 mnist-beta-1 mnist-beta-3 mnist-beta-10 mnist-beta-30"


def view(name, text):
    data = {pages.VIEW: {"model_id": name, "version_major": 2, "version_minor": 0}}
    return new_output("display_data", {**data, "text/plain": text})


def made(*cells, **state):
    nb = new_notebook(cells=list(cells))
    if state:
        nb.metadata["widgets"] = {pages.STATE: {"state": state}}
    return pages.page(nb, ON_SITE)


# --- cells ---------------------------------------------------------------------------------------


def test_checks_and_folded_cells_are_folded_under_a_line_that_says_what_they_are():
    install = code("a", 'REPOSITORY = ""\nimport os')
    install.metadata["jupyter"] = {"source_hidden": True}
    question = code("b", 'x = 1\npredict("?")', tags=["hide-input"])
    solved = code("e", "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION")
    check = code("c", "assert True", tags=["check"])
    nb, _ = made(install, question, check, code("d", "x = 2"), solved)
    folded = {
        cell.id: cell.metadata.get("mystnb", {}).get("code_prompt_show") for cell in nb.cells
    }
    assert "installs" in folded["a"] and "question" in folded["b"] and "check" in folded["c"]
    assert folded["d"] is None and "solution" in folded["e"]
    for cell in nb.cells:
        assert pages.tags(cell).count("hide-input") == (folded[cell.id] is not None)


def test_what_is_for_lecturers_alone_is_left_out():
    nb, _ = made(code("a", "x = 1", tags=["instructor"]), code("b", "x = 2"))
    assert [cell.id for cell in nb.cells] == ["b"]


def test_progress_bars_go_and_other_outputs_stay():
    bar = view("bar", "training:   0%|          | 0/400 [00:00<?, ?step/s]")
    text = new_output("stream", text="about 0% | 3")
    nb, _ = made(code("a", "fit()", bar, text), bar={"model_name": "HBoxModel", "state": {}})
    assert nb.cells[0].outputs == [text]
    assert "widgets" not in nb.metadata  # so the page loads no scripts for them


PNG = "iVBORw0KGgo="
STORED = {
    "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_image"]}},
    "image": {
        "model_name": "ImageModel",
        "state": {"width": "300"},
        "buffers": [{"encoding": "base64", "path": ["value"], "data": PNG}],
    },
}


def test_of_a_widget_without_frames_its_stored_picture_stays_and_no_script_is_needed():
    nb, explorers = made(code("a", "knobs(f)", view("box", "Knobs(a)")), **STORED)
    assert explorers == [] and "widgets" not in nb.metadata
    picture, said = nb.cells[0].outputs
    assert picture.data == {"image/png": PNG}
    assert picture.metadata == {"image/png": {"width": 300}}
    assert "while the notebook runs" in said.data["text/html"]
    assert nb.cells[0].metadata["mystnb"]["image"]["alt"]
    still = new_output("display_data", {"image/png": "c3RpbGw="})
    nb, _ = made(code("a", "knobs(f)", view("box", "Knobs(a)"), still), **STORED)
    assert [one.data.get("image/png") for one in nb.cells[0].outputs] == [None, "c3RpbGw="]


def test_frames_of_the_cell_as_it_stands_take_the_widget_s_place():
    knob = {"name": "a", "positions": ["0", "<1>"], "start": 1}
    entry = {"source": digest("knobs(f)"), "sheet": "s.webp", "size": [4, 2], "width": 40}
    entry |= {"pixels": True, "knobs": [knob], "texts": ["x < 1", "x > 1"]}
    nb = new_notebook(cells=[code("a", "knobs(f)", view("box", "Knobs(a)"))])
    made_of = pages.page(nb, ON_SITE, frames={"a": entry})[0].cells[0].outputs
    (html,) = (one.data["text/html"] for one in made_of)
    assert 'src="frames/s.webp"' in html and "left: -100%; top: 0%" in html
    assert "&lt;1&gt;</output>" in html and "x &gt; 1</p>" in html and "x < 1" not in html
    data = json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])
    assert data == {"positions": [["0", "<1>"]], "texts": entry["texts"]}
    old = {"a": {**entry, "source": digest("knobs(g)")}}
    outputs = pages.page(nb, ON_SITE, frames=old)[0].cells[0].outputs
    assert [one.data["text/html"] for one in outputs] == [pages.NEEDS_KERNEL]


def test_the_checkpoint_s_explorer_stands_in_the_place_of_its_widget():
    source = 'vae = load_checkpoint("mnist-vae-20")\nLatentTraversal(vae)'
    still = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    widget = view("w", "LatentTraversal(VAE, 20 latents)")
    nb, (explorer,) = made(code("a", source, widget, still), w={})
    assert explorer.choices == {"mnist-vae-20": "mnist-vae-20"}
    assert 'src="explorers/mnist-vae-20.html"' in nb.cells[0].outputs[0].data["text/html"]
    assert nb.cells[0].outputs[1] == still
    assert nb.cells[0].metadata["mystnb"]["image"]["alt"]


def test_a_widget_beside_a_frame_that_moves_is_left_out():
    frame = new_output("display_data", {"text/html": "<iframe srcdoc='x'></iframe>"})
    nb, _ = made(code("a", "f()", frame, view("w", "LatentPlane(VAE, 2 latents)")), w={})
    assert nb.cells[0].outputs == [frame]


@pytest.mark.parametrize(
    ("source", "shown", "names"),
    [
        ('v = load_checkpoint("mnist-beta-1")', "LatentPlane(VAE, 2 latents)", "mnist-beta-1"),
        ("show(by_beta)", "Knobs(beta)", BETAS),
        ("show(by_noise)", "Knobs(beta)", None),
        ("LatentPlane(own)", "LatentPlane(VAE, 2 latents)", None),
        ('v = load_checkpoint("my-own")', "LatentPlane(VAE, 2 latents)", None),
        ('v = load_checkpoint("mnist-beta-1")', "Knobs(face, amount)", None),
    ],
)
def test_which_explorer_stands_for_a_widget(source, shown, names):
    explorer = explorer_for(source, shown)
    assert (explorer and " ".join(explorer.choices.values())) == names
    assert names is None or set(names.split()) <= set(checkpoints())


def test_the_notebook_itself_stays_as_it_is():
    nb = read_notebook(NOTEBOOKS / "start_here.ipynb")
    pages.page(nb, ON_SITE)
    assert nb == read_notebook(NOTEBOOKS / "start_here.ipynb")


# --- links, sections, contents -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unknown", "known"),
    [
        ("[a](03_the_elbo.ipynb#x)", None, None),
        ("[a](https://example.org)", None, None),
        ("[a](#b) ![c](figures/vae.svg)", None, None),
        (
            "see [the data](../data/README.md)",
            "see the data",
            "https://github.com/o/n/blob/v/data",
        ),
        ("`[a](x.py)` and $f[x](y)$", None, None),
    ],
)
def test_links_lead_somewhere_or_are_plain_text(text, unknown, known):
    assert pages.relinked(text, ON_SITE, None) == (unknown or text)
    assert (known or text) in pages.relinked(text, ON_SITE, Address("o/n", "v"))


def test_one_line_stands_between_the_core_and_what_is_deeper():
    cells = [markdown(name, text) for name, text in [("a", "# T"), ("b", "## 1 · A")]]
    cells += [markdown("c", "## ◇ B"), markdown("d", "## ◇ C")]
    nb, _ = made(*cells)
    sources = [cell.source for cell in nb.cells]
    assert sources == ["# T", "## 1 · A", pages.DEEPER_BEGINS, "## ◇ B", "## ◇ C"]


def test_headings_that_may_be_skipped():
    assert DEEPER.match("◇ Two more derivations") and DEEPER.match("Exercises, deeper")
    assert not DEEPER.match("Exercises") and not DEEPER.match("1 · Turn the knobs")


def test_anchors_are_jupyter_s():
    assert slug("What the checks are for") == "What-the-checks-are-for"


def test_contents_name_every_notebook_in_reading_order_with_core_and_deeper():
    paths = in_reading_order(NOTEBOOKS)
    text = pages.contents({path.name: read_notebook(path) for path in paths})
    places = [text.index(f"]({path.name})") for path in paths]
    assert places == sorted(places) and paths[0].stem == "start_here"
    assert f'href="{paths[0].stem}.html"' in text
    toctree = text.split("```{toctree}")[1]
    assert toctree.split()[2:-1] == [path.stem for path in paths]
    assert "github" not in text
    companions = text.count("## [◇ ")  # pages that go deeper as a whole
    assert companions == len(list(NOTEBOOKS.glob("[0-9][0-9][a-z]_*.ipynb"))) > 0
    assert text.count("**Core:**") == len(paths) - companions
    assert companions < text.count("**Deeper ◇:**") < len(paths)


def test_the_page_for_lecturers_stands_beside_the_reading_order():
    text = "Grading: [LECTURERS.md](LECTURERS.md), [a](#b)."
    made = pages.beside(text)
    assert made.startswith("---\norphan: true\n---\n")
    assert made.endswith("Grading: LECTURERS.md, [a](#b).")
    known = pages.beside(text, Address("o/n", "v"))
    assert "(https://github.com/o/n/blob/v/LECTURERS.md)" in known
    assert all((CHECKOUT / name).is_file() for name in pages.BESIDE)


# --- what it needs -------------------------------------------------------------------------------


def test_missing_packages_and_old_ones_are_asked_for():
    wanted = [Requirement(r) for r in ("pytest>=8", "pytest>=1000", "no-such-package-anywhere>=1")]
    assert needed.missing(wanted) == wanted[1:]
    assert {"sphinx", "myst-nb"} <= {r.name for r in needed.requirements()}


def archive(**files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def test_only_the_archive_that_was_tested_is_unpacked():
    given = archive(script=b"let x;", other=b"no")
    digest = b64encode(hashlib.sha512(given).digest()).decode()
    package = needed.NpmPackage("p", "1", digest, {"script": "p/script.js"})
    assert needed.unpacked(package, given) == {"p/script.js": b"let x;"}
    with pytest.raises(needed.Unavailable, match=r"^p 1: expected the archive with sha512-"):
        needed.unpacked(package, archive(script=b"let y;"))


def test_without_npm_one_sentence_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(needed.Unavailable, match=r"npm is missing: install Node\.js"):
        needed.fetch(needed.PACKAGES[0], tmp_path)


def test_nothing_that_is_fetched_or_built_is_committed():
    ignored = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split("\n")
    assert "/site/" in ignored
    assert needed.CACHE.is_relative_to(CHECKOUT / "data/cache") and "data/cache/" in ignored
