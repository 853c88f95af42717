"""Pack what a lecturer hands out into one archive: `python -m tools.release`, or `make release`.

The archive dist/vae-course-VERSION.tar.gz holds the wheel, the student bundle (editions, README
and a note on the data), the slides and the site. All are built from a copy of the last commit, so
what is not committed is not in it. Entries are sorted, with fixed owners, modes and times.
"""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from course_utils import __version__
from course_utils.files import CHECKOUT, data_root

DATA_NOTE = """The notebooks download MNIST on first use. Without a network they draw digits.
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


def write_student_bundle(source: Path, out: Path) -> None:
    """Copy editions and README from the checkout `source` to `out`, with a note on the data."""
    out.mkdir(parents=True)
    (out / "README.md").write_bytes((source / "README.md").read_bytes())
    (out / "DATA.txt").write_text(DATA_NOTE, encoding="utf-8")
    notebooks = source / "notebooks"
    for path in [notebooks / "start_here.ipynb", *(notebooks / "student").glob("*.ipynb")]:
        (out / path.name).write_bytes(path.read_bytes())


def last_commit() -> int:
    """When the last commit was made, in seconds since 1970."""
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.check_output(command, cwd=CHECKOUT, text=True))


def build(out: Path, when: int) -> None:
    """Build wheel, bundle, slides and site of the last commit in the folder `out`."""
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

        write_student_bundle(source, out / "student")
        run("tools.slides", "--out", str(out / "slides"))
        run("tools.site", "--out", str(out / "site"))
        pip = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        run(*pip, "--wheel-dir", str(out), ".")


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
