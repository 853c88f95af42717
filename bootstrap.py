"""Make `.venv` and install the course into it: the set-up behind `make lab` and `make test`.

    python3 bootstrap.py

It checks first (the Python version, the venv module, disk space) and says in one sentence what
is missing. What an interrupted run left behind is replaced by the next one; a finished `.venv`
is only brought up to date. One setting comes from the environment:

    TORCH_INDEX  address of PyTorch's CPU-only package index (see the PyTorch installation page);
                 torch and torchvision are then installed from there, without CUDA libraries

Standard library only, in syntax that even Python 2.7 can read, so that the sentence about a
Python that is too old is what its owner gets to see.
"""

from __future__ import print_function

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(
    VENV, *(["Scripts", "python.exe"] if os.name == "nt" else ["bin", "python"])
)
READY = os.path.join(VENV, ".ready")  # the stamp that the Makefile compares with pyproject.toml
UNFINISHED = os.path.join(VENV, ".unfinished")  # there while a first installation runs
# Every kernel of the environment runs this file before a notebook's first cell.
KERNEL_CONFIG = os.path.join(VENV, "etc", "ipython", "ipython_kernel_config.py")

# Not in the kernel's own kernel.json: what stands there overrules the reader's environment.
KERNEL_SETTINGS = """\
# Written by bootstrap.py. The package says how torch's threads wait for each other, unless the
# environment says it. They listen only before torch is loaded, and notebooks import that first.
import course_utils
"""

OLDEST = (3, 11)
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


def finished():
    """Whether `.venv` holds a working environment whose first installation was not cut short."""
    if os.path.exists(UNFINISHED) or not os.path.exists(VENV_PYTHON):
        return False
    test = "import sys, pip; sys.exit(sys.version_info < {!r})".format(OLDEST)
    with open(os.devnull, "w") as nowhere:
        return subprocess.call([VENV_PYTHON, "-c", test], stderr=nowhere) == 0


def make_venv():
    """An empty `.venv`, in place of whatever an earlier run left there."""
    if os.path.isdir(VENV):
        known = [name for name in (".unfinished", "pyvenv.cfg") if name in os.listdir(VENV)]
        if os.listdir(VENV) and not known:
            sys.exit(
                VENV + " is in the way and is no virtual environment: please move it elsewhere."
            )
        shutil.rmtree(VENV)
    os.mkdir(VENV)
    open(UNFINISHED, "w").close()
    # Inside an activated .venv, sys.executable is the one just deleted; its base is still there.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if subprocess.call([base, "-m", "venv", VENV]) != 0:
        sys.exit("The virtual environment could not be made; Python's own message is above.")


def install(torch_index, update):
    """Everything in pyproject.toml, in the versions of constraints.txt."""
    installed, downloads = needed_space(torch_index)
    pip = [VENV_PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["-c", "constraints.txt"]
    if update:  # nearly all is there: say little, and manage without a network if need be
        pip += ["--quiet", "--no-build-isolation"]
    elif free_space()[0] < installed + 2 * downloads:
        pip += ["--no-cache-dir"]  # no room for a second copy of the downloads
    steps = [pip + ["-e", ".[dev]"]]
    if torch_index:
        steps.insert(0, pip + ["--no-deps", "--index-url", torch_index, "torch", "torchvision"])
    for step in steps:
        if subprocess.call(step, cwd=ROOT) != 0:
            sys.exit("The installation did not succeed; pip's own message is above.")


def settle_kernels():
    """Let kernels import the course's package first of all, unless they are settled already."""
    if not os.path.exists(KERNEL_CONFIG):
        if not os.path.isdir(os.path.dirname(KERNEL_CONFIG)):
            os.makedirs(os.path.dirname(KERNEL_CONFIG))
        with open(KERNEL_CONFIG, "w") as settings:
            settings.write(KERNEL_SETTINGS)


def main():
    torch_index = os.environ.get("TORCH_INDEX", "").strip()
    if not finished():
        problem = python_problem() or venv_problem()
        problem = problem or disk_problem(free_space(), needed_space(torch_index))
        if problem:
            sys.exit(problem)
        print("Making .venv and installing the course into it. This happens once, and takes some")
        print("minutes: {:.1f} GB on disk.".format(needed_space(torch_index)[0]))
        sys.stdout.flush()
        make_venv()
    install(torch_index, update=os.path.exists(READY))
    settle_kernels()
    if os.path.exists(UNFINISHED):
        os.remove(UNFINISHED)
    with open(READY, "w") as stamp:
        stamp.write("Made by bootstrap.py; newer than pyproject.toml means up to date.\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
    except (IOError, OSError) as problem:
        sys.exit("The set-up could not go on: {}.".format(problem))
