"""Build the site: `python -m tools.site [--out FOLDER]`, or `make site`."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from course_utils.files import CHECKOUT
from tools.execute_notebooks import in_reading_order
from tools.links import stamped
from tools.notebook_files import NOTEBOOKS, NotNotebook, content, read_notebook
from tools.site.explorers import FOLDER, write_explorers
from tools.site.frames import FRAMES, ON_SITE, read_frames
from tools.site.needed import Unavailable, install, static_folders
from tools.site.pages import BESIDE, beside, contents, page

HERE = Path(__file__).resolve().parent


def write_source(source: Path) -> None:
    """Write what Sphinx reads: the pages, their figures and explorers, scripts and styles."""
    notebooks = {path.name: read_notebook(path) for path in in_reading_order(NOTEBOOKS)}
    address = stamped()
    chosen: set[str] = set()
    for name, nb in notebooks.items():
        frames = read_frames(Path(name).stem)
        shown, explorers = page(nb, set(notebooks), address, frames)
        nbformat.validate(shown)
        (source / name).write_bytes(content(shown))
        chosen |= {page for explorer in explorers for page in explorer.choices.values()}
    (source / "index.md").write_text(contents(notebooks, address), encoding="utf-8")
    for name in BESIDE:
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        made = beside(text, address)
        (source / f"{Path(name).stem.lower()}.md").write_text(made, encoding="utf-8")
    shutil.copytree(NOTEBOOKS / "figures", source / "figures")
    write_explorers(chosen, source / "extra" / FOLDER)
    (source / "extra" / ON_SITE).mkdir()
    for sheet in FRAMES.glob("*.webp"):
        shutil.copy(sheet, source / "extra" / ON_SITE)
    for folder in [HERE / "static", *static_folders()]:
        shutil.copytree(folder, source / "static", dirs_exist_ok=True)
    (source / "static" / ".whole").unlink()


def build(out: Path) -> None:
    """Build the site into a folder, which is replaced as a whole, or stays as it was.

    Raises:
        Unavailable: something that the building needs cannot be had.
        NotNotebook: a notebook cannot be read.
        subprocess.CalledProcessError: Sphinx complains; its messages are printed.
    """
    install()
    with tempfile.TemporaryDirectory() as temporary:
        source, made = Path(temporary, "source"), Path(temporary, "site")
        source.mkdir()
        write_source(source)
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going"]
        command += ["-c", str(HERE), "-d", str(Path(temporary, "doctrees"))]
        path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "COURSE_SITE_SOURCE": str(source)}
        subprocess.run([*command, str(source), str(made)], check=True, env=environment)
        for left in (".buildinfo", "objects.inv", "_sources"):
            shutil.rmtree(made / left, ignore_errors=True)
            (made / left).unlink(missing_ok=True)
        (made / ".nojekyll").touch()  # or GitHub Pages leaves out folders like _static
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.site", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=CHECKOUT / "site", help="the site's folder")
    out = parser.parse_args(arguments).out
    if out.exists() and not (out / ".nojekyll").exists():
        print(f"{out} is in the way and is no site: please move it elsewhere.", file=sys.stderr)
        return 1
    started = time.perf_counter()
    try:
        build(out)
    except (Unavailable, NotNotebook, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError:
        print("Sphinx complains: its messages are above.", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    print(f"{out}: {size:.0f} MB in {time.perf_counter() - started:.0f} s; open {out}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
