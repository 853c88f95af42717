"""Private parts of other libraries that the widgets rely on, each with its reason.

Nowhere else does the package reach for what a library calls its own. tests/widgets/test_private.py
says when a library has changed, so that one of these no longer works or is no longer needed.
"""

import ipywidgets as widgets


def answer_at_once(widget: widgets.Widget) -> None:
    """Let what the reader does reach the widget while other cells run, and disturb no cell."""
    if widget.comm is not None:  # it is closed, or there is no kernel
        forget_the_thread(widget.comm)
        count_as_no_cell(widget)


def forget_the_thread(comm: object) -> None:
    """A move is handled where it arrives, not in the thread that made the widget.

    JupyterLab sends it to a second thread of the kernel, but ipykernel 7.4 hands it on to the
    thread that spoke to the page last, which it keeps in `_reply_subshell_id` and which is busy.
    """
    getattr(comm, "__dict__", {}).pop("_reply_subshell_id", None)


def count_as_no_cell(widget: widgets.Widget) -> None:
    """A move does not count as a cell that has run.

    A comm tells IPython that a cell begins and ends round `Widget._handle_msg`. In a second thread
    Matplotlib would then show, and close, the figure that a running cell is just drawing.
    """
    widget.comm.handle_msg = widget._handle_msg


def repeat_for_ever(play: widgets.Play) -> None:
    """Play goes on at its end; ipywidgets 7, as Colab has it, calls that trait `_repeat`."""
    setattr(play, "repeat" if play.has_trait("repeat") else "_repeat", True)


# JupyterLab's own classes: an output that follows a living explorer's is its still picture.
HIDE_STILL = """
.jp-OutputArea-child:has(.course-live) + .jp-OutputArea-child:has(.jp-RenderedImage) {
    display: none; }
"""
