"""Where files lie, and that a file is written whole or not at all."""

import os
from pathlib import Path

import pytest
from helpers.disks import FAULTS, spoil

from course_utils import files
from course_utils.files import (
    cache_root,
    data_root,
    data_roots,
    file_to_write,
    in_checkout,
    no_folder,
    quoted,
    reason,
    results_root,
    short,
    try_to_write,
    write_whole,
)


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch) -> Path:
    """An empty checkout, and no folder of the user's."""
    monkeypatch.delenv("COURSE_DATA", raising=False)
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.setattr(files, "CHECKOUT", folder)
    return folder


# --- Where files lie -----------------------------------------------------------------------------


def test_roots(checkout, tmp_path, monkeypatch):
    cache = checkout / "data" / "cache"
    assert data_root() == cache_root() == cache and data_roots() == [cache]
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert data_root() == tmp_path / "variable"
    assert data_roots() == [tmp_path / "variable", cache]
    assert data_root(tmp_path / "argument") == tmp_path / "argument"
    assert data_roots(tmp_path / "argument") == [tmp_path / "argument", cache]
    assert data_root("~/x") == Path.home() / "x"
    monkeypatch.chdir(tmp_path)
    assert data_root("here") == tmp_path / "here"
    assert cache_root() == cache
    monkeypatch.setenv("COURSE_DATA", "")
    assert data_root() == cache


def test_the_cache_by_another_name_is_looked_at_once(checkout):
    assert data_roots(checkout / "data" / "results" / ".." / "cache") == [cache_root()]


def test_a_wheel_has_no_checkout(checkout):
    assert in_checkout() and results_root() == checkout / "data" / "results"
    (checkout / "pyproject.toml").unlink()
    assert not in_checkout() and results_root() == files.PACKAGE / "results"
    assert "vae-course" in cache_root().parts and checkout not in cache_root().parents


def test_no_path_of_this_machine_is_printed(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "mine"))
    assert short(tmp_path / "mine" / "MNIST" / "raw") == "$COURSE_DATA/MNIST/raw"
    assert short(checkout / "data" / "cache") == "data/cache"
    assert short(tmp_path / "other") == str(tmp_path / "other")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert short(tmp_path / "other") == "~/other"


def test_quotes_and_spaces_around_the_variable_are_dropped(tmp_path, monkeypatch):
    for written in ('"{}"', "'{}'", " {} ", "{}", ' "{}"'):
        monkeypatch.setenv("COURSE_DATA", written.format(tmp_path / "my data"))
        assert data_root() == tmp_path / "my data"
        assert short(tmp_path / "my data" / "raw") == "$COURSE_DATA/raw"
    monkeypatch.setenv("COURSE_DATA", '"~/x"')
    assert data_root() == Path.home() / "x"
    for empty in ('""', "''", " ", '"'):
        monkeypatch.setenv("COURSE_DATA", empty)
        assert data_root() == cache_root()
    monkeypatch.chdir(tmp_path)
    for half in ('"half', "half'", "\"mixed'"):
        monkeypatch.setenv("COURSE_DATA", half)
        assert data_root() == tmp_path / half


@pytest.mark.parametrize("root", [3, b"bytes", [], True, float, "nul\0"])
def test_a_root_that_is_no_path(root):
    with pytest.raises(ValueError, match="root: expected a folder's path, got "):
        data_root(root)


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["list"], "nul\0"])
def test_what_is_no_file_s_path(value):
    with pytest.raises(ValueError, match="path: expected a file's path, got "):
        file_to_write("path", value)


def test_a_folder_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, str(tmp_path), "", "."):
        with pytest.raises(ValueError, match="path: expected a file's path, got the folder "):
            file_to_write("path", folder)
    assert file_to_write("path", "~/x") == Path.home() / "x"


def test_an_unknown_home_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_root("~nobody-of-that-name/x") == tmp_path / "~nobody-of-that-name" / "x"


def test_paths_are_shown_in_quotes(checkout, tmp_path, monkeypatch):
    """Never from COURSE_DATA on: its value may be what is wrong."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "mine "))
    assert quoted(tmp_path / "mine ") == f'"{tmp_path}/mine "'
    assert quoted(checkout / "data" / "cache") == '"data/cache"'
    assert quoted(tmp_path / "a\nb\u200bc") == f'"{tmp_path}/a\\nb\\u200bc"'
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert quoted(tmp_path / "Größe") == '"~/Größe"'


def test_why_a_folder_is_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert no_folder(tmp_path) == ""
    assert no_folder(tmp_path / "file") == f'"{tmp_path}/file" is a file, expected a folder'
    assert no_folder(tmp_path / "no") == f'"{tmp_path}/no" does not exist'
    assert no_folder(tmp_path / "file" / "x") == f'"{tmp_path}/file/x" does not exist'

    def closed(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", closed)
    assert no_folder(tmp_path) == f'"{tmp_path}" cannot be read: Permission denied'


def test_reasons_are_a_few_words():
    assert reason(OSError(28, "No space left on device")) == "No space left on device"
    assert reason(ValueError("first line\nsecond")) == "first line"
    assert reason(RuntimeError()) == "RuntimeError"
    assert len(reason(ValueError("x" * 1000))) == 120


# --- Whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"whole", memoryview(b"whole"), b""])
def test_a_file_is_written_whole(content, tmp_path):
    path = tmp_path / "folder" / "of its own" / "file.bin"  # made when missing
    for _ in range(2):  # then in the place of an older one
        write_whole(path, content)
        assert path.read_bytes() == bytes(content)
        assert try_to_write(path, b"older") == "" and path.read_bytes() == b"older"
    assert os.listdir(path.parent) == [path.name]


@pytest.fixture(params=[b"older", None], ids=["over an older one", "anew"])
def path(request, tmp_path):
    """A file to be written, which is as it was when the test is over, with nothing beside it."""
    path = tmp_path / "folder" / "file.bin"
    path.parent.mkdir()
    if request.param:
        path.write_bytes(request.param)
    yield path
    assert os.listdir(path.parent) == [path.name] * bool(request.param)
    assert not request.param or path.read_bytes() == request.param


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_written_leaves_no_trace(fault, path, monkeypatch):
    words = spoil(monkeypatch, fault)
    with pytest.raises(OSError, match=words):
        write_whole(path, b"newer and longer")
    assert try_to_write(path, b"newer and longer") == words


def test_an_interrupted_kernel_leaves_no_trace(path, monkeypatch):
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    for write in (write_whole, try_to_write):
        with pytest.raises(KeyboardInterrupt):
            write(path, b"newer and longer")


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    with pytest.raises(OSError):
        write_whole(tmp_path / "blocked" / "file.bin", b"content")
    assert try_to_write(tmp_path / "blocked" / "file.bin", b"content")
    assert (tmp_path / "blocked").read_text() == "a file where the folder should be"


def test_readers_never_see_half_a_file(tmp_path, monkeypatch):
    """While it is written, and until all of it has reached the disk, the older one is there."""
    path, seen = tmp_path / "file.bin", []
    path.write_bytes(b"older")
    synchronise = os.fsync

    def look(descriptor: int) -> None:
        seen.append((path.read_bytes(), os.fstat(descriptor).st_size))
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(path, b"newer, and longer")
    assert seen == [(b"older", 17)] and path.read_bytes() == b"newer, and longer"
