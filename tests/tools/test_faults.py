"""Tests of the faults that are planted to try the tests: on a toy package, made here."""

import ast
import dataclasses
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tools import faults
from tools.fault_sites import by_hand, draw, find, planted, room_of, shares, sites_of

ROOT = Path(faults.__file__).parents[1]
TOY = '''"""A toy - with a docstring of 1 line."""

LIMIT: int = 3


class Sum:
    """Adds up."""

    def __init__(self, start: int = 0) -> None:
        """Starts at 0 - or elsewhere."""
        self.total = start

    def add(self, x, twice=False):
        if x < 0 or not x:
            raise ValueError(f"{x + 1} is too small")
        self.total += x * 2 if twice else x
        self.told(self.total, x)
        return self.total

    def told(self, total, x):
        return "told: " + str(max(total, x))


def count(n):
    i = 0
    while i < n:
        i += 1
    return i


def mean(x):
    return -x.mean(dim=-1, keepdim=True).sum(0)
'''
TESTS = """
import pytest
from course_utils.sums.toy import Sum, count

def test_add():
    total = Sum()
    assert total.add(2) == 2
    assert total.add(2, twice=True) == 6

def test_count():
    assert count(3) == 3

def test_that_fails_once():
    with open("RUNS", "a+") as runs:
        runs.write("x")
        assert Sum().add(2) and runs.tell() != 3

def test_that_fails_anyway():
    assert Sum().add(3) == 4

@pytest.mark.browser
def test_too_small():
    with pytest.raises(ValueError):
        Sum().add(-1)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout with one room."""
    checkout = tmp_path / "toy"
    files = {
        "course_utils/__init__.py": "",
        "course_utils/sums/__init__.py": "",
        "course_utils/sums/toy.py": TOY,
        "tests/test_sums.py": TESTS.replace("RUNS", str(tmp_path / "runs")),
        "pyproject.toml": "[tool.pytest.ini_options]\nmarkers = ['browser']\npythonpath = ['.']\n",
    }
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    return checkout


def listed(checkout: Path, old: str, new: str | None = None) -> dict:
    """The one fault of a checkout that changes `old`, as an entry of a list."""
    sites = [s for s in sites_of(checkout) if s.old == old and new in (None, s.new)]
    (site,) = sites
    return dataclasses.asdict(site) | {"id": old, "equivalent": None}


def test_every_operator_plants_something_else_that_still_parses(toy):
    sites = sites_of(toy)
    changes = {(site.operator, site.old, site.new) for site in sites}
    assert changes >= {
        ("sign", "-x.mean(dim=-1, keepdim=True).sum(0)", "(x.mean(dim=-1, keepdim=True).sum(0))"),
        ("sign", "i += 1", "i -= 1"),
        ("factor", "x * 2", "(x / 2)"),
        ("comparison", "x < 0", "(x <= 0)"),
        ("logic", "x < 0 or not x", "(x < 0 and (not x))"),
        ("logic", "not x", "(x)"),
        ("number", "3", "(4)"),
        ("boolean", "False", "(True)"),
        ("shape", "-1", "(0)"),
        ("shape", "True", "(False)"),
        ("shape", "0", "(-1)"),
        ("drop", "self.total = start", "pass"),
        ("drop", "i += 1", "pass"),
        ("drop", "self.told(self.total, x)", "pass"),
        ("return", "return i", "return None"),
        ("arguments", "self.told(self.total, x)", "(self.told(x, self.total))"),
    }
    assert any(site.operator == "drop" and site.old.startswith("raise") for site in sites)
    source = TOY.encode()
    for site in sites:
        wrong = planted(source, site)
        assert ast.dump(ast.parse(wrong)) != ast.dump(ast.parse(source))
    keys = Counter((s.qualname, s.statement, s.operator, s.repeat, s.place) for s in sites)
    assert set(keys.values()) == {1}


def test_texts_annotations_and_symmetric_calls_are_left_alone(toy):
    olds = [site.old for site in sites_of(toy)]
    assert not [old for old in olds if "docstring" in old or "elsewhere" in old]
    assert "x + 1" not in olds  # an f-string
    assert "'told: ' + str(max(total, x))" not in olds
    assert "max(total, x)" not in olds
    assert (
        olds.count("-1") == 1 and olds.count("True") == 1
    )  # shapes, not numbers and booleans too


def test_a_fault_is_found_again_in_another_file_and_under_a_public_name(toy):
    old_sites = [dataclasses.asdict(site) for site in sites_of(toy)]
    file = toy / "course_utils/sums/toy.py"
    text = file.read_text()
    cut = text.index("def count")
    (toy / "course_utils/counts.py").write_text("# moved\n\n" + text[cut:])
    file.write_text(text[:cut].replace("told", "_told").replace('"_told', '"told'))
    sites = sites_of(toy)
    hows = Counter()
    for fault in old_sites:
        how, site = find(fault, sites, toy)
        hows[how] += 1
        assert (site.operator, site.place) == (fault["operator"], fault["place"])
        assert site.new.replace("_told", "told") == fault["new"]
        assert (site.file == "course_utils/counts.py") == (fault["qualname"] in ("count", "mean"))
    assert set(hows) == {"exact", "renamed"} and hows["renamed"] == 3


def test_a_fault_is_found_in_a_function_of_another_name_or_not_at_all(toy):
    fault = listed(toy, "x * 2")
    file = toy / "course_utils/sums/toy.py"
    file.write_text(file.read_text().replace("def add", "def put"))
    how, site = find(fault, sites_of(toy), toy)
    assert how == "moved" and site.qualname == "Sum.put"
    file.write_text(file.read_text().replace("x * 2", "2 * x"))
    assert find(fault, sites_of(toy), toy) == ("not found", None)
    assert "2 * x" in faults.nearest(fault, sites_of(toy))
    fault["equivalent"] = {"old": "2 * x", "new": "2 / x", "file": None}
    how, site = find(fault, sites_of(toy), toy)
    assert how == "by hand" and b"2 / x if twice" in planted(file.read_bytes(), site)
    with pytest.raises(ValueError, match="stands in 6 places"):
        by_hand(toy, {"old": "total", "new": "sum", "file": "course_utils/sums/toy.py"})


def test_a_long_expression_is_found_in_another_statement(toy):
    fault = listed(toy, "-x.mean(dim=-1, keepdim=True).sum(0)")
    file = toy / "course_utils/sums/toy.py"
    file.write_text(file.read_text().replace("return -x", "y = 2 - 1 * -x"))
    how, site = find(fault, sites_of(toy), toy)
    assert how == "reworded" and site.statement == "y = 2 - 1 * " + fault["old"]
    short = listed(toy, "i < n")
    file.write_text(file.read_text().replace("while i < n:", "while i < n < 9:"))
    assert find(short, sites_of(toy), toy) == ("not found", None)


def test_equal_statements_of_a_function_are_told_apart(toy):
    file = toy / "course_utils/sums/toy.py"
    file.write_text("def f(x):\n    x = x + 1\n    x = x + 1\n    return x\n")
    signs = [site for site in sites_of(toy) if site.operator == "sign"]
    assert [(site.line, site.repeat) for site in signs] == [(2, 0), (3, 1)]
    assert find(dataclasses.asdict(signs[1]), sites_of(toy), toy) == ("exact", signs[1])


def test_rooms():
    names = {
        "course_utils/data.py": "data",
        "course_utils/data/mnist.py": "data",
        "course_utils/release.py": "release",
        "tools/release.py": "release",
        "tools/faults.py": "tools",
    }
    assert {file: room_of(file) for file in names} == names


def test_a_draw_is_spread_and_can_be_repeated(toy):
    sites = sites_of(toy)
    operators = {site.operator for site in sites}
    drawn = draw(sites, 12, seed=1, least=1)
    assert drawn == draw(sites, 12, seed=1, least=1) != draw(sites, 12, seed=2, least=1)
    assert len(drawn) == 12 and {site.operator for site in drawn} == operators
    assert len({(site.qualname, site.statement) for site in drawn}) == 12
    assert shares(Counter(a=100, b=50, c=5), 31, 3) == Counter(a=19, b=9, c=3)


def run_faults(entries: list[dict], folder: Path, *arguments: str) -> tuple[dict, str]:
    """The results by name and what is printed; in a process of its own, because it forks."""
    faults.write(folder / "list.json", entries)
    files = ["--run", folder / "list.json", "--out", folder / "results.json"]
    command = [sys.executable, "-m", "tools.faults", *files, "--checkout", folder / "toy"]
    done = subprocess.run(
        [*map(str, command), *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {r["id"]: r for r in faults.read(folder / "results.json")}, done.stdout


@pytest.fixture
def measured(toy: Path) -> Path:
    """The toy with a record of which test executes which line."""
    command = (
        "-m pytest -q -p no:cacheprovider -p no:nbval tests --cov=course_utils --cov-context=test"
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=toy,
        env=os.environ | {"PYTHONPATH": str(toy), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1  # one test fails anyway
    return toy


@pytest.mark.slow
def test_caught_survived_endless_and_not_found(measured, tmp_path):
    """From a list through the tests that execute each fault to the report."""
    entries = [
        listed(measured, "x * 2"),
        listed(measured, "self.told(self.total, x)", "pass"),  # no test notices
        listed(measured, "i += 1", "pass"),  # endless
        listed(measured, "x < 0 or not x"),  # only the costly test notices
        listed(measured, "return i") | {"id": "lost", "statement": "return j"},
    ]
    before = {path: path.read_bytes() for path in measured.rglob("*") if path.is_file()}
    results, printed = run_faults(entries, tmp_path, "--patience", "5")
    assert {name: (r["outcome"], r.get("by"), r.get("how")) for name, r in results.items()} == {
        "x * 2": ("caught", "tests/test_sums.py::test_add", "failed"),
        "self.told(self.total, x)": ("survived", None, None),
        "i += 1": ("caught", "tests/test_sums.py::test_count", "out of time"),
        "x < 0 or not x": ("survived", None, None),
        "lost": ("not found", None, None),
    }
    assert {path: path.read_bytes() for path in measured.rglob("*") if path.is_file()} == before
    assert "nearest: course_utils/sums/toy.py:28 count: return i" in printed
    assert "of no use: tests/test_sums.py::test_that_fails_anyway" in printed


@pytest.mark.slow
def test_survivors_meet_costly_tests_and_are_compared_with_an_earlier_run(measured, tmp_path):
    entries = [
        listed(measured, "self.told(self.total, x)", "pass"),
        listed(measured, "x < 0 or not x"),
    ]
    earlier = [entry | {"outcome": "caught"} for entry in entries]
    faults.write(tmp_path / "earlier.json", earlier)
    arguments = ["--thorough", "--before", str(tmp_path / "earlier.json")]
    results, printed = run_faults(entries, tmp_path, *arguments)
    assert {name: r.get("by") for name, r in results.items()} == {
        "self.told(self.total, x)": None,
        "x < 0 or not x": "tests/test_sums.py::test_too_small",
    }
    assert "does not fail again: tests/test_sums.py::test_that_fails_once" in printed
    _, lost = printed.split("caught before and not now")
    assert lost.count("survived") == 1 and "self.told(self.total, x) -> pass" in lost
