"""The live pictures, without a browser: what a moved knob does to the image and the text."""

import io
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from course_utils.widgets import knobs, to_png
from course_utils.widgets.pictures import DPI


def shades(ink=0.5, rows=4, page="plain", invert=False, power=1):
    """One picture that depends on a knob of every kind, and a line of text."""
    image = np.tile(np.linspace(0, ink, 6) ** power, (rows, 1))
    image = image if page == "plain" else image[:, ::-1]
    return 1 - image if invert else image, f"rows = {rows} < 9"


def all_kinds():
    specs = {"ink": (0.0, 1.0, 0.25), "rows": (2, 8), "page": ["plain", "mirrored"]}
    return knobs(shades, **specs, invert=False, power={"one": 1.0, "two": 2.0})


def seen(png):
    """The pixels of a PNG."""
    return np.asarray(Image.open(io.BytesIO(png)))


# --- moving the knobs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("ink", 0.25), ("rows", 3), ("page", "mirrored"), ("invert", True), ("power", "two")],
)
def test_every_knob_moves_the_picture(name, value):
    live = all_kinds()
    before = live.image.value
    live.sliders[name].value = value
    assert live.image.value != before
    image, text = shades(**live.values)
    assert live.image.value == to_png(image)[0]
    assert live.text.value == text
    live.sliders[name].value = live.start[name]
    assert live.image.value == before


def test_knobs_are_of_the_kind_that_their_values_ask_for():
    live = all_kinds()
    kinds = [type(slider).__name__ for slider in live.sliders.values()]
    assert kinds == ["FloatSlider", "IntSlider", "SelectionSlider", "Checkbox", "SelectionSlider"]
    assert live.values == {
        "ink": 0.5,
        "rows": 5,
        "page": "plain",
        "invert": False,
        "power": 1.0,  # the value, though the slider holds the key
    }
    assert [slider.description for slider in live.sliders.values()] == list(live.values)
    for name, slider in live.sliders.items():
        assert name == "invert" or (slider.continuous_update and slider.readout)


@pytest.mark.parametrize(
    ("spec", "start", "step", "readout"),
    [
        ((0, 10), 5, 1, "d"),
        ((0, 7, 2), 4, 2, "d"),
        ((0, 7, 2, 6), 6, 2, "d"),
        ((np.int64(0), np.int64(4)), 2, 1, "d"),
        ((0, 1.0), 0.5, 0.01, ".2f"),
        ((-3.0, 3.0), 0.0, 0.05, ".2f"),
        ((0, 20.0), 10.0, 0.2, ".1f"),
        ((-3.0, 3.0, 0.5), 0.0, 0.5, ".1f"),
        ((-3, 3, 0.25, 1), 1.0, 0.25, ".2f"),
        ((np.float32(0), np.float32(1), 0.125), 0.5, 0.125, ".3f"),
        ((0.0, 1e-6), 5e-7, 1e-8, ".4g"),
        ((torch.tensor(0), torch.tensor(4)), 2, 1, "d"),
        ((0, torch.tensor(1.0), torch.tensor(0.25)), 0.5, 0.25, ".2f"),
        ((np.int64(0), 10, torch.tensor(2), np.array(4)), 4, 2, "d"),
        ((np.float64(0), 4), 2.0, 0.02, ".2f"),
        ((Fraction(0), Fraction(1, 2)), 0.25, 0.005, ".3f"),
        ((Decimal(0), Decimal("1.5"), Decimal("0.5")), 1.0, 0.5, ".1f"),
    ],
)
def test_ranges(spec, start, step, readout):
    slider = knobs(lambda a: np.zeros((2, 2)), a=spec).sliders["a"]
    whole = readout == "d"
    assert isinstance(slider, widgets.IntSlider if whole else widgets.FloatSlider)
    assert (slider.min, slider.max) == pytest.approx([float(v) for v in spec[:2]])
    assert (slider.value, slider.step) == pytest.approx((start, step))
    assert slider.readout_format == readout


def test_choices_may_be_numbers_and_may_stand_for_anything():
    pages = {0.5: np.zeros((2, 2)), 1: np.ones((2, 2))}  # arrays: no two of them compare
    live = knobs(lambda beta, steps: beta[:, :1] * np.full((2, steps), 1.0), beta=pages, steps=[3])
    assert live.values["beta"] is pages[0.5] and live.values["steps"] == 3
    live.sliders["beta"].value = 1
    assert live.values["beta"] is pages[1]
    assert (seen(live.image.value) == 0).all()


ZEROS = np.zeros((2, 2))
Beta = Enum("Beta", "SMALL LARGE")


@pytest.mark.parametrize(
    ("spec", "written", "given"),
    [
        ([("a", 1), ("b", 2)], ["('a', 1)", "('b', 2)"], [("a", 1), ("b", 2)]),
        ((("a", 1), ("b", 2)), ["('a', 1)", "('b', 2)"], [("a", 1), ("b", 2)]),
        ({("a", 1): 3, ("b", 2): 4}, ["('a', 1)", "('b', 2)"], [3, 4]),
        ([("a", 1)], ["('a', 1)"], [("a", 1)]),
        ([[1, 2], [3, 4]], ["[1, 2]", "[3, 4]"], [[1, 2], [3, 4]]),
        ([None, 1], ["None", "1"], [None, 1]),
        (("a", None), ["a", "None"], ["a", None]),
        ({None: 1, "x": 2}, ["None", "x"], [1, 2]),
        ([ZEROS, "a"], ["ndarray of shape (2, 2)", "a"], [ZEROS, "a"]),
        (
            [ZEROS, ZEROS],
            ["1: ndarray of shape (2, 2)", "2: ndarray of shape (2, 2)"],
            [ZEROS, ZEROS],
        ),
        ([torch.tensor(0.5), 1], ["0.5", "1"], [torch.tensor(0.5), 1]),
        ([np.float64(0.5), np.int64(2)], ["0.5", "2"], [np.float64(0.5), np.int64(2)]),
        ([1, True, 1.0], ["1", "True", "1.0"], [1, True, 1.0]),
        ([float("inf"), float("nan")], ["inf", "nan"], [float("inf"), float("nan")]),
        ([np.sin, np.cos], ["sin", "cos"], [np.sin, np.cos]),
        (list(Beta), ["<Beta.SMALL: 1>", "<Beta.LARGE: 2>"], list(Beta)),
        (["", ""], ["1: ", "2: "], ["", ""]),
    ],
)
def test_choices_of_any_kind_reach_the_function_as_they_are(spec, written, given):
    seen = []
    live = knobs(lambda a: seen.append(a) or ZEROS, a=spec)
    slider = live.sliders["a"]
    assert [label for label, _ in slider.options] == written
    for index in [*range(1, len(given)), 0]:
        slider.index = index
        assert type(seen[-1]) is type(given[index]) and repr(seen[-1]) == repr(given[index])
    assert repr(live.values) == repr({"a": given[0]})
    slider.index = len(given) - 1
    live.reset()
    assert slider.index == 0


def test_what_can_be_held_is_set_as_itself():
    live = knobs(lambda a: ZEROS, a=[("a", 1), ("b", 2)])
    live.sliders["a"].value = ("b", 2)
    assert live.values == {"a": ("b", 2)}


def test_truth_may_be_numpy_s():
    live = knobs(lambda a: ZEROS, a=np.True_)
    assert isinstance(live.sliders["a"], widgets.Checkbox) and live.values == {"a": True}


def test_reset_goes_back_to_the_start_and_draws_once():
    calls = []

    def page(a, b, c):
        calls.append((a, b, c))
        return np.full((2, 2), a / 10)

    live = knobs(page, a=(0, 10, 1, 3), b=(0.0, 1.0), c=True)
    start, first = live.values, live.image.value
    live.sliders["a"].value, live.sliders["b"].value, live.sliders["c"].value = 9, 0.25, False
    assert live.values == {"a": 9, "b": 0.25, "c": False}
    assert live.image.value != first
    calls.clear()
    (button,) = [child for child in live.children if isinstance(child, widgets.Button)]
    button.click()
    assert live.values == start and live.image.value == first
    assert calls == [(3, start["b"], True)]


def test_a_knob_that_stays_does_not_draw():
    calls = []
    live = knobs(lambda a: calls.append(a) or np.zeros((2, 2)), a=(0, 4))
    live.sliders["a"].value = live.sliders["a"].value
    assert calls == [2]


# --- errors in the function ----------------------------------------------------------------------


def test_an_error_surfaces_and_the_last_picture_stays():
    live = knobs(lambda a: np.full((2, 2), 1 / (a - 3)), a=(0, 10, 1, 5))
    good = live.image.value
    with pytest.raises(ZeroDivisionError):
        live.sliders["a"].value = 3
    assert live.image.value == good
    assert live.text.value == "ZeroDivisionError: division by zero"
    live.sliders["a"].value = 4
    assert live.image.value == to_png(np.ones((2, 2)))[0] != good
    assert live.text.value == ""
    with pytest.raises(ZeroDivisionError):
        live.sliders["a"].value = 3
    live.reset()
    assert (live.values, live.image.value, live.text.value) == ({"a": 5}, good, "")


def test_an_error_message_is_cut_to_its_first_line():
    def fail(a):
        if a == 1:
            raise RuntimeError("first\nsecond")
        return np.zeros((2, 2))

    live = knobs(fail, a=(0, 2, 1, 0))
    with pytest.raises(RuntimeError):
        live.sliders["a"].value = 1
    assert live.text.value == "RuntimeError: first"


def test_an_error_at_the_start_surfaces():
    with pytest.raises(ZeroDivisionError):
        knobs(lambda a: 1 / (a - a), a=(0, 2))


def test_a_figure_is_closed_also_where_drawing_fails():
    def fail(a):
        fig, _ = plt.subplots()
        if a == 1:
            raise RuntimeError("half drawn")
        return fig

    live = knobs(fail, a=(0, 2, 1, 0))
    with pytest.raises(RuntimeError):
        live.sliders["a"].value = 1
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(5), r"expected \(H, W\) or \(H, W, 3\), got \(5,\)"),
        (np.zeros((5, 5, 2)), r"got \(5, 5, 2\)"),
        (np.zeros((0, 5)), r"got \(0, 5\)"),
        (np.zeros((5, 5), np.int64), "expected uint8, or floats from 0 to 1, got int64"),
        (np.full((5, 5), np.nan), "expected finite"),
        (None, r"^function: expected an image or \(image, text\), got None: .* `return`\?$"),
        ((np.zeros((2, 2)), 3), r"^function: .* or \(image, text\), got \(ndarray, int\)"),
        ((np.zeros((2, 2)), "a", "b"), r"got \(ndarray, str, str\)"),
        ("digit", r"expected \(H, W\) or \(H, W, 3\), got 'digit'"),
        ([[1.0], [1.0, 2.0]], r"expected \(H, W\) or \(H, W, 3\), got \[\[1.0\], \[1.0, 2.0\]\]"),
        (Figure().subplots(), r"expected \(H, W\) or \(H, W, 3\), got <Axes: >"),
        (torch.zeros(1, 28, 28), r"got \(1, 28, 28\)"),
        (torch.zeros(2, 2, device="meta"), r"got Tensor of shape \(2, 2\)"),
        (torch.zeros(2, 2).to_sparse(), r"got Tensor of shape \(2, 2\)"),
        (Image.new("L", (0, 3)), r"expected some pixels, got a Pillow image of size \(0, 3\)"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message) as refused:
        knobs(lambda a: image, a=(0, 2))
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)


@pytest.mark.parametrize("how", ["requires_grad_", "double", "half", "bfloat16"])
def test_tensors_are_images(how):
    ink = torch.tensor([[0.0, 0.25, 1.0]])
    assert to_png(getattr(ink.clone(), how)()) == to_png(ink.numpy())


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_colours_of_any_kind_are_shown(mode):
    colours = np.full((2, 3, 3), 255, np.uint8)
    assert to_png(Image.fromarray(colours).convert(mode)) == to_png(colours)


# --- kinds of images -----------------------------------------------------------------------------


def test_ink_is_black_on_white_paper():
    paper, ink = seen(to_png(np.array([[0.0, 1.0]]))[0])[0]
    assert (paper, ink) == (255, 0)
    for same in (np.array([[0, 255]], np.uint8), np.array([[False, True]]), [[-0.5, 7.0]]):
        assert to_png(np.array(same)) == to_png(np.array([[0.0, 1.0]]))


def test_all_256_shades_survive():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (seen(to_png(levels)[0]) == 255 - levels).all()
    for dtype in (np.float32, np.float64):
        assert to_png(levels.astype(dtype) / 255) == to_png(levels)


def test_colours_are_kept():
    colours = np.array([[[255, 0, 0], [0, 128, 255]]], np.uint8)
    assert (seen(to_png(colours)[0]) == colours).all()
    assert to_png(colours / 255) == to_png(colours)
    picture = Image.fromarray(colours)
    assert to_png(picture) == to_png(colours)


@pytest.mark.parametrize(
    ("shape", "width"),
    [((28, 28), 336), ((28, 298), 596), ((118, 118), 354), ((360, 640), 640), ((900, 900), 900)],
)
def test_small_images_are_enlarged_by_the_page(shape, width):
    live = knobs(lambda a: np.zeros(shape), a=(0, 2))
    assert seen(live.image.value).shape == shape  # the pixels travel as they are
    assert live.image.width == str(width)
    assert "course-pixels" in live.image._dom_classes


def drawn(height, managed):
    fig = plt.figure(figsize=(4, 3)) if managed else Figure(figsize=(4, 3))
    fig.subplots().bar([0, 1], [1, height])
    return fig


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("style_dpi", [50, 220])
def test_figures_are_shown_at_their_natural_size(managed, style_dpi):
    with plt.rc_context({"figure.dpi": style_dpi, "savefig.bbox": "tight"}):
        live = knobs(lambda height: drawn(height, managed), height=(1, 5))
        first = live.image.value
        live.sliders["height"].value = 5
        assert live.image.value == to_png(drawn(5, managed))[0] != first
        plt.close("all")
    assert seen(first).shape[:2] == seen(live.image.value).shape[:2] == (3 * DPI, 4 * DPI)
    assert live.image.width == str(4 * DPI)
    assert "course-pixels" not in live.image._dom_classes


def test_a_figure_may_come_with_its_axes_or_with_text():
    expected = to_png(drawn(3, False))[0]
    with_axes = knobs(lambda a: ((fig := drawn(a, True)), fig.axes[0]), a=(1, 5))
    with_text = knobs(lambda a: (drawn(a, True), f"height {a}"), a=(1, 5))
    assert with_axes.image.value == with_text.image.value == expected
    assert (with_axes.text.value, with_text.text.value) == ("", "height 3")


def test_one_figure_may_be_drawn_again_and_again():
    fig, ax = plt.subplots(figsize=(4, 3))
    (line,) = ax.plot([0, 1], [0, 1])

    def redraw(a):
        line.set_ydata([0, a / 2])
        return fig

    live = knobs(redraw, a=(0, 2))
    pictures = {live.image.value}
    for a in (1, 0, 2, 1, 0):
        live.sliders["a"].value = a
        pictures.add(live.image.value)
    assert len(pictures) == 3


def test_other_figures_stay_open():
    fig = plt.figure()
    knobs(lambda a: drawn(a, True), a=(1, 5))
    assert plt.get_fignums() == [fig.number]
    plt.close(fig)


# --- in a notebook -------------------------------------------------------------------------------


def test_it_is_shown_as_a_widget_with_stable_text(monkeypatch):
    live = all_kinds()
    assert repr(live) == repr(all_kinds()) == "Knobs(ink, rows, page, invert, power)"
    if hasattr(live, "_repr_mimebundle_"):
        bundle = live._repr_mimebundle_()
    else:  # ipywidgets 7
        shown = []
        monkeypatch.setattr("ipywidgets.widgets.widget.display", lambda d, **_: shown.append(d))
        live._ipython_display_()
        (bundle,) = shown
    assert bundle["text/plain"] == repr(live)
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == live.model_id
    assert live.widget is live


def test_the_saved_state_holds_the_picture():
    live = all_kinds()
    state = widgets.Widget.get_manager_state(widgets=None)["state"]
    assert state[live.model_id]["model_name"] == "VBoxModel"  # front ends know no other
    saved = state[live.image.model_id]
    assert saved["model_name"] == "ImageModel" and saved["state"]["width"] == live.image.width
    children = {child.model_id for child in live.children}
    assert {live.image.model_id, live.text.model_id} < children
    assert {slider.model_id for slider in live.sliders.values()} < children


def test_nothing_is_captured_or_cleared():
    live = all_kinds()
    assert not any(isinstance(child, widgets.Output) for child in live.children)


def test_a_move_costs_little_beyond_the_function(monkeypatch):
    """One call, one picture encoded the quick way, and one message to the page."""
    page = np.random.default_rng(0).random((118, 118)).astype(np.float32)  # the worst to encode
    calls, encoded, sent = [], [], []
    live = knobs(lambda a: calls.append(a) or page + a / 1000, a=(0, 10, 1, 0))
    save, send_state = Image.Image.save, widgets.Widget.send_state

    def counted(picture, *how, **settings):
        encoded.append((picture.size, picture.mode, settings))
        return save(picture, *how, **settings)

    def told(part, key=None):
        if keys := {key} if isinstance(key, str) else set(key):
            sent.append((type(part).__name__, keys))
        return send_state(part, key)

    monkeypatch.setattr(Image.Image, "save", counted)
    monkeypatch.setattr(widgets.Widget, "send_state", told)
    calls.clear()
    for a in range(1, 11):
        live.sliders["a"].value = a
    assert calls == list(range(1, 11))
    assert encoded == 10 * [((118, 118), "L", {"compress_level": 1})]
    pictures = [message for message in sent if message[0] == "Image"]
    heard = not widgets.__version__.startswith("7.")  # which sends nothing without a kernel
    assert pictures == 10 * heard * [("Image", {"value"})]
    assert not [message for message in sent if message[0] not in ("Image", "IntSlider")]


# --- specifications that cannot be ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ((3, 1), "a: expected min < max, got 3 and 1"),
        ((1.0, 1.0), "a: expected min < max, got 1.0 and 1.0"),
        ((0, 10, 1, 11), "a: expected a value from 0 to 10, got 11"),
        ((0.0, 1.0, 0.1, -1.0), "a: expected a value from 0.0 to 1.0, got -1.0"),
        ((0, 10, 0), "a: expected a step above 0"),
        ((0, 10, 20), "a: expected a step .* within the range, got 20"),
        ((0,), r"a: expected \(min, max\), .*, got \(0,\)"),
        ((0, 1, 1, 1, 1), r"a: expected \(min, max\)"),
        ((0, float("inf")), r"a: expected \(min, max\)"),
        ((0, None), r"a: expected \(min, max\)"),
        ((), r"a: expected \(min, max\)"),
        ([], "a: expected at least one choice"),
        ({}, "a: expected at least one choice"),
        (0.5, r"a: expected \(min, max, \.\.\.\), choices or a bool, got 0.5"),
        ("abc", "a: expected .* got 'abc'"),
        (None, "a: expected .* got None"),
        (range(5), r"a: expected .* got range\(0, 5\)"),
        (np.arange(3), r"a: expected .* got ndarray of shape \(3,\)"),
        ((0, 1j), r"a: expected \(min, max\), .* finite numbers, got 1j"),
        ((0, 10**400), r"a: expected \(min, max\), .* finite numbers, got 10{49}\.\.\. \(int\)"),
        ((False, True), r"a: expected \(min, max\), .* finite numbers, got False"),
        ((0, torch.zeros(2)), r"a: expected .* finite numbers, got Tensor of shape \(2,\)"),
    ],
)
def test_a_bad_specification_names_the_knob(spec, message):
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        knobs(lambda a: np.zeros((2, 2)), a=spec)
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (None, "function: expected a function of the knobs, got None"),
        (ZEROS, r"function: expected a function of the knobs, got ndarray of shape \(2, 2\)"),
        (max, "function: expected one written in Python, got <built-in function max>"),
    ],
)
def test_a_function_must_be_one_that_takes_knobs(function, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        knobs(function, a=(0, 2))


def test_knobs_and_arguments_must_agree():
    def page(ink, *, rows, extra=0):
        return np.full((rows, 2), ink)

    with pytest.raises(ValueError, match=r"^row: .*\['ink', 'rows', 'extra'\]"):
        knobs(page, ink=(0.0, 1.0), row=(1, 3))
    with pytest.raises(ValueError, match="^rows: expected a knob"):
        knobs(page, ink=(0.0, 1.0))
    knobs(page, ink=(0.0, 1.0), rows=(1, 3))
    free = knobs(lambda **values: np.full((2, 2), values["function"]), function=(0.0, 1.0))
    assert free.values == {"function": 0.5}
