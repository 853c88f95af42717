"""The set-up behind `make lab`: what it checks first, what it heals, what it leaves alone."""

import ast
import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tokenize
from pathlib import Path

import pytest
from helpers.set_up import copy_of_bootstrap

ROOT = Path(__file__).resolve().parents[2]


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
    with tokenize.open(ROOT / "bootstrap.py") as lines:  # where a tree has no rb"..." any more
        assert not [t for t in tokenize.generate_tokens(lines.readline) if t.string[:2] == "rb"]
    modern = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Starred)
    starred_call = [a for node in ast.walk(tree) if isinstance(node, ast.Call) for a in node.args]
    for node in ast.walk(tree):
        assert not isinstance(node, modern) or node in starred_call, f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)


@pytest.fixture
def set_up(tmp_path, monkeypatch):
    """bootstrap.py in an empty folder, with an installation that only counts its calls.

    Its environments are real but for pip, an empty module: pip itself takes seconds to install,
    and has its turn in the whole small project below.
    """
    bootstrap = copy_of_bootstrap(tmp_path)
    bootstrap.calls = []
    call = subprocess.call

    def without_pip(command, **settings):
        assert command[-3:-1] == ["-m", "venv"]
        status = call([*command[:-1], "--without-pip", command[-1]], **settings)
        folder = sysconfig.get_path("purelib", "venv", {"base": command[-1]})
        Path(folder, "pip.py").touch()
        return status

    monkeypatch.setattr(bootstrap.subprocess, "call", without_pip)
    monkeypatch.setattr(
        bootstrap, "install", lambda index, update: bootstrap.calls.append((index, update))
    )
    monkeypatch.setattr(bootstrap, "disk_problem", lambda *arguments: None)
    monkeypatch.setattr(bootstrap, "NEEDED", frozenset(["pip"]))
    monkeypatch.setattr(bootstrap, "import_problem", lambda name: None)
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
    assert not set_up.found_in_venv()

    monkeypatch.setenv("TORCH_INDEX", "an address")
    set_up.main()
    assert set_up.calls == [("an address", False)]
    assert set_up.found_in_venv()
    assert (venv / ".ready").exists()
    assert not (venv / "left_over").exists()

    (venv / "kept").touch()
    set_up.main()  # nothing left to do
    assert set_up.calls[1:] == []
    for changed in ("pyproject.toml", "constraints.txt"):  # brought up to date, not made anew
        (tmp_path / changed).write_text("# changed")
        set_up.main()
        assert (venv / "kept").exists()
        assert set_up.calls.pop() == ("an address", True)
        set_up.main()
        assert len(set_up.calls) == 1

    Path(set_up.VENV_PYTHON).unlink()  # the Python that it was made with has gone
    assert not set_up.found_in_venv()
    set_up.main()
    assert set_up.found_in_venv()
    assert not (venv / "kept").exists()


def test_a_damaged_stamp_is_none(set_up, tmp_path, monkeypatch):
    monkeypatch.setattr(set_up, "moved", lambda: False)
    (tmp_path / ".venv").mkdir()
    ready = Path(set_up.READY)
    for content in (b"", b"\xff\xfe\0", bytes(60), set_up.stamp().encode()[:-9]):
        ready.write_bytes(content)
        assert not set_up.ready(set_up.NEEDED)
    ready.write_text(set_up.stamp())
    assert set_up.ready(set_up.NEEDED)


def test_a_folder_that_is_no_environment_is_left_alone(set_up, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "thesis.tex").touch()
    with pytest.raises(SystemExit, match="is in the way"):
        set_up.main()
    assert (tmp_path / ".venv" / "thesis.tex").exists()


def test_a_file_called_like_the_environment_is_left_alone(set_up, tmp_path):
    (tmp_path / ".venv").write_text("mine")
    with pytest.raises(SystemExit, match="is in the way"):
        set_up.main()
    assert (tmp_path / ".venv").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_the_environment_may_be_a_link_to_another_disk(set_up, tmp_path):
    other = tmp_path / "larger disk"
    (tmp_path / ".venv").symlink_to(other)
    other.mkdir()
    (other / "pyvenv.cfg").touch()  # what is left of one whose Python has gone
    set_up.main()
    assert (tmp_path / ".venv").is_symlink() and (other / ".ready").exists()
    set_up.main()  # nothing left to do
    assert len(set_up.calls) == 1


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


# --- a whole small project, without a network ----------------------------------------------------

BACKEND = """
import os, zipfile

FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: vae-course\\nVersion: 1\\nProvides-Extra: dev\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "entry_points.txt": "[console_scripts]\\nwhere = course_utils:where\\n",
    "RECORD": "",
}

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "vae_course-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("vae_course.pth", os.getcwd())
        for needed in ("torch", "jupyterlab", "pytest"):
            wheel.writestr(needed + ".py", "")
        for file, text in FILES.items():
            wheel.writestr("vae_course-1.dist-info/" + file, text)
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "vae-course"
version = "1"
"""
PACKAGE = "import sys\ndef where():\n    print(__file__, sys.prefix, sep='\\n')\n"


def said_by(*command, **settings):
    """What a command prints on stdout; it must succeed."""
    run = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **settings}, check=True
    )
    return run.stdout


class Small:
    """A project with nothing to download: its wheel brings empty modules for the real packages."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.venv = self.folder / ".venv"
        self.scripts = self.venv / ("Scripts" if os.name == "nt" else "bin")

    def write(self):
        (self.folder / "course_utils").mkdir(parents=True)
        files = {"backend.py": BACKEND, "pyproject.toml": PYPROJECT, "constraints.txt": ""}
        files["course_utils/__init__.py"] = PACKAGE
        for name, text in files.items():
            (self.folder / name).write_text(text)
        shutil.copy(ROOT / "bootstrap.py", self.folder)

    def set_up(self, **settings):
        """Run bootstrap.py as `make` does, and see that the environment is this project's."""
        printed = said_by(sys.executable, str(self.folder / "bootstrap.py"), **settings)
        assert self.where() == [self.folder / "course_utils" / "__init__.py", self.venv]
        assert "imported from here" in (self.venv / ".ready").read_text()
        return printed

    def where(self):
        """Where the console script finds the package, and its environment."""
        lines = said_by(str(self.scripts / "where")).splitlines()
        return [Path(line).resolve() for line in lines]

    def python(self, *arguments):
        return said_by(str(self.scripts / "python"), "-I", *arguments)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small project that is set up once; tests leave it working, or work on a copy."""
    project = Small(tmp_path_factory.mktemp("small").resolve() / "course")
    project.write()
    assert "takes some" in project.set_up().replace("\n", " ")
    return project


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="scripts are programs there: it is made anew")
def test_an_environment_that_was_moved_is_settled_in(small, tmp_path):
    """Into a path that is too long for the first line of a script, and out of it again."""
    before = small
    for name in ("copied", "long" * 40, "zwei Wörter", "short"):
        here = Small(tmp_path.resolve() / name)
        if before is small:
            shutil.copytree(small.folder, here.folder, symlinks=True)
            (here.venv / "kept").touch()
        else:
            before.folder.rename(here.folder)
        here.set_up()
        assert (here.venv / "kept").exists()  # settled in, not made anew
        activate = f". '{here.scripts / 'activate'}' && command -v where"
        assert said_by("sh", "-c", activate).strip() == str(here.scripts / "where")
        before = here
    assert here.set_up() == ""  # nothing left to do
    assert small.where()[1] == small.venv


def test_only_the_first_lines_of_python_scripts_are_written_anew(tmp_path):
    bootstrap = copy_of_bootstrap(tmp_path)
    bootstrap.VENV_PYTHON = "/c/.venv/bin/python"
    ours = b"#!/c/.venv/bin/python\nimport sys\n"
    by_shell = b"""#!/bin/sh\n'''exec' "/a b/bin/python" "$0" "$@"\n' '''\nimport sys\n"""
    for stale in (ours, b"#!/a/.venv/bin/python3.11\nimport sys\n", by_shell):
        assert bootstrap.with_this_python(stale) == ours
    for other in (
        b"#!/bin/sh\nexec python\n",
        b"#!/usr/bin/env python\n",
        b"#!/usr/bin/env /a/python\n",
        b"\x7fELF\n#!/a/python\n",
        b"# about\n#!/a/python\n",
        b"",
    ):
        assert bootstrap.with_this_python(other) == other
    bootstrap.VENV_PYTHON = "/a b/bin/python"
    assert bootstrap.with_this_python(ours) == by_shell


# Each of them, alone or with others, has pip install elsewhere or not at all, or refuse.
SETTINGS = {
    "user": "1",
    "target": "elsewhere",
    "prefix": "elsewhere",
    "root": "elsewhere",
    "require-virtualenv": "1",
    "dry-run": "1",
    "no-deps": "1",
    "python": "elsewhere",
}
INDEX = {"index-url": "an address", "proxy": "of the house", "find-links": "\n  one\n  two"}


def settings_in(where, settings, folder):
    """Settings of pip's as variables, or as the variable that names a file with a section."""
    if where == "variables":
        return {"PIP_" + name.upper().replace("-", "_"): text for name, text in settings.items()}
    conf = folder / "pip.conf"
    conf.write_text(f"[{where}]\n" + "".join(f"{n} = {t}\n" for n, t in settings.items()))
    return {"PIP_CONFIG_FILE": str(conf)}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["variables", "global", "install"])
def test_settings_of_pip_do_not_leave_it_empty(small, tmp_path, monkeypatch, where):
    (small.folder / "constraints.txt").write_text(f"# {where}")
    small.python("-m", "pip", "uninstall", "--quiet", "--yes", "vae-course")
    monkeypatch.chdir(tmp_path)
    small.set_up(**settings_in(where, SETTINGS, tmp_path))
    assert not (tmp_path / "elsewhere").exists() and not (small.folder / "elsewhere").exists()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["variables", "global", "install"])
def test_other_settings_of_pip_are_kept(tmp_path, monkeypatch, where):
    bootstrap = copy_of_bootstrap(tmp_path)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, text in settings_in(where, SETTINGS | INDEX, tmp_path).items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", sys.executable)
    found = bootstrap.for_pip()
    for name, text in INDEX.items():
        assert found["PIP_" + name.upper().replace("-", "_")].split() == text.split()
    assert not {"PYTHONPATH", *settings_in("variables", SETTINGS, tmp_path)} & set(found)
    assert found["PIP_CONFIG_FILE"] == os.devnull


@pytest.mark.slow
def test_the_nearest_setting_of_pip_wins(tmp_path, monkeypatch):
    bootstrap = copy_of_bootstrap(tmp_path)
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\ntimeout = 1\nretries = 1\nproxy = 1\n[install]\ntimeout = 2\nretries = 2\n"
        "[list]\nproxy = 9\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(conf))
    monkeypatch.setenv("PIP_RETRIES", "3")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", sys.executable)
    found = bootstrap.for_pip()
    assert [found[f"PIP_{name}"] for name in ("PROXY", "TIMEOUT", "RETRIES")] == ["1", "2", "3"]


@pytest.mark.slow
def test_no_stamp_for_an_environment_that_does_not_hold_the_course(small, tmp_path):
    """As pip leaves it where it says that all went well; and where an import fails."""
    copy = Small(tmp_path.resolve() / "copy")
    shutil.copytree(small.folder, copy.folder, symlinks=True)
    broken = copy.folder / "course_utils" / "__init__.py"

    def fails(*expected):
        command = [sys.executable, str(copy.folder / "bootstrap.py")]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1
        assert not (copy.venv / ".ready").exists()
        last = run.stderr.splitlines()[-1]
        assert "without an error, but" in last and all(words in last for words in expected)

    (copy.venv / ".ready").unlink()
    broken.write_text("import nowhere_to_be_found\n")
    fails("'import course_utils' fails", "No module named 'nowhere_to_be_found'")
    broken.write_text(PACKAGE)
    backend = copy.folder / "backend.py"
    backend.write_text(BACKEND.replace('"torch", ', ""))
    fails("does not hold torch")
    backend.write_text(BACKEND.replace('".py", ""', '".py", "1 / 0"'))
    fails("'import torch' fails: ZeroDivisionError")
    backend.write_text(BACKEND)
    copy.set_up()


@pytest.mark.slow
def test_a_damaged_environment_is_made_anew_once(small, tmp_path):
    """Torch is there and cannot be imported, and pip sees no reason to install it again."""
    copy = Small(tmp_path.resolve() / "copy")
    shutil.copytree(small.folder, copy.folder, symlinks=True)
    copy.set_up()
    backend = copy.folder / "backend.py"
    backend.write_text(BACKEND.replace('".py", ""', '".py", "1 / 0"'))
    (copy.folder / "constraints.txt").write_text("# changed")
    command = [sys.executable, str(copy.folder / "bootstrap.py")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout.count("'import torch' fails") == 1 and "takes some" in run.stdout
    assert run.stderr.splitlines()[-1].endswith("ZeroDivisionError: division by zero")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1 and "takes some" not in again.stdout


@pytest.mark.slow
def test_a_package_of_another_checkout_does_not_count(small, tmp_path):
    """Not on PYTHONPATH, nor in the folder that one stands in, nor in the environment."""
    other = tmp_path / "other"
    shutil.copytree(small.folder / "course_utils", other / "course_utils")
    for name in ("torch", "jupyterlab", "pytest"):
        (other / f"{name}.py").touch()
    with contextlib.chdir(other):
        assert small.set_up(PYTHONPATH=str(other)) == ""  # ready as it was
    (pth,) = small.venv.rglob("vae_course.pth")
    pth.write_text(str(other))
    assert small.where()[0] == (other / "course_utils" / "__init__.py").resolve()
    small.set_up()
    (small.venv / ".ready").unlink()
    small.python("-m", "pip", "uninstall", "--quiet", "--yes", "vae-course")
    small.set_up(PYTHONPATH=str(other))
