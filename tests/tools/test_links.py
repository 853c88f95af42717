"""The course's public address: stamped into every page, read back, taken out without a trace."""

import json
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from course_utils.files import CHECKOUT
from tools import links
from tools.links import Address, CannotStamp
from tools.notebook_files import NOTEBOOKS

INVENTED = Address("nobody/no-course", "spring", "https://hub.example.org/", "https://example.org")
PAGES = [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("student/*.ipynb"))]


def copied(pages, folder):
    """README and notebooks of this checkout, without the stamp that they may have."""
    shutil.copy(CHECKOUT / "README.md", folder)
    for path in pages:
        copy = folder / path.relative_to(CHECKOUT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    list(links.stamp(None, folder))
    return folder


@pytest.fixture
def whole(tmp_path):
    return copied(PAGES, tmp_path)


@pytest.fixture
def checkout(tmp_path):
    return copied([path for path in PAGES if path.name.startswith(("03", "start"))], tmp_path)


def bytes_of(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read(path):
    nb = json.loads(path.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell["source"] = "".join(cell["source"])
    return nb


@pytest.mark.slow
def test_stamped_and_undone_is_the_same_byte_for_byte(whole):
    checkout = whole
    before = bytes_of(checkout)
    changed = set(links.stamp(INVENTED, checkout))
    during = bytes_of(checkout)
    assert changed == set(before) == {name for name in before if during[name] != before[name]}
    assert set(links.stamp(None, checkout)) == changed
    assert bytes_of(checkout) == before


def test_stamped_anew_holds_the_new_address_alone(checkout):
    list(links.stamp(Address("somebody/other"), checkout))
    once = bytes_of(checkout)
    list(links.stamp(INVENTED, checkout))
    assert links.stamped(checkout) == INVENTED
    assert not [name for name, content in bytes_of(checkout).items() if b"somebody/" in content]
    list(links.stamp(Address("somebody/other"), checkout))
    assert bytes_of(checkout) == once
    assert not list(links.stamp(Address("somebody/other"), checkout))  # nothing left to change


@pytest.mark.slow
def test_every_notebook_opens_itself_and_installs_from_one_address(whole):
    checkout = whole
    list(links.stamp(INVENTED, checkout))
    for name in bytes_of(checkout).keys() - {"README.md"}:
        nb = read(checkout / name)
        head = nb["cells"][0]["source"]
        assert f"nobody/no-course/blob/spring/{name})" in head, name
        assert f"/gh/nobody/no-course/spring?urlpath=lab/tree/{name})" in head, name
        assert f"urlpath=lab/tree/no-course/{name})" in head, name
        first = next(cell for cell in nb["cells"] if cell["cell_type"] == "code")
        namespace = {}
        exec(first["source"].split("\n")[0], namespace)
        assert namespace["REPOSITORY"] == "https://github.com/nobody/no-course@spring", name


def test_outputs_counts_and_widgets_survive(checkout):
    def rest(nb):
        cells = [{k: v for k, v in cell.items() if k != "source"} for cell in nb["cells"]]
        return cells, {k: v for k, v in nb.items() if k != "cells"}

    names = bytes_of(checkout).keys() - {"README.md"}
    before = {name: rest(read(checkout / name)) for name in names}
    list(links.stamp(INVENTED, checkout))
    assert {name: rest(read(checkout / name)) for name in names} == before


@pytest.mark.slow
def test_student_editions_of_stamped_notebooks_are_the_stamped_student_editions(whole):
    checkout = whole
    from tools.student_editions import student_files

    list(links.stamp(INVENTED, checkout))
    for name, content in student_files(checkout / "notebooks").items():
        assert (checkout / "notebooks/student" / name).read_bytes() == content, name


def test_without_an_address_no_page_shows_a_link(checkout):
    assert links.stamped(checkout) is None
    for name, content in bytes_of(checkout).items():
        for host in (b"colab.research", b"mybinder.org", b"git-pull?", b"<!-- links"):
            assert host not in content, (name, host)


def test_readme_gains_at_most_three_lines_and_an_empty_one(checkout):
    before = (checkout / "README.md").read_text(encoding="utf-8").split("\n")
    list(links.stamp(INVENTED, checkout))
    after = (checkout / "README.md").read_text(encoding="utf-8").split("\n")
    assert len(after) - len(before) == 4
    assert "notebooks/start_here.ipynb" in after[3] and "https://example.org)" in after[3]


def test_without_a_hub_and_a_site_there_are_no_links_to_them():
    text = links.block(Address("a/b"), "README.md")
    assert "git-pull" not in text and "JupyterHub" not in text and "site" not in text


def test_the_hub_fetches_the_branch_of_the_repository():
    address = urlsplit(INVENTED.pulled("notebooks/05_x.ipynb"))
    assert address.netloc == "hub.example.org"
    assert address.path == "/hub/user-redirect/git-pull"
    assert parse_qs(address.query) == {
        "repo": ["https://github.com/nobody/no-course"],
        "branch": ["spring"],
        "urlpath": ["lab/tree/no-course/notebooks/05_x.ipynb"],
    }


@pytest.mark.parametrize(
    "given",
    [
        {"repo": "name"},
        {"repo": "https://github.com/owner/name"},
        {"repo": "owner/na me"},
        {"repo": "owner/name", "branch": ""},
        {"repo": "owner/name", "branch": "a) [b"},
        {"repo": "owner/name", "hub": "hub.example.org"},
        {"repo": "owner/name", "site": "https://example.org/ -->"},
    ],
)
def test_an_address_that_cannot_be_one_is_refused(given):
    with pytest.raises(CannotStamp, match=r"expected .*, got"):
        Address(**given)


def notebook(*cells):
    nb = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(nb, indent=1, ensure_ascii=False) + "\n"


TITLE = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title\n", "\n", "é"]}
INSTALL = {
    "cell_type": "code",
    "execution_count": 1,
    "id": "b",
    "metadata": {},
    "outputs": [{"output_type": "stream", "name": "stdout", "text": ["0.1\n"]}],
    "source": links.UNKNOWN + "\nprint(1)",
}


def test_sources_stay_lists_or_texts():
    stamped = json.loads(links.stamped_notebook(notebook(TITLE, INSTALL), INVENTED, "x.ipynb"))
    title, install = (cell["source"] for cell in stamped["cells"])
    assert title[:2] == TITLE["source"][:2] and title[2] == "é\n"
    assert isinstance(install, str) and install.endswith("\nprint(1)")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        (notebook(TITLE, INSTALL).replace("\n ", "\n  "), "not laid out"),
        (notebook(TITLE, INSTALL).replace("0.1", "\\u00e9"), "not laid out"),
        (notebook(INSTALL, TITLE), "a title in the first cell"),
        (notebook(), "a title in the first cell"),
        (notebook(TITLE), "first code cell"),
        (notebook(TITLE, INSTALL | {"source": 'REPOSITORY = ""'}), "first code cell"),
    ],
)
def test_a_file_without_a_place_for_the_stamp_is_refused(text, complaint):
    with pytest.raises(CannotStamp, match=rf"^x\.ipynb: .*{complaint}"):
        links.stamped_notebook(text, INVENTED, "x.ipynb")


def test_all_files_or_none(checkout, capsys):
    last = checkout / "notebooks/student" / PAGES[-1].name
    last.write_text(notebook(TITLE), encoding="utf-8")
    before = bytes_of(checkout)
    assert links.main(["--repo", "owner/name", "--checkout", str(checkout)]) == 1
    assert last.name in capsys.readouterr().err
    assert bytes_of(checkout) == before


@pytest.mark.parametrize("undo", [["--off"], ["--repo", ""], []])
def test_the_command_stamps_and_undoes(checkout, capsys, undo):
    before = bytes_of(checkout)
    where = ["--checkout", str(checkout)]
    assert links.main(["--repo", "owner/name", "--branch", "v1", *where]) == 0
    assert links.stamped(checkout) == Address("owner/name", "v1")
    assert links.main([*undo, *where]) == 0
    assert "not known" in capsys.readouterr().out
    assert bytes_of(checkout) == before
