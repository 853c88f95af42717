"""Reading a notebook: what cannot be used is said in one line that names file and cell."""

import json
import os

import nbformat
import pytest
from helpers.small_notebook import good

from tools.execute_notebooks import NotebookFailed, execute
from tools.notebook_files import NotNotebook, content, read_notebook
from tools.student_editions import main

NAME = "00_small.ipynb"
FAULTS = {}  # name: (change of the notebook's JSON, or the file's new content; words of the line)


def faulty(name, *words):
    def remember(change):
        FAULTS[name] = change, words
        return change

    return remember


for name, text, *words in [
    ("empty file", b"", "not JSON", "line 1 column 1"),
    ("cut off", content(good())[:400], "not JSON", "line"),
    ("conflict", b"<<<<<<< HEAD\n" + content(good()), "not JSON", "line 1 column 1"),
    ("two notebooks", content(good()) * 2, "not JSON", "Extra data"),
    ("a script", b"import torch\n", "not JSON"),
    ("another encoding", content(good()).decode().encode("utf-16"), "cannot be read", "utf-8"),
    ("deep", b"[" * 100_000, "not JSON"),
    ("a list", b"[]", "no notebook"),
    ("null", b"null", "no notebook"),
    ("other JSON", b'{"cells": []}', "no notebook"),
    ("a long number", b'{"nbformat": ' + b"4" * 5_000 + b"}", "not JSON", "5000 digits"),
    ("no cells", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no list of cells"),
]:
    FAULTS[name] = text, words


@faulty("no ids", "cell 0:", "no id", "12 more")
def _(raw):
    raw["nbformat_minor"] = 4
    for cell in raw["cells"]:
        del cell["id"]


@faulty("one without id", "cell 7:", "no id:")
def _(raw):
    del raw["cells"][7]["id"]


@faulty("an empty id", "cell 7:", "no id:")
def _(raw):
    raw["cells"][7]["id"] = ""


@faulty("ids of an older format", "format 4.4, expected 4.5")
def _(raw):
    raw["nbformat_minor"] = 4


@faulty("no minor format", "format 4.None, expected 4.5")
def _(raw):
    del raw["nbformat_minor"]


@faulty("format 3", "format 3, expected 4.5")
def _(raw):
    raw |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": raw.pop("cells")}]}


@faulty("format in words", "no notebook")
def _(raw):
    raw["nbformat"] = "4"


@faulty("a copy", "cells 7 and 13:", "'ex1'")
def _(raw):
    raw["cells"].append(raw["cells"][7])


@faulty("two copies", "cells 7 and 13:", "'ex1'")
def _(raw):
    raw["cells"] += [raw["cells"][7], raw["cells"][8]]


@faulty("no type", "cell 2:", "cell_type")
def _(raw):
    del raw["cells"][2]["cell_type"]


@faulty("a type of old", "cell 2:", "cell_type")
def _(raw):
    raw["cells"][2]["cell_type"] = "heading"


@faulty("a cell of text", "cell 2:", "cell_type")
def _(raw):
    raw["cells"][2] = "# Title"


@faulty("a number for an id", "cell 7", "id", "7")
def _(raw):
    raw["cells"][7]["id"] = 7


@faulty("a list for an id", "cell 7", "id")
def _(raw):
    raw["cells"][7]["id"] = ["ex1"]


@faulty("an id with a space", "cell 7", "id", "ex 1")
def _(raw):
    raw["cells"][7]["id"] = "ex 1"


@faulty("no source", "cell 7", "source")
def _(raw):
    del raw["cells"][7]["source"]


@faulty("no outputs", "cell 7", "outputs")
def _(raw):
    del raw["cells"][7]["outputs"]


@faulty("a format in words", "format 4.'5', expected 4.5")
def _(raw):
    raw["nbformat_minor"] = "5"


@faulty("half a character", "half a character, '\\ud800'")
def _(raw):
    raw["cells"][2]["source"] = "\ud800"


def grading(**changes):
    return lambda raw: raw["cells"][8]["metadata"]["nbgrader"].update(changes)


faulty("a list for a name", "cell 8: nbgrader's grade_id", "['a']")(grading(grade_id=["a"]))
for points in ("3", -1, float("nan"), [1]):
    faulty(f"points {points!r}", "cell 8: nbgrader's points", "0 or more")(grading(points=points))
for metadata in (None, ["x"], "x"):

    @faulty(f"metadata {metadata!r}", "cell 8: nbgrader's metadata", "object")
    def _(raw, metadata=metadata):
        raw["cells"][8]["metadata"]["nbgrader"] = metadata


@faulty("no metadata", "metadata")
def _(raw):
    del raw["metadata"]


def spoil(path, change):
    """Write a good notebook with a fault into a file."""
    if isinstance(change, bytes):
        path.write_bytes(change)
    else:
        raw = json.loads(content(good()))
        change(raw)
        path.write_text(json.dumps(raw), encoding="utf-8")


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_cannot_be_used_is_named(name, tmp_path):
    change, words = FAULTS[name]
    spoil(tmp_path / NAME, change)
    with pytest.raises(NotNotebook) as caught:
        read_notebook(tmp_path / NAME)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(NAME) and len(line) <= 300 for line in lines)
    assert all(word in lines[0] for word in words), lines
    assert len(lines) == (2 if name == "two copies" else 1)


def test_a_good_notebook_is_read_as_nbformat_reads_it(tmp_path):
    (tmp_path / NAME).write_bytes(content(good()))
    nb = read_notebook(tmp_path / NAME)
    assert nb == nbformat.read(tmp_path / NAME, as_version=4)
    assert content(nb) == content(good())


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / NAME).write_bytes(content(good()))
    (tmp_path / NAME).chmod(0)
    with pytest.raises(NotNotebook, match=f"{NAME}: cannot be read: .*ermission"):
        read_notebook(tmp_path / NAME)


def test_what_lecturers_are_told_gives_ids(tmp_path):
    """The lines in LECTURERS.md, on a notebook without ids and on one of format 3."""
    for change in (FAULTS["no ids"][0], FAULTS["one without id"][0]):
        spoil(tmp_path / NAME, change)
        nb = nbformat.read(tmp_path / NAME, as_version=4)
        nbformat.write(nbformat.v4.upgrade(nb), tmp_path / NAME)
        assert [c.source for c in read_notebook(tmp_path / NAME).cells] == [
            c.source for c in good().cells
        ]


@pytest.mark.parametrize("command", ["tag", "student"])
def test_student_editions_name_every_file_and_write_nothing(command, tmp_path, capsys):
    for number, name in enumerate(("cut off", "a copy", "one without id")):
        spoil(tmp_path / f"0{number}_small.ipynb", FAULTS[name][0])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([command, "--notebooks", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line[:14] for line in lines] == [f"0{n}_small.ipynb" for n in range(3)]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_executing_names_the_file(tmp_path):
    spoil(tmp_path / NAME, FAULTS["cut off"][0])
    with pytest.raises(NotebookFailed, match=f"{NAME}: not JSON"):
        execute(tmp_path / NAME)
