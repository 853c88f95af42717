"""The project around the course: set-up, dependencies, commands, packaging, layering."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools import execute_notebooks

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_utils"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    extra: [Requirement(line) for line in lines]
    for extra, lines in PROJECT["optional-dependencies"].items()
}
RUNTIME = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, PROJECT["dependencies"])
}

# A module imports only modules that stand before it.
FLOORS = [
    "session",
    "strokes",
    "data",
    "distributions",
    "ppca",
    "models",
    "objectives",
    "training",
    "plotting",
    "widgets",
    "exercises",
    "release",
]
TARGETS = {
    "help",
    "lab",
    "test",
    "test-fast",
    "notebooks",
    "checkpoints",
    "student",
    "test-grading",
    "wheel",
    "bench",
    "lint",
    "format",
    "clean",
}


def direct_dependencies():
    """Every requirement that the project names: run time and extras, its own extras aside."""
    everything = [*RUNTIME.values(), *(r for extra in EXTRAS.values() for r in extra)]
    return [r for r in everything if canonicalize_name(r.name) != PROJECT["name"]]


def extras_of(names):
    """The packages that a set of extras brings, followed through the project's own extras."""
    found = set()
    for name in names:
        for requirement in EXTRAS[name]:
            if canonicalize_name(requirement.name) == PROJECT["name"]:
                found |= extras_of(requirement.extras)
            else:
                found.add(canonicalize_name(requirement.name))
    return found


def pins():
    """constraints.txt as {name: version}."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.split("#")[0].strip() for line in lines]
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][\w.]*)", line) for line in lines if line]
    assert all(pairs), "constraints.txt holds a line that is not name==version"
    return {canonicalize_name(pair[1]): pair[2] for pair in pairs}


def project_files():
    """Every text file that is, or is about to be, under version control: {path: text}."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive: no git, and nothing made yet except what is ignored
        ignored = (".venv", "data/cache", ".git", "build", "dist")
        paths = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*"))
        names = [name for name in paths if not name.startswith(ignored)]
    texts = {}
    for name in names:
        if (ROOT / name).is_file() and b"\0" not in (content := (ROOT / name).read_bytes()):
            texts[name] = content.decode("utf-8")
    return texts


# --- dependencies --------------------------------------------------------------------------------


def test_the_names_asked_for_are_there():
    asked = {"jupyterlab", "torch", "torchvision", "matplotlib", "ipywidgets", "nbval"}
    assert asked <= set(RUNTIME) | extras_of(["dev"])


def test_dev_brings_every_other_extra():
    assert extras_of(["dev"]) == extras_of(EXTRAS)


def test_floors_suit_colab():
    colab = {
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.1.0",
        "matplotlib": "3.10.0",
        "pillow": "11.3.0",
        "ipywidgets": "7.7.1",
    }
    too_new = [name for name in colab if colab[name] not in RUNTIME[name].specifier]
    assert not too_new
    assert "3.13.0" in SpecifierSet(PROJECT["requires-python"])


def test_constraints_pin_every_direct_dependency():
    pinned = pins()
    missing = [r.name for r in direct_dependencies() if canonicalize_name(r.name) not in pinned]
    assert not missing
    contradicted = [
        str(r)
        for r in direct_dependencies()
        if pinned[canonicalize_name(r.name)] not in r.specifier
    ]
    assert not contradicted


def test_constraints_suit_every_system():
    one_system = ("nvidia-", "cuda-", "triton", "pywinpty", "pywin32", "appnope", "colorama")
    assert not [name for name in pins() if name.startswith(one_system)]


def test_environment_yml_is_in_step():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    assert environment["channels"] == ["conda-forge"]
    *from_conda, from_pip = environment["dependencies"]
    assert set(from_conda) == {"python=3.12", "pip"}  # everything else is in pyproject.toml
    assert "3.12" in SpecifierSet(PROJECT["requires-python"])
    editable, constraints = sorted(from_pip["pip"], key=len)[::-1], from_pip["pip"][0]
    assert constraints == "-c constraints.txt"
    (extras,) = [found[1] for line in editable if (found := re.match(r"-e \.\[(.*)\]$", line))]
    assert set(extras.split(",")) <= set(EXTRAS)
    assert extras_of(extras.split(",")) == extras_of(["dev"])


def test_workflow_is_in_step():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert {"push", "pull_request", "schedule"} <= set(workflow[True])  # YAML reads `on` as true
    plain, make = workflow["jobs"]["plain"], workflow["jobs"]["make"]
    runs = plain["strategy"]["matrix"]["include"]
    for system in ("ubuntu-latest", "macos-latest", "windows-latest"):
        versions = {run["versions"] for run in runs if run["system"] == system}
        versions |= {"newest"} if system in make["strategy"]["matrix"]["system"] else set()
        assert versions == {"oldest", "newest"}, system
    # "Oldest" means the floors that pyproject.toml declares.
    for pin in map(Requirement, plain["env"]["OLDEST"].split()):
        (floor,) = [s.version for s in RUNTIME[pin.name].specifier if s.operator == ">="]
        assert next(iter(pin.specifier)).version in (floor, f"{floor}.0")
    oldest = {run["python"] for run in runs if run["versions"] == "oldest"}
    assert oldest == {PROJECT["requires-python"].removeprefix(">=")}


# --- commands ------------------------------------------------------------------------------------


def make(*arguments):
    """What `make` prints."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    run = subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_target_exists_and_is_documented():
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([a-z-]+):[^#\n]*## \w", rules, flags=re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", rules, flags=re.MULTILINE)[1].split())
    assert documented >= TARGETS
    assert documented == phony


def test_make_help_names_targets_and_variables():
    text = make()
    for word in TARGETS | {"PYTHON", "TORCH_INDEX", "N", "B", "ARGS"}:
        assert re.search(rf"^  {word}\s+\S", text, flags=re.MULTILINE), word


def test_make_test_does_all_of_it():
    commands = make("-n", "test")
    steps = ["ruff check", "ruff format --check", "pytest tests --cov", "--nbval "]
    places = [commands.index(step) for step in steps]
    assert places == sorted(places)


def test_readme_tells_how_to_start():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make lab", "make test", "-m venv .venv", "-c constraints.txt"):
        assert command in readme, command


def test_citation_and_package_name_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{citation["version"]}"' in source


def test_nothing_is_tied_to_one_machine_or_registry():
    # The words are put together here so that this file does not find itself.
    folders = [f"/{name}/" for name in ("root", "home", "Users")] + ["C:" + "\\Users"]
    registries = [
        f"{host}.{domain}"
        for host, domain in [
            ("pypi", "org"),
            ("pypi", "python.org"),
            ("pythonhosted", "org"),
            ("anaconda", "org"),
            ("npmjs", "org"),
            ("download.pytorch", "org/whl"),
        ]
    ]
    found = [
        f"{name}: {word}"
        for name, text in project_files().items()
        for word in folders + registries
        if re.search(rf"(?<![\w.~-]){re.escape(word)}", text)
    ]
    assert not found


# --- the package ---------------------------------------------------------------------------------


def imported_modules(source):
    """The modules of course_utils that some source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "course_utils" if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in found]
    return {part[1] for part in parts if part[0] == "course_utils" and len(part) > 1}


def test_imports_are_seen_in_every_form():
    source = """
import course_utils.data
from course_utils import session, __version__
from course_utils.models import VAE
from .training import fit
from . import plotting
def late():
    from course_utils.widgets import knobs
import torch
"""
    modules = {"data", "session", "models", "training", "plotting", "widgets"}
    assert imported_modules(source) & set(FLOORS) == modules


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_what_stands_before_it(path):
    if path.stem == "__init__":
        return
    assert path.stem in FLOORS, "a new module needs its place in the list"
    below = FLOORS[: FLOORS.index(path.stem)]
    above = imported_modules(path.read_text(encoding="utf-8")) & set(FLOORS) - set(below)
    assert not above


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: an old build folder in the checkout cannot slip in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(PACKAGE, source / "course_utils", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    target = tmp_path_factory.mktemp("wheel")
    run = subprocess.run([*pip, "-w", target, source], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = target.glob("vae_course-*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "*.js", "*.html", "checkpoints/*.pt")
        for path in PACKAGE.glob(pattern)
    }
    assert packed == wanted


@pytest.mark.slow
def test_the_wheel_works_outside_a_checkout(wheel, tmp_path):
    """On Colab there is no checkout: data then go to the user's cache folder."""
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    modules = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    program = f"""
import importlib, platformdirs
import course_utils
for name in {modules!r}:
    importlib.import_module("course_utils." + name)
from course_utils.files import data_root
print(course_utils.__file__)
print(data_root())
print(platformdirs.user_cache_dir())
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
    assert ROOT not in data.parents
    assert not list(elsewhere.iterdir())


# --- the set-up ----------------------------------------------------------------------------------


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


# --- executing notebooks -------------------------------------------------------------------------


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_streams_are_merged_and_progress_bars_dropped():
    bar = "\r  0%|          | 0/3 [00:00<?, ?it/s]\r100%|##########| 3/3 [00:00<00:00, 9.1it/s]\n"
    outputs = [stream("a"), stream("b\n"), stream(bar, "stderr"), stream("c")]
    merged = execute_notebooks.merge_streams(outputs)
    assert [(output["name"], output["text"]) for output in merged] == [
        ("stdout", "ab\n"),
        ("stdout", "c"),
    ]
    (warning,) = execute_notebooks.merge_streams([stream("UserWarning: beware\n", "stderr")])
    assert "beware" in warning["text"]


def test_what_is_stored_does_not_depend_on_the_run():
    state, view = execute_notebooks.WIDGET_STATE, execute_notebooks.WIDGET_VIEW

    def executed(slider, layout, second):
        nb = notebook("slider", "bar")
        nb.metadata["language_info"] = {"name": "python", "version": f"3.{second}"}
        nb.metadata["widgets"] = {
            state: {"state": {layout: {}, slider: {"layout": f"IPY_MODEL_{layout}"}}}
        }
        for i, (cell, model) in enumerate(zip(nb.cells, (slider, "closed"), strict=True)):
            cell["id"] = f"cell-{i}"
            cell.metadata["execution"] = {"iopub.status.busy": second}
            data = {view: {"model_id": model}, "text/plain": "IntSlider()"}
            cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        return execute_notebooks.tidy(nb, "05")

    one, other = executed("1a" * 16, "2b" * 16, 11), executed("3c" * 16, "4d" * 16, 12)
    assert one == other
    layout, slider = one.metadata["widgets"][state]["state"].items()
    assert slider[1] == {"layout": f"IPY_MODEL_{layout[0]}"}
    assert one.cells[0].outputs[0]["data"][view]["model_id"] == slider[0]
    assert one.cells[1].outputs == []  # the view of a closed widget


@pytest.mark.slow
def test_notebooks_are_executed_in_place_or_not_at_all(tmp_path):
    good, bad = tmp_path / "01_good.ipynb", tmp_path / "02_bad.ipynb"
    show = "import os\nprint(*(os.environ[n] for n in ('COURSE_BUDGET', 'COURSE_DIGITS')))"
    nbformat.write(notebook(show, "1 + 1"), good)
    nbformat.write(notebook("1", "1 / 0"), bad)
    before = bad.read_bytes()
    program = [sys.executable, execute_notebooks.__file__, "--digits", "strokes"]
    run = subprocess.run([*program, "--folder", tmp_path], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout.startswith("01_good.ipynb: ")
    assert "02_bad.ipynb, cell 1: " in run.stderr
    assert "ZeroDivisionError" in run.stderr
    assert bad.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [good.name, bad.name]

    nb = nbformat.read(good, as_version=4)
    assert [cell.execution_count for cell in nb.cells] == [1, 2]
    assert nb.cells[0].outputs[0]["text"] == "cpu strokes\n"
    assert nb.metadata["kernelspec"] == execute_notebooks.KERNELSPEC
    assert nb.metadata["language_info"] == execute_notebooks.LANGUAGE_INFO

    once = good.read_bytes()
    run = subprocess.run([*program, "--folder", tmp_path, "1"], capture_output=True, text=True)
    assert run.returncode == 0
    assert good.read_bytes() == once
