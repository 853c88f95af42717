"""Execute notebooks in reading order, on the CPU, and store their outputs: `make notebooks`.

    python -m tools.execute_notebooks [NAME ...] [--digits mnist|strokes] [--folder FOLDER]
        [--only-frames]

A NAME is a notebook's number, as 05, or the beginning of its name, as start_here. With
`--only-frames` the notebooks stay as they are, and only the pictures are made that the site shows
in the place of live ones (`tools.site.frames`); else both are.

Each notebook is replaced by its executed version in one step, and only if every cell ran; a
notebook that fails stays as it was, and the failing cell is named. Stored are outputs and widget
state. Left out is what would differ without a reason the next time: versions, times, the names of
widget models. With no `--digits` the digits must be the real MNIST, because the outputs in the
repository show them.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from course_utils.files import CHECKOUT, write_whole
from tools.notebook_files import NOTEBOOKS, NotNotebook, content, read_notebook
from tools.site.frames import FRAMES

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}
CELL_SECONDS = 600
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class NotebookFailed(Exception):
    """A notebook did not run; the message names it, the cell and the error."""


def merge_streams(outputs: list) -> list:
    """Outputs with neighbouring pieces of one stream (stdout, stderr) joined into one.

    How a stream is cut into pieces depends on timing. A progress bar drawn as text is left out:
    each of its lines ends in a carriage return, to be overwritten by the next.
    """
    merged = []
    for output in outputs:
        previous = merged[-1] if merged else {}
        if (
            output.output_type == "stream"
            and previous.get("output_type") == "stream"
            and previous["name"] == output.name
        ):
            previous["text"] += output.text
        else:
            merged.append(output)
    return [output for output in merged if not is_progress_text(output)]


def is_progress_text(output: dict) -> bool:
    """Whether an output is nothing but a tqdm bar drawn as text on stderr."""
    if output["output_type"] != "stream" or output["name"] != "stderr":
        return False
    lines = [line for line in re.split(r"[\r\n]+", output["text"]) if line.strip()]
    return all(re.search(r"\[[\d:]+<[\d:?]+,.*(it|s)/?.*\]|\d+it \[", line) for line in lines)


def stable_widget_names(nb, name: str):
    """The notebook with its widget models named by notebook and order, not at random."""
    state = nb.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    text = json.dumps(nb)
    for number, model in enumerate(state):
        text = text.replace(model, hashlib.md5(f"{name} {number}".encode()).hexdigest())
    return nbformat.from_dict(json.loads(text))


def without_dead_views(nb):
    """The notebook without views of widgets that were closed, such as finished progress bars."""
    state = nb.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in nb.cells:
        if cell.cell_type == "code":
            views = [output.get("data", {}).get(WIDGET_VIEW) for output in cell.outputs]
            cell.outputs = [
                output
                for output, view in zip(cell.outputs, views, strict=True)
                if view is None or view["model_id"] in state
            ]
    return nb


def tidy(nb, name: str):
    """What is stored of an executed notebook."""
    nb.metadata["kernelspec"] = KERNELSPEC
    nb.metadata["language_info"] = LANGUAGE_INFO
    for cell in nb.cells:
        for volatile in ("execution", "ExecuteTime"):
            cell.metadata.pop(volatile, None)
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
    return stable_widget_names(without_dead_views(nb), name)


def peak_memory(process_id: int) -> float | None:
    """The most memory in GB that a process has used so far; None where nobody says."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return None
    kilobytes = re.search(r"VmHWM:\s*(\d+)", status)
    return int(kilobytes[1]) * 1024 / 1e9 if kilobytes else None


@dataclass(frozen=True)
class Cost:
    """What an execution took: seconds, GB of memory (None: nobody says), MB of the stored file."""

    seconds: float
    memory: float | None
    stored: float

    def __str__(self) -> str:
        memory = "" if self.memory is None else f", {self.memory:.1f} GB"
        return f"{self.seconds:.0f} s{memory}, {self.stored:.2f} MB on disk"


def live_pictures(nb) -> dict[str, tuple[str, str]]:
    """{id of a cell: (the widget's model, the cell's source)} of cells that show `knobs(...)`."""
    found = {}
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW in data and "".join(data["text/plain"]).startswith("Knobs("):
                found[cell.id] = (data[WIDGET_VIEW]["model_id"], cell.source)
    return found


def draw_frames(client: NotebookClient, stem: str, folder: Path) -> None:
    """Let the kernel of a notebook draw its live pictures at some positions of their knobs.

    Raises:
        NotebookFailed: it cannot.
    """
    arguments = f"{live_pictures(client.nb)!r}, {stem!r}, {str(folder)!r}"
    lines = ["import sys", f"sys.path.append({str(CHECKOUT)!r})"]
    lines += ["from tools.site.draw_frames import record", f"record({arguments})"]
    reply = client.wait_for_reply(
        client.kc.execute("\n".join(lines), silent=True, store_history=False)
    )
    if reply is None or reply["content"]["status"] != "ok":
        said = reply["content"].get("evalue") if reply else "no answer"
        raise NotebookFailed(f"{stem}: no frames of its live pictures: {said}")


def execute(path: Path, frames: Path | None = None, store: bool = True) -> Cost:
    """Execute one notebook in place.

    Args:
        path: the notebook.
        frames: the folder for frames of its live pictures; None for none.
        store: whether the file is replaced. If not, nothing runs below the last live picture.
    Raises:
        NotebookFailed: the file is no notebook, or a cell raised an error, took too long, or
            killed the kernel, or a live picture cannot be drawn. The file is then as it was.
    """
    try:
        nb = read_notebook(path)
    except NotNotebook as problem:
        raise NotebookFailed(str(problem)) from None
    at = {"cell": 0, "memory": None}
    before = live_pictures(nb)
    last = max((n for n, cell in enumerate(nb.cells) if cell.id in before), default=-1)

    def on_cell_start(cell, cell_index):
        at["cell"] = cell_index

    def on_cell_executed(cell, cell_index, execute_reply):
        process = getattr(client.km.provisioner, "pid", None)
        at["memory"] = peak_memory(process) if process else None

    client = NotebookClient(
        nb,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        shutdown_kernel="immediate",  # all is done: asked politely, it is interrupted, and says so
        on_cell_start=on_cell_start,
        on_cell_executed=on_cell_executed,
    )
    started = time.perf_counter()
    try:
        client.reset_execution_trackers()
        with client.setup_kernel():
            for index, cell in enumerate(nb.cells if store else nb.cells[: last + 1]):
                client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
            client.set_widgets_metadata()
            seconds = time.perf_counter() - started
            if frames is not None:
                draw_frames(client, path.stem, frames)
    except NotebookFailed:
        raise
    except CellTimeoutError:
        raise NotebookFailed(f"{path.name}, cell {at['cell']}: over {CELL_SECONDS} s") from None
    except DeadKernelError:
        raise NotebookFailed(f"{path.name}, cell {at['cell']}: the kernel died") from None
    except Exception as error:
        message = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip()
        raise NotebookFailed(f"{path.name}, cell {at['cell']}: {message}") from None
    if store:
        executed = tidy(nb, path.stem)
        nbformat.validate(executed)
        write_whole(path, content(executed))
    return Cost(seconds, at["memory"], path.stat().st_size / 1e6)


def use_processor(digits: str) -> None:
    """Let kernels run on the processor alone, with these digits and the notebooks' own seeds."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["COURSE_BUDGET"] = "cpu"
    os.environ["COURSE_DIGITS"] = digits
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ.pop("COURSE_SEED_SHIFT", None)


def in_reading_order(folder: Path) -> list[Path]:
    """The notebooks of a folder: those without a number, then the numbered ones."""
    return sorted(folder.glob("*.ipynb"), key=lambda path: (path.name[:1].isdigit(), path.name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", help="only these, as in 05 or start_here; else all")
    parser.add_argument("--digits", choices=["mnist", "strokes"], default="mnist")
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS)
    parser.add_argument("--only-frames", action="store_true", help="store no notebook")
    arguments = parser.parse_args()

    use_processor(arguments.digits)

    paths = in_reading_order(arguments.folder)
    if arguments.numbers:
        wanted = {number.zfill(2) for number in arguments.numbers}
        paths = [p for p in paths if {p.stem, p.stem.split("_")[0]} & wanted]  # 07 is not 07b
    if not paths:
        print("No such notebook.", file=sys.stderr)
        return 2
    committed = arguments.folder == NOTEBOOKS and arguments.digits == "mnist"
    frames = FRAMES if committed else None
    failures = 0
    for path in paths:
        try:
            print(f"{path.name}: {execute(path, frames, not arguments.only_frames)}", flush=True)
        except NotebookFailed as failure:
            failures += 1
            print(failure, file=sys.stderr, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
