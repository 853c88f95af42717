"""Where and how a figure was measured, and the file it is kept in."""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

import course_utils

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
    command = "python tests/benchmarks/" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    today = datetime.date.today().isoformat()
    result = {"name": name, "date": today, "command": command, "machine": machine(), **content}
    RESULTS.mkdir(parents=True, exist_ok=True)
    path, text = RESULTS / f"{name}.json", json.dumps(result, indent=1, ensure_ascii=False)
    aside = path.with_suffix(".tmp")
    aside.write_text(text + "\n", encoding="utf-8")
    aside.replace(path)
    print(text)
    return path
