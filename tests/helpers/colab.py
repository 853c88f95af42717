"""Colab's versions, and a virtual environment that has them.

Two settings come from the environment:

    COURSE_COLAB_PYTHON=path       with which Python; otherwise python3.13 is searched for
    COURSE_COLAB_TESTS=required    an environment that cannot be had fails the tests that need it
                                   instead of skipping them

and `TORCH_INDEX`, as for `make`, says from where torch comes.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("colab.txt")  # the one place where the versions stand
PINS = dict(
    line.split("==") for line in LIST.read_text("utf-8").splitlines() if not line.startswith("#")
)
PYTHON = "python3.13"
CACHE = ROOT / "data" / "cache"


class NoColab(RuntimeError):
    """Colab's environment cannot be had here. The message says why."""


def give_up(why: Exception) -> None:
    """Skip the test, or fail it where it is required."""
    if os.environ.get("COURSE_COLAB_TESTS") == "required":
        pytest.fail(f"COURSE_COLAB_TESTS=required: {why}")
    pytest.skip(f"Colab's versions cannot be had here: {why}")


def find_python() -> tuple[str, str]:
    """The Python to make the environment with, and its version as it says it.

    Raises:
        NoColab: when there is none, or it does not start (pyenv puts stand-ins on the PATH).
    """
    name = os.environ.get("COURSE_COLAB_PYTHON") or PYTHON
    found = shutil.which(name)
    if found is None:
        raise NoColab(f"no {name} (COURSE_COLAB_PYTHON names another)")
    run = subprocess.run([found, "-VV"], capture_output=True, text=True)
    if run.returncode != 0:
        raise NoColab(f"{found} does not start (COURSE_COLAB_PYTHON names another)")
    return found, run.stdout


def python_of(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def kept(kind: str, recipe: list, build) -> Path:
    """The environment of a kind under data/cache, built unless a run before has left it there.

    Args:
        kind: the beginning of its folder's name. recipe: what it depends on; another recipe makes
            a new one, and removes the old one. build: makes it, in the folder that it is given.
    Raises:
        NoColab: when it cannot be built.
    """
    name = f"{kind}-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:8]}"
    folder = CACHE / name
    if not (folder / "complete").exists():
        for old in CACHE.glob(f"{kind}-*"):
            shutil.rmtree(old)
        try:
            build(folder)
        except (NoColab, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise NoColab(str(error)) from error
        (folder / "complete").touch()
    return folder


def install(command: list, *what: str) -> None:
    """Install packages: `command` is pip's, up to `-m pip`, with what chooses the Python.

    Raises:
        NoColab: when that fails; the message is pip's last line.
    """
    how = ["install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    run = subprocess.run([*command, *how, *what], capture_output=True, text=True)
    if run.returncode != 0:
        raise NoColab((run.stderr.strip() or f"pip: {run.returncode}").splitlines()[-1])


def full_environment() -> Path:
    """An environment with every package of the list, and nothing of the running one.

    Raises:
        NoColab: when it cannot be had.
    """
    python, version = find_python()
    index = os.environ.get("TORCH_INDEX", "")

    def build(folder):
        run = subprocess.run([python, "-m", "venv", folder], capture_output=True, text=True)
        if run.returncode != 0:
            raise NoColab(f"{python} -m venv: {(run.stdout + run.stderr).strip()}")
        pip = [python_of(folder), "-m", "pip"]
        install(pip, *(f"{name}=={PINS[name]}" for name in ("pip", "setuptools")))
        if index:
            torch = (f"{name}=={PINS[name]}" for name in ("torch", "torchvision"))
            install(pip, "--no-deps", f"--index-url={index}", *torch)
        install(pip, "-r", str(LIST))

    return kept("colab-full", [PINS, version, index], build)


def freeze(folder: Path) -> dict[str, str]:
    """What is installed in an environment: {name: version, or where it came from}."""
    command = [python_of(folder), "-m", "pip", "freeze", "--all", "--disable-pip-version-check"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    pairs = [line.partition("==" if "==" in line else " @ ") for line in run.stdout.splitlines()]
    return {name.lower().replace("_", "-"): what for name, _, what in pairs}
