"""Plants faults in the package, one at a time, and says which of them the tests catch.

    python -m tools.faults --list 84 --seed 2026            draws faults: faults_list.json
    python -m tools.faults --run faults_list.json           plants each: faults.json
    python -m tools.faults --run LIST --before faults.json  what was caught then and is not now?

Each takes the checkout (`--checkout`, else this one). A run reads its `.coverage`, recorded just
before by

    pytest tests --cov=course_utils --cov=tools --cov-context=test --cov-report=

A fault is tried on the tests that execute its statement: forty varied ones first, then the others.
With `--thorough`, survivors meet some of those marked browser, grading and so on, and the other
tests of the same files and of the room. Each fault gets a fresh copy of the checkout, a time limit
(out of time counts as caught) and a limit of memory. What runs in kernels and other processes
leaves no trace in `.coverage`.

One list can be planted before and after a refactoring (see `fault_sites`). A statement that is
worded anew is reported as not found; for it, set the field `equivalent` in the list, as in
{"old": "a + b", "new": "a - b", "file": null}: `old` is any text that stands just once in the
file, or in all files.

It is a tool of our own because mutmut and cosmic-ray number their mutants by file and place, which
a refactoring changes; neither drops statements, and cosmic-ray runs all tests on each mutant.
"""

import argparse
import ast
import contextlib
import dataclasses
import difflib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tools.fault_sites import PACKAGES, Site, draw, find, planted, room_of, sites_of

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv", "__pycache__", ".coverage*", "build", "dist", "shared")
LATER = {"browser", "gpu", "grading", "colab", "publish"}  # marks of costly tests
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:nbval")  # which takes seconds to import
MEMORY = 10 * 2**30  # bytes of a test process
FIRST = 40  # tests that a fault meets at first
WIDE = 100  # tests of the same files and of the room that a survivor meets
LATEST = 12  # costly tests that it meets


def preload(checkout: Path) -> None:
    """Imports what package and tests import from elsewhere: once forked, it is there at once."""
    files = [p for folder in (*PACKAGES, "tests") for p in (checkout / folder).rglob("*.py")]
    own = {name for path in files for name in (path.stem, path.parent.name)}
    for path in files:
        for node in ast.parse(path.read_bytes()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                if name.split(".")[0] not in own:
                    with contextlib.suppress(ImportError):
                        importlib.import_module(name)


class Reporter:
    """A plugin of pytest that picks and orders the tests, and writes down what becomes of them."""

    def __init__(self, tests: list[str], report: Path) -> None:
        self.order = {test: i for i, test in enumerate(tests)}
        self.report = report

    def say(self, test: str, state: str, **more: object) -> None:
        with self.report.open("a", encoding="utf-8") as report:
            print(json.dumps({"test": test, "state": state} | more), file=report)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.order:
            chosen = [item for item in items if item.nodeid in self.order]
            items[:] = sorted(chosen, key=lambda item: self.order[item.nodeid])
        for item in items:
            self.say(item.nodeid, "found", marks=[mark.name for mark in item.iter_markers()])

    def pytest_collectreport(self, report):
        if report.failed:
            self.say(report.nodeid, "failed")

    def pytest_runtest_logstart(self, nodeid):
        self.say(nodeid, "begun")

    def pytest_runtest_logreport(self, report):
        self.say(report.nodeid, report.outcome, seconds=report.duration)


def be_pytest(checkout: Path, arguments: list[str], plugin: Reporter, seconds: int) -> None:
    """Turns a forked process into a run of pytest in the checkout, within limits."""
    os.setsid()
    output = os.open(plugin.report.with_name("log"), os.O_CREAT | os.O_WRONLY)
    for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(stream, target)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10))
    os.chdir(checkout)
    # The package comes from the checkout, here and in processes that the tests start.
    os.environ |= {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path[0], sys.dont_write_bytecode = str(checkout), True
    for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
        del sys.modules[name]
    os._exit(int(pytest.main(arguments, plugins=[plugin])))


def run_tests(
    checkout: Path, tests: list[str], *arguments: str, seconds: float = 3600
) -> tuple[int | None, list[dict]]:
    """Runs tests in a copy of the checkout: the exit code (None: out of time) and the reports.

    The files are collected whole, because a test that is gone would stop pytest. Time is that of
    the processor, so a busy machine does not matter; what only waits has much longer.
    """
    files = list(dict.fromkeys(test.split("::")[0] for test in tests)) or ["tests"]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        report = Path(folder, "report")
        settings = [f"--basetemp={folder}/tmp", "-q", "--assert=plain", *WITHOUT]
        child = os.fork()
        if not child:
            try:
                plugin = Reporter(tests, report)
                be_pytest(checkout, [*files, *settings, *arguments], plugin, int(seconds))
            finally:
                os._exit(70)
        code, end = None, time.monotonic() + 10 * seconds + 120
        while time.monotonic() < end and code is None:
            done, status = os.waitpid(child, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if done else None
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):  # also what the tests have started
            os.killpg(child, signal.SIGKILL)
        if code is None:
            os.waitpid(child, 0)
        if not report.exists():
            print(report.with_name("log").read_text(errors="replace")[-2000:], flush=True)
            return code, []
        reports = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    return (None if code == -signal.SIGXCPU else code), reports


class Tests:
    """The tests of a checkout: their marks, the lines they execute, whether they pass."""

    def __init__(self, checkout: Path, coverage_file: Path) -> None:
        self.checkout = checkout
        self.data = coverage.CoverageData(str(coverage_file))
        self.data.read()
        self.lines: dict[str, dict[int, set[str]]] = {}
        self.tried: set[str] = set()
        self.seconds: dict[str, float] = {}  # of those that pass
        _, reports = run_tests(checkout, [], "--collect-only")
        self.marks = {r["test"]: set(r["marks"]) for r in reports if r["state"] == "found"}

    def executing(self, site: Site) -> list[str]:
        """The tests that execute the statement, or else anything of its file."""
        if site.file not in self.lines:
            measured = {Path(name).as_posix(): name for name in self.data.measured_files()}
            names = [name for path, name in measured.items() if path.endswith("/" + site.file)]
            contexts = self.data.contexts_by_lineno(names[0]) if names else {}
            self.lines[site.file] = {
                line: {context.rpartition("|")[0] for context in those}
                for line, those in contexts.items()
            }
        lines, (first, last) = self.lines[site.file], site.lines
        near = {test for n, those in lines.items() if first <= n <= last for test in those} - {""}
        near = near or {test for those in lines.values() for test in those}
        return [test for test in self.marks if test in near]

    def around(self, site: Site, near: list[str]) -> list[str]:
        """The tests of the same files and of the room."""
        files, room = {test.split("::")[0] for test in near}, room_of(site.file)
        for path in {Path(test.split("::")[0]) for test in self.marks}:
            if room in path.parts or path.stem.startswith(f"test_{room}"):
                files.add(path.as_posix())
        return [test for test in self.marks if test.split("::")[0] in files]

    def rounds(self, site: Site, thorough: bool) -> list[list[str]]:
        """What a fault meets: some tests, then, if it survives, the others."""
        near, around = self.executing(site), []
        quick = varied([test for test in near if not self.marks[test] & LATER])
        if thorough:
            wide = [test for test in self.around(site, near) if not self.marks[test] & LATER]
            around = varied([test for test in wide if test not in quick])[:WIDE]
            around += varied([test for test in near if self.marks[test] & LATER])[:LATEST]
        return [quick[:FIRST], quick[FIRST:], around]

    def try_out(self, tests: set[str]) -> None:
        """Runs the tests that are new without a fault: only those that pass are of use."""
        new = [test for test in self.marks if test in tests - self.tried]
        self.tried |= set(new)
        if not new:
            return
        states, seconds = defaultdict(set), Counter()
        for report in run_tests(self.checkout, new)[1]:
            states[report["test"]].add(report["state"])
            seconds[report["test"]] += report.get("seconds", 0)
        good = [test for test in new if states[test] == {"found", "begun", "passed"}]
        self.seconds |= {test: seconds[test] for test in good}
        lost = [f"  of no use: {test} {states[test]}" for test in new if test not in good]
        print(f"{len(new)} tests without a fault: {len(good)} pass", *lost, sep="\n", flush=True)


def varied(tests: list[str]) -> list[str]:
    """One test of each function first, of one file after the other."""
    turn, order = Counter(), {}
    for test in tests:
        file, function = test.split("::")[0], test.split("[")[0]
        turn[function] += 1
        turn[file, turn[function]] += 1
        order[test] = turn[function], turn[file, turn[function]]
    return sorted(order, key=order.get)


def try_on(site: Site, tests: Tests, batch: list[str], patience: float) -> dict:
    """Plants a fault in a fresh copy and runs tests, the quickest first, until one catches it."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Path(folder, "checkout")
        shutil.copytree(tests.checkout, place, symlinks=True)
        (place / site.file).write_bytes(planted((place / site.file).read_bytes(), site))
        total = Counter()
        files = {test: test.split("::")[0] for test in batch}  # they have fixtures of their own
        for test, file in files.items():
            total[file] += tests.seconds[test]
        batch = sorted(batch, key=lambda t: (total[files[t]], files[t], tests.seconds[t]))
        while batch:
            code, by, how = first_failure(place, batch, patience + 10 * total.total())
            alone = [by] if by in batch and how == "failed" else []
            if code == 0:
                break
            if not alone or first_failure(place, alone, patience + 10 * total.total())[0] != 0:
                return {"outcome": "caught", "by": by, "how": how}
            print(f"  does not fail again: {by}", flush=True)
            batch.remove(by)
    return {"outcome": "survived"}


def first_failure(place: Path, batch: list[str], seconds: float) -> tuple[int | None, str, str]:
    """Runs tests until one fails: the exit code, that test (or file), and what happened."""
    code, reports = run_tests(place, batch, "-x", seconds=seconds)
    failed = [report["test"] for report in reports if report["state"] == "failed"]
    begun = [report["test"] for report in reports if report["state"] == "begun"]
    how = "out of time" if code is None else "failed" if failed else f"exit {code}"
    return code, (failed or begun[-1:] or [""])[0], how


def run(listed: list[dict], tests: Tests, patience: float, thorough: bool) -> Iterator[dict]:
    """Plants each fault of a list, and those that survive once more in the next round."""
    sites, left = sites_of(tests.checkout), []
    for fault in listed:
        found, site = find(fault, sites, tests.checkout)
        result = fault | {"found": found, "outcome": "not found"}
        if site:
            now = {"now": f"{site.file}:{site.line}", "planted": site.new}
            result |= {"outcome": "survived", "tests": 0} | now
            left.append((result, site, tests.rounds(site, thorough)))
        else:
            yield result | {"nearest": nearest(fault, sites)}
    for number in range(3):
        tests.try_out({test for *_, rounds in left for test in rounds[number]})
        for result, site, rounds in left:
            batch = [test for test in rounds[number] if test in tests.seconds]
            if batch:
                result |= try_on(site, tests, batch, patience)
                result["tests"] += len(batch)
            if batch or number == 0:
                yield result
        left = [(result, *more) for result, *more in left if result["outcome"] == "survived"]


def nearest(fault: dict, sites: list[Site]) -> str:
    """The statement that looks most like a lost one."""
    texts = {site.statement: site for site in sites if site.operator == fault["operator"]}
    close = difflib.get_close_matches(fault["statement"], texts, n=1, cutoff=0.5)
    return "".join(f"{texts[t].file}:{texts[t].line} {texts[t].qualname}: {t}" for t in close)


def table(results: list[dict], kind: str) -> str:
    rows, columns = defaultdict(Counter), ("caught", "survived", "not found")
    for result in results:
        for row in (result[kind], "~ all"):
            rows[row][result["outcome"]] += 1
    lines = [f"{kind:14}" + "".join(f"{column:>10}" for column in columns)]
    for name, row in sorted(rows.items()):
        lines.append(f"{name:14}" + "".join(f"{row[column]:>10}" for column in columns))
    return "\n".join(lines)


def line_of(result: dict) -> str:
    name = f"{result['id']} {result['outcome']:9} {result['room']}: {result['qualname'] or '-'}"
    change = f"{result['operator']}: {result['old']} -> {result['new']}"
    end = (
        f"{result['by']} {result['how']}" if "by" in result else f"{result.get('tests', 0)} tests"
    )
    return f"{name}: {change}  [{end}]"


def write(path: Path, entries: list[dict]) -> None:
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))


def list_faults(options: argparse.Namespace) -> None:
    drawn = draw(sites_of(options.checkout), options.list, options.seed)
    entries = [dataclasses.asdict(site) | {"equivalent": None} for site in drawn]
    entries = [{"id": f"F{i:02}"} | entry for i, entry in enumerate(entries, 1)]
    write(options.out or Path("faults_list.json"), entries)
    for kind in ("room", "operator"):
        print(dict(Counter(getattr(site, kind) for site in drawn)))


def run_faults(options: argparse.Namespace) -> list[dict]:
    results, listed = {}, read(options.run)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        clean = Path(folder, "checkout")
        shutil.copytree(options.checkout, clean, ignore=shutil.ignore_patterns(*LEFT_OUT))
        preload(clean)
        measured = options.coverage or options.checkout / ".coverage"
        files, recorded = {site.file for site in sites_of(clean)}, measured.stat().st_mtime
        if newer := [file for file in sorted(files) if (clean / file).stat().st_mtime > recorded]:
            print("changed since .coverage was recorded:", *newer)
        tests = Tests(clean, measured)
        for result in run(listed, tests, options.patience, options.thorough):
            results[result["id"]] = result
            write(options.out or Path("faults.json"), [*results.values()])
            print(f"{len(results)}/{len(listed)} {line_of(result)}", flush=True)
    return sorted(results.values(), key=lambda result: result["id"])


def tell(results: list[dict], before: Path | None) -> None:
    print("", table(results, "room"), "", table(results, "operator"), sep="\n")
    for outcome in ("survived", "not found"):
        print("", outcome, sep="\n")
        for result in (r for r in results if r["outcome"] == outcome):
            print(line_of(result), *filter(None, [result.get("nearest")]), sep="\n    nearest: ")
    if before:
        caught = {result["id"] for result in read(before) if result["outcome"] == "caught"}
        lost = [r for r in results if r["id"] in caught and r["outcome"] != "caught"]
        print("", "caught before and not now", *map(line_of, lost), sep="\n")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", type=int, metavar="N", help="draw N faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="LIST", help="plant the faults of a list")
    parser.add_argument("--thorough", action="store_true", help="survivors meet costly tests too")
    parser.add_argument("--before", type=Path, metavar="RESULT", help="an earlier run to compare")
    parser.add_argument("--checkout", type=Path, default=ROOT)
    parser.add_argument("--coverage", type=Path, help="default: .coverage of the checkout")
    parser.add_argument("--patience", type=float, default=60, help="seconds beyond those expected")
    parser.add_argument("--out", type=Path, help="default: faults_list.json or faults.json")
    options = parser.parse_args(arguments)
    if options.list:
        list_faults(options)
    if options.run:
        tell(run_faults(options), options.before)


if __name__ == "__main__":
    main()
