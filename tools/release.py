"""Pack what a lecturer hands out into one archive: `python -m tools.release`, or `make release`.

The archive dist/vae-course-VERSION.tar.gz holds the student bundle (editions, figures, the wheel
and how to begin), the slides, the site and the wheel once more. All are built from a copy of the
last commit, so what is not committed is not in it. Entries are sorted, with fixed owners, modes
and times.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from course_utils import __version__
from course_utils.files import CHECKOUT, data_root

HOW_TO_BEGIN = """# Variational autoencoders, hands on

You need Python 3.11 or newer. In this folder, once:

    python -m venv course
    course/bin/python -m pip install "{wheel}[lab]"    # Windows: course\\Scripts\\python

and then, each time:

    course/bin/python -m jupyterlab start_here.ipynb

In Colab upload a notebook and the file {wheel}: the notebook's first cell installs it.

Begin with `start_here.ipynb`, then take 00 to 10 in order. Notebooks with a letter (07b) go
deeper, and nothing later needs them. Exercises stand at the end of each notebook, and the cell
after each checks your answer. The notebooks download MNIST on first use; without a network they
draw digits.
In a class, set COURSE_DATA to one shared folder that holds the data.
"""


def pack(folder: Path, out: Path, top: str, when: int) -> None:
    """Write all files below `folder` to the archive `out`, under `top`, as of `when` (seconds).

    The same files give the same bytes, whatever their owners, modes and times.
    """
    paths = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.parts)
    with (
        out.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=when) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in paths:
            data = path.read_bytes()
            entry = tarfile.TarInfo(f"{top}/{path.relative_to(folder).as_posix()}")
            entry.size, entry.mtime, entry.mode = len(data), when, 0o644
            archive.addfile(entry, io.BytesIO(data))


def write_student_bundle(source: Path, out: Path, wheel: str) -> None:
    """Copy editions and figures from the checkout `source` to `out`, with a README for `wheel`.

    All notebooks stand in one folder, so paths of figures are those of `notebooks/`.
    """
    out.mkdir(parents=True)
    (out / "README.md").write_text(HOW_TO_BEGIN.format(wheel=wheel), encoding="utf-8")
    notebooks = source / "notebooks"
    shutil.copytree(notebooks / "figures", out / "figures")
    for path in [notebooks / "start_here.ipynb", *(notebooks / "student").glob("*.ipynb")]:
        text = path.read_text(encoding="utf-8").replace("../figures/", "figures/")
        (out / path.name).write_text(text, encoding="utf-8")


def last_commit() -> int:
    """When the last commit was made, in seconds since 1970."""
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.check_output(command, cwd=CHECKOUT, text=True))


def build(out: Path, when: int) -> None:
    """Build wheel, bundle, slides and site of the last commit in the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        commit = subprocess.check_output(["git", "archive", "HEAD"], cwd=CHECKOUT)
        with tarfile.open(fileobj=io.BytesIO(commit)) as archive:
            archive.extractall(source, filter="data")
        env = os.environ | {
            "SOURCE_DATE_EPOCH": str(when),
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(source),
            "COURSE_DATA": str(data_root()),
        }

        def run(*arguments: str) -> None:
            subprocess.run([sys.executable, "-m", *arguments], cwd=source, env=env, check=True)

        pip = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        run(*pip, "--wheel-dir", str(out), ".")
        (wheel,) = out.glob("*.whl")
        write_student_bundle(source, out / "student", wheel.name)
        shutil.copy(wheel, out / "student")
        run("tools.slides", "--out", str(out / "slides"))
        run("tools.site", "--out", str(out / "site"))


def main() -> int:
    """Build everything and pack it; say where it is."""
    when, top = last_commit(), f"vae-course-{__version__}"
    target = CHECKOUT / "dist" / f"{top}.tar.gz"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        build(Path(name), when)
        pack(Path(name), target, top, when)
    print(f"{target.relative_to(CHECKOUT)}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
