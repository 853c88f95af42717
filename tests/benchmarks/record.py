"""Where and how a figure was measured, and the file it is kept in."""

import argparse
import datetime
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import course_utils
from course_utils.data import ImageData, load_digits
from course_utils.files import cache_root, write_whole
from course_utils.training import has_bfloat16

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"


def _processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return platform.processor() or platform.machine()


def machine() -> dict:
    """Processor, accelerator and versions, as every result file carries them."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none (not measured)"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": gpu,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "course_utils": course_utils.__version__,
    }


def save_result(name: str, **content) -> Path:
    """Write `data/results/NAME.json`, whole or not at all, and print it."""
    given = ["FOLDER" if os.path.isdir(value) else value for value in sys.argv[1:]]
    command = "python tests/benchmarks/" + " ".join([Path(sys.argv[0]).name, *given])
    today = datetime.date.today().isoformat()
    result = {"name": name, "date": today, "command": command, "machine": machine(), **content}
    path, text = RESULTS / f"{name}.json", json.dumps(result, indent=1, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode())
    print(text)
    return path


def save_by_device(name: str, device: torch.device, measured: dict, **content) -> Path:
    """As `save_result`, with what was measured under `"cpu"` or `"gpu"`.

    The other one stays as an earlier run left it, with the machine of that run, or is
    "not measured".
    """
    path, parts = RESULTS / f"{name}.json", {"cpu": "not measured", "gpu": "not measured"}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        parts |= {k: before[k] for k in parts if k in before}
    parts["cpu" if device.type == "cpu" else "gpu"] = {"machine": machine(), **measured}
    return save_result(name, **content, **parts)


# --- long experiments, in pieces -----------------------------------------------------------------


class OutOfTime(KeyboardInterrupt):
    """Raised in `after_epoch`, ends `fit` as interrupting the kernel does: at a whole epoch."""


class Pieces:
    """The finished parts of a long experiment, kept under data/cache/ until all are there.

    Args:
        name: of the experiment. plan: what it depends on; parts of another plan are not used.
        given: `minutes`, after which no new part is begun; `quick`, which keeps nothing.
    """

    def __init__(self, name: str, plan: Any, given: argparse.Namespace):
        known = json.dumps([plan, machine()], sort_keys=True, default=str)
        trial = Path(tempfile.mkdtemp()) if given.quick else None
        self.folder = trial or cache_root() / "benchmarks" / f"{name}-{short_hash(known)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.deadline, self.missing = time.perf_counter() + 60 * given.minutes, []

    def out_of_time(self) -> bool:
        return time.perf_counter() > self.deadline

    def get(self, key: str, measure: Callable[[], Any]) -> Any:
        """The part of that name: measured before, or now. None (and `missing`) for lack of time.

        `measure` itself may give None: not finished, to be called again in the next run.
        """
        path = self.folder / f"{short_hash(key)}.json"
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        found = None if self.out_of_time() else measure()
        if found is None:
            self.missing.append(key)
            return None
        write_whole(path, json.dumps(found).encode())
        print(f"{key}: {found}"[:200], flush=True)
        return found

    def finished(self) -> bool:
        """Whether all parts are there; says so if not."""
        if self.missing:
            print(f"{len(self.missing)} parts missing: run the same command again to go on.")
        return not self.missing

    def clear(self) -> None:
        """Forget them: the next run measures anew."""
        shutil.rmtree(self.folder)


def short_hash(text: str) -> str:
    """Twelve letters that stand for a text: the same ones in every run."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def options(doc: str, **more) -> argparse.Namespace:
    """Command-line options that the experiments share, and `more`: a name and a default."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute's trial; saves nothing")
    parser.add_argument("--minutes", type=float, default=7.5, help="then stop; run again to go on")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def digits_for(given: argparse.Namespace) -> ImageData:
    """MNIST; for a quick trial a few of whatever digits there are."""
    return first(load_digits("auto"), 2_000, 200) if given.quick else load_digits("mnist")


def first(digits: ImageData, train: int, test: int) -> ImageData:
    """The first images of both sets."""
    return ImageData(
        digits.name,
        digits.train_images[:train],
        digits.train_labels[:train],
        digits.test_images[:test],
        digits.test_labels[:test],
    )


def print_table(rows: list[dict]) -> None:
    """Dicts with the same keys, as aligned columns."""
    cells = [list(rows[0]), *([_cell(v) for v in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths)))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# --- timing --------------------------------------------------------------------------------------


def wait_for(device: torch.device) -> None:
    """A GPU answers before it has finished: wait until it has."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def seconds_of(work: Callable[[], Any], device: torch.device) -> float:
    """Wall-clock time of one call."""
    wait_for(device)
    start = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - start


def lower_quartile(values: list[float]) -> float:
    """A time that was reached in a quarter of the trials: others on the machine only add to it."""
    return sorted(values)[(len(values) - 1) // 4]


def precisions(device: torch.device) -> list[str]:
    """Those of `fit` to compare; without instructions for bfloat16 it takes hundreds of times as
    long, and is left out.
    """
    return ["highest", "medium", *(["bfloat16"] if has_bfloat16(device) else [])]


def matmul_peak(device: torch.device, size: int, trials: int) -> dict[str, float]:
    """Measured FLOP/s of square matrix products at each precision."""
    a = torch.rand(size, size, device=device)
    low, times = a.bfloat16(), {precision: [] for precision in precisions(device)}
    before = torch.get_float32_matmul_precision()
    for _ in range(trials + 1):
        for name, found in times.items():
            torch.set_float32_matmul_precision("medium" if name == "medium" else "highest")
            x = low if name == "bfloat16" else a
            found.append(seconds_of(lambda x=x: x @ x, device))
    torch.set_float32_matmul_precision(before)
    return {name: 2 * size**3 / min(found[1:]) for name, found in times.items()}
