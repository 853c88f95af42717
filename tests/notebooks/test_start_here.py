"""start_here: short, without exercises, and its network is the package's."""

import io
import re

import pytest
import torch
from helpers.shown import NOTEBOOKS, assert_twins, shown
from PIL import Image

from course_utils import models
from tools.notebook_files import read_notebook
from tools.start_picture import PICTURE, picture

NB = read_notebook(NOTEBOOKS / "start_here.ipynb")


@pytest.fixture
def pair():
    torch.manual_seed(0)
    original, twin = shown("start_here", "TinyVAE").TinyVAE(), models.VAE(2, 300)
    original.load_state_dict(twin.state_dict())  # one architecture, one set of names
    return original.double(), twin.double()


@pytest.mark.parametrize("scale", [1.0, 30.0, -30.0])
def test_the_loss_is_minus_the_elbo_in_value_and_gradient(pair, scale):
    x = (torch.rand(13, 784, dtype=torch.float64) < 0.5).double() * scale
    results = []
    for model in pair:
        torch.manual_seed(1)  # both draw the same noise
        loss = model.loss(x)
        loss.mean().backward()
        results.append([loss, *(p.grad for p in model.parameters())])
    assert_twins(*results)


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


def test_ten_questions_each_say_where_to_refresh():
    texts = [o.data["text/plain"] for c in NB.cells for o in c.get("outputs", []) if "data" in o]
    questions = [text for text in texts if text.startswith("Predict first")]
    assert len(questions) == 10
    assert all(re.search(r"\((.*MML|DL|Basics|PyTorch)[^()]*\)$", text) for text in questions)


def test_the_picture_at_the_head_is_made_of_the_stored_outputs():
    stored, made = (Image.open(io.BytesIO(png)) for png in (PICTURE.read_bytes(), picture()))
    same = stored.size == made.size and stored.convert("RGB") == made.convert("RGB")
    assert same, "run `python -m tools.start_picture`"
    assert PICTURE.stat().st_size < 400_000
    for page in (NB.cells[0].source, (NOTEBOOKS.parent / "README.md").read_text("utf-8")):
        assert f"figures/{PICTURE.name}" in page
