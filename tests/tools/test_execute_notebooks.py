"""Executing notebooks in place: what is stored, and that a failure stores nothing."""

import subprocess
import sys

import nbformat
import pytest

from course_utils.files import CHECKOUT
from tools import execute_notebooks


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_streams_are_merged_and_progress_bars_dropped():
    bar = "\r  0%|          | 0/3 [00:00<?, ?it/s]\r100%|##########| 3/3 [00:00<00:00, 9.1it/s]\n"
    outputs = [stream("a"), stream("b\n"), stream(bar, "stderr"), stream("c")]
    merged = execute_notebooks.merge_streams(outputs)
    assert [(output["name"], output["text"]) for output in merged] == [
        ("stdout", "ab\n"),
        ("stdout", "c"),
    ]
    (warning,) = execute_notebooks.merge_streams([stream("UserWarning: beware\n", "stderr")])
    assert "beware" in warning["text"]


def test_what_is_stored_does_not_depend_on_the_run():
    state, view = execute_notebooks.WIDGET_STATE, execute_notebooks.WIDGET_VIEW

    def executed(slider, layout, second):
        nb = notebook("slider", "bar")
        nb.metadata["language_info"] = {"name": "python", "version": f"3.{second}"}
        nb.metadata["widgets"] = {
            state: {"state": {layout: {}, slider: {"layout": f"IPY_MODEL_{layout}"}}}
        }
        for i, (cell, model) in enumerate(zip(nb.cells, (slider, "closed"), strict=True)):
            cell["id"] = f"cell-{i}"
            cell.metadata["execution"] = {"iopub.status.busy": second}
            data = {view: {"model_id": model}, "text/plain": "IntSlider()"}
            cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        return execute_notebooks.tidy(nb, "05")

    one, other = executed("1a" * 16, "2b" * 16, 11), executed("3c" * 16, "4d" * 16, 12)
    assert one == other
    layout, slider = one.metadata["widgets"][state]["state"].items()
    assert slider[1] == {"layout": f"IPY_MODEL_{layout[0]}"}
    assert one.cells[0].outputs[0]["data"][view]["model_id"] == slider[0]
    assert one.cells[1].outputs == []  # the view of a closed widget


@pytest.mark.slow
def test_notebooks_are_executed_in_place_or_not_at_all(tmp_path):
    good, bad = tmp_path / "01_good.ipynb", tmp_path / "02_bad.ipynb"
    show = "import os\nprint(*(os.environ[n] for n in ('COURSE_BUDGET', 'COURSE_DIGITS')))"
    nbformat.write(notebook(show, "1 + 1"), good)
    nbformat.write(notebook("1", "1 / 0"), bad)
    before = bad.read_bytes()
    program = [sys.executable, "-m", "tools.execute_notebooks", "--digits", "strokes"]
    run = subprocess.run(
        [*program, "--folder", tmp_path], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout.startswith("01_good.ipynb: ")
    assert "02_bad.ipynb, cell 1: " in run.stderr
    assert "ZeroDivisionError" in run.stderr
    assert bad.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [good.name, bad.name]

    nb = nbformat.read(good, as_version=4)
    assert [cell.execution_count for cell in nb.cells] == [1, 2]
    assert nb.cells[0].outputs[0]["text"] == "cpu strokes\n"
    assert nb.metadata["kernelspec"] == execute_notebooks.KERNELSPEC
    assert nb.metadata["language_info"] == execute_notebooks.LANGUAGE_INFO

    once = good.read_bytes()
    run = subprocess.run(
        [*program, "--folder", tmp_path, "1"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert run.returncode == 0
    assert good.read_bytes() == once
