"""Stamp the course's public address into README and notebooks, or take it out: `make links`.

    python -m tools.links --repo OWNER/NAME [--branch main] [--hub ADDRESS] [--site ADDRESS]
    python -m tools.links --off

As long as nobody knows where the course is published, no page shows a link that leads nowhere.
Once it is known, this is the one place that makes Colab's, Binder's and nbgitpuller's links of
it: for README, below its title; for the head of each notebook and student edition; and for the
constant REPOSITORY, from which the first code cell installs the package. nbgitpuller needs the
address of a JupyterHub: without `--hub` there is no such link. Each stamp stands between two
comments, so that `--off` leaves every file as it was, byte for byte; outputs are not touched. The
site reads the address from README.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from course_utils.files import CHECKOUT, write_whole
from tools.notebook_files import NOTEBOOKS

README = "README.md"
FIRST = "notebooks/start_here.ipynb"  # what README's links open
GITHUB = "https://github.com"
# What the comment before a stamp says is also how the address is read back.
BLOCK = re.compile(r"<!-- links: (?P<address>.*?) -->\n.*?\n<!-- /links -->", re.DOTALL)
# The line of the first code cell that a stamp replaces, and what it then is.
UNKNOWN = (
    'REPOSITORY = ""'
    "  # the course's Git address; left empty, this cell looks for an uploaded wheel"
)
KNOWN = 'REPOSITORY = "{}"  # the course\'s Git address'
INSTALLED_FROM = re.compile(
    "^(" + re.escape(UNKNOWN) + "|" + '[^"\n]+'.join(map(re.escape, KNOWN.split("{}"))) + ")$",
    re.MULTILINE,
)


class CannotStamp(Exception):
    """An address that cannot be one, or a file that has no place for a stamp; says which."""


@dataclass(frozen=True)
class Address:
    """Where the course is published.

    Attributes:
        repo: owner and name of the repository on GitHub, as in `owner/name`.
        branch: what readers get of it.
        hub: address of a JupyterHub with nbgitpuller, or nothing.
        site: address of the published site, or nothing.
    Raises:
        CannotStamp: for what is none of these.
    """

    repo: str
    branch: str = "main"
    hub: str = ""
    site: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", self.repo):
            raise CannotStamp(f"REPO: expected owner/name, got {self.repo!r}")
        if not re.fullmatch(r"\w[\w./-]*", self.branch, re.ASCII):
            raise CannotStamp(f"BRANCH: expected a branch's name, got {self.branch!r}")
        for name, value in [("HUB", self.hub), ("SITE", self.site)]:
            if value and not re.fullmatch(r"https?://[\w.:~/-]+", value, re.ASCII):
                raise CannotStamp(f"{name}: expected https://..., got {value!r}")

    def __str__(self) -> str:
        parts = [("REPO", self.repo), ("BRANCH", self.branch)]
        parts += [("HUB", self.hub), ("SITE", self.site)]
        return " ".join(f"{name}={value}" for name, value in parts if value)

    @property
    def install(self) -> str:
        """What pip installs the package from, after `git+`."""
        return f"{GITHUB}/{self.repo}@{self.branch}"

    def source(self, path: str) -> str:
        """A file of the repository, as GitHub shows it."""
        return f"{GITHUB}/{self.repo}/blob/{self.branch}/{quote(path)}"

    def colab(self, path: str) -> str:
        """A notebook, opened in Colab."""
        where = f"{self.repo}/blob/{self.branch}/{quote(path)}"
        return f"https://colab.research.google.com/github/{where}"

    def binder(self, path: str) -> str:
        """A notebook in JupyterLab on Binder, which reads environment.yml."""
        opened = urlencode({"urlpath": f"lab/tree/{path}"}, safe="/")
        return f"https://mybinder.org/v2/gh/{self.repo}/{quote(self.branch, safe='')}?{opened}"

    def pulled(self, path: str) -> str:
        """A notebook on the hub, where nbgitpuller fetches the course first; "" without a hub."""
        if not self.hub:
            return ""
        folder = self.repo.split("/")[1]
        query = {
            "repo": f"{GITHUB}/{self.repo}",
            "branch": self.branch,
            "urlpath": f"lab/tree/{folder}/{path}",
        }
        return f"{self.hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query, safe='/')}"


def block(address: Address, path: str) -> str:
    """The stamp in one file, whose path is given from the checkout."""
    opened = FIRST if path == README else path
    places = [
        ("Colab", address.colab(opened)),
        ("Binder", address.binder(opened)),
        ("your JupyterHub", address.pulled(opened)),
    ]
    links = " · ".join(f"[{name}]({to})" for name, to in places if to)
    line = f"Run this page online: {links}."
    if path == README:
        line = line.replace("this page", "the first notebook")
        line += f" Or [read all of them as a site]({address.site})." * bool(address.site)
    return f"<!-- links: {address} -->\n{line}\n<!-- /links -->"


def for_student_folder(markdown: str) -> str:
    """Markdown of a notebook with its stamp, if there is one, made to open the student edition."""
    return BLOCK.sub(lambda m: m[0].replace("/notebooks/", "/notebooks/student/"), markdown)


# --- one file ------------------------------------------------------------------------------------


def stamped_readme(text: str, address: Address | None) -> str:
    """README with the stamp below its title; without any if there is no address.

    Raises:
        CannotStamp: it does not begin with a title and an empty line.
    """
    text = re.sub(BLOCK.pattern + "\n\n", "", text, count=1, flags=re.DOTALL)
    if address is None:
        return text
    title = re.match(r"# .*\n\n", text)
    if not title:
        raise CannotStamp(f"{README}: expected a title and an empty line at its beginning")
    return f"{title[0]}{block(address, README)}\n\n{text[title.end() :]}"


def _edit(cell: dict, old: re.Pattern, new: str) -> None:
    """Put `new` in the place of `old` in a cell's source, which stays a list or a text."""
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    changed = old.sub(lambda _: new, source, count=1)
    cell["source"] = changed if isinstance(cell["source"], str) else changed.splitlines(True)


def _as_stored(nb: dict) -> str:
    return json.dumps(nb, ensure_ascii=False, indent=1) + "\n"


def stamped_notebook(text: str, address: Address | None, path: str) -> str:
    """A notebook's file with the stamp at the end of its first cell, and its REPOSITORY set.

    Raises:
        CannotStamp: it is not laid out as the course's tools write it, so that outputs might not
            stay what they are; or its first cell is no title; or no code cell sets REPOSITORY.
    """
    try:
        nb = json.loads(text)
    except ValueError:
        raise CannotStamp(f"{path}: not JSON") from None
    if not isinstance(nb, dict) or _as_stored(nb) != text:
        raise CannotStamp(f"{path}: not laid out as `make notebooks` writes it; run that first")
    head = next(iter(nb["cells"]), {"cell_type": "none"})
    install = next((cell for cell in nb["cells"] if cell["cell_type"] == "code"), {"source": ""})
    if head["cell_type"] != "markdown" or not "".join(head["source"]).startswith("# "):
        raise CannotStamp(f"{path}: expected a title in the first cell")
    if not INSTALLED_FROM.search("".join(install["source"])):
        raise CannotStamp(f"{path}: expected in the first code cell: {UNKNOWN}")
    _edit(head, re.compile("\n\n" + BLOCK.pattern, re.DOTALL), "")
    if address:
        _edit(head, re.compile(r"\Z"), "\n\n" + block(address, path))
    _edit(install, INSTALLED_FROM, KNOWN.format(address.install) if address else UNKNOWN)
    return _as_stored(nb)


# --- the checkout --------------------------------------------------------------------------------


def stamped(checkout: Path = CHECKOUT) -> Address | None:
    """The address that README is stamped with; None without one."""
    found = BLOCK.search((checkout / README).read_text(encoding="utf-8"))
    if not found:
        return None
    return Address(**{k.lower(): v for k, v in re.findall(r"([A-Z]+)=(\S+)", found["address"])})


def stamp(address: Address | None, checkout: Path = CHECKOUT) -> Iterator[str]:
    """Stamp all files, or none if one of them has a fault; yields the path of each changed one."""
    folder = checkout / NOTEBOOKS.name
    paths = [checkout / README, *sorted(folder.glob("*.ipynb"))]
    paths += sorted((folder / "student").glob("*.ipynb"))
    changed = {}
    for path in paths:
        name = path.relative_to(checkout).as_posix()
        before = path.read_bytes()
        text = before.decode("utf-8")
        after = (
            stamped_readme(text, address)
            if name == README
            else stamped_notebook(text, address, name)
        ).encode("utf-8")
        if after != before:
            changed[path] = after
    for path, content in changed.items():
        write_whole(path, content)
        yield path.relative_to(checkout).as_posix()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.links", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--repo", default="", help="owner/name on GitHub; empty: as --off")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--hub", default="", help="address of a JupyterHub with nbgitpuller")
    parser.add_argument("--site", default="", help="address of the published site")
    parser.add_argument("--off", action="store_true", help="take the stamps out")
    parser.add_argument("--checkout", type=Path, default=CHECKOUT, help="whose files; this one's")
    chosen = parser.parse_args(arguments)
    try:
        address = None
        if chosen.repo and not chosen.off:
            address = Address(chosen.repo, chosen.branch, chosen.hub, chosen.site)
        for name in stamp(address, chosen.checkout):
            print(name)
    except (CannotStamp, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"The links lead to {address}" if address else "No links: the address is not known.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
