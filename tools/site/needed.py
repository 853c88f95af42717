"""What building the site needs beside the course: Sphinx and its kin, and scripts for the pages.

Sphinx comes by pip, in the versions of constraints.txt, into the environment that runs this. What
the pages load to draw formulas comes by npm as packages of fixed version and checksum, so that
the site needs no network: MathJax draws formulas as SVG, which needs no fonts. Neither is part of
the repository; the scripts are kept under data/cache/site.
"""

import base64
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from course_utils.files import CHECKOUT, write_whole

CACHE = CHECKOUT / "data/cache/site"


class Unavailable(Exception):
    """Something that the site needs could not be had; the message says what, and why."""


@dataclass(frozen=True)
class NpmPackage:
    """A package of npm's registry: which files of it the site takes, under which folder."""

    name: str
    version: str
    sha512: str
    files: dict[str, str]  # from a path in the package to a path in the site's _static


MATHJAX = NpmPackage(
    "mathjax",
    "3.2.2",
    "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    {"es5/tex-svg-full.js": "mathjax/tex-svg-full.js", "LICENSE": "mathjax/LICENSE"},
)
PACKAGES = [MATHJAX]  # of the site; `tools.slides` takes MathJax too

# Only the tests use it: it looks for what stands in the way of readers who see or move little.
AUDITOR = NpmPackage(
    "axe-core",
    "4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "axe.min.js"},
)


def requirements(checkout: Path = CHECKOUT) -> list[Requirement]:
    """The extra `site` of pyproject.toml."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["optional-dependencies"]["site"]]


def missing(wanted: list[Requirement]) -> list[Requirement]:
    """Those requirements that this environment does not meet."""
    found = []
    for requirement in wanted:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if not version or version not in requirement.specifier:
            found.append(requirement)
    return found


def run(command: list[str], what: str, folder: Path = CHECKOUT) -> str:
    """What a command prints.

    Raises:
        Unavailable: it fails; the message begins with `what` and holds the end of what it said.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-1000:]
        raise Unavailable(f"{what}: {said}")
    return done.stdout


def install() -> None:
    """Install the extra `site` unless it is there.

    Raises:
        Unavailable: pip does not succeed, as without a network.
    """
    wanted = missing(requirements())
    if not wanted:
        return
    print(f"pip install {' '.join(map(str, wanted))} ...", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["-c", str(CHECKOUT / "constraints.txt"), *map(str, wanted)]
    run(pip, "pip cannot install what the site is built with")


def unpacked(package: NpmPackage, archive: bytes) -> dict[str, bytes]:
    """The files of a package's archive that the site takes, by their path in _static.

    Raises:
        Unavailable: it is another archive than the one that was tested.
    """
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode("ascii")
    name = f"{package.name} {package.version}"
    if digest != package.sha512:
        raise Unavailable(
            f"{name}: expected the archive with sha512-{package.sha512}, got another"
        )
    files = {}
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            for source, target in package.files.items():
                member = tar.extractfile(f"package/{source}")
                assert member is not None, f"{name}: {source} is no file"
                files[target] = member.read()
    return files


def fetch(package: NpmPackage, cache: Path = CACHE) -> Path:
    """The folder with a package's files for _static, fetched once.

    Raises:
        Unavailable: there is no npm, or it does not succeed, or brings something else.
    """
    digest = hashlib.sha256(repr(package).encode()).hexdigest()[:16]
    folder = cache / digest
    if (folder / ".whole").is_file():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is missing: install Node.js, which brings it")
    print(f"npm pack {package.name}@{package.version} ...", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", "--silent", f"{package.name}@{package.version}"]
        what = f"npm cannot fetch {package.name}"
        run(command, what, Path(temporary))
        (archive,) = Path(temporary).glob("*.tgz")
        files = unpacked(package, archive.read_bytes())
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)
    write_whole(folder / ".whole", b"")
    return folder


def static_folders() -> list[Path]:
    """The folders of all packages, to be merged into _static; fetched where need be."""
    return [fetch(package) for package in PACKAGES]
