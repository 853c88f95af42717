"""start_here: short, without exercises, and its network is the package's."""

import io
import re

import notebook_rules as rules
import pytest
import torch
from helpers.shown import NOTEBOOKS, alike, assert_same_steps, assert_twins, shown
from PIL import Image

from course_utils import models
from tools.notebook_files import read_notebook
from tools.start_picture import PICTURE, picture

NB = read_notebook(NOTEBOOKS / "start_here.ipynb")


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return alike(shown("start_here", "TinyVAE").TinyVAE(), models.VAE(2, 300))


@pytest.mark.parametrize("scale", [1.0, 30.0, -30.0])
def test_the_loss_is_minus_the_elbo_in_value_and_gradient(pair, scale):
    x = (torch.rand(13, 784, dtype=torch.float64) < 0.5).double() * scale
    assert_same_steps(pair, lambda model, x: model.loss(x), x)


def test_pictures_and_codes_are_the_twins(pair):
    original, twin = pair
    x, z = torch.rand(3, 784, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    assert_twins(original.decode_mean(z), twin.decode_mean(z))
    assert_twins(original.encode_mean(x), twin.encode_mean(x))
    for name in ("latent_dim", "has_prior", "outputs_logits"):
        assert getattr(original, name) == getattr(twin, name)


def test_it_is_short_and_asks_for_nothing():
    assert len(NB.cells) <= 25
    sources = "\n".join(cell.source for cell in NB.cells)
    assert "BEGIN SOLUTION" not in sources and "## Exercises" not in sources
    assert not any("nbgrader" in cell.metadata for cell in NB.cells)


def test_the_code_to_be_read_is_short():
    """What is folded (set-up, plumbing, questions) is not read."""
    folded = [c.metadata.get("jupyter", {}).get("source_hidden", False) for c in NB.cells]
    code = [hidden for hidden, cell in zip(folded, NB.cells) if cell.cell_type == "code"]
    assert code[0] and sum(code) == 5
    read = [cell for hidden, cell in zip(folded, NB.cells) if not hidden]
    complaints = rules.length_of_code({"cells": read})
    assert not complaints, rules.report("start_here", complaints)


def test_ten_questions_each_say_where_to_refresh():
    texts = [o.data["text/plain"] for c in NB.cells for o in c.get("outputs", []) if "data" in o]
    questions = [text for text in texts if text.startswith("Question: ")]
    assert len(questions) == 10
    assert all(re.search(r"\((.*MML|DL|Basics|PyTorch)[^()]*\)$", text) for text in questions)


def test_the_picture_at_the_head_is_made_of_the_stored_outputs():
    stored, made = (Image.open(io.BytesIO(png)) for png in (PICTURE.read_bytes(), picture()))
    same = stored.size == made.size and stored.convert("RGB") == made.convert("RGB")
    assert same, "run `python -m tools.start_picture`"
    assert made.convert("RGB").getpixel((0, 0)) == (255, 255, 255)  # as the paper of a page
    assert PICTURE.stat().st_size < 400_000
    for page in (NB.cells[0].source, (NOTEBOOKS.parent / "README.md").read_text("utf-8")):
        assert f"figures/{PICTURE.name}" in page
