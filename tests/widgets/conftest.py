"""What all tests of the widgets share: no screen, no figure left over, no callback that fails."""

import ipywidgets as widgets
import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_callback_fails(caplog):
    """What a button calls may fail silently: ipywidgets only logs it."""
    yield
    assert not [line for line in caplog.get_records("call") if "callback" in line.getMessage()]


@pytest.fixture(autouse=True)
def nothing_is_left_over(no_figure_is_left_over):
    """Neither figures nor widgets, which ipywidgets would keep, and save with those of others."""
    yield
    widgets.Widget.close_all()
