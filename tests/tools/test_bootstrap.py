"""The set-up behind `make lab`: what it checks first, what it heals, what it leaves alone."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]


def copy_of_bootstrap(folder):
    """bootstrap.py as a module of its own in a folder where nothing is set up."""
    shutil.copy(ROOT / "bootstrap.py", folder)
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRETENCES = {
    "old_python": ("sys.version_info = (3, 9, 2, 'final', 0)", "needs Python 3.11 or newer"),
    "no_venv": ("sys.modules['ensurepip'] = None", "python3-venv"),
    "no_space": ("shutil.disk_usage = lambda path: SimpleNamespace(free=10**9)", "disk space"),
}


@pytest.mark.parametrize("name", PRETENCES)
def test_what_is_missing_is_said_in_one_sentence(name, tmp_path):
    pretend, expected = PRETENCES[name]
    shutil.copy(ROOT / "bootstrap.py", tmp_path)
    program = (
        "import runpy, shutil, subprocess, sys; from types import SimpleNamespace; "
        f"{pretend}; runpy.run_path('bootstrap.py', run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert expected in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.strip().endswith(".")
    assert "Traceback" not in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_checks_let_a_good_machine_pass(tmp_path):
    bootstrap = copy_of_bootstrap(tmp_path)
    assert bootstrap.python_problem((3, 11, 0)) is None
    assert bootstrap.python_problem((4, 0, 0)) is None
    assert bootstrap.python_problem() is None
    assert bootstrap.venv_problem() is None
    assert bootstrap.disk_problem((20.0, None), bootstrap.WITH_CUDA) is None
    assert bootstrap.free_space()[0] > 0


def test_disk_space_depends_on_the_build_of_torch(tmp_path):
    bootstrap = copy_of_bootstrap(tmp_path)
    with_cuda = bootstrap.needed_space(platform="linux")
    for without in (
        bootstrap.needed_space(torch_index="an address", platform="linux"),
        bootstrap.needed_space(platform="darwin"),
        bootstrap.needed_space(platform="win32"),
    ):
        assert sum(without) < sum(with_cuda)
        assert bootstrap.disk_problem((3.0, None), without) is None
        assert "TORCH_INDEX" not in bootstrap.disk_problem((1.0, None), without)
    assert "TORCH_INDEX" in bootstrap.disk_problem((3.0, None), with_cuda)


def test_downloads_need_space_too(tmp_path):
    bootstrap = copy_of_bootstrap(tmp_path)
    installed, downloads = needed = bootstrap.WITH_CUDA
    assert bootstrap.disk_problem((installed, downloads), needed) is None  # two disks
    assert str(tmp_path) in bootstrap.disk_problem((installed - 0.1, downloads), needed)
    assert tempfile.gettempdir() in bootstrap.disk_problem((installed, downloads - 0.1), needed)
    assert bootstrap.disk_problem((installed + downloads, None), needed) is None  # one disk
    assert bootstrap.disk_problem((installed, None), needed)


def test_bootstrap_is_in_syntax_that_old_pythons_read():
    tree = ast.parse((ROOT / "bootstrap.py").read_text(), feature_version=(3, 7))
    modern = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Starred)
    starred_call = [a for node in ast.walk(tree) if isinstance(node, ast.Call) for a in node.args]
    for node in ast.walk(tree):
        assert not isinstance(node, modern) or node in starred_call, f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)


@pytest.fixture
def set_up(tmp_path, monkeypatch):
    """bootstrap.py in an empty folder, with an installation that only counts its calls."""
    bootstrap = copy_of_bootstrap(tmp_path)
    bootstrap.calls = []
    monkeypatch.setattr(
        bootstrap, "install", lambda index, update: bootstrap.calls.append((index, update))
    )
    monkeypatch.setattr(bootstrap, "disk_problem", lambda *arguments: None)
    return bootstrap


@pytest.mark.slow
def test_a_half_made_environment_heals(set_up, tmp_path, monkeypatch):
    venv = tmp_path / ".venv"

    def interrupted(torch_index, update):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(set_up, "install", interrupted)
        set_up.main()
    (venv / "left_over").touch()
    assert not set_up.finished()

    monkeypatch.setenv("TORCH_INDEX", "an address")
    set_up.main()
    assert set_up.calls == [("an address", False)]
    assert set_up.finished()
    assert (venv / ".ready").exists()
    assert Path(set_up.KERNEL_CONFIG).exists()
    assert not (venv / "left_over").exists()

    (venv / "kept").touch()  # a finished one is brought up to date, not made anew
    set_up.main()
    assert (venv / "kept").exists()
    assert set_up.calls[1:] == [("an address", True)]

    Path(set_up.VENV_PYTHON).unlink()  # the Python that it was made with has gone
    assert not set_up.finished()
    set_up.main()
    assert set_up.finished()


def test_a_folder_that_is_no_environment_is_left_alone(set_up, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "thesis.tex").touch()
    with pytest.raises(SystemExit, match="is in the way"):
        set_up.main()
    assert (tmp_path / ".venv" / "thesis.tex").exists()


def test_torch_index_serves_torch_alone(tmp_path, monkeypatch):
    bootstrap = copy_of_bootstrap(tmp_path)
    commands = []
    monkeypatch.setattr(
        bootstrap.subprocess, "call", lambda command, **settings: commands.append(command) or 0
    )
    bootstrap.install("", update=False)
    assert not any("--index-url" in command for command in commands)
    commands.clear()
    bootstrap.install("an address", update=False)
    first, second = commands
    assert first[first.index("--index-url") + 1] == "an address"
    assert first[-2:] == ["torch", "torchvision"]
    assert "--index-url" not in second
    assert all(command[command.index("-c") + 1] == "constraints.txt" for command in commands)


# --- kernels -------------------------------------------------------------------------------------

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
