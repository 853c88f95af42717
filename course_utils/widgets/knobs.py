"""Live pictures: a function of knob values, and sliders that call it again.

One `widgets.Image` is updated in place, which neither flickers nor stacks up. Works with
ipywidgets 7.7.1 (Colab) and 8.
"""

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_utils.arguments import number
from course_utils.widgets.given import brief
from course_utils.widgets.pictures import STYLE, to_png

LARGEST = (640, 360)  # small images are enlarged by a whole factor to at most this, in pixels


def _parts(result: Any) -> tuple[Any, str]:
    """What a function returned as (image, text)."""
    if result is None:
        raise ValueError(
            "function: expected an image or (image, text), got None: is there a `return`?"
        )
    if not isinstance(result, tuple):
        return result, ""
    if len(result) == 2 and isinstance(result[1], str):
        return result
    if result and isinstance(result[0], Figure):  # (fig, ax), as course_utils.plotting returns
        return result[0], ""
    kinds = ", ".join(type(part).__name__ for part in result[:5])
    raise ValueError(f"function: expected an image or (image, text), got ({kinds})")


# --- one slider per knob -------------------------------------------------------------------------


def _hundredth(length: float) -> float:
    """1, 2 or 5 times a power of ten: the largest that is no more than length / 100."""
    power = 10.0 ** math.floor(math.log10(length / 100))
    return max(m * power for m in (1, 2, 5) if m * power <= length / 100 * (1 + 1e-9))


def _is_whole(value: Any) -> bool:
    """Whether a number's type is one of whole numbers: 3 and a tensor of 3, but not 3.0."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _number_slider(name: str, spec: tuple, **look: Any) -> widgets.Widget:
    """(min, max), (min, max, step) or (min, max, step, value) as an IntSlider or FloatSlider."""
    expected = "(min, max), with step, with value"
    if not 2 <= len(spec) <= 4:
        raise ValueError(f"{name}: expected {expected}, got {brief(spec)}")
    numbers = [number(name, v, f"{expected}, of finite numbers") for v in spec]
    whole = all(_is_whole(v) for v in spec)
    spec = [int(v) for v in spec] if whole else numbers
    low, high = spec[:2]
    if low >= high:
        raise ValueError(f"{name}: expected min < max, got {low} and {high}")
    step = spec[2] if len(spec) > 2 else 1 if whole else _hundredth(high - low)
    if not 0 < step <= high - low:
        raise ValueError(f"{name}: expected a step above 0 and within the range, got {step}")
    middle = low + step * round((high - low) / 2 / step)
    value = spec[3] if len(spec) > 3 else middle
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a value from {low} to {high}, got {value}")
    if whole:
        return widgets.IntSlider(value, low, high, step, **look)
    # As many decimals as the positions of the slider need.
    shown = [d for d in range(5) if all(abs(round(v, d) - v) < 1e-9 for v in (low, step))]
    look["readout_format"] = f".{shown[0]}f" if shown else ".4g"
    return widgets.FloatSlider(value, min=low, max=high, step=step, **look)


def _can_be_held(choice: Any) -> bool:
    """Whether a slider's value can be this choice: it must be some one thing, equal to itself."""
    if isinstance(choice, tuple):
        return all(map(_can_be_held, choice))
    return isinstance(choice, str | Real) and choice == choice


def _written(choice: Any) -> str:
    """A choice as it stands beside its slider."""
    if hasattr(choice, "item") and not getattr(choice, "ndim", 0):
        choice = choice.item()
    named = getattr(choice, "__name__", None)  # a function, a class
    if isinstance(choice, str) or isinstance(named, str):
        return named or choice
    short = hasattr(choice, "shape") or len(repr(choice)) <= 60
    return brief(choice) if short else type(choice).__name__


def _choices(name: str, spec: Any) -> dict[Any, Any] | None:
    """What the slider holds to what the function gets, for a knob of choices; None for others.

    ipywidgets would take pairs for names with values, and knows no None and no arrays: where such
    are among the choices, the slider holds what is written beside it.
    """
    named = isinstance(spec, Mapping)
    no_range = isinstance(spec, tuple) and any(isinstance(v, str | tuple | list) for v in spec)
    if not (named or no_range or isinstance(spec, list)):
        return None
    if not len(spec):
        raise ValueError(f"{name}: expected at least one choice, got none")
    held = list(spec)
    if not all(map(_can_be_held, held)) or len(set(held)) < len(held):
        held = list(map(_written, held))
    if len(set(held)) < len(held):
        held = [f"{n}: {what}" for n, what in enumerate(map(_written, held), start=1)]
    return dict(zip(held, spec.values() if named else spec))


def _slider(name: str, spec: Any, choices: dict | None, name_width: str) -> widgets.Widget:
    """The widget of one knob."""
    look = {"description": name, "style": {"description_width": name_width}}
    if isinstance(spec, bool | np.bool_):
        return widgets.Checkbox(bool(spec), indent=False, **look)
    look |= {"continuous_update": True, "readout": True, "layout": {"width": "420px"}}
    if choices is not None:
        options = [(_written(held), held) for held in choices]
        return widgets.SelectionSlider(options=options, **look)
    if isinstance(spec, tuple):
        return _number_slider(name, spec, **look)
    raise ValueError(f"{name}: expected (min, max, ...), choices or a bool, got {brief(spec)}")


class Knobs(widgets.VBox):
    """What `knobs` returns. Show it as the last expression of a cell.

    Attributes:
        sliders: name to widget; setting its `.value` redraws.
        image: the `widgets.Image`; its `.value` holds PNG bytes.
        text: the `widgets.Label` under it; its `.value` holds the text, or the last error.
        start: name to the slider's value before anybody moved it.
    """

    def __init__(self, function: Callable[..., Any], specs: dict[str, Any]):
        self._function = function
        self._choices = {name: _choices(name, spec) for name, spec in specs.items()}
        width = f"{max(map(len, specs), default=0) + 1}ch"  # one for all, so that they line up
        self.sliders = {
            name: _slider(name, spec, self._choices[name], width) for name, spec in specs.items()
        }
        self.start = {name: slider.value for name, slider in self.sliders.items()}
        self._resetting = False
        self.image = widgets.Image(format="png", layout={"align_self": "flex-start"})
        self.text = widgets.Label()
        self.text.add_class("course-text")
        self._redraw()
        for slider in self.sliders.values():
            slider.observe(self._redraw, "value")
        button = widgets.Button(description="reset", layout={"width": "auto"})
        button.layout.align_self = "flex-start"
        button.on_click(lambda _: self.reset())
        style = widgets.HTML(STYLE, layout={"display": "none"})
        super().__init__([*self.sliders.values(), button, self.image, self.text, style])
        self.add_class("course-knobs")

    def __repr__(self) -> str:  # no addresses: compared when notebooks are tested
        return f"Knobs({', '.join(self.sliders)})"

    @property
    def values(self) -> dict[str, Any]:
        """What the function is called with now."""
        return self._arguments({name: slider.value for name, slider in self.sliders.items()})

    def _arguments(self, at: dict[str, Any]) -> dict[str, Any]:
        return {k: v if self._choices[k] is None else self._choices[k][v] for k, v in at.items()}

    def picture(self, at: dict[str, Any]) -> tuple[Any, str]:
        """What the function draws when the sliders have these values: (image, text)."""
        return _parts(self._function(**self._arguments(at)))

    @property
    def widget(self) -> "Knobs":
        """Itself."""
        return self

    def reset(self) -> None:
        """Put every knob back to its start, and redraw once."""
        self._resetting = True
        try:
            for name, slider in self.sliders.items():
                slider.value = self.start[name]
        finally:
            self._resetting = False
        self._redraw()

    def _redraw(self, _change: Any = None) -> None:
        if self._resetting:
            return
        open_before = set(plt.get_fignums())
        try:
            image, text = self.picture({n: slider.value for n, slider in self.sliders.items()})
            png, (width, height) = to_png(image)
        except Exception as error:  # the last good picture stays
            self.text.value = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        finally:  # or the notebook would show them a second time
            for number in set(plt.get_fignums()) - open_before:
                plt.close(number)
        scale = 1
        if isinstance(image, Figure):
            plt.close(image)
            self.image.remove_class("course-pixels")
        else:
            scale = max(1, min(LARGEST[0] // width, LARGEST[1] // height))
            self.image.add_class("course-pixels")
        with self.image.hold_sync():  # one message
            self.image.width = str(scale * width)
            self.image.value = png
        self.text.value = text


def knobs(function: Callable[..., Any], /, **sliders: Any) -> Knobs:
    """A live picture of a function, with one slider for each of its arguments.

    Args:
        function: from knob values to an image (see `to_png`), or to (image, text). The same
            values must give the same image.
        sliders: by name, `(min, max)`, `(min, max, step)` or `(min, max, step, value)`: whole
            numbers if all are, else floats; a list of choices of any kind; a dict of choices,
            whose slider holds the key and whose function gets the value; True or False. Without a
            value, ranges start in the middle and choices at the first. A slider holds None and
            arrays, which ipywidgets does not know as values, by what is written beside it.

    Raises:
        ValueError: a knob that the function does not take, a missing one, a bad range, or a
            function that returns no image.
    """
    if not callable(function):
        raise ValueError(f"function: expected a function of the knobs, got {brief(function)}")
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        raise ValueError(f"function: expected one written in Python, got {function}") from None
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in sliders:
        if name not in taken and not anything:
            raise ValueError(f"{name}: expected one of the function's {taken}, got another knob")
    for p in parameters:
        if p.name in taken and p.default is p.empty and p.name not in sliders:
            raise ValueError(f"{p.name}: expected a knob for this argument, got none")
    return Knobs(function, sliders)
