"""The course on Colab's versions: its wheel replaces nothing there, and its pages run.

Everything of `tests/helpers/colab.txt` goes into a virtual environment of its own, which later
runs find again; torch with its CUDA libraries takes 5.5 GB there. The wheel comes into it as on
Colab: uploaded beside the notebook, and installed by the notebook's first cell. The digits are
drawn ones. `COURSE_COLAB_PAGES=all` runs all notebooks and student editions in place of three
notebooks: half an hour and more.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from helpers.colab import PINS, NoColab, freeze, full_environment, give_up, python_of
from helpers.wheels import ROOT, build_wheel
from nbclient import NotebookClient

NOTEBOOKS = ROOT / "notebooks"
EVERYTHING = os.environ.get("COURSE_COLAB_PAGES") == "all"
NAMES = "*.ipynb" if EVERYTHING else "[s0][t56]*.ipynb"  # start_here, 05 and 06
SECONDS = 3600  # a limit, not a measurement

pytestmark = [pytest.mark.colab, pytest.mark.slow]


class Colab:
    """The environment, and a folder with the course's files as somebody has uploaded them."""

    def __init__(self, environment: Path, folder: Path):
        self.environment, self.pages = environment, folder / "pages"
        kernel = folder / "jupyter" / "kernels" / "colab" / "kernel.json"
        kernel.parent.mkdir(parents=True)
        command = [str(python_of(environment)), "-m", "ipykernel_launcher"]
        spec = {"argv": [*command, "-f", "{connection_file}"], "language": "python"}
        kernel.write_text(json.dumps(spec | {"display_name": "Colab"}))
        ours = ("COURSE_", "COV_", "PYTHONPATH", "JUPYTER_", "PYTEST_", "XDG_")
        self.env = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        self.env |= {
            "COURSE_DIGITS": "strokes",
            "HOME": str(folder),  # where the drawn digits are kept: nothing of this machine's user
            "USERPROFILE": str(folder),
            "JUPYTER_PATH": str(kernel.parents[2]),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or each start warns of frozen modules
        }
        shutil.copytree(NOTEBOOKS, self.pages, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        (self.pages / "pytest.ini").touch()  # the course's own settings are not for Colab

    def pip(self, *arguments):
        command = [python_of(self.environment), "-m", "pip", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True)

    def run(self, nb, folder, **how):
        """Run a notebook in a kernel of the environment."""
        here = {"metadata": {"path": str(folder)}}
        client = NotebookClient(nb, kernel_name="colab", timeout=SECONDS, resources=here, **how)
        client.execute(env=self.env)
        return nb


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    try:
        environment = full_environment()
    except NoColab as why:
        give_up(why)
    colab = Colab(environment, tmp_path_factory.mktemp("colab"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", colab.env["JUPYTER_PATH"])
        yield colab


@pytest.fixture(scope="module")
def bare(colab):
    """What is there before the course comes."""
    colab.pip("uninstall", "--yes", "vae-course")  # a run before has left it
    return freeze(colab.environment)


@pytest.fixture(scope="module")
def installed(colab, bare, tmp_path_factory):
    """What is there after the first cell of start_here, with the wheel uploaded beside it."""
    shutil.copy(build_wheel(tmp_path_factory.mktemp("wheel")), colab.pages)
    nb = nbformat.read(colab.pages / "start_here.ipynb", as_version=4)
    nb.cells = [next(cell for cell in nb.cells if cell.cell_type == "code")]
    assert "REPOSITORY" in nb.cells[0].source
    colab.run(nb, colab.pages)
    return freeze(colab.environment)


def test_the_versions_are_colabs(bare):
    assert set(bare) >= set(PINS)
    assert {name: bare[name].partition("+")[0] for name in PINS} == PINS  # 2.11.0+cpu is 2.11.0


def test_the_first_cell_brings_the_course_and_replaces_nothing(bare, installed):
    assert set(installed) - set(bare) == {"vae-course"}
    assert {name: installed[name] for name in bare} == bare


def test_what_the_wheel_requires_is_there(colab, installed):
    complaints = colab.pip("check").stdout
    assert "vae-course" not in complaints, complaints


def test_the_course_comes_from_the_wheel(colab, installed):
    program = "import course_utils.files as f; print(f.PACKAGE, f.in_checkout(), sep='\\n')"
    command = [python_of(colab.environment), "-c", program]
    run = subprocess.run(command, cwd=colab.pages, env=colab.env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    package, in_checkout = run.stdout.splitlines()
    assert colab.environment in Path(package).parents and in_checkout == "False"


def paths(folder):
    return pytest.mark.parametrize(
        "path", sorted(folder.glob(NAMES)), ids=lambda path: path.stem.split("_")[0]
    )


@paths(NOTEBOOKS)
def test_a_notebook_gives_its_stored_outputs(colab, installed, path):
    """nbval and pytest are those of the running environment: Colab's gets none."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
    command += [
        "--nbval",
        "--nbval-kernel-name=colab",
        f"--nbval-cell-timeout={SECONDS}",
        path.name,
    ]
    run = subprocess.run(
        command, cwd=colab.pages, env=colab.env, capture_output=True, text=True, timeout=SECONDS
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert f"{len(code)} passed" in run.stdout.splitlines()[-1]


def kind(cell):
    """Whether a cell of a student edition waits for an answer, or for a check of one."""
    marks = cell.metadata.get("nbgrader", {})
    return "stub" if marks.get("solution") else "check" if marks.get("grade") else "other"


@pytest.mark.skipif(not EVERYTHING, reason="COURSE_COLAB_PAGES=all asks for student editions too")
@paths(NOTEBOOKS / "student")
def test_a_student_edition_runs_but_for_its_exercises(colab, installed, path):
    nb = nbformat.read(path, as_version=4)
    colab.run(nb, colab.pages / "student", allow_errors=True)
    found = {"stub": set(), "check": set(), "other": set()}
    for cell in nb.cells:
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        if "raises-exception" not in cell.metadata.get("tags", []):
            found[kind(cell)] |= {error.ename for error in errors}
    assert found["stub"] <= {"NotImplementedError"}  # that of a function is raised by its check
    assert found["check"] and found["check"] <= {"NameError", "CheckFailed"}
    assert not found["other"]


def test_running_the_pages_has_changed_nothing_either(colab, installed):
    assert freeze(colab.environment) == installed
