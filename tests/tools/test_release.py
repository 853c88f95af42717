"""The release: the same bytes from the same files, and every part in it."""

import os
import re
import tarfile

import nbformat
import pytest

from course_utils.files import CHECKOUT
from tools.release import build, last_commit, pack, write_student_bundle


def test_the_same_files_give_the_same_bytes(tmp_path):
    archives = []
    for turn, names in enumerate((["b.txt", "a/c.txt"], ["a/c.txt", "b.txt"])):
        folder = tmp_path / str(turn)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o600 if turn else 0o755)
            os.utime(path, (turn, turn))
        archives.append(tmp_path / f"{turn}.tar.gz")
        pack(folder, archives[-1], "course", 1_700_000_000)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        assert archive.getnames() == ["course/a/c.txt", "course/b.txt"]
        for entry in archive:
            assert (entry.mtime, entry.mode, entry.uid, entry.uname) == (
                1_700_000_000,
                0o644,
                0,
                "",
            )
            assert archive.extractfile(entry).read().decode() == entry.name.removeprefix("course/")


def test_a_student_gets_every_edition_its_figures_and_how_to_begin(tmp_path):
    out = tmp_path / "student"
    write_student_bundle(CHECKOUT, out, "vae_course-1.whl")
    editions = {path.name for path in (CHECKOUT / "notebooks" / "student").glob("*.ipynb")}
    found = {path.name for path in out.iterdir()}
    assert found == editions | {"README.md", "figures", "start_here.ipynb"}
    assert '"vae_course-1.whl[lab]"' in (out / "README.md").read_text(encoding="utf-8")
    for path in out.glob("*.ipynb"):  # what a page points to is there
        for cell in nbformat.read(path, as_version=4).cells:
            for target in re.findall(
                r"\]\(([^)#:]+)\)", cell.source * (cell.cell_type == "markdown")
            ):
                assert (out / target).exists(), f"{path.name}: {target}"


@pytest.mark.publish
def test_a_release_holds_all_parts_and_is_the_same_when_built_again(tmp_path):
    if not (CHECKOUT / ".git").exists():
        pytest.skip("a release is built from a commit, and this is no git checkout")
    when = last_commit()
    for turn in ("one", "two"):
        build(tmp_path / turn, when)
        pack(tmp_path / turn, tmp_path / f"{turn}.tar.gz", "course", when)
    first = tmp_path / "one"
    assert len(list(first.glob("*.whl"))) == 1
    assert len(list((first / "student").glob("*.whl"))) == 1
    for name in ("student/README.md", "slides/index.html", "site/index.html"):
        assert (first / name).is_file(), name
    files = {p.relative_to(first) for p in first.rglob("*") if p.is_file()}
    second = tmp_path / "two"
    assert files == {p.relative_to(second) for p in second.rglob("*") if p.is_file()}
    differ = [p for p in files if (first / p).read_bytes() != (second / p).read_bytes()]
    assert differ == []
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
