"""The project around the course: dependencies, commands, and what ties it to no machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from helpers.colab import LIST as COLAB_LIST
from helpers.colab import PINS as COLAB
from helpers.colab import PYTHON
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

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

TARGETS = {
    "help",
    "release",
    "lab",
    "test",
    "test-fast",
    "notebooks",
    "checkpoints",
    "student",
    "links",
    "links-off",
    "site",
    "slides",
    "test-digits",
    "test-grading",
    "test-publish",
    "coverage",
    "faults",
    "wheel",
    "bench",
    "lint",
    "format",
    "clean",
    "distclean",
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
        ignored = (".venv", "data/cache", ".git", "build", "dist", "site/", "slides/")
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


def test_dev_brings_every_other_extra_but_what_builds_the_site():
    assert extras_of(["dev"]) == extras_of(set(EXTRAS) - {"site"})
    assert not extras_of(["dev"]) & extras_of(["site"])  # `make site` installs that itself


def test_floors_suit_colab():
    too_new = [name for name in RUNTIME if COLAB[name] not in RUNTIME[name].specifier]
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


def test_workflow_runs_what_make_test_leaves_out():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    commands = {name: [s.get("run", "") for s in job["steps"]] for name, job in jobs.items()}
    assert {"make test", "make test-digits", "make test-grading"} <= set(commands["make"])
    assert {"make test-publish", "make coverage"} <= set(commands["weekly"])
    assert "schedule" in jobs["weekly"]["if"]
    left_out = marks_left_out("\n".join(commands["plain"]))
    assert left_out == {"colab", "publish"}  # what the weekly job runs


def test_workflow_tries_colabs_versions_on_every_push():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    job, weekly = (workflow["jobs"][name] for name in ("colab", "weekly"))
    assert "if" not in job
    steps = {step["uses"].split("@")[0]: step for step in job["steps"] if "uses" in step}
    python = steps["actions/setup-python"]["with"]["python-version"]
    assert f"Python {python}." in COLAB_LIST.read_text(encoding="utf-8") and PYTHON[6:] == python
    *_, tests = job["steps"]
    (path,) = re.findall(r"tests/\S+", tests["run"])
    assert (ROOT / path).is_file()
    assert tests["env"]["COURSE_COLAB_TESTS"] == "required"
    assert "schedule" in tests["env"]["COURSE_COLAB_PAGES"]
    ignored = [step.get("env", {}).get("ARGS") for step in weekly["steps"]]
    assert f"--ignore={path}" in ignored  # one torch beside the other would be too much


def test_workflow_publishes_the_site_that_make_builds():
    workflow = yaml.safe_load((ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    assert any(step.get("run", "").startswith("make site") for step in steps)
    assert steps[-1]["uses"].startswith("actions/upload-pages-artifact")
    assert steps[-1]["with"]["path"] == "site"
    assert workflow["jobs"]["deploy"]["needs"] == "build"
    assert workflow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert workflow["permissions"] == {"contents": "read"}


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
    for word in TARGETS | {"PYTHON", "TORCH_INDEX", "N", "B", "WORKERS", "ARGS"}:
        assert re.search(rf"^  {word}\s+\S", text, flags=re.MULTILINE), word


def test_make_test_does_all_of_it():
    commands = make("-n", "test")
    steps = ["ruff check", "ruff format --check", " tests -m", "--nbval "]
    places = [commands.index(step) for step in steps]
    assert places == sorted(places)


def test_make_lab_opens_the_first_notebook_with_settings_of_its_own():
    commands = make("-n", "lab")
    page = re.search(r"--LabApp.default_url=/lab/tree/(\S+)", commands)[1]
    assert (ROOT / page).is_file()
    settings = {path.name for path in (ROOT / "tools/lab/labconfig").iterdir()}
    assert settings == {"default_setting_overrides.json", "page_config.json"}


def marks_left_out(commands):
    """The marks that a command's expression excludes."""
    return set(re.findall(r"not (\w+)", "".join(re.findall(r'-m "([^"]*)"', commands))))


def test_what_one_command_leaves_out_another_runs():
    left_out = marks_left_out(make("-n", "test"))
    others = "".join(make("-n", target) for target in ("test-grading", "test-publish"))
    run = set(re.findall(r"\w+", " ".join(re.findall(r'tests -m "?([^"\n]*)', others))))
    assert left_out and left_out <= run
    assert left_out <= marks_left_out(make("-n", "test-fast"))


def test_ci_runs_all_that_need_no_network():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    commands = re.findall(r"^make ([a-z-]+)$", script, flags=re.MULTILINE)
    assert {"test", "test-digits", "test-grading"} <= set(commands)


def test_readme_tells_how_to_start():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make lab", "make test", "-m venv .venv", "-c constraints.txt"):
        assert command in readme, command


PAGES = ["CLASS.md", "CONTRIBUTING.md", "LECTURERS.md", "README.md", "data/README.md"]
SOURCES = {"course_utils", "notebooks", "tests", "tools"}
IN_THE_WHEEL_ALONE = {"course_utils/results/"}


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_names_is_there(name):
    """Paths, and targets of `make`, in code; NN and NAME are for the reader to fill in."""
    code = re.findall(r"`([^`\n]+)`", (ROOT / name).read_text(encoding="utf-8"))
    named = [re.findall(r"(?<![\w/.])(?:[a-z_]+/)+[\w.]*", text) for text in code]
    paths = {path for found in named for path in found if not re.search("NN|NAME", path)}
    ours = {path for path in paths - IN_THE_WHEEL_ALONE if path.split("/")[0] in SOURCES}
    assert not [path for path in ours if not (ROOT / path).exists()]
    targets = {found for text in code for found in re.findall(r"^make ([a-z-]+)", text)}
    assert targets <= TARGETS


def test_citation_and_package_name_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{citation["version"]}"' in source


@pytest.mark.slow
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
