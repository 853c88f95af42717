"""The house: its floors, as pyproject.toml lists them, and rooms that can be read in one go."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from course_utils.files import CHECKOUT, PACKAGE

SETTINGS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS = SETTINGS["tool"]["importlinter"]["contracts"][0]
FOLDERS = ("course_utils", "tools", "tests")
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 500, 80
LINES_A_STUDENT_READS = 2120
# What a course on variational autoencoders is about; the rest is plumbing, or for the curious.
A_STUDENT_READS = [
    "session.py",
    "distributions.py",
    "ppca.py",
    "models/autoencoder.py",
    "models/classifier.py",
    "models/layers.py",
    "models/vae.py",
    "objectives.py",
    "disentanglement.py",
    "training/loop.py",
    "training/steps.py",
]
# Families that notebook 07 or a later one introduces: each is read by itself, on the day.
LATER_FAMILIES = [
    "models/parts.py",
    "models/priors.py",
    "models/layered.py",
    "models/labelled.py",
    "models/boltzmann.py",
    "models/deep_boltzmann.py",
    "models/annealing.py",
    "models/gan.py",
    "models/adversarial_codes.py",
    "models/tempering.py",
]
LINES_OF_A_FAMILY = 330


def files(*suffixes):
    """The sources of package, tools and tests."""
    paths = (path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*"))
    return sorted(path for path in paths if path.suffix in suffixes)


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


# --- floors --------------------------------------------------------------------------------------


def lint_imports(folder):
    """What import-linter says of a checkout: (whether all contracts are kept, its report)."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return run.returncode == 0, run.stdout + run.stderr


def test_a_room_imports_only_rooms_below_it():
    kept, report = lint_imports(CHECKOUT)
    assert kept, report


PLANTED = {
    "upwards": ("models/vae.py", "from course_utils.training import fit", "models.vae"),
    "within a function": ("files.py", "def late():\n    from .data import mnist", "files"),
    "a room that is not listed": ("attic.py", "", "attic"),
    "a tool": ("session.py", "import tools.student_editions", "tools.student_editions"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_an_import_that_breaks_the_floors_is_found(name, tmp_path):
    file, statement, named = PLANTED[name]
    for folder in ("course_utils", "tools"):
        sources = shutil.ignore_patterns("__pycache__", "*.pt")
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=sources)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    with (tmp_path / "course_utils" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{statement}\n")
    kept, report = lint_imports(tmp_path)
    assert not kept and named in report, report


def test_the_picture_of_the_house_shows_the_floors():
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = page.split("## The house")[1].split("```")[1]
    shown = re.findall(r"^ *│ (\w+)(?:\.py|/) ", picture, flags=re.MULTILINE)
    assert shown == LAYERS["layers"]
    for name in shown:
        assert (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file(), name
        assert f"│ {name}{'/' if (PACKAGE / name).is_dir() else '.py'} " in picture


# --- sizes ---------------------------------------------------------------------------------------


def test_no_file_is_too_long_to_read_in_one_go():
    long = {str(path.relative_to(CHECKOUT)): lines(path) for path in files(".py", ".js", ".html")}
    assert {name: n for name, n in long.items() if n > LINES_OF_A_FILE} == {}


@pytest.mark.slow
def test_no_function_is_too_long_to_read_in_one_go():
    long = [
        f"{path.relative_to(CHECKOUT)}: {node.name}"
        for path in files(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_what_a_student_reads_in_00_to_06_stays_short():
    read = {pattern: list(PACKAGE.glob(pattern)) for pattern in A_STUDENT_READS}
    assert all(read.values()), read
    assert sum(lines(path) for paths in read.values() for path in paths) < LINES_A_STUDENT_READS


def test_each_later_family_of_models_stays_short():
    later = {name: lines(PACKAGE / name) for name in LATER_FAMILIES}
    assert {name: n for name, n in later.items() if n >= LINES_OF_A_FAMILY} == {}


def test_every_file_of_models_is_counted():
    """As one of 00 to 06, or as a family of its own."""
    found = {f"models/{path.name}" for path in (PACKAGE / "models").glob("[a-z]*.py")}
    assert found <= {*A_STUDENT_READS, *LATER_FAMILIES}
