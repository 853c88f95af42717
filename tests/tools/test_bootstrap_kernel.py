"""A kernel of the environment lets torch's threads sleep, unless the reader says otherwise."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from helpers.set_up import copy_of_bootstrap
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]


POLICY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
FIRST_CELL = f"""
import os, sys
print("torch" in sys.modules, *(os.environ.get(name, "-") for name in {POLICY}))
import torch
"""


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """The Python of an environment with settled kernels that finds the packages of this one."""
    folder = tmp_path_factory.mktemp("settled")
    bootstrap = copy_of_bootstrap(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bootstrap.VENV], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    run = [bootstrap.VENV_PYTHON, "-c", where]
    packages = Path(subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip())
    found = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (packages / "here.pth").write_text("\n".join(found) + "\n")
    bootstrap.settle_kernels()
    return bootstrap.VENV_PYTHON


def said_by_a_kernel(python, folder, **reader):
    """What a first cell prints; on stderr OpenMP says what it has read when torch is loaded."""
    environment = {name: text for name, text in os.environ.items() if name not in POLICY}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", "IPYTHONDIR": str(folder), **reader}
    cell = new_code_cell(FIRST_CELL)
    client = NotebookClient(new_notebook(cells=[cell]), timeout=300, kernel_name="python3")
    client.create_kernel_manager().kernel_spec.argv[0] = python
    client.execute(env=environment, cwd=str(folder))
    return "".join(o.text for o in cell.outputs if o.name == "stdout").split()


# Torch's OpenMP is GNU's on Linux: it shows that what was set has been read, in time.
@pytest.mark.slow
def test_threads_of_a_kernel_sleep_while_they_wait(settled, tmp_path, capfd):
    assert said_by_a_kernel(settled, tmp_path) == ["False", "-", "0", "0"]
    if sys.platform == "linux":
        assert "GOMP_SPINCOUNT = '0'" in capfd.readouterr().err


@pytest.mark.slow
def test_what_the_reader_says_of_waiting_threads_wins(settled, tmp_path, capfd):
    printed = said_by_a_kernel(settled, tmp_path, OMP_WAIT_POLICY="ACTIVE")
    assert printed == ["False", "ACTIVE", "-", "-"]
    if sys.platform == "linux":
        read = capfd.readouterr().err
        assert "OMP_WAIT_POLICY = 'ACTIVE'" in read and "GOMP_SPINCOUNT = '0'" not in read


def test_settled_kernels_are_left_as_they_are(tmp_path):
    bootstrap = copy_of_bootstrap(tmp_path)
    bootstrap.settle_kernels()
    settings = Path(bootstrap.KERNEL_CONFIG)
    assert "import course_utils" in settings.read_text()
    settings.write_text("# as I like it\n")
    bootstrap.settle_kernels()
    assert settings.read_text() == "# as I like it\n"
