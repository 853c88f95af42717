"""The controls of an explorer and where they stand. They act on nothing by themselves."""

from collections.abc import Callable, Iterator

import ipywidgets as widgets

from course_utils.widgets.interface import LIMIT, STEP, SWING_SECONDS
from course_utils.widgets.private import repeat_for_ever

PLAY_STEPS = 80  # positions of one movement to and fro


def unit_sliders(names: dict[int, str]) -> dict[int, widgets.FloatSlider]:
    """A slider for each unit, with its name."""
    look = {"style": {"description_width": "130px"}, "layout": {"width": "410px"}}
    return {
        m: widgets.FloatSlider(0.0, min=-LIMIT, max=LIMIT, step=STEP, description=name, **look)
        for m, name in names.items()
    }


def picture() -> tuple[widgets.Image, widgets.Label]:
    """A place for an image, enlarged pixel by pixel, and for a text under it."""
    image = widgets.Image(format="png", layout={"align_self": "flex-start"})  # or it is stretched
    image.add_class("course-pixels")
    return image, widgets.Label()


def buttons(actions: dict[str, Callable[[], None]]) -> dict[str, widgets.Button]:
    """A button for each action, by its name."""
    made = {}
    for name, act in actions.items():
        made[name] = widgets.Button(description=name, layout={"width": "auto"})
        made[name].on_click(lambda _, act=act: act())
    return made


def to_and_fro(units: list[int]) -> tuple[widgets.Dropdown, widgets.Play]:
    """What chooses a unit, and what moves it: `Play` counts through `PLAY_STEPS` for ever."""
    unit = widgets.Dropdown(
        options=[(f"z{m + 1}", m) for m in units],
        description="to and fro",
        layout={"width": "190px"},
        style={"description_width": "85px"},
    )
    milliseconds = round(1000 * SWING_SECONDS / PLAY_STEPS)
    play = widgets.Play(min=0, max=PLAY_STEPS - 1, interval=milliseconds)
    repeat_for_ever(play)
    return unit, play


def image_number(count: int) -> widgets.BoundedIntText:
    """Which of `count` images to encode."""
    return widgets.BoundedIntText(
        0,
        min=0,
        max=count - 1,
        description="encode image",
        layout={"width": "200px"},
        style={"description_width": "115px"},
    )


def folded(title: str, parts: list[widgets.Widget]) -> widgets.Accordion:
    """Controls behind a title, which opens them."""
    fold = widgets.Accordion([widgets.VBox(parts)])
    fold.set_title(0, title)
    fold.selected_index = None
    return fold


def bar(*parts: widgets.Widget) -> widgets.HBox:
    """Side by side, on more lines where the page is narrow."""
    return widgets.HBox(list(parts), layout={"flex_flow": "row wrap", "align_items": "center"})


def columns(left: list[widgets.Widget], right: list[widgets.Widget]) -> widgets.HBox:
    """Two columns, or one under the other where the page is narrow."""
    layout = {"flex_flow": "row wrap", "align_items": "flex-start"}
    box = widgets.VBox(left, layout={"margin": "0 24px 0 0", "align_items": "flex-start"})
    return widgets.HBox([box, widgets.VBox(right)], layout=layout)


def everything_in(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """A widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)
