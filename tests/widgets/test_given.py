"""Images and labels of any library: both explorers and the page take, or refuse, them alike."""

from collections import deque
from enum import Enum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from helpers.explorers import PLANE, images, labels, network
from helpers.pages import content_of
from matplotlib.colors import to_rgb

from course_utils.data import ImageData
from course_utils.plotting.latents import DIGIT_COLOURS
from course_utils.widgets import LatentPlane, LatentTraversal, export_html
from course_utils.widgets.given import classes

SHOWN = pytest.mark.parametrize("kind", [LatentTraversal, PLANE, "page"])
MODEL = network(2)


def shown(kind, path, pixels, given=None):
    """What a kind of explorer shows of images and labels."""
    if kind == "page":
        content = content_of(export_html(MODEL, path, pixels, given))
        first = content["images"][0]
        return first["pixels"], first["code"], [kind["name"] for kind in content["classes"]]
    live = kind(MODEL, pixels, given)
    return live.image.value, live.pair.value, live.labels


@cache
def shown_of_tensors(kind):
    """What a kind of explorer shows of the images and labels as the course holds them."""
    with TemporaryDirectory() as folder:
        return shown(kind, Path(folder) / "page.html", images(), labels())


@pytest.fixture
def show(tmp_path):
    return lambda kind, *given: shown(kind, tmp_path / "page.html", *given)


# --- images --------------------------------------------------------------------------------------

GREY = images() / 255
SAME = {
    "NumPy": images().numpy(),
    "NumPy, floats": GREY.numpy(),
    "NumPy, rows of float64": GREY.double().flatten(1).numpy(),
    "rows": images().flatten(1),
    "with a channel": images()[:, None],
    "another order of rows": images().numpy()[::-1].copy()[::-1],
    "another order of bytes": GREY.numpy().astype(">f4"),
    "part of a training step": GREY.clone().requires_grad_(),
    "a data set": ImageData("images", images(3), labels(3), images(), labels()),
}


@SHOWN
@pytest.mark.parametrize("name", SAME)
def test_images_of_any_library_are_taken_alike(kind, name, show):
    given = None if name == "a data set" else labels()
    assert show(kind, SAME[name], given) == shown_of_tensors(kind)


REFUSED = {
    "masked": (np.ma.masked_array(GREY.numpy()), "an array of numbers, got MaskedArray of shape"),
    "a list": (list(images()), "a tensor or an array of numbers, got list of 30"),
    "text": ("digits", "a tensor or an array of numbers, got 'digits'"),
    "objects": (np.array([None] * 30), "a tensor or an array of numbers, got one of object"),
    "NumPy, whole numbers": (images().numpy().astype(int), "uint8 or .*, got torch.int64"),
    "black or white": (images() > 99, "uint8 or .*, got torch.bool"),
    "one image": (images()[0], r"shape \(N, 28, 28\) or \(N, D\), got \(28, 28\)"),
    "one row": (GREY[0, 0].numpy(), r"shape .*, got \(28,\)"),
    "none": (images(0), r"at least one, got \(0, 28, 28\)"),
    "no pixels": (np.zeros((30, 0)), r"at least one, got \(30, 0\)"),
    "NaN": (np.where(GREY > 0.9, np.nan, GREY), "finite pixels, got NaN or infinity"),
    "infinity": (GREY / 0, "finite pixels, got NaN or infinity"),
    "0 to 255": (images().float(), r"in \[0, 1\], got 0 to 255; uint8 pixels .* are scaled"),
    "below 0": (GREY - 1, r"in \[0, 1\], got -1 to 0"),
    "smaller": (images()[:, :10, :10], "784 pixels each, as VAE decodes, got 100"),
    "colours": (images().repeat(3, 1, 1, 1).transpose(0, 1), "784 pixels .*, got 2352"),
    "sparse": (GREY.flatten(1).to_sparse(), "all pixels, got torch.sparse_coo on cpu"),
    "without data": (GREY.to("meta"), "all pixels, got .* on meta"),
}


@SHOWN
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_images_is_refused_in_one_line(kind, name, show):
    pixels, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"^images: expected .*{message}") as refused:
        show(kind, pixels)
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)


# --- labels --------------------------------------------------------------------------------------

Animal = Enum("Animal", "CAT DOG")
ALIKE = {
    "a list": labels().tolist(),
    "a tuple": tuple(labels().tolist()),
    "NumPy": labels().numpy(),
    "floats": labels().float(),
    "text": [str(label) for label in labels().tolist()],
    "NumPy, text": labels().numpy().astype(str),
    "NumPy, bytes": labels().numpy().astype("S"),
    "tensors": list(labels()),
    "one text, bytes": "".join(map(str, labels().tolist())).encode(),
    "a deque": deque(labels().tolist()),
    "one text": "".join(map(str, labels().tolist())),
    "numbers and text": [n if n % 2 else str(n) for n in labels().tolist()],
}


@SHOWN
@pytest.mark.parametrize("name", ALIKE)
def test_labels_of_any_kind_are_taken_alike(kind, name, show):
    assert show(kind, images(), ALIKE[name]) == shown_of_tensors(kind)


@SHOWN
@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["dog", "cat"], ["cat", "dog"]),
        ([10, "b", 9, "a", 2.5, None], ["2.5", "9", "10", "None", "a", "b"]),
        (np.array([1.0, np.nan]), ["1", "nan"]),
        ([True, False], ["False", "True"]),
        (list(Animal), ["Animal.CAT", "Animal.DOG"]),
    ],
)
def test_labels_may_be_anything_that_has_a_name(kind, given, names, show):
    given = list(given) * (30 // len(given))
    found = show(kind, images(), given)[2]
    assert (found if kind == "page" else classes(found)[0]) == names


@SHOWN
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (labels(29), "expected 30, one per image, got 29"),
        ([], "expected 30, one per image, got 0"),
        (3, "expected a list or an array, one label per image, got 3"),
        (torch.tensor(3), "expected a list or an array, .*"),
        (labels().to("meta"), r"expected a list or an array, .* got Tensor of shape \(30,\)"),
        (labels()[:, None], r"expected one number or name per image, got \[0\] in Tensor .*"),
        (set(range(30)), r"expected a list or an array, .* \(set\)"),
        (dict.fromkeys(range(30)), r"expected a list or an array, .* \(dict\)"),
        (
            torch.zeros(30, 10),
            r"expected one number or name per image, got \[.*\] in Tensor of shape \(30, 10\)",
        ),
        ([["a"]] * 30, r"expected one number or name per image, got \['a'\] in list of 30"),
    ],
)
def test_what_is_no_labels_is_refused_in_one_line(kind, given, message, show):
    with pytest.raises(ValueError, match=f"^labels: {message}$") as refused:
        show(kind, images(), given)
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)


@SHOWN
def test_labels_without_images_are_refused(kind, show):
    with pytest.raises(ValueError, match="^labels: expected images to go with them, got none$"):
        show(kind, None, labels())


def test_the_pair_says_the_label():
    live = LatentTraversal(MODEL, images(), ["smile", "frown"] * 15)
    live.number.value = 3
    assert live.pair_text.value == "original (label frown) | decoded"


# --- the map -------------------------------------------------------------------------------------


def dots_by_name(given):
    """Of each class in the legend of a map: its dots' places, and their colour."""
    live = LatentPlane(MODEL, images(), given)
    _, ax = live.figure()
    legend, colours = ax.get_legend(), [to_rgb(dots.get_facecolor()[0]) for dots in ax.collections]
    names = [text.get_text() for text in legend.get_texts()]
    shown = [to_rgb(handle.get_facecolor()[0]) for handle in legend.legend_handles]
    places = {c: np.asarray(dots.get_offsets()) for c, dots in zip(colours, ax.collections)}
    return legend.get_title().get_text(), {n: (places[c], c) for n, c in zip(names, shown)}, live


@pytest.mark.slow
@pytest.mark.parametrize("words", [["cat", "dog"], ["cat", 3, "dog", None]])
def test_words_are_coloured_by_class(words):
    given = (words * 15)[:30]
    title, dots, live = dots_by_name(given)
    assert title == "class" and set(dots) == set(map(str, words))
    for name, (places, _) in dots.items():
        of_class = [n for n, label in enumerate(given) if str(label) == name]
        assert places == pytest.approx(live.codes[of_class].numpy())
    assert len({colour for _, colour in dots.values()}) == len(words)


def test_names_are_no_formulas_and_none_is_hidden():
    _, ax = LatentPlane(MODEL, images(), ["$\\foo$", "_hidden", "5 $"] * 10).figure()
    ax.figure.canvas.draw()
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == [r"\$\foo\$", r"5 \$", " _hidden"]


def test_a_digit_has_the_same_colour_on_every_map():
    title, dots, _ = dots_by_name([3, 7] * 15)
    assert title == "digit"
    assert {name: colour for name, (_, colour) in dots.items()} == {
        "3": to_rgb(DIGIT_COLOURS[3]),
        "7": to_rgb(DIGIT_COLOURS[7]),
    }


def test_more_classes_than_colours_are_all_drawn():
    live = LatentPlane(MODEL, images(), [f"class {n}" for n in range(30)])
    _, ax = live.figure()
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 30
    assert ax.get_legend() is None  # too many to tell apart
