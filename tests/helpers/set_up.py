"""A copy of bootstrap.py in a folder of its own, as a module."""

import importlib.util
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_of_bootstrap(folder):
    """bootstrap.py as a module of its own in a folder where nothing is set up."""
    shutil.copy(ROOT / "bootstrap.py", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
