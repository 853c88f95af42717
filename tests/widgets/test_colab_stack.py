"""The widgets on the versions that Colab has: ipywidgets 7, IPython 7, ipykernel 6.17.

They go into a virtual environment of their own under data/cache, which later runs find again. It
sees everything else of the running environment, torch above all, and changes nothing there.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from helpers.colab import PINS, ROOT, NoColab, give_up, install, kept, python_of

NOTEBOOK = ROOT / "notebooks" / "06_latent_traversals.ipynb"
COLAB = ["ipywidgets", "ipython", "ipykernel"]
# What these need and newer versions do not. Their pages' half (widgetsnbextension and others) is
# left out: nothing here has a page.
BESIDE = ["backcall", "decorator", "ipython-genutils", "nest-asyncio", "pickleshare"]
SECONDS = 3600  # a limit, not a measurement

pytestmark = [pytest.mark.colab, pytest.mark.slow]


def build(folder: Path) -> None:
    """Make the environment.

    Raises:
        NoColab: when it cannot be made.
    """
    venv.create(folder, symlinks=os.name != "nt")
    pip = [sys.executable, "-m", "pip", "--python", str(python_of(folder))]
    install(pip, "--no-deps", *(f"{name}=={PINS[name]}" for name in [*COLAB, *BESIDE]))
    # After its own packages come those of the running environment.
    (site_packages,) = folder.glob(
        "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
    )
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site_packages / "running.pth").write_text("\n".join(others) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def colab():
    """A function that runs Python with these arguments on Colab's versions."""
    if sys.version_info >= (3, 14):
        pytest.skip("IPython 7 was made for Python 3.13 at the latest, which is what Colab has")
    recipe = [PINS, BESIDE, sys.version, sys.path, Path(__file__).read_text("utf-8")]
    try:
        folder = kept("colab-stack", recipe, build)
    except NoColab as why:
        give_up(why)
    env = {name: text for name, text in os.environ.items() if not name.startswith("COV_")}
    env |= {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or each start warns of frozen modules
    }

    def run(*arguments):
        return subprocess.run(
            [str(python_of(folder)), *arguments],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    return run


VERSIONS = """
import json, IPython, ipykernel, ipywidgets, torch
found = [module.__version__ for module in (ipywidgets, IPython, ipykernel)]
print(json.dumps([found, torch.__file__]))
"""


def test_the_versions_are_colabs_and_everything_else_is_ours(colab):
    import torch

    run = colab("-c", VERSIONS)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [[PINS[name] for name in COLAB], torch.__file__]


def test_nothing_leaks_into_the_running_environment(colab):
    program = "import ipykernel, IPython, ipywidgets; print(ipywidgets.__version__)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == importlib.metadata.version("ipywidgets")
    assert "colab-stack" not in "".join(sys.path)


def passed(run):
    """The number of tests that passed in a run of pytest in which none did anything else."""
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    *_, summary = run.stdout.strip().splitlines()
    number, what, *rest = summary.strip("= ").split()
    assert what.rstrip(",") == "passed" and "skipped" not in rest, summary
    return int(number)


def test_the_headless_tests_of_the_widgets_pass(colab):
    quiet = ("-q", "-p", "no:cacheprovider", "--tb=short")
    run = colab("-m", "pytest", *quiet, "-m", "not colab", "tests/widgets")
    assert passed(run) > 200


def test_notebook_06_gives_its_stored_outputs(colab):
    nbval = ("--nbval", "--nbval-current-env", "--nbval-cell-timeout=600")
    run = colab("-m", "pytest", "-q", "-p", "no:cacheprovider", *nbval, str(NOTEBOOK))
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert passed(run) == sum(cell["cell_type"] == "code" for cell in cells)
