"""Make `.venv` and install the course into it: the set-up behind `make lab` and `make test`.

    python3 bootstrap.py

Every `make` command calls it. Where `.venv` is ready it says nothing, within a fraction of a
second. A `.venv` that works is brought up to date, and one that was moved is settled in where it
is now; what an interrupted run left, or whose Python has gone, is made anew. Before that it checks
(the Python version, the venv module, disk space) and says in one sentence what is missing. Ready
means that torch and this checkout's package were imported from it. One setting comes from the
environment:

    TORCH_INDEX  address of PyTorch's CPU-only package index (see the PyTorch installation page);
                 torch and torchvision are then installed from there, without CUDA libraries

Standard library only, in syntax that even Python 2.7 can read, so that the sentence about a
Python that is too old is what its owner gets to see.
"""

from __future__ import print_function

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(
    VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"])
)
READY = os.path.join(VENV, ".ready")  # the stamp: with which requirements the course was imported
UNFINISHED = os.path.join(VENV, ".unfinished")  # there while a first installation runs

OLDEST = (3, 11)
# What tells an environment from an empty one: something of each part that `make` commands use.
NEEDED = frozenset(["pip", "torch", "jupyterlab", "pytest", "course_utils"])
# Prints which of these are there, importing none; the package must be this checkout's.
LOOK = """
import os, sys
from importlib.util import find_spec
ours = os.path.join(sys.argv[1], "course_utils", "__init__.py")
for name in sys.argv[2:]:
    found = find_spec(name)
    file = found and os.path.realpath(found.origin or "")
    if file and (name != "course_utils" or file == os.path.realpath(ours)):
        print(name)
sys.exit(sys.version_info < {!r})
""".format(OLDEST)

# What would lead Python or pip away from `.venv` and leave it empty: variables, options of pip's.
PYTHON_ELSEWHERE = ("PYTHONHOME", "PYTHONPATH")
PIP_ELSEWHERE = ("user", "no-user", "target", "prefix", "root", "python", "platform", "abi")
PIP_ELSEWHERE += ("python-version", "implementation", "require-virtualenv", "require-hashes")
PIP_ELSEWHERE += ("no-deps", "no-dependencies", "dry-run", "ignore-installed")

GIGABYTE = 1e9
# Measured, in GB: what is installed, and what pip keeps in the temporary folder meanwhile.
# torch's default build for Linux brings the CUDA libraries.
WITH_CUDA = (6.4, 3.0)
WITHOUT_CUDA = (1.7, 0.3)


def python_problem(version=None):
    """Why this Python will not do, in one sentence; None if it will."""
    version = tuple(version or sys.version_info[:3])
    if version >= OLDEST:
        return None
    return (
        "The course needs Python {}.{} or newer, and {} is Python {}: install a newer one, or "
        "name one that you have, as in 'make lab PYTHON=python3.12'."
    ).format(OLDEST[0], OLDEST[1], sys.executable or "this", ".".join(str(n) for n in version))


def venv_problem():
    """Why no virtual environment can be made here, in one sentence; None if it can."""
    try:
        import ensurepip  # noqa: F401  Debian keeps it in a package of its own
        import venv  # noqa: F401
    except ImportError:
        return (
            "This Python has no venv module to make an environment with: on Debian and Ubuntu "
            "install the package python3-venv (as root: apt install python3-venv)."
        )
    return None


def needed_space(torch_index=None, platform=None):
    """GB that the installation takes: (in .venv, in the temporary folder while it runs)."""
    linux = (platform or sys.platform).startswith("linux")
    return WITH_CUDA if linux and not torch_index else WITHOUT_CUDA


def free_space():
    """GB that are free: (here, in the temporary folder), or (here, None) if that is one disk."""
    folder = tempfile.gettempdir()
    here = shutil.disk_usage(ROOT).free / GIGABYTE
    if os.stat(folder).st_dev == os.stat(ROOT).st_dev:
        return here, None
    return here, shutil.disk_usage(folder).free / GIGABYTE


def disk_problem(free, needed):
    """Why the free space will not do for the needed one, in one sentence; None if it will."""
    (here, temporary), (installed, downloads) = free, needed
    if temporary is None:
        temporary, installed = downloads, installed + downloads
    if here < installed:
        folder, needs, has = ROOT, installed, here
    elif temporary < downloads:
        folder, needs, has = tempfile.gettempdir(), downloads, temporary
    else:
        return None
    advice = "."
    if needed == WITH_CUDA:
        advice = (
            ": free some, or set TORCH_INDEX to the address of PyTorch's CPU-only package index "
            "(see the PyTorch installation page), which takes a quarter of it."
        )
    sentence = "The installation needs {:.1f} GB of disk space in {}, where {:.1f} GB are free{}"
    return sentence.format(needs, folder, has, advice)


def surroundings():
    """The reader's environment without what leads Python elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in PYTHON_ELSEWHERE}
    kept["PIP_USER"] = "0"  # or `pip config list` would list what is set for the user alone
    return kept


def venv_python(*arguments):
    """What `.venv`'s Python, which sees nothing of this folder, answers: (status, out, errors)."""
    try:
        run = subprocess.Popen(
            [VENV_PYTHON, "-I"] + list(arguments),
            env=surroundings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (IOError, OSError):  # it has gone, or was made for another kind of machine
        return 1, "", ""
    out, errors = (text.decode("utf-8", "replace") for text in run.communicate())
    return run.returncode, out, errors


def found_in_venv():
    """Those of NEEDED that are in `.venv`; none if it is unfinished or its Python will not do."""
    if os.path.exists(UNFINISHED):
        return frozenset()
    status, out, _ = venv_python("-c", LOOK, ROOT, *sorted(NEEDED))
    return frozenset(out.split()) if status == 0 else frozenset()


def in_bytes(path):
    """A path as it stands in a file."""
    return path if isinstance(path, bytes) else os.fsencode(path)


def moved():
    """Whether `.venv` was made elsewhere, which its scripts then name; or cannot tell."""
    try:
        with open(os.path.join(VENV, "pyvenv.cfg"), "rb") as settings:
            made = re.search(b"^command = .* -m venv (--[^ ]+ )*(.*)", settings.read(), re.M)
    except (IOError, OSError):
        return True
    return not made or os.path.realpath(made.group(2).strip()) != os.path.realpath(in_bytes(VENV))


def stamp():
    """What READY holds where `.venv` suits the files that say what belongs into it."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as listed:
            digest.update(listed.read())
    return "The course was imported from here; its requirements: {}\n".format(digest.hexdigest())


def ready(found):
    """Whether nothing is left to do."""
    if found != NEEDED or moved() or not os.path.exists(READY):
        return False
    with open(READY, "rb") as last:  # whatever a full or damaged disk has left of it
        return last.read().splitlines() == [stamp().strip().encode("ascii")]


def make_venv():
    """An empty `.venv`, in place of whatever an earlier run left there."""
    place = os.path.realpath(VENV)  # it may be a link to a larger disk
    there = os.listdir(place) if os.path.isdir(place) else []
    known = [name for name in (".unfinished", "pyvenv.cfg") if name in there]
    if (there and not known) or (os.path.lexists(place) and not os.path.isdir(place)):
        sys.exit(VENV + " is in the way and is no virtual environment: please move it elsewhere.")
    if os.path.isdir(place):
        shutil.rmtree(place)
    os.makedirs(place)
    open(UNFINISHED, "w").close()
    # Inside an activated .venv, sys.executable is the one just deleted; its base is still there.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if subprocess.call([base, "-I", "-m", "venv", place], env=surroundings()) != 0:
        sys.exit("The virtual environment could not be made; Python's own message is above.")


def with_this_python(script):
    """A script of pip's with `.venv`'s Python in its first line; any other file as it is."""
    python = in_bytes(VENV_PYTHON)
    first = b"#!" + python + b"\n"
    if b" " in python or len(first) > 127:  # more than kernels read: a shell has to find it
        first = b"#!/bin/sh\n'''exec' \"" + python + b'" "$0" "$@"\n\' \'\'\'\n'
    plain = b'/[^\n" ]*/python[0-9.]*'
    by_shell = b"/bin/sh\n'''exec' \"?/[^\n\"]*/python[0-9.]*" + b'"? "[$]0" "[$]@"\n\' \'\'\''
    return re.sub(b"^#!(" + plain + b"|" + by_shell + b")\n", lambda found: first, script)


def settle_in():
    """Tell a `.venv` that works where it is now; False if only a new one will do.

    Its Python writes its own files once more; then come the first lines of the scripts.
    """
    if os.name == "nt":  # there, scripts are programs
        return False
    if venv_python("-m", "venv", "--without-pip", os.path.realpath(VENV))[0] != 0:
        return False
    folder = os.path.dirname(VENV_PYTHON)
    for path in (os.path.join(folder, name) for name in os.listdir(folder)):
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as script:
                before = script.read()
            after = with_this_python(before)
            if after != before:
                with open(path, "wb") as script:
                    script.write(after)
    return True


def variable(option):
    """The environment variable that sets an option of pip's."""
    return "PIP_" + option.upper().replace("-", "_")


def for_pip():
    """`surroundings` in which pip finds all of its settings, but those that lead it elsewhere.

    Settings may stand in several files, with the reader's index, proxy and certificates. They
    become variables, which pip reads instead of the files.
    """
    kept = surroundings()
    status, out, _ = venv_python("-m", "pip", "--python=", "config", "list")
    if status == 0:  # otherwise pip itself says what is wrong with them
        kept["PIP_CONFIG_FILE"] = os.devnull  # which stands for none at all
        for section in ("global", "install"):  # the second one wins, and the reader's variables
            for name, value in re.findall("^%s[.](.+?)=(.*)$" % section, out, re.M):
                if variable(name) not in os.environ:
                    kept[variable(name)] = str(ast.literal_eval(value))
    for name in PIP_ELSEWHERE:
        kept.pop(variable(name), None)
    return kept


def install(torch_index, update):
    """Everything in pyproject.toml, in the versions of constraints.txt."""
    installed, downloads = needed_space(torch_index)
    pip = [VENV_PYTHON, "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["-c", "constraints.txt"]
    if update:  # nearly all is there: say little, and manage without a network if need be
        pip += ["--quiet", "--no-build-isolation"]
    elif free_space()[0] < installed + 2 * downloads:
        pip += ["--no-cache-dir"]  # no room for a second copy of the downloads
    steps = [pip + ["-e", ".[dev]"]]
    if torch_index:
        steps.insert(0, pip + ["--no-deps", "--index-url", torch_index, "torch", "torchvision"])
    settings = for_pip()
    for step in steps:
        if subprocess.call(step, cwd=ROOT, env=settings) != 0:
            sys.exit("The installation did not succeed; pip's own message is above.")


def import_problem(name):
    """Why `import name` fails in `.venv`, in one sentence; None if it does not."""
    status, _, errors = venv_python("-c", "import " + name)
    if status == 0:
        return None
    why = (errors.strip().splitlines() or ["its Python does not run"])[-1]
    return "The installation ended without an error, but 'import {}' fails: {}".format(name, why)


def bring_up_to_date(found):
    """Leave nothing to do; why that did not succeed, in one sentence, or None."""
    torch_index = os.environ.get("TORCH_INDEX", "").strip()
    if "pip" not in found or (moved() and not settle_in()):
        problem = python_problem() or venv_problem()
        problem = problem or disk_problem(free_space(), needed_space(torch_index))
        if problem:
            sys.exit(problem)
        print("Making .venv and installing the course into it. This happens once, and takes some")
        print("minutes: {:.1f} GB on disk.".format(needed_space(torch_index)[0]))
        sys.stdout.flush()
        make_venv()
        found = frozenset()
    others = NEEDED - frozenset(["course_utils"])  # which a moved checkout does not find
    install(torch_index, update=os.path.exists(READY) and found >= others)
    if os.path.exists(UNFINISHED):
        os.remove(UNFINISHED)
    missing = sorted(NEEDED - found_in_venv())
    if missing:
        return "The installation ended without an error, but .venv does not hold " + (
            " and ".join(missing) + "."
        )
    return import_problem("torch")


def main():
    found = found_in_venv()
    if ready(found):
        return
    problem = bring_up_to_date(found)
    if problem and os.path.exists(READY):  # it has been ready before: something is damaged
        print(problem)
        problem = bring_up_to_date(frozenset())
    problem = problem or import_problem("course_utils")
    if problem:
        sys.exit(problem)
    with open(READY, "w") as last:
        last.write(stamp())


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
    except (IOError, OSError) as problem:
        sys.exit("The set-up could not go on: {}.".format(problem))
