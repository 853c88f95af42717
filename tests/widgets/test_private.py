"""Whether the private parts of other libraries that the widgets rely on are still as they were.

A failure here names a library that has changed: its part of `course_utils.widgets.private` no
longer works, or is no longer needed. Of what JupyterLab's page must do with them the browser tests
speak (`test_a_widget_answers_while_other_cells_run`, `test_the_still_picture_is_hidden…`).
"""

import ast
import tomllib
from importlib.metadata import version
from pathlib import Path

import ipywidgets as widgets
from helpers.explorers import DecoderOnly, everything_in
from packaging.requirements import Requirement
from packaging.version import Version

from course_utils.widgets import LatentTraversal, private

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "course_utils"


class Kernel:
    """The least of a kernel that a comm speaks to, while a message of one thread is answered."""

    def __init__(self, thread):
        self.parent = {"header": {"subshell_id": thread}}
        self.session = self
        self.iopub_socket = None

    def get_parent(self):
        return self.parent

    def send(self, *message, **parts):
        pass


def test_ipykernel_forgets_the_thread_that_spoke_last(monkeypatch):
    from ipykernel.comm import comm as library
    from ipykernel.kernelbase import Kernel as Real

    routed = hasattr(getattr(library, "BaseComm", None), "_reply_subshell_for")
    if not routed:  # as on Colab: then nothing is to be forgotten, and no harm is done
        private.forget_the_thread(object())
        assert Version(version("ipykernel")) < Version("7.4"), (
            "ipykernel sends moves to threads in another way than it did: try whether an explorer "
            "answers while other cells run, and mend or remove private.forget_the_thread"
        )
        return
    monkeypatch.setattr(Real, "initialized", classmethod(lambda cls: True))
    comm = library.BaseComm(target_name="test", primary=False)
    comm.kernel = Kernel(thread=None)
    comm.send({"method": "update"})  # to the page, from the main thread of the kernel
    here = "the second thread"  # where the reader's move arrives
    assert comm._reply_subshell_for({}, here) is None, (
        "ipykernel no longer sends a move to the thread that spoke last, which may be busy: "
        "private.forget_the_thread is no longer needed"
    )
    private.forget_the_thread(comm)
    assert comm._reply_subshell_for({}, here) == here, (
        "ipykernel no longer keeps the thread in _reply_subshell_id: private.forget_the_thread "
        "does not work, and an explorer answers only when no cell runs"
    )
    private.forget_the_thread(comm)  # once more does no harm


def test_ipywidgets_takes_a_move_without_a_cell_that_begins(monkeypatch):
    class Shell:
        events = property(lambda self: self)

        def trigger(self, what):
            told.append(what)

    told = []
    monkeypatch.setattr("IPython.get_ipython", Shell)
    monkeypatch.setattr(Kernel, "shell", Shell(), raising=False)  # whom ipykernel 6 asks
    move = {"content": {"data": {"method": "update", "state": {"value": 3}}}, "buffers": []}
    slider = widgets.IntSlider(0)
    monkeypatch.setattr(type(slider.comm), "kernel", Kernel(thread=None), raising=False)
    slider.comm.handle_msg(move)
    assert slider.value == 3
    assert told == ["pre_execute", "post_execute"], (
        "a comm no longer tells IPython that a cell begins and ends: private.count_as_no_cell is "
        "no longer needed"
    )
    told.clear()
    private.count_as_no_cell(slider)
    move["content"]["data"]["state"]["value"] = 5
    slider.comm.handle_msg(move)
    assert slider.value == 5 and not told, (
        "Widget._handle_msg is no longer what a move calls: private.count_as_no_cell does not work"
    )


def test_an_explorer_on_display_answers_at_once(monkeypatch):
    """All of its parts, and nothing happens to one that is closed."""
    monkeypatch.setattr("course_utils.widgets.explorers.display", lambda *what, **how: None)
    live = LatentTraversal(DecoderOnly())
    parts = list(everything_in(live))
    closed = live.buttons["undo"]
    closed.close()
    asked = []
    monkeypatch.setattr(private, "forget_the_thread", lambda comm: asked.append(comm))
    live._ipython_display_()
    open_parts = [part for part in parts if part.comm is not None]
    assert closed not in open_parts and asked == [part.comm for part in open_parts]
    assert all(part.comm.handle_msg == part._handle_msg for part in open_parts)


def test_play_repeats_under_the_name_that_ipywidgets_gives_it():
    play = widgets.Play()
    names = [name for name in ("repeat", "_repeat") if play.has_trait(name)]
    assert names, "Play has neither trait: private.repeat_for_ever does not work any more"
    private.repeat_for_ever(play)
    assert getattr(play, names[0]) is True
    assert play.traits(sync=True).keys() >= {names[0]}  # the page hears of it
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (ours,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "ipywidgets"]
    assert ours.specifier.contains("7.7.1"), (
        "ipywidgets 7 is no longer supported: private.repeat_for_ever is no longer needed"
    )


def test_nothing_else_in_the_package_is_private_to_others():
    """`self._x`, `cls._x` and `super()._x` are the package's own; any other `thing._x` is not."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
                continue
            owner = ast.unparse(node.value)
            dunder = node.attr.startswith("__") and node.attr.endswith("__")
            if not dunder and owner not in ("self", "cls", "super()"):
                found.append(f"{path.relative_to(PACKAGE).as_posix()}: {owner}.{node.attr}")
    assert found == ["widgets/private.py: widget._handle_msg"]
