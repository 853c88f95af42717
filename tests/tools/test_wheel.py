"""The wheel: the package, what it shows and plots, and nothing else; it needs no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.wheels import build_wheel

from course_utils.files import CHECKOUT, PACKAGE, results_root

BESIDE_THE_ROOMS = ["widgets/*.html", "widgets/*.js", "checkpoints/*.pt"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def rooms():
    """Every Python file of the package, relative to it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    beside = {pattern: list(PACKAGE.glob(pattern)) for pattern in BESIDE_THE_ROOMS}
    assert all(beside.values())
    wanted = {f"course_utils/{path.as_posix()}" for path in rooms()}
    wanted |= {p.relative_to(CHECKOUT).as_posix() for found in beside.values() for p in found}
    wanted |= {f"course_utils/results/{path.name}" for path in results_root().glob("*.json")}
    assert packed == wanted


def test_the_wheel_works_outside_a_checkout(wheel, tmp_path):
    """On Colab there is no checkout: data then go to the user's cache folder."""
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    modules = [".".join(["course_utils", *path.with_suffix("").parts]) for path in rooms()]
    program = f"""
import importlib, platformdirs
import course_utils
for name in {modules!r}:
    importlib.import_module(name.removesuffix(".__init__"))
from course_utils.data import load_result
from course_utils.files import data_root
from course_utils.training import CHECKPOINTS, load_checkpoint
from course_utils.widgets import export_html
print(course_utils.__file__)
print(data_root())
print(platformdirs.user_cache_dir())
for name in {sorted(path.stem for path in results_root().glob("*.json"))!r}:
    assert load_result(name)
export_html(load_checkpoint(CHECKPOINTS / "mnist-vae-2.pt"), "page.html")
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = {name: text for name, text in os.environ.items() if not name.startswith("COURSE_")}
    settings |= {"PYTHONPATH": str(installed), "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=elsewhere,
        env=settings,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    package, data, cache = map(Path, run.stdout.splitlines())
    assert installed in package.parents
    assert cache in data.parents
    assert CHECKOUT not in data.parents
    assert [path.name for path in elsewhere.iterdir()] == ["page.html"]
